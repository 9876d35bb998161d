//! The first thing anybody would try.

use e2e::{House, child};
use serde_json::json;

#[tokio::test]
async fn a_bare_post_is_answered_as_json_by_every_server() {
    let house = House::start(json!({"mcpServers": {
        "builtin": {"type": "fixture"}, "legacy": child("legacy"), "modern": child("modern")}}))
    .await;
    for server in ["builtin", "legacy", "modern"] {
        let answer = house.client(server, None).call("echo", json!({"message": "hi"})).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.result()["content"][0]["text"], "hi", "{server}");
    }
    let answer = house.client("", None).call("modern__echo", json!({"message": "hi"})).await;
    assert_eq!(answer.result()["structuredContent"], json!({"message": "hi"}));
}
