//! An engine behind a long queue, fed by hand: every order is answered at once, jobs run until they are told to end.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use plimsoll::config::search::{self, SearchPaths};
use plimsoll::domain::account::Account;
use plimsoll::domain::cleanup::{CleanupResult, CleanupVerdict};
use plimsoll::domain::command::{ClientId, Command, RequestId};
use plimsoll::domain::event::{Event, JobCounts};
use plimsoll::domain::job::{Exit, JobId, MediaInfo, Progress, VideoStream};
use plimsoll::domain::memory::{Budget, JobVitals, MemorySample, There};
use plimsoll::domain::preset::Preset;
use plimsoll::domain::profile::Profile;
use plimsoll::domain::state::Backlog;
use plimsoll::domain::time::{Mono, Now, Wall};
use plimsoll::domain::units::Bytes;
use plimsoll::engine::port::{Arrived, Effect, ExitReport, Input, Inspection, JobReport, Page, Published, ScanId, StoredJob};
use plimsoll::engine::{Engine, EngineConfig};

/// A shipped profile, with so many slots.
pub fn profile(slots: u32) -> Profile {
    let paths = SearchPaths::new(|_| None, None);
    let shipped: Profile = search::find(&paths, "balanced").expect("a shipped profile").value;
    Profile { max_concurrent: slots.into(), ..shipped }
}

/// How a run under the shipped settings goes.
pub fn config(slots: u32, governor: bool) -> EngineConfig {
    let paths = SearchPaths::new(|_| None, None);
    let preset: Preset = search::find(&paths, "web-720p").expect("a shipped preset").value;
    EngineConfig {
        profile: profile(slots),
        profiles: Vec::new(),
        presets: BTreeMap::from([(preset.name.clone(), preset.clone())]),
        preset: preset.name,
        check_preset: plimsoll::config::preset::check,
        retries: 2,
        timeout: None,
        stall: Some(Duration::from_mins(1)),
        disk_wait: None,
        governor,
        learned: plimsoll::engine::estimate::Learned::default(),
        version: "bench".to_owned(),
        before: JobCounts::default(),
        cores: 2.0,
    }
}

/// The engine, and what is still to be told to it.
pub struct Yard {
    /// The engine.
    pub engine: Engine,
    /// Events since they were last taken.
    pub events: Vec<Event>,
    answers: VecDeque<Input>,
    now: Duration,
    ticks: u64,
    /// Jobs in the stored queue, and how many of them were told.
    stored: u64,
    told: u64,
}

impl Yard {
    /// `jobs` in the queue, two of them running.
    pub fn new(jobs: u64) -> Self {
        let mut yard = Self {
            engine: Engine::new(config(2, true)),
            events: Vec::new(),
            answers: VecDeque::new(),
            now: Duration::ZERO,
            ticks: 0,
            stored: 0,
            told: 0,
        };
        let now = yard.now();
        let effects = yard.engine.start(now);
        yard.carry_out(effects);
        let sample = yard.sample();
        yard.settle(sample);
        let enqueue = Command::enqueue(vec![PathBuf::from("/srv/media")], None);
        yard.settle(Input::Command(ClientId(1), RequestId(1), enqueue));
        let numbers: Vec<u64> = (0..jobs).collect();
        for batch in numbers.chunks(256) {
            yard.stored += batch.len() as u64;
            let bytes = batch.iter().map(|number| stored(*number).size).sum();
            let last_rank = stored(yard.stored).rank;
            yard.settle(Input::Found(ScanId(1), Arrived { jobs: batch.len() as u64, bytes, known: 0, last_rank }));
            // A host that measures no memory while it scans would leave the engine blind.
            let sample = yard.sample();
            yard.settle(sample);
            yard.events.clear();
        }
        yard.settle(Input::ScanDone(ScanId(1), Vec::new()));
        assert_eq!(yard.running().len(), 2, "two jobs run");
        assert_eq!(yard.engine.state().unended(), jobs);
        yard
    }

    /// The time, which passes with every look at it.
    pub fn now(&mut self) -> Now {
        self.now += Duration::from_millis(125);
        Now { mono: Mono(self.now), wall: Wall(1_795_349_038_120 + self.now.as_millis() as i64) }
    }

    /// Gives an input and everything that follows from it.
    pub fn settle(&mut self, input: Input) {
        self.answers.push_back(input);
        while let Some(input) = self.answers.pop_front() {
            let now = self.now();
            let effects = self.engine.step(now, input);
            self.carry_out(effects);
        }
    }

    /// Carries out what the engine orders.
    pub fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let answer = match effect {
                Effect::Publish(event) => {
                    self.events.push(event);
                    continue;
                }
                Effect::Persist(event) => Input::Persisted(event.seq),
                Effect::Page { limit } => self.page(limit as u64),
                Effect::Inspect { job, .. } => {
                    Input::Job(job, JobReport::Inspected(Inspection::Ready { media: Box::new(media()), disk: None }))
                }
                Effect::Spawn(order) => {
                    Input::Job(order.job, JobReport::Spawned { pid: 1000 + order.job.0 as u32, command: String::new() })
                }
                Effect::Finalize { job, .. } => Input::Job(job, JobReport::Finalized(Ok(published(job)))),
                Effect::Clean(order) => Input::CleanupDone(order.id, cleaned()),
                _ => continue,
            };
            self.answers.push_back(answer);
        }
    }

    /// The next jobs of the stored queue.
    fn page(&mut self, limit: u64) -> Input {
        let from = self.told;
        self.told = self.stored.min(from + limit);
        let jobs = (from..self.told).map(stored).collect();
        let backlog = Backlog { jobs: self.stored - self.told, bytes: Bytes::mib(95) };
        Input::Paged(Page { jobs, backlog, last_rank: stored(self.stored).rank, interrupted: 0 })
    }

    /// The jobs whose process runs.
    pub fn running(&self) -> Vec<JobId> {
        let state = self.engine.state();
        state.index.active.iter().copied().filter(|id| state.jobs[id].phase.pid().is_some()).collect()
    }

    /// The next memory sample, a little different from the last.
    pub fn sample(&mut self) -> Input {
        self.ticks += 1;
        let wobble = Bytes::mib(self.ticks * 37 % 23);
        let vitals = JobVitals { anon: Bytes::mib(283) + wobble, cpu_ms: self.ticks * 200 };
        let jobs: BTreeMap<JobId, JobVitals> = self.running().into_iter().map(|job| (job, vitals)).collect();
        let hard = Bytes::mib(620) + wobble + wobble;
        Input::Sample(MemorySample {
            usage: hard + Bytes::mib(400),
            working_set: hard + Bytes::mib(60),
            hard,
            console: Bytes::mib(9),
            file_cache: Bytes::mib(340),
            jobs,
            psi_some_avg10: Some(0.1),
            budget: Some(Budget::new((Bytes::gib(2), There::Machine), None, None)),
            ..MemorySample::default()
        })
    }

    /// The next progress report of a running job.
    pub fn progress(&mut self, job: JobId) -> Input {
        self.ticks += 1;
        let progress = Progress {
            ratio: Some((self.ticks % 1000) as f64 / 1000.0),
            frame: self.ticks * 12,
            fps: 51.3,
            speed: 1.71,
            out_time: Duration::from_millis(self.ticks * 480),
            written: Bytes(self.ticks * 130_000),
            eta_seconds: Some(600 - self.ticks % 600),
        };
        Input::Job(job, JobReport::Progress(progress))
    }

    /// The end of a running job's process.
    pub fn exit(job: JobId) -> Input {
        let report = ExitReport {
            exit: Exit::Code(0),
            peak: Bytes::mib(283),
            failure: None,
            oom_killed: Some(false),
            cpu: Duration::from_secs(2),
            account: Account::default(),
        };
        Input::Job(job, JobReport::Exited(report))
    }

    /// The output of a job whose process has ended stands.
    pub fn finalized(job: JobId) -> Input {
        Input::Job(job, JobReport::Finalized(Ok(published(job))))
    }

    /// A job ends, and everything that follows is settled: the next one runs.
    pub fn end(&mut self, job: JobId) {
        self.settle(Self::exit(job));
        let sample = self.sample();
        self.settle(sample);
    }
}

fn stored(number: u64) -> StoredJob {
    StoredJob {
        id: JobId(number + 1),
        preset: "web-720p".to_owned(),
        definition: None,
        rank: (number as i64 + 1) << 20,
        attempts: 0,
        allowed: false,
        deaths: 0,
        input: PathBuf::from(format!("/srv/media/season-{:02}/clip-{number:06}.mp4", number % 40)),
        size: Bytes::mib(20 + number % 150),
        output: PathBuf::from(format!("/srv/media/plimsoll-out/clip-{number:06}.web-720p.mp4")),
    }
}

fn media() -> MediaInfo {
    MediaInfo {
        demuxer: "mov,mp4,m4a,3gp,3g2,mj2".to_owned(),
        duration: Some(Duration::from_mins(4)),
        video: Some(VideoStream {
            codec: "h264".to_owned(),
            width: 1920,
            height: 1080,
            pixel_format: "yuv420p".to_owned(),
            fps: 25.0,
            ..VideoStream::default()
        }),
        audio: None,
        ..MediaInfo::default()
    }
}

fn published(job: JobId) -> Published {
    Published {
        output: PathBuf::from(format!("/srv/media/plimsoll-out/{job}.mp4")),
        size: Bytes::mib(33),
        damage: None,
        left_out: Vec::new(),
    }
}

fn cleaned() -> CleanupResult {
    CleanupResult {
        before: Bytes::mib(900),
        after: Bytes::mib(890),
        freed: Bytes::mib(10),
        millis: 12,
        verdict: CleanupVerdict::Effective,
    }
}
