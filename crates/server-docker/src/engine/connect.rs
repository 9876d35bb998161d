//! The HTTP client of one endpoint.

use super::error::EngineError;
use crate::endpoint::{Endpoint, Host};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::OnceCell;

/// The newest version of the API that is known here.
const NEWEST: (u32, u32) = (1, 47);
/// How long the first word of an engine may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Connection {
    pub(crate) client: reqwest::Client,
    pub(crate) endpoint: Endpoint,
    pub(crate) api: (u32, u32),
    pub(crate) podman: bool,
    /// Whether its files are ours.
    pub(crate) shares_files: bool,
    /// Where it keeps everything, once that was asked for.
    pub(crate) root: OnceCell<Option<PathBuf>>,
    base: String,
}

impl Connection {
    /// Makes the client. Reads files, so it is for a blocking thread.
    pub(crate) fn prepare(endpoint: Endpoint) -> Result<Self, String> {
        let builder = reqwest::Client::builder()
            .connect_timeout(PATIENCE)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
        // Reading the system's certificates takes longer than everything else, so only who needs them does it.
        let plain = |builder: reqwest::ClientBuilder| builder.tls_certs_only([]);
        let (builder, base) = match &endpoint.host {
            Host::Unix(path) => (plain(builder).unix_socket(path.as_path()), "http://engine".to_owned()),
            Host::Tcp { authority, tls: false } => (plain(builder), format!("http://{authority}")),
            Host::Tcp { authority, tls: true } => (secured(builder, &endpoint)?, format!("https://{authority}")),
        };
        let client = builder.build().map_err(|e| format!("the engine's client cannot be made: {e}"))?;
        Ok(Self { client, endpoint, api: NEWEST, podman: false, shares_files: false, root: OnceCell::new(), base })
    }

    /// Asks which versions the engine speaks.
    pub(crate) async fn negotiate(&mut self) -> Result<(), EngineError> {
        let host = &self.endpoint.host;
        let asking = self.client.get(format!("{}/_ping", self.base)).timeout(PATIENCE).send();
        let answer = asking.await.map_err(|error| EngineError::unreachable(host, &error))?;
        if !answer.status().is_success() {
            return Err(EngineError::refusal(answer).await);
        }
        let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        self.shares_files = host.shares_files().await;
        self.podman = header("libpod-api-version").is_some();
        let theirs = header("api-version").as_deref().and_then(version);
        self.api = theirs.map_or((1, 24), |theirs| theirs.min(NEWEST));
        Ok(())
    }

    /// The address of a path that has its version already.
    pub(crate) fn raw_url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/v{}.{}{path}", self.base, self.api.0, self.api.1)
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn secured(builder: reqwest::ClientBuilder, endpoint: &Endpoint) -> Result<reqwest::ClientBuilder, String> {
    let read = |what: &str, path: &Path| {
        std::fs::read(path).map_err(|e| format!("{what} of the engine cannot be read from {}: {e}", path.display()))
    };
    let files = &endpoint.tls;
    let mut builder = builder.https_only(true).tls_danger_accept_invalid_certs(files.skip_verify);
    if let Some(path) = &files.ca {
        let pem = read("the CA certificate", path)?;
        let all = reqwest::Certificate::from_pem_bundle(&pem);
        let all = all.map_err(|e| format!("{} is no PEM file of certificates: {e}", path.display()))?;
        builder = builder.tls_certs_only(all);
    }
    match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => {
            let mut pem = read("our certificate for", cert)?;
            pem.push(b'\n');
            pem.extend(read("our key for", key)?);
            let identity = reqwest::Identity::from_pem(&pem);
            let identity = identity.map_err(|e| format!("{} and its key are no identity: {e}", cert.display()))?;
            Ok(builder.identity(identity))
        }
        (None, None) => Ok(builder),
        _ => Err("a certificate for the engine needs its key, and a key its certificate".to_owned()),
    }
}
