//! Where something that is longer than its place is scrolled to.

use std::cell::Cell;

/// A place in something long. How long it is depends on how it is drawn: the drawing tells it, and nothing else of the app.
#[derive(Debug, Clone, Default)]
pub struct Scroll {
    first: Cell<usize>,
    most: Cell<Option<usize>>,
}

impl Scroll {
    /// Moves by so many lines or columns, as far as there are any.
    pub fn by(&mut self, by: i64) {
        let first = (self.first.get() as i64).saturating_add(by).max(0) as usize;
        // Before it is drawn nobody knows how far.
        self.first.set(self.most.get().map_or(first, |most| first.min(most)));
    }

    /// Back to the beginning, of something else.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Told when it is drawn: of so many lines or columns so many are seen. Returns the first one that is.
    pub fn seen(&self, all: usize, room: usize) -> usize {
        let most = all.saturating_sub(room);
        self.most.set(Some(most));
        self.first.set(self.first.get().min(most));
        self.first.get()
    }

    /// When it was last drawn there was more than was seen.
    pub fn is_longer(&self) -> bool {
        self.most.get().is_some_and(|most| most > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_what_was_drawn() {
        let mut scroll = Scroll::default();
        scroll.by(i64::MAX);
        assert_eq!(scroll.seen(30, 10), 20, "keys may come before it is drawn");
        scroll.by(5);
        scroll.by(-1);
        assert_eq!(scroll.seen(30, 10), 19, "going back begins at once");
        assert_eq!(scroll.seen(12, 10), 2, "it has become shorter");
        scroll.by(i64::MIN);
        assert_eq!(scroll.seen(12, 10), 0);
    }

    #[test]
    fn it_tells_whether_there_is_more_than_is_seen() {
        let mut scroll = Scroll::default();
        assert!(!scroll.is_longer());
        scroll.seen(11, 10);
        assert!(scroll.is_longer());
        scroll.reset();
        assert!(!scroll.is_longer());
    }
}
