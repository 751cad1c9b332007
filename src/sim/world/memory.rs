//! Memory of the modelled world: what is measured of it, and the kernel that kills when there is none left.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::curve::held_at;
use crate::domain::job::{Exit, JobId};
use crate::domain::memory::{Asked, Budget, JobVitals, MemorySample, Scope, There};
use crate::domain::units::Bytes;
use crate::engine::port::Input;
use crate::sim::world::{Coming, Fate, LONGEST_WAIT, Process, World};

/// Files that others keep in memory: they are used, and count for nobody.
const OTHERS_FILES: Bytes = Bytes::mib(50);

impl World {
    pub(super) fn sample(&mut self) -> Option<Input> {
        if self.sample_every == Duration::ZERO {
            return None;
        }
        self.sampled = Some(self.now);
        if self.sparing {
            self.highest = self.highest.max(self.hard());
            self.sample_due = None;
            self.sample_wait = (self.sample_wait * 3 / 2).clamp(self.sample_every, LONGEST_WAIT);
        } else {
            self.after(self.sample_every, Coming::Sample);
        }
        if self.blind.iter().any(|(from, to)| (*from..*to).contains(&self.now)) {
            return None;
        }
        let jobs: BTreeMap<JobId, JobVitals> = self
            .processes
            .iter()
            .map(|(id, process)| {
                let spec = &self.jobs[process.index];
                let ran = self.ran(process);
                let works = !matches!(spec.fate, Fate::Hangs);
                let cpu_ms = if works { ran.as_millis() as u64 } else { 0 };
                (*id, JobVitals { anon: self.anon(process), cpu_ms })
            })
            .collect();
        let anon: Bytes = jobs.values().map(|vitals| vitals.anon).sum();
        let console = self.console;
        let hard = anon + console + self.foreign_now();
        let cache = self.cache.values().copied().sum();
        let asked = self.asked.map(|bytes| Asked { bytes: Some(bytes), by: "--budget".to_owned() });
        Some(Input::Sample(MemorySample {
            scope: Scope::Machine,
            usage: hard + cache + OTHERS_FILES,
            working_set: hard + cache,
            hard,
            console,
            file_cache: cache,
            jobs,
            budget: Some(Budget::new((self.memory, There::Machine), asked, self.profile_budget)),
            ..MemorySample::default()
        }))
    }

    /// From now on this is the memory to use, and so much is there beyond it; both are measured at once.
    pub fn change_memory(&mut self, memory: Bytes, beyond: Bytes) {
        (self.memory, self.beyond, self.sampled) = (memory, beyond, None);
        self.sample_in(Duration::ZERO);
    }

    /// What others use now.
    pub fn foreign_now(&self) -> Bytes {
        let wave = self.wave.filter(|wave| {
            let period = wave.period.as_millis().max(1);
            self.now.0.as_millis() % period >= period / 2
        });
        self.foreign + wave.map_or(Bytes::ZERO, |wave| wave.height)
    }

    /// Memory of a process: it grows while it runs, and stays while it is stopped.
    pub(super) fn anon(&self, process: &Process) -> Bytes {
        let spec = &self.jobs[process.index];
        let ran = self.ran(process);
        if let Some(course) = self.courses.get(process.index) {
            return spec.peak.scale(held_at(&course.points, ran.as_secs_f64() / spec.length.as_secs_f64().max(1e-6)));
        }
        if ran >= spec.ramp { spec.peak } else { spec.peak.scale(ran.as_secs_f64() / spec.ramp.as_secs_f64()) }
    }

    /// Memory in use that cannot be dropped.
    pub fn hard(&self) -> Bytes {
        self.processes.values().map(|process| self.anon(process)).sum::<Bytes>() + self.console + self.foreign_now()
    }

    /// Kills whoever is over its own limit, and the largest process when there is no memory left. Looks often enough for what grows by 1 GB/s.
    pub(super) fn kernel_looks(&mut self) -> Option<Input> {
        self.watched = !self.processes.is_empty();
        if self.watched {
            self.after(self.kernel_every, Coming::Kernel);
        }
        self.kernel_kills()
    }

    pub(super) fn kernel_kills(&mut self) -> Option<Input> {
        self.highest = self.highest.max(self.hard());
        if !self.kernel {
            return None;
        }
        let is_over = |id: &JobId, process: &Process| self.limits.get(id).is_some_and(|limit| self.anon(process) > *limit);
        let over = self.processes.iter().find(|(id, process)| is_over(id, process));
        let largest = || self.processes.iter().max_by_key(|(_, process)| self.anon(process));
        let victim = over.or_else(|| if self.hard() > self.memory + self.beyond { largest() } else { None }).map(|(id, _)| *id)?;
        self.oom_kills += 1;
        Some(self.end(victim, Exit::Signal(9), None, Some(true)))
    }
}
