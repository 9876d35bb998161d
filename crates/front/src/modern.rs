//! What a modern request must say before it may pass (2026-07-28, `basic/index` and
//! `basic/lifecycle`), for every front.

use mcp::{Capabilities, Error, Id, Interest, Method, Raw, Request, Revision, header};

/// Methods that a modern server answers.
pub(crate) const fn is_modern(method: &Method) -> bool {
    matches!(
        method,
        Method::Discover
            | Method::ToolsList
            | Method::ToolsCall
            | Method::PromptsList
            | Method::PromptsGet
            | Method::ResourcesList
            | Method::TemplatesList
            | Method::ResourcesRead
            | Method::Complete
            | Method::Listen
            | Method::Other(_)
    )
}

/// Reads the head. A method that this era has taken out is unknown, whatever its parameters are.
pub(crate) fn read(method: &str, params: Option<Raw>) -> Result<Request, Error> {
    Request::read(method, params).map_err(|error| {
        if is_modern(&Method::parse(method)) { error } else { Error::UnknownMethod(method.to_owned()) }
    })
}

/// All values of a header by its lower-case name.
type Headers<'f, 'a> = dyn Fn(&str) -> Vec<&'a [u8]> + 'f;

/// Checks `_meta`, and over HTTP that the headers say the same; gives the client's capabilities.
/// The order decides which error a request with several faults gets.
pub(crate) fn check<'a>(request: &Request, headers: Option<&Headers<'_, 'a>>) -> Result<Capabilities, Error> {
    let missing = |key| Error::InvalidParams(format!("`params._meta` must have {key:?}"));
    let meta = &request.meta;
    let version = meta.revision.as_deref().ok_or_else(|| missing(mcp::request::key::PROTOCOL_VERSION))?;
    let capabilities = meta.capabilities.clone().ok_or_else(|| missing(mcp::request::key::CLIENT_CAPABILITIES))?;
    if let Some(header) = headers {
        let carried = header::single(header::PROTOCOL_VERSION, &header(header::PROTOCOL_VERSION))?;
        if carried.as_deref() != Some(version) {
            return Err(Error::HeaderMismatch(
                "the header MCP-Protocol-Version does not match the protocol version in `_meta`".into(),
            ));
        }
    }
    if Revision::parse(version).is_none_or(|r| r.era() == mcp::Era::Legacy) {
        return Err(Error::UnsupportedVersion { requested: version.to_owned() });
    }
    if let Some(header) = headers {
        header::check_standard(request, header)?;
    }
    if is_modern(&request.method) { Ok(capabilities) } else { Err(Error::UnknownMethod(request.method.to_string())) }
}

/// Whether these parameters belong to a modern request, whatever its headers say.
pub(crate) fn has_envelope(params: Option<&Raw>) -> bool {
    params.and_then(|p| p.get("_meta")).is_some_and(|m| m.get(mcp::request::key::PROTOCOL_VERSION).is_some())
}

/// A `subscriptions/listen`: what is wanted, and what of it was granted.
pub(crate) struct Listening {
    pub(crate) interest: Interest,
    id: Raw,
}

/// The most resources that one stream may watch.
const MOST_URIS: usize = 1024;

impl Listening {
    /// Reads the parameters.
    pub(crate) fn read(id: &Id, params: &Raw) -> Result<Self, Error> {
        let wrong = |what: &str| Error::InvalidParams(format!("`notifications` {what}"));
        let filter = params.get("notifications").ok_or_else(|| wrong("is missing"))?;
        if filter.kind() != mcp::Kind::Object {
            return Err(wrong("must be an object"));
        }
        let flag = |name| filter.get(name).is_some_and(|f| f.is_true());
        let uris: Vec<String> = filter
            .get("resourceSubscriptions")
            .map(|uris| uris.items().filter_map(|u| u.text().map(std::borrow::Cow::into_owned)).collect())
            .unwrap_or_default();
        if uris.len() > MOST_URIS || uris.iter().any(|uri| uri.len() > 8 * 1024) {
            return Err(wrong("names too many resources, or one that is too long"));
        }
        Ok(Self {
            interest: Interest {
                tools: flag("toolsListChanged"),
                prompts: flag("promptsListChanged"),
                resources: flag("resourcesListChanged"),
                uris,
            },
            id: id.to_raw(),
        })
    }

    /// Leaves only what the server offers.
    pub(crate) fn grant(&mut self, offered: &mcp::ServerCapabilities) {
        self.interest.tools &= offered.tools;
        self.interest.prompts &= offered.prompts;
        self.interest.resources &= offered.resources;
        if !offered.subscribe {
            self.interest.uris.clear();
        }
    }

    fn meta(&self) -> Raw {
        Raw::object([(mcp::request::key::SUBSCRIPTION_ID, &self.id)])
    }

    /// The first message of the stream.
    pub(crate) fn acknowledged(&self) -> Raw {
        let yes = Raw::of(&true);
        let uris = Raw::of(&self.interest.uris);
        let granted = [
            (self.interest.tools, "toolsListChanged", &yes),
            (self.interest.prompts, "promptsListChanged", &yes),
            (self.interest.resources, "resourcesListChanged", &yes),
            (!self.interest.uris.is_empty(), "resourceSubscriptions", &uris),
        ];
        let granted = Raw::object(granted.into_iter().filter(|g| g.0).map(|(_, key, value)| (key, value)));
        let params = Raw::object([("_meta", &self.meta()), ("notifications", &granted)]);
        mcp::message::notification(Method::Acknowledged.as_str(), Some(&params))
    }

    /// The message that tells of a change; nothing for what clients are not told.
    pub(crate) fn tell(&self, change: &mcp::Change) -> Option<Raw> {
        let (method, params) = gate::notification(change)?;
        let params = params.unwrap_or_else(Raw::empty_object).rewritten(&[], &[("_meta", &self.meta())]);
        Some(mcp::message::notification(method, Some(&params)))
    }

    /// The last message of a stream that ends in good order.
    pub(crate) fn ended(&self, id: &Id, info: &Raw) -> Raw {
        let result = Raw::object([("_meta", &self.meta())]);
        let result = mcp::server::result_for(mcp::Era::Modern, Method::Listen.as_str(), &result, info);
        mcp::message::response(id, &result)
    }
}
