//! What the look ahead asks, shows and does.

use super::*;

/// What was asked of whoever looks ahead.
fn asked_ahead(effects: &[Effect]) -> (u64, &QueueNow) {
    match effects {
        [Effect::Look(Look::Ahead(number, queue))] => (*number, queue),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_if_looks_at_what_is_left_of_the_queue_and_at_what_another_limit_would_let_in() {
    let mut app = screen("busy", ColorMode::True, false);
    let effects = press(&mut app, "w");
    let (_, queue) = asked_ahead(&effects);
    let names: Vec<String> = queue.jobs.iter().map(|job| path_text(&job.input)).collect();
    let expected =
        ["lecture-04", "match-cam2", "drone-raw", "keynote", "podcast", "tutorial-a", "tutorial-b", "site-walk", "wedding"];
    assert_eq!(names.len(), expected.len());
    for (name, wanted) in names.iter().zip(expected) {
        assert!(name.contains(wanted), "{names:?}");
    }
    let (running, waiting, rejected) = (&queue.jobs[0], &queue.jobs[3], &queue.jobs[8]);
    assert!((running.left - 0.37).abs() < 1e-9 && running.is_in && running.media.is_some(), "{running:?}");
    assert_eq!((running.holds, waiting.holds), (Some(Bytes::mib(612)), None), "what runs goes on");
    assert_eq!((queue.held, queue.counted), (app.state.memory.hard_bytes, app.state.memory.counted_bytes));
    assert!(running.seconds_left.is_some() && waiting.seconds_left.is_none(), "by its own pace");
    assert!((waiting.left - 1.0).abs() < 1e-9 && !waiting.is_in && waiting.media.is_some(), "{waiting:?}");
    assert!(!rejected.is_in && rejected.media.is_none() && rejected.size == Bytes::mib(412), "{rejected:?}");
    assert_eq!((queue.budget, queue.profile.name.as_str(), queue.profiles.len()), (Bytes::gib(2), "balanced", 3));
    assert!(text(&draw(&mut app, 120, 36)).contains("looking ahead"), "the frame does not wait for it");
    assert_eq!(press(&mut app, "<esc>"), vec![Effect::LookAway], "closing gives it up");
    // What comes all the same is not shown, and opening looks anew.
    app.update(Action::Found(Box::new(Found::Ahead(1, Box::new(Ok(plan(false)))))));
    assert!(app.what_if().found().is_none());
    let effects = press(&mut app, "w");
    assert_eq!(asked_ahead(&effects).0, 2);
    app.update(Action::Found(Box::new(Found::Ahead(1, Box::new(Err("late".to_owned()))))));
    assert!(app.what_if().looks(), "an answer to an earlier look is none to this one");
    app.update(Action::Found(Box::new(Found::Ahead(2, Box::new(Err("nobody here can look ahead".to_owned()))))));
    assert!(text(&draw(&mut app, 120, 36)).contains("nobody here can look ahead"));
    assert_eq!(press(&mut app, "<enter>s"), vec![], "without a plan there is nothing to apply and nothing to keep");
    assert_eq!(press(&mut app, "<esc>"), vec![], "nothing is under way");
    assert!(app.mode().is_none());
}

#[test]
fn what_was_found_of_an_earlier_queue_is_not_told_of_the_one_there_is_now() {
    let mut app = Story::new(true).app(settings(ColorMode::True, false));
    let nothing = |number| Action::Found(Box::new(Found::Ahead(number, Box::new(Err("nothing waits".to_owned())))));
    let number = asked_ahead(&press(&mut app, "w")).0;
    app.update(nothing(number));
    assert!(text(&draw(&mut app, 120, 36)).contains("nothing waits"));
    // A job comes while it is open: it is looked again.
    let mut story = Story::new(true);
    story.queue(1, "one.mp4", 5);
    let added = story.events.last().expect("a job is queued").clone();
    let effects = on_event(&mut app, &added);
    let (number, queue) = asked_ahead(&effects);
    assert_eq!(queue.jobs.len(), 1);
    assert!(!text(&draw(&mut app, 120, 36)).contains("nothing waits"), "while it looks");
    app.update(nothing(number));
    press(&mut app, "<esc>w");
    let shown = text(&draw(&mut app, 120, 36));
    assert!(shown.contains("looking ahead") && !shown.contains("nothing waits"), "opened again: {shown}");

    let mut app = screen("what_if", ColorMode::True, false);
    let outdated = |app: &mut App| text(&draw(app, 120, 36)).contains("the queue has changed since");
    assert!(!outdated(&mut app));
    let mut story = busy(true);
    story.queue(99, "more.mp4", 5);
    on_event(&mut app, story.events.last().expect("a job is queued"));
    assert!(outdated(&mut app) && app.what_if().found().is_some());
    press(&mut app, "r");
    assert!(!outdated(&mut app), "it is looked again");
}

#[test]
fn a_way_is_applied_if_the_same_box_and_the_same_bytes_allow_it_else_it_is_told_what_to_do() {
    let apply = |keys: &str| {
        let mut app = screen("what_if", ColorMode::True, false);
        let effects = press(&mut app, &format!("kkkkkkkk{keys}<enter>"));
        (effects, text(&draw(&mut app, 120, 36)))
    };
    assert!(apply("").1.contains("balanced is in force"));
    let (effects, _) = apply("j");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::SelectProfile(profile))] if profile.name == "fast"), "{effects:?}");
    let (effects, screen) = apply("jjj");
    let [Effect::Send(_, Command::UseProfile(profile))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((profile.name.as_str(), profile.max_concurrent), ("balanced-3", 3.into()));
    assert!(!screen.contains("What if"), "it closes");
    let (effects, _) = apply("jjjj");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::UseProfile(profile))] if profile.large.is_some()), "{effects:?}");
    for (keys, told) in [("jjjjj", "threads: 1"), ("jjjjjj", "--budget 1GB"), ("jjjjjjj", "with 4 GB")] {
        let (effects, screen) = apply(keys);
        assert_eq!(effects, vec![], "{keys}");
        assert!(screen.contains("no switch") && screen.contains(told) && screen.contains("What if"), "{screen}");
    }
}

#[test]
fn what_answers_no_switch_is_not_offered_to_be_applied_or_kept() {
    let offered = |keys: &str| {
        let mut app = screen("what_if", ColorMode::True, false);
        press(&mut app, &format!("g{keys}"));
        let screen = text(&draw(&mut app, 120, 36));
        ["enter apply", "s save as profile", "e explain"].map(|hint| screen.matches(hint).count())
    };
    // In the popup and in the last line: in force, a profile, other threads.
    assert_eq!((offered(""), offered("j"), offered("jjjjj")), ([0, 2, 2], [2, 2, 2], [0, 0, 2]));
}

#[test]
fn the_advised_way_is_chosen_until_the_operator_chooses_and_stays_so_when_it_is_looked_again() {
    let mut app = screen("busy", ColorMode::True, false);
    foretold(&mut app, false, "");
    assert_eq!(app.what_if().way().map(|way| way.forecast.name.as_str()), Some("balanced, 3 slots"));
    assert!(text(&draw(&mut app, 120, 36)).contains("1 more may start"), "what switching would do now");
    press(&mut app, "jjjj");
    let effects = press(&mut app, "r");
    let number = asked_ahead(&effects).0;
    assert!(text(&draw(&mut app, 120, 36)).contains("balanced, 3 slots"), "what was foretold stays until then");
    let mut fewer = plan(false);
    fewer.ways.remove(1);
    app.update(Action::Found(Box::new(Found::Ahead(number, Box::new(Ok(fewer))))));
    assert_eq!(app.what_if().way().map(|way| way.forecast.name.as_str()), Some("balanced, budget 4 GB"));
}

#[test]
fn a_way_is_kept_as_a_profile_under_a_name_that_is_checked_and_is_offered_from_then_on() {
    let mut app = screen("what_if_save", ColorMode::True, false);
    assert!(text(&draw(&mut app, 120, 36)).contains("save as profile: balanced-3"));
    assert_eq!(press(&mut app, "/x<enter>"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("a name has 1 to 32 of a-z"));
    let effects = press(&mut app, "<c-u>calm<enter>");
    let [Effect::Look(Look::Save(profile, comment))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((profile.name.as_str(), profile.max_concurrent), ("calm", 3.into()));
    assert_eq!(comment, "a variation of balanced, saved in the console from what-if, 2026-11-22");
    assert_eq!(press(&mut app, "<enter>"), vec![], "it is being kept already");
    let taken = Err("there is a profile calm already: /c/calm.yaml; choose another name".to_owned());
    app.update(Action::Found(Box::new(Found::Saved(profile.clone(), taken))));
    assert!(text(&draw(&mut app, 120, 36)).contains("choose another name"));
    assert_eq!(press(&mut app, "r<enter>").len(), 1);
    let profile = Box::new(Profile { name: "calmr".to_owned(), ..(**profile).clone() });
    app.update(Action::Found(Box::new(Found::Saved(profile, Ok("/c/profiles/calmr.yaml".into())))));
    let screen = text(&draw(&mut app, 120, 36));
    assert!(screen.contains("saved calmr: /c/profiles/calmr.yaml") && screen.contains("What if"), "{screen}");
    assert!(app.profiles().iter().any(|profile| profile.name == "calmr"));
    let effects = press(&mut app, "<esc>:calmr<enter>");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::SelectProfile(profile))] if profile.name == "calmr"), "{effects:?}");
    // A box or other threads are no part of a profile.
    foretold(&mut app, false, "jjjs");
    assert!(app.key_mode() == KeyMode::WhatIf && text(&draw(&mut app, 120, 36)).contains("no switch"));
}

#[test]
fn a_profile_that_was_used_can_be_gone_back_to() {
    let mut app = screen("busy", ColorMode::True, false);
    let mut story = busy(true);
    let used = Profile { name: "balanced-3".to_owned(), max_concurrent: 3.into(), ..profiles()[1].clone() };
    for profile in [used, profiles()[0].clone()] {
        story.select(profile);
        on_event(&mut app, &story.events[story.events.len() - 1]);
    }
    let names: Vec<&str> = app.profiles().iter().map(|profile| profile.name.as_str()).collect();
    assert_eq!(names, ["fast", "balanced", "safe", "balanced-3"]);
}

#[test]
fn what_was_foretold_for_one_profile_is_not_shown_for_another() {
    let mut app = screen("what_if", ColorMode::True, false);
    assert!(app.what_if().found().is_some());
    let mut story = busy(true);
    story.select(profiles()[2].clone());
    on_event(&mut app, &story.events[story.events.len() - 1]);
    assert!(app.what_if().found().is_none());
}
