//! Telemetry as numbers: Prometheus families with bounded labels.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    server: Arc<str>,
    /// Only names that the catalogue has; empty for everything else.
    tool: Arc<str>,
    front: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabel {
    server: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    front: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    server: Arc<str>,
    state: &'static str,
}

#[derive(Clone)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        // 50 µs to 100 s.
        Histogram::new(exponential_buckets(0.000_05, 2.5, 17))
    }
}

type Durations = Family<ServerLabel, Histogram, Seconds>;

/// All numbers of this process.
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    call_seconds: Durations,
    upstream_seconds: Durations,
    in_flight: Gauge,
    refusals: Family<RefusalLabels, Counter>,
    /// Legacy sessions that are open.
    pub sessions: Gauge,
    /// Calls that wait for an answer of a person.
    pub held: Gauge,
    /// Streams of changes that are open.
    pub watches: Gauge,
    /// Late answers, unknown ids and the like: counted, not delivered.
    pub discarded: Counter,
    server_state: Family<StateLabels, Gauge>,
    server_starts: Family<ServerLabel, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("portcullis");
        let calls = Family::default();
        let call_seconds = Durations::new_with_constructor(Seconds);
        let upstream_seconds = Durations::new_with_constructor(Seconds);
        let (in_flight, sessions, held, watches) =
            (Gauge::default(), Gauge::default(), Gauge::default(), Gauge::default());
        let (refusals, discarded) = (Family::default(), Counter::default());
        let (server_state, server_starts) = (Family::default(), Family::default());
        registry.register("calls", "Requests by server, tool, front and outcome", calls.clone());
        registry.register("call_seconds", "Time from a request to its answer", call_seconds.clone());
        registry.register("upstream_seconds", "Time a server took", upstream_seconds.clone());
        registry.register("calls_in_flight", "Requests that are being answered", in_flight.clone());
        registry.register("refusals", "Requests that were refused, by reason", refusals.clone());
        registry.register("sessions", "Open legacy sessions", sessions.clone());
        registry.register("held_calls", "Calls that wait for an answer of the client", held.clone());
        registry.register("watches", "Open streams of changes", watches.clone());
        registry.register("discarded_messages", "Late answers and messages nobody waits for", discarded.clone());
        registry.register("server_state", "1 for the state a server is in", server_state.clone());
        registry.register("server_starts", "How often a server was started", server_starts.clone());
        Self {
            registry,
            calls,
            call_seconds,
            upstream_seconds,
            in_flight,
            refusals,
            sessions,
            held,
            watches,
            discarded,
            server_state,
            server_starts,
        }
    }
}

/// Counts one request from its beginning.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge<i64, AtomicI64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn end(
        &self,
        server: &Arc<str>,
        tool: &Arc<str>,
        front: &'static str,
        outcome: &'static str,
        seconds: f64,
    ) {
        let labels = CallLabels { server: Arc::clone(server), tool: Arc::clone(tool), front, outcome };
        self.calls.get_or_create(&labels).inc();
        self.call_seconds.get_or_create(&ServerLabel { server: Arc::clone(server) }).observe(seconds);
    }

    pub(crate) fn upstream(&self, server: &Arc<str>, seconds: f64) {
        self.upstream_seconds.get_or_create(&ServerLabel { server: Arc::clone(server) }).observe(seconds);
    }

    pub(crate) fn refused(&self, front: &'static str, reason: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { front, reason }).inc();
    }

    pub(crate) fn server_is(&self, server: &Arc<str>, state: mcp::State, starts: u64) {
        for other in
            [mcp::State::Starting, mcp::State::Healthy, mcp::State::Degraded, mcp::State::Down, mcp::State::Disabled]
        {
            let labels = StateLabels { server: Arc::clone(server), state: other.as_str() };
            self.server_state.get_or_create(&labels).set(i64::from(other == state));
        }
        let starts = i64::try_from(starts).unwrap_or(i64::MAX);
        self.server_starts.get_or_create(&ServerLabel { server: Arc::clone(server) }).set(starts);
    }

    /// In Prometheus' text format (OpenMetrics 1.0).
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
