//! A snapshot in lines of bounded length: a head, then jobs, points and logs by the page.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use serde::Serialize;

use super::message::ServerLine;
use crate::domain::state::{LogRing, State};

/// A page ends with the entry that makes it longer than so many bytes: a job may have any number of sound tracks and subtitles.
const PAGE: usize = 64 * 1024;
/// Lines of the log of a job that has ended: only the latest are told, its whole log is asked for when it is opened.
const LOG_LINES: usize = 100;

/// The lines of a snapshot, in order. Takes the state apart: its pages are large.
pub(super) fn lines(mut state: State) -> impl Iterator<Item = ServerLine> {
    let seq = state.seq;
    let jobs = pages(std::mem::take(&mut state.jobs).into_values()).map(ServerLine::Jobs);
    let points = pages(std::mem::take(&mut state.history).into_iter()).map(ServerLine::Points);
    let story = pages(std::mem::take(&mut state.story).into_iter()).map(ServerLine::Story);
    let at_work = state.index.active.clone();
    let logs = std::mem::take(&mut state.logs).into_iter().flat_map(move |(job, ring)| {
        let is_whole = job.is_none_or(|job| at_work.contains(&job));
        log_pages(if is_whole { ring } else { latest(ring) }).map(move |ring| ServerLine::Log { job, ring })
    });
    let head = std::iter::once(ServerLine::Head(Box::new(state)));
    head.chain(jobs).chain(story).chain(points).chain(logs).chain(std::iter::once(ServerLine::End(seq)))
}

/// The entries by the page.
fn pages<T: Serialize>(mut entries: impl Iterator<Item = T>) -> impl Iterator<Item = Vec<T>> {
    std::iter::from_fn(move || {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while bytes < PAGE {
            let Some(entry) = entries.next() else { break };
            bytes += bytes_of(&entry);
            page.push(entry);
        }
        (!page.is_empty()).then_some(page)
    })
}

/// How long an entry is on the line.
fn bytes_of(entry: &impl Serialize) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // What cannot be written is left out where it is to be written.
    let _ = serde_json::to_writer(&mut count, entry);
    count.0
}

/// A log by the page; one without lines has a page too, with its counts.
fn log_pages(mut ring: LogRing) -> impl Iterator<Item = LogRing> {
    let lines = std::mem::take(&mut ring.lines);
    let empty = lines.is_empty().then(|| ring.clone());
    let with_lines = pages(lines.into_iter()).map(move |page| LogRing { lines: page.into(), ..ring });
    empty.into_iter().chain(with_lines)
}

fn latest(mut ring: LogRing) -> LogRing {
    let extra = ring.lines.len().saturating_sub(LOG_LINES);
    ring.lines.drain(..extra);
    ring
}

/// A snapshot that is being received.
#[derive(Debug, Default)]
pub(super) struct Receiving(Option<Box<State>>);

impl Receiving {
    /// Takes a line; gives the snapshot when it is complete, and the line back when it is of none.
    pub(super) fn take(&mut self, line: ServerLine) -> Result<Option<Box<State>>, Box<ServerLine>> {
        match (line, &mut self.0) {
            (ServerLine::Head(head), _) => {
                let (jobs, logs) = (BTreeMap::new(), BTreeMap::new());
                let head = State { jobs, logs, history: VecDeque::new(), story: VecDeque::new(), ..*head };
                self.0 = Some(Box::new(head));
            }
            (ServerLine::Jobs(jobs), Some(state)) => state.jobs.extend(jobs.into_iter().map(|job| (job.id, job))),
            (ServerLine::Points(points), Some(state)) => state.history.extend(points),
            (ServerLine::Story(events), Some(state)) => state.story.extend(events),
            (ServerLine::Log { job, ring }, Some(state)) => {
                let known = state.logs.entry(job).or_default();
                known.lines.extend(ring.lines);
                (known.total, known.touched) = (ring.total, ring.touched);
            }
            (ServerLine::End(_), _) => return Ok(self.0.take()),
            (line, _) => return Err(Box::new(line)),
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Event, EventKind, Seq};
    use crate::domain::job::{JobId, LogLevel};
    use crate::domain::media::{Extras, MediaInfo, SubtitleStream};
    use crate::domain::time::{Mono, Wall};
    use crate::domain::units::Bytes;

    /// What is known after `jobs` were queued, each with some lines of its log.
    fn known(jobs: u64) -> State {
        let mut state = State::default();
        let mut seq = 0;
        let mut tell = |kind| {
            seq += 1;
            state.apply(&Event { seq: Seq(seq), at: Wall(5), mono: Mono::from_millis(seq), kind });
        };
        for number in 1..=jobs {
            let job = JobId(number);
            tell(EventKind::JobQueued {
                job,
                input: format!("/v/{number}.mp4").into(),
                size_bytes: Bytes(number),
                preset: "web-720p".to_owned(),
                output: Some(format!("/out/{number}.mp4").into()),
                rank: number as i64,
            });
            for line in 0..3 {
                tell(EventKind::JobLogged { job: Some(job), level: LogLevel::Info, text: format!("line {line}"), own: false });
            }
        }
        state
    }

    #[test]
    fn a_snapshot_comes_back_from_its_lines_as_it_was() {
        let state = known(250);
        let mut receiving = Receiving::default();
        let mut got = None;
        for line in lines(state.clone()) {
            let text = serde_json::to_string(&line).expect("JSON");
            assert!(text.len() < 2 * PAGE, "{} bytes", text.len());
            let line = serde_json::from_str(&text).expect("a line");
            got = receiving.take(line).expect("of a snapshot");
        }
        assert_eq!(*got.expect("complete"), state);
    }

    #[test]
    fn films_with_any_number_of_tracks_make_no_line_too_long() {
        let title = Some("for the hard of hearing".to_owned());
        let subtitle = SubtitleStream { codec: "subrip".to_owned(), title, ..SubtitleStream::default() };
        let extras = Extras { subtitles: vec![subtitle; 60], ..Extras::default() };
        let mut state = known(200);
        for job in state.jobs.values_mut() {
            job.media = Some(MediaInfo { extras: extras.clone(), ..MediaInfo::default() });
        }
        let lengths: Vec<usize> = lines(state).map(|line| serde_json::to_string(&line).expect("JSON").len()).collect();
        assert!(lengths.iter().sum::<usize>() > 1024 * 1024, "else this proves nothing");
        assert!(lengths.iter().all(|length| *length < 2 * PAGE), "{lengths:?}");
    }

    #[test]
    fn whoever_comes_later_gets_the_whole_story_and_all_lines_that_are_kept_of_what_is_at_work() {
        let mut state = known(2);
        let mut seq = state.seq.0;
        let mut tell = |kind| {
            seq += 1;
            state.apply(&Event { seq: Seq(seq), at: Wall(5), mono: Mono::from_millis(seq), kind });
        };
        tell(EventKind::JobAdmitted { job: JobId(1), attempt: 1, reserved_bytes: Bytes(1) });
        for number in 0..1500 {
            let text = format!("{number} {}", "x".repeat(120));
            tell(EventKind::JobLogged { job: Some(JobId(1)), level: LogLevel::Info, text: text.clone(), own: false });
            tell(EventKind::JobLogged { job: None, level: LogLevel::Memory, text, own: true });
            tell(if number % 2 == 0 { EventKind::QueuePaused } else { EventKind::QueueResumed });
        }
        assert_eq!((state.story.len(), state.story_left_out), (crate::domain::state::STORY_KEPT, 500));
        let mut receiving = Receiving::default();
        let mut got = None;
        for line in lines(state.clone()) {
            let text = serde_json::to_string(&line).expect("JSON");
            assert!(text.len() < super::super::SERVER_LINE, "{} bytes", text.len());
            got = receiving.take(serde_json::from_str(&text).expect("a line")).expect("of a snapshot");
        }
        assert_eq!(*got.expect("complete"), state);
    }

    #[test]
    fn a_line_of_no_snapshot_is_given_back() {
        let mut receiving = Receiving::default();
        assert!(receiving.take(ServerLine::Bye).is_err());
        assert!(receiving.take(ServerLine::Jobs(Vec::new())).is_err(), "no snapshot has begun");
    }
}
