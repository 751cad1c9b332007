//! What was asked in each session and what came of it, so that a request that is sent again after a cut is not done again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::command::Answer;
use crate::domain::refusal::Rejection;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_mins(10);
/// Answers kept for a session; the oldest goes first.
const ANSWERS: usize = 1000;
/// Sessions that are remembered; the longest unused goes first.
const SESSIONS: usize = 256;

/// What came of a request.
pub(super) type Outcome = Result<Answer, Rejection>;

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is new.
    New,
    /// It is being done.
    UnderWay,
    /// This came of it.
    Done(Outcome),
}

#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<String, Session>);

#[derive(Debug)]
struct Session {
    /// `None` = being done.
    answers: BTreeMap<u64, (Option<Outcome>, Instant)>,
    used: Instant,
}

impl Sessions {
    /// A request has come.
    pub(super) fn ask(&mut self, session: &str, number: u64, now: Instant) -> Asked {
        self.0.retain(|_, session| now - session.used < KEPT);
        if self.0.len() >= SESSIONS && !self.0.contains_key(session) {
            let oldest = self.0.iter().min_by_key(|(_, session)| session.used).map(|(name, _)| name.clone());
            oldest.map(|name| self.0.remove(&name));
        }
        let known = self.0.entry(session.to_owned()).or_insert_with(|| Session { answers: BTreeMap::new(), used: now });
        known.used = now;
        known.answers.retain(|_, (_, at)| now - *at < KEPT);
        match known.answers.get(&number) {
            Some((Some(outcome), _)) => return Asked::Done(outcome.clone()),
            Some((None, _)) => return Asked::UnderWay,
            None => {}
        }
        if known.answers.len() >= ANSWERS {
            known.answers.pop_first();
        }
        known.answers.insert(number, (None, now));
        Asked::New
    }

    /// This came of a request.
    pub(super) fn done(&mut self, session: &str, number: u64, outcome: Outcome, now: Instant) {
        if let Some(known) = self.0.get_mut(session) {
            known.answers.insert(number, (Some(outcome), now));
        }
    }

    /// All that came of requests of a session.
    pub(super) fn answers(&self, session: &str) -> Vec<(u64, Outcome)> {
        let known = self.0.get(session).into_iter().flat_map(|session| &session.answers);
        known.filter_map(|(number, (outcome, _))| Some((*number, outcome.clone()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_comes_twice_is_done_once_for_ten_minutes() {
        let (mut sessions, ok) = (Sessions::default(), Ok(Answer::default()));
        let now = Instant::now();
        assert_eq!(sessions.ask("a", 1, now), Asked::New);
        assert_eq!(sessions.ask("a", 1, now), Asked::UnderWay);
        assert_eq!(sessions.ask("b", 1, now), Asked::New, "another session counts for itself");
        sessions.done("a", 1, ok.clone(), now);
        assert_eq!(sessions.ask("a", 1, now + KEPT / 2), Asked::Done(ok.clone()));
        assert_eq!(sessions.answers("a"), vec![(1, ok)]);
        assert_eq!(sessions.ask("a", 1, now + KEPT * 2), Asked::New);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        for number in 0..3000 {
            sessions.ask("a", number, now);
            sessions.ask(&format!("s{number}"), 1, now);
        }
        assert!(sessions.0.len() <= SESSIONS);
        assert!(sessions.0.values().all(|session| session.answers.len() <= ANSWERS));
    }
}
