//! `portcullis tools` and `portcullis call`: a look at servers without serving them.
//!
//! The servers of the file are started, asked through the gate like by any local client, and
//! stopped again. Results are for people on a terminal, and the protocol's own JSON in a pipe.

use crate::assemble::{Builtins, Inheritance};
use crate::house::House;
use crate::plan::Read;
use crate::serve::runtime;
use gate::{Destination, Exchange, Front, Guarded, Reply};
use mcp::{Era, Kind, Method, Raw, Request, State};
use serde_json::{Map, Value};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Lists the tools of one server, or of all.
pub(crate) fn tools(file: &Path, server: Option<&str>, builtins: Builtins) -> Result<(), String> {
    visit(file, builtins, async |house, settings| {
        if let Some(name) = server {
            known(settings, name)?;
        }
        let guarded = house.gate.guarded(server.map_or(Destination::All, |name| Destination::One(name.into())));
        let exchange = exchange(&guarded)?;
        wait_for_starts(house).await;
        let offers = guarded.offers(&exchange).await;
        let down: Vec<String> = offers
            .iter()
            .filter(|offer| !offer.about.state.answers())
            .map(|offer| format!("{} is {}: {}", offer.server, offer.about.state.as_str(), plain(&offer.about.reason)))
            .collect();
        let mut out = std::io::stdout().lock();
        if !out.is_terminal() {
            let lists: Vec<(String, Raw)> = offers
                .iter()
                .map(|o| (o.server.to_string(), Raw::array(o.tools.iter().map(|tool| &tool.raw))))
                .collect();
            let all = Raw::object(lists.iter().map(|(name, list)| (name.as_str(), list)));
            let _ = writeln!(out, "{}", String::from_utf8_lossy(all.bytes()));
            return if down.is_empty() { Ok(()) } else { Err(down.join("; ")) };
        }
        for offer in &offers {
            let about = &offer.about;
            let state = if about.state == State::Healthy { "" } else { about.state.as_str() };
            let _ = writeln!(out, "{} {state}", offer.server);
            for tool in &offer.tools {
                let description = tool.raw.get_text("description").unwrap_or_default();
                let line = description.lines().next().unwrap_or_default();
                let _ =
                    writeln!(out, "  {:<32} {}", plain(&tool.name), plain(line).chars().take(100).collect::<String>());
            }
        }
        if down.is_empty() { Ok(()) } else { Err(down.join("; ")) }
    })
}

/// How long servers may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until no server is on its way any more, and says so if it takes a while: the first start
/// of one may have to install it.
async fn wait_for_starts(house: &House) {
    let begun = Instant::now();
    let mut said = false;
    loop {
        let states = house.gate.states();
        let starting: Vec<&str> =
            states.iter().filter(|(_, about)| about.state == State::Starting).map(|(name, _)| name.as_ref()).collect();
        if starting.is_empty() || begun.elapsed() >= PATIENCE {
            return;
        }
        if !said && begun.elapsed() >= Duration::from_secs(2) {
            said = true;
            let _ = writeln!(std::io::stderr(), "waiting for {} to start", starting.join(", "));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Calls a tool.
pub(crate) fn call(
    file: &Path,
    server: &str,
    tool: &str,
    arguments: &[String],
    builtins: Builtins,
) -> Result<(), String> {
    visit(file, builtins, async |house, settings| {
        known(settings, server)?;
        let guarded = house.gate.guarded(Destination::One(server.into()));
        let exchange = exchange(&guarded)?;
        let entry = guarded.tool(tool, &exchange).await.map_err(|error| match error {
            mcp::Error::UnknownTool(name) => {
                format!("{server} has no tool {name:?}; `portcullis tools {server}` lists them")
            }
            other => other.to_string(),
        })?;
        let schema = entry.raw.get("inputSchema").and_then(|schema| schema.read().ok()).unwrap_or(Value::Null);
        let arguments = Raw::of(&read_arguments(arguments, &schema)?);
        let params = Raw::object([("name", &Raw::of(tool)), ("arguments", &arguments)]);
        let request = Request::read(Method::ToolsCall.as_str(), Some(params)).map_err(|e| e.to_string())?;
        match guarded.pass(request, &exchange).finish().await {
            Ok(Reply::Complete(result)) => show(&result),
            Ok(Reply::NeedsInput { .. }) => Err("it asks something, which cannot be answered here".into()),
            Err(error) => Err(error.to_string()),
        }
    })
}

fn visit(
    file: &Path,
    builtins: Builtins,
    stay: impl AsyncFnOnce(&House, &config::Settings) -> Result<(), String>,
) -> Result<(), String> {
    let mut settings = Read::file(file).settings?;
    // Whoever has the file could start these servers without us: its policy is for others.
    settings.policy = None;
    let runtime = runtime()?;
    runtime.block_on(async {
        let house = House::open(&settings, builtins, Inheritance::Small)?;
        let result = stay(&house, &settings).await;
        house.close().await;
        result
    })
}

fn known(settings: &config::Settings, server: &str) -> Result<(), String> {
    if settings.servers.iter().any(|s| s.name == server) {
        return Ok(());
    }
    let names: Vec<&str> = settings.servers.iter().map(|s| s.name.as_str()).collect();
    Err(format!("there is no server {server:?}; the servers are {}", names.join(", ")))
}

fn exchange(guarded: &Guarded) -> Result<Arc<Exchange>, String> {
    let principal = guarded.gate().admit(Front::Stdio, None).map_err(|_| "nobody is let in")?;
    Ok(Arc::new(Exchange::alone(guarded.gate(), principal, None, Front::Stdio, Era::Modern)))
}

/// Arguments as one JSON object, or as `name=value`: a text where the tool's schema wants one, JSON
/// where it is that, a text else.
fn read_arguments(written: &[String], schema: &Value) -> Result<Value, String> {
    if let [only] = written
        && only.trim_start().starts_with('{')
    {
        return serde_json::from_str(only).map_err(|e| format!("the arguments are no JSON object: {e}"));
    }
    let mut all = Map::new();
    for argument in written {
        let (name, value) = argument.split_once('=').ok_or_else(|| {
            format!("{argument:?} is no argument; write name=value, or all of them as one JSON object")
        })?;
        let wants_text = schema.pointer(&format!("/properties/{}/type", name.replace('~', "~0").replace('/', "~1")))
            == Some(&Value::from("string"));
        let read = if wants_text { None } else { serde_json::from_str(value).ok() };
        if all.insert(name.to_owned(), read.unwrap_or_else(|| value.into())).is_some() {
            return Err(format!("the argument {name:?} stands twice"));
        }
    }
    Ok(Value::Object(all))
}

/// Prints a result. One that says that it failed is a failure here, too.
fn show(result: &Raw) -> Result<(), String> {
    let failed = result.get("isError").is_some_and(|e| e.is_true());
    let mut out = std::io::stdout().lock();
    if !out.is_terminal() {
        // Whoever reads may stop reading: that is no failure of ours.
        let _ = writeln!(out, "{}", String::from_utf8_lossy(result.bytes()));
    } else {
        for item in result.get("content").iter().flat_map(Raw::items) {
            let text = match item.get_text("text") {
                Some(text) => text,
                None => {
                    format!("[{}]", item.get_text("mimeType").or_else(|| item.get_text("type")).unwrap_or_default())
                }
            };
            let _ = writeln!(out, "{}", plain(&text));
        }
        let has_text = result.get("content").is_some_and(|content| content.items().next().is_some());
        if let Some(structured) = result.get("structuredContent").filter(|s| !has_text && s.kind() != Kind::Null) {
            let pretty = structured.read::<Value>().ok().and_then(|v| serde_json::to_string_pretty(&v).ok());
            let _ = writeln!(out, "{}", pretty.unwrap_or_default());
        }
    }
    if failed { Err("the tool says that it failed".into()) } else { Ok(()) }
}

/// What a stranger wrote must not steer the terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_one_object_or_pairs() {
        let schema = json!({ "properties": { "zip": { "type": "string" }, "n": { "type": "integer" } } });
        let read = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            read_arguments(&words, &schema)
        };
        assert_eq!(read(&[]), Ok(json!({})));
        assert_eq!(read(&[r#"{"a": [1]}"#]), Ok(json!({ "a": [1] })));
        assert_eq!(
            read(&["zip=01234", "n=5", "free=a b", "list=[1,2]"]),
            Ok(json!({ "zip": "01234", "n": 5, "free": "a b", "list": [1, 2] }))
        );
        assert!(read(&["{"]).unwrap_err().contains("no JSON object"));
        assert!(read(&["x"]).unwrap_err().contains("name=value"));
        assert!(read(&["a=1", "a=2"]).unwrap_err().contains("twice"));
    }
}
