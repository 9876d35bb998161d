//! Files that were written for another client load unchanged.

use super::{bad, good, server, warnings};
use crate::{RemoteKind, ServerKind};
use std::time::Duration;

#[test]
fn the_example_of_mcpo_loads_without_a_warning() {
    let settings = good(
        r#"{
  "mcpServers": {
    "memory": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-memory"]
    },
    "time": {
      "command": "uvx",
      "args": ["mcp-server-time", "--local-timezone=America/New_York"]
    },
    "mcp_sse": {
      "type": "sse", // Explicitly define type
      "url": "http://127.0.0.1:8001/sse",
      "headers": {
        "Authorization": "Bearer token",
        "X-Custom-Header": "value"
      }
    },
    "mcp_streamable_http": {
      "type": "streamable-http",
      "url": "http://127.0.0.1:8002/mcp"
    } // Streamable HTTP MCP Server
  }
}"#,
    );
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    assert_eq!(settings.servers.len(), 4);
    assert!(matches!(settings.servers[2].kind, ServerKind::Remote { kind: RemoteKind::Sse, .. }));
}

#[test]
fn a_desktop_clients_file_loads_with_warnings() {
    let text = r#"{
  "globalShortcut": "Ctrl+Space",
  "mcpServers": {
    "github": {
      "command": "npx", "args": ["-y", "@modelcontextprotocol/server-github"],
      "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": "ghp"},
      "disabled": false,
      "timeout": 60,
      "alwaysAllow": ["search"],
      "autoApprove": [],
      "description": "code"
    }
  }
}"#;
    assert_eq!(
        warnings(text),
        [
            "f:2: unknown key \"globalShortcut\" has no effect",
            "f:9: mcpServers.github: \"alwaysAllow\" has no effect here; what may be called is decided by policy",
            "f:10: mcpServers.github: \"autoApprove\" has no effect here; what may be called is decided by policy",
            "f:11: mcpServers.github: unknown key \"description\" has no effect",
        ]
    );
    assert_eq!(good(text).servers[0].limits.timeout, Some(Duration::from_secs(60)));
}

#[test]
fn beside_a_section_of_ours_a_foreign_key_is_an_error() {
    assert!(
        bad(r#"{"mcpServers": {}, "sse": false, "globalShortcut": "x"}"#).contains("unknown key \"globalShortcut\"")
    );
    assert!(bad(r#"{"globalShortcut": "x"}"#).contains("unknown key"), "no client's file: it has no mcpServers");
}

#[test]
fn a_misspelt_section_is_an_error_even_in_a_foreign_file() {
    assert_eq!(
        bad(r#"{"mcpServers": {}, "polcy": {"roles": {}}}"#),
        "portcullis.jsonc:1: unknown key \"polcy\"; did you mean \"policy\"?"
    );
    for key in ["atuh", "limit", "Audit", "allowedHosts", "trusted_proxys", "ploicy"] {
        bad(&format!("{{\"mcpServers\": {{}}, \"{key}\": 1}}"));
    }
    for key in
        ["oauth", "inputs", "env", "theme", "hooks", "projects", "$schema", "permissions", "preferences", "model"]
    {
        good(&format!("{{\"mcpServers\": {{}}, \"{key}\": 1}}"));
    }
}

#[test]
fn inside_a_server_an_unknown_key_is_a_warning_that_names_the_nearest() {
    assert_eq!(
        warnings(r#"{"sse": false, "mcpServers": {"x": {"command": "c", "disabledTool": ["a"]}}}"#),
        ["f:1: mcpServers.x: unknown key \"disabledTool\" has no effect; did you mean \"disabledTools\"?"]
    );
    assert_eq!(
        warnings(r#"{"mcpServers": {"x": {"command": "c", "url": "http://h", "paths": []}}}"#),
        [
            "f:1: mcpServers.x: has a command and a url; the command is used, take one of them out",
            "f:1: mcpServers.x: \"url\" has no effect on a server of this type",
            "f:1: mcpServers.x: \"paths\" has no effect on a server of this type",
        ]
    );
}

#[test]
fn what_only_we_have_inside_a_server_is_strict() {
    assert!(
        bad(r#"{"mcpServers": {"x": {"command": "c", "limits": {"timout": 1}}}}"#)
            .contains("did you mean \"timeout\"?")
    );
    assert!(
        bad(r#"{"mcpServers": {"x": {"command": "c", "tools": {"t": {"disabeld": true}}}}}"#)
            .contains("did you mean \"disabled\"?")
    );
}

#[test]
fn a_timeout_that_looks_like_milliseconds_is_pointed_out() {
    let found = warnings(r#"{"mcpServers": {"x": {"command": "c", "timeout": 30000}}}"#);
    assert_eq!(
        found,
        ["f:1: mcpServers.x.timeout: is read as 30000 seconds; write it with its unit, like \"30000ms\""]
    );
    assert_eq!(server(r#"{"command": "c", "timeout": 0}"#).limits.timeout, None);
    assert_eq!(
        server(r#"{"command": "c", "timeout": 9, "limits": {"timeout": "2s"}}"#).limits.timeout,
        Some(Duration::from_secs(2))
    );
}

#[test]
fn other_clients_placeholders_are_passed_on_with_a_warning() {
    let text = r#"{"mcpServers": {"x": {"command": "sh", "args": ["-c", "echo ${HOME} $${env:X} ${"], "env": {"K": "${input:key}"}}}}"#;
    let ServerKind::Child { args, env, .. } = good(text).servers.remove(0).kind else { panic!("no child") };
    assert_eq!(args[1].expose(), "echo ${HOME} ${env:X} ${");
    assert_eq!(env["K"].expose(), "${input:key}");
    assert_eq!(warnings(text).len(), 3);
}

#[test]
fn another_clients_switch_is_respected() {
    assert!(server(r#"{"command": "c", "enabled": false}"#).disabled);
    assert!(!server(r#"{"command": "c", "enabled": true}"#).disabled);
    assert!(server(r#"{"command": "c", "disabled": true, "enabled": true}"#).disabled);
}

#[test]
fn another_clients_list_of_tools_is_a_warning() {
    let found = warnings(r#"{"mcpServers": {"x": {"command": "c", "tools": ["*"]}}}"#);
    assert!(found[0].contains("another client's list of allowed tools"), "{found:?}");
}

#[test]
fn an_unknown_type_with_a_command_is_a_child() {
    let text = r#"{"mcpServers": {"x": {"type": "custom", "command": "c"}}}"#;
    assert!(matches!(good(text).servers[0].kind, ServerKind::Child { .. }));
    assert_eq!(warnings(text).len(), 1);
}
