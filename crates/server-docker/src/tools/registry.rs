//! Who we are at registries: told by the caller and kept in memory, or in the configuration of the `docker` command.

use super::{AGAIN, OPEN_AGAIN, Offer, text};
use crate::dock::{Dock, Login, Pace};
use crate::engine::Ask;
use crate::fault::Fault;
use crate::image::{HUB, is_registry};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add(
        "docker_login",
        "Log in to a registry. The password stays in memory, for this caller alone, until the server ends.",
        OPEN_AGAIN,
        login,
    );
    offer.add("docker_logout", "Forget a login to a registry.", AGAIN, logout);
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Login")]
struct Asked {
    /// Registry, like registry.example.com:5000; Docker Hub if left out
    registry: Option<String>,
    username: String,
    /// Password or access token
    password: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Logout")]
struct AskedOut {
    /// Registry; Docker Hub if left out
    registry: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LoggedIn {
    registry: String,
    username: String,
    status: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LoggedOut {
    registry: String,
    /// Whether there was a login.
    forgotten: bool,
}

fn registry(given: Option<String>) -> Result<String, Fault> {
    let given = given.unwrap_or_default();
    let name = given.trim().trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    match name.trim_end_matches("/v1").trim_end_matches("/v2") {
        "" | "docker.io" | "index.docker.io" | "registry-1.docker.io" => Ok(HUB.to_owned()),
        name if is_registry(name) => Ok(name.to_owned()),
        _ => Err(Fault::new(format!("registry: {name:?} is none; write it like registry.example.com:5000."))),
    }
}

/// How the engine names a registry.
fn address(registry: &str) -> &str {
    if registry == HUB { "https://index.docker.io/v1/" } else { registry }
}

async fn login(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<LoggedIn>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let registry = registry(asked.registry)?;
        let username = asked.username.trim().to_owned();
        if username.is_empty() || asked.password.is_empty() {
            return Err(Fault::new("username and password are needed."));
        }
        let body = json!({ "username": username, "password": asked.password, "serveraddress": address(&registry) });
        let answer = dock.engine.json(Ask::post("/auth").json(&body)).await.map_err(|error| {
            // Some registries repeat what they were sent.
            let told = crate::fault::sentence(&error).replace(&asked.password, crate::redact::HIDDEN);
            Fault::new(format!("{registry} does not accept this login: {told}"))
        })?;
        let password = Arc::new(SecretString::from(asked.password));
        dock.log_in(&call, &registry, Login { username: username.clone(), password })?;
        let status = Some(text(&answer, "Status")).filter(|status| !status.is_empty()).unwrap_or("Login Succeeded");
        Ok(Structured(LoggedIn { registry, username, status: status.to_owned() }))
    })
    .await
}

async fn logout(dock: Arc<Dock>, asked: AskedOut, call: Call) -> Result<Structured<LoggedOut>, Fail> {
    let registry = registry(asked.registry).map_err(Fail::from)?;
    let forgotten = dock.log_out(&call, &registry);
    Ok(Structured(LoggedOut { registry, forgotten }))
}

fn credentials(login: &Login, registry: &str) -> Value {
    json!({
        "username": login.username,
        "password": login.password.expose_secret(),
        "serveraddress": address(registry),
    })
}

/// `X-Registry-Auth` for this registry: the caller's login, the configuration's, or nobody.
pub(super) async fn auth_for(dock: &Dock, call: &Call, registry: &str) -> String {
    let auth = match dock.login(call, registry) {
        Some(login) => credentials(&login, registry),
        None => stored(dock, registry).await.map_or_else(|| json!({}), |login| credentials(&login, registry)),
    };
    URL_SAFE.encode(auth.to_string())
}

/// `X-Registry-Config` for a build, which may need several.
pub(super) fn auth_for_builds(dock: &Dock, call: &Call) -> String {
    let all = dock.logins(call);
    let all: Map<_, _> = all.iter().map(|(name, login)| (address(name).to_owned(), credentials(login, name))).collect();
    URL_SAFE.encode(Value::Object(all).to_string())
}

/// What `docker login` left in the configuration of this machine's user. Over a network nobody may use it: it is
/// the operator's, and callers are others.
async fn stored(dock: &Dock, registry: &str) -> Option<Login> {
    if !dock.settings.stored_logins {
        return None;
    }
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))?;
    let text = tokio::fs::read(folder.join("config.json")).await.ok()?;
    let config: Value = serde_json::from_slice(&text).ok()?;
    let auths = config.get("auths")?.as_object()?;
    let entry = [address(registry), registry].iter().find_map(|name| auths.get(*name))?;
    let decoded = String::from_utf8(STANDARD.decode(entry.get("auth")?.as_str()?).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(Login { username: username.to_owned(), password: Arc::new(SecretString::from(password.to_owned())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_named_in_one_way() {
        for hub in [None, Some("docker.io"), Some("https://index.docker.io/v1/"), Some("")] {
            assert_eq!(registry(hub.map(str::to_owned)).unwrap(), HUB);
        }
        assert_eq!(registry(Some("http://localhost:5000/".into())).unwrap(), "localhost:5000");
        for wrong in ["a/b", "a b", "user@host", "host:port"] {
            assert!(registry(Some(wrong.into())).is_err(), "{wrong}");
        }
    }
}
