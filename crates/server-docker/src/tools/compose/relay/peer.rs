//! Who speaks through the relay: Compose, and what it starts. Nobody else is served, whoever finds the socket.

use std::fs;
use tokio::net::UnixStream;

/// Processes between one of Compose's and us.
const MOST: usize = 64;

/// Whether the process at the other end was started by this one, or by one that was. Where processes cannot be told
/// (no `/proc`), nobody is.
pub(super) async fn is_ours(stream: &UnixStream) -> bool {
    let Some(process) = stream.peer_cred().ok().and_then(|peer| peer.pid()) else { return false };
    let Ok(process) = u32::try_from(process) else { return false };
    tokio::task::spawn_blocking(move || descends(process, std::process::id())).await.unwrap_or_default()
}

fn descends(process: u32, from: u32) -> bool {
    std::iter::successors(Some(process), |process| parent(*process)).take(MOST).any(|process| process == from)
}

/// The parent of a process (proc(5), `/proc/pid/stat`, field 4). The name before it may have anything in it.
fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok().filter(|parent| *parent != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_we_started_are_ours_and_others_are_not() {
        let me = std::process::id();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let its_own = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut its_own = its_own.unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(its_own.stdout.take().unwrap()), &mut line).unwrap();
        let grandchild: u32 = line.trim().parse().unwrap();
        assert!(descends(me, me) && descends(child.id(), me) && descends(grandchild, me));
        assert!(!descends(1, me) && !descends(parent(me).unwrap(), me) && !descends(u32::MAX, me));
        for process in [&mut child, &mut its_own] {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let _ = std::process::Command::new("kill").arg(grandchild.to_string()).status();
    }
}
