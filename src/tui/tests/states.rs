//! A key does the same to a job whether it is marked or not: what its state asks for. What is offered is what would be done.

use super::*;
use crate::domain::command::{Answer, JobRequest};
use crate::domain::job::RejectReason;
use crate::tui::app::Mode;
use crate::tui::input::action::Act;

fn footer(app: &mut App, (width, height): (u16, u16)) -> String {
    text(&draw(app, width, height)).lines().last().unwrap_or_default().to_owned()
}

fn said(app: &App) -> String {
    app.toast().map(|toast| toast.text.clone()).unwrap_or_default()
}

fn asks_for_each(effects: &[Effect], ids: &[u64], request: JobRequest) {
    let wanted = Command::Each(ids.iter().copied().map(JobId).collect(), request);
    assert!(matches!(effects, [Effect::Send(_, asked)] if *asked == wanted), "{effects:?}");
}

#[test]
fn a_marked_job_that_was_stopped_for_memory_is_taken_over_as_one_that_is_not_marked() {
    // #17 runs, #18 was stopped by the governor.
    let mut story = over();
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "gj");
    assert!(matches!(press(&mut app, " ")[..], [Effect::Send(_, Command::PauseJob(JobId(18)))]));
    press(&mut app, "v");
    assert!(footer(&mut app, (120, 36)).contains("space pause"));
    asks_for_each(&press(&mut app, " "), &[18], JobRequest::Pause);
    // Beside one that an operator has paused nothing goes on while memory is short.
    story.emit(EventKind::JobPaused { job: JobId(17), by_governor: false });
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "gvv");
    asks_for_each(&press(&mut app, " "), &[18], JobRequest::Pause);
    press(&mut app, "gv");
    assert!(footer(&mut app, (120, 36)).contains("space resume"));
    asks_for_each(&press(&mut app, " "), &[17], JobRequest::Resume);
}

#[test]
fn a_job_that_never_fits_is_tried_again_and_not_let_in() {
    let mut story = busy(true);
    story.emit(EventKind::JobRejected {
        job: JobId(21),
        input: "/v/podcast-112.mkv".into(),
        size_bytes: Bytes::mib(88),
        limit_bytes: Some(Bytes::mib(900)),
        reason: RejectReason::NeverFits,
        detail: "needs 2100 MB, and 900 MB is the most that it may get".to_owned(),
    });
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "/podcast<enter>");
    let offered = footer(&mut app, (120, 36));
    assert!(offered.contains("r retry") && !offered.contains("A let it in"), "{offered}");
    press(&mut app, "v");
    asks_for_each(&press(&mut app, "r"), &[21], JobRequest::Retry);
}

#[test]
fn a_job_at_work_is_not_asked_to_be_deleted_for_that_would_be_refused() {
    let mut app = busy(true).app(settings(ColorMode::True, false));
    press(&mut app, "g");
    assert_eq!(press(&mut app, "D"), vec![]);
    assert!(app.mode().is_none() && said(&app).contains("#17: it is at work; x cancels it"), "{}", said(&app));
    press(&mut app, "jjjD");
    assert!(matches!(app.mode(), Some(Mode::Ask(_))), "one that waits");
}

#[test]
fn that_nothing_is_to_be_cleared_is_told_apart_from_that_nothing_has_ended() {
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1);
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "F");
    assert!(said(&app).contains("nothing has ended yet"), "{}", said(&app));
    let from = story.events.len();
    story.start(1, 1).finish(1, Outcome::Done, 1, 1.0, None).emit(EventKind::JobRemoved { job: JobId(1), output: None });
    apply_from(&mut app, &story, from);
    // Of more than are listed.
    app.state.index.outcomes.insert(Outcome::Done, 3000);
    press(&mut app, "F");
    assert!(said(&app).contains("nothing that has ended is on the list"), "{}", said(&app));
}

#[test]
fn where_no_job_is_seen_no_key_for_one_is_offered_and_the_way_back_is_one() {
    for (size, open, way) in [((60, 16), "3", "2"), ((120, 36), "1z", "esc"), ((120, 36), "3z", "esc")] {
        let mut app = busy(true).app(settings(ColorMode::True, false));
        draw(&mut app, size.0, size.1);
        assert!(footer(&mut app, size).contains("x cancel"));
        press(&mut app, open);
        let offered = footer(&mut app, size);
        assert!(!offered.contains("space pause") && !offered.contains("x cancel"), "{open}: {offered}");
        press(&mut app, "x");
        assert!(said(&app).contains(&format!("{way} leads back")), "{open}: {}", said(&app));
        press(&mut app, &if way == "esc" { "<esc>".to_owned() } else { way.to_owned() });
        assert!(footer(&mut app, size).contains("x cancel"), "{open}");
    }
    let mut tiny = busy(true).app(settings(ColorMode::True, false));
    let offered = footer(&mut tiny, (40, 10));
    assert!(!offered.contains("space") && !offered.contains("cancel"), "{offered}");
}

#[test]
fn where_the_order_of_the_rows_does_not_show_a_move_it_is_told() {
    for (look, tells) in [("", false), ("sss", true), ("/state:queued<enter>", true), ("f", true)] {
        let mut story = busy(true);
        let mut app = story.app(settings(ColorMode::True, false));
        press(&mut app, look);
        app.select(Some(JobId(21)));
        let effects = press(&mut app, "{");
        let [Effect::Send(id, Command::Move(JobId(21), MoveTo::First))] = effects[..] else { panic!("{look}: {effects:?}") };
        let from = story.events.len();
        story.emit(EventKind::JobMoved { job: JobId(21), rank: -1 });
        apply_from(&mut app, &story, from);
        app.on_update(Update::Reply(id, Ok(Answer::default())));
        assert_eq!(said(&app), if tells { "moved #21: it is the 1st of those that wait" } else { "" }, "{look}");
    }
}

#[test]
fn a_filter_that_lets_nothing_through_is_cleared_before_the_marks_as_it_says() {
    let change = KeyChange { action: "back".to_owned(), keys: vec!["backspace".to_owned()] };
    let keys = Keymap::with(&[change]).expect("it fits");
    let mut app = busy(true).app(Settings { keys, ..settings(ColorMode::True, false) });
    press(&mut app, "gjjjvv/zzz<enter>");
    let shown = text(&draw(&mut app, 120, 36));
    let label = app.key_label(Act::Back);
    assert!(shown.contains(&format!("no job matches the filter; {label} clears it")), "{shown}");
    app.update(Action::Do(Act::Back));
    assert!(app.filter().is_none());
    assert_eq!(app.marks(), (2, 0));
    app.update(Action::Do(Act::Back));
    assert_eq!(app.marks(), (0, 0));
}
