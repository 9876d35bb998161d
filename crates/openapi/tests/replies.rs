//! What results and errors become over HTTP: mcpo's table, without its losses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod hostile;

use mcp::{Error, ErrorObject, Raw};
use openapi::Reply;
use serde_json::{Value, json};
use std::time::Duration;

fn result(text: &str) -> (u16, String) {
    let reply = Reply::of_result(&hostile::read(text));
    (reply.status, String::from_utf8(reply.body.to_vec()).unwrap())
}

#[test]
fn results_become_values() {
    for (content, body) in [
        (r#"[{"type":"text","text":"123"}]"#, "123"),
        (r#"[{"type":"text","text":"null"}]"#, "null"),
        (r#"[{"type":"text","text":" {\"a\": 1.50} "}]"#, r#"{"a": 1.50}"#),
        (r#"[{"type":"text","text":"plain \"text\""}]"#, r#""plain \"text\"""#),
        (r#"[{"type":"text","text":""}]"#, r#""""#),
        (r#"[{"type":"text","text":"NaN"}]"#, r#""NaN""#),
        ("[]", "[]"),
        (r#"[{"type":"text","text":"a"},{"type":"text","text":"1"},{"type":"text","text":"null"}]"#, r#"["a",1,null]"#),
        (r#"[{"type":"image","data":"QQ==","mimeType":"image/png"}]"#, r#""data:image/png;base64,QQ==""#),
        (r#"[{"type":"audio","data":"QQ==","mimeType":"audio/wav"}]"#, r#""data:audio/wav;base64,QQ==""#),
        (
            r#"[{"type":"resource_link","uri":"a://b","name":"n"}]"#,
            r#"{"type":"resource_link","uri":"a://b","name":"n"}"#,
        ),
        (
            r#"[{"type":"resource","resource":{"uri":"a://b","mimeType":"text/plain","text":"t"}}]"#,
            r#"{"type":"resource","resource":{"uri":"a://b","mimeType":"text/plain","text":"t"}}"#,
        ),
        (r#"[{"type":"hologram","x":1}]"#, r#"{"type":"hologram","x":1}"#),
    ] {
        assert_eq!(result(&format!(r#"{{"content":{content}}}"#)), (200, body.to_owned()), "{content}");
    }
    assert_eq!(result("{}"), (200, "[]".to_owned()));
}

#[test]
fn structured_content_is_the_value() {
    let text = r#"{"content":[{"type":"text","text":"x"}],"structuredContent":{"a" : 1.0}}"#;
    assert_eq!(result(text), (200, r#"{"a" : 1.0}"#.to_owned()));
    assert_eq!(result(r#"{"content":[],"structuredContent":null}"#), (200, "[]".to_owned()));
}

#[test]
fn a_tool_that_fails_is_500_with_its_own_words() {
    let boom = r#"{"isError":true,"content":[{"type":"text","text":"boom"},{"type":"text","text":"bang"}]}"#;
    assert_eq!(result(boom), (500, r#"{"detail":{"message":"boom\nbang"}}"#.to_owned()));
    let silent = r#"{"isError":true,"content":[]}"#;
    assert_eq!(result(silent), (500, r#"{"detail":{"message":"Unknown tool execution error"}}"#.to_owned()));
}

#[test]
fn errors_of_servers_have_the_status_that_mcpo_gives_them() {
    for (code, status) in
        [(-32700, 400), (-32600, 400), (-32601, 404), (-32602, 422), (-32603, 500), (-32000, 500), (7, 500)]
    {
        let error = Error::Upstream(ErrorObject::new(code, "no"));
        let reply = Reply::of_error(&error);
        assert_eq!(reply.status, status, "{code}");
        assert_eq!(reply.body.as_ref(), br#"{"detail":{"message":"no"}}"#);
    }
    let error = Error::Upstream(ErrorObject::with_data(-32602, "no", &Raw::of(&json!({"a": 1}))));
    assert_eq!(Reply::of_error(&error).body.as_ref(), br#"{"detail":{"message":"no","data":{"a":1}}}"#);
}

#[test]
fn errors_of_ours_say_what_they_are_and_when_to_try_again() {
    let unavailable = |retry_after| Error::Unavailable {
        server: "time".into(),
        state: "down",
        reason: "it ended".into(),
        retry_after,
    };
    for (error, status, retry_after) in [
        (Error::UnknownTool("x".into()), 404, None),
        (Error::InvalidRequest("x".into()), 400, None),
        (Error::InvalidParams("x".into()), 422, None),
        (unavailable(Some(Duration::from_millis(1500))), 503, Some(2)),
        (unavailable(Some(Duration::ZERO)), 503, Some(1)),
        (unavailable(None), 503, Some(5)),
        (Error::Limited { what: "too many calls", retry_after: Duration::from_secs(3) }, 429, Some(3)),
        (Error::Lost { server: "time".into(), reason: "it ended".into() }, 502, None),
        (Error::TimedOut(Duration::from_secs(1)), 504, None),
        (Error::TooLarge("x".into()), 413, None),
        (Error::Cancelled, 499, None),
        (Error::SignIn("https://x/".into()), 503, None),
    ] {
        let reply = Reply::of_error(&error);
        assert_eq!((reply.status, reply.retry_after), (status, retry_after), "{error}");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["detail"]["message"], error.to_string());
    }
    let secret = Reply::of_error(&Error::Internal("the password is x".into()));
    assert_eq!(secret.body.as_ref(), br#"{"detail":{"message":"internal error"}}"#);
}
