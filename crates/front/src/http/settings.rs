//! How the HTTP front behaves.

use super::{Guard, rest};
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// How the HTTP front behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which hosts and origins are let in.
    pub guard: Guard,
    /// Peers whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// The largest body in bytes.
    pub body_limit: usize,
    /// How long a body may take to arrive.
    pub body_deadline: Duration,
    /// How long a legacy session may be idle.
    pub session_idle: Duration,
    /// How many legacy sessions there may be.
    pub most_sessions: usize,
    /// MCP is served at `/`, too.
    pub mcp_at_root: bool,
    /// How many connections there may be.
    pub most_connections: usize,
    /// Whether the legacy HTTP+SSE transport is served.
    pub sse: bool,
    /// How tools are served as REST, if they are.
    pub rest: Option<rest::Settings>,
    /// Who may read the metrics.
    pub metrics: MetricsAccess,
    /// How long running calls may take when the front is shut down.
    pub shutdown_grace: Duration,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MetricsAccess {
    Nobody,
    WithToken,
    Everybody,
}

impl Settings {
    /// Whether this is a proxy that speaks for others.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&peer.to_canonical()))
    }

    /// The defaults, for an address.
    pub fn new(bound: Option<IpAddr>) -> Self {
        Self {
            guard: Guard::new(bound, Vec::new(), Vec::new()),
            trusted_proxies: Vec::new(),
            body_limit: 4 * 1024 * 1024,
            body_deadline: Duration::from_secs(30),
            session_idle: Duration::from_secs(30 * 60),
            most_sessions: 10_000,
            mcp_at_root: false,
            most_connections: 10_000,
            sse: false,
            rest: None,
            metrics: MetricsAccess::WithToken,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
