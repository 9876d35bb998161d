//! Who calls: the peer, or who a trusted proxy says.

use http::header::HeaderMap;
use ipnet::IpNet;
use std::net::IpAddr;

/// The caller's address: the peer's, or, if the peer is a trusted proxy, the last address in
/// `X-Forwarded-For` that is none.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let all: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .collect();
    let mut last = peer;
    for text in all.into_iter().rev() {
        let Some(address) = parse_address(text) else { return last };
        last = address;
        if !is_trusted(&address) {
            return address;
        }
    }
    last
}

fn parse_address(text: &str) -> Option<IpAddr> {
    let parsed = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()))
        .or_else(|| text.trim_matches(['[', ']']).parse().ok())?;
    Some(parsed.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderName, HeaderValue};

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|v| (HeaderName::from_static(name), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn only_trusted_proxies_say_who_calls() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        let address = |peer: &str, forwarded: &[&'static str]| {
            client_address(peer.parse().unwrap(), &headers("x-forwarded-for", forwarded), &trusted).to_string()
        };
        assert_eq!(address("1.2.3.4", &["9.9.9.9"]), "1.2.3.4");
        assert_eq!(address("127.0.0.1", &["9.9.9.9"]), "9.9.9.9");
        assert_eq!(address("127.0.0.1", &["6.6.6.6, 9.9.9.9, 10.1.1.1"]), "9.9.9.9");
        assert_eq!(address("127.0.0.1", &["6.6.6.6", "10.2.2.2"]), "6.6.6.6");
        assert_eq!(address("127.0.0.1", &["nonsense"]), "127.0.0.1");
        assert_eq!(address("127.0.0.1", &["9.9.9.9, nonsense"]), "127.0.0.1");
        assert_eq!(address("::ffff:127.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(address("127.0.0.1", &[]), "127.0.0.1");
    }
}
