//! Hosts: where we listen, under which names we are called, from which origins.
//!
//! The errors of this module continue a sentence that the value begins.

use crate::error::Invalid;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Where the gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// An address, or a name that resolves to some; IPv6 without brackets.
    pub host: String,
    /// The port; 0 lets the system choose one.
    pub port: u16,
}

impl Default for Listen {
    /// `127.0.0.1:8000`.
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 8000 }
    }
}

impl FromStr for Listen {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        listen(text).map_err(|problem| Invalid::of(text, &problem))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

pub(crate) fn listen(text: &str) -> Result<Listen, String> {
    const ADVICE: &str = "write 127.0.0.1:8000 for this machine alone, 0.0.0.0:8000 for every network";
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err("is an IPv6 address without a port; write it like [::1]:8000".to_owned());
    }
    if text.contains("://") {
        return Err(format!("is a URL; {ADVICE}"));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        let what = if text.parse::<u16>().is_ok() { "has no address" } else { "has no port" };
        return Err(format!("{what}; {ADVICE}"));
    };
    if host.is_empty() {
        return Err(format!("does not say which address; {ADVICE}"));
    }
    if host == "*" {
        return Err("does not name an address; write 0.0.0.0 for every network, [::] with IPv6".to_owned());
    }
    let port = number(port).ok_or_else(|| format!("has no port from 0 to 65535; {ADVICE}"))?;
    let host = match host.strip_prefix('[') {
        Some(v6) => {
            let v6 = v6.strip_suffix(']').and_then(|v6| v6.parse::<Ipv6Addr>().ok());
            v6.ok_or("has no IPv6 address in its brackets; write it like [::1]:8000")?.to_string()
        }
        None if host.contains(':') => {
            return Err("is an IPv6 address without brackets; write it like [::1]:8000".to_owned());
        }
        None => check_host(host).map(|()| host.to_ascii_lowercase())?,
    };
    Ok(Listen { host, port })
}

/// A `Host` that calls may name beside the loopback names and the address we listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// A name in lower case, or an address; IPv6 without brackets.
    pub host: String,
    /// The port beside it.
    pub port: HostPort,
}

/// The port of a [`HostPattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostPort {
    /// `host`: none was written.
    Unstated,
    /// `host:8443`: this one.
    Exactly(u16),
    /// `host:*`: any, or none.
    Any,
}

impl FromStr for HostPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        host_pattern(text).map_err(|problem| Invalid::of(text, &problem))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            HostPort::Unstated => Ok(()),
            HostPort::Exactly(port) => write!(f, ":{port}"),
            HostPort::Any => f.write_str(":*"),
        }
    }
}

pub(crate) fn host_pattern(text: &str) -> Result<HostPattern, String> {
    if text.contains("://") {
        return Err("is a URL; write the host alone, like mcp.example.com, or mcp.example.com:*".to_owned());
    }
    let (host, port) = split_port(text);
    let port = match port {
        None => HostPort::Unstated,
        Some("*") => HostPort::Any,
        Some(port) => HostPort::Exactly(number(port).filter(|p| *p != 0).ok_or("has no port from 1 to 65535")?),
    };
    if host.contains('*') {
        return Err("has a wildcard for the host, which would let any web site in by DNS rebinding; \
                    name the hosts, like mcp.example.com, or mcp.example.com:* for any port"
            .to_owned());
    }
    Ok(HostPattern { host: bare_host(host)?, port })
}

/// Checks an origin, `scheme://host` or `scheme://host:port`, and gives it as browsers write it.
pub fn check_origin(text: &str) -> Result<String, Invalid> {
    origin(text).map_err(|problem| Invalid::of(text, &problem))
}

pub(crate) fn origin(text: &str) -> Result<String, String> {
    if text.contains('*') {
        return Err("has a wildcard, which would let any web site use its visitors' tokens; \
                    name the origins, like https://app.example.com"
            .to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("is no origin; write the scheme too, like https://app.example.com".to_owned());
    };
    let letters = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    if !letters || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')) {
        return Err("has no valid scheme; write it like https://app.example.com".to_owned());
    }
    if rest.contains(['/', '?', '#', '\\']) {
        return Err("has something behind the host; an origin ends there, without a slash".to_owned());
    }
    if rest.contains('@') {
        return Err("has a user name; an origin is a scheme, a host and a port".to_owned());
    }
    let (host, port) = split_port(rest);
    let host = bare_host(host)?;
    let scheme = scheme.to_ascii_lowercase();
    let port = match port {
        None => None,
        Some(port) => Some(number(port).filter(|p| *p != 0).ok_or("has no port from 1 to 65535")?),
    };
    // Browsers leave the usual port out.
    let port = port.filter(|port| !matches!((scheme.as_str(), port), ("http", 80) | ("https", 443)));
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Ok(port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

/// Host and port, where an IPv6 address stands in brackets.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// The host in lower case, its brackets taken off.
fn bare_host(host: &str) -> Result<String, String> {
    if let Some(v6) = host.strip_prefix('[') {
        let v6 = v6.strip_suffix(']').and_then(|v6| v6.parse::<Ipv6Addr>().ok());
        return Ok(v6.ok_or("has no IPv6 address in its brackets")?.to_string());
    }
    if host.contains(':') {
        return Err("has too many colons; an IPv6 address needs brackets, like [::1]:8000".to_owned());
    }
    check_host(host)?;
    Ok(host.to_ascii_lowercase())
}

/// Checks a name or an address (IPv6 without brackets). Numbers that resolvers take for an address,
/// like `0`, `127.1` or `0x7f000001`, are refused: nobody should have to guess which one.
pub(crate) fn check_host(host: &str) -> Result<(), String> {
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if host.is_empty() {
        return Err("names no host".to_owned());
    }
    if !host.is_ascii() {
        return Err("has a host that is not ASCII; write its xn-- form".to_owned());
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err("has no valid host".to_owned());
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X") {
        return Err(
            "has a host that is neither a name nor an address; write all four numbers of the address".to_owned()
        );
    }
    Ok(())
}

/// A port in plain digits.
fn number(port: &str) -> Option<u16> {
    port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn listen_is_an_address_and_a_port() {
        for (text, host, port) in [
            ("127.0.0.1:8000", "127.0.0.1", 8000),
            ("[::1]:8000", "::1", 8000),
            ("[::]:80", "::", 80),
            ("0.0.0.0:0", "0.0.0.0", 0),
            ("LocalHost:1", "localhost", 1),
            ("my_host.lan:65535", "my_host.lan", 65535),
        ] {
            assert_eq!(listen(text), Ok(Listen { host: host.to_owned(), port }), "{text}");
        }
        assert_eq!(listen("[::1]:8000").unwrap().to_string(), "[::1]:8000");
        assert_eq!(Listen::default().to_string(), "127.0.0.1:8000");
    }

    #[test]
    fn listen_without_address_or_port_is_refused_with_advice() {
        let advice = "write 127.0.0.1:8000 for this machine alone, 0.0.0.0:8000 for every network";
        for text in [":8000", "8000", "127.0.0.1", "http://127.0.0.1:8000", "127.0.0.1:", "h:65536", "h:+1"] {
            let problem = listen(text).unwrap_err();
            assert!(problem.ends_with(advice), "{text}: {problem}");
        }
        for text in ["::1", "::1:8000", "[::1", "[::1]", "[x]:1", "fe80::1%eth0:1"] {
            assert!(listen(text).is_err(), "{text}");
        }
        assert!(listen("::1:8000").unwrap_err().contains("[::1]:8000"));
    }

    #[test]
    fn hosts_that_resolvers_read_as_numbers_are_refused() {
        for host in ["0", "127.1", "2130706433", "0x7f.1", "0x7f000001", "127.0.0.0x1", "1.2.3.4.5", "256.1.1.1"] {
            assert!(check_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn allowed_hosts_are_names_with_a_port_or_any() {
        let read = |text: &str| host_pattern(text).map(|p| (p.host, p.port));
        assert_eq!(read("MCP.example.com"), Ok(("mcp.example.com".to_owned(), HostPort::Unstated)));
        assert_eq!(read("mcp.example.com:8443"), Ok(("mcp.example.com".to_owned(), HostPort::Exactly(8443))));
        assert_eq!(read("mcp.example.com:*"), Ok(("mcp.example.com".to_owned(), HostPort::Any)));
        assert_eq!(read("[::1]:*"), Ok(("::1".to_owned(), HostPort::Any)));
        assert_eq!(read("[::1]"), Ok(("::1".to_owned(), HostPort::Unstated)));
        assert_eq!(read("100.64.0.1"), Ok(("100.64.0.1".to_owned(), HostPort::Unstated)));
        for text in ["mcp.example.com:*", "[::1]:80", "h"] {
            assert_eq!(host_pattern(text).unwrap().to_string(), text);
        }
        for bad in ["", " ", "https://h", "h/x", "h:0", "h:99999", "h:", "::1", "a b", "h ", "a..b", "é.example"] {
            assert!(host_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wildcards_are_refused_in_every_spelling() {
        for text in [
            "*",
            " * ",
            "\t*",
            "\"*\"",
            "'*'",
            "*:*",
            "*.",
            "*.example.com",
            "*:8000",
            "**",
            "http://*",
            "https://*",
            "[*]",
            "h*:1",
            "*.*",
        ] {
            assert!(host_pattern(text).is_err(), "{text}");
            assert!(origin(text).is_err(), "{text}");
        }
        for text in
            ["http://*:*", "https://*.example.com", "https://h:*", " https://* ", "\"https://*\"", "null", "%2A"]
        {
            assert!(origin(text).is_err(), "{text}");
        }
        assert!(host_pattern("%2a").is_err());
        assert!(host_pattern("*").unwrap_err().contains("wildcard"));
        assert!(origin("*").unwrap_err().contains("wildcard"));
    }

    #[test]
    fn origins_are_given_as_browsers_write_them() {
        for (text, written) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.com:443", "https://app.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(written), "{text}");
        }
        for bad in [
            "",
            "app.example.com",
            "https://a/",
            "https://a/x",
            "https://a?x",
            "https://u@a",
            "https://",
            "://a",
            "https://a:0",
            "https://a b",
            " https://a",
            "https://a\\b",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_accepted_reads_as_itself(text in "[\\[\\]a-z0-9:.*/@é -]{0,20}") {
            if let Ok(found) = listen(&text) {
                prop_assert_eq!(listen(&found.to_string()), Ok(found));
            }
            if let Ok(found) = host_pattern(&text) {
                prop_assert_eq!(host_pattern(&found.to_string()), Ok(found));
            }
            if let Ok(found) = origin(&text) {
                prop_assert_eq!(origin(&found), Ok(found.clone()));
            }
        }
    }
}
