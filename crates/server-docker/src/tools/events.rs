//! `docker_events`.

use super::{Offer, PLAIN, Truncation};
use crate::dock::{Dock, Pace};
use crate::engine::Ask;
use crate::fault::Fault;
use crate::fence::NOTICE;
use crate::filters::{Filters, Given};
use crate::lenient::Scalar;
use crate::progress::Progress;
use crate::{units, when};
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_events", "Get Docker events: those that were, or those that come for some seconds.", PLAIN, run);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Events")]
struct Asked {
    /// Show events since timestamp or relative (e.g., '1h'): Unix time, ISO time, or 5m, 1h, 7d
    since: Option<Scalar>,
    /// Show events until timestamp; now if left out
    until: Option<Scalar>,
    /// Event filters, like {"type": ["container"], "event": ["start", "stop"]}
    filters: Given,
    /// Decode JSON events
    #[serde(default = "yes")]
    decode: bool,
    /// Wait for events that come, for so many seconds
    follow_seconds: Option<Scalar>,
    /// Events at most
    limit: Option<usize>,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Serialize, JsonSchema)]
struct Events {
    /// The newest, oldest first.
    events: Vec<Map<String, Value>>,
    count: usize,
    truncation_info: Truncation,
    notice: &'static str,
}

/// Events in an answer of which nobody said how many.
const USUAL: usize = 100;
/// How far back it is looked if nobody says.
const USUAL_PAST: &str = "1h";

async fn run(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Events>, Fail> {
    let follow = match &asked.follow_seconds {
        None => None,
        Some(given) => {
            Some(units::duration("follow_seconds", given).map_err(Fail::from)?.min(dock.settings.limits.follow))
        }
    };
    let limit = dock.limit(Pace::Patient).map(|limit| limit + follow.unwrap_or_default());
    dock.within(&call, limit, async {
        let past = Scalar::Text(USUAL_PAST.into());
        let since = when::moment("since", asked.since.as_ref().unwrap_or(&past))?;
        let now = Scalar::Text("now".into());
        // Without an end the engine would go on for ever.
        let until = match (&asked.until, follow) {
            (Some(until), _) => Some(when::moment("until", until)?),
            (None, None) => Some(when::moment("until", &now)?),
            (None, Some(_)) => None,
        };
        let since = if follow.is_some() && asked.since.is_none() { when::moment("since", &now)? } else { since };
        let filters = Filters::read(asked.filters)?;
        // Podman finds nothing at all before a moment that has passed, but can be told not to go on.
        let podman = dock.engine.is_podman().await?;
        let last = until.as_deref().filter(|_| podman).and_then(|until| until.parse::<f64>().ok());
        let ask = Ask::get("/events").query("since", since).maybe("filters", filters.query());
        let ask = if podman { ask.flag("stream", follow.is_some()) } else { ask.maybe("until", until) };
        let most = asked.limit.unwrap_or(USUAL).min(dock.settings.limits.list.max(1)).max(1);
        let mut lines = dock.engine.lines(ask).await?;
        let mut events = std::collections::VecDeque::new();
        let (mut lost, mut progress) = (0_u64, Progress::new(&call));
        let reading = async {
            while let Some(event) = lines.next().await? {
                if last.is_some_and(|last| time_of(&event).is_some_and(|time| time > last)) {
                    continue;
                }
                let event = dock.shown(event);
                if follow.is_some() {
                    progress.tell(&format!("{} {} {}", super::text(&event, "Type"), super::text(&event, "Action"), named(&event)));
                }
                let event = if asked.decode {
                    if let Value::Object(event) = event { event } else { Map::new() }
                } else {
                    Map::from_iter([("raw".to_owned(), Value::from(event.to_string()))])
                };
                events.push_back(event);
                if events.len() > most {
                    events.pop_front();
                    lost += 1;
                }
            }
            Ok::<_, Fault>(())
        };
        match follow {
            None => reading.await?,
            Some(limit) => {
                if let Ok(ended) = tokio::time::timeout(limit.max(Duration::from_millis(100)), reading).await {
                    ended?;
                }
            }
        }
        let message = (lost > 0).then(|| {
            format!("{lost} older events were left out; ask with a later since, an earlier until, filters or a larger limit.")
        });
        let truncation_info = Truncation { truncated: lost > 0, message, ..Truncation::default() };
        Ok(Structured(Events { count: events.len(), events: events.into(), truncation_info, notice: NOTICE }))
    })
    .await
}

/// Seconds since 1970.
#[allow(clippy::cast_precision_loss, reason = "to the microsecond, as events are apart")]
fn time_of(event: &Value) -> Option<f64> {
    event.get("timeNano").and_then(Value::as_i64).map(|nanos| nanos as f64 / 1e9)
}

fn named(event: &Value) -> &str {
    event.pointer("/Actor/Attributes/name").and_then(Value::as_str).unwrap_or_default()
}
