//! Properties of the memory governor over a modelled host in virtual time. Each test is named as the sentence it proves;
//! what the engine did is held against a second reckoning made here, from the events alone.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::modelled::{self, profile};
use plimsoll::domain::cleanup::{CleanupAction, CleanupResult, CleanupTrigger, CleanupVerdict};
use plimsoll::domain::command::Command;
use plimsoll::domain::event::{Event, EventKind, MemoryFigures};
use plimsoll::domain::job::{JobId, MediaInfo, Outcome, Phase, RejectReason, StopReason, VideoStream};
use plimsoll::domain::memory::{Budget, JobVitals, Level, MemorySample, There};
use plimsoll::domain::preset::{Container, PixelFormat, Preset, SpeedPreset, VideoCodec, VideoPlan};
use plimsoll::domain::profile::{GUIDE_MARKS, LargeRule, Picture, Profile, SlotLimit, Slots};
use plimsoll::domain::state::State;
use plimsoll::domain::time::{Mono, Now, Wall};
use plimsoll::domain::units::Bytes;
use plimsoll::engine::port::{Cause, Effect, Failure, Input};
use plimsoll::engine::{EngineConfig, estimate};
use plimsoll::sim::world::{Curve, Fate, SimJob, Wave};
use plimsoll::sim::{End, Sim};
use proptest::prelude::*;

const RESERVE: Bytes = GUIDE_MARKS.reserve;

fn preset() -> Preset {
    Preset {
        video: Some(VideoPlan {
            preset: Some(SpeedPreset::Medium),
            crf: Some(23),
            pixel_format: Some(PixelFormat::Yuv420p),
            ..VideoPlan::new(VideoCodec::X264)
        }),
        ..Preset::new("video", Container::Mp4, 1)
    }
}

fn config(slots: u32) -> EngineConfig {
    EngineConfig {
        profiles: vec![profile("fast", 4, 500), profile("balanced", 2, 200), profile("safe", 1, 100)],
        stall: Some(Duration::from_mins(5)),
        disk_wait: None,
        ..crate::support::modelled::config(profile(&format!("p{slots}"), slots, 500), preset())
    }
}

/// A picture for which the model predicts about this peak.
fn picture(peak: Bytes) -> (u32, u32) {
    let predicted = |width: u32| {
        let video = VideoStream { width, height: 1000, ..VideoStream::default() };
        estimate::predicted_peak(&MediaInfo { video: Some(video), ..MediaInfo::default() }, &preset()).expect("a picture")
    };
    let (mut low, mut high) = (1, 100_000);
    while low < high {
        let middle = u32::midpoint(low, high);
        if predicted(middle) < peak { low = middle + 1 } else { high = middle }
    }
    (low, 1000)
}

/// A job of which so much is predicted, and that really takes so much, growing for two seconds.
fn job(predicted_mb: u64, peak_mb: u64, seconds: u64) -> SimJob {
    SimJob {
        size: Bytes::mib(10),
        length: Duration::from_secs(seconds),
        peak: Bytes::mib(peak_mb),
        ramp: Duration::from_secs(2),
        picture: picture(Bytes::mib(predicted_mb)),
        cache: Bytes::ZERO,
        fate: Fate::Good,
    }
}

fn start(config: EngineConfig, jobs: Vec<SimJob>) -> Sim {
    let mut sim = Sim::new(config, jobs);
    sim.enqueue_all();
    sim
}

fn finish(sim: &mut Sim) {
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_hours(12)), End::Over, "the run never ended");
}

/// Random runs of each property; fewer where many broken engines are to be told from the sound one.
fn cases() -> u32 {
    std::env::var("GOVERNOR_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(70)
}

/// Random queues that are run with and without the governor; `just governor` takes 1,500.
fn queues() -> u64 {
    std::env::var("GOVERNOR_QUEUES").ok().and_then(|queues| queues.parse().ok()).unwrap_or(100)
}

fn count(sim: &Sim, what: impl Fn(&EventKind) -> bool) -> usize {
    sim.events.iter().filter(|event| what(&event.kind)).count()
}

fn kills(sim: &Sim) -> usize {
    count(sim, |kind| matches!(kind, EventKind::JobStopping { why: StopReason::Memory, .. }))
}

fn stops(sim: &Sim) -> usize {
    count(sim, |kind| matches!(kind, EventKind::JobPaused { by_governor: true, .. }))
}

/// A second reckoning of what the governor may and must do, from the events alone. Holds for budgets of at most 2 GB, where
/// nobody else's memory is left out.
#[derive(Default)]
struct Oracle {
    state: State,
    reserves: BTreeMap<JobId, Bytes>,
    stopped: BTreeMap<JobId, Mono>,
    sample_at: Option<Mono>,
    last_action: Option<Mono>,
    /// Since when the oldest stopped job has had room.
    room: Option<(JobId, Mono)>,
    over_since: Option<Mono>,
    last_kill: Option<(JobId, Mono)>,
    last_reap: Option<Mono>,
    killed_since_sample: bool,
    must_kill: bool,
    last_level_change: Option<Mono>,
    grown: BTreeMap<JobId, (Bytes, Mono)>,
    /// How far memory may go for a job that was let in alone.
    foreseen: BTreeMap<JobId, Bytes>,
    held_by_kill: BTreeMap<JobId, Bytes>,
    blind: Vec<(Mono, Mono)>,
}

impl Oracle {
    fn figures(&self) -> &MemoryFigures {
        &self.state.memory
    }

    fn anon(&self, id: JobId) -> Bytes {
        self.figures().jobs.get(&id).copied().unwrap_or(Bytes::ZERO)
    }

    fn base(&self) -> Bytes {
        (self.figures().foreign_bytes + self.figures().console_bytes).max(RESERVE)
    }

    fn share(&self, id: JobId) -> Bytes {
        if matches!(self.state.jobs[&id].phase, Phase::Finalizing) {
            return Bytes::ZERO;
        }
        self.reserves[&id].max(self.anon(id))
    }

    fn is_ramping(&self, id: JobId, now: Mono) -> bool {
        let grows = self.grown.get(&id).is_some_and(|(_, at)| now.since(*at) < Duration::from_secs(10));
        grows && self.anon(id) < self.reserves[&id].scale(0.9)
    }

    fn age(&self, id: JobId) -> (Option<Mono>, JobId) {
        (self.state.jobs[&id].started_at, id)
    }

    fn phase_is(&self, id: JobId, wanted: fn(&Phase) -> bool) -> bool {
        wanted(&self.state.jobs[&id].phase)
    }

    fn active(&self, wanted: fn(&Phase) -> bool) -> Vec<JobId> {
        let mut ids: Vec<JobId> = self.state.index.active.iter().copied().filter(|id| self.phase_is(*id, wanted)).collect();
        ids.sort_by_key(|id| self.age(*id));
        ids
    }

    fn is_room_to_go_on(&self, id: JobId) -> bool {
        let others = self.state.index.active.iter().filter(|other| **other != id);
        let held: Bytes = others.map(|o| if self.stopped.contains_key(o) { self.anon(*o) } else { self.share(*o) }).sum();
        self.base() + held + self.share(id) <= self.state.lines.high_water
    }

    fn is_kill_settled(&self, now: Mono) -> bool {
        let Some((_, at)) = self.last_kill else { return true };
        now >= self.last_reap.unwrap_or(at + Duration::from_secs(5)) + Duration::from_millis(500)
    }

    /// As [`Self::base`], beside a job that is alone: what is really held, and what the program takes.
    fn base_alone(&self) -> Bytes {
        (self.figures().foreign_bytes + self.figures().console_bytes).max(RESERVE.min(Bytes::mib(16)))
    }

    /// The budget without what even a job alone leaves: 4 % of it and 8 MB at least.
    fn last(&self) -> Bytes {
        let lines = &self.state.lines;
        (lines.budget - lines.budget.scale(0.04).max(Bytes::mib(8))).max(lines.critical)
    }

    /// From here on somebody has to go.
    fn mark(&self) -> Bytes {
        let critical = self.state.lines.critical;
        match self.active(|phase| !matches!(phase, Phase::Finalizing)).as_slice() {
            [alone] => self.foreseen.get(alone).copied().unwrap_or(critical).max(critical),
            _ => critical,
        }
    }

    /// Who goes, written down a second time.
    fn victim(&self) -> Option<JobId> {
        let deficit = self.figures().hard_bytes - self.mark() + Bytes(1);
        let all: Vec<JobId> = self
            .active(|phase| matches!(phase, Phase::Running { .. }))
            .into_iter()
            .filter(|id| self.anon(*id) > Bytes::ZERO)
            .collect();
        if all.iter().map(|id| self.anon(*id)).sum::<Bytes>() < deficit {
            return None;
        }
        let enough: Vec<JobId> = all.iter().copied().filter(|id| self.anon(*id) >= deficit).collect();
        let pool = if enough.is_empty() { all } else { enough.clone() };
        let over: Vec<JobId> = pool.iter().copied().filter(|id| self.anon(*id) > self.reserves[id].scale(1.5)).collect();
        let stopped: Vec<JobId> = pool
            .iter()
            .copied()
            .filter(|id| self.phase_is(*id, |phase| matches!(phase, Phase::Running { paused: true, .. })))
            .collect();
        let class = [over, stopped, pool].into_iter().find(|class| !class.is_empty())?;
        if enough.is_empty() { class.into_iter().max_by_key(|id| (self.anon(*id), self.age(*id))) } else { class.last().copied() }
    }

    fn see(&mut self, event: &Event) {
        let now = event.mono;
        if now > self.state.now {
            self.check_somebody_runs(now);
        }
        let is_blind = self.blind.iter().any(|(from, to)| now > *from + Duration::from_millis(1200) && now < *to);
        match &event.kind {
            EventKind::JobAdmitted { job, reserved_bytes, .. } => {
                assert!(self.stopped.is_empty(), "job {job} was admitted while another was stopped");
                self.check_admission(*job, *reserved_bytes, now, is_blind);
                if self.active(|phase| !matches!(phase, Phase::Finalizing)).is_empty() {
                    self.foreseen.insert(*job, (self.base_alone() + *reserved_bytes).min(self.last()));
                } else {
                    self.foreseen.remove(job);
                }
                self.reserves.insert(*job, *reserved_bytes);
            }
            EventKind::JobPaused { job, by_governor: true } => {
                let running = self.active(|phase| matches!(phase, Phase::Running { paused: false, .. }));
                assert!(running.first() != Some(job), "the oldest, job {job}, was stopped");
                assert!(running.len() >= 2, "the last was stopped");
                assert!(self.is_ramping(*job, now), "job {job} no longer grew");
                let younger = running.iter().rev().take_while(|id| *id != job);
                for id in younger {
                    assert!(!self.is_ramping(*id, now), "job {id} is younger than {job} and still grows");
                }
                assert!(self.over_since.is_some_and(|since| now.since(since) >= Duration::from_secs(1)), "over for too short");
                assert!(!is_blind, "stopped while blind");
                self.act(now);
                self.stopped.insert(*job, now);
            }
            EventKind::JobContinued { job, by_governor: true } => {
                assert!(self.stopped.contains_key(job), "job {job} was not the governor's to resume");
                let oldest = self.stopped.keys().min_by_key(|id| self.age(**id));
                assert_eq!(oldest, Some(job), "the oldest goes on first");
                if !self.busy().is_empty() {
                    let long = self.room.is_some_and(|(id, since)| id == *job && now.since(since) >= Duration::from_secs(5));
                    assert!(long, "job {job} goes on without 5 s of room");
                    assert!(!is_blind, "resumed while blind although something runs");
                }
                self.stopped.remove(job);
                self.room = None;
                self.last_action = Some(now);
            }
            EventKind::JobStopping { job, why } => {
                if *why == StopReason::Memory {
                    self.check_kill(*job, now);
                    assert!(!is_blind, "killed while blind");
                    self.held_by_kill.insert(*job, self.anon(*job));
                    self.last_kill = Some((*job, now));
                    self.last_reap = None;
                    self.killed_since_sample = true;
                    self.must_kill = false;
                    self.last_action = Some(now);
                }
                self.stopped.remove(job);
            }
            EventKind::JobRequeued { job, .. } | EventKind::JobFinished { job, .. } | EventKind::JobFinalizing { job } => {
                self.stopped.remove(job);
                if self.last_kill.is_some_and(|(killed, _)| killed == *job) {
                    self.last_reap.get_or_insert(now);
                }
            }
            EventKind::CleanupStarted { action: CleanupAction::StopJob | CleanupAction::KillJob, .. } => {}
            EventKind::CleanupStarted { trigger: CleanupTrigger::HighWater, .. } => {
                assert!(!is_blind, "cleaned for the line's sake while blind");
                self.last_action = Some(now);
            }
            EventKind::CleanupFinished { cleanup, action, freed_bytes, .. } => {
                let job = self.state.cleanups.iter().find(|record| record.id == *cleanup).and_then(|record| record.job);
                match action {
                    CleanupAction::HoldStarts | CleanupAction::StopJob => assert_eq!(*freed_bytes, Bytes::ZERO),
                    CleanupAction::KillJob => {
                        let held = job.and_then(|job| self.held_by_kill.get(&job)).copied().unwrap_or(Bytes::ZERO);
                        assert!(*freed_bytes <= held, "{freed_bytes} were freed of {held}");
                        assert!(*freed_bytes == Bytes::ZERO || self.last_reap.is_some(), "freed before it was gone");
                    }
                    _ => {}
                }
            }
            EventKind::PressureChanged { from, to, .. } => {
                if to < from {
                    assert_eq!(*from as u8, *to as u8 + 1, "down one level at a time");
                    let long = self.last_level_change.is_none_or(|at| now.since(at) >= Duration::from_secs(3));
                    assert!(long, "down too soon");
                }
                self.last_level_change = Some(now);
            }
            _ => {}
        }
        if let EventKind::JobStarted { job, .. } = event.kind {
            self.grown.insert(job, (Bytes::ZERO, now));
        }
        self.state.apply(event);
        if matches!(event.kind, EventKind::MemorySampled(_)) {
            self.sampled(now);
        }
    }

    fn sampled(&mut self, now: Mono) {
        let anons = self.state.memory.jobs.clone();
        for (id, anon) in anons {
            let grown = self.grown.entry(id).or_insert((Bytes::ZERO, now));
            if anon >= grown.0 + Bytes::mib(4) {
                *grown = (anon, now);
            }
        }
        self.killed_since_sample = false;
        self.sample_at = Some(now);
        let over = self.figures().hard_bytes >= self.state.lines.high_water;
        self.over_since = if over { self.over_since.or(Some(now)) } else { None };
        let oldest = self.stopped.keys().copied().min_by_key(|id| self.age(*id));
        self.room = match oldest {
            Some(id) if self.is_room_to_go_on(id) => Some(self.room.filter(|(known, _)| *known == id).unwrap_or((id, now))),
            _ => None,
        };
        let is_newer = self.last_action.is_none_or(|action| now > action);
        let is_critical = self.figures().hard_bytes >= self.mark();
        let is_due = is_critical && is_newer && self.is_kill_settled(now) && !self.state.shutting_down;
        self.must_kill = is_due && self.victim().is_some();
    }

    fn act(&mut self, now: Mono) {
        assert!(self.sample_at > self.last_action, "two actions on one sample");
        self.last_action = Some(now);
    }

    fn busy(&self) -> Vec<JobId> {
        self.active(|phase| matches!(phase, Phase::Starting | Phase::Running { paused: false, .. } | Phase::Stopping { .. }))
    }

    fn check_somebody_runs(&self, now: Mono) {
        assert!(!self.must_kill, "memory was critical at {:?} and nobody was killed", self.sample_at);
        assert!(self.stopped.is_empty() || !self.busy().is_empty(), "everybody is stopped at {now:?}");
    }

    fn check_kill(&self, job: JobId, now: Mono) {
        assert!(!self.killed_since_sample, "two kills on one sample");
        assert!(self.is_kill_settled(now), "the last kill was not over");
        if self.stopped.get(&job).is_some_and(|since| now.since(*since) >= Duration::from_mins(2)) {
            return;
        }
        let hard = self.figures().hard_bytes;
        assert!(hard >= self.mark(), "killed at {hard} below {}", self.mark());
        assert_eq!(self.victim(), Some(job), "the wrong one was killed");
    }

    fn check_admission(&self, job: JobId, reserve: Bytes, now: Mono, is_blind: bool) {
        let others: Vec<JobId> = self.active(|phase| !matches!(phase, Phase::Finalizing));
        let Some(at) = self.sample_at.filter(|_| !is_blind) else {
            assert!(others.is_empty(), "job {job} was admitted blindly beside another");
            return;
        };
        if now.since(at) > Duration::from_millis(500) {
            // Blind: one alone.
            assert!(others.is_empty(), "job {job} was admitted on an old sample");
            return;
        }
        let lines = &self.state.lines;
        if others.is_empty() {
            assert!(self.base_alone() < lines.high_water, "somebody else is over the line");
            // Alone, a raised reserve does not count: what was seen does, and the least that the model may mean.
            let seen = self.state.jobs[&job].peak;
            let least = self.state.jobs[&job].predicted_peak.unwrap_or_default().scale(1.0 / 1.15);
            let needs = self.base_alone() + seen.max(least).min(reserve);
            assert!(needs <= self.last(), "job {job} was admitted alone to {needs}");
            return;
        }
        assert!(self.last_action.is_none_or(|action| at > action), "job {job} was admitted on a sample from before an action");
        assert_eq!(self.state.memory.level, Level::Normal, "job {job} was admitted under pressure");
        let sum = self.base() + others.iter().map(|id| self.share(*id)).sum::<Bytes>() + reserve;
        assert!(sum <= lines.high_water, "job {job} was admitted to {sum} of {}", lines.high_water);
    }
}

/// As [`check`], of a run that is not over.
fn check_so_far(sim: &Sim) {
    let mut oracle = Oracle { blind: sim.world.blind.clone(), ..Oracle::default() };
    sim.events.iter().for_each(|event| oracle.see(event));
}

fn check(sim: &Sim) {
    assert_eq!(sim.world.violations, Vec::<String>::new());
    let mut oracle = Oracle { blind: sim.world.blind.clone(), ..Oracle::default() };
    let mut ends: BTreeMap<JobId, u32> = BTreeMap::new();
    for event in &sim.events {
        oracle.see(event);
        if let EventKind::JobFinished { job, .. } | EventKind::JobRejected { job, .. } = event.kind {
            *ends.entry(job).or_default() += 1;
        }
    }
    assert!(ends.values().all(|ends| *ends == 1), "a job has ended more than once: {ends:?}");
    assert_eq!(sim.world.alive(), 0);
    assert_eq!(sim.world.parts, BTreeSet::new());
    assert_eq!(sim.engine.state().job_counts().unfinished, 0, "every job ends");
}

/// (predicted MB, truth as a share of the reserve, seconds, ramp in ms).
fn any_video(least: f64, most: f64) -> impl Strategy<Value = SimJob> {
    (80..900_u64, least..most, 2..30_u64, 200..4000_u64).prop_map(|(predicted, share, seconds, ramp)| SimJob {
        ramp: Duration::from_millis(ramp),
        ..job(predicted, ((predicted as f64) * 1.15 * share) as u64, seconds)
    })
}

fn any_wave() -> impl Strategy<Value = Option<Wave>> {
    prop::option::of(
        (10..900_u64, 200..60_000_u64).prop_map(|(mb, ms)| Wave { height: Bytes::mib(mb), period: Duration::from_millis(ms) }),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn kills_stops_resumes_and_admissions_match_their_oracles_and_every_job_ends_once(
        slots in 1..6_u32,
        jobs in prop::collection::vec(any_video(0.4, 2.2), 1..12),
        wave in any_wave(),
        foreign in 0..700_u64,
    ) {
        let mut sim = Sim::new(config(slots), jobs);
        sim.world.foreign = Bytes::mib(foreign);
        sim.world.wave = wave;
        sim.enqueue_all();
        sim.run_for(Duration::from_mins(10));
        // What others hold may leave no room for ever; then they go, and all must end.
        sim.world.wave = None;
        sim.world.foreign = Bytes::ZERO;
        finish(&mut sim);
        check(&sim);
    }

    #[test]
    fn blindness_holds_and_never_leaves_everybody_stopped(
        jobs in prop::collection::vec(any_video(0.4, 2.0), 2..10),
        foreign in 0..900_u64,
        gaps in prop::collection::vec((0..40_000_u64, 500..20_000_u64), 1..4),
    ) {
        let mut sim = Sim::new(config(4), jobs);
        let mut at = 3000;
        for (pause, length) in gaps {
            sim.world.blind.push((Mono::from_millis(at + pause), Mono::from_millis(at + pause + length)));
            at += pause + length + 2000;
        }
        sim.world.wave = Some(Wave { height: Bytes::mib(foreign), period: Duration::from_secs(14) });
        sim.enqueue_all();
        sim.run_for(Duration::from_mins(10));
        sim.world.wave = None;
        finish(&mut sim);
        check(&sim);
    }

    #[test]
    fn with_exact_predictions_there_is_no_kill_and_no_kernel_kill(
        slots in 1..6_u32,
        jobs in prop::collection::vec(any_video(0.7, 0.86), 1..12),
    ) {
        let mut sim = start(config(slots), jobs);
        finish(&mut sim);
        check(&sim);
        prop_assert_eq!((kills(&sim), sim.world.oom_kills), (0, 0));
        prop_assert_eq!(stops(&sim), 0);
    }

    #[test]
    fn admission_is_monotone_in_the_budget(predicted in 80..700_u64, small in 300..2048_u64, more in 0..1024_u64) {
        let admitted = |budget: u64| {
            let mut sim = Sim::new(config(6), (0..6).map(|_| job(predicted, 60, 600)).collect());
            sim.world.memory = Bytes::mib(budget);
            sim.enqueue_all();
            sim.run_for(Duration::from_secs(8));
            sim.world.alive()
        };
        let large = (small + more).min(2048);
        prop_assert!(admitted(small) <= admitted(large));
    }

    #[test]
    fn foreign_pressure_never_causes_a_massacre(
        jobs in prop::collection::vec(any_video(0.5, 0.86), 1..8),
        over in 0..2000_u64,
        at in 1000..20_000_u64,
    ) {
        let mut sim = start(config(4), jobs);
        sim.world.kernel = false;
        sim.run_for(Duration::from_millis(at));
        let before = kills(&sim);
        // From here on nothing that ours give up would be enough.
        sim.world.foreign = Bytes::mib(1844 + over);
        sim.run_for(Duration::from_mins(1));
        prop_assert_eq!(kills(&sim), before);
        sim.world.foreign = Bytes::ZERO;
        finish(&mut sim);
        check(&sim);
    }

    #[test]
    fn any_budget_is_survived(budget in prop_oneof![Just(0), Just(1), Just(u64::MAX), 0..4096_u64, any::<u64>()], foreign in any::<u64>()) {
        let mut sim = Sim::new(config(4), (0..4).map(|_| job(200, 200, 5)).collect());
        sim.world.memory = Bytes(budget);
        sim.world.foreign = Bytes(foreign);
        sim.enqueue_all();
        sim.run_for(Duration::from_secs(20));
        sim.world.memory = Bytes::gib(2);
        sim.world.foreign = Bytes::ZERO;
        sim.ask(Command::Drain);
        prop_assert_eq!(sim.run_for(Duration::from_hours(1)), End::Over);
        prop_assert_eq!(sim.engine.state().job_counts().unfinished, 0);
    }
}

#[test]
fn two_jobs_of_489_mb_run_at_once_in_two_gigabytes_and_four_do_not() {
    let mut sim = start(config(4), (0..4).map(|_| job(489, 489, 20)).collect());
    sim.run_for(Duration::from_secs(8));
    assert_eq!(sim.world.alive(), 2);
    let held = sim.engine.state().held.expect("the third waits");
    assert_eq!(held.job, JobId(3));
    assert!(held.needs > held.free, "{held:?}");
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.engine.state().job_counts().done, 4);
    assert!(count(&sim, |kind| matches!(kind, EventKind::AdmissionResumed)) >= 1);
}

#[test]
fn the_figures_of_a_held_job_are_not_told_at_every_sample() {
    let mut sim = start(config(4), (0..4).map(|_| job(489, 489, 60)).collect());
    sim.run_for(Duration::from_secs(40));
    let told = count(&sim, |kind| matches!(kind, EventKind::AdmissionHeld { .. }));
    assert!((1..=3).contains(&told), "{told}");
}

#[test]
fn with_room_for_all_several_start_on_one_sample() {
    let mut sim = start(config(4), (0..4).map(|_| job(100, 80, 20)).collect());
    sim.world.sample_every = Duration::from_hours(1);
    sim.run_for(Duration::from_millis(300));
    let samples = count(&sim, |kind| matches!(kind, EventKind::MemorySampled(_)));
    assert_eq!((sim.world.alive(), samples), (4, 1));
}

#[test]
fn a_job_that_can_never_fit_is_rejected_with_the_figures() {
    let mut sim = Sim::new(config(2), vec![job(600, 600, 5), job(100, 100, 5)]);
    sim.world.memory = Bytes::mib(512);
    sim.enqueue_all();
    finish(&mut sim);
    check(&sim);
    let Phase::Rejected(why) = &sim.engine.state().jobs[&JobId(1)].phase else { panic!("not rejected") };
    assert_eq!(why.reason, RejectReason::NeverFits);
    // 512 MB without the 20 MB that even a job alone leaves, and without the 16 MB kept for the console.
    assert_eq!(why.limit.map(Bytes::whole), Some("476 MB".to_owned()));
    assert!(why.detail.contains("at least 52") && why.detail.contains("476 MB"), "{}", why.detail);
    assert_eq!(sim.engine.state().job_counts().done, 1);
}

#[test]
fn a_job_that_may_fit_alone_is_tried_and_once_it_had_all_there_is_not_tried_again() {
    let run = |truth: u64| {
        let mut jobs = vec![job(500, truth, 5), job(100, 100, 5)];
        jobs[0].ramp = Duration::from_secs(3);
        let mut sim = Sim::new(config(2), jobs);
        sim.world.memory = Bytes::mib(512);
        sim.enqueue_all();
        finish(&mut sim);
        check(&sim);
        let counts = sim.engine.state().job_counts();
        (counts.done, counts.out_of_memory, sim.events.iter().filter(|event| is_start_of(event, 1)).count())
    };
    assert_eq!(run(440), (2, 0, 1), "the model was an eighth too high");
    assert_eq!(run(520), (1, 1, 1), "a second try would have no more");
}

fn is_start_of(event: &Event, job: u64) -> bool {
    matches!(event.kind, EventKind::JobAdmitted { job: id, .. } if id == JobId(job))
}

#[test]
fn a_job_that_would_just_fit_alone_is_let_in_and_not_killed() {
    // With the margin it would need 1955 MB; 1950 are the most one job can have.
    let mut jobs = vec![job(1700, 1690, 20), job(1700, 1690, 20)];
    for job in &mut jobs {
        job.ramp = Duration::from_secs(3);
    }
    let mut sim = Sim::new(config(4), jobs);
    sim.world.foreign = Bytes::mib(250);
    sim.enqueue_all();
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.engine.state().job_counts().done, 2);
    assert_eq!((kills(&sim), sim.world.oom_kills, sim.world.most_processes), (0, 0, 1));
}

#[test]
fn a_job_alone_is_killed_when_it_goes_beyond_what_was_foreseen_for_it() {
    let run = |truth: u64, foreign_later: u64| {
        let mut jobs = vec![job(1400, truth, 60)];
        jobs[0].ramp = Duration::from_secs(10);
        let mut sim = start(config(1), jobs);
        sim.run_for(Duration::from_secs(15));
        sim.world.foreign = Bytes::mib(foreign_later);
        sim.run_for(Duration::from_secs(5));
        check_so_far(&sim);
        (kills(&sim), sim.world.oom_kills)
    };
    assert_eq!(run(1600, 0), (0, 0), "the critical mark is not passed");
    assert_eq!(run(1900, 0), (1, 0), "1610 MB were set aside");
    assert_eq!(run(1400, 500), (1, 0), "what others take was not foreseen");
}

#[test]
fn a_job_alone_may_go_beyond_the_line_but_not_beyond_the_critical_mark() {
    let mut sim = start(config(2), vec![job(1400, 1400, 5), job(100, 100, 5)]);
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.engine.state().job_counts().done, 2);
    assert_eq!(sim.world.most_processes, 1, "nobody starts beside it");
}

#[test]
fn the_kernels_limit_of_a_job_is_what_nobody_else_was_promised_and_well_over_its_reserve() {
    let limits = |sim: &Sim| sim.world.limits.values().map(|limit| limit.whole()).collect::<Vec<_>>();
    // Alone: all but what the console takes.
    let mut sim = start(config(1), vec![job(400, 400, 20)]);
    sim.run_for(Duration::from_secs(5));
    assert_eq!(limits(&sim), ["2032 MB"]);

    // Beside others: what their reserves leave.
    let mut jobs = vec![job(400, 400, 10), job(400, 400, 30), job(300, 300, 30)];
    for job in &mut jobs {
        job.ramp = Duration::from_secs(3);
    }
    let mut sim = start(config(3), jobs);
    sim.run_for(Duration::from_secs(5));
    let reserve = |id: u64| {
        let of = |kind: &EventKind| match kind {
            EventKind::JobAdmitted { job, reserved_bytes, .. } if *job == JobId(id) => Some(*reserved_bytes),
            _ => None,
        };
        sim.events.iter().find_map(|event| of(&event.kind)).expect("admitted")
    };
    let (first, second, third) = (reserve(1), reserve(2), reserve(3));
    let left = |others: Bytes| (Bytes::mib(1984) - others).whole();
    assert_eq!(limits(&sim), [left(second + third), left(first + third), left(first + second)]);
    // The first has ended: the others may have what it had.
    sim.run_for(Duration::from_secs(10));
    assert_eq!(limits(&sim), [left(third), left(second)]);
    finish(&mut sim);
    check(&sim);

    // Where the others leave next to nothing: half more than its reserve, and room for file cache.
    let mut sim = Sim::new(config(2), vec![job(100, 100, 20), job(100, 100, 20)]);
    sim.world.memory = Bytes::mib(400);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    let [first, second] = sim.world.limits.values().copied().collect::<Vec<_>>()[..] else { panic!("two run") };
    assert_eq!(first, second);
    assert!(first >= Bytes::mib(115 * 3 / 2 + 64) && first <= Bytes::mib(115 * 3 / 2 + 68), "{first:?}");

    // Never above the budget.
    let mut sim = Sim::new(config(1), vec![job(120, 120, 20)]);
    sim.world.memory = Bytes::mib(240);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    assert_eq!(limits(&sim), ["240 MB"]);
}

#[test]
fn a_naive_run_limits_nobody() {
    let mut config = config(1);
    config.governor = false;
    let mut sim = start(config, vec![job(100, 100, 20)]);
    sim.run_for(Duration::from_secs(5));
    assert_eq!((sim.world.alive(), sim.world.limits.len()), (1, 0));
}

#[test]
fn a_kill_by_a_jobs_own_limit_is_out_of_memory_and_the_next_try_gets_more() {
    // It grows faster than anybody can look: the kernel has to act, on this job alone.
    let mut sim = start(config(2), vec![job(700, 700, 30), job(300, 1250, 30)]);
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.world.oom_kills, 1);
    let of = |id: u64, sim: &Sim| {
        let reserved = |kind: &EventKind| match kind {
            EventKind::JobAdmitted { job, reserved_bytes, .. } if *job == JobId(id) => Some(*reserved_bytes),
            _ => None,
        };
        sim.events.iter().filter_map(|event| reserved(&event.kind)).collect::<Vec<_>>()
    };
    assert_eq!(of(1, &sim).len(), 1, "the neighbour never noticed");
    let [first, second] = of(2, &sim)[..] else { panic!("{:?}", of(2, &sim)) };
    assert!(second > Bytes::mib(1700) && first < Bytes::mib(360), "{first:?}, then {second:?}");
    let requeued = |kind: &EventKind| match kind {
        EventKind::JobRequeued { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    let why = sim.events.iter().find_map(|event| requeued(&event.kind)).expect("requeued");
    assert!(why.contains("killed by the kernel") && why.contains("its limit was"), "{why}");
    assert_eq!(sim.engine.state().job_counts().done, 2);
}

#[test]
fn others_over_the_line_hold_the_queue_and_are_named() {
    let mut sim = Sim::new(config(2), vec![job(100, 100, 5)]);
    sim.world.foreign = Bytes::mib(1600);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(30));
    assert_eq!(sim.world.starts.len(), 0);
    assert!(sim.engine.state().warnings["memory of others"].evidence.contains(" take 1610 MB; the line is"));
    sim.world.foreign = Bytes::ZERO;
    finish(&mut sim);
    check(&sim);
    assert!(!sim.engine.state().warnings.contains_key("memory of others"));
}

#[test]
fn file_cache_alone_never_keeps_an_empty_box_idle() {
    let mut jobs = vec![job(100, 100, 3), job(100, 100, 3)];
    jobs[0].cache = Bytes::mib(1400);
    let mut sim = start(config(1), jobs);
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.engine.state().job_counts().done, 2);
}

/// Two jobs run, the second still grows, when others take so much that memory is over the line and not critical.
fn pressed() -> Sim {
    let mut jobs = vec![job(300, 300, 400), job(600, 500, 400), job(300, 300, 5)];
    jobs[1].ramp = Duration::from_mins(1);
    let mut sim = start(config(2), jobs);
    sim.run_for(Duration::from_secs(10));
    assert_eq!(sim.world.alive(), 2);
    sim.world.foreign = Bytes::mib(1200);
    sim.run_for(Duration::from_secs(5));
    sim
}

#[test]
fn the_youngest_that_still_grows_is_stopped_after_a_second_over_the_line_and_goes_on_after_five_seconds_of_room() {
    let mut sim = pressed();
    assert_eq!((stops(&sim), kills(&sim)), (1, 0));
    assert!(matches!(sim.engine.state().jobs[&JobId(2)].phase, Phase::Running { paused: true, for_memory: true, .. }));
    let held = count(&sim, |kind| matches!(kind, EventKind::CleanupStarted { action: CleanupAction::HoldStarts, .. }));
    assert_eq!(held, 1, "starts are held first, and that is told");
    assert_eq!(sim.engine.state().totals.stops, 1);
    sim.world.foreign = Bytes::ZERO;
    sim.run_for(Duration::from_secs(4));
    assert!(matches!(sim.engine.state().jobs[&JobId(2)].phase, Phase::Running { paused: true, .. }), "not before 5 s");
    sim.run_for(Duration::from_secs(3));
    assert!(matches!(sim.engine.state().jobs[&JobId(2)].phase, Phase::Running { paused: false, .. }));
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.engine.state().job_counts().done, 3);
}

#[test]
fn nobody_starts_while_somebody_is_stopped_nor_in_the_instant_of_a_resume() {
    let mut jobs = vec![job(300, 300, 400), job(600, 500, 400), job(100, 100, 5)];
    jobs[1].ramp = Duration::from_mins(1);
    let mut sim = start(config(2), jobs);
    sim.run_for(Duration::from_secs(10));
    sim.world.foreign = Bytes::mib(1200);
    sim.run_for(Duration::from_secs(5));
    assert_eq!(stops(&sim), 1);
    sim.ask(Command::SelectProfile(Box::new(config(3).profile)));
    // The alarm ends, but there is no room yet for the stopped one.
    sim.world.foreign = Bytes::mib(700);
    sim.run_for(Duration::from_secs(10));
    assert_eq!(sim.engine.state().memory.level, Level::Normal);
    // Now there is, and for the third beside it.
    sim.world.foreign = Bytes::mib(300);
    sim.run_for(Duration::from_secs(7));
    assert_eq!(sim.world.starts.len(), 3);
    sim.world.foreign = Bytes::ZERO;
    finish(&mut sim);
    check(&sim);
}

#[test]
fn a_stale_sample_starts_nobody_beside_another() {
    let mut sim = start(config(2), vec![job(100, 100, 3), job(100, 100, 60), job(100, 100, 5)]);
    // The first ends when the last sample is more than half a second old, and the governor is not blind yet.
    sim.world.blind.push((Mono::from_millis(2400), Mono::from_millis(8000)));
    sim.run_until(Mono::from_millis(7900));
    assert_eq!(sim.world.starts.len(), 2);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.world.starts.len(), 3);
    finish(&mut sim);
    check(&sim);
}

#[test]
fn a_job_stopped_for_two_minutes_is_killed_and_queued_again() {
    let mut sim = pressed();
    sim.run_for(Duration::from_secs(110));
    assert_eq!(kills(&sim), 0);
    sim.run_for(Duration::from_secs(15));
    assert_eq!(kills(&sim), 1);
    sim.world.foreign = Bytes::ZERO;
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.engine.state().job_counts().done, 3);
}

#[test]
fn a_stopped_job_goes_on_at_once_when_nothing_else_runs_even_blind() {
    let mut sim = pressed();
    let now = sim.now();
    sim.world.blind.push((now, now + Duration::from_mins(1)));
    sim.ask(Command::Cancel(JobId(1)));
    sim.run_for(Duration::from_secs(2));
    assert!(matches!(sim.engine.state().jobs[&JobId(2)].phase, Phase::Running { paused: false, .. }));
    sim.world.foreign = Bytes::ZERO;
    finish(&mut sim);
    check(&sim);
}

#[test]
fn what_the_operator_paused_is_never_resumed_by_the_governor() {
    let mut sim = pressed();
    // The operator takes over the one that the governor has stopped.
    sim.ask(Command::PauseJob(JobId(2)));
    sim.world.foreign = Bytes::ZERO;
    sim.run_for(Duration::from_mins(30));
    assert!(matches!(sim.engine.state().jobs[&JobId(2)].phase, Phase::Running { paused: true, .. }));
    assert_eq!(count(&sim, |kind| matches!(kind, EventKind::JobContinued { .. })), 0);
    sim.ask(Command::ResumeJob(JobId(2)));
    finish(&mut sim);
    assert_eq!(sim.engine.state().job_counts().done, 3);
}

#[test]
fn a_console_that_is_stopped_keeps_everything_stopped() {
    let mut sim = pressed();
    sim.ask(Command::Suspend);
    sim.world.foreign = Bytes::ZERO;
    sim.run_for(Duration::from_mins(1));
    assert_eq!(count(&sim, |kind| matches!(kind, EventKind::JobContinued { .. })), 0);
    sim.ask(Command::Continue);
    finish(&mut sim);
    assert_eq!(sim.engine.state().job_counts().done, 3);
}

/// The jobs that were told to end for want of memory, in order, with the time.
fn killed(sim: &Sim) -> Vec<(Mono, JobId)> {
    let of = |event: &Event| match event.kind {
        EventKind::JobStopping { job, why: StopReason::Memory } => Some((event.mono, job)),
        _ => None,
    };
    sim.events.iter().filter_map(of).collect()
}

/// These jobs at work, then so much of others that memory is critical by `deficit_mb`.
fn critical(peaks_mb: &[u64], deficit_mb: u64, paused: Option<JobId>) -> Sim {
    let mut sim = start(config(4), peaks_mb.iter().map(|mb| job(*mb, *mb, 300)).collect());
    sim.run_for(Duration::from_secs(10));
    assert_eq!(sim.world.alive(), peaks_mb.len(), "all run");
    if let Some(id) = paused {
        sim.ask(Command::PauseJob(id));
    }
    sim.world.kernel = false;
    sim.world.foreign = Bytes::mib(1844 + deficit_mb) - sim.world.hard();
    sim.run_for(Duration::from_millis(600));
    sim
}

#[test]
fn of_those_within_their_reserves_the_one_that_stands_still_is_killed_first_then_the_youngest() {
    assert_eq!(killed(&critical(&[350, 350, 350], 100, Some(JobId(2))))[0].1, JobId(2));
    assert_eq!(killed(&critical(&[350, 350, 350], 100, None))[0].1, JobId(3));
}

#[test]
fn one_that_alone_makes_up_for_what_is_too_much_is_preferred() {
    let sim = critical(&[600, 100], 200, None);
    assert_eq!(killed(&sim).iter().map(|(_, job)| *job).collect::<Vec<_>>(), [JobId(1)], "100 MB of the youngest are not enough");
}

#[test]
fn the_next_kill_comes_half_a_second_after_the_first_was_gone() {
    // Nobody is enough alone, and what others take does not go away.
    let mut sim = critical(&[200, 200, 200, 200], 500, None);
    sim.run_for(Duration::from_secs(20));
    let killed = killed(&sim);
    assert!(killed.len() >= 3, "{killed:?}");
    for pair in killed.windows(2) {
        let apart = pair[1].0.since(pair[0].0);
        // It takes 20 ms until one is gone, and a quarter of a second at most until the next sample.
        assert!(apart >= Duration::from_millis(520) && apart < Duration::from_secs(1), "{killed:?}");
    }
}

#[test]
fn a_job_that_outgrows_its_reserve_is_killed_before_the_kernel_does_it_and_runs_alone_later() {
    // 300 MB were predicted of each; the second takes 1300.
    let mut jobs = vec![job(300, 300, 60), job(300, 1300, 60), job(300, 300, 60)];
    jobs[1].ramp = Duration::from_secs(6);
    let mut sim = start(config(3), jobs);
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.world.oom_kills, 0);
    let killed: Vec<JobId> = sim
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::JobStopping { job, why: StopReason::Memory } => Some(job),
            _ => None,
        })
        .collect();
    assert!(!killed.is_empty() && killed.iter().all(|job| *job == JobId(2)), "{killed:?}");
    assert_eq!(sim.engine.state().job_counts().done, 3);
}

#[test]
fn memory_that_a_job_can_never_have_ends_it_as_out_of_memory_with_the_figures() {
    let mut jobs = vec![job(300, 5000, 60)];
    jobs[0].ramp = Duration::from_secs(20);
    let mut sim = start(config(1), jobs);
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.world.oom_kills, 0);
    let Phase::Finished(finished) = &sim.engine.state().jobs[&JobId(1)].phase else { panic!("not ended") };
    assert_eq!(finished.outcome, Outcome::OutOfMemory);
    assert!(finished.reason.as_ref().is_some_and(|reason| reason.contains("MB")), "{finished:?}");
    assert!(sim.world.starts.len() <= 4, "{:?}", sim.world.starts);
}

#[test]
fn a_kernel_kill_raises_the_reserve_by_half_and_is_tried_three_times_more() {
    let mut sim = start(config(1), vec![SimJob { fate: Fate::KilledFirst(9), ..job(200, 200, 3) }]);
    finish(&mut sim);
    let reserves: Vec<u64> = sim
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::JobAdmitted { reserved_bytes, .. } => Some(reserved_bytes.0 >> 20),
            _ => None,
        })
        .collect();
    assert_eq!(reserves.len(), 4, "{reserves:?}");
    for pair in reserves.windows(2) {
        assert!((pair[1] as f64 / pair[0] as f64 - 1.5).abs() < 0.02, "{reserves:?}");
    }
    assert_eq!(sim.engine.state().job_counts().out_of_memory, 1);
}

#[test]
fn a_job_that_ran_out_of_memory_with_all_that_there_is_is_not_tried_again() {
    // Let in alone, up to what is foreseen for it, which is nearly all of the budget.
    let mut sim = start(config(2), vec![SimJob { fate: Fate::KilledFirst(9), ..job(1850, 1850, 3) }]);
    finish(&mut sim);
    assert_eq!(reserves(&sim).len(), 1, "another try would end as this one");
    let reason = sim.events.iter().find_map(|event| match &event.kind {
        EventKind::JobFinished { outcome: Outcome::OutOfMemory, reason, .. } => reason.clone(),
        _ => None,
    });
    assert!(reason.as_ref().is_some_and(|reason| reason.contains("it ran alone")), "{reason:?}");
}

/// The reserves that jobs were admitted with, in order.
fn reserves(sim: &Sim) -> Vec<Bytes> {
    let of = |kind: &EventKind| match kind {
        EventKind::JobAdmitted { reserved_bytes, .. } => Some(*reserved_bytes),
        _ => None,
    };
    sim.events.iter().filter_map(|event| of(&event.kind)).collect()
}

#[test]
fn what_finished_jobs_took_is_planned_with_at_once() {
    let mut sim = Sim::new(config(4), (0..8).map(|_| job(489, 300, 10)).collect());
    sim.world.pixel_format = "yuv420p".to_owned();
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(8));
    assert_eq!(sim.world.alive(), 2, "as the model says");
    sim.run_for(Duration::from_secs(6));
    assert_eq!(sim.world.alive(), 4, "as the first two have shown, although all were probed before they ended");
    finish(&mut sim);
    check(&sim);
    let reserves: Vec<String> = reserves(&sim).into_iter().map(Bytes::whole).collect();
    // 300 MB and a twentieth: no further margin on what was seen.
    assert_eq!(&reserves[2..], ["315 MB"; 6], "{reserves:?}");
    assert_eq!((kills(&sim), stops(&sim), sim.world.oom_kills), (0, 0, 0));
}

#[test]
fn a_job_that_outgrew_its_reserve_has_taught_that_its_kind_does() {
    let mut sim = Sim::new(config(2), (0..3).map(|_| job(700, 1000, 60)).collect());
    sim.world.pixel_format = "yuv420p".to_owned();
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(20));
    assert_eq!(kills(&sim) + sim.world.oom_kills as usize, 0, "two of 805 MB do not fit, so one runs alone");
    sim.world.foreign = Bytes::mib(1000);
    sim.run_for(Duration::from_secs(5));
    assert_eq!(kills(&sim), 1);
    // It never ends well, so that only the overrun can have taught anything.
    sim.ask(Command::Cancel(JobId(1)));
    sim.world.foreign = Bytes::ZERO;
    sim.run_for(Duration::from_secs(30));
    let [first, next, ..] = reserves(&sim)[..] else { panic!("{:?}", reserves(&sim)) };
    assert_eq!(first.whole(), "805 MB");
    // Whoever is next of its kind is given what was seen, and a twentieth.
    assert_eq!(next.whole(), "1050 MB");
    finish(&mut sim);
    check(&sim);
}

#[test]
fn a_job_that_ran_wild_gets_none_of_its_kind_refused() {
    let mut jobs = vec![job(489, 4000, 60)];
    jobs.extend((0..3).map(|_| job(489, 400, 10)));
    let mut sim = Sim::new(config(4), jobs);
    sim.world.pixel_format = "yuv420p".to_owned();
    sim.enqueue_all();
    finish(&mut sim);
    check(&sim);
    let counts = sim.engine.state().job_counts();
    assert_eq!((counts.done, counts.done + counts.rejected + counts.out_of_memory), (3, 4), "{counts:?}");
    let wild = &sim.engine.state().jobs[&JobId(1)];
    assert!(!matches!(&wild.phase, Phase::Finished(finished) if finished.outcome == Outcome::Done), "{wild:?}");
}

#[test]
fn an_action_waits_for_a_sample_taken_after_the_last_one() {
    let mut jobs = vec![job(300, 300, 400), job(600, 500, 400), job(300, 300, 5)];
    jobs[1].ramp = Duration::from_mins(1);
    let mut sim = start(config(2), jobs);
    sim.run_for(Duration::from_secs(10));
    assert_eq!(sim.world.alive(), 2);
    sim.world.sample_every = Duration::ZERO;
    let from = sim.now();
    // Samples that take 20 ms to arrive.
    let mut feed = |taken_ms: u64, now_ms: u64| {
        let at = |ms| from + Duration::from_millis(ms);
        let vitals = |anon| JobVitals { anon: Bytes::mib(anon), cpu_ms: taken_ms };
        let sample = MemorySample {
            taken: Some(at(taken_ms)),
            usage: Bytes::mib(1700),
            working_set: Bytes::mib(1700),
            hard: Bytes::mib(1700),
            console: Bytes::mib(10),
            jobs: BTreeMap::from([(JobId(1), vitals(300)), (JobId(2), vitals(100 + taken_ms / 50))]),
            ..MemorySample::default()
        };
        let effects = sim.engine.step(Now { mono: at(now_ms), wall: Wall(0) }, Input::Sample(sample));
        for effect in &effects {
            if let Effect::Clean(order) = effect {
                let result = CleanupResult {
                    before: Bytes::mib(1700),
                    after: Bytes::mib(1700),
                    freed: Bytes::ZERO,
                    millis: 1,
                    verdict: CleanupVerdict::Futile,
                };
                sim.engine.step(Now { mono: at(now_ms + 1), wall: Wall(0) }, Input::CleanupDone(order.id, result));
            }
        }
        let holds = |effect: &Effect| {
            matches!(
                effect,
                Effect::Publish(Event { kind: EventKind::CleanupStarted { action: CleanupAction::HoldStarts, .. }, .. })
            )
        };
        (effects.iter().any(holds), effects.iter().any(|effect| matches!(effect, Effect::Suspend(_))))
    };
    let mut ms = 100;
    let mut first = (false, false);
    while first == (false, false) {
        ms += 100;
        assert!(ms < 5000, "nothing is done");
        first = feed(ms - 20, ms);
    }
    assert_eq!(first, (true, false), "starts are held first");
    assert_eq!(feed(ms - 10, ms + 10), (false, false), "this one was taken before that");
    assert_eq!(feed(ms + 80, ms + 100), (false, true));
}

#[test]
fn an_older_or_repeated_sample_is_ignored() {
    let mut sim = start(config(1), vec![job(200, 200, 30)]);
    sim.run_for(Duration::from_secs(5));
    let seq = sim.engine.state().seq;
    let now = Now { mono: sim.now(), wall: Wall(0) };
    for at in [sim.now().0.saturating_sub(Duration::from_secs(3)), Duration::ZERO] {
        let sample =
            MemorySample { taken: Some(Mono(at)), hard: Bytes::gib(2), working_set: Bytes::gib(2), ..MemorySample::default() };
        sim.engine.step(now, Input::Sample(sample));
    }
    assert_eq!(sim.engine.state().seq, seq);
}

#[test]
fn sums_that_were_measured_before_the_profile_changed_count_for_nothing() {
    let mut sim = start(config(1), vec![job(200, 200, 30)]);
    sim.run_for(Duration::from_secs(5));
    let mut smaller = config(1).profile;
    smaller.memory.budget = Some(Bytes::gib(1));
    sim.ask(Command::SelectProfile(Box::new(smaller)));
    let before = sim.engine.state().totals.peak_hard;
    let mut tell = |budget: Option<Bytes>| {
        let budget = Some(Budget::new((sim.world.memory, There::Machine), None, None).under(budget));
        let hard = Bytes::mib(1000);
        let sample = MemorySample { taken: Some(sim.now()), hard, working_set: hard, budget, ..MemorySample::default() };
        sim.engine.step(Now { mono: sim.now(), wall: Wall(0) }, Input::Sample(sample));
        sim.engine.state().totals.peak_hard
    };
    assert_eq!(tell(None), before, "all of the machine's");
    assert_eq!(tell(Some(Bytes::gib(1))), Bytes::mib(1000), "those of the budget in force count");
}

#[test]
fn kills_of_strangers_are_none_of_the_runs() {
    let mut sim = start(config(1), vec![job(100, 100, 5)]);
    sim.run_for(Duration::from_secs(2));
    sim.world.oom_kills += 33;
    finish(&mut sim);
    assert_eq!(sim.engine.state().totals.oom_kills, 0);
}

#[test]
fn nobody_is_probed_beside_a_job_that_leaves_no_room_for_it() {
    let probed_beside = |memory: u64| {
        let mut sim = Sim::new(config(1), vec![job(400, 400, 20), job(100, 100, 5), job(100, 100, 5)]);
        sim.world.memory = Bytes::mib(memory);
        sim.enqueue_all();
        finish(&mut sim);
        assert_eq!(sim.engine.state().job_counts().done, 3);
        let place =
            |wanted: &dyn Fn(&EventKind) -> bool| sim.events.iter().position(|event| wanted(&event.kind)).expect("happened");
        let start = place(&|kind| matches!(kind, EventKind::JobStarted { job: JobId(1), .. }));
        let end = place(&|kind| matches!(kind, EventKind::JobFinalizing { job: JobId(1) }));
        let probes = sim.events[start..end].iter().filter(|event| matches!(event.kind, EventKind::JobInspected { .. }));
        probes.count()
    };
    assert_eq!(probed_beside(512), 0);
    assert!(probed_beside(2048) > 0);
}

#[test]
fn samples_come_every_quarter_second_while_jobs_run_faster_near_a_mark_and_slower_when_idle() {
    let mut sim = Sim::new(config(1), vec![job(1400, 1290, 30)]);
    sim.run_for(Duration::from_secs(5));
    // Half of the 1295 MB that are left to the next level, at 1 GB/s.
    assert_eq!(sim.world.sample_every.as_millis(), 632);
    sim.enqueue_all();
    sim.run_for(Duration::from_millis(100));
    assert_eq!(sim.world.sample_every, Duration::from_millis(250));
    sim.run_for(Duration::from_secs(10));
    assert_eq!(sim.world.sample_every, Duration::from_millis(100));
}

#[test]
fn the_end_of_a_run_does_not_wait_for_a_sample_at_an_idle_pace() {
    let mut sim = start(config(1), vec![SimJob { cache: Bytes::mib(300), ..job(200, 190, 3) }]);
    let has_cleaned = |sim: &Sim| count(sim, |kind| matches!(kind, EventKind::JobFinished { .. })) == 1;
    while !has_cleaned(&sim) {
        sim.run_for(Duration::from_millis(1));
    }
    assert_eq!(sim.world.sample_every, Duration::from_millis(100));
    sim.run_for(Duration::from_secs(2));
    assert!(sim.world.sample_every > Duration::from_millis(500), "at rest again");
}

#[test]
fn waves_of_others_neither_flap_the_level_nor_the_jobs() {
    for (low, height, period_ms) in [(1180, 50, 20_000), (700, 900, 400)] {
        let mut sim = Sim::new(config(2), vec![job(200, 200, 600), job(100, 100, 600)]);
        sim.enqueue_all();
        sim.run_for(Duration::from_secs(5));
        sim.world.foreign = Bytes::mib(low);
        sim.world.wave = Some(Wave { height: Bytes::mib(height), period: Duration::from_millis(period_ms) });
        sim.run_for(Duration::from_mins(5));
        let changes = count(&sim, |kind| matches!(kind, EventKind::PressureChanged { .. }));
        assert!(changes <= 4, "{changes} changes of level in a wave of {height} MB each {period_ms} ms");
        assert!(stops(&sim) <= 2, "{} stops in a wave of {height} MB", stops(&sim));
    }
}

#[test]
fn the_three_signs_are_told_with_figures_and_a_step_to_take() {
    // Over the line for minutes, with cleanups that do not help.
    let large = SimJob { size: Bytes::mib(300), ..job(100, 100, 1) };
    let mut sim = start(config(2), vec![job(100, 100, 900), job(100, 100, 900), large]);
    sim.run_for(Duration::from_secs(5));
    sim.world.foreign = Bytes::mib(1500);
    sim.run_for(Duration::from_mins(4));
    let warnings = &sim.engine.state().warnings;
    assert!(warnings["over the line"].evidence.contains("s of the last 5 min"), "{warnings:?}");
    assert!(warnings["frequent cleanups"].evidence.contains("memory had to be cleaned up at the line"), "{warnings:?}");
    assert_eq!(warnings["over the line"].profile.as_deref(), Some("balanced"), "2 at once, but smaller files: {warnings:?}");
    assert!(warnings["over the line"].advice.contains("profile balanced (2 at once, 200 MB)"), "{warnings:?}");
    sim.world.foreign = Bytes::ZERO;
    finish(&mut sim);
    assert!(sim.engine.state().warnings.is_empty(), "{:?}", sim.engine.state().warnings);

    let bad =
        |n: u64| SimJob { fate: Fate::FailsFirst(9, Failure { cause: Cause::Input, reason: "no".to_owned() }), ..job(100, 50, n) };
    let sim = |failed: usize| {
        let mut jobs: Vec<SimJob> = (0..10 - failed).map(|_| job(100, 50, 1)).collect();
        jobs.extend((0..failed).map(|_| bad(1)));
        let mut sim = start(config(4), jobs);
        sim.run_for(Duration::from_mins(2));
        sim
    };
    assert!(!sim(1).engine.state().warnings.contains_key("jobs fail"), "one of ten is not above 10 %");
    let warning = sim(2).engine.state().warnings["jobs fail"].clone();
    assert_eq!(warning.evidence, "2 of the last 10 jobs failed, stalled or timed out");
    assert_eq!(warning.profile.as_deref(), Some("balanced"), "{warning:?}");
}

#[test]
fn a_pass_of_the_cleanup_plan_is_one_occasion_and_three_of_them_are_a_sign_until_the_profile_is_changed() {
    let mut sim = start(config(2), vec![job(100, 100, 900), job(100, 100, 900)]);
    sim.run_for(Duration::from_mins(1));
    let is_told = |sim: &Sim| sim.engine.state().warnings.contains_key("frequent cleanups");
    assert!(!is_told(&sim), "what cleans before and after jobs does not count");
    for pass in 1..=3 {
        sim.world.foreign = Bytes::mib(1400);
        sim.run_for(Duration::from_secs(4));
        sim.world.foreign = Bytes::ZERO;
        sim.run_for(Duration::from_mins(2));
        let at_the_line = |kind: &EventKind| matches!(kind, EventKind::CleanupStarted { trigger: CleanupTrigger::HighWater, .. });
        assert!(count(&sim, at_the_line) >= 3 * pass, "each pass takes several steps");
        assert_eq!(is_told(&sim), pass == 3, "pass {pass}");
    }
    let warning = &sim.engine.state().warnings["frequent cleanups"];
    assert!(warning.evidence.contains("3 times within 10 min"), "{warning:?}");
    assert_eq!(warning.profile.as_deref(), Some("safe"));
    sim.ask(Command::SelectProfile(Box::new(profile("safe", 1, 100))));
    assert!(!is_told(&sim), "the advice was taken");
}

#[test]
fn no_switch_is_advised_that_would_change_nothing() {
    let advised = |slots: u32, jobs: Vec<SimJob>| {
        let mut sim = start(config(slots), jobs);
        sim.run_for(Duration::from_secs(5));
        sim.world.foreign = Bytes::mib(1500);
        sim.run_for(Duration::from_mins(4));
        sim.engine.state().warnings["over the line"].clone()
    };
    let alone = advised(2, vec![job(200, 200, 900)]);
    assert_eq!((alone.profile, alone.advice.starts_with("give it a larger budget")), (None, true));
    // Two at work are two under the profile with two as well.
    let two = vec![job(100, 100, 900); 2];
    assert_eq!(advised(4, two.clone()).profile.as_deref(), Some("safe"));
    let waits = SimJob { size: Bytes::mib(300), ..job(100, 100, 1) };
    assert_eq!(advised(2, [two, vec![waits]].concat()).profile.as_deref(), Some("balanced"), "it would keep one out");
}

#[test]
fn without_the_governor_none_of_this_happens() {
    let mut config = config(4);
    config.governor = false;
    let mut sim = start(config, (0..8).map(|_| job(300, 600, 10)).collect());
    finish(&mut sim);
    assert_eq!((stops(&sim), kills(&sim)), (0, 0));
    assert!(sim.world.oom_kills > 0, "four of 600 MB do not fit 2 GB");
    assert!(sim.engine.state().warnings.is_empty());
    assert_eq!(count(&sim, |kind| matches!(kind, EventKind::AdmissionHeld { .. })), 0);
}

/// The same numbers on every run: a small generator of its own.
struct Dice(Cell<u64>);

impl Dice {
    fn below(&self, n: u64) -> u64 {
        let mut x = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(x);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % n
    }
}

/// A queue in which every job fits alone, with reserves from half to twice the truth.
fn random_queue(seed: u64) -> Vec<SimJob> {
    let dice = Dice(Cell::new(seed));
    (0..5 + dice.below(8))
        .map(|_| {
            let truth = 80 + dice.below(770);
            let reserve = truth as f64 * (0.5 + dice.below(1501) as f64 / 1000.0);
            let predicted = (reserve / 1.15).clamp(60.0, 1450.0) as u64;
            SimJob {
                ramp: Duration::from_millis(truth * 1000 / (150 + dice.below(650))),
                ..job(predicted, truth, 4 + dice.below(8))
            }
        })
        .collect()
}

#[test]
fn of_many_random_queues_the_kernel_kills_in_none_and_naively_in_many() {
    let mut sums = [(0, 0, 0, 0); 2];
    for seed in 0..queues() {
        for (governor, sum) in [false, true].into_iter().zip(&mut sums) {
            let mut config = config(4);
            config.governor = governor;
            let mut sim = start(config, random_queue(seed));
            finish(&mut sim);
            if governor {
                check(&sim);
                assert_eq!(sim.world.oom_kills, 0, "the kernel killed in queue {seed}");
                let counts = sim.engine.state().job_counts();
                assert_eq!(counts.done, sim.engine.state().jobs.len() as u64, "queue {seed}: {counts:?}");
            }
            sum.0 += sim.world.oom_kills;
            sum.1 += u64::from(sim.world.oom_kills > 0);
            sum.2 += kills(&sim);
            sum.3 += stops(&sim);
        }
    }
    let [naive, governed] = sums;
    println!(
        "naive: {} kernel kills in {} queues; governed: {} kernel kills, {} kills of our own, {} stops",
        naive.0, naive.1, governed.0, governed.2, governed.3
    );
    assert!(naive.1 > queues() / 4, "the queues are no test: {naive:?}");
}

#[test]
fn memory_is_set_aside_for_a_probe_while_it_runs() {
    use plimsoll::domain::command::{ClientId, RequestId};
    use plimsoll::domain::memory::{Budget, There};
    use plimsoll::engine::Engine;
    use plimsoll::engine::port::{Arrived, Effect, Inspection, JobReport, Page, ScanId};

    let media = |mb: u64| {
        let (width, height) = picture(Bytes::mib(mb));
        let video = VideoStream { width, height, fps: 25.0, ..VideoStream::default() };
        MediaInfo { video: Some(video), duration: Some(Duration::from_secs(9)), ..MediaInfo::default() }
    };
    // With room for the job and a probe, and with room for the job alone.
    for (spare, starts_at_once) in [(Bytes::mib(150), true), (Bytes::mib(50), false)] {
        let mut engine = Engine::new(config(2));
        let mut ms = 0;
        let mut admitted = Vec::new();
        let mut step = |engine: &mut Engine, input: Input| {
            ms += 10;
            let now = Now { mono: Mono(Duration::from_millis(ms)), wall: Wall(0) };
            for effect in engine.step(now, input) {
                if let Effect::Publish(Event { kind: EventKind::JobAdmitted { job, reserved_bytes, .. }, .. }) = effect {
                    admitted.push((job, reserved_bytes));
                }
            }
            admitted.clone()
        };
        engine.start(Now::default());
        step(&mut engine, Input::Command(ClientId(1), RequestId(1), Command::enqueue(vec!["/in".into()], None)));
        step(&mut engine, Input::Found(ScanId(1), Arrived { jobs: 2, bytes: Bytes::mib(2), known: 0, last_rank: 2 }));
        let stored = |number| modelled::stored(number, "video");
        step(&mut engine, Input::Paged(Page { jobs: vec![stored(1), stored(2)], last_rank: 2, ..Page::default() }));
        // Alone, the least that the model may mean.
        let needs = estimate::predicted_peak(&media(500), &preset()).expect("a picture").scale(1.0 / 1.15);
        let critical = engine.state().lines.last();
        let foreign = critical - needs - spare;
        let sample = MemorySample {
            usage: foreign,
            working_set: foreign,
            hard: foreign,
            budget: Some(Budget::new((Bytes::mib(2048), There::Machine), None, None)),
            ..MemorySample::default()
        };
        step(&mut engine, Input::Sample(sample.clone()));
        let critical = engine.state().lines.last();
        let foreign = critical - needs - spare;
        let inspected = |mb| JobReport::Inspected(Inspection::Ready { media: Box::new(media(mb)), disk: None });
        // What others hold leaves the first no room once it is probed, so the second is probed; then there is room.
        let too_much = critical - needs + Bytes::mib(4);
        let full = MemorySample { usage: too_much, working_set: too_much, hard: too_much, ..sample.clone() };
        step(&mut engine, Input::Sample(full));
        assert_eq!(step(&mut engine, Input::Job(JobId(1), inspected(500))).len(), 0);
        let now = step(&mut engine, Input::Sample(MemorySample { usage: foreign, working_set: foreign, hard: foreign, ..sample }));
        assert_eq!(now.len(), usize::from(starts_at_once), "spare {spare}: {now:?}");
        let then = step(&mut engine, Input::Job(JobId(2), inspected(500)));
        assert_eq!(then.first().map(|(job, _)| *job), Some(JobId(1)), "spare {spare}");
    }
}

/// A run whose slots are decided on so many processors, by jobs of so many threads.
fn auto(cores: f64, threads: u32) -> EngineConfig {
    let profile = Profile { name: "adaptive".to_owned(), max_concurrent: Slots::Auto, ..profile("adaptive", 1, 500) };
    let presets = BTreeMap::from([("video".to_owned(), Preset { threads, ..preset() })]);
    EngineConfig { profile, presets, cores, ..config(1) }
}

fn decisions(sim: &Sim) -> Vec<(u32, SlotLimit, String)> {
    let told = sim.events.iter().filter_map(|event| match &event.kind {
        EventKind::SlotsDecided { at_once, limit, why, .. } => Some((*at_once, *limit, why.clone())),
        _ => None,
    });
    told.collect()
}

fn admissions(sim: &Sim) -> Vec<u64> {
    let admitted = sim.events.iter().filter_map(|event| match event.kind {
        EventKind::JobAdmitted { job, .. } => Some(job.0),
        _ => None,
    });
    admitted.collect()
}

/// A queue of small jobs under [`auto`], to its end.
fn worked_off(config: EngineConfig, jobs: u64) -> Sim {
    let mut sim = start(config, (0..jobs).map(|number| job(40, 30, 5 + number % 3)).collect());
    finish(&mut sim);
    assert_eq!(sim.engine.state().job_counts().done, jobs);
    sim
}

#[test]
fn slots_that_are_decided_follow_the_processors_and_the_threads() {
    // A job keeps (1 + threads) / 2 busy; another may start while that sums up to less than 1.25 times what there is.
    for (cores, threads, at_once) in [(1.0, 1, 2), (2.0, 1, 3), (2.0, 2, 2), (4.0, 2, 4), (8.0, 2, 7), (4.0, 4, 2)] {
        let sim = worked_off(auto(cores, threads), 12);
        check(&sim);
        assert_eq!(sim.world.most_processes, at_once, "{cores} processors, {threads} threads");
        assert_eq!(admissions(&sim), (1..=12).collect::<Vec<_>>(), "the queue's order is kept");
    }
}

#[test]
fn a_job_of_many_threads_keeps_no_more_processors_busy_than_there_are() {
    assert_eq!(worked_off(auto(2.0, 16), 6).world.most_processes, 2);
    assert_eq!(worked_off(auto(0.0, 16), 6).world.most_processes, 2, "less than one processor counts as one");
}

#[test]
fn however_many_processors_there_are_no_more_than_64_jobs_run_at_once() {
    let config = EngineConfig { governor: false, ..auto(1000.0, 1) };
    let sim = worked_off(config, 80);
    assert_eq!(sim.world.most_processes, 64);
    let told = sim.events.iter().find_map(|event| match event.kind {
        EventKind::ProfileSelected { max_concurrent, auto, .. } => Some((max_concurrent, auto)),
        _ => None,
    });
    assert_eq!(told, Some((64, true)));
}

#[test]
fn what_a_finished_job_kept_busy_counts_for_those_like_it_where_it_was_more() {
    // Of one thread, three may run on two processors; from the first end on it is known that each keeps both busy.
    let cases = [(2.0, 5, 2), (0.5, 5, 3), (2.0, 0, 3)];
    for ((busy, seconds, at_once), has_course) in cases.into_iter().flat_map(|case| [(case, false), (case, true)]) {
        let jobs = (0..9).map(|number| SimJob { length: Duration::from_millis(seconds * 1000 + 500 + number), ..job(40, 30, 1) });
        let mut sim = Sim::new(auto(2.0, 1), jobs.collect());
        if has_course {
            let ((width, height), pixel_format) = (picture(Bytes::mib(40)), "yuv420p".to_owned());
            let video = VideoStream { width, height, pixel_format, ..VideoStream::default() };
            let duration = Some(Duration::from_secs(5));
            let media = MediaInfo { demuxer: "mov".to_owned(), duration, video: Some(video), ..MediaInfo::default() };
            sim.world.courses = vec![Curve { media, parallelism: busy, ..Curve::default() }; 9];
        } else {
            (sim.world.keeps_busy, sim.world.pixel_format) = (busy, "yuv420p".to_owned());
        }
        sim.enqueue_all();
        finish(&mut sim);
        let mut at_work = BTreeSet::new();
        let mut last = 0;
        for event in &sim.events {
            match event.kind {
                EventKind::JobAdmitted { job, .. } => {
                    at_work.insert(job);
                    // The first three began before anything was known.
                    last = if job.0 > 6 { last.max(at_work.len()) } else { 0 };
                }
                EventKind::JobFinalizing { job } => drop(at_work.remove(&job)),
                _ => {}
            }
        }
        assert_eq!(last, at_once, "{busy} processors, {seconds} s, a course: {has_course}");
    }
}

#[test]
fn a_job_whose_process_is_gone_keeps_no_processor_from_the_next() {
    let sim = worked_off(auto(2.0, 2), 4);
    let place = |what: &dyn Fn(&EventKind) -> bool| sim.events.iter().position(|event| what(&event.kind)).expect("told");
    let admitted = place(&|kind| matches!(kind, EventKind::JobAdmitted { job: JobId(3), .. }));
    let finished = place(&|kind| matches!(kind, EventKind::JobFinished { .. }));
    assert!(admitted < finished, "the third waited until an output was in place");
}

#[test]
fn slots_that_are_decided_are_told_with_the_reason_when_they_change_and_at_the_end() {
    let sim = worked_off(auto(2.0, 2), 10);
    let why = "they keep 3.0 of 2 processors busy, another would only take memory";
    assert_eq!(decisions(&sim), [(2, SlotLimit::Processors, why.to_owned())]);
    let told = sim.engine.state().summary.as_ref().and_then(|summary| summary.at_once.clone()).expect("told");
    assert!(told.starts_with("2 for ") && told.ends_with(why), "{told}");

    // Of 489 MB each two fit under the line of 2 GB and one under that of 1 GB.
    let mut sim = Sim::new(auto(8.0, 1), vec![job(489, 480, 20); 4]);
    sim.world.memory = Bytes::gib(1);
    sim.enqueue_all();
    finish(&mut sim);
    check(&sim);
    assert_eq!(sim.world.most_processes, 1);
    let told = decisions(&sim);
    assert_eq!((told.len(), told[0].0, told[0].1), (1, 1, SlotLimit::Memory), "{told:?}");
    assert!(told[0].2.starts_with("the next needs 56") && told[0].2.ends_with(" MB free"), "{told:?}");

    let fixed = worked_off(config(2), 4);
    assert!(decisions(&fixed).is_empty() && fixed.engine.state().summary.as_ref().is_some_and(|told| told.at_once.is_none()));
}

#[test]
fn another_profile_forgets_what_was_decided() {
    let mut sim = start(auto(2.0, 2), (0..12).map(|_| job(40, 30, 5)).collect());
    sim.run_for(Duration::from_secs(3));
    assert!(sim.engine.state().decided.is_some());
    sim.ask(Command::SelectProfile(Box::new(profile("safe", 1, 100))));
    assert!(sim.engine.state().decided.is_none());
    finish(&mut sim);
    assert_eq!(sim.engine.state().summary.as_ref().map(|summary| summary.at_once.clone()), Some(None));
}

#[test]
fn the_next_safer_step_from_decided_slots_is_one_with_fewer_than_they_may_come_to() {
    let advised = |sim: &Sim| {
        let mut told = sim.events.iter().filter_map(|event| match &event.kind {
            EventKind::WarningRaised { warning, profile, .. } if warning == "jobs fail" => Some(profile.clone()),
            _ => None,
        });
        told.next().expect("a warning")
    };
    let failing = |config: EngineConfig| {
        let failure = Failure { cause: Cause::Input, reason: "broken".to_owned() };
        let broken = SimJob { fate: Fate::FailsFirst(9, failure), ..job(40, 30, 3) };
        let mut sim = start(config, vec![broken; 16]);
        finish(&mut sim);
        advised(&sim)
    };
    // On two processors up to three jobs of one thread.
    assert_eq!(failing(auto(2.0, 1)).as_deref(), Some("balanced"));
    assert_eq!(failing(auto(8.0, 1)).as_deref(), Some("fast"));
    // Three at once are fewer than four, and a file of 10 MB is too large for it: else it would be the next step.
    let mut from_fixed = EngineConfig { cores: 2.0, ..config(4) };
    from_fixed.profiles.insert(0, auto(2.0, 1).profile);
    from_fixed.profiles[0].max_file_size = Bytes::mib(1);
    assert_eq!(failing(from_fixed).as_deref(), Some("balanced"), "decided slots are never advised as safer");
}

#[test]
fn a_file_that_was_mended_is_looked_at_anew_when_its_job_is_tried_again() {
    let mut sim = start(config(1), vec![job(4000, 100, 3)]);
    sim.run_for(Duration::from_secs(5));
    let phase = |sim: &Sim| sim.engine.state().jobs[&JobId(1)].phase.clone();
    let is_rejected = |sim: &Sim| matches!(phase(sim), Phase::Rejected(why) if why.reason == RejectReason::NeverFits);
    assert!(is_rejected(&sim), "{:?}", phase(&sim));
    sim.ask(Command::Retry(JobId(1)));
    sim.run_for(Duration::from_secs(5));
    assert!(is_rejected(&sim), "it is as it was: {:?}", phase(&sim));
    sim.world.replace(0, job(100, 90, 3));
    sim.ask(Command::Retry(JobId(1)));
    sim.run_for(Duration::from_secs(15));
    assert!(matches!(phase(&sim), Phase::Finished(finished) if finished.outcome == Outcome::Done), "{:?}", phase(&sim));
}

/// A profile under which jobs of 300 MB and more are large.
fn taking_turns(mut config: EngineConfig, at_once: u32) -> EngineConfig {
    let (width, height) = picture(Bytes::mib(300));
    config.profile.large = Some(LargeRule { from: Picture { width, height }, at_once });
    config
}

fn large(seconds: u64) -> SimJob {
    job(300, 290, seconds)
}

fn small(seconds: u64) -> SimJob {
    job(60, 50, seconds)
}

#[test]
fn a_large_job_waits_for_its_turn_and_smaller_ones_take_the_free_slot_meanwhile() {
    let jobs = vec![large(10), large(4), small(3), large(4), small(3), small(30), small(3), small(3)];
    let mut sim = start(taking_turns(config(2), 1), jobs);
    finish(&mut sim);
    check(&sim);
    // Three small ones begin beside the first large one; as soon as it ends, the next large one is next.
    assert_eq!(admissions(&sim), [1, 3, 5, 6, 2, 4, 7, 8]);
    let told = sim.events.iter().filter_map(|event| match &event.kind {
        EventKind::JobLogged { job: Some(job), text, .. } if text.starts_with("waiting: one large") => Some((job.0, text.clone())),
        _ => None,
    });
    let told: Vec<(u64, String)> = told.collect();
    assert_eq!(told.iter().map(|(job, _)| *job).collect::<Vec<_>>(), [2], "told once, of whom it is true: {told:?}");
    assert!(told[0].1.ends_with("#1 at work"), "{told:?}");
}

#[test]
fn small_jobs_pass_large_ones_however_many_of_these_stand_before_them() {
    let jobs = (0..60).map(|_| large(10)).chain((0..20).map(|_| small(3))).collect();
    let mut sim = start(taking_turns(config(2), 1), jobs);
    sim.run_for(Duration::from_mins(4));
    let ended = |id: &u64| matches!(sim.engine.state().jobs[&JobId(*id)].phase, Phase::Finished(_));
    assert_eq!((61..=80).filter(ended).count(), 20, "the free slot is theirs");
    assert!((1..=60).filter(ended).count() > 10, "and the other one is that of the large ones");
}

#[test]
fn without_the_rule_large_jobs_run_side_by_side_and_sound_alone_is_never_large() {
    let mut sim = start(config(2), vec![large(5), large(5)]);
    finish(&mut sim);
    assert_eq!(sim.world.most_processes, 2);
    let mut config = taking_turns(config(2), 1);
    config.presets = BTreeMap::from([("video".to_owned(), Preset { video: None, ..preset() })]);
    let mut sim = start(config, vec![large(5), large(5)]);
    finish(&mut sim);
    assert_eq!(sim.world.most_processes, 2, "no picture is worked on");
}

#[test]
fn nobody_overtakes_a_job_that_was_not_looked_at_yet() {
    let mut sim = Sim::new(taking_turns(config(1), 1), vec![small(5), small(3), small(3)]);
    let paths = sim.world.paths();
    sim.ask(Command::enqueue(paths[..2].to_vec(), None));
    sim.run_for(Duration::from_secs(1));
    // A probe takes 30 ms: it is not over when the first job ends after five seconds.
    let shortly_before = sim.world.starts[0].0 + Duration::from_millis(4980);
    sim.run_until(shortly_before);
    sim.ask(Command::enqueue(paths[2..].to_vec(), None));
    sim.run_for(Duration::from_millis(5));
    sim.ask(Command::Move(JobId(3), plimsoll::domain::command::MoveTo::First));
    finish(&mut sim);
    assert_eq!(admissions(&sim), [1, 3, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_large_jobs_than_may_be_are_at_work_and_nobody_starves(
        jobs in proptest::collection::vec((any::<bool>(), 1..12_u64), 1..25),
        slots in prop_oneof![(1..6_u32).prop_map(Slots::Fixed), Just(Slots::Auto)],
        at_once in 1..4_u32,
        budget in prop_oneof![Just(900_u64), Just(2048)],
    ) {
        let mut config = taking_turns(auto(4.0, 1), at_once);
        config.profile.max_concurrent = slots;
        let is_large: Vec<bool> = jobs.iter().map(|(is_large, _)| *is_large).collect();
        let made = jobs.iter().map(|(is_large, seconds)| if *is_large { large(*seconds) } else { small(*seconds) });
        let mut sim = Sim::new(config, made.collect());
        sim.world.memory = Bytes::mib(budget);
        sim.enqueue_all();
        finish(&mut sim);
        check(&sim);
        prop_assert_eq!(sim.engine.state().job_counts().done, jobs.len() as u64, "every job ends");
        let mut state = State::default();
        let mut next = [0, 0];
        for event in &sim.events {
            if let EventKind::JobAdmitted { job, .. } = event.kind {
                let kind = |id: &JobId| usize::from(is_large[id.0 as usize - 1]);
                let at_work = state.index.active.iter().filter(|id| kind(id) == 1).count() as u32;
                let waits = state.index.waiting.iter().any(|(_, id)| *id < job && kind(id) == 1);
                prop_assert!(kind(&job) == 0 || at_work < at_once, "{at_work} large ones were at work when {job} was let in");
                prop_assert!(kind(&job) == 1 || !waits || at_work == at_once, "{job} overtook a large one whose turn it was");
                prop_assert!(job.0 > next[kind(&job)], "{job} overtook one of its own kind");
                next[kind(&job)] = job.0;
            }
            state.apply(event);
        }
    }
}
