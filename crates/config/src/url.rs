//! Addresses of other services.

use crate::hosts::check_host;
use crate::read::{Expanded, Item};
use crate::secret::{HIDDEN, Text, only_templates};

/// An `http` or `https` URL. Passwords and query values in it are not shown.
pub(crate) fn read_url(item: &Item<'_>) -> Option<Text> {
    url_of(item, item.filled()?)
}

/// The URL that a text of an item is.
pub(crate) fn url_of(item: &Item<'_>, text: Expanded) -> Option<Text> {
    if let Err(problem) = check(&text.value) {
        item.error(format!("{} {problem}", crate::tree::quoted(&mask(&text.written))));
        return None;
    }
    Some(Text::new(text.value, mask(&text.written)))
}

fn check(text: &str) -> Result<(), String> {
    const ADVICE: &str = "is no address; write one like https://host:port/path";
    let uri: http::Uri = text.parse().map_err(|_| ADVICE.to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("does not begin with http:// or https://".to_owned());
    }
    let Some(authority) = uri.authority() else { return Err(ADVICE.to_owned()) };
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    check_host(host).map_err(|_| ADVICE.to_owned())?;
    // A port that is there must be one.
    let after = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, after)| after);
    let port = after.strip_prefix(authority.host()).unwrap_or_default();
    if !port.is_empty() && authority.port_u16().is_none() {
        return Err("has no valid port".to_owned());
    }
    Ok(())
}

/// The URL with user names, passwords and query values hidden; any other text as it is.
pub(crate) fn mask(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    // A reference to a file has slashes of its own: then everything up to the last @ is hidden.
    let authority = if rest.contains("${") { rest } else { rest.split(['/', '#']).next().unwrap_or(rest) };
    let rest = match authority.rsplit_once('@') {
        Some((user, _)) => format!("{HIDDEN}{}", rest.strip_prefix(user).unwrap_or_default()),
        None => rest.to_owned(),
    };
    let query = query.map(|query| {
        let hidden = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() && !only_templates(value) => format!("{name}={HIDDEN}"),
            _ => pair.to_owned(),
        });
        format!("?{}", hidden.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{rest}{}", query.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_addresses_with_a_host_are_accepted() {
        for good in [
            "http://127.0.0.1:8001/sse",
            "https://notes.internal/mcp",
            "http://[::1]:1/x?y=z",
            "https://u:p@h.example",
            "http://my_service:80",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "notes.internal/mcp",
            "/mcp",
            "ftp://h/",
            "http://",
            "http:///x",
            "http://h:99999/",
            "http://h:x/",
            "http://h h/",
            "file:///etc/passwd",
            "https://*/x",
            "http://@/",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_and_query_values_are_not_shown() {
        assert_eq!(
            mask("https://u:p@h/x?key=abc&v=${env:V}&flag"),
            "https://[secret]@h/x?key=[secret]&v=${env:V}&flag"
        );
        assert_eq!(mask("https://u:p${file:/a/b}@h/x"), "https://[secret]@h/x");
        assert_eq!(mask("https://h/@scope/x"), "https://h/@scope/x");
        assert_eq!(mask("no url?a=b"), "no url?a=b");
    }
}
