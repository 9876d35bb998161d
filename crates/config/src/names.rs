//! Names of servers, tokens and roles.
//!
//! The errors of this module continue a sentence that the value begins.

use crate::error::Invalid;
use crate::nearest::listed;

/// Words that mean something in our addresses and so cannot be names of servers.
pub const RESERVED: &[&str] = &[
    "mcp",
    "sse",
    "messages",
    "tools",
    "openapi.json",
    "docs",
    "healthz",
    "readyz",
    "health",
    "metrics",
    "oauth",
    ".well-known",
    "admin",
    "assets",
    "favicon.ico",
    ".",
    "..",
];

/// The longest name of a server, in characters.
const LONGEST_SERVER: usize = 32;
const LONGEST: usize = 64;

/// Checks the name of a server: 1 to 32 of `A-Z a-z 0-9 _ . -`, no `__` (it stands between server
/// and tool in joint names), not one of [`RESERVED`].
pub fn check_server_name(name: &str) -> Result<(), Invalid> {
    server_name(name).map_err(|problem| Invalid::of(name, &problem))
}

pub(crate) fn server_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("is no name for a server; give it one".to_owned());
    }
    if RESERVED.contains(&name) {
        return Err(format!(
            "cannot be a server's name, as addresses use it; all such words: {}",
            listed(RESERVED.iter().copied())
        ));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')) {
        return Err("cannot be a server's name; use letters, digits, _ . and -".to_owned());
    }
    if name.contains("__") {
        return Err("cannot be a server's name, as __ stands between server and tool; use a single _".to_owned());
    }
    if name.ends_with('_') {
        return Err(
            "cannot be a server's name, as it would run into the __ behind it; take the _ off its end".to_owned()
        );
    }
    if name.len() > LONGEST_SERVER {
        return Err(format!("is too long for a server's name; use at most {LONGEST_SERVER} characters"));
    }
    Ok(())
}

/// A name of a token.
pub(crate) fn principal(name: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
    if name.is_empty() || name.len() > LONGEST || !name.chars().all(sound) {
        return Err(format!("is no name for a token; use 1 to {LONGEST} letters, digits, _ . @ and -"));
    }
    Ok(name.to_owned())
}

/// A name of a role.
pub(crate) fn role(name: &str) -> Result<(), String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-' | ':' | '/');
    if name.is_empty() || name.len() > LONGEST || !name.chars().all(sound) {
        return Err(format!("is no name for a role; use 1 to {LONGEST} letters, digits, _ . @ : / and -"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_are_short_and_plain() {
        for good in ["time", "a", "My-Server_2.0", "mcp2", "a_b", &"x".repeat(32)] {
            assert_eq!(server_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a/b", "é", "a__b", "__", "a:b", "a%20", "a\n", &"x".repeat(33)] {
            assert!(server_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_of_our_addresses_are_no_server_names() {
        for word in RESERVED {
            assert!(server_name(word).unwrap_err().contains("addresses use it"), "{word}");
        }
    }

    #[test]
    fn token_names_may_be_mail_addresses() {
        assert!(principal("ann@example.com").is_ok());
        for bad in ["", "a b", "a/b", "a\"", "é"] {
            assert!(principal(bad).is_err(), "{bad}");
        }
    }
}
