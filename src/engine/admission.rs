//! Who may start, and when: a free slot, the size allowed, the queue's order kept.

use std::path::PathBuf;

use super::governor::Fit;
use super::port::{Arrived, Effect, Inspection, ScanId, SpawnOrder};
use super::{Active, Engine, Scan, estimate};
use crate::domain::command::{Answer, ClientId, QueueOptions, Queued, RequestId};
use crate::domain::event::EventKind;
use crate::domain::job::{Job, JobId, LogLevel, Outcome, Phase, Rank, RejectReason};
use crate::domain::preset::Preset;
use crate::domain::refusal::{Refusal, Rejection};
use crate::domain::state::Held;
use crate::domain::text::{many, path_text, paths_text, sanitise};
use crate::domain::units::Bytes;

/// Jobs next in the queue that are probed ahead of their start, beyond the free slots: what is wrong with them is told
/// early, and a start never waits for its probe.
const INSPECT_AHEAD: usize = 32;
/// Probes at once: a probe is a process with memory of its own.
const INSPECT_AT_ONCE: usize = 1;

impl Engine {
    pub(super) fn enqueue(
        &mut self,
        asker: (ClientId, RequestId),
        paths: Vec<PathBuf>,
        preset: Option<String>,
        mut options: QueueOptions,
    ) -> Result<(), Rejection> {
        self.takes_jobs()?;
        if let Some(relative) = paths.iter().chain(&options.out).find(|path| !path.is_absolute()) {
            return Err(
                Refusal::RelativePath.because(format!("{}: the path is not absolute; give it from / on", path_text(relative)))
            );
        }
        let preset = self.preset_meant(preset, &mut options)?;
        let searched = paths_text(&paths);
        let nothing = format!("no video files were found in {searched}");
        let scan = self.begin_scan(asker, searched, nothing, options.front);
        self.effects.push(Effect::Scan { scan, paths, preset, options });
        Ok(())
    }

    /// Queues jobs again that were taken off the list.
    pub(super) fn put_back(&mut self, asker: (ClientId, RequestId), jobs: Vec<(JobId, Rank)>) -> Result<(), Rejection> {
        self.takes_jobs()?;
        let nothing = "such jobs were not taken off the list since plimsoll began; add their files instead".to_owned();
        let scan = self.begin_scan(asker, "what was taken off the list".to_owned(), nothing, true);
        self.effects.push(Effect::PutBack { scan, jobs });
        Ok(())
    }

    fn takes_jobs(&self) -> Result<(), Rejection> {
        if self.state.shutting_down {
            return Err(Refusal::Ending.because("plimsoll is ending; nothing can be added"));
        }
        if self.state.draining {
            return Err(
                Refusal::Draining.because("the queue is draining and takes nothing new; `plimsoll drain --undo` takes that back")
            );
        }
        Ok(())
    }

    /// The name of the preset that is asked for. A definition that comes with the request is left there only where the name
    /// does not mean that anyway.
    fn preset_meant(&self, name: Option<String>, options: &mut QueueOptions) -> Result<String, Rejection> {
        let Some(definition) = &options.definition else {
            let name = name.unwrap_or_else(|| self.config.preset.clone());
            if !self.config.presets.contains_key(&name) {
                let known: Vec<&str> = self.config.presets.keys().map(String::as_str).collect();
                let name = sanitise(name.as_bytes());
                return Err(Refusal::UnknownPreset.because(format!("there is no preset `{name}`; there are {}", known.join(", "))));
            }
            return Ok(name);
        };
        let own = definition.name.clone();
        if let Some(name) = name.filter(|name| *name != own) {
            let [name, own] = [name, own].map(|name| sanitise(name.as_bytes()));
            return Err(Refusal::BadPreset
                .because(format!("the preset `{name}` came with the definition of another, `{own}`; give one name")));
        }
        (self.config.check_preset)(definition)
            .map_err(|why| Refusal::BadPreset.because(format!("such a preset cannot be used: {}", sanitise(why.as_bytes()))))?;
        if self.config.presets.get(&own) == Some(definition) {
            options.definition = None;
        }
        Ok(own)
    }

    fn begin_scan(
        &mut self,
        (client, request): (ClientId, RequestId),
        searched: String,
        nothing: String,
        is_ahead: bool,
    ) -> ScanId {
        let scan = ScanId(self.next_scan);
        self.next_scan += 1;
        self.scans.insert(scan, Scan { client, request, searched, is_ahead, nothing, found: 0, known: 0 });
        scan
    }

    pub(super) fn found(&mut self, scan: ScanId, arrived: Arrived) {
        if let Some(scan) = self.scans.get_mut(&scan) {
            scan.found += arrived.jobs;
            scan.known += arrived.known;
            self.window.is_passed |= scan.is_ahead && arrived.jobs > 0;
        }
        self.arrived(arrived);
    }

    pub(super) fn scan_done(&mut self, scan: ScanId, errors: Vec<(PathBuf, String)>) {
        let Some(known) = self.scans.remove(&scan) else { return };
        if known.known > 0 {
            let text = format!("{}: {} in the queue already", known.searched, many(known.known, "input"));
            self.log(None, LogLevel::Info, text);
        }
        let result = match errors.first() {
            _ if known.known > 0 => Ok(()),
            None if known.found == 0 => Err(Refusal::NothingFound.because(known.nothing)),
            Some((path, why)) if known.found == 0 => Err(Rejection::of_path(path, why)),
            _ => Ok(()),
        };
        for (path, why) in errors {
            self.emit(EventKind::InputSkipped { input: path, detail: why });
        }
        let queued = Queued { batch: scan.0, jobs: known.found, known: known.known };
        let result = result.map(|()| Answer { queued: Some(queued), later: self.later() });
        self.effects.push(Effect::Reply(known.client, known.request, result));
    }

    /// Over the profile's size limit, and the operator has not let it in.
    fn size_limit_exceeded(&self, job: &Job) -> Option<Bytes> {
        let limit = self.state.profile.as_ref()?.max_file_size;
        (job.size > limit && !job.allowed).then_some(limit)
    }

    pub(super) fn reject_if_too_large(&mut self, id: JobId) -> bool {
        let Some(job) = self.job(id) else { return false };
        let Some(limit) = self.size_limit_exceeded(job) else { return false };
        let profile = self.state.profile.as_ref().map(|profile| format!(" of profile {}", profile.name)).unwrap_or_default();
        let detail = format!("{} is over the {limit} limit{profile}; another profile or `plimsoll allow` lets it in", job.size);
        self.reject(id, RejectReason::TooLarge, Some(limit), detail);
        true
    }

    pub(super) fn reject(&mut self, id: JobId, reason: RejectReason, limit_bytes: Option<Bytes>, detail: String) {
        let Some(job) = self.job(id) else { return };
        let (input, size_bytes) = (job.input.clone(), job.size);
        self.log(Some(id), LogLevel::Error, format!("rejected: {detail}"));
        self.emit(EventKind::JobRejected { job: id, input, size_bytes, limit_bytes, reason, detail });
    }

    /// Measures all that waits, and all that was rejected for its size, against the limit now in force.
    pub(super) fn apply_size_limit(&mut self) {
        let waiting: Vec<JobId> =
            self.state.index.waiting.iter().map(|(_, id)| *id).chain(self.state.index.backoff.iter().copied()).collect();
        for id in waiting {
            self.reject_if_too_large(id);
        }
        let rejected: Vec<JobId> = self.state.index.rejected.iter().copied().collect();
        for id in rejected {
            let Some(job) = self.job(id) else { continue };
            let was_size = matches!(&job.phase, Phase::Rejected(rejected) if rejected.reason == RejectReason::TooLarge);
            if was_size && self.size_limit_exceeded(job).is_none() {
                self.emit(EventKind::JobAllowed { job: id, by_operator: false });
            }
        }
    }

    /// Probes the jobs that are next, and starts those that may.
    pub(super) fn admit(&mut self) {
        if self.state.shutting_down || self.stands_still {
            return;
        }
        let mut passed = None;
        let (turn, held) = loop {
            let turn = self.turn();
            passed = passed.or(turn.passed);
            let Some(id) = turn.next else {
                // While nothing is known of memory, what was known of it last goes on.
                let waits = |held: &Held| self.job(held.job).is_some_and(|job| matches!(job.phase, Phase::Queued));
                let held = self.held_still(|held| turn.is_blind && waits(held));
                break (turn, held);
            };
            if let Some(before) = self.passed_for_room(id) {
                self.look_for_room(before);
                continue;
            }
            // One that comes back into the queue may have been let in under a profile with a larger limit.
            if self.reject_if_too_large(id) {
                continue;
            }
            match self.fit(id) {
                Fit::Yes => self.admit_one(id),
                Fit::Never { needs, limit } => self.reject_as_never_fitting(id, needs, limit),
                Fit::Held { needs, free } => {
                    break (turn, Some((id, needs, free)));
                }
                Fit::Unknown => {
                    break (turn, self.held_still(|held| held.job == id));
                }
            }
        };
        self.emit_held(held);
        self.log_passed(passed);
        self.emit_turn(&turn, held.map(|(_, needs, free)| (needs, free)));
        self.spawn_ready();
        // Last: what was admitted has made room in the window of probes, and may have left none for one beside it.
        self.inspect_next();
    }

    /// Who waits for memory, with the figures as they were told last, if that still counts.
    fn held_still(&self, counts: impl FnOnce(&Held) -> bool) -> Option<(JobId, Bytes, Bytes)> {
        self.state.held.filter(counts).map(|held| (held.job, held.needs, held.free))
    }

    fn inspect_next(&mut self) {
        let waits = self.state.comparison.is_some();
        if waits || self.is_probed || self.inspecting.len() >= INSPECT_AT_ONCE || !self.has_room_to_probe() {
            return;
        }
        let free = self.slots().saturating_sub(self.active.len());
        let window = free + INSPECT_AHEAD;
        // Those that others pass anyway, for want of room on their disk or of their input, or because large ones take turns, hide
        // nobody behind them.
        let is_passed = |job: &&Job| {
            let is_probed = job.media.is_some();
            is_probed && (self.state.large_turn(job).is_some() || self.lacks_room(job.id)) || self.is_away(&job.input)
        };
        let waiting = self.state.index.waiting.iter().filter_map(|(_, id)| self.state.jobs.get(id));
        let mut next = waiting.filter(|job| !is_passed(job)).take(window);
        let found = next.find(|job| job.media.is_none() && job.output.is_some() && !self.inspecting.contains(&job.id));
        let Some((job, output)) = found.and_then(|job| Some((job, job.output.clone()?))) else {
            self.is_probed = true;
            return;
        };
        let (id, input, preset) = (job.id, job.input.clone(), job.preset.clone());
        self.inspecting.insert(id);
        self.effects.push(Effect::Inspect { job: id, input, output, preset });
    }

    pub(super) fn inspected(&mut self, id: JobId, inspection: Inspection) {
        self.inspecting.remove(&id);
        self.is_probed = false;
        if !matches!(inspection, Inspection::Later(_)) {
            self.input_is_there(id);
        }
        // It may have been cancelled or removed while it was probed.
        let Some(job) = self.job(id).filter(|job| matches!(job.phase, Phase::Queued)) else { return };
        match inspection {
            Inspection::Ready { media, disk } => {
                let preset = self.preset_of(job);
                let expected = preset.and_then(|preset| estimate::expect(&media, preset, &self.config.learned));
                let learned_from = expected.as_ref().map_or(0, |expected| expected.estimate.learned_from);
                let predicted_peak_bytes = expected.as_ref().map(|expected| expected.estimate.peak);
                let pixels = preset.map_or(0, |preset| estimate::pixels(&media, preset));
                let choices = preset.map(Preset::choices).unwrap_or_default();
                self.emit(EventKind::JobInspected { job: id, media, predicted_peak_bytes, learned_from, pixels, choices, disk });
                self.keep_expected(id, expected);
            }
            Inspection::AlreadyDone { output } => {
                self.log(Some(id), LogLevel::Info, format!("already done: {}", path_text(&output)));
                self.emit(EventKind::finished_without_run(id, Outcome::AlreadyDone, Some(output)));
            }
            Inspection::Rejected(rejected) => self.reject(id, rejected.reason, rejected.limit, rejected.detail),
            Inspection::Later(absence) => self.wait_for_input(id, absence),
        }
    }

    fn reject_as_never_fitting(&mut self, id: JobId, needs: Bytes, limit: Bytes) {
        let budget = self.state.lines.budget;
        // What is needed is the least that it may turn out to be; what is expected stands in the columns of the queue.
        let expected = self.expected(id).map(|estimate| estimate.peak).filter(|peak| *peak > needs);
        let expected = expected.map_or_else(String::new, |peak| format!(" ({} expected)", peak.whole()));
        let figures = format!(
            "at least {} needed{expected}, {} are the most one job can have under a budget of {budget}",
            needs.whole(),
            limit.whole()
        );
        // One that has run and was killed has ended; one that has not was never let in.
        if self.governor.memory_tries(id) > 0 {
            self.finish_without_run(id, Outcome::OutOfMemory, &format!("out of memory: {figures}"));
            self.governor.forget(id);
        } else {
            self.reject(id, RejectReason::NeverFits, Some(limit), figures);
        }
    }

    fn admit_one(&mut self, id: JobId) {
        let Some(job) = self.job(id) else { return };
        let (attempt, reserved_bytes) = (job.attempts + 1, self.set_aside(id));
        let (may_reach, parallelism) = (self.may_reach(id), self.parallelism_of(id));
        self.emit(EventKind::JobAdmitted { job: id, attempt, reserved_bytes });
        let is_cleaned_for = self.config.governor && !self.lacks_room(id);
        let cleaning_until = is_cleaned_for.then(|| self.now.mono + super::CLEANUP_PATIENCE);
        // The admission is the last event made, and the record that has to be on disk.
        self.active.insert(id, Active { admitted: self.state.seq, cleaning_until, may_reach, parallelism, ..Active::default() });
        if is_cleaned_for {
            self.clean_before(id);
        }
    }

    /// Orders the start of every admitted job that is recorded and cleaned for.
    pub(super) fn spawn_ready(&mut self) {
        let ready: Vec<JobId> = self
            .active
            .iter()
            .filter(|(_, active)| {
                let is_cleaned = active.cleaning_until.is_none_or(|until| self.now.mono >= until);
                !active.spawn_ordered && active.admitted <= self.persisted && is_cleaned
            })
            .map(|(id, _)| *id)
            .collect();
        for id in ready {
            let Some(job) = self.state.jobs.get(&id) else { continue };
            let (Some(media), Some(output)) = (job.media.clone(), job.output.clone()) else { continue };
            let memory_limit = self.kernel_limit(id);
            let env = self.state.profile.as_ref().map(|profile| profile.env.clone()).unwrap_or_default();
            let order = SpawnOrder {
                job: id,
                attempt: job.attempts,
                input: job.input.clone(),
                output,
                preset: job.preset.clone(),
                media,
                env,
                memory_limit,
                scratch_limit: self.state.profile.as_ref().and_then(|profile| profile.scratch_limit),
                room_known: self.room_known(id),
            };
            self.effects.push(Effect::Spawn(Box::new(order)));
            if let Some(active) = self.active.get_mut(&id) {
                active.spawn_ordered = true;
                active.limit = memory_limit;
                active.limit_round = self.governor.limits_round;
                active.cleaning_until = None;
            }
        }
    }
}
