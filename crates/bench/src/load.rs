//! A closed-loop load: each client sends its next request when the last one is answered.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// What is asked, again and again.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What a right answer has in it.
    pub expect: &'static str,
}

/// What came of it.
pub struct Figures {
    /// Requests a second.
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    sender
}

/// One request; gives headers and body.
pub async fn once(target: &Target) -> (HeaderMap, String) {
    let mut sender = connect(target.address).await;
    let response = sender.send_request(request(target)).await.expect("an answer");
    let headers = response.headers().clone();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (headers, String::from_utf8_lossy(&body).into_owned())
}

/// One GET; gives the body.
pub async fn get(target: &Target) -> String {
    let mut sender = connect(target.address).await;
    let mut get = request(target);
    *get.method_mut() = http::Method::GET;
    *get.body_mut() = Full::default();
    let response = sender.send_request(get).await.expect("an answer");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}

fn request(target: &Target) -> Request<Full<Bytes>> {
    let mut request = Request::post(&target.path).body(Full::new(target.body.clone())).expect("a request");
    *request.headers_mut() = target.headers.clone();
    let host = HeaderValue::try_from(target.address.to_string()).expect("a host");
    request.headers_mut().insert("host", host);
    request
}

/// Runs `clients` for a time, after a warm-up that does not count.
pub async fn run(target: &Target, clients: usize, warm_up: Duration, time: Duration) -> Figures {
    let begin = Instant::now() + warm_up;
    let end = begin + time;
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let target = target.clone();
            tokio::spawn(async move {
                let mut sender = connect(target.address).await;
                let mut times = Vec::with_capacity(100_000);
                loop {
                    let sent = Instant::now();
                    if sent >= end {
                        return times;
                    }
                    let response = sender.send_request(request(&target)).await.expect("an answer");
                    let status = response.status();
                    let body = response.into_body().collect().await.expect("a body").to_bytes();
                    let right = status.is_success() && contains(&body, target.expect.as_bytes());
                    assert!(right, "{} answered {status}: {}", target.path, String::from_utf8_lossy(&body));
                    if sent >= begin {
                        times.push(sent.elapsed());
                    }
                    if sender.is_closed() {
                        sender = connect(target.address).await;
                    }
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a client"));
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Figures { rate: times.len() as f64 / time.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}
