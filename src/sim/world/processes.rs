//! The jobs of the modelled world at work: how they start, come on, stand still and end.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::account::Account;
use crate::domain::job::{Exit, JobId, Progress};
use crate::domain::units::Bytes;
use crate::engine::port::{Cause, ExitReport, Failure, Input, JobReport, Lack, SpawnOrder, StopMode};
use crate::sim::world::{Coming, Fate, Process, STEEP, TOLD_AT, World};

impl World {
    pub(super) fn ran(&self, process: &Process) -> Duration {
        process.ran + process.since.map_or(Duration::ZERO, |since| self.now.since(since).mul_f64(process.rate))
    }

    /// The processors are shared by those that run: who is in nobody's way comes on as if alone, else all are slowed alike.
    /// What was foretold of their ends no longer holds when that changes.
    pub(super) fn share_processors(&mut self) {
        // Memory goes another way from here on: it is looked at soon again.
        self.sample_wait = self.sample_every;
        if self.courses.is_empty() {
            return;
        }
        let wants = |process: &Process| self.courses.get(process.index).map_or(0.0, |course| course.parallelism);
        let wanted: f64 = self.processes.values().filter(|process| process.since.is_some()).map(wants).sum();
        let rate = if wanted > self.cores { self.cores / wanted } else { 1.0 };
        let running: Vec<JobId> = self.processes.iter().filter(|(_, process)| process.since.is_some()).map(|(id, _)| *id).collect();
        for id in running {
            let Some(ran) = self.processes.get(&id).map(|process| self.ran(process)) else { continue };
            self.order += 1;
            let (now, generation) = (self.now, self.order);
            if let Some(process) = self.processes.get_mut(&id).filter(|process| process.generation != u64::MAX) {
                (process.ran, process.since, process.rate, process.generation) = (ran, Some(now), rate, generation);
                self.next_tick(id);
            }
        }
    }

    pub(super) fn tick(&mut self, id: JobId, generation: u64) -> Option<Input> {
        let process = self.processes.get(&id).filter(|process| process.generation == generation)?;
        let (spec, ran, attempt) = (self.jobs[process.index].clone(), self.ran(process), process.attempt);
        // As ffmpeg counts: over all the time since its start, whether it stood still or not.
        let speed = ran.as_secs_f64() / self.now.since(process.began).as_secs_f64().max(1e-3);
        let is_at_end = ran >= spec.length && !matches!(spec.fate, Fate::Hangs);
        if self.sparing && !is_at_end {
            let input = self.kernel_kills().or_else(|| self.report_once(id, ran));
            self.next_tick(id);
            return input;
        }
        self.highest = self.highest.max(self.hard());
        if !is_at_end {
            self.next_tick(id);
            let ratio = if matches!(spec.fate, Fate::Hangs) { 0.0 } else { ran.as_secs_f64() / spec.length.as_secs_f64() };
            let frame = (ratio * 1000.0) as u64;
            let written = match &spec.fate {
                Fate::FillsDiskFirst(tries) => self.starts_of(id).checked_sub(1).and_then(|at| tries.get(at)).copied(),
                _ => None,
            };
            let written = written.unwrap_or_default();
            let progress = Progress {
                ratio: Some(ratio.min(1.0)),
                frame,
                fps: 25.0,
                speed,
                written,
                out_time: if ratio > 0.0 { ran } else { Duration::ZERO },
                eta_seconds: (speed > 0.0).then(|| (spec.length.saturating_sub(ran).as_secs_f64() / speed) as u64),
            };
            return Some(Input::Job(id, JobReport::Progress(progress)));
        }
        let (exit, failure, oom_killed) = match &spec.fate {
            Fate::FailsFirst(times, failure) if attempt <= *times => (Exit::Code(1), Some(failure.clone()), Some(false)),
            Fate::FillsDiskFirst(tries) if self.starts_of(id) <= tries.len() => {
                let full = Failure { cause: Cause::Room, reason: "disk full while writing the output".to_owned() };
                (Exit::Code(1), Some(full), Some(false))
            }
            Fate::KilledFirst(times) if attempt <= *times => (Exit::Signal(9), None, Some(true)),
            _ => (Exit::Code(0), None, Some(false)),
        };
        Some(self.end(id, exit, failure, oom_killed))
    }

    /// How far a job of a sparing world is, told once on its way: the engine learns from jobs that have come far enough.
    pub(super) fn report_once(&mut self, id: JobId, ran: Duration) -> Option<Input> {
        let process = self.processes.get_mut(&id)?;
        let ratio = ran.as_secs_f64() / self.jobs[process.index].length.as_secs_f64().max(1e-6);
        if process.told || ratio < TOLD_AT {
            return None;
        }
        process.told = true;
        let media = self.courses.get(process.index).map(|course| &course.media);
        let frames = media.and_then(|media| Some(media.duration?.as_secs_f64() * media.video.as_ref()?.fps)).unwrap_or(0.0);
        let progress =
            Progress { ratio: Some(ratio), frame: (frames * ratio) as u64, fps: 25.0, speed: 1.0, ..Progress::default() };
        Some(Input::Job(id, JobReport::Progress(progress)))
    }

    /// Starts of a job so far, those that came to nothing included.
    pub(super) fn starts_of(&self, id: JobId) -> usize {
        self.starts.iter().filter(|(_, job, _)| *job == id).count()
    }

    pub(super) fn end(&mut self, id: JobId, exit: Exit, failure: Option<Failure>, oom_killed: Option<bool>) -> Input {
        let peak = self.processes.get(&id).map_or(Bytes::ZERO, |process| match self.courses.get(process.index) {
            // Whoever looked all the time has seen the highest of the course, not what is held at its end.
            Some(_) if self.ran(process) >= self.jobs[process.index].length => self.jobs[process.index].peak,
            _ => self.anon(process),
        });
        let cpu = self.processes.remove(&id).map_or(Duration::ZERO, |process| self.worked(&process));
        self.limits.remove(&id);
        self.share_processors();
        Input::Job(id, JobReport::Exited(ExitReport { exit, peak, failure, oom_killed, cpu, account: Account::default() }))
    }

    /// Processor time that a process has taken.
    fn worked(&self, process: &Process) -> Duration {
        let ran = self.ran(process);
        match self.courses.get(process.index) {
            // What was done before it was started here is no work of its own.
            Some(course) => {
                let before = self.jobs[process.index].length.mul_f64(course.done);
                ran.saturating_sub(before).mul_f64(course.parallelism)
            }
            None => ran.mul_f64(self.keeps_busy),
        }
    }

    pub(super) fn next_tick(&mut self, id: JobId) {
        let Some(process) = self.processes.get(&id) else { return };
        let spec = &self.jobs[process.index];
        let ran = self.ran(process);
        let left = spec.length.saturating_sub(ran).div_f64(process.rate.max(1e-6));
        let delay = match &spec.fate {
            Fate::Hangs => self.progress_every,
            _ if self.sparing => left.min(self.bend_after(process, ran).div_f64(process.rate.max(1e-6))),
            _ => left.min(self.progress_every),
        };
        let generation = process.generation;
        self.after(delay.max(Duration::from_millis(1)), Coming::Tick(id, generation));
    }

    /// Work left to the next bend of a job's course, or to where it tells how far it is.
    pub(super) fn bend_after(&self, process: &Process, ran: Duration) -> Duration {
        let length = self.jobs[process.index].length;
        let done = ran.as_secs_f64() / length.as_secs_f64().max(1e-6);
        let points = self.courses.get(process.index).map_or(&[][..], |course| &course.points);
        let points = if points.is_empty() { STEEP } else { points };
        // What lies a rounding away is reached.
        let next = points.iter().map(|point| f64::from(point.done) / 1000.0).find(|at| *at > done + 1e-6).unwrap_or(1.0);
        let next = if !process.told && done < TOLD_AT { next.min(TOLD_AT + 1e-6) } else { next };
        length.mul_f64((next - done).max(0.0))
    }

    pub(super) fn spawn(&mut self, order: &SpawnOrder) {
        let id = order.job;
        if self.admitted.get(&id).is_none_or(|seq| *seq > self.persisted) {
            self.violations.push(format!("job {id} was started before its start was on disk"));
        }
        if self.processes.contains_key(&id) {
            self.violations.push(format!("job {id} was started while it runs"));
        }
        let Some(index) = self.index_of.get(&id).copied() else { return };
        self.starts.push((self.now, id, order.attempt));
        if let Some(absence) = self.absence(index) {
            self.report(1, id, JobReport::InputAway(absence));
            return;
        }
        if matches!(self.jobs[index].fate, Fate::SpawnFailsFirst(times) if order.attempt <= times) {
            self.report(1, id, JobReport::SpawnFailed { reason: "no more processes".to_owned(), transient: true });
            return;
        }
        if matches!(self.jobs[index].fate, Fate::NoRoomFirst(times) if self.starts_of(id) <= times as usize) {
            let (needs, free) = (Some(Bytes::mib(8)), Some(Bytes::mib(6)));
            let disk = self.disks.get(&index).cloned();
            let lack = Lack { folder: PathBuf::from("/out"), disk, needs, free, reason: "disk full: /out".to_owned() };
            self.report(1, id, JobReport::NoRoom(lack));
            return;
        }
        self.parts.insert((id, order.attempt));
        self.limits.extend(order.memory_limit.map(|limit| (id, limit)));
        *self.cache.entry(index).or_default() += self.jobs[index].cache;
        let process = Process {
            index,
            attempt: order.attempt,
            began: self.now,
            rate: 1.0,
            ran: self.courses.get(index).map_or(Duration::ZERO, |course| self.jobs[index].length.mul_f64(course.done)),
            since: Some(self.now),
            generation: self.order,
            told: false,
        };
        self.processes.insert(id, process);
        self.most_processes = self.most_processes.max(self.processes.len());
        if !self.watched && !self.sparing {
            self.watched = true;
            self.after(self.kernel_every, Coming::Kernel);
        }
        self.share_processors();
        // A fork takes its time: the engine knows a little later.
        self.report(1, id, JobReport::Spawned { pid: 1000 + id.0 as u32, command: format!("modelled {id}") });
        self.next_tick(id);
    }

    pub(super) fn stop(&mut self, id: JobId, mode: StopMode) {
        self.stops.push((self.now, id, mode));
        let Some(process) = self.processes.get_mut(&id) else { return };
        let is_deaf = matches!(self.jobs[process.index].fate, Fate::Hangs);
        if mode == StopMode::Term && is_deaf {
            return;
        }
        // Whatever it was about to tell is not told any more.
        process.generation = u64::MAX;
        let (delay, signal) = match mode {
            StopMode::Term => (100, 15),
            StopMode::Kill => (20, 9),
        };
        let input = self.end(id, Exit::Signal(signal), None, Some(false));
        self.send(delay, input);
    }

    pub(super) fn pause(&mut self, id: JobId, pause: bool) {
        let now = self.now;
        let order = self.order;
        let Some(process) = self.processes.get_mut(&id) else { return };
        if pause {
            let rate = process.rate;
            process.ran += process.since.take().map_or(Duration::ZERO, |since| now.since(since).mul_f64(rate));
            process.generation = u64::MAX;
        } else {
            process.since.get_or_insert(now);
            process.generation = order;
            self.next_tick(id);
        }
        self.share_processors();
    }
}
