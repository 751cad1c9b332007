//! Why the next job waits, and what would let it run, in words. Pure: read from what is known.

use crate::domain::job::{Job, JobId};
use crate::domain::profile::{SlotLimit, Slots};
use crate::domain::state::State;
use crate::domain::units::Bytes;
use crate::tui::view::text::mb;

/// What would let the job that waits for memory run.
pub fn way_in(state: &State) -> Option<String> {
    let held = state.held?;
    let short = held.needs - held.free;
    if short == Bytes::ZERO {
        return Some("as soon as memory is calm".to_owned());
    }
    let mut running: Vec<&Job> = state.index.active.iter().filter_map(|id| state.jobs.get(id)).collect();
    // Whoever ends soonest comes first.
    let left = |job: &Job| job.progress.and_then(|progress| progress.eta_seconds).unwrap_or(u64::MAX);
    running.sort_by_key(|job| (left(job), job.id));
    let gives = |job: &Job| job.reserved.max(job.memory);
    if let Some(job) = running.iter().find(|job| gives(job) >= short) {
        return Some(format!("when #{} ends", job.id));
    }
    let mut sum = Bytes::ZERO;
    for (at, job) in running.iter().enumerate() {
        sum += gives(job);
        if sum >= short {
            return Some(if at + 1 == running.len() {
                "when all that runs has ended".to_owned()
            } else {
                format!("when {} of {} running jobs end", at + 1, running.len())
            });
        }
    }
    let missing = (short - sum).whole();
    let foreign = state.memory.foreign_bytes;
    Some(if foreign >= short - sum {
        format!("when others use {missing} less")
    } else {
        format!("with a budget larger by {missing}")
    })
}

/// Why a waiting job waits, where there is more to say than that others are before it.
pub fn reason(state: &State, id: JobId) -> Option<String> {
    if let Some(held) = state.held.filter(|held| held.job == id) {
        return Some(held.words());
    }
    let job = state.jobs.get(&id)?;
    if let Some(wanted) = state.room_for(job).filter(|wanted| wanted.job != id && job.disk.is_some()) {
        return Some(format!("waits for room, as #{} does", wanted.job));
    }
    if let Some(other) = state.waits_with(job) {
        return Some(format!("away, as #{other} is"));
    }
    if let Some(rule) = state.large_turn(job) {
        return Some(rule.words());
    }
    // Who is next is the first that waits neither for its turn among the large nor for its input.
    let mut waiting = state.index.waiting.iter().map(|(_, id)| *id);
    let may_be_next = |job: &Job| state.large_turn(job).is_none() && state.waits_with(job).is_none();
    let first = waiting.find(|id| state.jobs.get(id).is_none_or(may_be_next))?;
    if first != id {
        return None;
    }
    let slots = state.profile.as_ref().map_or(Slots::Fixed(0), |profile| profile.max_concurrent);
    let is_full = match slots {
        Slots::Fixed(slots) => state.index.active.len() >= slots as usize,
        Slots::Auto => false,
    };
    let is_busy = || state.decided.as_ref().is_some_and(|decided| decided.limit == SlotLimit::Processors);
    if state.comparison.is_some() {
        Some("after the comparison".to_owned())
    } else if state.paused {
        Some("the queue is held".to_owned())
    } else if job.media.is_none() {
        Some("being looked at".to_owned())
    } else if is_full {
        let is_paused = |id: &&JobId| {
            let job = state.jobs.get(id);
            job.is_some_and(|job| job.phase.is_paused_by_operator())
        };
        let paused: Vec<&JobId> = state.index.active.iter().filter(is_paused).collect();
        Some(match paused[..] {
            [] => "next, when a slot is free".to_owned(),
            [one] => format!("next; #{one}, paused, keeps its slot"),
            _ => format!("next; {} paused jobs keep their slots", paused.len()),
        })
    } else if slots == Slots::Auto && is_busy() {
        Some("next, when processors are free".to_owned())
    } else {
        None
    }
}

/// What the job that waits for memory needs and what is free, where there is little room.
pub fn held_in_short(state: &State, id: JobId) -> Option<String> {
    let held = state.held.filter(|held| held.job == id)?;
    let kept = if held.kept < Bytes::mib(1) { String::new() } else { format!(", {} kept", mb(held.kept)) };
    Some(format!("needs {}, {} free{kept}", mb(held.needs), mb(held.free)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventKind;
    use crate::domain::profile::{LargeRule, Picture};
    use crate::domain::state::Decided;
    use crate::tui::tests::fixture::Story;

    fn held(needs: u64, free: u64) -> State {
        let mut story = Story::new(true);
        for id in 1..=3 {
            story.queue(id, "a.mp4", 10);
        }
        // Each has 500 MB set aside.
        story.start(1, 1).start(2, 1).progress(1, 0.1, 1.0, 90, 300).progress(2, 0.8, 1.0, 20, 300);
        story.sample(700, &[(1, 300), (2, 300)]);
        let (needs_bytes, free_bytes) = (Bytes::mib(needs), Bytes::mib(free));
        story.emit(EventKind::AdmissionHeld { job: JobId(3), needs_bytes, free_bytes, kept_bytes: Bytes::ZERO });
        let mut state = State::default();
        for event in &story.events {
            state.apply(event);
        }
        state
    }

    #[test]
    fn the_soonest_end_that_gives_enough_is_named() {
        assert_eq!(way_in(&held(477, 212)).as_deref(), Some("when #2 ends"));
        assert_eq!(way_in(&held(900, 100)).as_deref(), Some("when all that runs has ended"));
        assert_eq!(way_in(&held(1500, 100)).as_deref(), Some("with a budget larger by 400 MB"));
        assert_eq!(reason(&held(477, 212), JobId(3)).as_deref(), Some("needs 477 MB, 212 MB free"));
    }

    #[test]
    fn what_is_kept_is_named_so_that_the_sum_of_the_gauge_can_be_checked() {
        let mut state = held(268, 243);
        state.held.as_mut().expect("held").kept = Bytes::mib(21);
        let long = "needs 268 MB; 243 MB are free after the 21 MB that are kept";
        assert_eq!(reason(&state, JobId(3)).as_deref(), Some(long));
        assert_eq!(held_in_short(&state, JobId(3)).as_deref(), Some("needs 268, 243 free, 21 kept"));
    }

    #[test]
    fn a_large_job_says_that_it_waits_for_its_turn_and_a_smaller_one_behind_it_is_next() {
        let mut state = held(477, 212);
        state.held = None;
        let pixels = |state: &mut State, id, pixels| {
            let job = state.jobs.get_mut(&JobId(id)).expect("queued");
            (job.pixels, job.media) = (pixels, Some(crate::domain::job::MediaInfo::default()));
        };
        let mut small = state.jobs[&JobId(3)].clone();
        (small.id, small.rank) = (JobId(4), 4);
        state.index.waiting.insert((4, JobId(4)));
        state.jobs.insert(JobId(4), small);
        for (id, count) in [(1, 1920 * 1080), (2, 100), (3, 3840 * 2160), (4, 100)] {
            pixels(&mut state, id, count);
        }
        assert_eq!(reason(&state, JobId(3)).as_deref(), Some("next, when a slot is free"), "without a rule");
        let profile = state.profile.as_mut().expect("a profile");
        profile.large = Some(LargeRule { from: Picture::of_height(1080), at_once: 1 });
        assert_eq!(reason(&state, JobId(3)).as_deref(), Some("one large at a time"));
        assert_eq!(reason(&state, JobId(4)).as_deref(), Some("next, when a slot is free"));
        state.profile.as_mut().expect("a profile").max_concurrent = Slots::Auto;
        state.decided = Some(Decided { at_once: 2, limit: SlotLimit::Processors, why: String::new() });
        assert_eq!(reason(&state, JobId(4)).as_deref(), Some("next, when processors are free"));
    }

    #[test]
    fn a_paused_job_is_named_as_the_one_that_keeps_the_slot() {
        let mut story = Story::new(true);
        for id in 1..=3 {
            story.queue(id, "a.mp4", 10).inspect(id, 60, 100);
        }
        story.start(1, 1).start(2, 1).emit(EventKind::JobPaused { job: JobId(2), by_governor: false });
        let mut state = State::default();
        story.events.iter().for_each(|event| state.apply(event));
        assert_eq!(reason(&state, JobId(3)).as_deref(), Some("next; #2, paused, keeps its slot"));
    }

    #[test]
    fn nobody_waits_for_memory_nobody_is_told_of() {
        let mut state = held(477, 212);
        state.held = None;
        assert_eq!(way_in(&state), None);
        assert_eq!(reason(&state, JobId(3)).as_deref(), Some("being looked at"));
        assert_eq!(reason(&state, JobId(2)), None);
    }
}
