//! Connections: accepted, served, and ended in good order.

use super::Http;
use super::patience::Patient;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// How long the head of a request may take to arrive, and an idle connection may stay.
const HEAD_DEADLINE: Duration = Duration::from_secs(75);

/// How long a client may read nothing of what waits for it.
const WRITE_DEADLINE: Duration = Duration::from_secs(60);

/// A front that listens. Dropping it ends it at once; [`Server::stop`] in good order.
pub struct Server {
    front: Arc<Http>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
    stop: tokio::sync::watch::Sender<bool>,
}

/// Serves a listener.
pub fn serve(front: Arc<Http>, listener: TcpListener) -> std::io::Result<Server> {
    let address = listener.local_addr()?;
    let stop = tokio::sync::watch::Sender::new(false);
    let accepting = tokio::spawn(accept(Arc::clone(&front), listener, stop.subscribe()));
    Ok(Server { front, address, accepting, stop })
}

impl Server {
    /// The address that is listened on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more connections, ends streams, lets running calls finish within the grace.
    pub async fn stop(mut self) {
        self.front.close();
        self.stop.send_replace(true);
        // A connection that does not end within its grace was aborted by then.
        let _ = (&mut self.accepting).await;
        self.front.sessions.end_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(front: Arc<Http>, listener: TcpListener, mut stop: tokio::sync::watch::Receiver<bool>) {
    let settings = front.settings.load_full();
    let places = Arc::new(Semaphore::new(settings.most_connections));
    let shares = Shares::default();
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            accepted = async { (place.await, listener.accept().await) } => accepted,
            () = super::told(&mut stop) => break,
        };
        match accepted {
            (Ok(place), Ok((stream, peer))) => {
                let most = (settings.most_connections / 4).max(16);
                let is_shared = peer.ip().is_loopback() || front.settings.load().trusts(peer.ip());
                let Some(share) = shares.take(gate::household(peer.ip()), if is_shared { usize::MAX } else { most })
                else {
                    tracing::debug!(client = %peer, "too many connections from one address");
                    continue;
                };
                let serving = connection(Arc::clone(&front), stream, peer, stop.clone());
                connections.spawn(async move {
                    serving.await;
                    drop((place, share));
                });
            }
            (_, Err(error)) => {
                // Out of file handles, mostly: those of connections that end are given back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.shutdown_grace, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "calls did not finish in time and are cut off");
        connections.shutdown().await;
    }
}

/// How many connections each address has: one that takes all of them takes only its own share.
#[derive(Clone, Default)]
struct Shares(Arc<Mutex<HashMap<IpAddr, usize>>>);

struct Share {
    of: IpAddr,
    shares: Shares,
}

impl Shares {
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, of: IpAddr, most: usize) -> Option<Share> {
        let mut counts = self.counts();
        let count = counts.entry(of).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Share { of, shares: self.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.shares.counts();
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

async fn connection(
    front: Arc<Http>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: tokio::sync::watch::Receiver<bool>,
) {
    // Answers are small and written whole: waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.handle(request, peer.ip()).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_DEADLINE)), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = super::told(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = %peer, %error, "a connection broke");
    }
}
