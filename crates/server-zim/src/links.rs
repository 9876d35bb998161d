//! Where the links of a page lead: to paths that `zim_get` takes, so that an assistant can follow them.

/// The page that links are seen from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base {
    /// The folders of its path, with the namespace in archives of the old scheme.
    folder: Vec<String>,
}

/// What a reference means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A path of the archive, and the place within it.
    Internal { path: String, fragment: Option<String> },
    /// An address elsewhere.
    External(String),
    /// A place in the same page.
    Anchor(String),
    /// Nothing that could be followed: a script, mail, an embedded document.
    Nowhere,
}

/// Schemes that can be followed by somebody with a network.
const EXTERNAL: [&str; 4] = ["http", "https", "ftp", "geo"];

impl Base {
    pub(crate) fn new(path: &str) -> Self {
        let folder = path.rsplit_once('/').map_or(Vec::new(), |(folder, _)| parts(folder));
        Self { folder }
    }

    /// The page says that its references are seen from elsewhere.
    pub(crate) fn moved(&self, href: &str) -> Self {
        // With a name at the end, a folder is a path like any other.
        match self.resolve(&format!("{}x", href.split(['#', '?']).next().unwrap_or_default())) {
            Target::Internal { path, .. } => Self::new(&path),
            _ => self.clone(),
        }
    }

    /// What a reference means: a path without query and fragment, percent-decoded, as entries have them.
    pub(crate) fn resolve(&self, href: &str) -> Target {
        let href = href.trim();
        if let Some((scheme, _)) = href.split_once(':')
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        {
            let follows = EXTERNAL.iter().any(|known| scheme.eq_ignore_ascii_case(known));
            return if follows { Target::External(clean(href)) } else { Target::Nowhere };
        }
        if href.starts_with("//") {
            return Target::External(clean(&format!("https:{href}")));
        }
        let (rest, fragment) = match href.split_once('#') {
            Some((rest, fragment)) => (rest, Some(decoded(fragment))),
            None => (href, None),
        };
        let fragment = fragment.filter(|fragment| !fragment.is_empty());
        let path = rest.split('?').next().unwrap_or_default();
        if path.is_empty() {
            return fragment.map_or(Target::Nowhere, Target::Anchor);
        }
        let path = decoded(path);
        // Archives have no root; what begins with a slash is meant from the top.
        let mut all = if path.starts_with('/') { Vec::new() } else { self.folder.clone() };
        for part in path.trim_start_matches('/').split('/') {
            match part {
                "." => {}
                ".." => {
                    all.pop();
                }
                part => all.push(part.to_owned()),
            }
        }
        match clean(&all.join("/")) {
            path if path.is_empty() => Target::Nowhere,
            path => Target::Internal { path, fragment },
        }
    }
}

fn parts(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

/// The host of an address.
pub(crate) fn domain(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// `%41` as `A`. What is not UTF-8 then stays as it was.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = (*byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let value = hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| {
            hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(hex, 16).ok()).flatten()
        });
        out.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Without what would break the Markdown around it.
fn clean(target: &str) -> String {
    target.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_against_the_folder_of_the_page() {
        let base = Base::new("A/dir/page.html");
        let path = |path: &str| Target::Internal { path: path.into(), fragment: None };
        let cases = [
            ("x.html", path("A/dir/x.html")),
            (
                "./x.html#part%20two",
                Target::Internal { path: "A/dir/x.html".into(), fragment: Some("part two".into()) },
            ),
            ("../../I/pic.png?v=1", path("I/pic.png")),
            ("../../../../x", path("x")),
            ("/top", path("top")),
            ("Caf%C3%A9_%28bar%29", path("A/dir/Café_(bar)")),
            ("a%ZZb%FF", path("A/dir/a%ZZb%FF")),
            ("page%3Fid=1", path("A/dir/page?id=1")),
            ("#part", Target::Anchor("part".into())),
            ("?q", Target::Nowhere),
            ("", Target::Nowhere),
            ("#", Target::Nowhere),
            ("javascript:alert(1)", Target::Nowhere),
            ("data:text/html,x", Target::Nowhere),
            ("mailto:a@b", Target::Nowhere),
            ("https://e.org/?a#b", Target::External("https://e.org/?a#b".into())),
            ("//e.org/x", Target::External("https://e.org/x".into())),
            ("Talk%3AX", path("A/dir/Talk:X")),
        ];
        for (href, expected) in cases {
            assert_eq!(base.resolve(href), expected, "{href}");
        }
        assert_eq!(Base::new("a/b/c").moved("../x/").resolve("y"), path("a/x/y"));
        assert_eq!(Base::new("a/c").moved("../").resolve("y"), path("y"));
        assert_eq!(domain("https://me@e.org:80/x"), "e.org:80");
    }
}
