//! The queue against a model: whatever happens to jobs, the table says what [`State`] says, and a store that is opened again
//! hands out what was left in the order it had.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::domain::event::EventKind;
use crate::domain::job::{Outcome, Phase, Rank, RejectReason};
use crate::domain::state::State;
use crate::domain::time::{Mono, Wall};
use crate::engine::port::{Page, StoredJob};
use crate::host::fixtures::quick;
use crate::host::jobstore::NewJob;

fn batch(scan: u64, numbers: std::ops::Range<u64>) -> Batch {
    let job = |number: u64| {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let name = |kind: &str| PathBuf::from(format!("/{kind}/{number}.mp4"));
        NewJob { input: name("in"), key: InputKey(key), size: Bytes(100 + number), output: name("out"), place: None, taken: None }
    };
    let destination = Destination { out: "/out".into(), overwrite: false };
    Batch { scan: ScanId(scan), preset: quick(), destination, jobs: numbers.map(job).collect(), at: Wall(1) }
}

/// A store and what an engine would know of it.
struct ProcessIdentity {
    store: Store,
    inputs: UnboundedReceiver<Input>,
    state: State,
}

impl ProcessIdentity {
    fn begin(dir: &Path) -> Self {
        let (sender, inputs) = unbounded_channel();
        Self { store: Store::open(dir, sender).expect("opened"), inputs, state: State::default() }
    }

    fn emit(&mut self, kind: EventKind) {
        let seq = Seq(self.state.seq.0 + 1);
        let event = Event { seq, at: Wall(1000 + seq.0 as i64), mono: Mono::from_millis(seq.0), kind };
        self.state.apply(&event);
        if event.kind.is_durable() {
            self.store.persist(event);
        }
    }

    fn page(&mut self, limit: usize) -> Page {
        self.store.page(limit, Arc::default());
        loop {
            if let Input::Paged(page) = self.inputs.blocking_recv().expect("the store is open") {
                return page;
            }
        }
    }

    /// Lists a page, as the engine does.
    fn list(&mut self, limit: usize) {
        let page = self.page(limit);
        for job in &page.jobs {
            let StoredJob { id, input, size, output, preset, rank, attempts, allowed, .. } = job.clone();
            self.emit(EventKind::JobQueued { job: id, input, size_bytes: size, preset, output: Some(output), rank });
            self.emit(EventKind::JobRestored { job: id, attempts, allowed });
        }
        self.emit(EventKind::BacklogChanged { jobs: page.backlog.jobs, bytes: page.backlog.bytes });
    }

    fn enqueue(&mut self, batch: Batch) {
        let arrived = self.store.enqueue(batch).expect("queued");
        let known = self.state.backlog;
        self.emit(EventKind::BacklogChanged { jobs: known.jobs + arrived.jobs, bytes: known.bytes + arrived.bytes });
    }

    /// What happens to the job at this place of the list, if that can happen to it.
    fn act(&mut self, act: u8, pick: usize, rank: Rank) {
        let ids: Vec<JobId> = self.state.jobs.keys().copied().collect();
        let Some(job) = ids.get(pick % ids.len().max(1)).copied() else { return };
        let known = self.state.jobs[&job].clone();
        let (attempt, works) = (known.attempts, known.phase.holds_slot());
        let waits = matches!(known.phase, Phase::Queued);
        let finished = |outcome| EventKind::JobFinished {
            job,
            outcome,
            output: None,
            peak_memory_bytes: Bytes::ZERO,
            seconds: 1.0,
            attempts: attempt,
            exit_code: None,
            signal: None,
            reason: None,
            damage: None,
            left_out: Vec::new(),
        };
        let kind = match act {
            0 | 1 if waits => EventKind::JobAdmitted { job, attempt: attempt + 1, reserved_bytes: Bytes::ZERO },
            2 if works => finished(Outcome::Done),
            3 if works || waits => finished(Outcome::Failed),
            4 if works => EventKind::JobRequeued {
                job,
                attempt,
                reason: String::new(),
                delay_ms: 0,
                uncounted: rank % 2 == 0,
                for_room: false,
                away: None,
            },
            5 if waits => EventKind::JobRejected {
                job,
                input: known.input,
                size_bytes: known.size,
                limit_bytes: None,
                reason: RejectReason::TooLarge,
                detail: "too large".to_owned(),
            },
            6 if matches!(known.phase, Phase::Rejected(_)) => EventKind::JobAllowed { job, by_operator: rank % 2 == 0 },
            7 if matches!(known.phase, Phase::Rejected(_) | Phase::Finished(_)) => EventKind::JobRetried { job, rank },
            8 if waits => EventKind::JobMoved { job, rank },
            9 if waits => EventKind::JobParked { job },
            10 if !works => EventKind::JobRemoved { job, output: known.output },
            _ => return,
        };
        self.emit(kind);
    }

    fn rows(&self) -> BTreeMap<JobId, (i64, Rank, u32, bool)> {
        assert!(self.store.flush(Duration::from_mins(1)), "written");
        self.store
            .read(|reader| {
                let mut query = reader.prepare("SELECT id, state, rank, attempts, allowed FROM jobs")?;
                let rows = query.query_map([], |row| {
                    let id = JobId(row.get::<_, i64>(0)? as u64);
                    Ok((id, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
                })?;
                rows.collect()
            })
            .expect("read")
    }

    /// The table says of each listed job what the state says, and of the rest that it waits.
    fn assert_agrees(&self) {
        let rows = self.rows();
        for (id, job) in &self.state.jobs {
            let state = match &job.phase {
                Phase::Queued | Phase::Backoff { .. } => 0,
                Phase::Finished(_) => 2,
                Phase::Rejected(_) => 3,
                _ => 1,
            };
            assert_eq!(rows.get(id), Some(&(state, job.rank, job.attempts, job.allowed)), "{job:?}");
        }
        let unlisted = rows.iter().filter(|(id, row)| row.0 == 0 && !self.state.jobs.contains_key(id)).count();
        assert_eq!(unlisted as u64, self.state.backlog.jobs);
    }

    /// What waits or is at work, in the order of the queue.
    fn left(&self) -> Vec<JobId> {
        let rows = self.rows();
        let mut left: Vec<(Rank, JobId)> = rows.iter().filter(|(_, row)| row.0 <= 1).map(|(id, row)| (row.1, *id)).collect();
        left.sort_unstable();
        left.into_iter().map(|(_, id)| id).collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Enqueue(u64),
    List(usize),
    Act(u8, usize, Rank),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1_u64..6).prop_map(Step::Enqueue),
        3 => (1_usize..8).prop_map(Step::List),
        12 => (0_u8..11, any::<usize>(), -50_i64..50).prop_map(|(act, pick, rank)| Step::Act(act, pick, rank << 19)),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_says_what_the_state_says_whenever_the_store_is_opened_again(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().expect("folder");
        let mut life = ProcessIdentity::begin(dir.path());
        let mut queued = 0;
        for step in steps {
            match step {
                Step::Enqueue(count) => {
                    life.enqueue(batch(queued + 1, queued..queued + count));
                    queued += count;
                }
                Step::List(limit) => life.list(limit),
                Step::Act(act, pick, rank) => life.act(act, pick, rank),
                Step::Reopen => {
                    life.assert_agrees();
                    let left = life.left();
                    drop(life);
                    life = ProcessIdentity::begin(dir.path());
                    prop_assert_eq!(life.left(), left, "nothing is lost, and the order stays");
                    let count = |state: i64| {
                        let counted = life.store.read(|reader| {
                            reader.query_row("SELECT count(*) FROM jobs WHERE state = ?1", [state], |row| row.get::<_, i64>(0))
                        });
                        counted.expect("read") as u64
                    };
                    let (waiting, claimed) = (count(0), count(1));
                    prop_assert_eq!(claimed, 0, "what was at work waits again");
                    life.emit(EventKind::BacklogChanged { jobs: waiting, bytes: Bytes::ZERO });
                }
            }
        }
        life.assert_agrees();
        let left = life.left();
        drop(life);
        let mut life = ProcessIdentity::begin(dir.path());
        let page = life.page(usize::MAX >> 1);
        prop_assert_eq!(page.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), left);
        prop_assert_eq!(page.backlog, crate::domain::state::Backlog::default());
    }
}

#[test]
fn no_number_is_used_twice_even_when_nothing_is_left() {
    let dir = tempfile::tempdir().expect("folder");
    let mut life = ProcessIdentity::begin(dir.path());
    life.enqueue(batch(1, 0..3));
    life.list(10);
    for job in 1..=3 {
        life.emit(EventKind::JobRemoved { job: JobId(job), output: None });
    }
    drop(life);
    let mut life = ProcessIdentity::begin(dir.path());
    life.enqueue(batch(1, 0..1));
    assert_eq!(life.page(10).jobs[0].id, JobId(4));
}

#[test]
fn an_input_that_waits_or_is_at_work_is_not_queued_twice_and_one_that_has_ended_is() {
    let dir = tempfile::tempdir().expect("folder");
    let mut life = ProcessIdentity::begin(dir.path());
    life.enqueue(batch(1, 0..2));
    life.list(10);
    life.emit(EventKind::JobAdmitted { job: JobId(1), attempt: 1, reserved_bytes: Bytes::ZERO });
    let again = life.store.enqueue(batch(2, 0..3)).expect("asked");
    assert_eq!((again.jobs, again.known), (1, 2));
    let key = |number: u64| batch(1, number..number + 1).jobs[0].key;
    let once = |number, preset| Once { input: key(number), preset, out: Path::new("/out") };
    let standing = |life: &ProcessIdentity, scan, number| life.store.standing(ScanId(scan), once(number, "quick"));
    assert_eq!(standing(&life, 2, 2), Standing::Seen);
    assert_eq!(standing(&life, 3, 0), Standing::Queued);
    assert_eq!(life.store.standing(ScanId(3), once(0, "sound")), Standing::New, "another preset makes another output");
    life.act(2, 0, 0);
    assert!(life.store.flush(Duration::from_mins(1)));
    assert_eq!(standing(&life, 3, 0), Standing::New, "it has ended");
    drop(life);
    let life = ProcessIdentity::begin(dir.path());
    assert_eq!(standing(&life, 1, 1), Standing::Queued);
    // Its name is its own as long as it may still be made.
    let (mine, other) = (key(1), key(7));
    assert!(life.store.is_taken(Path::new("/out/1.mp4"), &other, "quick"));
    assert!(!life.store.is_taken(Path::new("/out/0.mp4"), &other, "quick"), "ended in an earlier run");
    assert!(life.store.is_input(&mine) && !life.store.is_input(&other));
}

#[test]
fn a_job_runs_with_the_preset_it_was_queued_with() {
    let dir = tempfile::tempdir().expect("folder");
    let mut life = ProcessIdentity::begin(dir.path());
    life.enqueue(batch(1, 0..1));
    drop(life);
    let mut life = ProcessIdentity::begin(dir.path());
    let now = Arc::new(BTreeMap::from([("quick".to_owned(), preset_hash(&Preset { threads: 2, ..quick() }))]));
    life.store.page(10, now);
    let Some(Input::Paged(page)) = life.inputs.blocking_recv() else { panic!("no page") };
    assert_eq!(page.jobs[0].definition.as_deref(), Some(&quick()));
    assert_eq!(life.store.preset_of(JobId(1)).expect("read").as_deref(), Some(&quick()));
    assert_eq!(life.store.preset_of(JobId(2)), Ok(None));
}

#[test]
fn deaths_in_a_row_are_counted_and_an_end_of_the_try_forgives_them() {
    let dir = tempfile::tempdir().expect("folder");
    let mut life = ProcessIdentity::begin(dir.path());
    life.enqueue(batch(1, 0..1));
    for deaths in 0..4 {
        let page = life.page(10);
        assert_eq!((page.jobs[0].deaths, page.interrupted), (deaths % 3, u64::from(deaths % 3 > 0)));
        life.emit(EventKind::JobAdmitted { job: JobId(1), attempt: 1, reserved_bytes: Bytes::ZERO });
        if deaths == 2 {
            let kind = EventKind::JobRequeued {
                job: JobId(1),
                attempt: 1,
                reason: String::new(),
                delay_ms: 0,
                uncounted: true,
                for_room: false,
                away: None,
            };
            life.emit(kind);
        }
        drop(life);
        life = ProcessIdentity::begin(dir.path());
        assert_eq!(life.store.interrupted_outputs().len(), usize::from(deaths != 2));
    }
}

#[test]
fn ended_jobs_and_events_are_kept_only_so_long() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, run) = {
        let life = ProcessIdentity::begin(dir.path());
        (life.store.clone(), life.store.run())
    };
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
        INSERT INTO events SELECT 1, 100 + i, 0, 'queue_paused', NULL, '{}', NULL, NULL FROM n";
    let jobs = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
        INSERT INTO jobs (run, scan, input, input_key, output, out, overwrite, preset, definition, size, rank, state,
        queued_at, ended_no) SELECT 1, 1, 'i', 'k', 'o', 'f', 0, 'p', 'd', 1, i, 2, 0, i FROM n";
    store.change(Box::new(move |connection| connection.execute_batch(&format!("{sql}; {jobs};")))).expect("written");
    drop(store);
    let life = ProcessIdentity::begin(dir.path());
    let count = |table: &str| {
        let query = format!("SELECT count(*) FROM {table}");
        life.store.read(|reader| reader.query_row(&query, [], |row| row.get::<_, i64>(0))).expect("read")
    };
    assert_eq!((run, count("jobs"), count("events")), (1, 10_000, 50_000));
}
