//! What a run says, as messages to the caller.

use crate::session::Session;
use gate::Event;
use mcp::error::code;
use mcp::{BadMessage, ErrorObject, Id, Method, Raw, message};

/// The message for an event on a stream of a legacy session; nothing for the end.
pub(crate) fn legacy(session: &Session, event: Event, token: Option<&Raw>) -> Option<Raw> {
    match event {
        Event::Progress(params) => progress(&params, token),
        Event::Log(params) => Some(log(&params)),
        Event::Question(question) => Some(session.ask(question)),
        Event::Done(_) => None,
    }
}

/// A progress notification with the caller's own token.
pub(crate) fn progress(params: &Raw, token: Option<&Raw>) -> Option<Raw> {
    let params = params.rewritten(&[], &[("progressToken", token?)]);
    Some(message::notification(Method::Progress.as_str(), Some(&params)))
}

/// A log notification.
pub(crate) fn log(params: &Raw) -> Raw {
    message::notification(Method::Log.as_str(), Some(params))
}

/// The response to a legacy request that has ended.
pub(crate) fn legacy_response(id: &Id, method: &str, reply: &Result<gate::Reply, mcp::Error>) -> Raw {
    match reply {
        Ok(gate::Reply::Complete(result)) => {
            message::response(id, &mcp::server::result_for(mcp::Era::Legacy, method, result, &Raw::null()))
        }
        Ok(gate::Reply::NeedsInput { .. }) => {
            let error = mcp::Error::Internal("a question without a stream".into());
            message::failure(Some(id), &error.to_jsonrpc(mcp::Era::Legacy))
        }
        Err(error) => message::failure(Some(id), &error.to_jsonrpc(mcp::Era::Legacy)),
    }
}

/// The response to a modern request that has ended.
pub(crate) fn modern_response(id: &Id, method: &str, reply: &Result<gate::Reply, mcp::Error>, info: &Raw) -> Raw {
    match reply {
        Ok(gate::Reply::Complete(result)) => {
            message::response(id, &mcp::server::result_for(mcp::Era::Modern, method, result, info))
        }
        Ok(gate::Reply::NeedsInput { requests, state }) => {
            let (kind, state) = (Raw::of("input_required"), Raw::of(state));
            let result = Raw::object([("resultType", &kind), ("inputRequests", requests), ("requestState", &state)]);
            let result = if requests.kind() == mcp::Kind::Object && requests.members().next().is_some() {
                result
            } else {
                result.rewritten(&["inputRequests"], &[])
            };
            message::response(id, &mcp::server::result_for(mcp::Era::Modern, method, &result, info))
        }
        Err(error) => message::failure(Some(id), &error.to_jsonrpc(mcp::Era::Modern)),
    }
}

/// What something that is no message is answered with.
pub(crate) fn bad_message(bad: &BadMessage) -> Raw {
    let (id, code) = match bad {
        BadMessage::Json(_) => (None, code::PARSE_ERROR),
        BadMessage::Envelope { id, .. } => (id.as_ref(), code::INVALID_REQUEST),
    };
    message::failure(id, &ErrorObject::new(code, &bad.to_string()))
}
