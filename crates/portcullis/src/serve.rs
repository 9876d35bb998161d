//! `portcullis serve`: starts everything, reloads on SIGHUP, ends in good order.

use crate::assemble::{self, Builtins, Running};
use crate::command::Serve;
use crate::logging;
use config::SystemEnv;
use front::http::Http;
use gate::{Audit, Destination, Gate};
use mcp::seal::Sealer;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use upstream::{Child, Reaper};

/// The hidden command that survives us to end the children of a process that was killed.
pub(crate) const REAPER: &str = "reaper";

/// How long a server that was taken out of the settings may finish its calls.
const DRAIN: Duration = Duration::from_secs(60);

pub(crate) fn run(options: &Serve, builtins: Builtins) -> Result<(), String> {
    let settings = load(options)?;
    let _log = logging::start(&settings.telemetry.log);
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("the runtime cannot be started: {e}"))?;
    let result = runtime.block_on(serve(options, settings, builtins));
    // A read of standard input cannot be cancelled; it must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

fn load(options: &Serve) -> Result<config::Settings, String> {
    let mut settings = config::load(&options.config, &SystemEnv).map_err(|e| e.to_string())?;
    if let Some(listen) = &options.listen {
        settings.listen = listen.parse().map_err(|e: config::Invalid| format!("--listen {listen:?} {e}"))?;
        settings.source.listen_line = None;
    }
    Ok(settings)
}

/// What runs because of the settings.
struct House {
    gate: Arc<Gate>,
    servers: HashMap<String, Running>,
    reaper: Reaper,
    builtins: Builtins,
}

impl House {
    fn open(settings: &config::Settings, builtins: Builtins) -> Result<Self, String> {
        let sealer = match &settings.state.key {
            Some(key) => Sealer::from_secret(key.expose().as_bytes()),
            None => Sealer::random().map_err(|e| e.to_string())?,
        };
        let audit = match &settings.audit {
            Some(audit) => Audit::open(&assemble::audit(audit)).map_err(|e| e.to_string())?,
            None => Audit::off(),
        };
        let us = std::env::current_exe().map_err(|e| format!("our own program cannot be found: {e}"))?;
        let reaper = Reaper::start(us, vec![REAPER.into()]);
        let running = assemble::servers(settings, &HashMap::new(), &builtins, &reaper)?;
        let gate = Gate::new(assemble::gate(settings, &running), audit, sealer).map_err(|e| e.to_string())?;
        Ok(Self { gate, servers: running.into_iter().collect(), reaper, builtins })
    }

    /// Puts other settings in force. A file that is not valid changes nothing.
    fn reload(&mut self, settings: &config::Settings) -> Result<(), String> {
        let running = assemble::servers(settings, &self.servers, &self.builtins, &self.reaper)?;
        self.gate.reload(assemble::gate(settings, &running)).map_err(|e| e.to_string())?;
        let new: HashMap<_, _> = running.into_iter().collect();
        let gone = std::mem::replace(&mut self.servers, new);
        for (name, old) in gone {
            let stays = self.servers.get(&name).is_some_and(|new| Arc::ptr_eq(&new.server, &old.server));
            if let Some(child) = old.child.filter(|_| !stays) {
                drop(old.server);
                tokio::spawn(drain(name, child));
            }
        }
        Ok(())
    }

    async fn close(self) {
        let children = self.servers.into_values().filter_map(|running| running.child);
        futures_util::future::join_all(children.map(|child| async move { child.stop().await })).await;
        self.gate.audit().flush().await;
    }
}

/// Stops a server that is no longer in the settings, once its calls are done.
async fn drain(name: String, child: Arc<Child>) {
    let done = async {
        // Calls under way hold the server.
        while Arc::strong_count(&child) > 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(DRAIN, done).await.is_err() {
        tracing::warn!(server = %name, "calls to a server that was taken out did not finish in time");
    }
    child.stop().await;
    tracing::info!(server = %name, "stopped");
}

async fn serve(options: &Serve, settings: config::Settings, builtins: Builtins) -> Result<(), String> {
    if options.stdio {
        let house = House::open(&settings, builtins)?;
        let guarded = house.gate.guarded(Destination::All);
        let mut terminated = on(SignalKind::terminate())?;
        let end = async move {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let settings = front::stdio::Settings::default();
        let serving = front::stdio::serve(guarded, settings, tokio::io::stdin(), tokio::io::stdout(), end);
        let served = serving.await.map_err(|e| format!("stdin: {e}"));
        house.close().await;
        return served;
    }
    let addresses = resolve(&settings.listen).await;
    let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    for warning in settings.check_safe_bind(&ips).map_err(|e| e.to_string())? {
        tracing::warn!("{warning}");
    }
    let listener = tokio::net::TcpListener::bind(addresses.as_slice())
        .await
        .map_err(|e| format!("cannot listen on {} (setting `listen`): {e}", settings.listen))?;
    let bound = listener.local_addr().map_err(|e| e.to_string())?;
    let mut house = House::open(&settings, builtins)?;
    let http = Http::new(Arc::clone(&house.gate), assemble::http(&settings, Some(bound.ip())));
    let server = front::http::serve(Arc::clone(&http), listener).map_err(|e| e.to_string())?;
    let names: Vec<&str> = settings.servers.iter().map(|s| s.name.as_str()).collect();
    tracing::info!(address = %server.address(), servers = names.join(", "), "listening on http://{}/mcp", server.address());
    let mut terminated = on(SignalKind::terminate())?;
    let mut reload = on(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminated.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
            _ = reload.recv() => {
                let loaded = load(options).and_then(|new| {
                    new.check_safe_bind(&ips).map_err(|e| e.to_string())?;
                    house.reload(&new)?;
                    http.reload(assemble::http(&new, Some(bound.ip())));
                    Ok(())
                });
                match loaded {
                    Ok(()) => tracing::info!("the settings were read anew"),
                    Err(error) => tracing::error!("the settings are not valid, nothing was changed: {error}"),
                }
            }
        }
    }
    tracing::info!("stopping");
    server.stop().await;
    house.close().await;
    Ok(())
}

fn on(kind: SignalKind) -> Result<tokio::signal::unix::Signal, String> {
    signal(kind).map_err(|e| format!("signals cannot be received: {e}"))
}

/// The addresses to listen on. None if the name resolves to none.
async fn resolve(listen: &config::Listen) -> Vec<SocketAddr> {
    match tokio::net::lookup_host((listen.host.as_str(), listen.port)).await {
        Ok(addresses) => addresses.collect(),
        Err(_) => Vec::new(),
    }
}
