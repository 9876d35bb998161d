//! What the fuzz targets check. Each function takes any bytes and panics where a promise is broken.

pub mod archives;
pub mod docker;

use bytes::Bytes;
use mcp::message::{failure, notification, request, response};
use mcp::seal::{Purpose, Sealer};
use mcp::{BadMessage, Incoming, Kind, Limits, Message, Raw, Request, header, scan, sse};
use serde_json::Value;

pub use glass::fuzz::{
    block as glass_block, position as glass_position, posting as glass_posting, query as glass_query,
};
pub use server_zim::check_page as html;

/// A name and what it checks.
pub type Target = (&'static str, fn(&[u8]));

/// All targets by name.
pub const TARGETS: [Target; 18] = [
    ("envelope", envelope),
    ("head", head),
    ("headers", headers),
    ("sse", events),
    ("sealed", sealed),
    ("child_output", child_output),
    ("dirent", archives::dirent),
    ("cluster", archives::cluster_bytes),
    ("listing", archives::listing),
    ("mount", docker::mount),
    ("image", docker::image),
    ("port", docker::port),
    ("compose", docker::compose),
    ("glass_block", glass_block),
    ("glass_posting", glass_posting),
    ("glass_position", glass_position),
    ("glass_query", glass_query),
    ("html", html),
];

/// A message that is accepted is one that other readers accept and read the same way, and composing
/// it again gives the same message.
pub fn envelope(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let theirs = serde_json::from_slice::<Value>(data);
    let ours = Incoming::parse(bytes, &Limits::INBOUND);
    if matches!(ours, Ok(_) | Err(BadMessage::Envelope { .. })) {
        // Numbers out of a float's range are ours to pass on and theirs to refuse.
        let out_of_range = theirs.as_ref().err().is_some_and(|e| e.to_string().contains("number out of range"));
        // `$serde_json::private::RawValue` as a first key means something to its values, but not to its grammar.
        let is_sound = serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok();
        assert!(is_sound || out_of_range, "we accept what serde_json refuses");
    }
    let Ok(Incoming::One(message)) = ours else { return };
    let Ok(theirs) = theirs else { return };
    let composed = match &message {
        Message::Request { id, method, params } => {
            assert_eq!(theirs["method"].as_str(), Some(method.as_str()));
            request(id, method, params.as_ref())
        }
        Message::Notification { method, params } => notification(method, params.as_ref()),
        Message::Response { id, outcome: Ok(result) } => response(id, result),
        Message::Response { id, outcome: Err(error) } => failure(Some(id), error),
        Message::Failure { error } => failure(None, error),
    };
    let again = Message::read(&composed).expect("what we compose, we read");
    assert_eq!(std::mem::discriminant(&message), std::mem::discriminant(&again));
}

/// What policy reads is what is forwarded: the head read by us is the head that `serde_json` reads.
pub fn head(data: &[u8]) {
    const METHODS: [&str; 6] =
        ["tools/call", "prompts/get", "resources/read", "completion/complete", "tools/list", "x/y"];
    let Some((&pick, text)) = data.split_first() else { return };
    let Ok(params) = Raw::parse(Bytes::copy_from_slice(text), &Limits::INBOUND) else { return };
    if params.kind() != Kind::Object {
        return;
    }
    let method = METHODS[usize::from(pick) % METHODS.len()];
    let Ok(request) = Request::read(method, Some(params.clone())) else { return };
    let Ok(theirs) = serde_json::from_slice::<Value>(params.bytes()) else { return };
    let named = match method {
        "tools/call" | "prompts/get" => theirs["name"].as_str(),
        "resources/read" => theirs["uri"].as_str(),
        _ => return,
    };
    assert_eq!(named, Some(request.target.name()));
    assert_eq!(request.arguments.is_some(), theirs.get("arguments").is_some_and(|a| !a.is_null()));
    let rewritten = params.rewritten(&["name"], &[("name", &Raw::of("other"))]);
    scan::check(rewritten.bytes(), &Limits::INBOUND).expect("a rewritten object is sound");
    let renamed: Value = serde_json::from_slice(rewritten.bytes()).expect("and others read it");
    assert_eq!(renamed["name"], "other");
    let line = params.single_line();
    assert!(!line.contains(&b'\n'));
    assert_eq!(serde_json::from_slice::<Value>(&line).expect("the same value"), theirs);
}

/// Values survive the header encoding, and schemas with annotations are walked to the end.
pub fn headers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let encoded = header::encode(&text);
    assert!(encoded.bytes().all(|b| (0x20..0x7f).contains(&b)));
    assert_eq!(header::decode(&encoded).as_deref(), Some(text.as_ref()));
    header::decode(&text);
    if let Ok(schema) = Raw::parse(Bytes::copy_from_slice(data), &Limits::OUTBOUND) {
        let params = header::mirrored_params(&schema);
        let carried = header::param_headers(&params, Some(&schema));
        assert!(carried.iter().all(|(name, _)| name.starts_with(header::PARAM_PREFIX)));
    }
}

/// It does not matter how a stream is cut into pieces, and memory is bounded.
pub fn events(data: &[u8]) {
    const LIMIT: usize = 4096;
    let Some((&cut, stream)) = data.split_first() else { return };
    let whole = sse::Decoder::new(LIMIT).feed(stream);
    let (first, second) = stream.split_at(usize::from(cut).min(stream.len()));
    let mut decoder = sse::Decoder::new(LIMIT);
    let parts = decoder.feed(first).and_then(|mut events| {
        events.extend(decoder.feed(second)?);
        Ok(events)
    });
    assert_eq!(whole, parts);
}

/// Nothing opens that was not sealed.
pub fn sealed(data: &[u8]) {
    let sealer = Sealer::from_secret(b"fuzz");
    let text = String::from_utf8_lossy(data);
    assert_eq!(sealer.open::<Value>(Purpose::Session, &text), None);
    let Ok(sealed) = sealer.seal(Purpose::Question, &text) else { return };
    assert_eq!(sealer.open::<String>(Purpose::Question, &sealed).as_deref(), Some(text.as_ref()));
    assert_eq!(sealer.open::<String>(Purpose::Cursor, &sealed), None);
}

/// Whatever a child writes is read to the end.
pub fn child_output(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let lines = data.iter().filter(|b| **b == b'\n').count();
    let messages = runtime.block_on(upstream::child::read_output(data, 512));
    assert!(messages <= lines);
}
