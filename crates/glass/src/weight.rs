//! BM25, with the operations in the order that Xapian does them in, so that results are the same to the
//! last bit.

/// The parameters of BM25 that differ between searches. `k2` is 0 and `k3` 1 in all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheme {
    k1: f64,
    b: f64,
}

/// Documents are never taken to be shorter than half the mean.
const LEAST_NORM: f64 = 0.5;

impl Scheme {
    /// What libzim uses for full text.
    pub(crate) const FULL_TEXT: Self = Self { k1: 1.0, b: 0.5 };
    /// What libzim uses for suggestions: how often hardly matters, how long the title is does.
    pub(crate) const SUGGESTIONS: Self = Self { k1: 0.001, b: 1.0 };
}

/// All databases of a search together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection {
    pub(crate) documents: u64,
    pub(crate) mean_length: f64,
}

/// What occurrences of one term are worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TermWeight {
    scheme: Scheme,
    factor: f64,
    per_length: f64,
}

impl TermWeight {
    /// For a term that is in so many documents of the collection.
    pub(crate) fn new(scheme: Scheme, collection: Collection, frequency: u64) -> Self {
        let (all, with) = (collection.documents as f64, frequency as f64);
        let mut odds = (all - with + 0.5) / (with + 0.5);
        if odds < 2.0 {
            odds = odds * 0.5 + 1.0;
        }
        let factor = odds.ln() * (scheme.k1 + 1.0);
        Self { scheme, factor, per_length: 1.0 / collection.mean_length }
    }

    #[inline]
    fn norm(&self, length: u32) -> f64 {
        let norm = (f64::from(length) * self.per_length).max(LEAST_NORM);
        self.scheme.k1 * (norm * self.scheme.b + (1.0 - self.scheme.b))
    }

    /// The weight of a document of this length that has the term that often.
    #[inline]
    pub(crate) fn of(&self, wdf: u32, length: u32) -> f64 {
        let wdf = f64::from(wdf);
        self.factor * (wdf / (self.norm(length) + wdf))
    }

    /// How often a document must have the term, at least, to weigh that much.
    pub(crate) fn least_wdf(&self, weight: f64, shortest: u32) -> u32 {
        if weight <= 0.0 {
            return 1;
        }
        if weight >= self.factor {
            return u32::MAX;
        }
        // Rounded down by more than the error of the division.
        let wdf = weight * self.norm(shortest) / (self.factor - weight) * (1.0 - 1e-9);
        (wdf.ceil() as u32).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_document_with_fewer_occurrences_than_the_least_weighs_less(
            wdf in 1..5000_u32, length in 1..100_000_u32, shortest in 0..100_u32, frequency in 0..1000_u64,
            weight in 0.0..20.0_f64,
        ) {
            let collection = Collection { documents: 1000, mean_length: 300.0 };
            let term = TermWeight::new(Scheme::FULL_TEXT, collection, frequency);
            let length = length.max(shortest);
            if wdf < term.least_wdf(weight, shortest) {
                prop_assert!(term.of(wdf, length) < weight);
            }
        }
    }
}
