//! Whether two servers' settings are the same, in 64 letters.

use crate::docker::{Engine as DockerEngine, Rules as DockerRules};
use crate::server::{Document, RemoteKind, ServerKind, ServerSettings};
use crate::units::show_duration;
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// SHA-256, in hex, of everything that decides what a server does, secrets included. What a file
/// names (an archive, a document) is in it by its path, not its content.
pub(crate) fn fingerprint(server: &ServerSettings) -> String {
    let mut fields = Fields(Sha256::new());
    fields.add("portcullis server settings", "1");
    fields.add("name", &server.name);
    fields.add_kind(&server.kind);
    fields.add("disabled", word(server.disabled));
    if let Some(timeout) = server.limits.timeout {
        fields.add("timeout", &show_duration(timeout));
    }
    for (name, tool) in &server.tools {
        fields.add("tool", name);
        fields.add("tier", tool.tier.map_or("", super::server::Tier::word));
        fields.add("disabled", word(tool.disabled));
    }
    fields.add_all("disabled tool", server.disabled_tools.iter().map(String::as_str));
    fields.add("trust annotations", word(server.trust_annotations));
    fields.add_all("extension", server.extensions.iter().map(String::as_str));
    hex(&fields.0.finalize())
}

/// SHA-256 of a text.
pub(crate) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Every field with its name and both lengths, so that no two lists of fields look the same.
struct Fields(Sha256);

impl Fields {
    fn add(&mut self, name: &str, value: &str) {
        for part in [name, value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part.as_bytes());
        }
    }

    fn add_all<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        for value in values {
            self.add(name, value);
        }
    }

    fn add_path(&mut self, name: &str, path: &Path) {
        self.add(name, &hex(path.as_os_str().as_encoded_bytes()));
    }

    fn add_pairs<'a>(&mut self, name: &str, pairs: impl IntoIterator<Item = (&'a String, &'a crate::Secret)>) {
        for (key, value) in pairs {
            self.add(name, key);
            self.add("value", value.expose());
        }
    }

    fn add_engine(&mut self, engine: &DockerEngine) {
        self.add("host", engine.host.as_deref().unwrap_or_default());
        let files = [("ca", &engine.tls_ca), ("certificate", &engine.tls_cert), ("key", &engine.tls_key)];
        for (name, path) in files.into_iter().filter_map(|(name, path)| Some((name, path.as_deref()?))) {
            self.add_path(name, path);
        }
        self.add("engine timeout", &engine.timeout.map(show_duration).unwrap_or_default());
    }

    fn add_rules(&mut self, rules: &DockerRules) {
        self.add("confirm", word(rules.confirm));
        self.add_all("allow", rules.allow.iter().map(String::as_str));
        for path in &rules.mount_allow {
            self.add_path("mount allowed", path);
        }
        for path in &rules.mount_block {
            self.add_path("mount blocked", path);
        }
        self.add("publish", rules.publish.word());
        self.add_all("protected label", rules.protect_labels.iter().map(String::as_str));
        self.add_all("protected name", rules.protect_names.iter().map(String::as_str));
        self.add("redact", word(rules.redact));
        self.add("fence", word(rules.fence));
    }

    fn add_kind(&mut self, kind: &ServerKind) {
        match kind {
            ServerKind::Child { command, args, env, cwd } => {
                self.add("child", command.expose());
                self.add_all("argument", args.iter().map(crate::Text::expose));
                self.add_pairs("variable", env);
                if let Some(cwd) = cwd {
                    self.add_path("directory", cwd);
                }
            }
            ServerKind::Remote { url, kind, headers } => {
                self.add(if *kind == RemoteKind::Sse { "sse" } else { "streamable http" }, url.expose());
                self.add_pairs("header", headers);
            }
            ServerKind::OpenApi { url, document, headers } => {
                self.add("openapi", url.as_ref().map_or("", crate::Text::expose));
                match document {
                    Some(Document::Url(url)) => self.add("document at", url.expose()),
                    Some(Document::File(path)) => self.add_path("document in", path),
                    None => {}
                }
                self.add_pairs("header", headers);
            }
            ServerKind::Zim { paths } => {
                self.add("zim", "");
                for path in paths {
                    self.add_path("path", path);
                }
            }
            ServerKind::Docker(docker) => {
                self.add("docker", docker.safety.word());
                self.add_engine(&docker.engine);
                self.add_rules(&docker.rules);
                self.add("own logins", word(docker.own_logins));
                for path in &docker.guarded {
                    self.add("guarded", &path.to_string_lossy());
                }
                for (name, value) in &docker.variables {
                    self.add("variable", name);
                    self.add("value", value);
                }
            }
            ServerKind::Builtin { type_name } => self.add("built in", type_name),
        }
    }
}

const fn word(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
