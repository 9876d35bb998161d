//! Host, Origin and CORS: what is checked before anybody is asked for a token.
//!
//! A browser can be made to call any address, also a local one, under a name of the attacker's
//! (DNS rebinding). So the Host must be one we go by, and the Origin, if there is one, must be one
//! we were told of or that of an allowed Host.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::net::IpAddr;

/// A host that requests may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// Lower case, IPv6 without brackets.
    pub host: String,
    /// `None` for any port.
    pub port: Option<u16>,
}

impl HostPattern {
    fn matches(&self, host: &str, port: Option<u16>) -> bool {
        self.host == host && (self.port.is_none() || self.port == port)
    }
}

/// Which hosts and origins are let in.
#[derive(Clone, Debug)]
pub struct Guard {
    hosts: Vec<HostPattern>,
    /// Exact origins of browser pages that may call.
    origins: Vec<String>,
}

/// Why a request was refused here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not a host we go by.
    Host(String),
    /// Not an origin that may call.
    Origin,
}

const METHODS: &str = "GET, POST, DELETE, OPTIONS";
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Mcp-Session-Id, Last-Event-ID, MCP-Protocol-Version, Mcp-Method, Mcp-Name";
const EXPOSED: &str = "Mcp-Session-Id, WWW-Authenticate, Retry-After";

impl Guard {
    /// Lets in the loopback names, the address that is listened on, and these.
    pub fn new(bound: Option<IpAddr>, hosts: Vec<HostPattern>, origins: Vec<String>) -> Self {
        let own = ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned);
        let bound = bound.filter(|a| !a.is_unspecified()).map(|a| a.to_string());
        let mut all: Vec<_> = own.chain(bound).map(|host| HostPattern { host, port: None }).collect();
        all.extend(hosts);
        Self { hosts: all, origins: origins.iter().map(|o| o.trim_end_matches('/').to_ascii_lowercase()).collect() }
    }

    /// Checks the Host.
    pub fn check_host(&self, headers: &HeaderMap, authority: Option<&str>) -> Result<(), Refused> {
        let mut values = headers.get_all(header::HOST).iter();
        let value = match (values.next(), values.next(), authority) {
            (Some(host), None, _) => host.to_str().unwrap_or_default(),
            (None, None, Some(authority)) => authority,
            _ => return Err(Refused::Host(String::new())),
        };
        if self.is_allowed_authority(value) { Ok(()) } else { Err(Refused::Host(printable(value))) }
    }

    /// Checks the Origin, if there is one.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let mut values = headers.get_all(header::ORIGIN).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if origin.to_str().is_ok_and(|o| self.is_allowed_origin(o)) => Ok(()),
            _ => Err(Refused::Origin),
        }
    }

    fn is_allowed_authority(&self, authority: &str) -> bool {
        let Some((host, port)) = split(authority) else { return false };
        self.hosts.iter().any(|pattern| pattern.matches(&host, port))
    }

    fn is_allowed_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|a| self.is_allowed_authority(a))
    }

    /// What the response to a page of an allowed origin has to say. The outermost layer, so that a
    /// refusal can be read by the page as well.
    /// With `open`, any page is one: it gets no credentials of the browser along.
    pub fn cors(&self, origin: &HeaderValue, response: &mut HeaderMap, open: bool) {
        if open {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
            return;
        }
        if !origin.to_str().is_ok_and(|o| self.is_allowed_origin(o)) {
            return;
        }
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.append(header::VARY, HeaderValue::from_static("Origin"));
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }

    /// The answer to a valid preflight, which needs no token: a browser sends none.
    pub fn preflight(&self, method: &Method, request: &HeaderMap, open: bool) -> Option<(StatusCode, HeaderMap)> {
        let wanted = request.get(header::ACCESS_CONTROL_REQUEST_METHOD)?.to_str().ok()?;
        let origin = request.get(header::ORIGIN)?.to_str().ok()?;
        let known = METHODS.split(", ").any(|m| m == wanted);
        if method != Method::OPTIONS || !known || !(open || self.is_allowed_origin(origin)) {
            return None;
        }
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
        set(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        set(header::ACCESS_CONTROL_MAX_AGE, "600");
        // Arguments can be mirrored into headers whose names are only known here.
        let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|h| h.to_str().ok());
        if open && let Ok(all) = HeaderValue::try_from(asked.unwrap_or(REQUEST_HEADERS)) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, all);
            return Some((StatusCode::NO_CONTENT, headers));
        }
        let mirrored: Vec<_> = asked
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|h| h.to_ascii_lowercase().starts_with(mcp::header::PARAM_PREFIX))
            .collect();
        if !mirrored.is_empty()
            && let Ok(all) = HeaderValue::try_from(format!("{REQUEST_HEADERS}, {}", mirrored.join(", ")))
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, all);
        }
        Some((StatusCode::NO_CONTENT, headers))
    }
}

/// Whether the one Origin is a page of the one Host.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    let only = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    };
    let (Some(origin), Some(host)) = (only(header::ORIGIN), only(header::HOST)) else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Host and port of an authority; nothing if it is none.
fn split(authority: &str) -> Option<(String, Option<u16>)> {
    let authority = authority.trim().to_ascii_lowercase();
    if authority.contains(['@', '/', '?', '#', ' ']) {
        return None;
    }
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None if port.is_empty() => None,
            None => return None,
        };
        return Some((host.to_owned(), port));
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host.to_owned(), Some(port.parse().ok()?))),
        None => Some((authority, None)),
    }
}

/// What a client sent, fit for a log line.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let hosts = [("mcp.example.com", None), ("zim.example.com", Some(8443)), ("lan.example.com", None)];
        let hosts = hosts.into_iter().map(|(host, port)| HostPattern { host: host.into(), port }).collect();
        Guard::new("192.168.1.5".parse().ok(), hosts, vec!["https://app.example.com".into()])
    }

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|v| (name.clone(), HeaderValue::from_str(v).unwrap())).collect()
    }

    #[test]
    fn only_names_we_go_by_are_let_in() {
        for (host, ok) in [
            ("localhost", true),
            ("LocalHost:8000", true),
            ("127.0.0.1:1", true),
            ("[::1]:8000", true),
            ("192.168.1.5:8000", true),
            ("mcp.example.com", true),
            ("mcp.example.com:9", true),
            ("zim.example.com:8443", true),
            ("zim.example.com", false),
            ("zim.example.com:1", false),
            ("lan.example.com:77", true),
            ("evil.example.com", false),
            ("localhost.evil.com", false),
            ("localhost:x", false),
            ("a@localhost", false),
            ("", false),
        ] {
            let checked = guard().check_host(&headers(header::HOST, &[host]), None);
            assert_eq!(checked.is_ok(), ok, "{host}");
        }
        assert!(guard().check_host(&HeaderMap::new(), None).is_err());
        assert!(guard().check_host(&headers(header::HOST, &["localhost", "localhost"]), None).is_err());
    }

    #[test]
    fn an_origin_must_be_known_if_there_is_one() {
        for (origin, ok) in [
            ("https://app.example.com", true),
            ("https://app.example.com:444", false),
            ("http://localhost:3000", true),
            ("http://mcp.example.com", true),
            ("http://evil.example.com", false),
            ("null", false),
            ("file://localhost", false),
        ] {
            let checked = guard().check_origin(&headers(header::ORIGIN, &[origin]));
            assert_eq!(checked.is_ok(), ok, "{origin}");
        }
        assert!(guard().check_origin(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn only_a_valid_preflight_is_answered_without_a_token() {
        let mut request = headers(header::ORIGIN, &["https://app.example.com"]);
        assert!(guard().preflight(&Method::OPTIONS, &request, false).is_none());
        request.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        assert!(guard().preflight(&Method::OPTIONS, &request, false).is_some());
        assert!(guard().preflight(&Method::POST, &request, false).is_none());
        request.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("TRACE"));
        assert!(guard().preflight(&Method::OPTIONS, &request, false).is_none());
    }
}
