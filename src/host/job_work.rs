//! What the host does for one job: inspects its input, starts its process, puts its output in place.
//!
//! It must not know when: the engine orders each step.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::domain::job::{JobId, LogLevel, RejectReason, Rejected, first_line};
use crate::domain::media::MediaInfo;
use crate::domain::preset::{Preset, VideoCodec};
use crate::domain::text::{error_words, path_text, sanitise};
use crate::domain::units::Bytes;
use crate::engine::port::{Absence, Cause, Failure, Input, Inspection, JobReport, Lack, SpawnOrder};
use crate::host::demo::load_job;
use crate::host::files::away;
use crate::host::files::file_id::FileId;
use crate::host::files::naming;
use crate::host::files::prepare::{self, Part, PrepareError, PrepareOrder, Retryability, Scratch};
use crate::host::files::publish::{self, FinalizeOrder};
use crate::host::files::scratch::{self, WORK_FOLDER};
use crate::host::files::{self, workplace};
use crate::host::jobstore::Destination;
use crate::host::media::arguments::{self, Abilities, JobCommand};
use crate::host::media::ffmpeg::Ffmpeg;
use crate::host::media::probe::Refused;
use crate::host::media::{mark, picture};
use crate::host::memory::page_cache;
use crate::host::process::log::joblog;
use crate::host::process::sandbox::Needs;
use crate::host::process::supervisor::{FileLimit, Launch, Listener, Planned};
use crate::host::reports::JobBook;
use crate::host::store::Records as _;
use crate::host::{SCRATCH_MARGIN, Shared};

/// Does work for a job. A panic in it fails the job and nothing else: whoever waits for the answer gets one.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .map_err(|_| "plimsoll itself failed here; the log tells where, please report it".to_owned())
}

/// Why a job could not be started.
pub(super) struct Obstacle {
    pub(super) reason: String,
    pub(super) retryability: Retryability,
    /// What is needed and what is free, where that is what is wrong.
    pub(super) figures: Option<(Bytes, Bytes)>,
    /// The disk is to blame; else what unfinished outputs may hold.
    pub(super) disk: bool,
}

impl From<(String, Retryability)> for Obstacle {
    fn from((reason, retryability): (String, Retryability)) -> Self {
        Self { reason, retryability, figures: None, disk: true }
    }
}

impl From<PrepareError> for Obstacle {
    fn from(error: PrepareError) -> Self {
        let disk = !matches!(error, PrepareError::OverScratch { .. });
        Self { reason: error.to_string(), retryability: error.retryability(), figures: error.figures(), disk }
    }
}

impl Obstacle {
    pub(super) fn report(self, output: &Path) -> JobReport {
        let Self { reason, retryability, figures, disk } = self;
        match retryability {
            Retryability::Room => {
                let (needs, free) = figures.unzip();
                let folder = files::fsops::parent(output).to_owned();
                let disk = disk.then(|| files::fsops::disk_of(&folder)).flatten();
                JobReport::NoRoom(Lack { folder, disk, needs, free, reason })
            }
            Retryability::Later | Retryability::Never => {
                JobReport::SpawnFailed { reason, transient: retryability == Retryability::Later }
            }
        }
    }
}

/// What is to be waited for where a probe could not read its file: that may pass, and says nothing of the file.
fn absence(input: &Path, refused: &Refused) -> Option<Absence> {
    if refused.reason != RejectReason::Unreadable {
        return None;
    }
    // What ffprobe could not read is looked at by ourselves: its words do not tell such errors from a damaged file.
    refused.errno.map_or_else(|| away::look(input), |errno| away::judge(input, errno))
}

impl Shared {
    /// The preset as it was when the job was queued; for one that is not stored, what the name means now.
    pub(super) fn preset_of(&self, job: JobId, name: &str) -> Option<Arc<Preset>> {
        let stored = self.store.preset_of(job).ok().flatten();
        stored.or_else(|| self.config.presets.get(name).cloned().map(Arc::new))
    }

    /// What was wished for a job's output; as the run was started with for one that is not stored.
    pub(super) fn destination_of(&self, job: JobId) -> Destination {
        match self.store.destination_of(job) {
            Ok(Some(destination)) => destination,
            Ok(None) => Destination { out: self.config.out.clone(), overwrite: self.config.overwrite },
            // Nothing is replaced on a guess.
            Err(_) => Destination { out: self.config.out.clone(), overwrite: false },
        }
    }

    pub(super) fn inspect(&self, job: JobId, input: &Path, output: &Path, preset: &str) -> Inspection {
        let refuse = |reason, detail: String| Inspection::Rejected(Rejected { reason, limit: None, detail });
        let Some(preset) = self.preset_of(job, preset) else {
            return refuse(RejectReason::Unreadable, format!("its preset {preset} is not known any more"));
        };
        let preset = preset.as_ref();
        // The output stands, made from the same bytes with the same preset.
        let is_done = || naming::is_current(output, self.store.lookup(output).as_ref(), input, preset);
        if !self.destination_of(job).overwrite && is_done() {
            return Inspection::AlreadyDone { output: output.to_owned() };
        }
        let ready = |media| Inspection::Ready { media: Box::new(media), disk: files::fsops::disk_of(files::fsops::parent(output)) };
        if self.is_load(input) {
            return match load_job::probe_load(input) {
                Ok(clip) => ready(clip.media()),
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
                ready(media)
            }
            Err(refused) => match absence(input, &refused) {
                Some(absence) => Inspection::Later(absence),
                None => Inspection::Rejected(refused.rejected),
            },
        }
    }

    /// Removes what the run has left in the folders of its outputs. What stays is removed at the next start.
    pub(super) fn tidy_up(&self) {
        self.jobs().clear();
        let _ = prepare::tidy(&self.config.out);
        // Restored jobs may have been meant for other folders.
        for folder in self.ledger.scratch_dirs().iter().filter_map(|work| work.parent()) {
            let _ = prepare::tidy(folder);
        }
        self.folders.remove_empty();
    }

    pub(super) fn is_load(&self, input: &Path) -> bool {
        self.config.load_jobs.is_some() && input.extension().is_some_and(|extension| extension == load_job::EXTENSION)
    }

    /// The input as it is now: probed long ago, it may have been written to since.
    pub(super) fn refresh(&self, order: &mut SpawnOrder) -> Result<(), Box<JobReport>> {
        let Some(prober) = self.prober.as_ref().filter(|_| !self.is_load(&order.input)) else { return Ok(()) };
        let known = self.jobs().get(&order.job).and_then(|files| Some(files.probed.as_ref()?.id));
        if known.is_some() && FileId::of(&order.input).ok() == known {
            return Ok(());
        }
        let Some(preset) = self.preset_of(order.job, &order.preset) else { return Ok(()) };
        let probed = prober.probe(&order.input, &preset).map_err(|refused| {
            Box::new(match absence(&order.input, &refused) {
                Some(absence) => JobReport::InputAway(absence),
                None => JobReport::SpawnFailed { reason: refused.rejected.detail, transient: false },
            })
        })?;
        order.media = probed.media.clone();
        self.jobs().entry(order.job).or_default().probed = Some(probed);
        Ok(())
    }

    pub(super) fn start(self: &Arc<Self>, mut order: SpawnOrder) {
        if let Err(report) = self.refresh(&mut order) {
            return self.report(order.job, *report);
        }
        let (job, attempt, output) = (order.job, order.attempt, order.output.clone());
        match self.make_launch(order) {
            Ok(launch) => {
                let first = first_line(job, attempt, &arguments::shown(&launch.command));
                self.report(job, JobReport::Log(vec![(LogLevel::Info, first)]));
                self.supervisor.start(job, attempt, launch);
            }
            Err(obstacle) => self.report(job, obstacle.report(&output)),
        }
    }

    pub(super) fn make_launch(self: &Arc<Self>, order: SpawnOrder) -> Result<Launch, Obstacle> {
        let unknown = || (format!("its preset {} is not known any more", order.preset), Retryability::Never);
        let preset = self.preset_of(order.job, &order.preset).ok_or_else(unknown)?;
        let size = Bytes(std::fs::metadata(&order.input).map_or(0, |meta| meta.len()));
        let needed = prepare::space_needed(&preset, &order.media, size).max(order.room_known);
        let scratch = order.scratch_limit.map(|limit| Scratch { limit, taken: self.scratch_taken(order.job) });
        let destination = self.destination_of(order.job);
        let home = workplace::home(&destination.out, &order.output);
        // What cannot be made is told by what follows.
        let _ = self.folders.make(home);
        // Before there is a part: whoever looks for parts has to look there, a later run too.
        self.lives.writes_to(home);
        self.ledger.writes_to(home.join(WORK_FOLDER));
        let (job, attempt) = (order.job, order.attempt);
        // That of a try before, which was not cleaned up yet: it would stay beside the new one, and take of its room.
        self.discard(job);
        let order_of_part = PrepareOrder { job, attempt, input: &order.input, output: &order.output, home, needed, scratch };
        let part = prepare::prepare(&order_of_part)?;
        let command = self.command(&order, &preset, part.path())?;
        let max_file = scratch.map(|scratch| FileLimit {
            bytes: Bytes(scratch.left().0.saturating_add(SCRATCH_MARGIN.0)),
            may_rise: scratch.taken > Bytes::ZERO,
        });
        let needs = Needs { program: Some(Path::new(command.get_program())), input: Some(&order.input), output: Some(part.path()) };
        let no_sandbox = |error: io::Error| (format!("no sandbox can be built: {}", error_words(&error)), Retryability::Later);
        let sandbox = self.sandbox.build(needs).map_err(no_sandbox)?;
        // What is written to a file system in memory is the job's too, and was not reckoned with.
        let memory_limit = order.memory_limit.filter(|_| !page_cache::is_in_memory(part.path()));
        let picture = preset.video.as_ref().zip(order.media.video.as_ref()).filter(|(plan, _)| plan.codec != VideoCodec::Copy);
        let planned = picture.map(|(plan, stream)| Planned { plan: plan.clone(), stream: stream.clone() });
        let duration = order.media.duration.filter(|_| !order.media.extras.duration_is_guess);
        let input = Some((order.input.clone(), size.0));
        let listener: Option<Box<dyn Listener>> = Some(Box::new(JobBook::of(job, self)));
        let launch = Launch { command, duration, max_file, memory_limit, sandbox, planned, input, listener };
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
    pub(super) fn scratch_taken(&self, job: JobId) -> Bytes {
        let mut dirs = self.ledger.scratch_dirs();
        dirs.insert(self.config.out.join(WORK_FOLDER));
        let held = dirs.iter().map(|dir| scratch::held_on_disk(dir, |part_of| part_of != job)).sum::<Bytes>();
        let jobs = self.jobs();
        let others = jobs.iter().filter(|(other, _)| **other != job);
        let to_come = others.filter_map(|(_, files)| Some(files.needed - files.part.as_ref()?.size()));
        to_come.fold(held, |sum, bytes| sum + bytes)
    }

    pub(super) fn command(
        &self,
        order: &SpawnOrder,
        preset: &Preset,
        part: &Path,
    ) -> Result<std::process::Command, (String, Retryability)> {
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
    pub(super) fn abilities(&self, ffmpeg: &Ffmpeg, media: &MediaInfo) -> Abilities {
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

    pub(super) fn finalize(&self, job: JobId) -> Result<crate::engine::port::Published, Failure> {
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
                now: joblog::wall_now(),
            })
        });
        if result.is_err() {
            self.folders.remove_empty();
            // The part is removed with the cleanup that follows, which tells what it held.
            self.jobs().entry(job).or_default().part = Some(part);
        }
        result
    }

    pub(super) fn discard(&self, job: JobId) {
        let part = self.jobs().get_mut(&job).and_then(|files| files.part.take());
        if let Some(Err(error)) = part.map(Part::discard) {
            let what = format!("cannot remove the part of job {job}");
            let _ = self.inputs.send(Input::Fault { what, detail: sanitise(error.to_string().as_bytes()) });
        }
    }
}
