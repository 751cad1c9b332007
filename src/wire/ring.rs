//! The latest events, written out once for all who are connected; each has its own place in them.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::domain::event::Seq;

/// What is kept at most: whoever falls further behind gets a snapshot.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Taken at once at most, so that a write is not longer than a slow line can take.
const MOST_TAKEN: usize = 64 * 1024;

/// A line that is kept.
#[derive(Debug, Clone)]
struct Entry {
    /// The last event up to here, this one included.
    seq: Seq,
    /// Only for this session; `None` = for all.
    to: Option<Rc<str>>,
    line: Rc<str>,
}

/// The latest lines.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    /// Place of the first entry.
    first: u64,
    /// All events after this one are here.
    after: Seq,
    /// The last event.
    last: Seq,
    bytes: usize,
}

/// What a connection gets next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It has everything.
    Nothing,
    /// These lines.
    Lines(String),
    /// What it needs is not here any more.
    Behind,
}

/// Where a connection stands: the next place that it reads, and the last event it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    place: u64,
    knows: Seq,
}

impl Ring {
    /// Begins anew: all up to this event is known from a snapshot.
    pub(super) fn restart(&mut self, after: Seq) {
        self.first += self.entries.len() as u64;
        self.entries.clear();
        (self.after, self.last, self.bytes) = (after, after, 0);
    }

    /// Adds an event.
    pub(super) fn push_event(&mut self, seq: Seq, line: Rc<str>) {
        self.last = seq;
        self.push(Entry { seq, to: None, line });
    }

    /// Adds a line for one session, or for all, at this point of the order of events.
    pub(super) fn push_line(&mut self, to: Option<Rc<str>>, line: Rc<str>) {
        self.push(Entry { seq: self.last, to, line });
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += entry.line.len();
        self.entries.push_back(entry);
        while self.bytes > MOST_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.line.len();
            self.after = oldest.seq;
            self.first += 1;
        }
    }

    /// Where a connection stands that knows everything up to this event; `None` = what follows is not here.
    pub(super) fn cursor_after(&self, knows: Seq) -> Option<Cursor> {
        (knows >= self.after && knows <= self.last).then(|| self.cursor_from_snapshot(knows))
    }

    /// Where a connection stands that has a snapshot of this event. What the ring lacks yet will come.
    pub(super) fn cursor_from_snapshot(&self, knows: Seq) -> Cursor {
        Cursor { place: self.first + self.entries.partition_point(|entry| entry.seq <= knows) as u64, knows }
    }

    /// Where a connection stands that wants nothing of what is here.
    pub(super) fn end(&self) -> Cursor {
        Cursor { place: self.first + self.entries.len() as u64, knows: self.last }
    }

    /// What comes next for a session, and where it stands afterwards. Whoever does not follow gets its own lines alone.
    pub(super) fn next(&self, cursor: &mut Cursor, session: &str, follows: bool) -> Next {
        // Also where its place is here: the ring may have begun anew behind what it knows.
        if follows && cursor.knows < self.after {
            return Next::Behind;
        }
        let mut lines = String::new();
        let skipped = usize::try_from(cursor.place.saturating_sub(self.first)).unwrap_or(usize::MAX);
        for (place, entry) in (self.first..).zip(&self.entries).skip(skipped) {
            if lines.len() >= MOST_TAKEN {
                break;
            }
            cursor.place = place + 1;
            let is_for_it = match &entry.to {
                Some(to) => **to == *session,
                None => follows && entry.seq > cursor.knows,
            };
            if is_for_it {
                lines.push_str(&entry.line);
                lines.push('\n');
            }
            cursor.knows = cursor.knows.max(entry.seq);
        }
        if lines.is_empty() { Next::Nothing } else { Next::Lines(lines) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(events: std::ops::RangeInclusive<u64>) -> Ring {
        let mut ring = Ring::default();
        ring.restart(Seq(events.start() - 1));
        events.for_each(|number| ring.push_event(Seq(number), format!("e{number}").into()));
        ring
    }

    fn all(ring: &Ring, cursor: &mut Cursor, session: &str) -> String {
        let mut text = String::new();
        while let Next::Lines(lines) = ring.next(cursor, session, true) {
            text.push_str(&lines);
        }
        text
    }

    #[test]
    fn a_connection_gets_every_event_after_what_it_knows_once() {
        let mut ring = ring(5..=8);
        let mut cursor = ring.cursor_after(Seq(6)).expect("it is here");
        assert_eq!(all(&ring, &mut cursor, "a"), "e7\ne8\n");
        ring.push_event(Seq(9), "e9".into());
        assert_eq!(all(&ring, &mut cursor, "a"), "e9\n");
        assert_eq!(ring.next(&mut cursor, "a", true), Next::Nothing);
        assert_eq!(ring.cursor_after(Seq(3)), None, "what follows 3 was never here");
        assert_eq!(ring.cursor_after(Seq(99)), None, "that is not of this life");
    }

    #[test]
    fn a_line_for_one_session_keeps_its_place_among_the_events_and_is_for_nobody_else() {
        let mut ring = ring(1..=2);
        ring.push_line(Some("a".into()), "reply".into());
        ring.push_event(Seq(3), "e3".into());
        let mut cursor = ring.cursor_after(Seq(1)).expect("here");
        assert_eq!(all(&ring, &mut cursor, "a"), "e2\nreply\ne3\n");
        let mut cursor = ring.cursor_after(Seq(1)).expect("here");
        assert_eq!(all(&ring, &mut cursor, "b"), "e2\ne3\n");
        let mut cursor = ring.cursor_after(Seq(1)).expect("here");
        assert_eq!(ring.next(&mut cursor, "a", false), Next::Lines("reply\n".to_owned()), "it does not follow");
    }

    #[test]
    fn whoever_falls_behind_what_is_kept_is_told_so() {
        let mut ring = ring(1..=1);
        let mut cursor = ring.cursor_after(Seq(1)).expect("here");
        let line: Rc<str> = "x".repeat(MOST_BYTES / 10).into();
        (2..=30).for_each(|number| ring.push_event(Seq(number), Rc::clone(&line)));
        assert!(ring.bytes <= MOST_BYTES);
        assert_eq!(ring.next(&mut cursor, "a", true), Next::Behind);
    }

    #[test]
    fn whoever_comes_back_before_the_ring_begins_anew_is_told_that_there_is_more() {
        let mut ring = ring(1..=3);
        let mut cursor = ring.cursor_after(Seq(3)).expect("here");
        // Nobody was there while the engine went on.
        ring.restart(Seq(9));
        ring.push_event(Seq(10), "e10".into());
        assert_eq!(ring.next(&mut cursor, "a", true), Next::Behind, "4 to 9 are not here");
        let mut other = ring.cursor_from_snapshot(Seq(9));
        assert_eq!(all(&ring, &mut other, "a"), "e10\n");
    }

    #[test]
    fn a_snapshot_that_is_ahead_of_the_ring_hides_what_it_holds_already() {
        let mut ring = ring(1..=3);
        let mut cursor = ring.cursor_from_snapshot(Seq(5));
        assert_eq!(ring.next(&mut cursor, "a", true), Next::Nothing);
        (4..=6).for_each(|number| ring.push_event(Seq(number), format!("e{number}").into()));
        assert_eq!(all(&ring, &mut cursor, "a"), "e6\n");
    }
}
