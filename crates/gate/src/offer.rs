//! What a caller may call, for fronts that describe tools before they are called, or check arguments.

use crate::catalogue::ToolEntry;
use crate::exchange::Exchange;
use crate::gate::Guarded;
use crate::policy::Kind;
use crate::registry::Entry;
use crate::route::{ready_or_late, wait};
use mcp::{About, Error};
use std::sync::Arc;

/// The tools of one server that a caller may call. Of a server that does not answer now, what it
/// last offered.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its name in the settings.
    pub server: Arc<str>,
    /// What it says about itself, and how it is.
    pub about: Arc<About>,
    /// In the server's order.
    pub tools: Vec<Arc<ToolEntry>>,
}

impl Guarded {
    /// What this caller may call, in order of settings. Waits a little for what is starting.
    pub async fn offers(&self, exchange: &Exchange) -> Vec<Offer> {
        let snapshot = self.gate.snapshot();
        let servers = snapshot.servers_for(&self.to, &exchange.principal);
        ready_or_late(&servers, exchange).await;
        let offer = |entry: &Arc<Entry>| {
            let allowed = |tool: &&Arc<ToolEntry>| {
                let policy = snapshot.policy();
                tool.unavailable.is_none()
                    && policy.allows(&exchange.principal, &entry.name, Kind::Tool, &tool.name, Some(tool.tier))
            };
            let tools = entry.catalogue(exchange).tools.iter().filter(allowed).cloned().collect();
            Offer { server: Arc::clone(&entry.name), about: entry.server.about(), tools }
        };
        servers.iter().map(offer).collect()
    }

    /// Takes what a request costs that is refused before it is one: guessing is not free.
    pub fn charge(&self, exchange: &Exchange) -> Result<(), Error> {
        self.gate.snapshot().charge(&self.gate, &exchange.principal)
    }

    /// The tool of that name at a single server, waiting for one that is starting. One that this
    /// caller may not call does not exist.
    pub async fn tool(&self, name: &str, exchange: &Exchange) -> Result<Arc<ToolEntry>, Error> {
        let unknown = || Error::UnknownTool(name.to_owned());
        let snapshot = self.gate.snapshot();
        let servers = snapshot.servers_for(&self.to, &exchange.principal);
        let [entry] = servers.as_slice() else { return Err(unknown()) };
        wait(&snapshot, entry, exchange).await?;
        let tool = entry.catalogue(exchange).tool(name).cloned().filter(|tool| tool.unavailable.is_none());
        let tool = tool.ok_or_else(unknown)?;
        let tier = Some(tool.tier);
        if !snapshot.policy().allows(&exchange.principal, &entry.name, Kind::Tool, &tool.name, tier) {
            return Err(unknown());
        }
        Ok(tool)
    }
}
