//! About how many documents match one of several things, as Xapian reckons it: the two rarest are taken
//! together, then again the two rarest of what there is now, and so on. The same pairs say in which order
//! weights are added.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The pairs, as places of which the second is added to the first, and the estimate for all.
pub(crate) fn pairs(estimates: &[u32], documents: u32) -> (Vec<(usize, usize)>, u32) {
    let mut heap: BinaryHeap<Reverse<(u32, usize)>> =
        estimates.iter().enumerate().map(|(place, estimate)| Reverse((*estimate, place))).collect();
    let mut pairs = Vec::with_capacity(estimates.len().saturating_sub(1));
    while let Some(Reverse((a, first))) = heap.pop() {
        let Some(Reverse((b, second))) = heap.pop() else { return (pairs, a) };
        pairs.push((first, second));
        heap.push(Reverse((either(a, b, documents), first)));
    }
    (pairs, 0)
}

/// How many documents have one or both, if the two have nothing to do with each other.
fn either(a: u32, b: u32, documents: u32) -> u32 {
    if documents == 0 {
        return 0;
    }
    let (a, b) = (f64::from(a), f64::from(b));
    (a + b - a * b / f64::from(documents) + 0.5) as u32
}
