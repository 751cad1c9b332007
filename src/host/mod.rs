//! The real world: processes, files, memory, kernels and clocks. Carries out what the engine decides and reports what came
//! of it; decides nothing itself and knows nothing of screens.

pub mod compare;
pub mod demo;
pub mod doctor;
pub mod files;
#[cfg(feature = "fleet")]
pub mod fleet;
mod intake;
mod job_work;
pub mod jobstore;
pub mod media;
pub mod memory;
pub mod process;
mod reports;
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
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::account::Account;
use crate::domain::command::QueueOptions;
use crate::domain::event::{Event, EventKind, JobCounts};
use crate::domain::hook::Hooks;
use crate::domain::job::{JobId, RejectReason, Rejected};
use crate::domain::memory::Asked;
use crate::domain::preset::Preset;
use crate::domain::text::{error_words, path_text};
use crate::domain::units::Bytes;
use crate::domain::watch::WatchFolder;
use crate::engine::estimate::Learned;
use crate::engine::port::{Cause, CleanOrder, Effect, Failure, Host, Input, Inspection, JobReport, ScanId, SpawnOrder};
use files::intent::{self};
use files::prepare::{self, Part};
use files::scan::NameBook;
use files::scratch::{self, WORK_FOLDER};
use files::workplace::{self, Folders};
use job_work::guarded;
use jobstore::Destination;
use media::ffmpeg::Ffmpeg;
use media::probe::{Probed, Prober};
use memory::budget;
use memory::cgroup::{self, GroupReader, Roots};
use memory::cleanup::{Cleaner, CleanerConfig};
use memory::file_ledger::FileLedger;
use memory::job_cgroup::JobGroups;
use memory::sampler::{Sampler, SamplerConfig, Windows};
pub use process::hooks::AtWork;
use process::hooks::{Confinement, HookRunner};
use process::instance::{Instance, InstanceError};
use process::lane::{Lane, ends_within};
use process::log::joblog::LogReader;
use process::log::old_logs;
use process::log::ownlines::OwnLines;
use process::orphans::ChildRegistry;
use process::sandbox::SandboxBuilder;
use process::spawner::SpawnError;
use process::supervisor::{Supervisor, SupervisorConfig};
use reports::report_leftovers;
use store::history::History;
use store::{Store, StoreError, preset_hash};
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
/// And for those who are just at a file.
const IN_HAND: Duration = Duration::from_secs(10);

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
    sandbox: SandboxBuilder,
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
    /// Given back last, and after any copy: whoever takes the state folder next finds nothing of ours alive.
    pub instance: Instance,
}

impl RealHost {
    /// Jobs of the state folder that had ended before this run.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn ended_before(&self) -> Result<JobCounts, StoreError> {
        store::counts(&self.shared.config.state_dir).map(|counts| counts.ended)
    }

    /// Reads the whole logs of this run's jobs, from any thread.
    pub fn log_reader(&self) -> LogReader {
        self.shared.supervisor.log_reader()
    }

    /// Takes the state folder, ends and completes what an earlier run has left, opens the record and starts the threads.
    /// Results go to `inputs`.
    pub fn open(config: HostConfig, inputs: UnboundedSender<Input>) -> Result<Self, HostError> {
        let instance = Instance::claim(&config.state_dir)?;
        // Nothing of an earlier run may write any more before what it left is looked at.
        let (lives, leftovers) = ChildRegistry::begin(&config.state_dir, &config.out);
        let store = Store::open(&config.state_dir, inputs.clone())?;
        if !config.restore {
            store.forget_queue()?;
        }
        report_leftovers(&leftovers, &intent::complete(&store)?, &inputs);
        let ledger = FileLedger::default();
        let logs = config.state_dir.join("logs");
        let mut supervision = SupervisorConfig::new(logs.join(store.run().to_string()));
        remove_old_logs(config.state_dir.clone(), logs, store.run());
        supervision.oom_kills = oom_counter();
        supervision.lives = Some(lives.clone());
        // Before the sampler looks for our own group, which may change with it.
        let groups = JobGroups::open(&Roots::default()).inspect_err(|why| tracing::info!(%why, "jobs share our memory cgroup"));
        let groups = groups.ok().map(Arc::new);
        let budget = budget::survey(&Roots::default(), config.budget.as_ref(), config.profile_budget).budget.bytes;
        let confinement = Confinement::new(groups.clone(), budget);
        supervision.groups = groups;
        let supervisor = Supervisor::new(supervision, inputs.clone())?;
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
            let _ = prepare::tidy(folder);
        }
        let definitions =
            config.presets.iter().map(|(name, preset)| (name.clone(), preset_hash(preset))).collect::<BTreeMap<_, _>>();
        let definitions = Arc::new(definitions);
        let sandbox = match &config.ffmpeg {
            Some(ffmpeg) => ffmpeg.sandbox(&scratch),
            None => SandboxBuilder::new(&scratch, config.load_jobs.clone().unwrap_or_default()),
        };
        let prober = config.ffmpeg.as_ref().map(|ffmpeg| Prober {
            sandbox: Some(sandbox.clone()),
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
            sandbox,
            folders: Folders::default(),
            lives,
            watch,
            has_zscale: OnceLock::new(),
        };
        let shared = Arc::new(shared);
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
    pub fn queue(&self, scan: ScanId, paths: &[PathBuf], preset: &str, options: &QueueOptions) {
        self.shared.scan(scan, paths, preset, options);
    }

    /// How many commands of the operator's run or wait.
    pub fn hooks_at_work(&self) -> AtWork {
        self.hooks.at_work()
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
        shared.supervisor.slots.kill_all();
        hooks.close();
        // They only read; a file on a disk that hangs must not keep the process from ending.
        scans.leave();
        probes.leave();
        // These have parts in hand; and where a disk hangs with one of them, the process ends all the same.
        let answers = ends_within(IN_HAND, (starts, cleaner, sampler));
        shared.supervisor.flush_logs(AT_THE_END);
        if answers {
            shared.tidy_up();
        } else {
            tracing::warn!("a file system does not answer: what is left there is removed at the next start");
        }
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
            Effect::Scan { scan, paths, preset, options } => {
                self.scans.order(move || shared.scan(scan, &paths, &preset, &options));
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
            Effect::Stop(job, mode) => self.shared.supervisor.slots.stop(job, mode),
            Effect::Suspend(job) => self.shared.supervisor.slots.suspend(job),
            Effect::Continue(job) => self.shared.supervisor.slots.resume(job),
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
        if order.action.removes_parts()
            && let Some(job) = order.job.filter(|job| order.is_for(*job))
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

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, BTreeMap<JobId, Files>> {
        // Entries are independent; after a panic elsewhere each is still whole.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
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
}

/// Beside everything else: there may be tens of thousands.
fn remove_old_logs(state_dir: PathBuf, logs: PathBuf, this_run: i64) {
    let work = move || match store::on_record(&state_dir) {
        Ok(on_record) => old_logs::remove(&logs, this_run, &on_record),
        Err(error) => tracing::info!(%error, "old logs stay"),
    };
    // Without a thread they go at a later start.
    let _ = std::thread::Builder::new().name("old-logs".to_owned()).spawn(work);
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
