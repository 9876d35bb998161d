//! From bytes of a text to its lines.

/// Where lines start.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    /// The line of a byte, counted from 1.
    pub(crate) fn of(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at) + 1
    }
}
