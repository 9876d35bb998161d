//! Where it is safe to listen: the seed's matrix and ours.

use super::good;
use crate::Settings;
use std::net::IpAddr;

fn settings(listen: &str, token: bool, insecure: bool, sse: bool) -> Settings {
    let tokens = if token { r#"{"name": "a", "token": "0123456789abcdef"}"# } else { "" };
    good(&format!(
        "{{\n\"listen\": \"{listen}\",\n\"auth\": {{\"tokens\": [{tokens}], \"insecure\": {insecure}}}, \"sse\": {sse}}}"
    ))
}

const LOOPBACK: [&str; 3] = ["127.0.0.1:8000", "127.9.9.9:1", "[::1]:8000"];
const PUBLIC: [&str; 8] = [
    "0.0.0.0:8000",
    "[::]:8000",
    "192.168.1.5:8000",
    "10.0.0.1:80",
    "100.64.0.1:8000",
    "203.0.113.7:8000",
    "169.254.0.1:8000",
    "[::ffff:10.0.0.1]:8000",
];

#[test]
fn the_whole_matrix() {
    for token in [false, true] {
        for insecure in [false, true] {
            for sse in [false, true] {
                for listen in LOOPBACK {
                    assert_eq!(settings(listen, token, insecure, sse).check_safe_start(), Ok(vec![]), "{listen}");
                }
                for listen in PUBLIC {
                    let fine = token || (insecure && !sse);
                    let found = settings(listen, token, insecure, sse).check_safe_start();
                    assert_eq!(found.is_ok(), fine, "{listen}, token {token}, insecure {insecure}, sse {sse}");
                    let warned = found.is_ok_and(|warnings| !warnings.is_empty());
                    assert_eq!(warned, fine && !token, "{listen}: open to everybody is said aloud");
                }
            }
        }
    }
}

#[test]
fn a_refusal_names_what_would_help() {
    let error = settings("0.0.0.0:8000", false, false, false).check_safe_start().unwrap_err().to_string();
    assert!(error.starts_with("/etc/p/portcullis.jsonc:2: listen: other machines can reach 0.0.0.0:8000"), "{error}");
    for help in ["auth.tokens", "portcullis token new", "127.0.0.1:8000", "auth.insecure"] {
        assert!(error.contains(help), "{help}: {error}");
    }
    let sse = settings("0.0.0.0:8000", false, true, true).check_safe_start().unwrap_err().to_string();
    assert!(sse.contains("needs a token there in any case"), "{sse}");
}

#[test]
fn a_name_is_loopback_only_if_all_it_resolves_to_is() {
    let check = |addresses: &[&str]| {
        let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        settings("gateway.lan:8000", false, false, false).check_safe_bind(&addresses).is_ok()
    };
    assert!(check(&["127.0.0.1"]));
    assert!(check(&["127.0.0.1", "::1"]));
    assert!(check(&["::ffff:127.0.0.1"]));
    assert!(!check(&["127.0.0.1", "192.168.1.5"]));
    assert!(!check(&["192.168.1.5"]));
    assert!(!check(&[]), "what does not resolve may resolve later");
}

#[test]
fn a_name_that_does_not_resolve_counts_as_public() {
    assert!(settings("no-such-host.invalid:8000", false, false, false).check_safe_start().is_err());
}

#[test]
fn localhost_that_is_elsewhere_counts_as_public_with_a_warning() {
    let elsewhere: [IpAddr; 1] = ["192.168.1.5".parse().unwrap()];
    let error = settings("localhost:8000", false, false, false).check_safe_bind(&elsewhere).unwrap_err().to_string();
    assert!(error.contains("localhost is not this machine alone"), "{error}");
    let warnings = settings("LOCALHOST:8000", true, false, false).check_safe_bind(&elsewhere).unwrap();
    assert!(warnings[0].message.contains("localhost is not this machine alone"), "{warnings:?}");
    assert_eq!(
        settings("localhost:8000", false, false, false).check_safe_bind(&["127.0.0.1".parse().unwrap()]),
        Ok(vec![])
    );
}

#[test]
fn trusted_proxies_are_no_excuse() {
    let text = r#"{"listen": "0.0.0.0:8000", "trusted_proxies": ["10.0.0.0/8"]}"#;
    assert!(good(text).check_safe_start().is_err());
}
