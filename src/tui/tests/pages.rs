//! What keys, the wheel and the passing of time do on the pages and to what the console itself keeps.

use crossterm::event::{KeyModifiers, MouseEvent, MouseEventKind};

use super::*;
use crate::domain::command::Answer;
use crate::domain::refusal::Refusal;
use crate::tui::pages::Page;

fn said(app: &App) -> String {
    app.toast().map(|toast| toast.text.clone()).unwrap_or_default()
}

#[test]
fn nothing_but_tab_turns_the_page_of_a_job_to_another() {
    for look in ["s", "/mp4<enter>"] {
        let mut app = busy(true).app(settings(ColorMode::True, false));
        press(&mut app, &format!("{look}g<enter>"));
        let job = app.selected();
        for keys in ["n", "N", "/<enter>"] {
            press(&mut app, keys);
            assert_eq!((app.page(), app.selected()), (Page::Job, job), "{look} {keys}");
        }
        press(&mut app, "n");
        assert!(said(&app).contains("nothing is looked for; / does so"), "{}", said(&app));
        // An empty line forgets what was looked for, and looks for nothing.
        press(&mut app, "/frame<enter>");
        let place = app.log().map(|(_, bottom)| bottom);
        press(&mut app, "/<c-u><enter>");
        assert_eq!((app.search(), app.selected(), app.log().map(|(_, bottom)| bottom)), ("", job, place), "{look}");
    }
    // In the log pane of the dashboard neither.
    let mut app = busy(true).app(settings(ColorMode::True, false));
    press(&mut app, "sg4z");
    let job = app.selected();
    press(&mut app, "nN");
    assert_eq!(app.selected(), job);
}

#[test]
fn a_log_that_was_read_from_its_file_gives_way_to_the_lines_of_the_next_try() {
    // It has failed before this console came.
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1).start(1, 1).finish(1, Outcome::Failed, 1, 1.0, Some("exit 1"));
    let mut state = crate::domain::state::State::default();
    story.events.iter().for_each(|event| state.apply(event));
    let mut app = App::new(settings(ColorMode::True, false));
    app.on_update(Update::Snapshot(Box::new(state)));
    assert_eq!(press(&mut app, "g<enter>"), vec![Effect::Look(Look::Log(JobId(1), 1))]);
    let lines = vec![LogLine { at: Wall(0), level: LogLevel::Error, text: "the old failure".to_owned() }];
    app.update(Action::Found(Box::new(Found::Log(JobId(1), 1, Ok(WholeLog { lines, left_out: Bytes::ZERO })))));
    assert!(text(&draw(&mut app, 120, 36)).contains("the old failure"));
    let from = story.events.len();
    story.emit(EventKind::JobRetried { job: JobId(1), rank: 9 }).start(1, 1).log(Some(1), LogLevel::Info, "the new line");
    story.progress(1, 0.5, 1.0, 9, 100);
    apply_from(&mut app, &story, from);
    let shown = text(&draw(&mut app, 120, 36));
    assert!(shown.contains("the new line") && shown.contains("fps  time") && !shown.contains("the old failure"), "{shown}");
    // A screen that stands still keeps what it shows until it runs again.
    press(&mut app, "o");
    let lines = vec![LogLine { at: Wall(0), level: LogLevel::Info, text: "the whole file".to_owned() }];
    app.update(Action::Found(Box::new(Found::Log(JobId(1), 1, Ok(WholeLog { lines, left_out: Bytes::ZERO })))));
    press(&mut app, "f");
    let from = story.events.len();
    story.finish(1, Outcome::Failed, 1, 1.0, Some("exit 1")).emit(EventKind::JobRetried { job: JobId(1), rank: 9 });
    apply_from(&mut app, &story, from);
    assert!(text(&draw(&mut app, 120, 36)).contains("the whole file"));
    press(&mut app, "f");
    assert!(!text(&draw(&mut app, 120, 36)).contains("the whole file"));
}

#[test]
fn the_whole_file_of_a_job_at_work_is_read_again_when_the_job_has_ended() {
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1).start(1, 1).log(Some(1), LogLevel::Info, "a line");
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "g<enter>");
    let look = vec![Effect::Look(Look::Log(JobId(1), 1))];
    assert_eq!(press(&mut app, "o"), look);
    let whole = |text: &str| {
        let lines = vec![LogLine { at: Wall(0), level: LogLevel::Info, text: text.to_owned() }];
        Found::Log(JobId(1), 1, Ok(WholeLog { lines, left_out: Bytes::ZERO }))
    };
    app.update(Action::Found(Box::new(whole("half of it"))));
    let from = story.events.len();
    story.log(Some(1), LogLevel::Info, "another").finish(1, Outcome::Done, 9, 1.0, None);
    let asked: Vec<Effect> =
        story.events[from..].iter().flat_map(|event| app.on_update(Update::Event(Box::new(event.clone())))).collect();
    assert_eq!(asked, look, "once, at the end");
    // What cannot be read again leaves what is there.
    app.update(Action::Found(Box::new(Found::Log(JobId(1), 1, Err("cannot read it".to_owned())))));
    let shown = text(&draw(&mut app, 120, 36));
    assert!(shown.contains("half of it") && !shown.contains("cannot read it"), "{shown}");
    app.update(Action::Found(Box::new(whole("all of it"))));
    assert!(text(&draw(&mut app, 120, 36)).contains("all of it"));
}

#[test]
fn the_wheel_scrolls_the_facts_that_are_seen_and_not_the_log_that_is_not() {
    let mut app = screen("job", ColorMode::True, false);
    draw(&mut app, 60, 16);
    press(&mut app, "<enter>");
    draw(&mut app, 60, 16);
    let wheel = MouseEvent { kind: MouseEventKind::ScrollDown, column: 5, row: 5, modifiers: KeyModifiers::NONE };
    app.update(Action::Mouse(wheel));
    assert!(app.follows());
    let (before, after) = (text(&draw(&mut app, 60, 16)), app.opened_facts().map(|facts| facts.seen(100, 10)));
    assert_eq!(after, Some(3), "{before}");
}

#[test]
fn all_facts_are_shown_from_a_log_that_is_full_screen_too() {
    let mut app = screen("job", ColorMode::True, false);
    draw(&mut app, 120, 36);
    press(&mut app, "z<enter>");
    let shown = text(&draw(&mut app, 120, 36));
    assert!(shown.contains("Job #17") && app.opened_facts().is_some() && !app.zoom(), "{shown}");
    press(&mut app, "<esc>");
    assert!(app.opened_facts().is_none() && app.page() == Page::Job);
}

#[test]
fn the_page_of_an_events_job_leads_back_to_the_list_where_it_was() {
    let mut app = busy(true).app(settings(ColorMode::True, false));
    draw(&mut app, 120, 36);
    press(&mut app, "1ejj");
    while app.events.chosen_job(&app.state).is_none() {
        press(&mut app, "j");
    }
    let chosen = app.events_page().selected;
    assert!(chosen.is_some());
    press(&mut app, "<enter>");
    assert_eq!(app.page(), Page::Job);
    press(&mut app, "<esc>");
    assert_eq!((app.page(), app.events_page().selected), (Page::Events, chosen));
    press(&mut app, "<esc>");
    assert_eq!((app.page(), app.focus()), (Page::Dashboard, crate::tui::layout::Pane::Memory));
    // From the list of jobs the way leads back to that one.
    press(&mut app, "2<enter><esc>");
    assert_eq!(app.page(), Page::Dashboard);
}

#[test]
fn a_message_stays_for_the_operators_seconds_whatever_those_of_the_run_are() {
    let mut story = busy(true);
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "t");
    assert!(said(&app).contains("theme"));
    // An hour of a recording goes by in a moment, and a run begins anew.
    let from = story.events.len();
    story.at(4_000_000).sample(300, &[]);
    apply_from(&mut app, &story, from);
    assert!(said(&app).contains("theme") && app.polls());
    app.on_update(Update::Snapshot(Box::new(app.shown().clone())));
    for _ in 0..7 {
        assert!(!app.tick(), "nothing of it is seen");
    }
    assert!(app.tick() && app.toast().is_none() && !app.polls());
    // While the line is lost too.
    press(&mut app, "t");
    app.on_update(Update::Line(LineNews::Lost { why: String::new(), again_in: Duration::from_mins(1), gone: false }));
    assert!((0..8).all(|_| app.tick()) && app.toast().is_none());
}

#[test]
fn after_a_snapshot_marks_are_of_listed_jobs_and_the_chosen_event_and_answers_are_the_same() {
    let mut app = busy(true).app(settings(ColorMode::True, false));
    press(&mut app, "gjjjvv");
    let asked = press(&mut app, "<esc>r");
    let [Effect::Send(id, _)] = asked[..] else { panic!("{asked:?}") };
    app.on_update(Update::Reply(id, Err(Refusal::Other.because("not now"))));
    press(&mut app, "gjjjvv");
    assert_eq!(app.marks(), (2, 0));
    press(&mut app, "ejjjjj");
    let chosen = |app: &App| app.events.chosen(&app.state).map(|entry| entry.text.clone());
    let before = chosen(&app);
    let mut later = app.shown().clone();
    // Some of what happened is kept no more, and one of the marked jobs is listed no more.
    later.story.drain(..4);
    let gone = *app.queue.marked.iter().next().expect("marked");
    later.jobs.remove(&gone);
    app.on_update(Update::Snapshot(Box::new(later)));
    assert_eq!(app.marks(), (1, 0));
    assert!(before.is_some() && chosen(&app) == before, "{before:?} {:?}", chosen(&app));
    press(&mut app, "/answer<enter>");
    assert!(text(&draw(&mut app, 120, 36)).contains("not now"));
    // A reply that is good leaves nothing there.
    app.on_update(Update::Reply(id, Ok(Answer::default())));
}
