//! `auth`: who may call at all.

use crate::error::{Place, Warning};
use crate::fingerprint::sha256;
use crate::names;
use crate::read::Item;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::tree::quoted;
use std::collections::HashMap;
use std::fmt;

/// The section `auth`.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// Bearer tokens. Without one, nobody is asked who they are. Default: none.
    pub tokens: Vec<Token>,
    /// `insecure`: listening where other machines can reach us is allowed without tokens. It does not
    /// switch tokens off. Default: false.
    pub insecure: bool,
}

/// A token and whose it is.
#[derive(Clone, Debug)]
pub struct Token {
    /// The principal that it stands for: in audit, limits and logs.
    pub name: String,
    /// What callers present.
    pub credential: Credential,
    /// Names of roles of `policy`, each defined there. Default: none.
    pub roles: Vec<String>,
    /// The line of the file it stands in, counted from 1; 0 if it came from elsewhere.
    pub line: usize,
}

/// What a token is compared with.
#[derive(Clone)]
pub enum Credential {
    /// `token`: the token itself.
    Plain(Secret),
    /// `sha256`: the SHA-256 of the token.
    Sha256([u8; 32]),
}

impl Credential {
    /// The SHA-256 of the token.
    pub fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Plain(secret) => sha256(secret.expose()),
            Self::Sha256(digest) => *digest,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::secret::HIDDEN)
    }
}

/// Shorter tokens can be guessed.
const SHORT: usize = 16;

fn short(token: &str) -> Option<String> {
    let message = "characters and can be guessed; make one with \"portcullis token new\"";
    (token.chars().count() < SHORT).then(|| format!("is shorter than {SHORT} {message}"))
}

impl Settings {
    /// Takes a token in that stands in no file: `source` names the flag or the variable.
    pub fn add_token(&mut self, name: &str, source: &str, token: String) {
        if let Some(message) = short(&token) {
            let place = Place { origin: source.into(), line: None, key: String::new() };
            self.warnings.push(Warning { place, message });
        }
        let credential = Credential::Plain(Secret::new(token));
        self.auth.tokens.push(Token { name: name.into(), credential, roles: Vec::new(), line: 0 });
    }
}

impl Auth {
    pub(crate) fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let tokens =
            section.get("tokens").and_then(|item| item.list_of(|item| Token::read(&item).map(|token| (item, token))));
        let tokens = tokens.unwrap_or_default();
        let insecure = section.get("insecure").and_then(|item| item.bool()).unwrap_or_default();
        if let Some(item) = section.get("jwt") {
            // Never a warning: whoever wrote it relies on it.
            item.error("is not in this version; use \"tokens\", and take it out");
        }
        section.finish();
        refuse_duplicates(&tokens);
        Some(Self { tokens: tokens.into_iter().map(|(_, token)| token).collect(), insecure })
    }
}

impl Token {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let name = section.need("name", "say whose token it is").and_then(|item| item.parse(names::principal));
        let plain = section.get("token").map(|item| read_plain(&item));
        let digest = section.get("sha256").map(|item| read_digest(&item));
        let roles = section.get("roles").map_or_else(|| Some(Vec::new()), |item| item.words());
        section.finish();
        let credential = match (plain, digest) {
            (Some(plain), None) => plain,
            (None, Some(digest)) => digest,
            (Some(_), Some(_)) => {
                item.error("has both \"token\" and \"sha256\"; keep one");
                None
            }
            (None, None) => {
                item.error("has no \"token\"; write one like \"${env:NAME}\", or the \"sha256\" of one");
                None
            }
        };
        Some(Self { name: name?, credential: credential?, roles: roles?, line: item.line() })
    }
}

fn read_plain(item: &Item<'_>) -> Option<Credential> {
    let secret = item.secret()?;
    let token = secret.expose();
    if token.trim().is_empty() {
        item.error("is blank, so that anybody could present it; make one with \"portcullis token new\"");
        return None;
    }
    if token.trim() != token || token.chars().any(char::is_control) {
        item.error(
            "has white space around it or control characters in it, which callers cannot present; take them out",
        );
        return None;
    }
    if let Some(warning) = short(token) {
        item.warn(warning);
    }
    Some(Credential::Plain(secret))
}

fn read_digest(item: &Item<'_>) -> Option<Credential> {
    let text = item.secret()?;
    let digest = from_hex(text.expose());
    if digest.is_none() {
        item.error("is no SHA-256; write its 64 hexadecimal digits");
    }
    let digest = digest?;
    if digest == sha256("") {
        item.error(
            "is the SHA-256 of nothing, so that anybody could present it; make one with \"portcullis token new\"",
        );
        return None;
    }
    Some(Credential::Sha256(digest))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(digest)
}

fn refuse_duplicates(tokens: &[(Item<'_>, Token)]) {
    let mut names = HashMap::new();
    let mut values = HashMap::new();
    for (item, token) in tokens {
        if let Some(first) = names.insert(token.name.clone(), item.line()) {
            item.error(format!(
                "the name {} is taken by the token in line {first}; give each its own",
                quoted(&token.name)
            ));
        }
        if let Some(first) = values.insert(token.credential.sha256(), item.line()) {
            item.error(format!("is the same token as in line {first}; give each principal its own"));
        }
    }
}
