//! Names at the address that all servers share.
//!
//! A tool or prompt is called `<server>__<name>`; server names have no `__`. Clients commonly take
//! 64 characters at most: a longer name keeps its first 55, then `_` and the first 8 hexadecimal
//! digits of the SHA-256 of the whole. When one server stands alone, names stay as they are. Uris
//! of resources always do.

use crate::audit::hash;
use std::borrow::Cow;

/// What joins a server's name and that of its tool.
pub(crate) const SEPARATOR: &str = "__";
/// The longest joint name in characters.
pub(crate) const MOST: usize = 64;

/// The joint name of a tool or prompt.
pub fn name<'a>(server: &str, own: &'a str, alone: bool) -> Cow<'a, str> {
    if alone {
        return Cow::Borrowed(own);
    }
    let whole = format!("{server}{SEPARATOR}{own}");
    if whole.chars().count() <= MOST {
        return Cow::Owned(whole);
    }
    let digest = hash(whole.as_bytes());
    let start: String = whole.chars().take(MOST - 9).collect();
    Cow::Owned(format!("{start}_{}", digest.get(..8).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened_so_that_they_stay_different() {
        assert_eq!(name("wiki", "zim_get", false), "wiki__zim_get");
        assert_eq!(name("wiki", "zim_get", true), "zim_get");
        let long = "x".repeat(80);
        let longer = format!("{long}y");
        let (a, b) = (name("wiki", &long, false), name("wiki", &longer, false));
        assert_eq!((a.chars().count(), b.chars().count()), (64, 64));
        assert_ne!(a, b);
        assert!(a.starts_with("wiki__xxx"));
    }
}
