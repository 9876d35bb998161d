//! Keeps the shared instance running.
//!
//! A start that fails and a life that ends are the same to it: it says why, waits a little longer
//! than the last time, and tries again, for ever. Calls wait for the first start and for the one
//! after a life, which are quick as a rule; a server that failed to start fails its calls at once,
//! even while it is tried again, so that nobody waits for what does not come.

use super::core::{Core, Plain};
use super::greeting;
use super::instance::Instance;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A life of this length was a good one: the next pause is the first one again.
const GOOD_LIFE: Duration = Duration::from_secs(30);

/// Runs until the child is to be stopped.
pub(super) async fn supervise(core: Arc<Core>) {
    let presence = core.enter();
    if presence.is_some() {
        tokio::select! {
            () = core.stopped() => {}
            () = run(&core) => {}
        }
    }
    core.is_down("it was stopped", None);
}

async fn run(core: &Arc<Core>) {
    let mut failures = 0;
    loop {
        let (lived, reason) = match greeting::plain(core).await {
            Ok(instance) => (true, life(core, instance, &mut failures).await),
            Err(reason) => (false, reason),
        };
        let pause = core.settings.backoff.pause(failures);
        failures = failures.saturating_add(1);
        if !*core.stopping.borrow() {
            let pause = format_args!("{:.1} s", pause.as_secs_f64());
            // Words of the server's own may be among it.
            let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            tracing::warn!(server = %core.server, %pause, "the server is down: {reason}");
        }
        core.is_down(&reason, Some(Instant::now() + pause));
        sleep(pause).await;
        if lived {
            core.plain.send_replace(Plain::Starting);
        }
    }
}

/// Ends with the life, and says why it did.
async fn life(core: &Core, instance: Instance, failures: &mut u32) -> String {
    let instance = Arc::new(instance);
    let revision = instance.welcome.revision;
    tracing::info!(server = %core.server, %revision, "the server is up");
    core.is_up(&instance);
    let born = Instant::now();
    let reason = instance.died().await;
    if born.elapsed() >= GOOD_LIFE {
        *failures = 0;
    }
    reason.to_string()
}
