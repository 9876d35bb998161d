//! Markup that turns out to be needed before text that stands there already.

use super::Page;

impl Page {
    /// Puts markup before text that stands there already; what is noted of that text moves with it.
    pub(super) fn insert(&mut self, at: usize, markup: &str) {
        if self.out.get(at..).is_none() {
            return;
        }
        self.out.insert_str(at, markup);
        let by = markup.len();
        let shift = |place: &mut usize| {
            let moves = *place > at;
            *place += if moves { by } else { 0 };
            moves
        };
        // What begins at this place stands behind the markup now.
        let push = |place: &mut usize| *place += if *place >= at { by } else { 0 };
        // From the end on: what stands before it has not moved.
        for heading in self.article.headings.iter_mut().rev() {
            push(&mut heading.at);
            if !shift(&mut heading.body) {
                break;
            }
        }
        for link in self.article.links.iter_mut().rev() {
            shift(&mut link.open);
            push(&mut link.close.start);
            if !shift(&mut link.close.end) {
                break;
            }
        }
        for media in self.article.media.iter_mut().rev() {
            if !shift(&mut media.at) {
                break;
            }
        }
        for fold in self.article.folds.iter_mut().rev() {
            push(&mut fold.range.start);
            if !shift(&mut fold.range.end) {
                break;
            }
        }
        for table in self.tables.iter_mut().rev() {
            table.begin.as_mut().map(shift);
            shift(&mut table.row);
            for (_, place) in &mut table.places {
                shift(&mut place.start);
                shift(&mut place.end);
            }
        }
        self.marks.iter_mut().for_each(|(_, place)| {
            shift(place);
        });
        self.pending.clear();
        if let Some(heading) = &mut self.heading {
            shift(&mut heading.at);
            shift(&mut heading.before);
        }
        self.link.as_mut().map(|link| shift(&mut link.begin));
        self.scope.as_mut().map(|scope| shift(&mut scope.begin));
        for (_, scope) in self.scopes.iter_mut().rev() {
            shift(&mut scope.start);
            if !shift(&mut scope.end) {
                break;
            }
        }
        shift(&mut self.fresh);
    }
}
