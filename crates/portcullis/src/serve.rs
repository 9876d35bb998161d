//! Serving: starts everything, reads settings anew, ends in good order.

use crate::assemble::{self, Builtins};
use crate::follow::Files;
use crate::house::House;
use crate::logging;
use crate::plan::Plan;
use front::http::Http;
use gate::Destination;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Serves until the process is told to end.
pub(crate) fn run(plan: Plan, builtins: Builtins) -> Result<(), String> {
    let settings = plan.read().settings?;
    let _log = logging::start(&settings.telemetry.log);
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        if plan.stdio { on_stdio(plan, settings, builtins).await } else { over_http(plan, settings, builtins).await }
    });
    // A read of standard input cannot be cancelled; it must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| format!("the runtime cannot be started: {e}"))
}

async fn on_stdio(plan: Plan, settings: config::Settings, builtins: Builtins) -> Result<(), String> {
    let house = House::open(&settings, builtins, plan.inheritance)?;
    for line in &plan.welcome {
        tracing::info!("{line}");
    }
    let guarded = house.gate.guarded(Destination::All);
    if settings.policy.as_ref().is_some_and(|policy| !policy.roles.contains_key("default")) {
        tracing::warn!(
            "whoever is on stdio has the role `default`, which `policy.roles` does not define: they may do nothing"
        );
    }
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
    served
}

async fn over_http(plan: Plan, settings: config::Settings, builtins: Builtins) -> Result<(), String> {
    let read = || tokio::task::block_in_place(|| plan.read());
    let follow = async || Files::of(if plan.follows { read().files } else { BTreeSet::new() }).await;
    let handles = file_handles();
    // First of all: what changes from here on is seen.
    let mut files = follow().await;
    let addresses = resolve(&settings.listen).await;
    let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    for warning in settings.check_safe_bind(&ips).map_err(|e| e.to_string())? {
        tracing::warn!("{warning}");
    }
    let listener = tokio::net::TcpListener::bind(addresses.as_slice()).await.map_err(|e| {
        let hint = if e.kind() == std::io::ErrorKind::AddrInUse {
            "; another program has it: end that, or take another port"
        } else {
            ""
        };
        format!("cannot listen on {} (setting `listen`): {e}{hint}", settings.listen)
    })?;
    let bound = listener.local_addr().map_err(|e| e.to_string())?;
    let mut house = House::open(&settings, builtins, plan.inheritance.clone())?;
    let front = |settings: &config::Settings| front::http::Settings {
        mcp_at_root: plan.mcp_at_root,
        ..assemble::http(settings, &plan.rest, Some(bound.ip()))
    };
    let mut behaviour = front(&settings);
    // Some are for servers, archives and the audit.
    behaviour.most_connections = behaviour.most_connections.min(handles - handles / 4);
    let http = Http::new(Arc::clone(&house.gate), behaviour);
    let server = front::http::serve(Arc::clone(&http), listener).map_err(|e| e.to_string())?;
    let names: Vec<&str> = settings.servers.iter().map(|s| s.name.as_str()).collect();
    tracing::info!(address = %server.address(), servers = names.join(", "), "listening on http://{}/mcp", server.address());
    for line in &plan.welcome {
        tracing::info!("{}", line.replace("{address}", &server.address().to_string()));
    }
    let mut terminated = on(SignalKind::terminate())?;
    let mut hangup = on(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminated.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
            _ = hangup.recv() => {}
            () = files.changed() => {}
        }
        // Before they are read: what changes meanwhile is seen the next time.
        files = follow().await;
        let outcome = read().settings.and_then(|new| {
            new.check_safe_bind(&ips).map_err(|e| e.to_string())?;
            house.reload(&new)?;
            http.reload(front(&new));
            Ok(new)
        });
        match outcome {
            Ok(new) => {
                for warning in new.warnings.iter().map(ToString::to_string).chain(needs_restart(&settings, &new)) {
                    tracing::warn!("{warning}");
                }
                tracing::info!("the settings were read anew");
            }
            Err(error) => tracing::error!("the settings are not valid, nothing was changed: {error}"),
        }
    }
    tracing::info!("stopping");
    server.stop().await;
    house.close().await;
    Ok(())
}

/// How many files may be open: as many as the process may allow itself.
fn file_handles() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let open = if raised.is_ok() { limit.maximum } else { limit.current };
    open.and_then(|open| usize::try_from(open).ok()).unwrap_or(usize::MAX)
}

/// Which changed settings count only from the next start on.
fn needs_restart(old: &config::Settings, new: &config::Settings) -> Option<String> {
    let changed = [
        ("listen", old.listen != new.listen),
        ("audit", old.audit != new.audit),
        ("telemetry.log", old.telemetry.log != new.telemetry.log),
        (
            "state.key",
            old.state.key.as_ref().map(config::Secret::expose) != new.state.key.as_ref().map(config::Secret::expose),
        ),
        ("state", old.state.session_idle != new.state.session_idle || old.state.max_sessions != new.state.max_sessions),
    ];
    let names: Vec<_> = changed.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| format!("what changed in {} counts from the next start on", names.join(", ")))
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
