//! A server made of plain async functions over typed arguments and results.
//!
//! ```
//! use mcp::builtin::{Builtin, Fail, tool};
//! use mcp::{Call, Tier};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Greet {
//!     /// Whom to greet.
//!     name: String,
//! }
//!
//! let server = Builtin::new("greeter", "1.0.0", ())
//!     .tool(tool("greet", "Greets somebody.").tier(Tier::Safe), |_, args: Greet, _call: Call| async move {
//!         Ok::<_, Fail>(format!("Hello, {}!", args.name))
//!     })
//!     .build();
//! ```

mod arguments;

pub use arguments::{Mistake, Parameters};

use crate::call::Call;
use crate::error::Error;
use crate::message::Id;
use crate::method::Method;
use crate::raw::Raw;
use crate::request::{Level, Note, Request, Target};
use crate::server::{
    About, Answer, Answering, Change, Interest, Server, ServerCapabilities, State, Tier, ToolTraits, Watching,
};
use crate::watchers::Watchers;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type ToolFn<S> = Box<dyn Fn(Arc<S>, Raw, Call) -> Boxed<Result<Raw, Fail>> + Send + Sync>;
type ReadFn<S> = Box<dyn Fn(Arc<S>, String, Call) -> Boxed<Result<Option<Raw>, Fail>> + Send + Sync>;
type CompleteFn<S> = Box<dyn Fn(&S, &Target, &str, &str) -> Vec<String> + Send + Sync>;

/// Why a tool, a prompt or a resource gave no result.
#[derive(Debug)]
pub enum Fail {
    /// The tool failed: the model is told this sentence, which says what to do next.
    Tool(String),
    /// The server's own rules do not allow it: the model is told this sentence, and the audit that it was refused.
    Refused(String),
    /// The request cannot be answered.
    Protocol(Error),
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<String> for Fail {
    fn from(sentence: String) -> Self {
        Self::Tool(sentence)
    }
}

impl From<&str> for Fail {
    fn from(sentence: &str) -> Self {
        Self::Tool(sentence.to_owned())
    }
}

/// What a tool may return.
pub trait Output {
    /// The schema of its structured content, if it has any.
    fn schema() -> Option<Raw> {
        None
    }

    /// As the result of `tools/call`.
    fn into_result(self) -> Raw;
}

impl Output for String {
    fn into_result(self) -> Raw {
        content([text(&self)])
    }
}

/// The result of a tool with one or more content blocks.
impl Output for Vec<Raw> {
    fn into_result(self) -> Raw {
        content(self)
    }
}

/// A typed result: structured content, and the same as text for clients that read only that.
pub struct Structured<T>(pub T);

impl<T: Serialize + JsonSchema> Output for Structured<T> {
    fn schema() -> Option<Raw> {
        let mut schema = schemars::schema_for!(T).to_value();
        portable(&mut schema);
        Some(Raw::of(&schema))
    }

    fn into_result(self) -> Raw {
        let value = Raw::of(&self.0);
        let block = text(&String::from_utf8_lossy(value.bytes()));
        Raw::object([("content", &Raw::array([&block])), ("structuredContent", &value)])
    }
}

/// A text block.
pub fn text(text: &str) -> Raw {
    Raw::of(&serde_json::json!({ "type": "text", "text": text }))
}

fn content(blocks: impl IntoIterator<Item = Raw>) -> Raw {
    let blocks: Vec<_> = blocks.into_iter().collect();
    Raw::object([("content", &Raw::array(&blocks))])
}

fn failed(sentence: &str) -> Raw {
    Raw::object([("content", &Raw::array([&text(sentence)])), ("isError", &Raw::of(&true))])
}

/// `annotations` of a tool, with the specification's own names.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Annotations {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}

/// How a tool presents itself. Made by [`tool`].
pub struct ToolHead {
    name: &'static str,
    title: Option<&'static str>,
    description: &'static str,
    annotations: Option<Annotations>,
    input_schema: Option<Raw>,
    extra: Vec<(&'static str, Raw)>,
    traits: ToolTraits,
    hidden: bool,
}

/// A tool of that name: destructive unless said otherwise, and not replayable.
pub fn tool(name: &'static str, description: &'static str) -> ToolHead {
    ToolHead {
        name,
        title: None,
        description,
        annotations: None,
        input_schema: None,
        extra: Vec::new(),
        traits: ToolTraits { tier: Tier::Destructive, cost: |_| 1, replayable: false },
        hidden: false,
    }
}

impl ToolHead {
    /// A name for people.
    #[must_use]
    pub const fn title(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// What the tool says about its effects.
    #[must_use]
    pub const fn annotations(mut self, annotations: Annotations) -> Self {
        self.annotations = Some(annotations);
        self
    }

    /// How much harm it can do.
    #[must_use]
    pub const fn tier(mut self, tier: Tier) -> Self {
        self.traits.tier = tier;
        self
    }

    /// What a call costs against rate limits.
    #[must_use]
    pub const fn cost(mut self, cost: fn(Option<&Raw>) -> u32) -> Self {
        self.traits.cost = cost;
        self
    }

    /// The tool asks before it acts, so it can be run again with the answers.
    #[must_use]
    pub const fn replayable(mut self) -> Self {
        self.traits.replayable = true;
        self
    }

    /// A schema other than the one of the argument type.
    #[must_use]
    pub fn input_schema(mut self, schema: Raw) -> Self {
        self.input_schema = Some(schema);
        self
    }

    /// A further member of its entry in the list, such as `_meta` or `icons`.
    #[must_use]
    pub fn extra(mut self, name: &'static str, value: Raw) -> Self {
        self.extra.push((name, value));
        self
    }

    /// Not listed until [`Builtin::show`].
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
}

struct Tool<S> {
    name: &'static str,
    listed: Raw,
    run: ToolFn<S>,
}

struct Prompt<S> {
    name: String,
    listed: Raw,
    render: ToolFn<S>,
}

/// A server under construction, and then the server.
pub struct Builtin<S> {
    state: Arc<S>,
    about: Arc<About>,
    tools: Vec<Tool<S>>,
    prompts: Vec<Prompt<S>>,
    resources: Vec<Raw>,
    templates: Vec<Raw>,
    read: Option<ReadFn<S>>,
    complete: Option<CompleteFn<S>>,
    traits: HashMap<String, ToolTraits>,
    hidden: Mutex<BTreeSet<String>>,
    watchers: Watchers,
}

impl<S: Send + Sync + 'static> Builtin<S> {
    /// A server that offers nothing yet.
    pub fn new(name: &str, version: &str, state: S) -> Self {
        let about = About {
            info: Raw::of(&serde_json::json!({ "name": name, "version": version })),
            instructions: None,
            capabilities: ServerCapabilities { logging: true, ..ServerCapabilities::default() },
            state: State::Healthy,
            reason: String::new(),
            incarnation: 0,
            varies: false,
            is_built_in: true,
            tools: Arc::default(),
        };
        Self {
            state: Arc::new(state),
            about: Arc::new(about),
            tools: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            templates: Vec::new(),
            read: None,
            complete: None,
            traits: HashMap::new(),
            hidden: Mutex::default(),
            watchers: Watchers::default(),
        }
    }

    fn about_mut(&mut self) -> &mut About {
        Arc::make_mut(&mut self.about)
    }

    /// Guidance for the model.
    #[must_use]
    pub fn instructions(mut self, text: &str) -> Self {
        self.about_mut().instructions = Some(text.to_owned());
        self
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool<A, O, F, R>(mut self, head: ToolHead, run: F) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send,
        O: Output,
        F: Fn(Arc<S>, A, Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, Fail>> + Send + 'static,
    {
        let input = head.input_schema.unwrap_or_else(|| input_schema::<A>());
        let (name, description) = (Raw::of(head.name), Raw::of(head.description));
        let title = head.title.map(Raw::of);
        let annotations = head.annotations.map(|a| Raw::of(&a));
        let output = O::schema();
        let parameters = Parameters::of::<A>();
        let members = [
            ("name", Some(&name)),
            ("title", title.as_ref()),
            ("description", Some(&description)),
            ("inputSchema", Some(&input)),
            ("outputSchema", output.as_ref()),
            ("annotations", annotations.as_ref()),
        ];
        let known = members.into_iter().filter_map(|(k, v)| Some((k, v?)));
        let listed = Raw::object(known.chain(head.extra.iter().map(|(k, v)| (*k, v))));
        let run: ToolFn<S> = Box::new(move |state, arguments, call| match arguments.read::<A>() {
            Ok(args) => {
                let running = run(state, args, call);
                Box::pin(async move { running.await.map(O::into_result) })
            }
            // The model can mend its arguments, so this is for the model to read.
            Err(e) => {
                let given = arguments.read::<serde_json::Value>().unwrap_or_default();
                let told = parameters.mistake(&given).map_or_else(|| e.to_string(), |mistake| mistake.sentence(""));
                Box::pin(std::future::ready(Err(Fail::Tool(format!("invalid arguments: {told}")))))
            }
        });
        if head.hidden {
            self.hidden.lock().unwrap_or_else(PoisonError::into_inner).insert(head.name.to_owned());
        }
        self.traits.insert(head.name.to_owned(), head.traits);
        self.tools.push(Tool { name: head.name, listed, run });
        self.about_mut().capabilities.tools = true;
        self
    }

    /// Adds a prompt. `listed` is its entry in `prompts/list`; `render` gets the arguments and
    /// gives the result of `prompts/get`. It has no other effect, so one that asks something is
    /// always replayable: it is run again from the start with the answers.
    #[must_use]
    pub fn prompt<F, R>(mut self, listed: Raw, render: F) -> Self
    where
        F: Fn(Arc<S>, Raw, Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Raw, Fail>> + Send + 'static,
    {
        let render: ToolFn<S> = Box::new(move |state, args, call| Box::pin(render(state, args, call)));
        let name = listed.get_text("name").unwrap_or_default();
        self.prompts.push(Prompt { name, listed, render });
        self.about_mut().capabilities.prompts = true;
        self
    }

    /// Says which resources and templates are listed, and how a uri is read: to the result of
    /// `resources/read`, or to nothing if there is no such resource.
    #[must_use]
    pub fn resources<F, R>(mut self, listed: Vec<Raw>, templates: Vec<Raw>, read: F) -> Self
    where
        F: Fn(Arc<S>, String, Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<Raw>, Fail>> + Send + 'static,
    {
        self.resources = listed;
        self.templates = templates;
        self.read = Some(Box::new(move |state, uri, call| Box::pin(read(state, uri, call))));
        let capabilities = &mut self.about_mut().capabilities;
        capabilities.resources = true;
        capabilities.subscribe = true;
        self
    }

    /// Says how arguments are completed: from what, the argument's name, and what was typed.
    #[must_use]
    pub fn completions(
        mut self,
        complete: impl Fn(&S, &Target, &str, &str) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        self.complete = Some(Box::new(complete));
        self.about_mut().capabilities.completions = true;
        self
    }

    /// What its functions work on.
    pub fn state(&self) -> Arc<S> {
        Arc::clone(&self.state)
    }

    /// The server.
    pub fn build(mut self) -> Arc<Self> {
        let traits = std::mem::take(&mut self.traits);
        self.about_mut().tools = Arc::new(traits);
        Arc::new(self)
    }

    /// Lists a tool or a prompt, or no longer, and tells who watches.
    pub fn show(&self, name: &str, shown: bool) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = if shown { hidden.remove(name) } else { hidden.insert(name.to_owned()) };
        drop(hidden);
        if changed {
            let is_tool = self.tools.iter().any(|t| t.name == name);
            self.changed(if is_tool { Change::Tools } else { Change::Prompts });
        }
    }

    /// Tells who watches.
    pub fn changed(&self, change: Change) {
        self.watchers.tell(&change);
    }

    /// The names of the tools that are listed now, in order.
    pub fn tool_names(&self) -> Vec<String> {
        self.tools.iter().filter(|t| self.shown(t.name)).map(|t| t.name.to_owned()).collect()
    }

    fn shown(&self, name: &str) -> bool {
        !self.hidden.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    async fn respond(self: Arc<Self>, request: Request, call: Call) -> Result<Raw, Error> {
        let arguments = request.arguments.clone().unwrap_or_else(Raw::empty_object);
        let state = Arc::clone(&self.state);
        let list = |key: &'static str, items: Vec<&Raw>| Ok(Raw::object([(key, &Raw::array(items))]));
        match (&request.method, &request.target) {
            (Method::ToolsList, _) => {
                list("tools", self.tools.iter().filter(|t| self.shown(t.name)).map(|t| &t.listed).collect())
            }
            (Method::PromptsList, _) => {
                list("prompts", self.prompts.iter().filter(|p| self.shown(&p.name)).map(|p| &p.listed).collect())
            }
            (Method::ResourcesList, _) => list("resources", self.resources.iter().collect()),
            (Method::TemplatesList, _) => list("resourceTemplates", self.templates.iter().collect()),
            (Method::ToolsCall, Target::Tool(name)) => {
                let tool = self.tools.iter().find(|t| t.name == name.as_str() && self.shown(name));
                let tool = tool.ok_or_else(|| Error::UnknownTool(name.clone()))?;
                match (tool.run)(state, arguments, call.clone()).await {
                    Ok(result) => Ok(result),
                    Err(Fail::Tool(sentence)) => Ok(failed(&sentence)),
                    Err(Fail::Refused(sentence)) => {
                        call.note("decision", "refused");
                        Ok(failed(&sentence))
                    }
                    Err(Fail::Protocol(error)) => Err(error),
                }
            }
            (Method::PromptsGet, Target::Prompt(name)) => {
                let prompt = self.prompts.iter().find(|p| p.name == *name && self.shown(name));
                let prompt = prompt.ok_or_else(|| Error::UnknownPrompt(name.clone()))?;
                (prompt.render)(state, arguments, call).await.map_err(Fail::into_error)
            }
            (Method::ResourcesRead, Target::Resource(uri)) => {
                let unknown = || Error::UnknownResource(uri.clone());
                let read = self.read.as_ref().ok_or_else(unknown)?;
                read(state, uri.clone(), call).await.map_err(Fail::into_error)?.ok_or_else(unknown)
            }
            (Method::ResourcesSubscribe | Method::ResourcesUnsubscribe, _) if self.read.is_some() => {
                Ok(Raw::empty_object())
            }
            (Method::Complete, target) => {
                let complete =
                    self.complete.as_ref().ok_or_else(|| Error::UnknownMethod(request.method.to_string()))?;
                let argument = request.params.get("argument").unwrap_or_else(Raw::empty_object);
                let part = |key| argument.get_text(key).unwrap_or_default();
                let mut values = complete(&self.state, target, &part("name"), &part("value"));
                let total = values.len();
                values.truncate(100);
                Ok(Raw::of(&serde_json::json!({
                    "completion": { "hasMore": values.len() < total, "total": total, "values": values },
                })))
            }
            (Method::Ping | Method::SetLevel, _) => Ok(Raw::empty_object()),
            (method, _) => Err(Error::UnknownMethod(method.to_string())),
        }
    }
}

impl Fail {
    fn into_error(self) -> Error {
        match self {
            Self::Tool(sentence) | Self::Refused(sentence) => Error::InvalidParams(sentence),
            Self::Protocol(error) => error,
        }
    }
}

/// A schema that every client reads: an object, whatever the type is.
fn input_schema<A: JsonSchema>() -> Raw {
    let mut schema = schemars::schema_for!(A).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("type".into(), "object".into());
        object.entry("properties").or_insert_with(|| serde_json::json!({}));
        object.remove("title");
    }
    portable(&mut schema);
    Raw::of(&schema)
}

/// Takes out the formats of Rust's integers, which no JSON Schema vocabulary knows and some clients
/// refuse.
fn portable(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(object) => {
            let rust = |f: &serde_json::Value| {
                f.as_str()
                    .is_some_and(|f| f.starts_with("uint") || (f.starts_with("int") && f != "int32" && f != "int64"))
            };
            if object.get("format").is_some_and(rust) {
                object.remove("format");
            }
            object.values_mut().for_each(portable);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(portable),
        _ => {}
    }
}

impl<S: Send + Sync + 'static> Server for Builtin<S> {
    fn about(&self) -> Arc<About> {
        Arc::clone(&self.about)
    }

    fn answer(self: Arc<Self>, request: Request, call: Call) -> Answering {
        Box::pin(async move { self.respond(request, call).await.map(Answer::Complete) })
    }

    fn tell(&self, _note: Note, _call: &Call) {}

    fn watch(self: Arc<Self>, interest: Interest, _call: Call) -> Watching {
        Box::pin(self.watchers.watch(interest))
    }
}

impl Call {
    /// Reports progress in numbers and words.
    pub fn report(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let mut params = serde_json::json!({ "progress": progress });
        if let Some(object) = params.as_object_mut() {
            object.extend(total.map(|t| ("total".into(), t.into())));
            object.extend(message.map(|m| ("message".into(), m.into())));
        }
        self.progress(&Raw::of(&params));
    }

    /// Sends a log line of text.
    pub fn say(&self, level: Level, text: &str) {
        if self.wants_log(level) {
            self.log(level, Raw::of(&serde_json::json!({ "level": level, "data": text })));
        }
    }
}

impl From<Id> for Raw {
    fn from(id: Id) -> Self {
        id.to_raw()
    }
}
