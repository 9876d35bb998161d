//! References to images (the grammar of `distribution/reference`): `[registry[:port]/]path[:tag][@digest]`, or an id.

use crate::fault::Fault;

/// A reference that is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    text: String,
    /// Where the tag begins, after its colon.
    tag: Option<usize>,
    digest: Option<usize>,
}

/// Bytes of a whole reference: a name of 255, a tag of 128 and a digest.
const LONGEST: usize = 600;

/// An image's name as people write it: Podman's has Docker Hub's registry in it, which Docker leaves out.
pub(crate) fn familiar(name: &str) -> &str {
    let bare = name.strip_prefix("docker.io/").unwrap_or(name);
    bare.strip_prefix("library/").filter(|rest| bare.len() < name.len() && !rest.contains('/')).unwrap_or(bare)
}

impl Image {
    /// Reads a reference or an id.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        read(text).ok_or_else(|| {
            let shown: String = text.chars().take(100).filter(|c| !c.is_control()).collect();
            Fault::new(format!(
                "{shown:?} is no reference to an image; write it like alpine, registry.example.com:5000/team/app:1.2 \
                 or app@sha256:…, in lower case before the tag."
            ))
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn tag(&self) -> Option<&str> {
        let end = self.digest.map_or(self.text.len(), |at| at - 1);
        self.text.get(self.tag?..end)
    }

    pub(crate) fn digest(&self) -> Option<&str> {
        self.text.get(self.digest?..)
    }

    /// Without tag and digest.
    pub(crate) fn repository(&self) -> &str {
        let end = self.tag.or(self.digest).map_or(self.text.len(), |at| at - 1);
        self.text.get(..end).unwrap_or(&self.text)
    }

    /// Where it is pushed to and pulled from, as `docker login` names it.
    pub(crate) fn registry(&self) -> &str {
        match self.repository().split_once('/') {
            Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
            _ => HUB,
        }
    }

    /// The same with this tag, which it must not have already.
    pub(crate) fn with_tag(self, tag: Option<&str>) -> Result<Self, Fault> {
        let Some(tag) = tag.map(str::trim).filter(|tag| !tag.is_empty()) else { return Ok(self) };
        if !is_tag(tag) {
            return Err(Fault::new(format!(
                "{tag:?} is no tag; those have letters, digits, _, . and - (128 at most)."
            )));
        }
        match (self.tag(), self.digest) {
            (Some(own), _) if own == tag => Ok(self),
            (None, None) => Self::parse(&format!("{}:{tag}", self.text)),
            _ => Err(Fault::new(format!(
                "{:?} has a tag or digest already, and tag says {tag:?}; give only one of them.",
                self.text
            ))),
        }
    }
}

/// The registry of references that name none.
pub(crate) const HUB: &str = "docker.io";

/// Whether this is a tag.
pub(crate) fn is_tag(tag: &str) -> bool {
    let mut bytes = tag.bytes();
    tag.len() <= 128
        && bytes.next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn read(text: &str) -> Option<Image> {
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let (before, digest) = match text.split_once('@') {
        Some((before, digest)) if is_digest(digest) => (before, Some(before.len() + 1)),
        Some(_) => return None,
        None => (text, None),
    };
    if digest.is_none() && is_digest(before) {
        return Some(Image { text: text.to_owned(), tag: None, digest: None });
    }
    // The colon of a port has a slash after it.
    let tag = before.rfind(':').map(|at| at + 1).filter(|at| before.get(*at..).is_some_and(|rest| !rest.contains('/')));
    let name = tag.map_or(before, |at| before.get(..at - 1).unwrap_or_default());
    if tag.is_some_and(|at| !before.get(at..).is_some_and(is_tag)) || name.len() > 255 {
        return None;
    }
    let mut parts = name.split('/').peekable();
    let first = parts.peek().copied().unwrap_or_default();
    if name.contains('/') && (first.contains(['.', ':']) || first == "localhost") {
        if !is_registry(first) {
            return None;
        }
        parts.next();
    }
    parts.all(is_component).then(|| Image { text: text.to_owned(), tag, digest })
}

/// `algorithm:hex`, of at least 32 digits.
fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        let mut letters = algorithm.bytes();
        letters.next().is_some_and(|b| b.is_ascii_alphabetic())
            && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'_' | b'-'))
            && (32..=256).contains(&hex.len())
            && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// A host with or without a port.
pub(crate) fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && v6.map_or_else(|| host.split('.').all(is_label), |v6| v6.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_component(part: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let sound = bytes.first().copied().is_some_and(is_word) && bytes.last().copied().is_some_and(is_word);
    sound
        && bytes.iter().all(|b| is_word(*b) || matches!(b, b'.' | b'_' | b'-'))
        && part
            .split(|c: char| c.is_ascii_alphanumeric())
            .all(|sep| matches!(sep, "" | "." | "_" | "__") || sep.bytes().all(|b| b == b'-'))
}

/// For fuzzing: what is accepted has no way out of a path, and its parts make up the whole.
pub fn check(text: &str) {
    let Ok(image) = Image::parse(text) else { return };
    assert!(image.as_str().split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
    assert!(
        !image.as_str().chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '?' | '#' | '%' | '\\'))
    );
    let tag = image.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = image.digest().map(|digest| format!("@{digest}")).unwrap_or_default();
    assert_eq!(format!("{}{tag}{digest}", image.repository()), image.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_the_hub_are_as_people_write_them() {
        for (given, wanted) in [
            ("docker.io/library/busybox:latest", "busybox:latest"),
            ("docker.io/me/app:1", "me/app:1"),
            ("docker.io/library/a/b", "library/a/b"),
            ("busybox", "busybox"),
            ("library/busybox", "library/busybox"),
            ("localhost/app:1", "localhost/app:1"),
            ("quay.io/library/x", "quay.io/library/x"),
        ] {
            assert_eq!(familiar(given), wanted);
        }
    }

    #[test]
    fn references_have_registry_repository_tag_and_digest() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        let text = format!("reg.example.com:5000/team/app:1.2@{digest}");
        let image = Image::parse(&text).unwrap();
        assert_eq!((image.registry(), image.repository()), ("reg.example.com:5000", "reg.example.com:5000/team/app"));
        assert_eq!((image.tag(), image.digest()), (Some("1.2"), Some(digest.as_str())));
        assert_eq!(Image::parse("alpine").unwrap().registry(), HUB);
        assert_eq!(Image::parse("localhost/x").unwrap().registry(), "localhost");
        for right in ["localhost:5000/a", "a__b/c-d--e", &digest, &"a1".repeat(32), "app:V1.2_x", "[::1]:5000/x"] {
            assert!(Image::parse(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "Ubuntu",
            "a:b:c",
            "a//b",
            "../x",
            "a/..",
            "a b",
            "a@sha256:xyz",
            "a:",
            "-a",
            "a?x",
            "a#b",
            ":tag",
            "a___b",
        ] {
            assert!(Image::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_tag_beside_a_tag_is_told() {
        let with = |image: &str, tag| Image::parse(image).unwrap().with_tag(tag).map(|i| i.as_str().to_owned());
        assert_eq!(with("a", Some("1")).unwrap(), "a:1");
        assert_eq!(with("r:5000/a", Some("1")).unwrap(), "r:5000/a:1");
        assert_eq!(with("a:1", Some("1")).unwrap(), "a:1");
        assert_eq!(with("a:1", None).unwrap(), "a:1");
        assert!(with("a:1", Some("2")).is_err() && with("a", Some("x y")).is_err());
    }

    proptest! {
        #[test]
        fn what_is_accepted_stays_in_its_place(text in "[a-zA-Z0-9./:@_%?# -]{0,60}") {
            check(&text);
        }
    }
}
