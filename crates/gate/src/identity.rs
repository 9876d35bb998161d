//! Who is it: named bearer tokens, held and compared as SHA-256 in constant time.

use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use subtle::ConstantTimeEq;

/// Somebody who may call.
#[derive(Debug)]
pub struct Principal {
    /// The name in the settings; `anonymous` where no token is asked for, `local` on stdio.
    pub name: Arc<str>,
    /// Names of roles.
    pub roles: Vec<String>,
    /// The token it was let in with.
    token: Option<TokenHash>,
    /// What it has under way now.
    pub(crate) usage: Usage,
}

/// Counts against the limits of one principal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) running: Counter,
    pub(crate) held: Counter,
    pub(crate) watches: Counter,
    pub(crate) sessions: Counter,
    /// Used nonces that are remembered.
    pub(crate) spent: Counter,
    kept: Arc<AtomicUsize>,
}

/// A number of places that are taken and given back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

/// A place taken; dropping it gives it back.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Counter {
    pub(crate) fn take(&self, most: Option<usize>) -> Option<Place> {
        let most = most.unwrap_or(usize::MAX);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1))
            .ok()
            .map(|_| Place(Arc::clone(&self.0)))
    }

    pub(crate) fn has_room(&self, most: usize) -> bool {
        self.0.load(Ordering::Relaxed) < most
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Principal {
    /// Somebody of that name with these roles.
    pub fn named(name: &str, roles: Vec<String>) -> Self {
        Self { name: name.into(), roles, token: None, usage: Usage::default() }
    }

    /// How many bytes fronts keep for this principal's clients to come back for. They count
    /// themselves.
    pub const fn kept(&self) -> &Arc<AtomicUsize> {
        &self.usage.kept
    }
}

/// A bearer token, only as its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// A hash as the settings may give it.
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

/// A token of the settings.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct TokenSettings {
    pub name: String,
    pub token: TokenHash,
    pub roles: Vec<String>,
}

/// Everybody who may call.
#[derive(Debug)]
pub(crate) struct Identity {
    tokens: Vec<(TokenHash, Arc<Principal>)>,
    anonymous: Arc<Principal>,
    local: Arc<Principal>,
}

impl Identity {
    /// The principals of the settings. Those that `before` had keep what they have under way.
    pub(crate) fn new(tokens: &[TokenSettings], before: Option<&Self>) -> Self {
        let kept = |name: &str| before?.tokens.iter().map(|(_, p)| p).find(|p| p.name.as_ref() == name);
        let principal = |t: &TokenSettings| {
            let mut new = Principal::named(&t.name, t.roles.clone());
            new.token = Some(t.token.clone());
            if let Some(old) = kept(&t.name) {
                new.usage = old.usage.clone();
            }
            (t.token.clone(), Arc::new(new))
        };
        Self {
            tokens: tokens.iter().map(principal).collect(),
            anonymous: before.map_or_else(|| Arc::new(Principal::named("anonymous", Vec::new())), Self::anonymous),
            local: before.map_or_else(|| Arc::new(Principal::named("local", Vec::new())), Self::local),
        }
    }

    /// Whether a token is asked for.
    pub(crate) fn is_required(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Who has this token. Every token is compared, so that time tells nothing.
    pub(crate) fn of_token(&self, token: &str) -> Option<Arc<Principal>> {
        let hash = TokenHash::of(token);
        let mut found = None;
        for (own, principal) in &self.tokens {
            if bool::from(own.0.ct_eq(&hash.0)) {
                found = Some(Arc::clone(principal));
            }
        }
        found
    }

    /// Somebody who showed no token where none is asked for.
    pub(crate) fn anonymous(&self) -> Arc<Principal> {
        Arc::clone(&self.anonymous)
    }

    /// The person whose machine this is.
    pub(crate) fn local(&self) -> Arc<Principal> {
        Arc::clone(&self.local)
    }

    /// Somebody who was let in before, as these settings have them now; nobody, if their token was
    /// taken away or replaced.
    pub(crate) fn current(&self, who: &Principal) -> Option<Arc<Principal>> {
        match (&who.token, who.name.as_ref()) {
            (None, "local") => Some(self.local()),
            (None, _) => (!self.is_required()).then(|| self.anonymous()),
            (Some(token), name) => {
                let same = |(own, p): &&(TokenHash, Arc<Principal>)| own == token && p.name.as_ref() == name;
                self.tokens.iter().find(same).map(|(_, p)| Arc::clone(p))
            }
        }
    }
}

/// The token of an `Authorization` header, if it is `Bearer` (in any case) and not blank.
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The password of an `Authorization` header, if it is `Basic` (RFC 7617). The name before it does
/// not count: a token has its own.
pub fn basic_password(header: &str) -> Option<String> {
    use base64::Engine as _;
    let (scheme, credentials) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(credentials.trim()).ok()?;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    (!password.is_empty()).then(|| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_for_its_name_only() {
        let token = |name: &str, token| TokenSettings { name: name.into(), token, roles: vec![] };
        let identity = Identity::new(&[token("a", TokenHash::of("secret")), token("b", TokenHash::of("foo"))], None);
        assert_eq!(identity.of_token("secret").unwrap().name.as_ref(), "a");
        assert_eq!(identity.of_token("foo").unwrap().name.as_ref(), "b");
        for wrong in ["", "secre", "secret ", "Secret"] {
            assert!(identity.of_token(wrong).is_none(), "{wrong:?}");
        }
        let first = identity.of_token("secret").unwrap();
        let rotated = Identity::new(&[token("a", TokenHash::of("other"))], Some(&identity));
        assert!(identity.current(&first).is_some() && rotated.current(&first).is_none());
        assert!(identity.current(&identity.anonymous()).is_none());
    }

    #[test]
    fn a_basic_password_is_a_token_whatever_the_name() {
        assert_eq!(basic_password("Basic YW55OnMzY3JldA==").as_deref(), Some("s3cret"));
        assert_eq!(basic_password("basic OmE6Yg==").as_deref(), Some("a:b"));
        for none in ["Basic", "Basic !", "Basic YW55", "Basic YW55Og==", "Bearer YW55OnMzY3JldA=="] {
            assert_eq!(basic_password(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_bearer_scheme_is_read_in_any_case_and_a_blank_token_is_none() {
        assert_eq!(bearer("Bearer x"), Some("x"));
        assert_eq!(bearer("bEARER   x "), Some("x"));
        for none in ["", "Bearer", "Bearer ", "Basic x", "x"] {
            assert_eq!(bearer(none), None, "{none:?}");
        }
    }
}
