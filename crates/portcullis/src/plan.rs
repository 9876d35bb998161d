//! What a command is going to serve: where its settings come from, and what they do not say.

use crate::assemble::Inheritance;
use config::{Recorder, ServerKind, ServerSettings, SystemEnv};
use front::http::rest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// See the module.
pub(crate) struct Plan {
    source: Box<dyn Fn() -> Read + Send + Sync>,
    /// How REST is served.
    pub(crate) rest: rest::Settings,
    /// MCP is served at `/`, too.
    pub(crate) mcp_at_root: bool,
    /// One client on standard input and output, instead of HTTP.
    pub(crate) stdio: bool,
    /// Settings are read anew whenever one of their files changes.
    pub(crate) follows: bool,
    /// What children inherit.
    pub(crate) inheritance: Inheritance,
    /// Files beside those that are read which decide what this process does.
    pub(crate) guarded: Vec<PathBuf>,
    /// What to tell once it listens; `{address}` stands for where.
    pub(crate) welcome: Vec<String>,
}

/// Settings, and the files that they are made of.
pub(crate) struct Read {
    pub(crate) settings: Result<config::Settings, String>,
    pub(crate) files: BTreeSet<PathBuf>,
}

impl Read {
    /// A file, which names others.
    pub(crate) fn file(path: &Path) -> Self {
        let recorder = Recorder::new(&SystemEnv);
        let settings = config::load(path, &recorder).map_err(|e| e.to_string());
        Self { settings, files: recorder.files() }
    }

    /// The same settings, changed by what the command line says.
    pub(crate) fn changed(mut self, change: impl FnOnce(&mut config::Settings) -> Result<(), String>) -> Self {
        self.settings = self.settings.and_then(|mut settings| change(&mut settings).map(|()| settings));
        self
    }
}

impl From<config::Settings> for Read {
    fn from(settings: config::Settings) -> Self {
        Self { settings: Ok(settings), files: BTreeSet::new() }
    }
}

impl Plan {
    /// Serves over HTTP what this gives, which is asked again at each reload.
    pub(crate) fn new(source: impl Fn() -> Read + Send + Sync + 'static) -> Self {
        Self {
            source: Box::new(source),
            rest: rest::Settings::default(),
            mcp_at_root: false,
            stdio: false,
            follows: false,
            inheritance: Inheritance::Small,
            guarded: Vec::new(),
            welcome: Vec::new(),
        }
    }

    pub(crate) fn read(&self) -> Read {
        let mut read = (self.source)();
        if let Ok(settings) = &mut read.settings {
            guard(settings, read.files.iter().chain(&self.guarded));
        }
        read
    }
}

/// Tells the Docker servers which files are ours: who can write in one of them, or in its folder, decides what this
/// process does next.
fn guard<'a>(settings: &mut config::Settings, files: impl Iterator<Item = &'a PathBuf>) {
    let mut all: BTreeSet<PathBuf> = files.cloned().collect();
    all.extend(std::env::current_exe());
    all.extend(settings.audit.as_ref().map(|audit| audit.file.clone()).filter(|file| {
        // The drop-in for a person's own client writes its audit where it is started, which is what they work on.
        let is_own = |server: &ServerSettings| matches!(&server.kind, ServerKind::Docker(docker) if docker.own_logins);
        file.components().count() > 1 || !settings.servers.iter().any(is_own)
    }));
    for server in &settings.servers {
        match &server.kind {
            ServerKind::Docker(docker) => {
                let engine = &docker.engine;
                all.extend([&engine.tls_ca, &engine.tls_cert, &engine.tls_key].into_iter().flatten().cloned());
            }
            // A program that is found by PATH is in a folder that no container sees anyway.
            ServerKind::Child { command, .. } if command.expose().contains('/') => {
                all.insert(PathBuf::from(command.expose()));
            }
            _ => {}
        }
    }
    let all: Vec<_> = all.iter().filter_map(|path| std::path::absolute(path).ok()).collect();
    for server in &mut settings.servers {
        if let ServerKind::Docker(docker) = &mut server.kind {
            docker.guarded.clone_from(&all);
            server.rehash();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Audit;

    #[test]
    fn docker_servers_know_the_files_that_decide_what_this_process_does() {
        let plan = Plan::new(|| {
            let settings = config::Settings {
                audit: Some(Audit::new("/srv/audit/log".into())),
                servers: vec![ServerSettings::new("docker", ServerKind::Docker(Box::default()))],
                ..config::Settings::default()
            };
            Read { settings: Ok(settings), files: [PathBuf::from("settings.jsonc")].into() }
        });
        let servers = plan.read().settings.unwrap().servers;
        let ServerKind::Docker(docker) = &servers[0].kind else { panic!("it is one") };
        let here = std::env::current_dir().unwrap();
        for own in [here.join("settings.jsonc"), "/srv/audit/log".into(), std::env::current_exe().unwrap()] {
            assert!(docker.guarded.contains(&own), "{} in {:?}", own.display(), docker.guarded);
        }
        let ready = crate::docker::server_settings(docker).unwrap();
        assert_eq!(ready.safety.guarded, docker.guarded);
    }
}
