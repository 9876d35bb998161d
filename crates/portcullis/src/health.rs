//! `portcullis health`: asks a gateway how it is. For people, and for the health check of a container.

use crate::serve::runtime;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use std::io::Write as _;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: usize = 1024 * 1024;

/// Prints the health of the gateway at `url`. An error if it is not ready.
pub(crate) fn run(url: &str, token: Option<&str>) -> Result<(), String> {
    let address = url.trim_end_matches('/');
    let authority = address.strip_prefix("http://").ok_or_else(|| {
        format!("{url:?} does not begin with http://; ask on the machine itself, behind any proxy that ends TLS")
    })?;
    if authority.contains('/') {
        return Err(format!("{url:?}: give only the address, without a path"));
    }
    let host = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let runtime = runtime()?;
    let asking = async {
        let (ready, _) = get(&host, authority, "/readyz", None).await?;
        let (_, text) = get(&host, authority, "/health", token).await?;
        Ok::<_, String>((ready == 200, text))
    };
    let (ready, text) = runtime
        .block_on(async { tokio::time::timeout(PATIENCE, asking).await })
        .map_err(|_| format!("{url} does not answer within {} s", PATIENCE.as_secs()))??;
    let _ = writeln!(std::io::stdout(), "{text}");
    if token.is_some() && !text.contains("\"servers\"") {
        return Err(format!("{url} does not know the token"));
    }
    if ready { Ok(()) } else { Err(format!("{url} is not ready")) }
}

async fn get(host: &str, authority: &str, path: &str, token: Option<&str>) -> Result<(u16, String), String> {
    let failed = |error: &dyn std::fmt::Display| format!("http://{authority} cannot be asked: {error}");
    let stream = tokio::net::TcpStream::connect(host).await.map_err(|e| failed(&e))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
    // It ends with the answer, or with the runtime.
    tokio::spawn(connection);
    let mut request = http::Request::get(path).header("host", authority).header("connection", "close");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| failed(&e))?;
    let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(|e| failed(&e))?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}
