//! Which paths of the host a container may see, an image may be built from and a volume may stand for.
//!
//! A path is decided by where it leads, not by its letters: links are followed, `..` is resolved, and it is
//! compared component by component. What is refused is refused with everything below it, and so is every
//! folder that has it inside. What the engine is given is the resolved path.
//!
//! The engine follows the path again when it starts a container, and whoever can write in a folder of it can have
//! made a link of it by then. So what is mounted is decided again before a container is started (see `standing`),
//! and no mount may lie inside what another container can write (see `apart`, for which links in what others have are
//! followed too). What remains is whoever can write
//! there without a container: only `mount_allow` with folders in which nobody else can write rules that out.

pub(crate) mod apart;
mod danger;
mod guarded;

use crate::endpoint::Host;
use crate::fault::Fault;
use danger::{dangerous, touches};
pub(crate) use danger::{hands_over, listed};
use std::path::{Component, Path, PathBuf};

/// Bytes of a path.
const LONGEST: usize = 4096;

/// What the operator says of paths.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) allow: &'a [PathBuf],
    pub(crate) block: &'a [PathBuf],
    pub(crate) unchecked: bool,
    /// Files and folders of this process's own.
    pub(crate) guarded: &'a [PathBuf],
    /// Where the engine keeps everything, if it is known and our files are its.
    pub(crate) root: Option<&'a Path>,
}

/// The path without `.` and `..`, and without looking at any file. `None` if it is not absolute.
pub fn lexical(path: &str) -> Option<PathBuf> {
    if !path.starts_with('/') || path.contains('\0') || path.len() > LONGEST {
        return None;
    }
    let mut out = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(out)
}

/// Where a path leads: its links followed as far as it exists, and the rest behind that.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut rest = Vec::new();
    let mut there = path;
    loop {
        if let Ok(real) = there.canonicalize() {
            let mut real = real;
            // `..` behind something that does not exist cannot be resolved, so it is refused.
            for name in rest.iter().rev() {
                real.push(name);
            }
            return Some(real);
        }
        // A link whose end is missing could be completed later.
        if there.symlink_metadata().is_ok() {
            return None;
        }
        rest.push(there.file_name()?.to_owned());
        there = there.parent()?;
    }
}

impl Rules<'_> {
    /// The path to give to an engine that shares our files (`local`), or one that does not.
    ///
    /// # Errors
    /// Says why it is refused and which setting allows it.
    pub(crate) fn host_path(&self, text: &str, engine: Option<&Host>, local: bool) -> Result<PathBuf, Fault> {
        let plain = lexical(text).ok_or_else(|| {
            let shown: String = text.chars().take(100).filter(|c| !c.is_control()).collect();
            Fault::new(format!("{shown:?} is no absolute path of the host; write it like /srv/data, or name a volume."))
        })?;
        if self.unchecked {
            return Ok(plain);
        }
        if !local {
            return self.foreign(&plain);
        }
        let real = resolved(Path::new(text)).filter(|real| lexical(&real.to_string_lossy()).as_ref() == Some(real));
        let Some(real) = real else {
            return Err(refused(text, "it is or crosses a link that leads nowhere"));
        };
        self.decide(text, &real, engine)?;
        // What the letters say counts, too: a link out of a refused folder is that folder's secret.
        if real != plain {
            self.decide(text, &plain, engine)?;
        }
        Ok(real)
    }

    /// A path of a machine that we cannot look at: links cannot be followed, so only what is allowed by name.
    fn foreign(&self, path: &Path) -> Result<PathBuf, Fault> {
        if let Some(blocked) = self.block.iter().find(|blocked| touches(path, blocked)) {
            return Err(refused(&path.display().to_string(), &format!("the settings block {}", blocked.display())));
        }
        // It may be this machine all the same, as on a port of it.
        self.own(&path.display().to_string(), path)?;
        if self.allow.iter().any(|allowed| path.starts_with(allowed)) {
            return Ok(path.to_owned());
        }
        Err(refused(
            &path.display().to_string(),
            "the engine has other files than this process, so links in it cannot be followed",
        ))
    }

    /// What an operator named letter by letter.
    pub(crate) fn names(&self, path: &Path) -> bool {
        self.unchecked || self.allow.iter().any(|allowed| allowed == path)
    }

    /// Refuses what this process is made of, however much is allowed, unless exactly this was named.
    fn own(&self, text: &str, path: &Path) -> Result<(), Fault> {
        if !self.names(path) && self.guarded.iter().any(|own| guarded::holds(path, own)) {
            return Err(refused(text, "settings, secrets, the audit or the program of this gateway are in it"));
        }
        Ok(())
    }

    /// The path if it is allowed and leads where it says, as it must when something else follows it later.
    ///
    /// # Errors
    /// Says why it is refused.
    pub(crate) fn standing(&self, text: &str, engine: Option<&Host>, local: bool) -> Result<PathBuf, Fault> {
        let real = self.host_path(text, engine, local)?;
        let plain = lexical(text).unwrap_or_default();
        if real == plain || self.names(&plain) {
            return Ok(real);
        }
        Err(refused(text, &format!("it leads to {} by now", real.display())))
    }

    fn decide(&self, text: &str, path: &Path, engine: Option<&Host>) -> Result<(), Fault> {
        for blocked in self.block {
            let real = resolved(blocked).unwrap_or_else(|| blocked.clone());
            if touches(path, blocked) || touches(path, &real) {
                return Err(refused(text, &format!("the settings block {}", blocked.display())));
            }
        }
        self.own(text, path)?;
        let named = self.allow.iter().any(|allowed| {
            path.starts_with(allowed) || resolved(allowed).is_some_and(|allowed| path.starts_with(allowed))
        });
        if named {
            return Ok(());
        }
        if !self.allow.is_empty() {
            return Err(refused(text, "it is not below what the settings allow"));
        }
        if let Some(why) = dangerous(path, engine, self.root) {
            return Err(refused(text, &why));
        }
        Ok(())
    }
}

fn refused(path: &str, why: &str) -> Fault {
    let shown: String = path.chars().take(200).filter(|c| !c.is_control()).collect();
    Fault::refused(format!(
        "{shown:?} is refused: {why}. Use a volume or another folder; the operator can allow it by name with \
         SAFETY_VOLUME_MOUNT_ALLOWLIST (mount_allow)."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONE: Rules<'static> = Rules { allow: &[], block: &[], unchecked: false, guarded: &[], root: None };

    fn verdict(rules: Rules<'_>, path: &str) -> Result<PathBuf, String> {
        rules.host_path(path, None, true).map_err(|fault| format!("{fault:?}"))
    }

    #[test]
    fn what_hands_over_the_host_is_refused_by_meaning() {
        for path in [
            "/",
            "//",
            "/.",
            "/proc",
            "/proc/1/root",
            "/sys",
            "/dev",
            "/dev/sda",
            "/boot",
            "/etc",
            "/etc/",
            "/etc/passwd",
            "/srv/../etc",
            "/root",
            "/root/x",
            "/var/run",
            "/var/run/docker.sock",
            "/run",
            "/run/docker.sock",
            "/var",
            "/var/lib",
            "/var/lib/docker/volumes",
            "/usr",
            "/home",
            "/home/me/.ssh",
            "/srv/.aws/x",
            "/home/me/.kube",
            "/home/me/.bashrc",
            "/home/me/.config/x",
            "/var/lib/dpkg",
            "/var/backups",
            "/lib32",
            "/libx32/x",
            "/snap",
        ] {
            assert!(verdict(NONE, path).is_err(), "{path}");
        }
        for path in
            ["/etcetera", "/root2", "/srv/data", "/home/a..b/work", "/home/me/project", "/opt/devices", "/srv/etc"]
        {
            assert!(verdict(NONE, path).is_ok(), "{path}: {:?}", verdict(NONE, path));
        }
        for path in ["", "relative", "./x", "~/x", "C:\\Users", "/a\0b"] {
            assert!(verdict(NONE, path).is_err(), "{path}");
        }
    }

    #[test]
    fn links_are_followed_and_the_engine_gets_where_they_lead() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name);
        let text = |name: &str| at(name).to_str().unwrap().to_owned();
        std::os::unix::fs::symlink("/etc", at("evil")).unwrap();
        std::os::unix::fs::symlink(at("evil"), at("twice")).unwrap();
        std::os::unix::fs::symlink("/nonexistent/later", at("dangling")).unwrap();
        std::fs::create_dir(at("data")).unwrap();
        std::os::unix::fs::symlink(at("data"), at("good")).unwrap();
        for name in ["evil", "twice", "evil/passwd", "data/../evil", "dangling", "dangling/x"] {
            assert!(verdict(NONE, &text(name)).is_err(), "{name}");
        }
        assert_eq!(verdict(NONE, &text("good/new")).unwrap(), at("data/new"));
        std::fs::create_dir(at("data/.ssh")).unwrap();
        assert!(verdict(NONE, &text("good")).unwrap_err().contains(".ssh"));
    }

    #[test]
    fn the_engines_socket_is_refused_wherever_it_lies_and_whatever_links_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("deep")).unwrap();
        let socket = base.join("deep/odd-name");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::fs::hard_link(&socket, base.join("hard")).unwrap();
        std::os::unix::fs::symlink(&socket, base.join("soft")).unwrap();
        std::fs::create_dir(base.join("free")).unwrap();
        let engine = Host::Unix(socket);
        let check = |name: &str| NONE.host_path(base.join(name).to_str().unwrap(), Some(&engine), true);
        for name in ["deep/odd-name", "deep", "hard", "soft", "deep/../soft"] {
            assert!(check(name).is_err(), "{name}");
        }
        assert!(NONE.host_path(base.to_str().unwrap(), Some(&engine), true).is_err());
        assert!(check("free").is_ok());
    }

    #[test]
    fn settings_allow_by_name_and_what_they_block_stays_blocked() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let allow = [PathBuf::from("/etc/ssl"), base.clone()];
        let rules = Rules { allow: &allow, ..NONE };
        assert!(verdict(rules, "/etc/ssl/certs-x").is_ok() && verdict(rules, base.join("x").to_str().unwrap()).is_ok());
        for path in ["/etc", "/etc/passwd", "/srv/data", "/etc/ssl-other"] {
            assert!(verdict(rules, path).is_err(), "{path}");
        }
        let block = [base.join("secret")];
        let rules = Rules { allow: &allow, block: &block, ..NONE };
        assert!(verdict(rules, base.join("secret/x").to_str().unwrap()).is_err());
        assert!(verdict(rules, base.to_str().unwrap()).is_err(), "it has what is blocked inside");
        assert!(verdict(rules, base.join("secretary").to_str().unwrap()).is_ok());
        assert!(verdict(Rules { unchecked: true, ..NONE }, "/etc").is_ok());
    }

    #[test]
    fn on_an_engine_with_other_files_only_what_is_named_may_be_mounted() {
        let allow = [PathBuf::from("/srv/data")];
        let rules = Rules { allow: &allow, ..NONE };
        assert!(rules.host_path("/srv/data/x/../y", None, false).is_ok());
        for path in ["/srv/data/../../etc", "/srv", "/srv/database"] {
            assert!(rules.host_path(path, None, false).is_err(), "{path}");
        }
        assert!(NONE.host_path("/srv/data", None, false).is_err());
        let block = [PathBuf::from("/srv/data/secret")];
        let rules = Rules { block: &block, ..rules };
        assert!(rules.host_path("/srv/data/secret/x", None, false).is_err());
        assert!(rules.host_path("/srv/data", None, false).is_err(), "it has what is blocked inside");
        assert!(rules.host_path("/srv/data/other", None, false).is_ok());
    }

    #[test]
    fn what_became_a_link_does_not_stand() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let (inside, text) = (base.join("p/x"), base.join("p/x").to_str().unwrap().to_owned());
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::create_dir(base.join("other")).unwrap();
        assert_eq!(NONE.standing(&text, None, true).unwrap(), inside);
        std::fs::remove_dir(&inside).unwrap();
        std::os::unix::fs::symlink("/", &inside).unwrap();
        assert!(NONE.standing(&text, None, true).is_err());
        std::fs::remove_file(&inside).unwrap();
        std::os::unix::fs::symlink(base.join("other"), &inside).unwrap();
        assert!(format!("{:?}", NONE.standing(&text, None, true).unwrap_err()).contains("leads to"));
        let allow = [inside];
        let named = Rules { allow: &allow, ..NONE };
        assert!(named.standing(&text, None, true).is_ok(), "an operator's own link, named as it is");
    }

    #[test]
    fn the_engines_own_folder_is_refused_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("data/volumes")).unwrap();
        std::os::unix::fs::symlink(base.join("data"), base.join("link")).unwrap();
        let root = base.join("link");
        let rules = Rules { root: Some(&root), ..NONE };
        for path in ["data", "link", "data/volumes/x", "link/volumes", ""] {
            assert!(verdict(rules, base.join(path).to_str().unwrap()).is_err(), "{path}");
        }
        assert!(verdict(rules, base.join("other").to_str().unwrap()).is_ok());
    }

    #[test]
    fn what_this_process_is_made_of_is_refused_unless_exactly_that_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("cfg/..data")).unwrap();
        std::fs::create_dir_all(base.join("cfg/more")).unwrap();
        std::fs::create_dir(base.join("state")).unwrap();
        std::fs::write(base.join("cfg/..data/settings"), "{}").unwrap();
        std::os::unix::fs::symlink("..data/settings", base.join("cfg/settings")).unwrap();
        std::os::unix::fs::symlink(base.join("cfg"), base.join("link")).unwrap();
        let own = [base.join("link/settings"), base.join("state"), base.join("audit/log")];
        let allow = [base.clone()];
        for rules in [Rules { guarded: &own, ..NONE }, Rules { guarded: &own, allow: &allow, ..NONE }] {
            for path in ["cfg", "link", "cfg/..data", "cfg/settings", "cfg/settings.bak", "state", "state/x", "audit"] {
                assert!(verdict(rules, base.join(path).to_str().unwrap()).is_err(), "{path}");
            }
            for path in ["cfg/more", "other", "audit/else"] {
                assert!(verdict(rules, base.join(path).to_str().unwrap()).is_ok(), "{path}");
            }
        }
        let exactly = [base.join("cfg")];
        assert!(verdict(Rules { guarded: &own, allow: &exactly, ..NONE }, base.join("cfg").to_str().unwrap()).is_ok());
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_refused_path_is_let_through(
            base in prop::sample::select(vec!["etc", "proc", "root", "dev", "sys", "boot", "run"]),
            noise in prop::collection::vec(prop::sample::select(vec!["/", "/./", "/x/../", "//", "/x/y/../../"]), 1..4),
            tail in "(/[a-z]{1,3}){0,2}",
        ) {
            let path = format!("{}{base}{tail}", noise.concat());
            prop_assert!(NONE.host_path(&path, None, false).is_err());
            prop_assert!(dangerous(&lexical(&path).unwrap(), None, None).is_some(), "{}", path);
        }
    }
}
