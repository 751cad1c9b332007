use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use super::schema::VERSION;
use super::*;
use crate::domain::cleanup::{CleanupAction, CleanupId, CleanupVerdict};
use crate::domain::event::{EventKind, JobCounts};
use crate::domain::job::{JobId, RejectReason};
use crate::domain::memory::Lines;
use crate::domain::time::{Mono, Wall};
use crate::domain::units::Bytes;
use crate::engine::estimate::KEPT as PEAKS_OF_ONE;
use crate::host::files::file_id::{self, FileId};
use crate::host::fixtures::quick;

fn open(dir: &Path) -> (Store, UnboundedReceiver<Input>) {
    let (inputs, received) = unbounded_channel();
    (Store::open(dir, inputs).expect("opened"), received)
}

fn event(seq: u64, kind: EventKind) -> Event {
    Event { seq: Seq(seq), at: Wall(1_000), mono: Mono::from_millis(5), kind }
}

fn queued(seq: u64, input: &Path) -> Event {
    let output = Some(PathBuf::from(OsStr::from_bytes(b"/out/\xfe\n.mp4")));
    let kind = EventKind::JobQueued {
        job: JobId(seq),
        input: input.to_owned(),
        size_bytes: Bytes(7),
        preset: "quick".to_owned(),
        output,
        rank: 3,
    };
    event(seq, kind)
}

fn admitted(seq: u64) -> Event {
    event(seq, EventKind::JobAdmitted { job: JobId(seq), attempt: 1, reserved_bytes: Bytes(7) })
}

/// Waits until everything up to `seq` is said to be on disk.
fn wait_for(received: &mut UnboundedReceiver<Input>, seq: u64) {
    loop {
        match received.blocking_recv().expect("the store is open") {
            Input::Persisted(done) if done.0 >= seq => return,
            Input::Persisted(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn output_record(dir: &Path, input: &Path, output: &Path) -> OutputRecord {
    let made = FileId::of(output).expect("stat");
    OutputRecord {
        path: output.to_owned(),
        input: input.to_owned(),
        input_id: FileId::of(input).expect("stat"),
        input_hash: file_id::hash(input).expect("read"),
        preset: dir.display().to_string(),
        preset_hash: preset_hash(&quick()),
        size: made.size,
        ino: made.ino,
        made_at: Wall(5),
    }
}

#[test]
fn an_event_is_in_the_file_when_it_is_said_to_be_with_its_paths_byte_for_byte() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, mut received) = open(dir.path());
    let odd = Path::new(OsStr::from_bytes(b"/in/caf\xe9\x1b\n.mp4"));
    let rejected = EventKind::JobRejected {
        job: JobId(1),
        input: odd.to_owned(),
        size_bytes: Bytes(7),
        limit_bytes: None,
        reason: RejectReason::Empty,
        detail: "empty".to_owned(),
    };
    let events = [queued(1, odd), event(2, rejected), event(3, EventKind::AdmissionResumed)];
    for event in events.clone() {
        store.persist(event);
    }
    wait_for(&mut received, 3);
    // Seen through a connection of its own, as after a crash.
    let other = Connection::open(store.path()).expect("opened");
    assert_eq!(read_journal(&other, store.run(), Seq(0), usize::MAX).expect("read"), (events.to_vec(), 0));
    let row: (String, i64, Vec<u8>) = other
        .query_row("SELECT kind, job, input FROM events WHERE seq = 1", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("read");
    assert_eq!(row, ("job_queued".to_owned(), 1, odd.as_os_str().as_bytes().to_vec()));
}

#[test]
fn closing_writes_what_is_still_to_be_written() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, _received) = open(dir.path());
    for seq in 1..=5000 {
        store.persist(queued(seq, Path::new("/in/a.mp4")));
    }
    let (run, path) = (store.run(), store.path().to_owned());
    drop(store);
    let connection = Connection::open(path).expect("opened");
    assert_eq!(read_journal(&connection, run, Seq(0), usize::MAX).expect("read").0.len(), 5000);
}

#[test]
fn many_events_share_one_commit_and_the_answers_rise() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, mut received) = open(dir.path());
    // While the file is held by somebody else, what comes meanwhile piles up.
    let other = Connection::open(store.path()).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    for seq in 1..=1000 {
        store.persist(queued(seq, Path::new("/in/a.mp4")));
    }
    other.execute_batch("COMMIT").expect("let go");
    let (mut last, mut answers) = (0, 0);
    while last < 1000 {
        let Some(Input::Persisted(seq)) = received.blocking_recv() else { panic!("no answer") };
        assert!(seq.0 > last);
        (last, answers) = (seq.0, answers + 1);
    }
    assert!(answers <= 10, "{answers} commits for 1000 events");
}

#[test]
fn an_admission_is_written_at_once_and_takes_with_it_what_came_just_before() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, mut received) = open(dir.path());
    let mut alone = 0;
    for seq in (1..=40).step_by(2) {
        store.persist(queued(seq, Path::new("/in/a.mp4")));
        store.persist(admitted(seq + 1));
        while received.blocking_recv() != Some(Input::Persisted(Seq(seq + 1))) {
            alone += 1;
        }
    }
    // A test that is not given the processor between the two for a while sees two commits.
    assert!(alone < 10, "{alone} of 20 were written by themselves");
    // Nobody waits for this one, and still it is written.
    store.persist(queued(41, Path::new("/in/a.mp4")));
    wait_for(&mut received, 41);
}

#[test]
fn the_journal_of_the_last_twenty_runs_is_kept() {
    let dir = tempfile::tempdir().expect("folder");
    for run in 1..=23 {
        let (store, mut received) = open(dir.path());
        assert_eq!(store.run(), run);
        store.persist(queued(1, Path::new("/in/a.mp4")));
        wait_for(&mut received, 1);
    }
    let (store, _received) = open(dir.path());
    let kept: Vec<i64> = (1..=24).filter(|run| !store.journal(*run).expect("read").0.is_empty()).collect();
    assert_eq!(kept, (5..=23).collect::<Vec<_>>(), "and the current one");
}

#[test]
fn those_that_only_queue_take_the_place_of_no_past_run() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, mut received) = open(dir.path());
    store.persist(queued(1, Path::new("/in/a.mp4")));
    wait_for(&mut received, 1);
    drop(store);
    for _ in 0..25 {
        drop(open(dir.path()));
    }
    let (store, _received) = open(dir.path());
    assert!(!store.journal(1).expect("read").0.is_empty());
    let runs: i64 = store.read(|reader| reader.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))).expect("read");
    assert_eq!((store.run(), runs), (27, 2), "its own and the one with a journal");
}

#[test]
fn an_output_is_remembered_across_runs() {
    let dir = tempfile::tempdir().expect("folder");
    let (input, output) = (dir.path().join("i"), dir.path().join(OsStr::from_bytes(b"o\xff\n")));
    std::fs::write(&input, "input").expect("written");
    std::fs::write(&output, "output").expect("written");
    let record = output_record(dir.path(), &input, &output);
    let (store, _received) = open(dir.path());
    assert_eq!(store.find(&output), Ok(None));
    let recorded = record.clone();
    store.change(Box::new(move |connection| insert_record(connection, &recorded))).expect("recorded");
    drop(store);
    let (store, _received) = open(dir.path());
    assert_eq!(store.find(&output), Ok(Some(record.clone())));
    assert_eq!(store.lookup(&output), Some(record));
}

#[test]
fn already_done_survives_a_touch_and_a_copy_but_not_other_bytes() {
    let dir = tempfile::tempdir().expect("folder");
    let (input, copy, output) = (dir.path().join("i"), dir.path().join("c"), dir.path().join("o"));
    std::fs::write(&input, "input").expect("written");
    std::fs::write(&output, "output").expect("written");
    let record = output_record(dir.path(), &input, &output);
    let definition = preset_hash(&quick());
    let current = |input: &Path| record.is_current(input, &definition).expect("read");
    assert!(current(&input));
    assert!(!record.is_current(&input, &preset_hash(&Preset { threads: 2, ..quick() })).expect("read"));
    std::fs::copy(&input, &copy).expect("copied");
    assert!(current(&copy), "the same bytes under another name");
    std::fs::write(&input, "input").expect("touched");
    assert_ne!(FileId::of(&input).expect("stat"), record.input_id);
    assert!(current(&input), "touched");
    std::fs::write(&input, "ipnut").expect("changed");
    assert!(!current(&input), "as many other bytes");
    std::fs::write(&input, "input").expect("restored");
    std::fs::write(dir.path().join("n"), "output").expect("written");
    std::fs::rename(dir.path().join("n"), &output).expect("replaced");
    assert!(!current(&input), "somebody replaced the output");
    std::fs::remove_file(&output).expect("removed");
    assert!(!current(&input), "the output is gone");
}

#[test]
fn a_damaged_file_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join(FILE_NAME);
    let refuse = || Store::open(dir.path(), unbounded_channel().0).expect_err("refused");
    std::fs::write(&path, "this is no database, and long enough to be looked at").expect("written");
    let error = refuse();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains("mv "), "{text}");

    std::fs::remove_file(&path).expect("removed");
    let (store, mut received) = open(dir.path());
    for seq in 1..=500 {
        store.persist(queued(seq, Path::new("/in/a.mp4")));
    }
    wait_for(&mut received, 500);
    drop(store);
    let mut bytes = std::fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[4096 * 3..middle].fill(0xAA);
    std::fs::write(&path, bytes).expect("written");
    let error = refuse();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");

    let connection = Connection::open(dir.path().join("new.db")).expect("opened");
    connection.pragma_update(None, "user_version", VERSION + 1).expect("set");
    drop(connection);
    std::fs::rename(dir.path().join("new.db"), &path).expect("renamed");
    assert_eq!(refuse(), StoreError::OtherFormat { path: path.display().to_string(), found: VERSION + 1 });
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().expect("folder");
    std::fs::write(dir.path().join("file"), "").expect("written");
    let error = Store::open(&dir.path().join("file"), unbounded_channel().0).expect_err("refused");
    assert!(matches!(error, StoreError::Unwritable { .. }), "{error:?}");
    let error = Store::open(Path::new("/proc/plimsoll"), unbounded_channel().0).expect_err("refused");
    assert!(error.to_string().contains("--state-dir"), "{error}");
}

#[test]
fn a_journal_that_cannot_be_written_is_a_fault_and_is_written_when_it_can_be() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, mut received) = open(dir.path());
    let other = Connection::open(store.path()).expect("opened");
    other.execute_batch("ALTER TABLE events RENAME TO hidden").expect("renamed");
    store.persist(queued(1, Path::new("/in/a.mp4")));
    let Some(Input::Fault { what, .. }) = received.blocking_recv() else { panic!("no fault") };
    assert!(what.contains("journal"), "{what}");
    other.execute_batch("ALTER TABLE hidden RENAME TO events").expect("renamed");
    wait_for(&mut received, 1);
    assert_eq!(store.journal(store.run()).expect("read").0.len(), 1);
}

fn note(seq: u64) -> Event {
    event(
        seq,
        EventKind::CleanupFinished {
            cleanup: CleanupId(seq),
            action: CleanupAction::TrimHeap,
            before_bytes: Bytes(9),
            after_bytes: Bytes(8),
            freed_bytes: Bytes(1),
            millis: 2,
            verdict: CleanupVerdict::Effective,
        },
    )
}

#[test]
fn the_course_of_a_run_is_written_with_what_comes_next_and_read_back_in_order() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, mut received) = open(dir.path());
    let run = store.run();
    // Told late: the numbers decide where it belongs.
    store.note(note(4));
    store.note(note(2));
    store.persist(queued(1, Path::new("/in/a.mp4")));
    store.persist(admitted(3));
    wait_for(&mut received, 3);
    let past = past_events(dir.path(), run).expect("read beside the one who writes");
    assert_eq!(past.events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(past.events[1], note(2));
    assert_eq!(store.journal(run).expect("read").0.len(), 2, "the journal is of durable facts alone");
    let runs = past_runs(dir.path()).expect("read");
    assert_eq!((runs.len(), runs[0].events, runs[0].ending, runs[0].jobs.unfinished), (1, 4, Ending::CutOff, 1), "{runs:?}");
    // What nothing follows is written all the same, and at the end at once.
    store.note(note(5));
    drop(store);
    assert_eq!(past_events(dir.path(), run).expect("read").events.last(), Some(&note(5)));
}

#[test]
fn what_nothing_follows_is_written_within_seconds() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, _received) = open(dir.path());
    store.note(note(1));
    // A limit for the patience of the test alone; it is a second.
    let read = (0..1200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        let past = past_events(dir.path(), store.run()).expect("read");
        (!past.events.is_empty()).then_some(past.events)
    });
    assert_eq!(read, Some(vec![note(1)]));
}

#[test]
fn a_course_that_cannot_be_written_holds_nothing_up_and_is_no_fault() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, mut received) = open(dir.path());
    let other = Connection::open(store.path()).expect("opened");
    other.execute_batch("ALTER TABLE course RENAME TO hidden").expect("renamed");
    store.note(note(1));
    store.persist(admitted(2));
    // A fault would be told first, and fail the waiting.
    wait_for(&mut received, 2);
    other.execute_batch("ALTER TABLE hidden RENAME TO course").expect("renamed");
    store.note(note(3));
    store.persist(admitted(4));
    wait_for(&mut received, 4);
    let seqs: Vec<u64> = past_events(dir.path(), store.run()).expect("read").events.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, [2, 3, 4], "what could not be written is lost, what follows is not");
}

#[test]
fn of_a_very_long_run_the_latest_is_kept_and_how_it_began() {
    let mut connection = Connection::open_in_memory().expect("opened");
    prepare(&mut connection, Path::new("in memory")).expect("made");
    let change = connection.transaction().expect("begun");
    let started =
        EventKind::RunStarted { version: String::new(), governor: true, before: JobCounts::default(), preset: String::new() };
    let budget = EventKind::BudgetChanged {
        budget_bytes: Bytes(1),
        budget_source: String::new(),
        available_bytes: Bytes(1),
        by_operator: false,
        lines: Lines::default(),
    };
    journal::insert_event(&change, 1, &event(1, started)).expect("written");
    journal::insert_note(&change, 1, &event(2, budget)).expect("written");
    for seq in (3..=120_000).step_by(2) {
        journal::insert_event(&change, 1, &admitted(seq)).expect("written");
        journal::insert_note(&change, 1, &note(seq + 1)).expect("written");
    }
    journal::retain(&change).expect("cut");
    change.commit().expect("written");
    let (events, course) =
        (read_journal(&connection, 1, Seq(0), usize::MAX).expect("read").0, journal::read_course(&connection, 1));
    let course = course.expect("read").0;
    let ends = |events: &[Event]| (events[0].seq.0, events[1].seq.0, events[events.len() - 1].seq.0, events.len());
    assert_eq!(ends(&events), (1, 20_001, 119_999, 50_001));
    assert_eq!(ends(&course), (2, 20_002, 120_000, 50_001));
}

/// Prints what a durable record costs; the figure is for whoever reads it, the limit only catches a lost group commit.
#[test]
#[allow(clippy::disallowed_methods)] // a measurement
fn a_durable_record_takes_milliseconds_at_most() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, mut received) = open(dir.path());
    let mut beside = std::fs::File::create(dir.path().join("beside")).expect("made");
    let (mut times, mut plain): (Vec<u128>, Vec<u128>) = (Vec::new(), Vec::new());
    for seq in 1..=200 {
        let started = Instant::now();
        store.persist(admitted(seq));
        wait_for(&mut received, seq);
        times.push(started.elapsed().as_micros());
        // What the disk takes for as much just now.
        let started = Instant::now();
        beside.write_all(&[7; 4096]).and_then(|()| beside.sync_all()).expect("synced");
        plain.push(started.elapsed().as_micros());
    }
    times.sort_unstable();
    plain.sort_unstable();
    println!("persist to Persisted: median {} us, 95 % {} us; a plain fsync {} us", times[100], times[190], plain[100]);
    assert!(times[100] < 100_000 + 5 * plain[100], "{} us, a plain fsync {} us", times[100], plain[100]);
}

#[test]
fn the_last_peaks_of_each_recipe_are_kept_across_runs() {
    let dir = tempfile::tempdir().expect("folder");
    let (often, once) = (RecipeKey::from_text("often".to_owned()), RecipeKey::from_text("once".to_owned()));
    let mut told = Learned::default();
    let (store, _received) = open(dir.path());
    let peaks = [(&once, 70)].into_iter().chain((0..20).map(|number| (&often, 500 - number)));
    for (recipe, mb) in peaks {
        store.remember_peak(recipe.clone(), Bytes::mib(mb));
        told.remember(recipe.clone(), Bytes::mib(mb));
    }
    assert!(store.flush(Duration::from_mins(1)));
    assert_eq!(store.learned().expect("read"), told);
    drop(store);
    let (store, _received) = open(dir.path());
    assert_eq!(store.learned().expect("read"), told, "in a later run");
    let rows: i64 = Connection::open(store.path())
        .and_then(|connection| connection.query_row("SELECT count(*) FROM peaks", [], |row| row.get(0)))
        .expect("read");
    assert_eq!(rows as usize, 1 + PEAKS_OF_ONE);
}
