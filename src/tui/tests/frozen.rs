//! While the screen stands still it shows what was; what is asked, offered and done is about what is.

use super::*;
use crate::tui::app::line::WindowOn;

/// Thirty jobs wait; the screen stands still, and then two of them start.
fn started_behind_a_frozen_screen(settings: Settings) -> App {
    let mut story = Story::new(true);
    for id in 1..=30 {
        story.queue(id, &format!("talk-{id:02}.mp4"), 20);
    }
    let mut app = story.app(settings);
    press(&mut app, "g");
    assert_eq!(app.selected(), Some(JobId(1)));
    press(&mut app, "f");
    let from = story.events.len();
    story.start(1, 1).start(2, 1).progress(1, 0.5, 1.0, 60, 300);
    apply_from(&mut app, &story, from);
    app
}

#[test]
fn a_question_says_how_its_job_stands_now() {
    let mut app = started_behind_a_frozen_screen(settings(ColorMode::True, false));
    press(&mut app, "x");
    let asked = text(&draw(&mut app, 120, 36));
    assert!(asked.contains("It is running, 50 % done; what is made so far is thrown away."), "{asked}");
    press(&mut app, "<esc>q");
    let asked = text(&draw(&mut app, 120, 36));
    assert!(asked.contains("2 jobs are running."), "{asked}");
}

#[test]
fn leaving_tells_what_is_at_work_now() {
    let window = Some(WindowOn::default());
    let mut app = started_behind_a_frozen_screen(Settings { window, ..settings(ColorMode::True, false) });
    press(&mut app, "q");
    let asked = text(&draw(&mut app, 120, 36));
    assert!(asked.contains("2 jobs at work, 28 waiting"), "{asked}");
}

#[test]
fn the_footer_offers_what_keys_would_do_now() {
    let mut story = busy(true);
    story.emit(EventKind::QueuePaused);
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "gf");
    let footer = |app: &mut App| text(&draw(app, 120, 36)).lines().last().unwrap_or_default().to_owned();
    assert!(footer(&mut app).contains("S release") && footer(&mut app).contains("space pause"));
    let from = story.events.len();
    story.emit(EventKind::QueueResumed).finish(17, Outcome::Failed, 600, 9.0, Some("exit 1"));
    apply_from(&mut app, &story, from);
    let offered = footer(&mut app);
    assert!(!offered.contains("S release") && !offered.contains("space pause") && offered.contains("r retry"), "{offered}");
}

#[test]
fn what_works_is_found_from_a_frozen_screen_too() {
    let mut app = busy(true).app(settings(ColorMode::True, false));
    press(&mut app, "fGb");
    assert_eq!(app.selected(), Some(JobId(17)));
    assert!(app.toast().is_some_and(|toast| toast.text.contains("#17 is at work")), "{:?}", app.toast());
    // One that came after the screen was frozen has no row there.
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1).start(1, 1).finish(1, Outcome::Done, 1, 1.0, None);
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "gf");
    let from = story.events.len();
    story.queue(2, "b.mp4", 1).start(2, 1);
    apply_from(&mut app, &story, from);
    press(&mut app, "b");
    assert_eq!(app.selected(), Some(JobId(1)));
    assert!(app.toast().is_some_and(|toast| toast.text.contains("f lets it run again")), "{:?}", app.toast());
}
