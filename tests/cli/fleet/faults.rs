//! Every step of a job on its way through a worker, broken in every way: the worker is killed there, stands still past its lease,
//! is cut off from the database and the store, or for a blink. Real workers, a real PostgreSQL, a real S3 server; what is broken
//! stands between them ([`crate::gate`]). Whatever happens, each job has one output with the right bytes.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use plimsoll::host::fleet::db::Database;
use tokio_postgres::Row;

use super::fixture::{Fleet, Worker};
use super::s3::environment;
use crate::gate::{Gate, Side};
use crate::s3::Server;
use crate::support::campaign::Dice;
use crate::support::clips::clips;
use crate::support::{PATIENCE, World, files_below, patient_ffmpeg};

/// Given up after this.
const LEASE: &str = "2s";
/// Fleets at once, each with a database, a store and a box that is well; its cases come one after the other.
const FLEETS: usize = 6;
/// What every statement of a claim's holder says beside the job.
const FENCE: &str = "AND j.worker = $2 AND j.fence = $3 AND j.state = 'running'";

/// Where it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// This word to the database, or in its answer.
    Database(&'static str, Side),
    /// This word to the store, or in its answer.
    Store(&'static str, Side),
    /// The claim's answer: its word is the name of the input.
    Claimed,
    /// While ffmpeg runs.
    Converting,
}

/// Each step by its name. Requests name the part of the store where the file is.
const STEPS: [(&str, At); 15] = [
    ("claimed", At::Claimed),
    ("fetches", At::Store("GET /films/prod/in/", Side::Before)),
    ("fetched", At::Store("GET /films/prod/in/", Side::After)),
    ("inspected", At::Database("SET needs = $4, size_bytes = $5", Side::After)),
    ("converts", At::Converting),
    ("intends", At::Database("INSERT INTO plimsoll.output (key, job, fence) SELECT", Side::Before)),
    ("intended", At::Database("INSERT INTO plimsoll.output (key, job, fence) SELECT", Side::After)),
    ("stores", At::Store("PUT /films/prod/out/", Side::Before)),
    ("stored", At::Store("PUT /films/prod/out/", Side::After)),
    ("looks", At::Store("HEAD /films/prod/out/", Side::Before)),
    ("commits", At::Database("took_seconds = $9", Side::Before)),
    ("committed", At::Database("took_seconds = $9", Side::After)),
    ("publishes", At::Store("POST /films/prod/films/", Side::Before)),
    ("published", At::Store("POST /films/prod/films/", Side::After)),
    ("tells", At::Database("UPDATE plimsoll.target SET published", Side::After)),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// The worker is killed; what it had sent arrives late.
    Kill,
    /// It stands still past its lease, and so does what it had sent; then both go on.
    Stop,
    /// It is cut off from database and store past its lease.
    Cut,
    /// All its connections are cut, and come about again at once.
    Blink,
}

const FAULTS: [Fault; 4] = [Fault::Kill, Fault::Stop, Fault::Cut, Fault::Blink];

#[derive(Debug, Clone)]
struct Case {
    number: usize,
    step: &'static str,
    at: At,
    fault: Fault,
    /// Between the end of what was wrong and the arrival of what was held.
    late: Duration,
    /// The control: the database hears nothing of worker, fence and state.
    is_fenced: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} ({})", self.step, self.fault, self.number)
    }
}

impl Case {
    fn new(number: usize, (step, at): (&'static str, At), fault: Fault) -> Self {
        Self { number, step, at, fault, late: Duration::ZERO, is_fenced: true }
    }

    fn worker(&self) -> String {
        format!("w{}", self.number)
    }

    fn input(&self) -> String {
        format!("in/case-{}.mp4", self.number)
    }
}

/// Statements of an operator's.
pub(super) struct Sql {
    runtime: tokio::runtime::Runtime,
    db: Database,
}

impl Sql {
    pub(super) fn new(fleet: &Fleet<'_>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, db: Database::new(&fleet.postgres.address()).expect("an address") }
    }

    pub(super) fn rows(&self, statement: &str) -> Vec<Row> {
        self.runtime.block_on(self.db.rows(statement, &[])).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    fn until(&self, what: &str, question: &str, fleet: &Fleet<'_>) {
        let deadline = Instant::now() + PATIENCE;
        while !self.rows(question)[0].get::<_, bool>(0) {
            assert!(Instant::now() < deadline, "{what} did not come\n{}", fleet.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What all cases share.
struct Campaign<'w> {
    fleet: Fleet<'w>,
    server: Server,
    tools: PathBuf,
    /// The box that is well.
    well: String,
    /// What ffmpeg makes of the film.
    wanted: String,
    _worker: Worker,
}

impl<'w> Campaign<'w> {
    fn new(world: &'w World) -> Option<Self> {
        let server = Server::start();
        server.manners.honest.store(true, Ordering::SeqCst);
        let fleet = Fleet::with_files(world, LEASE, environment(&server))?;
        let worker = fleet.worker("well", &[]);
        let sql = Sql::new(&fleet);
        put(&server, "in/model.mp4");
        sql.rows(&queued("in/model.mp4", "nobody"));
        sql.until("the model", "SELECT bool_and(state = 'done') FROM plimsoll.job", &fleet);
        let row = &sql.rows("SELECT w.box, o.blake3 FROM plimsoll.output o, plimsoll.worker w WHERE o.state = 'committed'")[0];
        let (well, wanted) = (row.get(0), row.get(1));
        Some(Self { tools: patient_ffmpeg(world), fleet, server, well, wanted, _worker: worker })
    }

    /// Runs one case to its end: the job is done, and its worker has nothing of it any more.
    fn one(&self, case: &Case) {
        let (fleet, world, name) = (&self.fleet, self.fleet.world, case.worker());
        let sql = Sql::new(fleet);
        let socket = socket_of(&fleet.postgres.address());
        let folder = world.path(format!("gates/{name}"));
        let (database, store) = (Gate::of_database(&folder, socket), Gate::of_store(self.server.at));
        if !case.is_fenced {
            database.blank(FENCE);
        }
        let held_at = match case.at {
            At::Database(word, side) => (&database, word.to_owned(), side),
            At::Store(word, side) => (&store, word.to_owned(), side),
            At::Claimed | At::Converting => (&database, case.input(), Side::Answer),
        };
        if case.at != At::Converting {
            held_at.0.hold(&held_at.1, held_at.2);
        }
        let queue = format!("postgres://postgres@/postgres?host={}", folder.display());
        let tools = self.tools.to_string_lossy().into_owned();
        let more: &[&str] = if case.at == At::Converting { &["--ffmpeg", &tools] } else { &[] };
        let environment = [("PLIMSOLL_QUEUE", queue.as_str()), ("AWS_ENDPOINT_URL", &store.endpoint())];
        let mut worker = fleet.worker_with(&name, more, &environment);
        put(&self.server, &case.input());
        // Nobody else takes it before its worker has it.
        let job: i64 = sql.rows(&queued(&case.input(), &self.well))[0].get(0);
        if case.at == At::Converting {
            let children = world.path(format!("{name}/children"));
            wait(&format!("{case}: it converts"), fleet, || {
                std::fs::read_to_string(&children).is_ok_and(|told| told.contains('+'))
            });
        } else {
            assert!(held_at.0.is_held_within(PATIENCE), "{case}: it never came there\n{}", fleet.logs());
        }
        match case.fault {
            Fault::Kill => worker.signal(libc::SIGKILL),
            Fault::Stop => worker.signal(libc::SIGSTOP),
            Fault::Cut | Fault::Blink => {
                database.cut();
                store.cut();
            }
        }
        // Its ffmpeg goes on, if that is where it was.
        let _ = std::fs::create_dir_all(world.path(format!("{name}/scratch")));
        std::fs::write(world.path(format!("{name}/scratch/go")), "").expect("written");
        if case.fault == Fault::Blink {
            database.mend();
            store.mend();
        } else {
            sql.rows(&format!("UPDATE plimsoll.job SET avoid = '{{}}' WHERE id = {job} RETURNING pg_notify('plimsoll', 'queued')"));
        }
        sql.until(&format!("{case}: its end"), &format!("SELECT state = 'done' FROM plimsoll.job WHERE id = {job}"), fleet);
        match case.fault {
            Fault::Kill => held_at.0.let_go(),
            Fault::Stop => {
                worker.signal(libc::SIGCONT);
                std::thread::sleep(case.late);
                held_at.0.let_go();
            }
            Fault::Cut => {
                database.mend();
                store.mend();
            }
            Fault::Blink => {}
        }
        if case.fault != Fault::Kill {
            let places = world.path(format!("{name}/fleet"));
            wait(&format!("{case}: it has nothing of it any more"), fleet, || files_below(&places).is_empty());
        }
        let _ = worker.child.kill();
    }

    /// What is not as it was promised, in words.
    fn complaints(&self, are_fenced: bool) -> Vec<String> {
        let sql = Sql::new(&self.fleet);
        // What its worker did not get to is somebody else's after half a minute.
        sql.rows("UPDATE plimsoll.job SET ended_at = ended_at - interval '1 min' WHERE state = 'done' RETURNING 1");
        // A box looks for that when it has nothing else to do.
        let published = "SELECT NOT EXISTS (SELECT FROM plimsoll.target WHERE NOT published), pg_notify('plimsoll', 'queued')";
        if are_fenced {
            sql.until("every wished name", published, &self.fleet);
        }
        self.fleet.ok(&["gc", "--older-than", "0s"]);
        let mut complaints = Vec::new();
        let mut keys: BTreeMap<PathBuf, i64> = BTreeMap::new();
        let jobs = "SELECT j.id, j.input, j.state, j.deaths, array_remove(array_agg(o.key), NULL), array_remove(array_agg(o.blake3), NULL),
                j.target FROM plimsoll.job j LEFT JOIN plimsoll.output o ON o.job = j.id AND o.state = 'committed' GROUP BY j.id";
        for row in sql.rows(jobs) {
            let (job, input, state): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
            let (deaths, outputs, hashes): (i32, Vec<String>, Vec<String>) = (row.get(3), row.get(4), row.get(5));
            let target: Option<String> = row.get(6);
            let mut complain = |why: String| complaints.push(format!("job {job}, {input}: {why}"));
            if state != "done" || deaths != 0 {
                complain(format!("{state}, {deaths} deaths"));
            }
            if outputs.len() != 1 || hashes.iter().any(|hash| *hash != self.wanted) {
                complain(format!("{} committed outputs with {hashes:?}", outputs.len()));
            }
            for key in outputs.iter().chain(&target) {
                let file = self.server.file(&format!("prod/{key}"));
                match std::fs::read(&file) {
                    Ok(bytes) if blake3::hash(&bytes).to_hex().as_str() == self.wanted => {}
                    Ok(bytes) => complain(format!("{key} holds {} other bytes", bytes.len())),
                    Err(error) => complain(format!("{key}: {error}")),
                }
            }
            keys.extend(outputs.iter().map(|key| (PathBuf::from(key.strip_prefix("out/").unwrap_or(key)), job)));
        }
        for file in files_below(&self.server.file("prod/out")) {
            let below = file.strip_prefix(self.server.file("prod/out")).unwrap_or(&file).to_owned();
            if !keys.contains_key(&below) {
                complaints.push(format!("{} is nobody's", below.display()));
            }
        }
        complaints
    }
}

fn wait(what: &str, fleet: &Fleet<'_>, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{what} did not come\n{}", fleet.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The film under this key.
fn put(server: &Server, key: &str) {
    let file = server.file(&format!("prod/{key}"));
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    std::fs::copy(clips().tiny(), file).expect("copied");
}

/// Queues a film with a wished name, which this box does not take. Its number.
fn queued(input: &str, avoided: &str) -> String {
    let target = input.replace("in/", "films/");
    format!(
        "WITH made AS (
            INSERT INTO plimsoll.job (input, preset, definition, target, avoid)
            SELECT '{input}', name, definition, '{target}', ARRAY['{avoided}'] FROM plimsoll.preset WHERE name = 'proxy-480p'
            RETURNING id
         ), wished AS (INSERT INTO plimsoll.target (key, job) SELECT '{target}', id FROM made)
         SELECT id, pg_notify('plimsoll', 'queued') FROM made"
    )
}

pub(super) fn socket_of(address: &str) -> PathBuf {
    Path::new(address.split_once("host=").expect("a socket").1).join(".s.PGSQL.5432")
}

/// Runs all of them, in several fleets at once. What is not as it was promised; `None` = there is no PostgreSQL.
fn complaints_of(cases: Vec<Case>) -> Option<Vec<String>> {
    let (count, began) = (cases.len(), Instant::now());
    // Without the fence whoever wakes late may change anything, also that a job is done.
    let are_fenced = cases.iter().all(|case| case.is_fenced);
    let left = Mutex::new(VecDeque::from(cases));
    let next = || left.lock().ok().and_then(|mut left| left.pop_front());
    let fleet = || {
        let world = World::new();
        let campaign = Campaign::new(&world)?;
        while let Some(case) = next() {
            campaign.one(&case);
        }
        Some(campaign.complaints(are_fenced))
    };
    let complaints: Vec<Option<Vec<String>>> = std::thread::scope(|scope| {
        let fleets: Vec<_> = (0..FLEETS.min(count)).map(|_| scope.spawn(fleet)).collect();
        fleets.into_iter().map(|fleet| fleet.join().unwrap_or_else(|failed| std::panic::resume_unwind(failed))).collect()
    });
    println!("{count} cases in {:.0} s", began.elapsed().as_secs_f64());
    Some(complaints.into_iter().collect::<Option<Vec<_>>>()?.concat())
}

#[test]
fn at_every_step_a_worker_may_be_lost_or_an_answer_and_each_job_has_one_output() {
    // Each step in one of the ways that outlast the lease; where an answer is held, that answer lost too.
    let lasting = STEPS.into_iter().zip([Fault::Kill, Fault::Stop, Fault::Cut].into_iter().cycle());
    let is_answer = |at: At| matches!(at, At::Claimed | At::Database(_, Side::After) | At::Store(_, Side::After));
    let lost = STEPS.into_iter().filter(|(_, at)| is_answer(*at)).map(|step| (step, Fault::Blink));
    let cases = lasting.chain(lost).enumerate().map(|(number, (step, fault))| Case::new(number, step, fault));
    let Some(complaints) = complaints_of(cases.collect()) else { return };
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
#[ignore = "every step in every way (a minute and a half); `just fleet` runs it"]
fn at_every_step_a_worker_may_be_killed_stopped_or_cut_off_and_each_job_has_one_output() {
    let all = STEPS.into_iter().flat_map(|step| FAULTS.map(|fault| (step, fault)));
    let cases = all.enumerate().map(|(number, (step, fault))| Case::new(number, step, fault));
    let Some(complaints) = complaints_of(cases.collect()) else { return };
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
#[ignore = "a hundred seeds (three minutes); `just fleet` runs it"]
fn a_worker_that_stands_still_anywhere_changes_nothing_when_it_wakes_in_a_hundred_seeds() {
    let of = |seed: usize| {
        let mut dice = Dice::new(seed as u64 + 1);
        let step = STEPS[dice.below(STEPS.len() as u64) as usize];
        Case { late: Duration::from_millis(dice.below(1500)), ..Case::new(seed, step, Fault::Stop) }
    };
    let Some(complaints) = complaints_of((0..100).map(of).collect()) else { return };
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn without_the_fence_the_late_finish_of_a_worker_that_wakes_doubles_an_output() {
    let commits = STEPS.into_iter().find(|(step, _)| *step == "commits").expect("a step");
    let Some(complaints) = complaints_of(vec![Case { is_fenced: false, ..Case::new(0, commits, Fault::Stop) }]) else { return };
    assert!(complaints.iter().any(|complaint| complaint.contains("2 committed outputs")), "{complaints:?}");
}
