//! The settings as they take effect, as a file that could be loaded again, with secrets hidden.

use crate::audit::{Arguments, Audit};
use crate::auth::Auth;
use crate::docker::{Engine as DockerEngine, Rules as DockerRules};
use crate::limits::{Limits, Rate};
use crate::policy::Policy;
use crate::secret::{HIDDEN, Secret, Text};
use crate::server::{Document, RemoteKind, ServerKind, ServerSettings, ToolSettings};
use crate::settings::Settings;
use crate::state::StateSettings;
use crate::telemetry::Telemetry;
use crate::units::show_duration;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use std::collections::BTreeMap;
use std::path::Path;

impl Settings {
    /// The settings in force, defaults included, as indented JSON with every secret as `[secret]`.
    pub fn effective_json(&self) -> String {
        // A tree of strings, numbers and truth values always serialises.
        serde_json::to_string_pretty(&settings(self)).unwrap_or_default()
    }
}

/// JSON whose objects keep their order.
enum Json {
    Bool(bool),
    Integer(u64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Object(Object),
}

/// Keys without a value are left out.
#[derive(Default)]
struct Object(Vec<(String, Json)>);

impl Object {
    fn with(mut self, key: impl Into<String>, value: impl Into<Option<Json>>) -> Self {
        if let Some(value) = value.into() {
            self.0.push((key.into(), value));
        }
        self
    }

    fn of<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Json)>) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    fn unless_empty(self) -> Option<Json> {
        (!self.0.is_empty()).then_some(Json::Object(self))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => value.serialize(serializer),
            Self::Integer(value) => value.serialize(serializer),
            Self::Float(value) => value.serialize(serializer),
            Self::Text(value) => value.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Object(Object(entries)) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

fn text(value: impl Into<String>) -> Json {
    Json::Text(value.into())
}

fn shown(value: &Text) -> Json {
    text(value.shown())
}

fn path(value: &Path) -> Json {
    text(value.to_string_lossy())
}

fn hidden() -> Json {
    text(HIDDEN)
}

fn texts<T: ToString>(values: &[T]) -> Json {
    Json::List(values.iter().map(|value| text(value.to_string())).collect())
}

fn some_texts(values: &[String]) -> Option<Json> {
    (!values.is_empty()).then(|| texts(values))
}

fn secrets(values: &BTreeMap<String, Secret>) -> Option<Json> {
    Object::of(values.keys().map(|key| (key.clone(), hidden()))).unless_empty()
}

fn settings(settings: &Settings) -> Json {
    let object = Object::default()
        .with("listen", text(settings.listen.to_string()))
        .with("allowed_hosts", texts(&settings.allowed_hosts))
        .with("cors_origins", texts(&settings.cors_origins))
        .with("trusted_proxies", texts(&settings.trusted_proxies))
        .with("body_limit", Json::Integer(settings.body_limit as u64))
        .with("sse", Json::Bool(settings.sse))
        .with("rest", Json::Bool(settings.rest))
        .with("mcpServers", Json::Object(Object::of(settings.servers.iter().map(|s| (s.name.clone(), server(s))))))
        .with("auth", auth(&settings.auth))
        .with("policy", settings.policy.as_ref().map(policy))
        .with("limits", limits(&settings.limits))
        .with("audit", settings.audit.as_ref().map(audit))
        .with("telemetry", telemetry(&settings.telemetry))
        .with("state", state(&settings.state));
    Json::Object(object)
}

fn server(server: &ServerSettings) -> Json {
    let timeout = server.limits.timeout.map(|timeout| text(show_duration(timeout)));
    let tools = server.tools.iter().map(|(name, settings)| (name.clone(), tool(settings)));
    let object = kind(&server.kind)
        .with("disabled", server.disabled.then_some(Json::Bool(true)))
        .with("limits", Object::default().with("timeout", timeout).unless_empty())
        .with("tools", Object::of(tools).unless_empty())
        .with("disabledTools", some_texts(&server.disabled_tools))
        .with("trust_annotations", server.trust_annotations.then_some(Json::Bool(true)))
        .with("extensions", some_texts(&server.extensions));
    Json::Object(object)
}

fn docker_engine(engine: &DockerEngine) -> Option<Json> {
    Object::default()
        .with("host", engine.host.as_ref().map(text))
        .with("tls_ca", engine.tls_ca.as_deref().map(path))
        .with("tls_cert", engine.tls_cert.as_deref().map(path))
        .with("tls_key", engine.tls_key.as_deref().map(path))
        .with("timeout", engine.timeout.map(|timeout| text(show_duration(timeout))))
        .unless_empty()
}

fn docker_rules(rules: &DockerRules) -> Json {
    let paths =
        |all: &[std::path::PathBuf]| (!all.is_empty()).then(|| Json::List(all.iter().map(|one| path(one)).collect()));
    Json::Object(
        Object::default()
            .with("confirm", Json::Bool(rules.confirm))
            .with("allow", some_texts(&rules.allow))
            .with("mount_allow", paths(&rules.mount_allow))
            .with("mount_block", paths(&rules.mount_block))
            .with("publish", text(rules.publish.word()))
            .with("protect_labels", some_texts(&rules.protect_labels))
            .with("protect_names", some_texts(&rules.protect_names))
            .with("redact", Json::Bool(rules.redact))
            .with("fence", Json::Bool(rules.fence)),
    )
}

fn kind(kind: &ServerKind) -> Object {
    let typed = |name: &str| Object::default().with("type", text(name));
    match kind {
        ServerKind::Child { command, args, env, cwd } => typed("stdio")
            .with("command", shown(command))
            .with("args", Json::List(args.iter().map(shown).collect()))
            .with("env", secrets(env))
            .with("cwd", cwd.as_deref().map(path)),
        ServerKind::Remote { url, kind, headers } => {
            typed(if *kind == RemoteKind::Sse { "sse" } else { "streamable-http" })
                .with("url", shown(url))
                .with("headers", secrets(headers))
        }
        ServerKind::OpenApi { url, document, headers } => {
            let document = document.as_ref().map(|document| match document {
                Document::Url(url) => shown(url),
                Document::File(file) => path(file),
            });
            typed("openapi")
                .with("url", url.as_ref().map(shown))
                .with("document", document)
                .with("headers", secrets(headers))
        }
        ServerKind::Zim(zim) => typed("zim")
            .with("paths", Json::List(zim.paths.iter().map(|p| path(p)).collect()))
            .with("mode", zim.mode.map(|mode| text(mode.word())))
            .with("output_schemas", zim.output_schemas.map(Json::Bool))
            .with("cache_folder", zim.cache_folder.as_deref().map(path))
            .with("build_indexes", zim.build_indexes.map(Json::Bool))
            .with("keep_answers", zim.keep_answers.map(Json::Bool))
            .with("article_cache", zim.article_cache.map(Json::Integer))
            .with("cluster_cache", zim.cluster_cache.map(Json::Integer))
            .with("presets", zim.presets.as_deref().map(path)),
        ServerKind::Docker(docker) => typed("docker")
            .with("safety", text(docker.safety.word()))
            .with("engine", docker_engine(&docker.engine))
            .with("rules", docker_rules(&docker.rules)),
        ServerKind::Builtin { type_name } => typed(type_name),
    }
}

fn tool(tool: &ToolSettings) -> Json {
    let object = Object::default()
        .with("tier", tool.tier.map(|tier| text(tier.word())))
        .with("disabled", tool.disabled.then_some(Json::Bool(true)));
    Json::Object(object)
}

fn auth(auth: &Auth) -> Json {
    let tokens = auth.tokens.iter().map(|token| {
        let object = Object::default().with("name", text(&token.name)).with("token", hidden());
        Json::Object(object.with("roles", texts(&token.roles)))
    });
    Json::Object(
        Object::default().with("tokens", Json::List(tokens.collect())).with("insecure", Json::Bool(auth.insecure)),
    )
}

fn policy(policy: &Policy) -> Json {
    let roles = policy.roles.iter().map(|(name, role)| {
        let object = Object::default()
            .with("allow", texts(&role.allow))
            .with("deny", texts(&role.deny))
            .with("tier", role.tier.map(|tier| text(tier.word())));
        (name.clone(), Json::Object(object))
    });
    Json::Object(Object::default().with("roles", Json::Object(Object::of(roles))))
}

fn limits(limits: &Limits) -> Json {
    let per_tool = limits.per_tool.iter().map(|(pattern, limit)| (pattern.clone(), rate(limit)));
    let object = Object::default()
        .with("per_principal", rate(&limits.per_principal))
        .with("per_address", rate(&limits.per_address))
        .with("per_tool", Object::of(per_tool).unless_empty())
        .with("timeout", text(show_duration(limits.timeout)));
    Json::Object(object)
}

fn rate(rate: &Rate) -> Json {
    let object = Object::default()
        .with("rate", rate.rate.map(|rate| Json::Float(rate.get())))
        .with("burst", rate.rate.map(|_| Json::Integer(rate.burst.into())))
        .with("concurrent", rate.concurrent.map(|n| Json::Integer(n.into())))
        .with("held", Json::Integer(rate.held.into()))
        .with("watches", Json::Integer(rate.watches.into()))
        .with("sessions", Json::Integer(rate.sessions.into()));
    Json::Object(object)
}

fn audit(audit: &Audit) -> Json {
    let object = Object::default()
        .with("file", path(&audit.file))
        .with("sync", Json::Bool(audit.sync))
        .with("max_bytes", Json::Integer(audit.max_bytes))
        .with("max_age", audit.max_age.map(|age| text(show_duration(age))))
        .with("keep", audit.keep.map(|keep| Json::Integer(keep.into())))
        .with("arguments", text(if audit.arguments == Arguments::Redacted { "redacted" } else { "hash" }));
    Json::Object(object)
}

fn telemetry(telemetry: &Telemetry) -> Json {
    let log = Object::default()
        .with("level", text(telemetry.log.level.word()))
        .with("format", text(telemetry.log.format.word()));
    let object = Object::default()
        .with("metrics", text(telemetry.metrics.word()))
        .with("otlp", telemetry.otlp.as_ref().map(shown))
        .with("log", Json::Object(log));
    Json::Object(object)
}

fn state(state: &StateSettings) -> Json {
    let object = Object::default()
        .with("key", state.key.as_ref().map(|_| hidden()))
        .with("session_idle", text(show_duration(state.session_idle)))
        .with("max_sessions", Json::Integer(state.max_sessions.into()));
    Json::Object(object)
}
