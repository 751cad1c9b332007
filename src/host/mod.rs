//! The real world: processes, files, memory, kernels and clocks. Carries out what the engine decides and reports what came
//! of it; decides nothing itself and knows nothing of screens.

pub mod compare;
pub mod demo;
pub mod doctor;
pub mod files;
#[cfg(feature = "fleet")]
pub mod fleet;
mod intake;
pub mod jobstore;
pub mod media;
pub mod memory;
pub mod process;
pub mod store;
mod tls;
pub mod watch;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
#[path = "../../tests/support/skip.rs"]
mod skip;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};

use crate::domain::account::Account;
use crate::domain::cleanup::CleanupAction;
use crate::domain::command::Wishes;
use crate::domain::curve::JobCurve;
use crate::domain::event::{Event, EventKind};
use crate::domain::hook::Hooks;
use crate::domain::job::{JobId, LogLevel, RejectReason, Rejected};
use crate::domain::media::MediaInfo;
use crate::domain::memory::Asked;
use crate::domain::preset::{Preset, VideoCodec};
use crate::domain::text::{error_words, path_text, sanitise};
use crate::domain::units::Bytes;
use crate::domain::watch::WatchFolder;
use crate::engine::estimate::{Learned, RecipeKey};
use crate::engine::port::{Cause, CleanOrder, Effect, Failure, Host, Input, Inspection, JobReport, Lack, ScanId, SpawnOrder};
use demo::load_job;
use files::file_id::FileId;
use files::intent::{self, Completed};
use files::publish::{self, FinalizeOrder, Part, PrepareError, PrepareOrder, Retryability, Scratch};
use files::scan::NameBook;
use files::scratch::{self, WORK_FOLDER};
use files::workplace::{self, Folders};
use jobstore::Destination;
use media::arguments::{self, Abilities, JobCommand};
use media::curves::CurveBook;
use media::ffmpeg::{Ffmpeg, known};
use media::mark;
use media::picture;
use media::probe::{Probed, Prober};
use memory::budget;
use memory::cgroup::{self, GroupReader, Roots};
use memory::cleanup::{Cleaner, CleanerConfig};
use memory::file_ledger::FileLedger;
use memory::job_cgroup::JobGroups;
use memory::page_cache;
use memory::sampler::{Sampler, SamplerConfig, Windows};
use process::hooks::{Confinement, HookRunner};
use process::instance::{Instance, InstanceError};
use process::joblog::LogReader;
use process::lane::Lane;
use process::orphans::{ChildRegistry, Leftovers};
use process::ownlines::OwnLines;
use process::sandbox::{Fences, Needs};
use process::spawner::SpawnError;
use process::supervisor::{FileLimit, Launch, Planned, Supervisor, SupervisorConfig};
use store::history::History;
use store::{Records, Store, StoreError, preset_hash};
use watch::Watcher;
use watch::mailbox::Mailbox;

/// What a host is told at its start.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Folder of the record and of the logs; made if it is missing.
    pub state_dir: PathBuf,
    /// Folder of the outputs where a request names none, absolute; made when the first is written.
    pub out: PathBuf,
    /// All outputs go into that folder itself, whatever folders their inputs lie in, where a request does not say.
    pub flat: bool,
    /// Outputs that are there are replaced, where a request does not say.
    pub overwrite: bool,
    /// Every preset that a job may name.
    pub presets: BTreeMap<String, Preset>,
    /// The tools; `None` = only load jobs can run.
    pub ffmpeg: Option<Ffmpeg>,
    /// Files with the extension `.load` are load jobs, run by this program.
    pub load_jobs: Option<PathBuf>,
    /// The operator's memory budget.
    pub budget: Option<Asked>,
    /// The budget that the first profile names: the first sample is of it already.
    pub profile_budget: Option<Bytes>,
    /// Jobs that an earlier run has left in the queue are run; else they are forgotten.
    pub restore: bool,
    /// Processes of others that live on that budget.
    pub guests: Vec<u32>,
    /// The consoles that are attached from other processes.
    pub windows: Windows,
    /// The operator's commands for what happens.
    pub hooks: Hooks,
    /// The folders that are watched for files to come.
    pub watch: Vec<WatchFolder>,
    /// Reads a file that lists what is to be queued; `None` = it is none.
    pub read_list: ReadList,
}

/// See [`HostConfig::read_list`]. The presets are those that a job may name; an error is all that is wrong with the file.
pub type ReadList = fn(&Path, &BTreeMap<String, Preset>) -> Option<Result<Listed, Vec<String>>>;
/// Absolute paths of files and folders, each with the preset that the list names for it.
pub type Listed = Vec<(Option<String>, PathBuf)>;

/// How far an output may outgrow what is left of the scratch limit: an index that is written at the end.
const SCRATCH_MARGIN: Bytes = Bytes::mib(16);
/// Longest wait at the end of a run for logs, and for the record.
const AT_THE_END: Duration = Duration::from_secs(2);

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Another plimsoll works on the state folder, or it cannot be locked.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The record cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread cannot be started.
    #[error("cannot start a thread; the machine is out of processes or memory")]
    Thread(#[from] io::Error),
    /// The folder for the jobs' own temporary files cannot be made, or is somebody else's.
    #[error("cannot make the folder {path}: {why}; choose another state folder with --state-dir")]
    Scratch {
        /// The folder.
        path: String,
        /// Why.
        why: String,
    },
    /// The thread that starts children cannot be started.
    #[error(transparent)]
    Spawner(#[from] SpawnError),
}

/// What is known of a job beyond what the engine keeps.
#[derive(Debug, Default)]
struct Files {
    probed: Option<Probed>,
    order: Option<SpawnOrder>,
    part: Option<Part>,
    destination: Option<Destination>,
    /// What the part is expected to hold at least.
    needed: Bytes,
    /// What the process that wrote the part told of its work.
    account: Account,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    config: HostConfig,
    prober: Option<Prober>,
    inputs: UnboundedSender<Input>,
    store: Store,
    ledger: FileLedger,
    /// Made for the first that is queued.
    names: Mutex<Option<NameBook>>,
    /// Hashes of what preset names mean now.
    definitions: Arc<BTreeMap<String, String>>,
    jobs: Mutex<BTreeMap<JobId, Files>>,
    supervisor: Supervisor,
    scratch: PathBuf,
    fences: Fences,
    folders: Folders,
    lives: ChildRegistry,
    /// Where the thread of the watched folders is told what came of files.
    watch: Mailbox,
    /// This ffmpeg maps colours in linear light.
    has_zscale: OnceLock<bool>,
}

/// The real world behind the engine's port.
#[derive(Debug)]
pub struct RealHost {
    shared: Arc<Shared>,
    scans: Lane,
    probes: Lane,
    starts: Lane,
    cleaner: Cleaner,
    sampler: Sampler,
    history: History,
    own_lines: OwnLines,
    hooks: HookRunner,
    watcher: Option<Watcher>,
    /// Given back last: whoever takes the state folder next finds nothing of ours alive.
    instance: Instance,
}

impl RealHost {
    /// Reads the whole logs of this run's jobs, from any thread.
    pub fn log_reader(&self) -> LogReader {
        self.shared.supervisor.log_reader()
    }

    /// The lock of the state folder, for whoever has still work to do there when this is closed.
    pub fn lock(&self) -> Instance {
        self.instance.clone()
    }

    /// Takes the state folder, ends and completes what an earlier run has left, opens the record and starts the threads.
    /// Results go to `inputs`.
    pub fn open(config: HostConfig, inputs: UnboundedSender<Input>) -> Result<Self, HostError> {
        let instance = Instance::claim(&config.state_dir)?;
        if let Some(Err(error)) = config.ffmpeg.as_ref().map(|ffmpeg| known::keep(&config.state_dir, ffmpeg)) {
            tracing::info!(%error, "the next start has to ask ffmpeg again");
        }
        // Nothing of an earlier run may write any more before what it left is looked at.
        let (lives, leftovers) = ChildRegistry::begin(&config.state_dir, &config.out);
        let store = Store::open(&config.state_dir, inputs.clone())?;
        if !config.restore {
            store.forget_queue()?;
        }
        tell_leftovers(&leftovers, &intent::complete(&store)?, &inputs);
        let ledger = FileLedger::default();
        let (reports, reported) = mpsc::unbounded_channel();
        let mut supervision = SupervisorConfig::new(config.state_dir.join("logs").join(store.run().to_string()));
        supervision.oom_kills = oom_counter();
        supervision.lives = Some(lives.clone());
        // Before the sampler looks for our own group, which may change with it.
        let groups = JobGroups::open(&Roots::default()).inspect_err(|why| tracing::info!(%why, "jobs share our memory cgroup"));
        let groups = groups.ok().map(Arc::new);
        let budget = budget::survey(&Roots::default(), config.budget.as_ref(), config.profile_budget).budget.bytes;
        let confinement = Confinement::new(groups.clone(), budget);
        supervision.groups = groups;
        let supervisor = Supervisor::new(supervision, reports)?;
        let parts = config.out.join(WORK_FOLDER);
        let sampler_config = SamplerConfig {
            scratch_dirs: vec![parts.clone()],
            operator_budget: config.budget.clone(),
            profile_budget: config.profile_budget,
            guests: config.guests.clone(),
            windows: config.windows.clone(),
            ..SamplerConfig::new(ledger.clone())
        };
        let sampler = Sampler::spawn(sampler_config, inputs.clone())?;
        let cleaner_config =
            CleanerConfig { roots: Roots::default(), ledger: ledger.clone(), samples: sampler.source(), scratch_dirs: vec![parts] };
        let cleaner = Cleaner::spawn(cleaner_config, inputs.clone())?;
        let scratch = config.state_dir.join("scratch");
        scratch::make_empty(&scratch)
            .map_err(|error| HostError::Scratch { path: path_text(&scratch), why: error_words(&error) })?;
        // What a run that died has left there is in nobody's way; a folder that is not ours is told when a job needs it.
        let elsewhere: BTreeSet<&Path> =
            store.interrupted_outputs().iter().flat_map(|(out, output)| workplace::homes(out, output)).collect();
        for folder in leftovers.folders.iter().chain([&config.out]).map(PathBuf::as_path).chain(elsewhere) {
            let _ = publish::tidy(folder);
        }
        let definitions =
            config.presets.iter().map(|(name, preset)| (name.clone(), preset_hash(preset))).collect::<BTreeMap<_, _>>();
        let definitions = Arc::new(definitions);
        let program = config.ffmpeg.as_ref().map(|ffmpeg| ffmpeg.ffmpeg.clone()).or_else(|| config.load_jobs.clone());
        let fences = Fences::new(&scratch, program.unwrap_or_default());
        let prober = config.ffmpeg.as_ref().map(|ffmpeg| Prober {
            fences: Some(fences.clone()),
            version: ffmpeg.version.clone(),
            ..Prober::new(&ffmpeg.ffprobe, &scratch)
        });
        let hooks = HookRunner::new(config.hooks.clone(), inputs.clone(), &confinement, None)?;
        let watcher = Watcher::start(config.watch.clone(), store.clone(), inputs.clone())?;
        let watch = watcher.as_ref().map(Watcher::mailbox).unwrap_or_default();
        let names = Mutex::new(None);
        let shared = Shared {
            config,
            prober,
            inputs,
            store,
            ledger,
            names,
            definitions,
            jobs: Mutex::default(),
            supervisor,
            scratch,
            fences,
            folders: Folders::default(),
            lives,
            watch,
            has_zscale: OnceLock::new(),
        };
        let shared = Arc::new(shared);
        // Weak: the supervisor within sends what the thread waits for, and neither would ever end.
        let forwarding = Arc::downgrade(&shared);
        std::thread::Builder::new().name("reports".to_owned()).spawn(move || forwarding_loop(&forwarding, reported))?;
        let (scans, probes, starts) = (Lane::new("scan")?, Lane::new("probe")?, Lane::new("start")?);
        Ok(Self {
            shared,
            scans,
            probes,
            starts,
            cleaner,
            sampler,
            history: History::default(),
            own_lines: OwnLines::default(),
            hooks,
            watcher,
            instance,
        })
    }

    /// Looks for inputs and queues them without an engine, for a run that is to come; what came of it is told as for one. Comes
    /// back when all is on disk.
    pub fn queue(&self, scan: ScanId, paths: &[PathBuf], preset: &str, wishes: &Wishes) {
        self.shared.scan(scan, paths, preset, wishes);
    }

    /// What the jobs of earlier runs have taught of the memory that jobs need.
    pub fn learned(&self) -> Result<Learned, HostError> {
        Ok(self.shared.store.learned()?)
    }

    /// Ends everything: no child is left, the record is written, parts are gone.
    pub fn close(self) {
        let Self { shared, scans, probes, starts, cleaner, sampler, instance, hooks, watcher, history: _, own_lines: _ } = self;
        // Nothing is removed or queued any more by what follows.
        drop(watcher);
        shared.supervisor.kill_all();
        hooks.close();
        // They only read; a file on a disk that hangs must not keep the process from ending.
        scans.leave();
        probes.leave();
        // These have parts in hand.
        drop((starts, cleaner, sampler));
        shared.supervisor.flush_logs(AT_THE_END);
        shared.jobs().clear();
        // Only tidying: what stays is removed at the next start.
        let _ = publish::tidy(&shared.config.out);
        // Restored jobs may have been meant for other folders.
        for folder in shared.ledger.scratch_dirs().iter().filter_map(|work| work.parent()) {
            let _ = publish::tidy(folder);
        }
        shared.folders.remove_empty();
        if !shared.store.flush(AT_THE_END) {
            tracing::warn!("the journal lacks the end of this run");
        }
        drop(instance);
    }
}

impl Host for RealHost {
    fn perform(&mut self, effect: Effect) {
        let shared = Arc::clone(&self.shared);
        match effect {
            Effect::Persist(event) => {
                match &event.kind {
                    EventKind::JobRemoved { job, .. } | EventKind::JobRejected { job, .. } | EventKind::JobParked { job } => {
                        shared.jobs().remove(job);
                    }
                    EventKind::JobFinished { job, .. } => shared.ended(*job),
                    _ => {}
                }
                self.shared.store.persist(event);
            }
            Effect::RememberPeak(recipe, peak) => self.shared.store.remember_peak(recipe, peak),
            Effect::Scan { scan, paths, preset, wishes } => {
                self.scans.order(move || shared.scan(scan, &paths, &preset, &wishes));
            }
            Effect::PutBack { scan, jobs } => self.scans.order(move || shared.put_back(scan, jobs)),
            Effect::Page { limit } => self.shared.store.page(limit, Arc::clone(&self.shared.definitions)),
            Effect::Inspect { job, input, output, preset } => {
                self.probes.order(move || {
                    let inspection = guarded(|| shared.inspect(job, &input, &output, &preset)).unwrap_or_else(|detail| {
                        Inspection::Rejected(Rejected { reason: RejectReason::Unreadable, limit: None, detail })
                    });
                    shared.report(job, JobReport::Inspected(inspection));
                });
            }
            Effect::Spawn(order) => self.starts.order(move || {
                let job = order.job;
                if let Err(reason) = guarded(|| shared.start(*order)) {
                    shared.report(job, JobReport::SpawnFailed { reason, transient: false });
                }
            }),
            Effect::Stop(job, mode) => self.shared.supervisor.stop(job, mode),
            Effect::Suspend(job) => self.shared.supervisor.suspend(job),
            Effect::Continue(job) => self.shared.supervisor.resume(job),
            Effect::Limit(job, limit) => self.starts.order(move || shared.supervisor.limit(job, limit)),
            Effect::Finalize { job, .. } => finalize_aside(&shared, job),
            Effect::Discard { job, .. } => self.starts.order(move || shared.discard(job)),
            Effect::Clean(order) => self.clean(order),
            Effect::SamplePace(pace) => self.sampler.set_pace(pace),
            Effect::SetProfileBudget(budget) => self.sampler.set_profile_budget(budget),
            Effect::Publish(_) | Effect::Reply(..) | Effect::Exit => {}
        }
    }

    fn on_event(&mut self, event: &Event) {
        for event in self.history.keep(event) {
            self.shared.store.note(event);
        }
        for line in self.own_lines.of(event) {
            self.shared.supervisor.log_own(line);
        }
        self.hooks.see(event);
        if let Some(watcher) = &self.watcher {
            watcher.see(event);
        }
    }
}

impl RealHost {
    fn clean(&self, order: CleanOrder) {
        if order.action == CleanupAction::RemoveScratch
            && let Some(job) = order.job.filter(|job| !order.running.contains(job))
        {
            // As long as we hold a part open the cleaner takes it for somebody's, and its blocks would stay.
            let mut jobs = self.shared.jobs();
            if let Some(files) = jobs.get_mut(&job) {
                files.part = None;
                if files.order.is_none() && files.probed.is_none() {
                    jobs.remove(&job);
                }
            }
        }
        self.cleaner.clean(order);
    }
}

/// Writing an output to disk may take long; other jobs' ends must not wait for it.
fn finalize_aside(shared: &Arc<Shared>, job: JobId) {
    let own = Arc::clone(shared);
    let work = move || {
        let result = guarded(|| own.finalize(job)).unwrap_or_else(|reason| Err(Failure { cause: Cause::Unknown, reason }));
        if let Ok(published) = &result {
            own.ledger.published(job, published.output.clone());
            // Nothing more is to be done with it; a hundred thousand of them would be felt.
            own.jobs().remove(&job);
        }
        own.report(job, JobReport::Finalized(result));
    };
    if let Err(error) = std::thread::Builder::new().name(format!("finish-{job}")).spawn(work) {
        let reason = format!("no thread to finish it: {error}");
        shared.report(job, JobReport::Finalized(Err(Failure { cause: Cause::Host, reason })));
    }
}

/// Keeps the ledger in step with what the supervisor reports, then passes the report on.
fn forwarding_loop(shared: &Weak<Shared>, mut reported: mpsc::UnboundedReceiver<Input>) {
    let mut curves = CurveBook::default();
    while let Some(input) = reported.blocking_recv() {
        let Some(shared) = shared.upgrade() else { return };
        match &input {
            Input::Job(job, JobReport::Spawned { pid, .. }) => {
                let files = shared.jobs().get(job).and_then(|files| {
                    let (order, part) = (files.order.as_ref()?, files.part.as_ref()?);
                    Some((order.input.clone(), part.path().to_owned()))
                });
                curves.started(*job, *pid);
                if let Some((input, part)) = files {
                    shared.ledger.started(*job, *pid, input, part);
                }
            }
            Input::Job(job, JobReport::Progress(progress)) => curves.progressed(*job, progress),
            Input::Job(job, JobReport::Exited(report)) => {
                if let Some(files) = shared.jobs().get_mut(job) {
                    files.account = report.account.clone();
                }
                shared.keep_curve(*job, |media| curves.ended(*job, report, media));
                shared.ledger.ended(*job);
            }
            _ => {}
        }
        if shared.inputs.send(input).is_err() {
            return;
        }
    }
}

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, BTreeMap<JobId, Files>> {
        // Entries are independent; after a panic elsewhere each is still whole.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the course of a job that ended well, where it tells anything of its kind.
    fn keep_curve(&self, job: JobId, curve: impl FnOnce(Option<Duration>) -> Option<JobCurve>) {
        let order = self.jobs().get(&job).and_then(|files| files.order.clone());
        let media = order.as_ref().map(|order| &order.media);
        let Some(mut curve) = curve(media.and_then(|media| media.duration)) else { return };
        let Some(order) = order else { return };
        let recipe = self.preset_of(job, &order.preset).and_then(|preset| RecipeKey::of(&order.media, &preset));
        if let Some(recipe) = recipe {
            recipe.as_str().clone_into(&mut curve.recipe);
            self.store.remember_curve(curve);
        }
    }

    fn report(&self, job: JobId, report: JobReport) {
        // When nobody listens any more the run is over.
        let _ = self.inputs.send(Input::Job(job, report));
    }

    /// Of a job that has ended only its part is still wanted, until the cleanup after it.
    fn ended(&self, job: JobId) {
        let mut jobs = self.jobs();
        if jobs.get(&job).is_some_and(|files| files.part.is_none()) {
            jobs.remove(&job);
        } else if let Some(files) = jobs.get_mut(&job) {
            files.probed = None;
            files.order = None;
        }
    }

    /// The preset as it was when the job was queued; for one that is not stored, what the name means now.
    fn preset_of(&self, job: JobId, name: &str) -> Option<Arc<Preset>> {
        let stored = self.store.preset_of(job).ok().flatten();
        stored.or_else(|| self.config.presets.get(name).cloned().map(Arc::new))
    }

    /// What was wished for a job's output; as the run was started with for one that is not stored.
    fn destination_of(&self, job: JobId) -> Destination {
        match self.store.destination_of(job) {
            Ok(Some(destination)) => destination,
            Ok(None) => Destination { out: self.config.out.clone(), overwrite: self.config.overwrite },
            // Nothing is replaced on a guess.
            Err(_) => Destination { out: self.config.out.clone(), overwrite: false },
        }
    }

    fn inspect(&self, job: JobId, input: &Path, output: &Path, preset: &str) -> Inspection {
        let refuse = |reason, detail: String| Inspection::Rejected(Rejected { reason, limit: None, detail });
        let Some(preset) = self.preset_of(job, preset) else {
            return refuse(RejectReason::Unreadable, format!("its preset {preset} is not known any more"));
        };
        let preset = preset.as_ref();
        if !self.destination_of(job).overwrite && self.is_done(input, output, preset) {
            return Inspection::AlreadyDone { output: output.to_owned() };
        }
        if self.is_load(input) {
            return match load_job::probe_load(input) {
                Ok(clip) => Inspection::Ready(Box::new(clip.media())),
                Err(error) => refuse(RejectReason::Unreadable, error.to_string()),
            };
        }
        let Some(prober) = &self.prober else {
            return refuse(RejectReason::Unreadable, "there is no ffmpeg; run `plimsoll doctor --fix`".to_owned());
        };
        self.ledger.inspected(job, input.to_owned());
        match prober.probe(input, preset) {
            Ok(probed) => {
                let media = probed.media.clone();
                self.jobs().entry(job).or_default().probed = Some(probed);
                Inspection::Ready(Box::new(media))
            }
            Err(rejected) => Inspection::Rejected(rejected),
        }
    }

    /// The output stands, made from the same bytes with the same preset.
    fn is_done(&self, input: &Path, output: &Path, preset: &Preset) -> bool {
        match self.store.lookup(output) {
            Some(record) => record.is_current(input, &preset_hash(preset)).unwrap_or(false),
            // A run with a record of its own may have made it.
            None => mark::of(input, preset).is_ok_and(|mark| mark::carries(output, &mark)),
        }
    }

    fn is_load(&self, input: &Path) -> bool {
        self.config.load_jobs.is_some() && input.extension().is_some_and(|extension| extension == load_job::EXTENSION)
    }

    /// The input as it is now: probed long ago, it may have been written to since.
    fn refresh(&self, order: &mut SpawnOrder) -> Result<(), (String, Retryability)> {
        let Some(prober) = self.prober.as_ref().filter(|_| !self.is_load(&order.input)) else { return Ok(()) };
        let known = self.jobs().get(&order.job).and_then(|files| Some(files.probed.as_ref()?.id));
        if known.is_some() && FileId::of(&order.input).ok() == known {
            return Ok(());
        }
        let Some(preset) = self.preset_of(order.job, &order.preset) else { return Ok(()) };
        let probed = prober.probe(&order.input, &preset).map_err(|rejected| (rejected.detail, Retryability::Never))?;
        order.media = probed.media.clone();
        self.jobs().entry(order.job).or_default().probed = Some(probed);
        Ok(())
    }

    fn start(&self, mut order: SpawnOrder) {
        if let Err((reason, retryability)) = self.refresh(&mut order) {
            let job = order.job;
            return self.report(job, Obstacle::from((reason, retryability)).report(&order.output));
        }
        let (job, attempt, output) = (order.job, order.attempt, order.output.clone());
        match self.make_launch(order) {
            Ok(launch) => {
                self.report(job, JobReport::Log(vec![(LogLevel::Info, arguments::shown(&launch.command))]));
                self.supervisor.start(job, attempt, launch);
            }
            Err(obstacle) => self.report(job, obstacle.report(&output)),
        }
    }

    fn make_launch(&self, order: SpawnOrder) -> Result<Launch, Obstacle> {
        let unknown = || (format!("its preset {} is not known any more", order.preset), Retryability::Never);
        let preset = self.preset_of(order.job, &order.preset).ok_or_else(unknown)?;
        let size = Bytes(std::fs::metadata(&order.input).map_or(0, |meta| meta.len()));
        let needed = publish::space_needed(&preset, &order.media, size).max(order.room_known);
        let scratch = order.scratch_limit.map(|limit| Scratch { limit, taken: self.scratch_taken(order.job) });
        let destination = self.destination_of(order.job);
        let home = workplace::home(&destination.out, &order.output);
        // What cannot be made is told by what follows.
        let _ = self.folders.make(home);
        // Before there is a part: whoever looks for parts has to look there, a later run too.
        self.lives.writes_to(home);
        self.ledger.writes_to(home.join(WORK_FOLDER));
        let (job, attempt) = (order.job, order.attempt);
        let prepare = PrepareOrder { job, attempt, input: &order.input, output: &order.output, home, needed, scratch };
        let part = publish::prepare(&prepare)?;
        let command = self.command(&order, &preset, part.path())?;
        let max_file = scratch.map(|scratch| FileLimit {
            bytes: Bytes(scratch.left().0.saturating_add(SCRATCH_MARGIN.0)),
            may_rise: scratch.taken > Bytes::ZERO,
        });
        let needs = Needs { program: Some(Path::new(command.get_program())), input: Some(&order.input), output: Some(part.path()) };
        let no_fence = |error: io::Error| (format!("no fence can be built: {}", error_words(&error)), Retryability::Later);
        let fence = self.fences.build(needs).map_err(no_fence)?;
        // What is written to a file system in memory is the job's too, and was not reckoned with.
        let memory_limit = order.memory_limit.filter(|_| !page_cache::is_in_memory(part.path()));
        let picture = preset.video.as_ref().zip(order.media.video.as_ref()).filter(|(plan, _)| plan.codec != VideoCodec::Copy);
        let planned = picture.map(|(plan, stream)| Planned { plan: plan.clone(), stream: stream.clone() });
        let duration = order.media.duration.filter(|_| !order.media.extras.duration_is_guess);
        let input = Some((order.input.clone(), size.0));
        let launch = Launch { command, duration, max_file, memory_limit, fence, planned, input };
        let mut jobs = self.jobs();
        let files = jobs.entry(order.job).or_default();
        files.part = Some(part);
        files.destination = Some(destination);
        files.needed = needed;
        files.order = Some(order);
        Ok(launch)
    }

    /// What parts hold on disk, those of jobs that are being finished included, and what the running ones are still
    /// expected to take; without those of `job`.
    fn scratch_taken(&self, job: JobId) -> Bytes {
        let mut dirs = self.ledger.scratch_dirs();
        dirs.insert(self.config.out.join(WORK_FOLDER));
        let held = dirs.iter().map(|dir| scratch::held_on_disk(dir, |part_of| part_of != job)).sum::<Bytes>();
        let jobs = self.jobs();
        let others = jobs.iter().filter(|(other, _)| **other != job);
        let to_come = others.filter_map(|(_, files)| Some(files.needed - files.part.as_ref()?.size()));
        to_come.fold(held, |sum, bytes| sum + bytes)
    }

    fn command(&self, order: &SpawnOrder, preset: &Preset, part: &Path) -> Result<std::process::Command, (String, Retryability)> {
        if let (true, Some(program)) = (self.is_load(&order.input), &self.config.load_jobs) {
            let clip = load_job::probe_load(&order.input).map_err(|error| (error.to_string(), Retryability::Never))?;
            let mut spec = load_job::LoadSpec::of_clip(&clip);
            spec.part = Some(part.to_owned());
            spec.progress_fd = Some(3);
            let mut command = std::process::Command::new(program);
            command.args(spec.to_args());
            return Ok(command);
        }
        let Some(ffmpeg) = &self.config.ffmpeg else {
            return Err(("there is no ffmpeg; run `plimsoll doctor --fix`".to_owned(), Retryability::Never));
        };
        let job = JobCommand {
            ffmpeg: &ffmpeg.ffmpeg,
            preset,
            media: &order.media,
            input: &order.input,
            part,
            progress_fd: 3,
            abilities: self.abilities(ffmpeg, &order.media),
            mark: &mark::of(&order.input, preset)
                .map_err(|error| (format!("cannot read the input: {}", error_words(&error)), Retryability::Later))?,
        };
        let mut command = arguments::command(&job).map_err(|error| (error.to_string(), Retryability::Never))?;
        command.env_clear().envs(arguments::environment(&order.env, &self.scratch));
        Ok(command)
    }

    /// What this ffmpeg can do. It is asked for its filters once, and only when a film comes that needs them.
    fn abilities(&self, ffmpeg: &Ffmpeg, media: &MediaInfo) -> Abilities {
        let needs_zscale = media.video.as_ref().is_some_and(picture::may_need_zscale);
        // A version that cannot be read is a build from git, newer than that.
        let has_fps_mode = ffmpeg.at_least(5, 1).unwrap_or(true);
        let has_zscale = needs_zscale
            && *self.has_zscale.get_or_init(|| {
                let filters = ffmpeg.filters();
                filters.is_ok_and(|names| names.contains("zscale") && names.contains("tonemap"))
            });
        Abilities { has_fps_mode, has_zscale }
    }

    fn finalize(&self, job: JobId) -> Result<crate::engine::port::Published, Failure> {
        let missing = || Failure { cause: Cause::Host, reason: "what it was started with is not known any more".to_owned() };
        let (probed, order, part, account, destination) = {
            let mut jobs = self.jobs();
            let files = jobs.get_mut(&job).ok_or_else(missing)?;
            let part = files.part.take().ok_or_else(missing)?;
            let (order, destination) = (files.order.clone().ok_or_else(missing)?, files.destination.clone().ok_or_else(missing)?);
            (files.probed.clone(), order, part, std::mem::take(&mut files.account), destination)
        };
        let preset = self.preset_of(order.job, &order.preset).ok_or_else(missing)?;
        let input_id = match &probed {
            Some(probed) => probed.id,
            None => FileId::of(&order.input).map_err(|_| missing())?,
        };
        let in_use = self.folders.make_below(&destination.out, &order.output).map_err(|error| {
            let folder = path_text(order.output.parent().unwrap_or(&order.output));
            let why = error_words(&error);
            Failure {
                cause: Cause::Host,
                reason: format!("cannot make the folder {folder}: {why}; choose another folder with --out"),
            }
        });
        let result = in_use.and_then(|_in_use| {
            publish::finalize(&FinalizeOrder {
                part: &part,
                input: &order.input,
                input_id,
                output: &order.output,
                preset: &preset,
                media: &order.media,
                account: &account,
                overwrite: destination.overwrite,
                prober: self.prober.as_ref().filter(|_| probed.is_some()),
                store: &self.store,
                now: process::joblog::wall_now(),
            })
        });
        if result.is_err() {
            self.folders.remove_empty();
            // The part is removed with the cleanup that follows, which tells what it held.
            self.jobs().entry(job).or_default().part = Some(part);
        }
        result
    }

    fn discard(&self, job: JobId) {
        let part = self.jobs().get_mut(&job).and_then(|files| files.part.take());
        if let Some(Err(error)) = part.map(Part::discard) {
            let what = format!("cannot remove the part of job {job}");
            let _ = self.inputs.send(Input::Fault { what, detail: sanitise(error.to_string().as_bytes()) });
        }
    }
}

/// Does work for a job. A panic in it fails the job and nothing else: whoever waits for the answer gets one.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .map_err(|_| "plimsoll itself failed here; the log tells where, please report it".to_owned())
}

/// Why a job could not be started.
struct Obstacle {
    reason: String,
    retryability: Retryability,
    /// What is needed and what is free, where that is what is wrong.
    figures: Option<(Bytes, Bytes)>,
}

impl From<(String, Retryability)> for Obstacle {
    fn from((reason, retryability): (String, Retryability)) -> Self {
        Self { reason, retryability, figures: None }
    }
}

impl From<PrepareError> for Obstacle {
    fn from(error: PrepareError) -> Self {
        Self { reason: error.to_string(), retryability: error.retryability(), figures: error.figures() }
    }
}

impl Obstacle {
    fn report(self, output: &Path) -> JobReport {
        let Self { reason, retryability, figures } = self;
        match retryability {
            Retryability::Room => {
                let (needs, free) = figures.unzip();
                JobReport::NoRoom(Lack { folder: files::fsops::parent(output).to_owned(), needs, free, reason })
            }
            Retryability::Later | Retryability::Never => {
                JobReport::SpawnFailed { reason, transient: retryability == Retryability::Later }
            }
        }
    }
}

/// Says what an earlier run had left behind.
fn tell_leftovers(leftovers: &Leftovers, completed: &Completed, inputs: &UnboundedSender<Input>) {
    let tell = |what: String, detail: String| drop(inputs.send(Input::Fault { what, detail }));
    if !leftovers.killed.is_empty() {
        let pids: Vec<String> = leftovers.killed.iter().map(|life| life.pid.to_string()).collect();
        let what = format!("an earlier plimsoll left {} process(es) behind", pids.len());
        tell(what, format!("killed: {}", pids.join(", ")));
    }
    for output in &completed.outputs {
        tell("an earlier plimsoll ended before an output was recorded".to_owned(), format!("completed: {}", path_text(output)));
    }
}

/// Reads the kills for want of memory in our own cgroup; a reader that cannot be opened tells nothing.
fn oom_counter() -> process::supervisor::OomCounter {
    let own = cgroup::find(&Roots::default());
    let reader = own.and_then(|own| {
        let group = own.chain().next()?.to_owned();
        GroupReader::open(&own, &group).ok()
    });
    let reader = Mutex::new(reader);
    Arc::new(move || reader.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.oom_kills())
}
