//! Changes in folders as the system tells them, so that an archive is seen when it comes. Where the system tells
//! nothing (other systems, network media), folders are looked at from time to time all the same.

pub(crate) use watch::Events;

#[cfg(target_os = "linux")]
mod watch {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    use rustix::io::Errno;
    use std::io::{PipeReader, PipeWriter};
    use std::os::fd::OwnedFd;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::Notify;

    /// Folders that are watched.
    const MAX: usize = 1000;

    /// A thread waits for the system; dropping this ends it.
    pub(crate) struct Events {
        told: Arc<Notify>,
        _alive: PipeWriter,
    }

    impl Events {
        /// Watches these folders, and sets `stale` whenever something changes in one of them; nothing if the system does
        /// not let us.
        pub(crate) fn of(folders: &[PathBuf], stale: &Arc<AtomicBool>) -> Option<Self> {
            let what = WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MOVED_TO
                | WatchFlags::MOVED_FROM
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::ATTRIB
                | WatchFlags::ONLYDIR;
            let queue = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
            let watched = folders.iter().take(MAX).filter(|folder| add_watch(&queue, folder.as_path(), what).is_ok());
            if watched.count() == 0 {
                return None;
            }
            let (end, alive) = std::io::pipe().ok()?;
            let told = Arc::new(Notify::new());
            let tells = Arc::clone(&told);
            let thread = std::thread::Builder::new().name("zim-events".to_owned());
            let stale = Arc::clone(stale);
            thread.spawn(move || wait(&queue, &end, &stale, &tells)).ok()?;
            Some(Self { told, _alive: alive })
        }

        /// Waits until something changed.
        pub(crate) async fn changed(&self) {
            self.told.notified().await;
        }
    }

    fn wait(queue: &OwnedFd, end: &PipeReader, stale: &AtomicBool, told: &Notify) {
        let mut buffer = [0; 4096];
        loop {
            let mut both = [PollFd::new(queue, PollFlags::IN), PollFd::new(end, PollFlags::IN)];
            match poll(&mut both, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            let [events, end] = both;
            if !end.revents().is_empty() {
                return;
            }
            if events.revents().is_empty() {
                continue;
            }
            loop {
                match rustix::io::read(queue, &mut buffer) {
                    Ok(0) | Err(Errno::AGAIN) => break,
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => return,
                }
            }
            // Whoever calls now looks for themselves; who only waits is told.
            stale.store(true, Ordering::Release);
            told.notify_one();
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod watch {
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    pub(crate) struct Events;

    impl Events {
        pub(crate) fn of(_folders: &[PathBuf], _stale: &Arc<AtomicBool>) -> Option<Self> {
            None
        }

        pub(crate) async fn changed(&self) {
            std::future::pending().await
        }
    }
}
