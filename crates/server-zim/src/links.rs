//! Where the links of a page lead: to paths that `zim_get` takes, so that an assistant can follow them.

/// The page that links are seen from.
pub(crate) struct Base<'a> {
    /// Its path, with the namespace in archives of the old scheme.
    path: &'a str,
}

impl<'a> Base<'a> {
    pub(crate) const fn new(path: &'a str) -> Self {
        Self { path }
    }

    /// The path that a relative reference means, without query and fragment; an address of another scheme as
    /// it is; `None` for what leads nowhere: a place in the same page, a script, an embedded document.
    pub(crate) fn resolve(&self, href: &str) -> Option<String> {
        let href = href.trim();
        if let Some((scheme, _)) = href.split_once(':')
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        {
            let external = ["http", "https", "ftp", "mailto", "geo", "tel"];
            return external.iter().any(|known| scheme.eq_ignore_ascii_case(known)).then(|| clean(href));
        }
        if href.starts_with("//") {
            return Some(clean(&format!("https:{href}")));
        }
        let path = href.split(['#', '?']).next().filter(|path| !path.is_empty())?;
        let path = decoded(path);
        let mut parts: Vec<&str> = match path.strip_prefix('/') {
            // Archives have no root; what begins with a slash is meant from the top.
            Some(_) => Vec::new(),
            None => self.path.rsplit_once('/').map(|(folder, _)| folder.split('/').collect()).unwrap_or_default(),
        };
        for part in path.trim_start_matches('/').split('/') {
            match part {
                "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        Some(clean(&parts.join("/"))).filter(|path| !path.is_empty())
    }
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
        let cases = [
            ("x.html", Some("A/dir/x.html")),
            ("./x.html#part", Some("A/dir/x.html")),
            ("../../I/pic.png?v=1", Some("I/pic.png")),
            ("../../../../x", Some("x")),
            ("/top", Some("top")),
            ("Caf%C3%A9_%28bar%29", Some("A/dir/Café_(bar)")),
            ("a%ZZb%FF", Some("A/dir/a%ZZb%FF")),
            ("#part", None),
            ("?q", None),
            ("", None),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("https://e.org/?a#b", Some("https://e.org/?a#b")),
            ("//e.org/x", Some("https://e.org/x")),
            ("Talk%3AX", Some("A/dir/Talk:X")),
        ];
        for (href, expected) in cases {
            assert_eq!(base.resolve(href).as_deref(), expected, "{href}");
        }
    }
}
