//! Parameters as a child of either era gets them.
//!
//! What the protocol says about the client is ours to say: a modern child is told who we are, what
//! its caller can be asked and where the call belongs in a trace; a legacy child, which was told all
//! that it understands when it was started, gets nothing of it. The progress token is ours as well,
//! and is there only if the caller wants progress. Everything else keeps its bytes; if there is
//! nothing to change, the parameters are passed on as they are.

use mcp::handshake::{Software, legacy_meta, modern_meta};
use mcp::request::key;
use mcp::{Caller, Era, Method, Raw, Request};

const TRACE: [&str; 2] = ["traceparent", "tracestate"];
const META: &str = "_meta";
const RESPONSES: &str = "inputResponses";
const STATE: &str = "requestState";

/// Whether a child of this era is sent such a request. Neither gets what is answered in its stead,
/// what opens a connection, what watches, or what only servers ask and only notifications say.
pub(super) fn is_carried(method: &Method, era: Era) -> bool {
    match method {
        Method::Discover => era == Era::Modern,
        Method::ToolsList
        | Method::ToolsCall
        | Method::PromptsList
        | Method::PromptsGet
        | Method::ResourcesList
        | Method::TemplatesList
        | Method::ResourcesRead
        | Method::Complete => true,
        Method::Other(name) => !name.starts_with("notifications/"),
        _ => false,
    }
}

/// For a legacy child.
pub(super) fn legacy(request: &Request, token: Option<i64>) -> Raw {
    let ours = |name: &str| name == key::PROGRESS_TOKEN || key::MODERN.contains(&name);
    let foreign = request.meta.raw.as_ref().is_some_and(|meta| meta.members().any(|m| ours(&m.key)));
    if token.is_none() && !foreign && request.resume.is_none() {
        return request.params.clone();
    }
    let meta = with_token(&legacy_meta(request.meta.raw.as_ref()), token);
    let without = [META, RESPONSES, STATE];
    if meta.members().next().is_none() {
        request.params.rewritten(&without, &[])
    } else {
        request.params.rewritten(&without, &[(META, &meta)])
    }
}

/// For a modern child.
pub(super) fn modern(request: &Request, caller: &Caller, token: Option<i64>, us: &Software) -> Raw {
    let mut meta = modern_meta(request.meta.raw.as_ref(), &caller.capabilities, caller.log_level, us);
    if let Some(trace) = &caller.trace {
        let parts: Vec<_> = TRACE.iter().filter_map(|name| Some((*name, trace.get(name)?))).collect();
        let parts: Vec<_> = parts.iter().map(|(name, value)| (*name, value)).collect();
        meta = meta.rewritten(&TRACE, &parts);
    }
    let meta = with_token(&meta, token);
    let resume = request.resume.as_ref();
    let responses = resume.and_then(|resume| resume.responses.clone());
    let state = resume.and_then(|resume| resume.state.as_ref()).map(Raw::of);
    let members = [(META, Some(&meta)), (RESPONSES, responses.as_ref()), (STATE, state.as_ref())];
    let with: Vec<_> = members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    request.params.rewritten(&[META, RESPONSES, STATE], &with)
}

fn with_token(meta: &Raw, token: Option<i64>) -> Raw {
    match token {
        Some(token) => meta.rewritten(&[key::PROGRESS_TOKEN], &[(key::PROGRESS_TOKEN, &Raw::of(&token))]),
        None if meta.get(key::PROGRESS_TOKEN).is_some() => meta.rewritten(&[key::PROGRESS_TOKEN], &[]),
        None => meta.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp::{Capabilities, Level, Limits};

    fn raw(text: &str) -> Raw {
        Raw::parse(bytes::Bytes::copy_from_slice(text.as_bytes()), &Limits::INBOUND).unwrap()
    }

    fn request(params: &str) -> Request {
        Request::read("tools/call", Some(raw(params))).unwrap()
    }

    fn text(raw: &Raw) -> &str {
        std::str::from_utf8(raw.bytes()).unwrap()
    }

    #[test]
    fn a_legacy_child_gets_the_bytes_as_they_are_if_nothing_is_to_be_changed() {
        for params in
            [r#"{ "name" : "a", "arguments":{"x":1.0} }"#, r#"{"name":"a","_meta":{ "x/y": 1.0 }}"#, r#"{"name":"a"}"#]
        {
            let request = request(params);
            assert_eq!(legacy(&request, None), request.params);
        }
    }

    #[test]
    fn a_legacy_child_gets_nothing_of_the_modern_era_and_only_our_token() {
        let full = r#"{"name":"a","x":1.0,"inputResponses":{},"requestState":"s","_meta":{"progressToken":"t","io.modelcontextprotocol/protocolVersion":"2026-07-28","k":1.0}}"#;
        let request = request(full);
        assert_eq!(text(&legacy(&request, Some(7))), r#"{"name":"a","x":1.0,"_meta":{"k":1.0,"progressToken":7}}"#);
        assert_eq!(text(&legacy(&request, None)), r#"{"name":"a","x":1.0,"_meta":{"k":1.0}}"#);
        let only = self::request(r#"{"name":"a","_meta":{"progressToken":"t"}}"#);
        assert_eq!(text(&legacy(&only, None)), r#"{"name":"a"}"#);
        assert_eq!(
            text(&legacy(&self::request(r#"{"name":"a"}"#), Some(7))),
            r#"{"name":"a","_meta":{"progressToken":7}}"#
        );
    }

    #[test]
    fn a_modern_child_is_told_who_asks_and_gets_its_own_state_back() {
        let mut request = request(
            r#"{"name":"a","inputResponses":{"x":1},"requestState":"sealed","_meta":{"traceparent":"theirs","progressToken":1,"k":1.0}}"#,
        );
        request.resume = Some(mcp::Resume { responses: Some(raw(r#"{"y":2.0}"#)), state: Some("opened".into()) });
        let caller = Caller {
            principal: "p".into(),
            session: None,
            era: Era::Legacy,
            capabilities: Capabilities::read(&raw(r#"{"elicitation":{}}"#)).unwrap(),
            log_level: Some(Level::Debug),
            wants_progress: true,
            trace: Some(raw(r#"{"traceparent":"ours"}"#)),
        };
        let us = Software { name: "us".into(), version: "1".into() };
        let got = modern(&request, &caller, Some(7), &us);
        let expected = concat!(
            r#"{"name":"a","_meta":{"k":1.0,"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
            r#""io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},"#,
            r#""io.modelcontextprotocol/clientInfo":{"name":"us","version":"1"},"#,
            r#""io.modelcontextprotocol/logLevel":"debug","traceparent":"ours","progressToken":7},"#,
            r#""inputResponses":{"y":2.0},"requestState":"opened"}"#,
        );
        assert_eq!(text(&got), expected);
    }

    #[test]
    fn what_one_era_does_not_have_its_children_do_not_get() {
        for (method, legacy, modern) in [
            ("tools/call", true, true),
            ("x/unknown", true, true),
            ("server/discover", false, true),
            ("initialize", false, false),
            ("subscriptions/listen", false, false),
            ("sampling/createMessage", false, false),
            ("notifications/anything", false, false),
            ("notifications/initialized", false, false),
        ] {
            let method = Method::parse(method);
            assert_eq!((is_carried(&method, Era::Legacy), is_carried(&method, Era::Modern)), (legacy, modern));
        }
    }
}
