//! What the sections of our own mean.

use super::{World, bad, good, good_in, kind, server, warnings};
use crate::{
    Arguments, Document, LogFormat, LogLevel, Metrics, RemoteKind, ServerKind, Settings, SystemEnv, Tier, Zim, ZimMode,
    load,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[test]
fn an_empty_object_is_the_defaults() {
    let settings = good("{}");
    assert_eq!(settings.effective_json(), Settings::default().effective_json());
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(settings.body_limit, 4 * 1024 * 1024);
    assert_eq!(settings.limits.timeout, Duration::from_secs(60));
    let limit = &settings.limits.per_principal;
    assert_eq!((limit.rate, limit.concurrent, limit.held, limit.watches), (None, None, 8, 32));
    assert_eq!(settings.state.session_idle, Duration::from_secs(1800));
    assert_eq!(settings.state.max_sessions, 10_000);
    assert_eq!(settings.telemetry.metrics, Metrics::Token);
    assert!(!settings.sse && !settings.auth.insecure && settings.policy.is_none() && settings.audit.is_none());
    assert!(settings.warnings.is_empty());
}

/// The example of the design, without what later versions add.
const EXAMPLE: &str = r#"{
  "listen": "127.0.0.1:8000",
  "mcpServers": {
    "wiki":   { "type": "zim", "paths": ["/srv/zim"] },
    "docker": { "type": "docker", "safety": "moderate" },
    "time":   { "command": "uvx", "args": ["mcp-server-time"], "env": { "TZ": "UTC" }, "limits": { "timeout": "30s" } },
    "notes":  { "type": "streamable-http", "url": "https://notes.internal/mcp", "headers": { "Authorization": "Bearer ${env:NOTES_KEY}" } },
    "inbox":  { "type": "openapi", "url": "https://check.example.com", "document": "inbox-check.openapi.json", "headers": { "Authorization": "Bearer ${file:/run/secrets/inbox}" } }
  },
  "auth":   { "tokens": [{ "name": "ci", "token": "${env:CI_TOKEN}", "roles": ["reader"] }] },
  "policy": { "roles": { "reader": { "allow": ["wiki/*", "docker/tool:docker_list_*"], "tier": "safe" } } },
  "limits": { "per_principal": { "rate": "10/s", "burst": 20, "concurrent": 8 } },
  "audit":  { "file": "audit.jsonl" },
  "telemetry": { "metrics": true, "otlp": "http://127.0.0.1:4318" }
}"#;

fn example_world() -> World {
    World::default()
        .var("NOTES_KEY", "notes-s3cret")
        .var("CI_TOKEN", "ci-s3cret-0123456789")
        .file("/run/secrets/inbox", "inbox-s3cret\n")
}

#[test]
fn the_example_of_the_design_loads() {
    let settings = good_in(&example_world(), EXAMPLE);
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    let names: Vec<_> = settings.servers.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["wiki", "docker", "time", "notes", "inbox"], "in the order of the file");
    let ServerKind::Remote { headers, .. } = &settings.servers[3].kind else { panic!("no remote") };
    assert_eq!(headers["Authorization"].expose(), "Bearer notes-s3cret");
    let ServerKind::OpenApi { headers, document: Some(Document::File(document)), .. } = &settings.servers[4].kind
    else {
        panic!("no openapi")
    };
    assert_eq!(headers["Authorization"].expose(), "Bearer inbox-s3cret", "one trailing newline is no part of it");
    assert_eq!(document, Path::new("/etc/p/inbox-check.openapi.json"), "from the directory of the file");
    assert_eq!(settings.audit.unwrap().file, Path::new("/etc/p/audit.jsonl"));
    assert_eq!(settings.limits.per_principal.rate.unwrap().get().to_string(), "10");
    assert_eq!(settings.servers[2].limits.timeout, Some(Duration::from_secs(30)));
}

#[test]
fn the_effective_settings_are_written_out_with_secrets_hidden() {
    let settings = good_in(&example_world(), EXAMPLE);
    let expected = r#"{
  "listen": "127.0.0.1:8000",
  "allowed_hosts": [],
  "cors_origins": [],
  "trusted_proxies": [],
  "body_limit": 4194304,
  "sse": false,
  "rest": true,
  "mcpServers": {
    "wiki": {
      "type": "zim",
      "paths": [
        "/srv/zim"
      ]
    },
    "docker": {
      "type": "docker",
      "safety": "moderate",
      "rules": {
        "confirm": true,
        "publish": "any",
        "redact": true,
        "fence": true
      }
    },
    "time": {
      "type": "stdio",
      "command": "uvx",
      "args": [
        "mcp-server-time"
      ],
      "env": {
        "TZ": "[secret]"
      },
      "limits": {
        "timeout": "30s"
      }
    },
    "notes": {
      "type": "streamable-http",
      "url": "https://notes.internal/mcp",
      "headers": {
        "Authorization": "[secret]"
      }
    },
    "inbox": {
      "type": "openapi",
      "url": "https://check.example.com",
      "document": "/etc/p/inbox-check.openapi.json",
      "headers": {
        "Authorization": "[secret]"
      }
    }
  },
  "auth": {
    "tokens": [
      {
        "name": "ci",
        "token": "[secret]",
        "roles": [
          "reader"
        ]
      }
    ],
    "insecure": false
  },
  "policy": {
    "roles": {
      "reader": {
        "allow": [
          "wiki/*",
          "docker/tool:docker_list_*"
        ],
        "deny": [],
        "tier": "safe"
      }
    }
  },
  "limits": {
    "per_principal": {
      "rate": 10.0,
      "burst": 20,
      "concurrent": 8,
      "held": 8,
      "watches": 32,
      "sessions": 1000
    },
    "per_address": {
      "held": 8,
      "watches": 32,
      "sessions": 1000
    },
    "timeout": "60s"
  },
  "audit": {
    "file": "/etc/p/audit.jsonl",
    "sync": false,
    "max_bytes": 104857600,
    "arguments": "hash"
  },
  "telemetry": {
    "metrics": "token",
    "otlp": "http://127.0.0.1:4318",
    "log": {
      "level": "info",
      "format": "pretty"
    }
  },
  "state": {
    "session_idle": "1800s",
    "max_sessions": 10000
  }
}"#;
    assert_eq!(settings.effective_json(), expected);
}

#[test]
fn the_effective_settings_load_as_themselves() {
    let everything = r#"{
      "listen": "[::1]:9000", "allowed_hosts": ["mcp.example.com:*", "h:1", "[::1]"], "cors_origins": ["https://A.example:443"],
      "trusted_proxies": ["10.1.2.3/8", "::1"], "body_limit": "1MiB", "sse": true,
      "mcpServers": {
        "child": {"command": "x", "args": ["a", 1], "cwd": "sub", "disabled": true, "timeout": 5,
                  "tools": {"t": {"tier": "destructive", "disabled": true}}, "disabledTools": ["u"],
                  "trust_annotations": true, "extensions": ["io.example/x"]},
        "sse": {"url": "http://h/sse"}, "echo": {"type": "fixture"}
      },
      "policy": {"roles": {"r": {"allow": ["*/*"], "deny": ["child/method:x"]}}},
      "limits": {"per_address": {"rate": "1/m"}, "per_tool": {"child/tool:*": {"rate": "90/m", "burst": 3}}, "timeout": "1500ms"},
      "audit": {"file": "a", "sync": true, "max_bytes": 7, "max_age": "7d", "keep": 0, "arguments": "redacted"},
      "telemetry": {"metrics": "public", "log": {"level": "trace", "format": "json"}},
      "state": {"session_idle": "1m", "max_sessions": 1}
    }"#
    .replace("\"sse\": {", "\"events\": {");
    let first = good(&everything);
    let second = good(&first.effective_json());
    assert_eq!(first.effective_json(), second.effective_json());
    let hashes = |settings: &Settings| settings.servers.iter().map(|s| s.hash.clone()).collect::<Vec<_>>();
    assert_eq!(hashes(&first), hashes(&second));
}

#[test]
fn every_key_of_every_section_is_read() {
    let settings = good(
        r#"{
          "listen": "0.0.0.0:80", "allowed_hosts": ["h"], "cors_origins": ["https://o"], "trusted_proxies": ["10.0.0.1", "fd00::/8"],
          "body_limit": 1000, "sse": true,
          "audit": {"file": "/a", "sync": true, "max_bytes": "1KiB", "max_age": "1d", "keep": 3, "arguments": "redacted"},
          "telemetry": {"metrics": "off", "otlp": "https://c", "log": {"level": "debug", "format": "json"}},
          "state": {"key": "0123456789abcdef0123456789abcdef", "session_idle": 60, "max_sessions": 5},
          "limits": {"per_principal": {"rate": "2.5/s"}, "per_address": {"concurrent": 4, "held": 0, "watches": 1}, "timeout": "2m"}
        }"#,
    );
    assert_eq!(
        settings.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.1/32", "fd00::/8"]
    );
    assert_eq!((settings.body_limit, settings.sse), (1000, true));
    let audit = settings.audit.unwrap();
    assert_eq!((audit.sync, audit.max_bytes, audit.keep, audit.arguments), (true, 1024, Some(3), Arguments::Redacted));
    assert_eq!(audit.max_age, Some(Duration::from_secs(86400)));
    assert_eq!(settings.telemetry.metrics, Metrics::Off);
    assert_eq!((settings.telemetry.log.level, settings.telemetry.log.format), (LogLevel::Debug, LogFormat::Json));
    assert_eq!(settings.state.key.unwrap().expose().len(), 32);
    assert_eq!(settings.limits.per_principal.burst, 3, "what comes in one second");
    let address = settings.limits.per_address;
    assert_eq!((address.concurrent, address.held, address.watches), (Some(4), 0, 1));
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn metrics_are_yes_no_or_a_word() {
    for (written, read) in [
        ("true", Metrics::Token),
        ("false", Metrics::Off),
        ("\"public\"", Metrics::Public),
        ("\"token\"", Metrics::Token),
    ] {
        assert_eq!(good(&format!("{{\"telemetry\": {{\"metrics\": {written}}}}}")).telemetry.metrics, read);
    }
    assert!(
        bad(r#"{"telemetry": {"metrics": "yes"}}"#).contains("\"yes\" is none of \"off\", \"token\" and \"public\"")
    );
}

#[test]
fn null_is_as_good_as_absent() {
    let settings =
        good(r#"{"listen": null, "audit": null, "mcpServers": {"x": {"command": "c", "args": null, "env": null}}}"#);
    assert!(settings.audit.is_none());
    assert_eq!(settings.servers.len(), 1);
}

#[test]
fn entries_with_a_command_are_children() {
    for entry in [
        r#"{"command": "c", "args": ["a", 5, true], "env": {"A": "1", "N": 3}, "cwd": "sub"}"#,
        r#"{"type": "stdio", "command": "c", "args": ["a", 5, true], "env": {"A": "1", "N": 3}, "cwd": "/etc/p/sub"}"#,
    ] {
        let ServerKind::Child { command, args, env, cwd } = kind(entry) else { panic!("no child") };
        assert_eq!(command.expose(), "c");
        assert_eq!(args.iter().map(crate::Text::expose).collect::<Vec<_>>(), ["a", "5", "true"]);
        assert_eq!((env["A"].expose(), env["N"].expose()), ("1", "3"));
        assert_eq!(cwd, Some(PathBuf::from("/etc/p/sub")));
    }
}

#[test]
fn entries_with_a_url_are_remote() {
    let transport = |entry: &str| match kind(entry) {
        ServerKind::Remote { kind, .. } => kind,
        other => panic!("{other:?}"),
    };
    for name in ["streamable-http", "http", "streamable_http", "streamablehttp", "Streamable-HTTP"] {
        assert_eq!(transport(&format!(r#"{{"type": "{name}", "url": "http://h/sse"}}"#)), RemoteKind::StreamableHttp);
    }
    assert_eq!(transport(r#"{"type": "sse", "url": "http://h/mcp"}"#), RemoteKind::Sse);
    assert_eq!(transport(r#"{"url": "http://127.0.0.1:8000/mcp"}"#), RemoteKind::StreamableHttp);
    assert_eq!(transport(r#"{"url": "http://127.0.0.1:8001/sse"}"#), RemoteKind::Sse);
    assert_eq!(transport(r#"{"url": "http://127.0.0.1:8001/sse/?a=b"}"#), RemoteKind::Sse);
}

#[test]
fn types_without_command_or_url_are_built_in() {
    assert!(
        matches!(kind(r#"{"type": "zim", "paths": "zims"}"#), ServerKind::Zim(zim) if zim.paths == [Path::new("/etc/p/zims")] && zim.mode.is_none())
    );
    assert!(
        matches!(kind(r#"{"type": "docker"}"#), ServerKind::Docker(docker) if docker.safety == Tier::Moderate && docker.rules.confirm)
    );
    assert!(matches!(kind(r#"{"type": "fixture"}"#), ServerKind::Builtin { type_name } if type_name == "fixture"));
    assert!(matches!(
        kind(r#"{"type": "openapi", "document": "https://h/openapi.json"}"#),
        ServerKind::OpenApi { url: None, document: Some(Document::Url(_)), .. }
    ));
}

#[test]
fn a_zim_server_is_told_its_mode_and_where_it_keeps_what() {
    let entry = r#"{"type": "zim", "paths": "z", "mode": "simple", "output_schemas": false, "cache_folder": "cache",
        "build_indexes": true, "keep_answers": true, "article_cache": "64MiB", "presets": "presets.toml"}"#;
    let ServerKind::Zim(zim) = kind(entry) else { panic!("no zim") };
    let expected = Zim {
        mode: Some(ZimMode::Simple),
        output_schemas: Some(false),
        cache_folder: Some("/etc/p/cache".into()),
        build_indexes: Some(true),
        keep_answers: Some(true),
        article_cache: Some(64 << 20),
        presets: Some("/etc/p/presets.toml".into()),
        ..Zim::of(vec!["/etc/p/z".into()])
    };
    assert_eq!(*zim, expected);
}

#[test]
fn an_entry_that_is_nothing_is_refused() {
    let refused = |entry: &str| bad(&format!("{{\"mcpServers\": {{\"x\": {entry}}}}}"));
    assert!(refused("{}").contains("mcpServers.x: has neither \"command\""));
    assert!(refused(r#"{"comand": "uvx"}"#).contains("did you mean \"command\" by \"comand\"?"));
    assert!(refused(r#"{"type": "sse"}"#).contains("\"url\" is missing"));
    assert!(refused(r#"{"type": "stdio", "url": "http://h"}"#).contains("\"command\" is missing"));
    assert!(refused(r#"{"type": "websocket", "url": "http://h"}"#).contains("write \"streamable-http\""));
    assert!(refused(r#"{"type": "zim"}"#).contains("\"paths\" is missing"));
    assert!(refused(r#"{"type": "zim", "paths": []}"#).contains("names no archive"));
    assert!(refused(r#"{"type": "openapi"}"#).contains("has neither \"url\""));
    assert!(refused(r#"{"type": "a b"}"#).contains("is no type"));
    assert!(refused("\"uvx\"").contains("expected an object, found a text"));
    assert!(refused(r#"{"command": ""}"#).contains("mcpServers.x.command: is empty"));
    assert!(refused(r#"{"url": "ftp://h"}"#).contains("does not begin with http:// or https://"));
    assert!(refused(r#"{"command": "a\u0000b"}"#).contains("zero byte"));
}

#[test]
fn headers_and_variables_must_be_ones() {
    let refused = |entry: &str| bad(&format!("{{\"mcpServers\": {{\"x\": {entry}}}}}"));
    assert!(refused(r#"{"url": "http://h", "headers": {"A B": "x"}}"#).contains("is no name of a header"));
    assert!(refused(r#"{"url": "http://h", "headers": {"A": "x\r\nB: y"}}"#).contains("value that no header can have"));
    assert!(refused(r#"{"url": "http://h", "headers": {"A": "x", "a": "y"}}"#).contains("stands twice"));
    assert!(refused(r#"{"command": "c", "env": {"A=B": "x"}}"#).contains("is no name of a variable"));
    assert!(refused(r#"{"command": "c", "env": {"A": ["x"]}}"#).contains("expected a text, found a list"));
}

#[test]
fn the_operator_decides_about_tools() {
    let server = server(
        r#"{"command": "c", "tools": {"a": {"tier": "safe"}, "b": {"disabled": true}}, "disabledTools": ["x"], "disabled_tools": ["y"],
            "trust_annotations": true, "extensions": ["e"], "disabled": true}"#,
    );
    assert_eq!(server.tools["a"].tier, Some(Tier::Safe));
    assert!(server.tools["b"].disabled && !server.tools["a"].disabled);
    assert_eq!(server.disabled_tools, ["x"], "mcpo prefers this spelling");
    assert!(server.trust_annotations && server.disabled);
    assert_eq!(server.extensions, ["e"]);
}

#[test]
fn patterns_for_servers_that_are_not_there_are_a_warning() {
    let found = warnings(
        r#"{"mcpServers": {"wiki": {"type": "zim", "paths": ["/z"]}},
            "policy": {"roles": {"r": {"allow": ["wiki/*", "*/tool:x"], "deny": ["wikki/*"]}}}}"#,
    );
    assert_eq!(found, ["f:2: policy.roles.r.deny[0]: there is no server \"wikki\"; the servers are \"wiki\""]);
}

#[test]
fn the_hash_changes_with_everything_that_matters_and_nothing_else() {
    let hash = |entry: &str| server(entry).hash;
    let base = hash(r#"{"command": "c", "args": ["a", "b"], "env": {"K": "1", "L": "2"}}"#);
    assert_eq!(base.len(), 64);
    assert_eq!(
        base,
        hash(
            r#"{"type": "stdio", "env": {"L": "2", "K": "1"}, "args": ["a", "b"], "command": "c", "alwaysAllow": []}"#
        )
    );
    for other in [
        r#"{"command": "c", "args": ["a b"], "env": {"K": "1", "L": "2"}}"#,
        r#"{"command": "c", "args": ["b", "a"], "env": {"K": "1", "L": "2"}}"#,
        r#"{"command": "c", "args": ["a", "b"], "env": {"K": "1", "L": "3"}}"#,
        r#"{"command": "c", "args": ["a", "b"], "env": {"K": "1", "L": "2"}, "disabled": true}"#,
        r#"{"command": "c", "args": ["a", "b"], "env": {"K": "1", "L": "2"}, "timeout": 1}"#,
        r#"{"command": "c", "args": ["a", "b"], "env": {"K": "1", "L": "2"}, "disabledTools": ["x"]}"#,
        r#"{"command": "c", "args": ["a", "b"], "env": {"K": "1", "L": "2"}, "tools": {"x": {"tier": "safe"}}}"#,
        r#"{"command": "c", "args": ["a", "b"], "env": {"K": "1", "L": "2"}, "extensions": ["x"]}"#,
        r#"{"command": "c", "args": ["a", "b"], "env": {"K": "1", "L": "2"}, "trust_annotations": true}"#,
        r#"{"command": "c", "args": ["a", "b"], "env": {"K": "1", "L": "2"}, "cwd": "/"}"#,
    ] {
        assert_ne!(base, hash(other), "{other}");
    }
}

#[test]
fn the_hash_follows_a_secret_that_comes_from_outside() {
    let hash = |value: &str| {
        let world = World::default().var("K", value);
        good_in(&world, r#"{"mcpServers": {"x": {"command": "c", "env": {"K": "${env:K}"}}}}"#).servers[0].hash.clone()
    };
    assert_eq!(hash("a"), hash("a"));
    assert_ne!(hash("a"), hash("b"));
}

#[test]
fn files_are_read_from_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("portcullis.jsonc");
    std::fs::write(&file, r#"{"state": {"key": "${file:key}"}, /* here */ "audit": {"file": "audit.jsonl"}}"#).unwrap();
    std::fs::write(directory.path().join("key"), "0123456789abcdef0123456789abcdef\r\n").unwrap();
    let settings = load(&file, &SystemEnv).unwrap();
    assert_eq!(settings.state.key.unwrap().expose(), "0123456789abcdef0123456789abcdef");
    assert_eq!(settings.audit.unwrap().file, directory.path().join("audit.jsonl"));
}

#[test]
fn the_home_directory_is_understood_in_our_own_paths() {
    let world = World::default().var("HOME", "/home/ann");
    let settings = good_in(&world, r#"{"mcpServers": {"x": {"type": "zim", "paths": ["~/zims", "a~/b"]}}}"#);
    let ServerKind::Zim(zim) = &settings.servers[0].kind else { panic!("no zim") };
    assert_eq!(zim.paths, [Path::new("/home/ann/zims"), Path::new("/etc/p/a~/b")]);
}
