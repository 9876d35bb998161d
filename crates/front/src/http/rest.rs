//! REST: each tool of a server as `POST /<server>/<tool>`, described by an OpenAPI document.
//!
//! | path | |
//! |---|---|
//! | `POST /<server>/<tool>`, `POST /<server>/tools/<tool>` | calls the tool; its arguments are the body |
//! | `/<server>/openapi.json`, `/<server>/docs` | the document, and a page that shows it |
//! | `/openapi.json`, `/docs` | all servers in one |
//!
//! The name of a tool is percent-encoded, so any name has an address; the second form is for tools
//! that are called like another page. With [`Settings::root`] the tools of one server stand at the
//! root as well, as mcpo has them for a single command.
//!
//! A call is one more request through the gate, from a caller who can be asked nothing. A body is
//! checked against the tool's own schema first. The documents list what the caller may call, by the
//! same policy; the page itself holds nothing and needs no token.

mod call;
mod docs;
mod document;

use super::Arrival;
use super::respond::Answer;
use bytes::Bytes;
use call::call;
use gate::{Destination, Exchange};
use mcp::Era;
pub use openapi::Info;
use std::sync::Arc;

/// How REST is served.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The server whose tools stand at the root.
    pub root: Option<String>,
    /// What stands before the names of servers; with a slash at both ends, if it is not empty.
    pub prefix: String,
    /// Where a proxy in front serves the root. Paths may come with it or without it.
    pub root_path: String,
    /// Documents need no token, only calls do. They show what who has no role may call.
    pub public_documents: bool,
    /// Any host may be named. For a gateway that asks for a key.
    pub any_host: bool,
    /// Any page may call, without credentials of the browser. For a gateway that asks for a key.
    pub any_origin: bool,
    /// `Basic` with the token as its password counts as well.
    pub takes_basic: bool,
    /// The title, the version and the description of the document of all servers.
    pub info: Option<Info>,
}

/// What is kept between requests. See [`call`] and [`document`].
#[derive(Default)]
pub(super) struct Rest {
    validators: call::Validators,
    documents: document::Documents,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) to: Destination,
    pub(super) what: What,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A tool, by its name.
    Tool(String),
    Document,
    /// The page that shows the document; so many folders below the root.
    Docs(usize),
    /// Another address of the page, which is there, seen from here.
    Moved(&'static str),
    /// A file of that page.
    Asset(&'static str),
}

impl Place {
    /// Where an undecoded path leads; nothing, if it leads nowhere.
    pub(super) fn of(path: &str, settings: &Settings) -> Option<Self> {
        let path = path.strip_prefix(settings.root_path.as_str()).filter(|p| p.starts_with('/')).unwrap_or(path);
        let all = || settings.root.as_ref().map_or(Destination::All, |root| Destination::One(root.as_str().into()));
        let path = path.strip_prefix('/')?;
        let what = match path {
            "openapi.json" => Some(What::Document),
            "docs" => Some(What::Docs(0)),
            _ => moved(path).map(What::Moved).or_else(|| docs::asset(path).map(What::Asset)),
        };
        if let Some(what) = what {
            return Some(Self { to: all(), what });
        }
        if settings.root.is_some() {
            return Some(Self { to: all(), what: What::Tool(tool(path)?) });
        }
        let below = path.strip_prefix(settings.prefix.trim_start_matches('/'))?;
        let (server, rest) = below.split_once('/')?;
        let what = match rest {
            "openapi.json" => What::Document,
            "docs" => What::Docs(
                1 + settings.prefix.trim_matches('/').matches('/').count() + usize::from(settings.prefix.len() > 1),
            ),
            _ => match moved(rest) {
                Some(to) => What::Moved(to),
                None => What::Tool(tool(rest)?),
            },
        };
        Some(Self { to: Destination::One(server.into()), what })
    }

    /// Whether it says nothing about what is served.
    pub(super) const fn says_nothing(&self) -> bool {
        matches!(self.what, What::Docs(_) | What::Asset(_) | What::Moved(_))
    }

    /// Whether it is served to whoever asks.
    pub(super) const fn is_public(&self, settings: &Settings) -> bool {
        self.says_nothing() || matches!(self.what, What::Document) && settings.public_documents
    }
}

/// Where a browser begins, where mcpo has a page, too, or a slash stands at the end, which links of the page would count.
fn moved(path: &str) -> Option<&'static str> {
    match path {
        "" | "redoc" => Some("docs"),
        "docs/" | "redoc/" => Some("../docs"),
        _ => None,
    }
}

/// The name of a tool in an undecoded path.
fn tool(path: &str) -> Option<String> {
    openapi::route::name(path.strip_prefix("tools/").unwrap_or(path)).filter(|name| !name.is_empty())
}

impl Rest {
    /// A GET of something that is no tool.
    pub(super) async fn get(&self, arrival: &Arrival, what: &What, settings: &Settings) -> Answer {
        match what {
            What::Docs(depth) => docs::page(*depth),
            What::Asset(name) => docs::file(name),
            What::Moved(to) => docs::moved(to),
            What::Document | What::Tool(_) => self.documents.get(arrival, settings).await,
        }
    }

    /// Whether this caller may call a tool of that name.
    pub(super) async fn has(&self, arrival: &Arrival, tool: &str) -> bool {
        arrival.guarded.tool(tool, &exchange(arrival)).await.is_ok()
    }

    /// A POST to a tool.
    pub(super) async fn post(&self, arrival: &Arrival, tool: &str, body: Bytes) -> Answer {
        call(&self.validators, arrival, tool, body).await
    }
}

/// The circumstances of a REST call: it stands alone, and nobody can be asked.
fn exchange(arrival: &Arrival) -> Arc<Exchange> {
    Arc::new(Exchange { trace: arrival.trace(None), ..arrival.alone(Era::Modern) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, settings: &Settings) -> Option<(String, What)> {
        let place = Place::of(path, settings)?;
        let to = match place.to {
            Destination::All => String::new(),
            Destination::One(name) => name.to_string(),
        };
        Some((to, place.what))
    }

    #[test]
    fn a_path_names_a_server_and_a_tool() {
        let settings = Settings::default();
        let tool = |name: &str| What::Tool(name.into());
        for (path, server, what) in [
            ("/time/convert_time", "time", tool("convert_time")),
            ("/time/tools/docs", "time", tool("docs")),
            ("/time/docs", "time", What::Docs(1)),
            ("/time/openapi.json", "time", What::Document),
            ("/x/dot.name%2Fslash%20x", "x", tool("dot.name/slash x")),
            ("/x/dot.name/slash%20x", "x", tool("dot.name/slash x")),
            ("/x/tools%2Fy", "x", tool("tools/y")),
            ("/openapi.json", "", What::Document),
            ("/docs", "", What::Docs(0)),
            ("/redoc", "", What::Moved("docs")),
            ("/", "", What::Moved("docs")),
            ("/time/", "time", What::Moved("docs")),
            ("/time/docs/", "time", What::Moved("../docs")),
        ] {
            assert_eq!(of(path, &settings), Some((server.into(), what)), "{path}");
        }
        for nowhere in ["/time", "/time/tools/", "/time/%ff", ""] {
            assert_eq!(of(nowhere, &settings), None, "{nowhere}");
        }
    }

    #[test]
    fn a_single_command_has_its_tools_at_the_root() {
        let settings = Settings { root: Some("time".into()), ..Settings::default() };
        assert_eq!(of("/convert_time", &settings), Some(("time".into(), What::Tool("convert_time".into()))));
        assert_eq!(of("/tools/docs", &settings), Some(("time".into(), What::Tool("docs".into()))));
        assert_eq!(of("/docs", &settings), Some(("time".into(), What::Docs(0))));
    }

    #[test]
    fn prefixes_stand_before_servers_and_a_proxys_path_may_be_there_or_not() {
        let settings = Settings { prefix: "/tools/".into(), root_path: "/api/mcpo".into(), ..Settings::default() };
        let time = Some(("time".into(), What::Document));
        assert_eq!(of("/tools/time/openapi.json", &settings), time);
        assert_eq!(of("/api/mcpo/tools/time/openapi.json", &settings), time);
        assert_eq!(of("/api/mcpo/openapi.json", &settings), Some((String::new(), What::Document)));
        assert_eq!(of("/time/openapi.json", &settings), None);
        assert_eq!(of("/tools/time/docs", &settings), Some(("time".into(), What::Docs(2))));
    }
}
