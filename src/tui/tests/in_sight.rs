//! Keys act on what is seen: on the job whose page is open, and never on what the filter hides.

use super::*;
use crate::domain::command::JobRequest;
use crate::tui::app::{Mode, Question};
use crate::tui::pages::Page;

fn footer(app: &mut App) -> String {
    text(&draw(app, 200, 60)).lines().last().unwrap_or_default().to_owned()
}

fn said(app: &App) -> String {
    app.toast().map(|toast| toast.text.clone()).unwrap_or_default()
}

/// The page of the first job, which runs, with two that wait marked.
fn page_beside_marks(story: &Story) -> App {
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "gjjjvvg<enter>");
    assert_eq!((app.page(), app.selected(), app.marks().0), (Page::Job, Some(JobId(17)), 2));
    app
}

#[test]
fn on_the_page_of_a_job_keys_act_on_that_job_whatever_is_marked() {
    let story = busy(true);
    let mut app = page_beside_marks(&story);
    let this = JobId(17);
    for (key, command) in [
        (" ", Command::PauseJob(this)),
        ("r", Command::Retry(this)),
        ("A", Command::Allow(this)),
        ("J", Command::Move(this, MoveTo::Later)),
        ("K", Command::Move(this, MoveTo::Sooner)),
        ("{", Command::Move(this, MoveTo::First)),
        ("}", Command::Move(this, MoveTo::Last)),
    ] {
        let effects = press(&mut app, key);
        assert!(matches!(&effects[..], [Effect::Send(_, asked)] if *asked == command), "{key}: {effects:?}");
    }
    press(&mut app, "x");
    assert!(matches!(app.mode(), Some(Mode::Ask(ask)) if ask.question == Question::Cancel(this)), "{:?}", app.mode());
    press(&mut app, "nD");
    assert!(app.mode().is_none() && said(&app).contains("delete #17: it is at work"), "{}", said(&app));
    // The marks are there again with the list.
    press(&mut app, "<esc>");
    let effects = press(&mut app, "{");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::Each(jobs, JobRequest::Move(MoveTo::First)))] if jobs.len() == 2));
}

#[test]
fn the_footer_of_a_jobs_page_is_about_that_job_whatever_is_marked() {
    let mut story = busy(true);
    let line = footer(&mut page_beside_marks(&story));
    assert!(line.contains("space pause") && line.contains("x cancel") && !line.contains("D delete"), "{line}");
    story.emit(EventKind::JobPaused { job: JobId(17), by_governor: false });
    let line = footer(&mut page_beside_marks(&story));
    assert!(line.contains("space resume"), "{line}");
}

#[test]
fn what_the_filter_hides_is_acted_on_from_nowhere() {
    // A pane full screen, and a screen with room for one pane only.
    for (width, height, show) in [(120, 36, "4z"), (60, 16, "4"), (120, 36, "1z")] {
        let mut app = screen("busy", ColorMode::True, false);
        draw(&mut app, width, height);
        press(&mut app, "/state:queued<enter>*/<c-u>state:running<enter>");
        press(&mut app, show);
        assert_eq!(app.marks(), (6, 6), "{show}");
        for key in [" ", "x", "r", "D", "J", "K", "{", "}", "A"] {
            assert_eq!(press(&mut app, key), vec![], "{show} {key}");
            assert!(app.mode().is_none(), "{show} {key}");
        }
        // One that was chosen, and has become another than the filter asks for.
        let mut story = busy(true);
        let mut app = story.app(settings(ColorMode::True, false));
        draw(&mut app, width, height);
        press(&mut app, "/state:queued<enter>");
        let chosen = app.selected().expect("the first that waits");
        press(&mut app, show);
        let from = story.events.len();
        story.start(chosen.0, 1);
        apply_from(&mut app, &story, from);
        for key in [" ", "x", "r", "D"] {
            assert_eq!(press(&mut app, key), vec![], "{show} {key}");
            assert!(app.mode().is_none(), "{show} {key}");
        }
        assert!(!footer(&mut app).contains("x cancel"));
    }
}

#[test]
fn the_page_of_a_job_stays_with_it_when_it_leaves_the_list() {
    let this = JobId(19);
    for kind in [EventKind::JobParked { job: this }, EventKind::JobRemoved { job: this, output: None }] {
        let mut story = busy(true);
        let mut app = story.app(settings(ColorMode::True, false));
        press(&mut app, "gjjj<enter>");
        assert_eq!(app.selected(), Some(this));
        let from = story.events.len();
        story.emit(kind);
        apply_from(&mut app, &story, from);
        assert_eq!((app.page(), app.selected()), (Page::Job, Some(this)));
        assert!(said(&app).contains("#19"), "it is told: {}", said(&app));
        assert!(text(&draw(&mut app, 120, 36)).contains("it is no longer on the list"));
        for key in [" ", "x", "r", "A", "D", "J", "K", "{", "}"] {
            assert_eq!(press(&mut app, key), vec![], "{key}");
            assert!(app.mode().is_none(), "{key}");
            assert!(said(&app).contains("#19 is no longer on the list"), "{key}: {}", said(&app));
        }
        // The list has no row of it: one that works is chosen there.
        press(&mut app, "<esc>");
        assert_eq!((app.page(), app.selected()), (Page::Dashboard, Some(JobId(17))));
    }
}

#[test]
fn the_page_of_a_job_stays_with_it_whatever_the_server_tells_anew() {
    let mut app = busy(true).app(settings(ColorMode::True, false));
    press(&mut app, "gjjj<enter>");
    let mut without = app.shown().clone();
    assert!(without.jobs.remove(&JobId(19)).is_some());
    app.on_update(Update::Snapshot(Box::new(without)));
    assert_eq!(app.selected(), Some(JobId(19)));
    assert_eq!(press(&mut app, "x"), vec![]);
    assert!(app.mode().is_none());
}

#[test]
fn the_page_of_a_job_is_closed_when_another_run_begins_with_jobs_of_the_same_numbers() {
    let mut app = busy(true).app(settings(ColorMode::True, false));
    press(&mut app, "gjjj<enter>");
    app.on_update(Update::Snapshot(Box::default()));
    assert_eq!((app.page(), app.selected()), (Page::Dashboard, None));
    assert!(said(&app).contains("another run has begun"), "{}", said(&app));
}

#[test]
fn a_page_that_was_turned_to_what_works_stays_with_that_job_when_it_ends() {
    let mut story = busy(true);
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "G<enter>b");
    assert_eq!((app.page(), app.selected()), (Page::Job, Some(JobId(17))));
    let from = story.events.len();
    story.finish(17, Outcome::Done, 300, 1.0, None);
    apply_from(&mut app, &story, from);
    assert_eq!(app.selected(), Some(JobId(17)));
}
