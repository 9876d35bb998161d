//! The server: what is offered in front, how the engine is, and what changes.

use crate::dock::Dock;
use crate::engine::{Answering as Engine, Ask};
use crate::prompts;
use crate::redact;
use crate::resources;
use crate::settings::Settings;
use crate::tools;
use arc_swap::ArcSwap;
use mcp::builtin::Builtin;
use mcp::watchers::Watchers;
use mcp::{
    About, Answer, Answering, Call, Change, Error, Interest, Method, Note, Raw, Request, Server, State, Target,
    Watching,
};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

struct DockerServer {
    dock: Arc<Dock>,
    tools: Arc<Builtin<Dock>>,
    about: ArcSwap<About>,
    watchers: Watchers,
}

/// A server over an engine.
///
/// Made within a Tokio runtime it looks for the engine at once and then watches its events, for as long as it
/// lives. It is there without an engine, too: it is then [`State::Degraded`], so that its tools are listed and
/// each says what is wrong, and `docker_healthcheck` can be asked.
pub fn server(settings: Settings) -> Arc<dyn Server> {
    let has_compose = tools::compose_command().is_some();
    let dock = Dock::new(settings);
    let safety = dock.safety().clone();
    let mut builtin = Builtin::new("portcullis-docker", env!("CARGO_PKG_VERSION"), dock);
    let dock = builtin.state();
    builtin = tools::add(builtin, &safety, has_compose).instructions(tools::INSTRUCTIONS);
    builtin = prompts::add(builtin, &safety);
    let templates = resources::templates(&dock);
    if !templates.is_empty() {
        builtin = builtin.resources(Vec::new(), templates, resources::read);
    }
    // Answered here, where the engine can be asked.
    let tools = builtin.completions(|_, _, _, _| Vec::new()).build();
    let mut about = About::clone(&tools.about());
    about.state = State::Starting;
    about.reason = "looking for the engine".to_owned();
    let server =
        Arc::new(DockerServer { dock, tools, about: ArcSwap::from_pointee(about), watchers: Watchers::default() });
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(keep(Arc::downgrade(&server)));
    } else {
        server.engine_is(Engine::Unknown);
    }
    server
}

/// Watches the engine until the server is gone.
async fn keep(server: Weak<DockerServer>) {
    loop {
        let Some(strong) = server.upgrade() else { return };
        let (dock, retry) = (Arc::clone(&strong.dock), strong.dock.settings.retry);
        drop(strong);
        let version = tokio::time::timeout(Duration::from_secs(10), dock.engine.json(Ask::get("/version"))).await;
        let engine = match version {
            Ok(Ok(version)) => Engine::Yes(tools::text(&version, "Version").to_owned()),
            Ok(Err(error)) => Engine::No(error.to_string()),
            Err(_) => Engine::No("the engine does not answer in time".to_owned()),
        };
        let answers = matches!(engine, Engine::Yes(_));
        let Some(strong) = server.upgrade() else { return };
        strong.engine_is(engine);
        drop(strong);
        if answers {
            watch_events(&server, &dock).await;
        } else {
            dock.engine.forget();
        }
        if server.strong_count() == 0 {
            return;
        }
        tokio::time::sleep(retry.max(Duration::from_millis(10))).await;
    }
}

/// Until the engine goes away: its events say which containers come and go, and watched resources are looked after.
async fn watch_events(server: &Weak<DockerServer>, dock: &Arc<Dock>) {
    let filters = r#"{"type":["container"],"event":["create","destroy","rename","start","die"]}"#;
    let Ok(mut events) = dock.engine.lines(Ask::get("/events").query("filters", filters)).await else { return };
    let mut watched: HashMap<String, ()> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut look = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            event = events.next() => match event {
                Ok(Some(_)) => match server.upgrade() {
                    Some(server) => server.watchers.tell(&Change::Resources),
                    None => return,
                },
                _ => {
                    dock.engine.forget();
                    return;
                }
            },
            Some(ended) = tasks.join_next() => {
                // A log that ended may begin anew.
                if let Ok(uri) = ended {
                    watched.remove::<String>(&uri);
                }
            }
            _ = look.tick() => {
                let Some(strong) = server.upgrade() else { return };
                let uris: BTreeSet<String> = strong.watchers.uris();
                for uri in uris {
                    if !watched.contains_key(&uri) && watched.len() < MOST_WATCHED && resources::parse(&uri).is_some() {
                        watched.insert(uri.clone(), ());
                        tasks.spawn(follow(server.clone(), Arc::clone(dock), uri));
                    }
                }
            }
        }
    }
}

/// Resources that are watched at once.
const MOST_WATCHED: usize = 256;
/// How often it is told that a resource has changed.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells of each change of a resource, until nobody watches it or it ends. Gives the uri back.
async fn follow(server: Weak<DockerServer>, dock: Arc<Dock>, uri: String) -> String {
    let tell = || -> bool {
        let Some(server) = server.upgrade() else { return false };
        server.watchers.tell(&Change::Updated(uri.clone()));
        server.watchers.uris().contains(&uri)
    };
    let is_watched = || server.upgrade().is_some_and(|server| server.watchers.uris().contains(&uri));
    match resources::parse(&uri) {
        Some((resources::Kind::Logs, name)) => {
            let path = crate::engine::path(&["containers", name, "logs"]);
            let ask = Ask::get(path).flag("follow", true).flag("stdout", true).flag("stderr", true).query("tail", 0);
            if let Ok(mut response) = dock.engine.open(ask, None).await {
                loop {
                    match tokio::time::timeout(PAUSE * 5, response.chunk()).await {
                        Ok(Ok(Some(_))) if tell() => tokio::time::sleep(PAUSE).await,
                        Err(_) if is_watched() => {}
                        _ => break,
                    }
                }
            }
        }
        Some((resources::Kind::Stats, name)) => {
            let path = crate::engine::path(&["containers", name, "stats"]);
            if let Ok(mut lines) = dock.engine.lines(Ask::get(path).flag("stream", true)).await {
                loop {
                    match tokio::time::timeout(PAUSE * 5, lines.next()).await {
                        Ok(Ok(Some(_))) if tell() => tokio::time::sleep(PAUSE).await,
                        Err(_) if is_watched() => {}
                        _ => break,
                    }
                }
            }
        }
        None => {}
    }
    // Not at once again: a container that does not run has an end at once.
    tokio::time::sleep(PAUSE).await;
    uri
}

impl DockerServer {
    /// Takes over how the engine is, and tells who watches if that is new.
    fn engine_is(&self, engine: Engine) {
        let (state, reason) = match engine {
            Engine::Unknown => (State::Starting, "looking for the engine".to_owned()),
            Engine::Yes(_) => (State::Healthy, String::new()),
            Engine::No(reason) => (State::Degraded, redact::secrets(&redact::clean(&reason))),
        };
        let before = self.about.load_full();
        if before.state == state && before.reason == reason {
            return;
        }
        if state == State::Degraded {
            tracing::warn!(%reason, "the Docker engine is away");
        } else if before.state == State::Degraded {
            tracing::info!("the Docker engine is back");
        }
        let mut about = About::clone(&before);
        about.state = state;
        about.reason = reason;
        self.about.store(Arc::new(about));
        self.watchers.tell(&Change::About);
        self.watchers.tell(&Change::Resources);
    }

    async fn complete(&self, request: &Request) -> Result<Raw, Error> {
        let argument = request.params.get("argument").unwrap_or_else(Raw::empty_object);
        let part = |key| argument.get_text(key).unwrap_or_default();
        let values = match (&request.target, part("name").as_str()) {
            (Target::Prompt(_), "container_id") | (Target::Template(_) | Target::Resource(_), _) => {
                names(&self.dock, &part("value")).await
            }
            _ => Vec::new(),
        };
        let total = values.len();
        let values: Vec<_> = values.into_iter().take(100).collect();
        Ok(Raw::of(&json!({ "completion": { "hasMore": values.len() < total, "total": total, "values": values } })))
    }
}

/// Names of containers that begin like this, and ids if none does.
async fn names(dock: &Dock, begun: &str) -> Vec<String> {
    let asking = dock.engine.json(Ask::get("/containers/json").flag("all", true));
    let Ok(Ok(found)) = tokio::time::timeout(Duration::from_secs(5), asking).await else { return Vec::new() };
    let all = || found.as_array().into_iter().flatten();
    let named = all().flat_map(|c| tools::items(c, "Names")).filter_map(Value::as_str);
    let named = named.map(|name| redact::clean(name.trim_start_matches('/')).into_owned());
    let mut names: Vec<_> = named.filter(|name| name.starts_with(begun)).collect();
    if names.is_empty() {
        let ids = all().map(|c| tools::text(c, "Id")).filter(|id| id.starts_with(begun));
        names = ids.map(|id| id.chars().take(12).collect()).collect();
    }
    names.sort();
    names
}

impl Server for DockerServer {
    fn about(&self) -> Arc<About> {
        self.about.load_full()
    }

    fn answer(self: Arc<Self>, request: Request, call: Call) -> Answering {
        let engine = self.dock.engine.tried();
        if let Some(engine) = &engine {
            call.note("engine", &engine.to_string());
        }
        let answering = Arc::clone(&self).respond(request, call.clone());
        if engine.is_some() {
            return answering;
        }
        // It may have been found because of this call.
        Box::pin(async move {
            let answer = answering.await;
            if let Some(engine) = self.dock.engine.tried() {
                call.note("engine", &engine.to_string());
            }
            answer
        })
    }

    fn tell(&self, note: Note, call: &Call) {
        self.tools.tell(note, call);
    }

    fn watch(self: Arc<Self>, interest: Interest, _call: Call) -> Watching {
        Box::pin(self.watchers.watch(interest))
    }
}

impl DockerServer {
    fn respond(self: Arc<Self>, request: Request, call: Call) -> Answering {
        match request.method {
            Method::ResourcesList if self.tools.about().capabilities.resources => Box::pin(async move {
                let all = resources::list(&self.dock).await;
                Ok(Answer::Complete(Raw::object([("resources", &Raw::array(&all))])))
            }),
            Method::Complete => Box::pin(async move { self.complete(&request).await.map(Answer::Complete) }),
            _ => Arc::clone(&self.tools).answer(request, call),
        }
    }
}
