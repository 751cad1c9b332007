//! Measures memory at a set pace, on a thread of its own, and once in between for whoever asks.
//!
//! Tells what is; knows no line, no level and no action.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::job::JobId;
use crate::domain::memory::{Asked, JobVitals, MemorySample, Scope};
use crate::domain::units::Bytes;
use crate::engine::port::Input;
use crate::host::files::scratch;
use crate::host::memory::budget::{self, Survey};
use crate::host::memory::cgroup::{self, GroupReader, Roots, Sums};
use crate::host::memory::file_ledger::FileLedger;
use crate::host::memory::kernel_file::{KeptFile, ReadError};
use crate::host::memory::machine::MachineReader;
use crate::host::memory::pressure::{PsiTrigger, Wake};
use crate::host::memory::procfs::{self, TreeReader};

mod counted;
mod narrow;

use counted::{Counter, Files};
use narrow::{Others, cover_parts, narrow_to_own};

/// Pace until [`Sampler::set_pace`] says otherwise.
pub const DEFAULT_PACE: Duration = Duration::from_millis(250);
/// Fastest pace taken.
const FASTEST: Duration = Duration::from_millis(10);
/// How old the budget may be.
const BUDGET_AGE: Duration = Duration::from_secs(10);
/// How old the figures of PSI and of the machine's kills may be.
const PSI_AGE: Duration = Duration::from_millis(500);
/// How old CPU times, the lists of children, and the count of our cached files may be.
const SLOW_AGE: Duration = Duration::from_secs(1);
/// How long to wait before files that could not be opened are tried again.
const REOPEN_AGE: Duration = Duration::from_secs(1);

/// What a sampler starts with.
#[derive(Debug, Clone)]
pub struct SamplerConfig {
    /// Where the kernel's files are.
    pub roots: Roots,
    /// The running jobs and their files.
    pub ledger: FileLedger,
    /// Folders for parts, those of earlier runs included; folders of the ledger are added by themselves.
    pub scratch_dirs: Vec<PathBuf>,
    /// Processes that are not ours and live on our budget all the same: the demonstration's neighbour.
    pub guests: Vec<u32>,
    /// Windows on this plimsoll: what they hold is the console's own.
    pub windows: Windows,
    pub operator_budget: Option<Asked>,
    pub profile_budget: Option<Bytes>,
    /// Time between samples.
    pub pace: Duration,
}

impl SamplerConfig {
    /// The real machine, no budget given, default pace.
    pub fn new(ledger: FileLedger) -> Self {
        Self {
            roots: Roots::default(),
            ledger,
            scratch_dirs: Vec::new(),
            guests: Vec::new(),
            windows: Windows::default(),
            operator_budget: None,
            profile_budget: None,
            pace: DEFAULT_PACE,
        }
    }
}

/// The processes of the consoles that are attached, as they come and go.
#[derive(Debug, Clone, Default)]
pub struct Windows(Arc<Mutex<Vec<u32>>>);

impl Windows {
    /// These are attached now.
    pub fn set(&self, processes: Vec<u32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = processes;
    }

    /// The anonymous memory of them all.
    fn anon(&self, proc: &std::path::Path) -> Bytes {
        let processes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        processes.iter().filter_map(|pid| procfs::rss_anon(proc, *pid)).sum()
    }
}

/// Takes samples from any thread; clones measure with the same open files, one at a time.
#[derive(Debug, Clone)]
pub struct SampleSource(Arc<Mutex<Probe>>);

impl SampleSource {
    /// Opens what is to be read. Files that cannot be opened are tried again with each sample.
    pub fn new(config: SamplerConfig) -> Self {
        Self(Arc::new(Mutex::new(Probe::new(config))))
    }

    /// Measures now. Nothing in it is older than the call, but for the budget, PSI, and CPU times, and our cached files where a
    /// file system does not answer.
    pub fn sample_now(&self) -> Result<MemorySample, ReadError> {
        self.lock().sample(Freshness::All)
    }

    fn set_profile_budget(&self, budget: Option<Bytes>) {
        let mut probe = self.lock();
        probe.profile_budget = budget;
        probe.survey_age.expire();
    }

    fn lock(&self) -> MutexGuard<'_, Probe> {
        // Every field is replaced whole; after a panic the next sample reads everything anew.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sampler's thread. Dropping it ends the thread at once.
#[derive(Debug)]
pub struct Sampler {
    source: SampleSource,
    control: Arc<(Mutex<Control>, Wake)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Control {
    pace: Duration,
    is_over: bool,
    /// A sample is wanted before its time.
    is_due: bool,
}

impl Sampler {
    /// Starts sampling: the first sample at once, then one every `config.pace`. The thread also ends when nobody listens.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(config: SamplerConfig, inputs: UnboundedSender<Input>) -> io::Result<Self> {
        let pace = config.pace.max(FASTEST);
        // Where the kernel can tell that tasks wait for memory, that is a reason to look at once.
        let mut alarm = PsiTrigger::arm(&config.roots);
        let source = SampleSource::new(config);
        let control = Arc::new((Mutex::new(Control { pace, is_over: false, is_due: false }), Wake::new()?));
        let thread = std::thread::Builder::new().name("sampler".to_owned()).spawn({
            let (source, control) = (source.clone(), Arc::clone(&control));
            move || run(&source, &control, &mut alarm, &inputs)
        })?;
        Ok(Self { source, control, thread: Some(thread) })
    }

    /// Samples at this pace from now on; counted from the last sample.
    pub fn set_pace(&self, pace: Duration) {
        self.change(|control| control.pace = pace.max(FASTEST));
    }

    /// The profile in force has this budget. The budget is read anew and a sample follows at once.
    pub fn set_profile_budget(&self, budget: Option<Bytes>) {
        self.source.set_profile_budget(budget);
        self.change(|control| control.is_due = true);
    }

    /// A handle to measure with, for other threads.
    pub fn source(&self) -> SampleSource {
        self.source.clone()
    }

    fn change(&self, edit: impl FnOnce(&mut Control)) {
        let (control, wake) = &*self.control;
        edit(&mut control.lock().unwrap_or_else(PoisonError::into_inner));
        wake.notify();
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.change(|control| control.is_over = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[allow(clippy::disallowed_methods)] // keeps the pace
fn run(source: &SampleSource, control: &(Mutex<Control>, Wake), alarm: &mut Option<PsiTrigger>, inputs: &UnboundedSender<Input>) {
    let (control, wake) = control;
    let mut is_blind = false;
    loop {
        let began = Instant::now();
        let input = match source.lock().sample(Freshness::AsKept) {
            Ok(sample) => {
                is_blind = false;
                Some(Input::Sample(sample))
            }
            Err(_) if is_blind => None,
            Err(error) => {
                is_blind = true;
                let detail = format!("{error}; until memory can be read again one job runs at a time");
                Some(Input::Fault { what: "memory cannot be measured".to_owned(), detail })
            }
        };
        if input.is_some_and(|input| inputs.send(input).is_err()) {
            return;
        }
        let mut has_fired = false;
        loop {
            let waited = began.elapsed();
            let left = {
                let mut state = control.lock().unwrap_or_else(PoisonError::into_inner);
                if state.is_over || inputs.is_closed() {
                    return;
                }
                if state.is_due || waited >= state.pace || has_fired && waited >= FASTEST {
                    state.is_due = false;
                    break;
                }
                let least = if has_fired { FASTEST } else { state.pace };
                least.saturating_sub(waited)
            };
            // What was told after the lock was given back has been written to the pipe by then.
            has_fired |= wake.wait(left, alarm);
        }
    }
}

/// When something was last looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Age(Option<Instant>);

impl Age {
    /// True, and from now on fresh, when `limit` has passed.
    fn is_over(&mut self, now: Instant, limit: Duration) -> bool {
        let over = self.0.is_none_or(|then| now.saturating_duration_since(then) >= limit);
        if over {
            self.0 = Some(now);
        }
        over
    }

    const fn expire(&mut self) {
        self.0 = None;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// Costly figures may be as old as they are kept for.
    AsKept,
    /// Our cached files are counted now.
    All,
}

/// Where the sums are read.
#[derive(Debug)]
enum Place {
    Group(GroupReader),
    Machine(MachineReader),
}

#[derive(Debug)]
struct Probe {
    roots: Roots,
    guests: Vec<u32>,
    windows: Windows,
    ledger: FileLedger,
    scratch_dirs: BTreeSet<PathBuf>,
    operator_budget: Option<Asked>,
    profile_budget: Option<Bytes>,
    survey: Survey,
    survey_age: Age,
    place: Option<Place>,
    place_age: Age,
    console: Option<TreeReader>,
    jobs: BTreeMap<JobId, JobReader>,
    pressure: Option<KeptFile>,
    psi: Option<f32>,
    psi_age: Age,
    slow_age: Age,
    files: Counter,
}

#[derive(Debug)]
struct JobReader {
    processes: TreeReader,
    cpu_ms: u64,
    cpu_age: Age,
}

impl Probe {
    fn new(config: SamplerConfig) -> Self {
        let me = std::process::id();
        let console = TreeReader::open(&config.roots.proc, me).or_else(|| TreeReader::open(&Roots::default().proc, me));
        Self {
            survey: budget::survey(&config.roots, config.operator_budget.as_ref(), config.profile_budget),
            console,
            roots: config.roots,
            ledger: config.ledger,
            scratch_dirs: config.scratch_dirs.into_iter().collect(),
            guests: config.guests,
            windows: config.windows,
            operator_budget: config.operator_budget,
            profile_budget: config.profile_budget,
            survey_age: Age::default(),
            place: None,
            place_age: Age::default(),
            jobs: BTreeMap::new(),
            pressure: None,
            psi: None,
            psi_age: Age::default(),
            slow_age: Age::default(),
            files: Counter::default(),
        }
    }

    #[allow(clippy::disallowed_methods)] // how old the kept figures are
    fn sample(&mut self, freshness: Freshness) -> Result<MemorySample, ReadError> {
        let now = Instant::now();
        self.renew_budget(now);
        let sums = match self.read_sums(now) {
            Ok(sums) => sums,
            Err(error) => {
                self.place = None;
                return Err(error);
            }
        };
        let before: BTreeSet<JobId> = self.jobs.keys().copied().collect();
        let jobs = self.vitals(now);
        // Whose files nobody needs has changed with who runs.
        let has_changed = !self.jobs.keys().eq(&before);
        if self.slow_age.is_over(now, SLOW_AGE) || has_changed || freshness == Freshness::All {
            self.renew_files(freshness);
        }
        if self.psi_age.is_over(now, PSI_AGE) {
            self.psi = self.pressure.as_mut().and_then(|file| cgroup::psi_some_avg10(file.read().ok()?));
        }
        let own = self.console.as_mut().and_then(TreeReader::leader_anon).unwrap_or_default();
        let mut sample = MemorySample {
            taken: None,
            scope: self.survey.scope,
            usage: sums.usage,
            working_set: sums.working_set,
            hard: sums.hard,
            console: own + self.windows.anon(&self.roots.proc),
            file_cache: sums.file_cache,
            scratch: self.scratch(),
            jobs,
            psi_some_avg10: self.psi,
            budget: Some(self.survey.budget.clone()),
        };
        cover_parts(&mut sample, own);
        match sample.scope {
            Scope::Container => {}
            // The file cache of the whole machine is nobody's load: the kernel drops it, and our cleanups cannot. Only that of
            // our ended jobs counts.
            Scope::Machine => sample.working_set = sample.working_set.min(sample.hard + self.files.last().cache.finished),
            Scope::Own => {
                let guests = self.guests.iter().filter_map(|pid| procfs::rss_anon(&self.roots.proc, *pid)).sum();
                let spare = self.survey.budget.available - self.survey.budget.bytes;
                narrow_to_own(&mut sample, Others { guests, spare }, self.files.last().cache);
            }
        }
        Ok(sample)
    }

    fn renew_budget(&mut self, now: Instant) {
        if !self.survey_age.is_over(now, BUDGET_AGE) {
            return;
        }
        let survey = budget::survey(&self.roots, self.operator_budget.as_ref(), self.profile_budget);
        if survey.container != self.survey.container {
            self.place = None;
        }
        self.survey = survey;
    }

    fn read_sums(&mut self, now: Instant) -> Result<Sums, ReadError> {
        let place = match &mut self.place {
            Some(place) => place,
            empty => {
                if self.place_age.is_over(now, REOPEN_AGE) {
                    // The group may have been renamed or moved: look where it is now.
                    self.survey = budget::survey(&self.roots, self.operator_budget.as_ref(), self.profile_budget);
                }
                let group = self.survey.container.as_ref();
                self.pressure = cgroup::open_pressure(&self.roots, group.map(|(own, limit)| (own.version, limit.group.as_path())));
                self.psi_age.expire();
                empty.insert(match group {
                    Some((own, limit)) => Place::Group(GroupReader::open(own, &limit.group)?),
                    None => Place::Machine(MachineReader::open(&self.roots)?),
                })
            }
        };
        match place {
            Place::Group(group) => group.sums(),
            Place::Machine(machine) => machine.sums(),
        }
    }

    /// The running jobs' vital signs; a job whose process is gone has none.
    fn vitals(&mut self, now: Instant) -> BTreeMap<JobId, JobVitals> {
        let mut pids = BTreeMap::new();
        self.ledger.each_running(|job, running| {
            pids.insert(job, running.pid);
        });
        self.jobs.retain(|job, reader| pids.get(job) == Some(&reader.processes.pid()));
        let mut vitals = BTreeMap::new();
        for (job, pid) in pids {
            if !self.jobs.contains_key(&job) {
                let Some(processes) = TreeReader::open(&self.roots.proc, pid) else { continue };
                self.jobs.insert(job, JobReader { processes, cpu_ms: 0, cpu_age: Age::default() });
            }
            let Some(reader) = self.jobs.get_mut(&job) else { continue };
            if reader.cpu_age.is_over(now, SLOW_AGE) {
                reader.processes.refresh();
                reader.cpu_ms = reader.processes.cpu_ms().unwrap_or(reader.cpu_ms);
            }
            if let Some(anon) = reader.processes.anon() {
                vitals.insert(job, JobVitals { anon, cpu_ms: reader.cpu_ms });
            }
        }
        vitals
    }

    /// Our files on a tmpfs: the running jobs' parts now, those that nobody needs as of a second ago.
    fn scratch(&self) -> Bytes {
        let mut sum = self.files.last().stray_scratch;
        self.ledger.each_running(|_, running| {
            if running.part_on_tmpfs {
                sum += scratch::held_by_file(&running.written);
            }
        });
        sum
    }

    fn renew_files(&mut self, freshness: Freshness) {
        self.scratch_dirs.append(&mut self.ledger.scratch_dirs());
        let counts_cache = self.survey.scope != Scope::Container;
        let files = Files::of(&self.ledger, self.scratch_dirs.clone(), counts_cache);
        self.files.renew(files, freshness == Freshness::All);
    }
}

#[cfg(all(test, target_os = "linux"))]
#[path = "sampler_tests.rs"]
mod tests;
