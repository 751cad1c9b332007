use super::*;
use crate::sim::fixture::{self, presets, profile};

fn job(width: u32, height: u32) -> QueuedJob {
    fixture::job((width, height), 10, 5)
}

fn taught(jobs: &[QueuedJob], presets: &BTreeMap<String, Preset>) -> Lessons {
    Lessons { curves: fixture::curves(&jobs[0], presets), ..Lessons::default() }
}

/// The plan of these jobs under `now` on a machine with two processors.
fn plan_of(jobs: &[QueuedJob], threads: u32, now: &Profile, profiles: &[Profile]) -> Plan {
    plan_with(jobs, &presets(threads), now, profiles)
}

fn plan_with(jobs: &[QueuedJob], presets: &BTreeMap<String, Preset>, now: &Profile, profiles: &[Profile]) -> Plan {
    let lessons = taught(jobs, presets);
    let budget = BudgetRule { now: Bytes::gib(2), source: "machine".to_owned(), available: Bytes::gib(2), is_fixed: false };
    let sight = Foresight {
        jobs,
        presets,
        lessons: &lessons,
        now,
        profiles,
        budget: &budget,
        held: (Bytes::ZERO, Bytes::ZERO),
        cores: 2,
        runs: 10,
        seed: 7,
    };
    foresee(&sight, &|_, _| true).expect("not given up")
}

fn shipped() -> Vec<Profile> {
    vec![profile("fast", 4, 500), profile("balanced", 2, 200), profile("safe", 1, 100)]
}

#[test]
fn every_way_stands_there_once_and_each_variation_says_what_it_changes() {
    let profiles = shipped();
    let plan = plan_of(&vec![job(1280, 720); 4], 2, &profiles[1], &profiles);
    let told: Vec<(&str, Change, &str)> =
        plan.ways.iter().map(|way| (way.forecast.name.as_str(), way.change, way.profile.name.as_str())).collect();
    assert_eq!(
        told,
        [
            ("now: balanced", Change::None, "balanced"),
            ("fast", Change::Profile, "fast"),
            ("safe", Change::Profile, "safe"),
            ("balanced, 3 slots", Change::Slots, "balanced-3"),
            ("balanced, 1 thread x 2", Change::Threads(1), "balanced-1t"),
            ("balanced, budget 1 GB", Change::Budget, "balanced"),
            ("balanced, budget 4 GB", Change::Budget, "balanced"),
        ]
    );
    for way in &plan.ways {
        assert_eq!(way.profile.check(), Ok(()), "{}", way.profile.name);
    }
}

#[test]
fn a_variation_of_a_variation_is_called_after_the_profile_and_takes_no_name_that_is_taken() {
    let mut profiles = shipped();
    let three = profile("balanced-3", 3, 200);
    profiles.push(three.clone());
    let plan = plan_of(&vec![job(1280, 720); 2], 1, &three, &profiles);
    let names: Vec<&str> = plan.ways.iter().map(|way| way.profile.name.as_str()).collect();
    assert!(names.contains(&"balanced-4") && names.contains(&"balanced-2t"), "{names:?}");
    let mine = profile("balanced", 7, 200);
    let taken = [mine.clone(), profile("balanced-8", 1, 1)];
    let plan = plan_of(&vec![job(1280, 720); 2], 1, &mine, &taken);
    let names: Vec<&str> = plan.ways.iter().map(|way| way.profile.name.as_str()).collect();
    assert!(names.contains(&"balanced-8-2"), "{names:?}");
    let long = "a".repeat(32);
    let plan = plan_of(&vec![job(1280, 720); 2], 2, &profile(&long, 7, 200), &[]);
    assert!(plan.ways.iter().all(|way| way.profile.check().is_ok()), "{plan:?}");
}

#[test]
fn other_threads_are_guessed_from_what_the_present_ones_took_and_marked_so() {
    let profiles = shipped();
    let plan = plan_of(&vec![job(1280, 720); 6], 2, &profiles[1], &profiles);
    let way = |change| plan.ways.iter().find(|way| way.change == change).expect("there");
    let (now, one) = (way(Change::None), way(Change::Threads(1)));
    assert_eq!((now.guesses, one.guesses), (0, 6));
    // Two jobs at once on two processors: the same work, whatever the threads, and less memory with fewer.
    let share = one.forecast.finish_p50 / now.forecast.finish_p50;
    assert!((0.95..1.25).contains(&share), "{share}");
    let peaks = (one.forecast.peak_p50.as_mb(), now.forecast.peak_p50.as_mb());
    assert!(peaks.0 < peaks.1 && peaks.0 > 0.6 * peaks.1, "{peaks:?}");
    assert!(plan.obstacle(one).is_some() && plan.best().is_some_and(|best| best.change.is_a_switch()));
}

#[test]
fn where_no_picture_is_encoded_other_threads_change_nothing_and_are_no_way() {
    let profiles = shipped();
    let mut sound = presets(2);
    for preset in sound.values_mut() {
        preset.video = None;
    }
    let plan = plan_with(&vec![job(1280, 720); 2], &sound, &profiles[1], &profiles);
    assert!(plan.ways.iter().all(|way| !matches!(way.change, Change::Threads(_))), "{plan:?}");
}

#[test]
fn a_job_that_only_copies_its_picture_is_not_large_as_in_the_run_itself() {
    let profiles = shipped();
    let jobs = [job(1280, 720), job(1920, 1080), job(1280, 720), job(1920, 1080)];
    let copying = presets(2).into_iter().map(|(name, mut preset)| {
        preset.video.iter_mut().for_each(|plan| plan.codec = VideoCodec::Copy);
        (name, preset)
    });
    let plan = plan_with(&jobs, &copying.collect(), &profiles[1], &profiles);
    assert!(plan.ways.iter().all(|way| way.change != Change::Large), "{plan:?}");
}

#[test]
fn large_jobs_take_turns_where_some_are_large_and_others_are_not() {
    let profiles = shipped();
    let mixed = [job(1280, 720), job(1920, 1080), job(1280, 720), job(1920, 1080), job(3840, 2160)];
    let plan = plan_of(&mixed, 2, &profiles[1], &profiles);
    let turns = plan.ways.iter().find(|way| way.change == Change::Large).expect("a way");
    // One picture of 2160p alone has nobody to take turns with.
    assert_eq!((turns.label().as_str(), turns.forecast.name.as_str()), ("2/200, one 1080p", "balanced, one 1080p"));
    assert_eq!((turns.profile.name.as_str(), turns.profile.check()), ("balanced-1080p", Ok(())));
    let now = &plan.ways[0].forecast;
    assert!(turns.forecast.peak_p95 < now.peak_p95, "{turns:?} {now:?}");
    let turned = |now: &Profile, jobs: &[QueuedJob]| {
        let plan = plan_of(jobs, 2, now, &profiles);
        plan.ways.iter().any(|way| way.change == Change::Large)
    };
    assert!(!turned(&profiles[1], &vec![job(1920, 1080); 3]), "all alike: that is one slot");
    assert!(!turned(&profiles[2], &mixed), "with one slot they take turns already");
    assert!(!turned(&turns.profile, &mixed), "it has such a rule");
}

#[test]
fn the_kinds_tell_how_much_is_known_of_each() {
    let profiles = shipped();
    let mut jobs = vec![job(1280, 720); 3];
    jobs.push(job(3840, 2160));
    let plan = plan_of(&jobs, 2, &profiles[1], &profiles);
    assert_eq!((plan.guesses, plan.learned_from, plan.kinds.len()), (1, 4, 2));
    let (known, unknown) = (&plan.kinds[0], &plan.kinds[1]);
    assert_eq!((known.jobs, known.finished, known.what.as_str()), (3, 4, "h264 1280x720 to p"));
    assert_eq!(known.peaks, Some((Bytes::mib(200), Bytes::mib(200))));
    assert!(known.cpu.is_some_and(|cpu| (cpu - 2.0).abs() < 1e-9), "{known:?}");
    assert_eq!((unknown.jobs, unknown.finished, unknown.cpu), (1, 0, None));
    assert!(unknown.peaks.is_some_and(|(low, _)| low > Bytes::mib(100)), "{unknown:?}");
}

#[test]
fn a_profile_with_a_budget_of_its_own_is_foretold_under_that_unless_the_operator_has_named_one() {
    let mut small = profile("small", 2, 200);
    small.memory.budget = Some(Bytes::gib(1));
    let mut rule = BudgetRule { now: Bytes::gib(2), source: String::new(), available: Bytes::gib(2), is_fixed: false };
    assert_eq!((rule.of(&small), rule.of(&profile("p", 1, 1))), (Bytes::gib(1), Bytes::gib(2)));
    rule.is_fixed = true;
    assert_eq!(rule.of(&small), Bytes::gib(2));
}

#[test]
fn no_peak_is_foretold_below_what_is_held_now_and_a_line_that_is_crossed_now_is_told_so() {
    let (jobs, profiles, presets) = (vec![job(1280, 720); 2], shipped(), presets(2));
    let lessons = taught(&jobs, &presets);
    let budget = BudgetRule { now: Bytes::gib(1), source: String::new(), available: Bytes::gib(1), is_fixed: false };
    let held = (Bytes::mib(700), Bytes::mib(800));
    let (now, profiles) = (&profiles[1], &profiles[..]);
    let sight = Foresight {
        jobs: &jobs,
        presets: &presets,
        lessons: &lessons,
        now,
        profiles,
        budget: &budget,
        held,
        cores: 2,
        runs: 5,
        seed: 7,
    };
    let plan = foresee(&sight, &|_, _| true).expect("not given up");
    for Way { forecast, .. } in &plan.ways {
        assert!(forecast.peak_p50 >= held.0 && forecast.peak_p95 >= held.0, "{forecast:?}");
        assert_eq!(
            (forecast.crossed_now, forecast.crosses > 0.99),
            [(true, true), (false, false)][usize::from(forecast.budget > budget.now)]
        );
    }
    assert!(plan.advice().starts_with("over the line now, and no switch changes that"), "{}", plan.advice());
    let told = crate::headless::plan::text(&plan);
    assert!(told.contains("crossed now") && told.contains("never crossed"), "{told}");
}

#[test]
fn whoever_has_seen_enough_ends_the_work() {
    let (jobs, profiles, presets) = (vec![job(1280, 720); 2], shipped(), presets(2));
    let lessons = taught(&jobs, &presets);
    let budget = BudgetRule { now: Bytes::gib(2), source: String::new(), available: Bytes::gib(2), is_fixed: false };
    let sight = Foresight {
        jobs: &jobs,
        presets: &presets,
        lessons: &lessons,
        now: &profiles[1],
        profiles: &profiles,
        budget: &budget,
        held: (Bytes::ZERO, Bytes::ZERO),
        cores: 2,
        runs: 5,
        seed: 7,
    };
    let heard = std::cell::RefCell::new(Vec::new());
    let plan = foresee(&sight, &|done, of| {
        heard.borrow_mut().push((done, of));
        done < 2
    });
    assert!(plan.is_none());
    assert_eq!(*heard.borrow(), [(0, 7), (1, 7), (2, 7)]);
}
