//! What runs because of the settings: the servers, and the gate before them.

use crate::assemble::{self, Builtins, Inheritance, Means, Running};
use gate::{Audit, Gate};
use mcp::Server;
use mcp::seal::Sealer;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use upstream::{Child, Reaper};

/// The hidden command that survives us to end the children of a process that was killed.
pub(crate) const REAPER: &str = "reaper";

/// How long a server that was taken out of the settings may finish its calls.
const DRAIN: Duration = Duration::from_secs(60);

/// How long a server may take to write down what is to outlive it.
const CLOSE: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct House {
    pub(crate) gate: Arc<Gate>,
    servers: HashMap<String, Running>,
    /// Servers that were taken out, with the tasks that wait for their calls.
    leaving: Vec<(AbortHandle, Arc<Child>)>,
    means: Means,
}

impl House {
    pub(crate) fn open(
        settings: &config::Settings,
        builtins: Builtins,
        inheritance: Inheritance,
    ) -> Result<Self, String> {
        let sealer = match &settings.state.key {
            Some(key) => Sealer::from_secret(key.expose().as_bytes()),
            None => Sealer::random().map_err(|e| e.to_string())?,
        };
        let audit = match &settings.audit {
            Some(audit) => Audit::open(&assemble::audit(audit)).map_err(|e| e.to_string())?,
            None => Audit::off(),
        };
        let us = std::env::current_exe().map_err(|e| format!("our own program cannot be found: {e}"))?;
        let means = Means { builtins, reaper: Reaper::start(us, vec![REAPER.into()]), inheritance };
        let running = assemble::servers(settings, &HashMap::new(), &means)?;
        let gate = Gate::new(assemble::gate(settings, &running), audit, sealer).map_err(|e| e.to_string())?;
        Ok(Self { gate, servers: running.into_iter().collect(), leaving: Vec::new(), means })
    }

    /// Puts other settings in force. Settings that are not valid change nothing.
    pub(crate) fn reload(&mut self, settings: &config::Settings) -> Result<(), String> {
        let running = assemble::servers(settings, &self.servers, &self.means)?;
        self.gate.reload(assemble::gate(settings, &running)).map_err(|e| e.to_string())?;
        let new: HashMap<_, _> = running.into_iter().collect();
        let gone = std::mem::replace(&mut self.servers, new);
        self.leaving.retain(|(draining, _)| !draining.is_finished());
        for (name, old) in gone {
            let stays = self.servers.get(&name).is_some_and(|new| Arc::ptr_eq(&new.server, &old.server));
            if !stays {
                tokio::spawn(close(Arc::clone(&old.server)));
            }
            if let Some(child) = old.child.filter(|_| !stays) {
                drop(old.server);
                let draining = tokio::spawn(drain(name, Arc::clone(&child)));
                self.leaving.push((draining.abort_handle(), child));
            }
        }
        Ok(())
    }

    /// Stops all servers, and writes down what is left to be written.
    pub(crate) async fn close(self) {
        for (draining, _) in &self.leaving {
            draining.abort();
        }
        let leaving = self.leaving.into_iter().map(|(_, child)| child);
        let closing = self.servers.values().map(|running| close(Arc::clone(&running.server)));
        futures_util::future::join_all(closing).await;
        let children = self.servers.into_values().filter_map(|running| running.child).chain(leaving);
        futures_util::future::join_all(children.map(|child| async move { child.stop().await })).await;
        self.gate.audit().flush().await;
    }
}

/// Lets a server write down what is to outlive it.
async fn close(server: Arc<dyn Server>) {
    if tokio::time::timeout(CLOSE, server.close()).await.is_err() {
        tracing::warn!("a server did not write down in time what it keeps");
    }
}

/// Stops a server that is no longer in the settings, once its calls are done.
async fn drain(name: String, child: Arc<Child>) {
    let done = async {
        // Calls under way hold the server, beside us and the house.
        while Arc::strong_count(&child) > 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(DRAIN, done).await.is_err() {
        tracing::warn!(server = %name, "calls to a server that was taken out did not finish in time");
    }
    child.stop().await;
    tracing::info!(server = %name, "stopped");
}
