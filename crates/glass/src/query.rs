//! What is searched for, as a tree.

use std::fmt;

/// A query as the matcher takes it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum Query {
    /// Matches no document.
    #[default]
    Nothing,
    Term(Term),
    And(Vec<Self>),
    Or(Vec<Self>),
    /// The first without the second.
    AndNot(Box<Self>, Box<Self>),
    /// Terms that stand in this order, within so many positions.
    Phrase(Vec<Term>, u32),
    /// All terms that begin so, or the most frequent of them, as if they were one term.
    Prefix(Prefix),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) text: String,
    /// Where in the query the word stood, from 1; 0 if that is not known.
    pub(crate) position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Prefix {
    pub(crate) text: String,
    /// How many terms it stands for at most.
    pub(crate) most: usize,
}

impl Query {
    pub(crate) fn term(text: impl Into<String>, position: u32) -> Self {
        Self::Term(Term { text: text.into(), position })
    }

    /// All of these; the one that there is; nothing.
    pub(crate) fn all(mut parts: Vec<Self>) -> Self {
        parts.retain(|part| *part != Self::Nothing);
        // What begins with an AND goes on with it.
        if let Some(Self::And(first)) = parts.first_mut() {
            let first = std::mem::take(first);
            parts.splice(..1, first);
        }
        Self::some(parts, Self::And)
    }

    /// Any of these; the one that there is; nothing.
    pub(crate) fn any(parts: Vec<Self>) -> Self {
        Self::some(parts, Self::Or)
    }

    fn some(mut parts: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        parts.retain(|part| *part != Self::Nothing);
        match parts.len() {
            0 | 1 => parts.pop().unwrap_or_default(),
            _ => join(parts),
        }
    }

    pub(crate) fn phrase(mut terms: Vec<Term>) -> Self {
        match terms.len() {
            0 | 1 => terms.pop().map(Self::Term).unwrap_or_default(),
            count => Self::Phrase(terms, u32::try_from(count).unwrap_or(u32::MAX)),
        }
    }

    /// How many terms it weighs.
    pub(crate) fn leaves(&self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Term(_) | Self::Prefix(_) => 1,
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::leaves).sum(),
            Self::AndNot(left, _) => left.leaves(),
            Self::Phrase(terms, _) => u32::try_from(terms.len()).unwrap_or(u32::MAX),
        }
    }

    /// Calls for each term that a document would have.
    pub(crate) fn each_term<'a>(&'a self, act: &mut impl FnMut(&'a Term)) {
        match self {
            Self::Nothing | Self::Prefix(_) => {}
            Self::Term(term) => act(term),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each_term(act)),
            Self::AndNot(left, _) => left.each_term(act),
            Self::Phrase(terms, _) => terms.iter().for_each(act),
        }
    }
}

/// The way Xapian describes queries, so that the two can be compared.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn join<T: fmt::Display>(f: &mut fmt::Formatter<'_>, parts: &[T], by: &str) -> fmt::Result {
            f.write_str("(")?;
            for (n, part) in parts.iter().enumerate() {
                if n > 0 {
                    write!(f, " {by} ")?;
                }
                part.fmt(f)?;
            }
            f.write_str(")")
        }
        match self {
            Self::Nothing => Ok(()),
            Self::Term(term) => term.fmt(f),
            Self::And(parts) => join(f, parts, "AND"),
            Self::Or(parts) => join(f, parts, "OR"),
            Self::AndNot(left, right) => write!(f, "({left} AND_NOT {right})"),
            Self::Phrase(terms, window) => join(f, terms, &format!("PHRASE {window}")),
            Self::Prefix(prefix) => write!(f, "WILDCARD SYNONYM {}", prefix.text),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.position > 0 { write!(f, "@{}", self.position) } else { Ok(()) }
    }
}
