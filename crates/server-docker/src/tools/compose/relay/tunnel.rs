//! A connection that became another protocol's: attaching to a container, a build's session.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use reqwest::Upgraded;
use std::sync::{Arc, Mutex, PoisonError};

/// Both ends of one, once there are any.
#[derive(Clone, Default)]
pub(super) struct Tunnel(Arc<Mutex<Option<(OnUpgrade, Upgraded)>>>);

impl Tunnel {
    pub(super) fn set(&self, ours: OnUpgrade, theirs: Upgraded) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((ours, theirs));
    }

    /// Carries bytes both ways until both ends are done. Nothing to do if there are none.
    pub(super) async fn carry(&self) {
        let ends = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((ours, mut theirs)) = ends else { return };
        if let Ok(ours) = ours.await {
            // Either end may go without a word, which the other then sees.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(ours), &mut theirs).await;
        }
    }
}
