//! A way to a registry on which nothing large gets to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes that go through one connection in one direction, before they hardly do any more.
const MOST: usize = 256 << 10;
/// What then still comes from the registry at a time: an engine that waits for it sees that nobody wants it any more only
/// when something comes.
const DROP: usize = 256;
const BETWEEN_DROPS: Duration = Duration::from_millis(50);

/// See the module. What an engine sends is swallowed after [`MOST`] bytes, what it gets comes in drops.
pub struct Stall {
    pub address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    open: AtomicUsize,
    stalled: AtomicBool,
}

impl Stall {
    /// On a port that is given, or on any.
    pub async fn before(registry: &str, port: Option<u16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or_default())).await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(State::default()));
        let (registry, seen) = (registry.to_owned(), Arc::clone(&state));
        let serving = tokio::spawn(async move {
            loop {
                let (theirs, _) = listener.accept().await.unwrap();
                let ours = TcpStream::connect(&registry).await.unwrap();
                seen.open.fetch_add(1, Ordering::SeqCst);
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let (mut from_engine, mut to_engine) = theirs.into_split();
                    let (mut from_registry, mut to_registry) = ours.into_split();
                    let state = Arc::clone(&seen);
                    let back = tokio::spawn(async move {
                        carry(&mut from_registry, &mut to_engine, &state, true).await;
                    });
                    // Read to its end, so that it is seen when the engine lets go.
                    carry(&mut from_engine, &mut to_registry, &seen, false).await;
                    back.abort();
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, state, serving }
    }

    /// Whether something got stuck.
    pub fn is_stalled(&self) -> bool {
        self.state.stalled.load(Ordering::SeqCst)
    }

    /// As if nothing had got stuck yet.
    pub fn reset(&self) {
        self.state.stalled.store(false, Ordering::SeqCst);
    }

    /// Connections that the engine holds open.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn carry(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, state: &State, drips: bool) {
    let (mut piece, mut carried) = (vec![0; 16 << 10], 0);
    loop {
        let is_stuck = carried > MOST;
        let room = if is_stuck && drips { DROP } else { piece.len() };
        let Ok(count @ 1..) = from.read(&mut piece[..room]).await else { return };
        carried += count;
        if is_stuck {
            state.stalled.store(true, Ordering::SeqCst);
        }
        if is_stuck && drips {
            tokio::time::sleep(BETWEEN_DROPS).await;
        }
        if (drips || !is_stuck) && to.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
}
