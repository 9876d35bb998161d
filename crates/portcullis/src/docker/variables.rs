//! The variables of mcp-docker, 1.1.1 and 1.2.8 together: from the environment, then from `.env` in the current
//! folder. An empty one counts as not set.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

pub(super) struct Variables(BTreeMap<String, String>);

const PREFIXES: [&str; 6] = ["DOCKER_", "SAFETY_", "SECURITY_", "MCP_", "HTTPSTREAM_", "CORS_"];

/// What the server reads by itself; see [`super::settings`].
pub(super) const OF_THE_SERVER: [&str; 15] = [
    "SAFETY_ALLOW_MODERATE_OPERATIONS",
    "SAFETY_MAX_CONCURRENT_OPERATIONS",
    "SAFETY_MAX_LOG_LINES",
    "SAFETY_MAX_EXEC_OUTPUT_BYTES",
    "SAFETY_MAX_LIST_RESULTS",
    "SAFETY_TRUNCATE_INSPECT_OUTPUT",
    "SAFETY_MAX_INSPECT_FIELD_BYTES",
    "SAFETY_DEFAULT_TOOL_TIMEOUT",
    "SAFETY_MAX_RESPONSE_BYTES",
    "SAFETY_ALLOWED_TOOLS",
    "SAFETY_DENIED_TOOLS",
    "SAFETY_ALLOWED_PROMPTS",
    "SAFETY_ALLOWED_RESOURCES",
    "SAFETY_YOLO_MODE",
    "SAFETY_MAX_CONTEXT_BYTES",
];

/// What is known and has no meaning here, or one by itself.
const WITHOUT_MEANING: [&str; 25] = [
    "SECURITY_RATE_LIMIT_MAX_CLIENTS",
    "SECURITY_OAUTH_ISSUER",
    "SECURITY_OAUTH_JWKS_URL",
    "SECURITY_OAUTH_AUDIENCE",
    "SECURITY_OAUTH_REQUIRED_SCOPES",
    "SECURITY_OAUTH_INTROSPECTION_URL",
    "SECURITY_OAUTH_CLIENT_ID",
    "SECURITY_OAUTH_CLIENT_SECRET",
    "SECURITY_OAUTH_CLOCK_SKEW_SECONDS",
    "MCP_SERVER_NAME",
    "MCP_SERVER_VERSION",
    "MCP_LOG_FORMAT",
    "MCP_DOCKER_LOG_PATH",
    "MCP_TLS_CERT_FILE",
    "MCP_TLS_KEY_FILE",
    "HTTPSTREAM_JSON_RESPONSE_DEFAULT",
    "HTTPSTREAM_STATELESS_MODE",
    "HTTPSTREAM_RESUMABILITY_ENABLED",
    "HTTPSTREAM_EVENT_STORE_MAX_EVENTS",
    "HTTPSTREAM_EVENT_STORE_TTL_SECONDS",
    "HTTPSTREAM_DNS_REBINDING_PROTECTION",
    "CORS_ALLOW_METHODS",
    "CORS_ALLOW_HEADERS",
    "CORS_EXPOSE_HEADERS",
    "CORS_MAX_AGE",
];

impl Variables {
    pub(super) fn new(all: impl Iterator<Item = (String, String)>, file: &str) -> Self {
        let ours = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let mut variables: BTreeMap<_, _> = dotenv(file).filter(|(name, _)| ours(name)).collect();
        variables.extend(all.filter(|(name, _)| ours(name)));
        Self(variables)
    }

    /// Whether it is set to nothing: a variable in it may have been misspelled.
    pub(super) fn is_blank(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.trim().is_empty())
    }

    /// Its value, if it is set to something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn switch(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true" | "1" | "yes" | "on" | "t" | "y") => Ok(true),
            Some("false" | "0" | "no" | "off" | "f" | "n") => Ok(false),
            Some(_) => Err(format!("{name} is neither true nor false")),
        }
    }

    pub(super) fn number(&self, name: &str, default: u32, range: RangeInclusive<u32>) -> Result<u32, String> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse::<u32>()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("{name} {text:?} is no whole number from {} to {}", range.start(), range.end()))
    }

    /// A list with commas, or a JSON list of texts.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, String> {
        list(name, self.get(name).unwrap_or_default())
    }

    /// A security setting that is not built refuses to start: nobody may believe in a guard that is not there.
    pub(super) fn refuse_unbuilt(&self) -> Result<(), String> {
        let refused = |name: &str, instead: &str| {
            Err(format!("{name} is set, which this version cannot do yet, so it does not start; {instead}"))
        };
        if self.switch("SECURITY_OAUTH_ENABLED", false)? {
            return refused("SECURITY_OAUTH_ENABLED", "use SECURITY_AUTH_TOKEN, or a proxy that signs people in");
        }
        if self.switch("MCP_TLS_ENABLED", false)? {
            return refused("MCP_TLS_ENABLED", "put a proxy with TLS in front, such as Caddy");
        }
        if !self.list("SECURITY_ALLOWED_CLIENT_IPS")?.is_empty() {
            return refused("SECURITY_ALLOWED_CLIENT_IPS", "use a firewall or a proxy, and SECURITY_AUTH_TOKEN");
        }
        Ok(())
    }

    /// One line about what has no effect.
    pub(super) fn without_meaning(&self) -> Vec<String> {
        let known = |name: &str| WITHOUT_MEANING.contains(&name) || name == "CORS_ALLOW_CREDENTIALS";
        let vain: Vec<_> =
            self.0.keys().filter(|name| known(name) && self.get(name).is_some()).map(String::as_str).collect();
        if vain.is_empty() {
            return Vec::new();
        }
        vec![format!("these variables have no effect here: {}", vain.join(", "))]
    }

    pub(super) fn of_the_server(&self) -> Vec<(String, String)> {
        let set = |name: &&str| Some(((*name).to_owned(), self.get(name)?.to_owned()));
        OF_THE_SERVER.iter().filter_map(set).collect()
    }
}

/// See [`Variables::list`].
pub(super) fn list(name: &str, text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    if text.starts_with('[') {
        return serde_json::from_str(text)
            .map_err(|_| format!("{name} is no JSON list of texts; write it like [\"a\", \"b\"], or a,b"));
    }
    Ok(text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
}

/// `NAME=value` lines, with quotes, comments and `export`.
fn dotenv(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let value = value.trim();
        let quoted =
            ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split_once(quote).map(|(v, _)| v));
        let value = quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or(value).trim());
        Some((name.trim().to_owned(), value.to_owned()))
    })
}
