//! `.dockerignore`: what of a folder stays out of a build.

/// Rules of a `.dockerignore` (Docker's reference, "dockerignore files"): the last one that matches decides.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ignore(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    excludes: bool,
    parts: Vec<String>,
}

/// Rules in one file.
const MOST_RULES: usize = 10_000;

impl Ignore {
    /// Reads them. A line that means nothing is left out, as Docker does.
    pub(super) fn read(text: &str) -> Self {
        let rule = |line: &str| {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                return None;
            }
            let (excludes, pattern) = match line.strip_prefix('!') {
                Some(rest) => (false, rest.trim()),
                None => (true, line),
            };
            let mut parts: Vec<String> = Vec::new();
            for part in pattern.split('/') {
                match part {
                    "" | "." => {}
                    ".." => {
                        parts.pop();
                    }
                    part => parts.push(part.to_owned()),
                }
            }
            (!parts.is_empty()).then_some(Rule { excludes, parts })
        };
        Self(text.trim_start_matches('\u{feff}').lines().filter_map(rule).take(MOST_RULES).collect())
    }

    /// Whether this path, of these parts, stays out. A folder that stays out takes what is in it along, until a
    /// later rule lets it in.
    pub(super) fn excludes(&self, path: &[&str]) -> bool {
        let mut out = false;
        for rule in &self.0 {
            let meant = (1..=path.len()).any(|n| path.get(..n).is_some_and(|head| parts_match(&rule.parts, head)));
            if meant {
                out = rule.excludes;
            }
        }
        out
    }

    /// Whether something below an excluded folder may be let in again.
    pub(super) fn has_exceptions(&self) -> bool {
        self.0.iter().any(|rule| !rule.excludes)
    }
}

/// `**` stands for any folders.
fn parts_match(pattern: &[String], path: &[&str]) -> bool {
    // Rows as in a table of distances: `reach[n]` says whether the pattern so far covers the first n parts.
    let mut reach = vec![false; path.len() + 1];
    if let Some(first) = reach.first_mut() {
        *first = true;
    }
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        if part == "**" {
            let mut seen = false;
            for (before, after) in reach.iter().zip(next.iter_mut()) {
                seen |= *before;
                *after = seen;
            }
        } else {
            for ((before, name), after) in reach.iter().zip(path).zip(next.iter_mut().skip(1)) {
                *after = *before && glob(part.as_bytes(), name.as_bytes());
            }
        }
        reach = next;
    }
    reach.last().copied().unwrap_or_default()
}

/// `*`, `?`, `[a-z]` and `\` within one part, as Go's `filepath.Match`.
fn glob(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // Where to go on if what follows the last star does not match here.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match pattern.split_first() {
            Some((b'*', rest)) => {
                star = Some((rest, text));
                pattern = rest;
                continue;
            }
            Some((b'?', rest)) => text.split_first().map(|(_, t)| (rest, t)),
            Some((b'[', rest)) => text.split_first().and_then(|(c, t)| class(rest, *c).map(|rest| (rest, t))),
            Some((b'\\', rest)) if !rest.is_empty() => match (rest.split_first(), text.split_first()) {
                (Some((p, rest)), Some((c, t))) if p == c => Some((rest, t)),
                _ => None,
            },
            Some((p, rest)) => text.split_first().filter(|(c, _)| *c == p).map(|(_, t)| (rest, t)),
            None if text.is_empty() => return true,
            None => None,
        };
        match (step, star) {
            (Some((p, t)), _) => (pattern, text) = (p, t),
            (None, Some((after, from))) => match from.split_first() {
                Some((_, rest)) => {
                    star = Some((after, rest));
                    (pattern, text) = (after, rest);
                }
                None => return false,
            },
            (None, None) => return false,
        }
    }
}

/// The rest of the pattern behind a class that has this character.
fn class(pattern: &[u8], c: u8) -> Option<&[u8]> {
    let end = pattern.iter().skip(1).position(|b| *b == b']')? + 1;
    let (inner, rest) = pattern.split_at_checked(end)?;
    let (negated, inner) = match inner.split_first() {
        Some((b'^', inner)) => (true, inner),
        _ => (false, inner),
    };
    let mut found = false;
    let mut left = inner;
    while let Some((from, more)) = left.split_first() {
        match more {
            [b'-', to, rest @ ..] => {
                found |= (*from..=*to).contains(&c);
                left = rest;
            }
            _ => {
                found |= *from == c;
                left = more;
            }
        }
    }
    (found != negated).then(|| rest.get(1..).unwrap_or_default())
}

/// For fuzzing: whether a path stays out. A path with an exact rule for it always does.
pub fn ignore_matches(text: &str, path: &str) -> bool {
    let parts: Vec<_> = path.split('/').filter(|p| !p.is_empty()).collect();
    Ignore::read(text).excludes(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_decides() {
        let text = "# comment\n*.log\n!keep.log\nnode_modules\n**/*.tmp\n/build\nsecret?\ndata/[a-c]*\n";
        for out in ["a.log", "node_modules", "node_modules/x/y", "a/b/c.tmp", "c.tmp", "build/x", "secret1", "data/abc"]
        {
            assert!(ignore_matches(text, out), "{out}");
        }
        for stays in ["keep.log", "src/a.log", "builder", "secret", "secret12", "data/xyz", "src/node_modules"] {
            assert!(!ignore_matches(text, stays), "{stays}");
        }
        assert!(ignore_matches("*\n!src\n", "a") && !ignore_matches("*\n!src\n", "src/x"));
        assert!(ignore_matches("a/**/z", "a/z") && ignore_matches("a/**/z", "a/b/c/z"));
        assert!(ignore_matches("**", "x/y") && !ignore_matches("", "x"));
    }
}
