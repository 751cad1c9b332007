//! Where nothing can be changed, in a window that only looks and in a replay, no key says that it does.

use super::*;
use crate::tui::app::Mode;
use crate::tui::pages::Page;

const VIEW: &str = "a window to look through";
const REPLAY: &str = "this is a replay";

fn looking(story: &Story) -> [(App, &'static str); 2] {
    let window = Some(WindowOn { view: true, ..WindowOn::default() });
    let view = story.app(Settings { window, ..settings(ColorMode::True, false) });
    let replay = story.app(Settings { replay: true, ..settings(ColorMode::True, false) });
    [(view, VIEW), (replay, REPLAY)]
}

fn footer(app: &mut App) -> String {
    text(&draw(app, 200, 60)).lines().last().unwrap_or_default().to_owned()
}

fn refused(app: &App, why: &str, what: &str) {
    let said = app.toast().map(|toast| toast.text.clone()).unwrap_or_default();
    assert!(said.contains(why), "{what}: {said}");
}

#[test]
fn a_comparison_is_neither_ended_nor_begun_from_where_one_only_looks() {
    let mut story = busy(true);
    story.emit(EventKind::QueuePaused).emit(EventKind::ComparisonStarted { inputs: 2 });
    for (mut app, why) in looking(&story) {
        let shown = text(&draw(&mut app, 120, 36));
        assert!(shown.contains("comparing since") && !shown.contains("ends it"), "{shown}");
        assert!(!shown.contains("S releases it"), "{shown}");
        press(&mut app, "c");
        let line = footer(&mut app);
        assert!(!line.contains("end the one under way") && !line.contains("compare what waits"), "{line}");
        for key in ["x", "n"] {
            assert_eq!(press(&mut app, key), vec![], "{key}");
            assert!(app.mode().is_none(), "{key}: {:?}", app.mode());
            refused(&app, why, key);
        }
    }
    for (mut app, why) in looking(&busy(true)) {
        press(&mut app, "c");
        assert!(!footer(&mut app).contains("compare what waits"));
        press(&mut app, "?");
        assert!(!text(&draw(&mut app, 120, 60)).contains("compare what waits"));
        press(&mut app, "<esc>n");
        refused(&app, why, "n");
    }
}

#[test]
fn no_way_around_the_keys_switches_a_profile_or_adds_files_where_one_only_looks() {
    for (mut app, why) in looking(&over()) {
        press(&mut app, "W");
        let shown = text(&draw(&mut app, 120, 36));
        assert!(!shown.contains("enter  ") && !footer(&mut app).contains("enter "), "{shown}");
        assert_eq!(press(&mut app, "<enter>"), vec![]);
        assert!(!matches!(app.mode(), Some(Mode::Profiles(_))));
        refused(&app, why, "a warning's advice");
        press(&mut app, "<esc><esc>");
        for typed in ["profile safe", "add /v/a.mp4"] {
            press(&mut app, &format!(":{typed}"));
            assert!(!footer(&mut app).contains("enter "), "{typed}: {}", footer(&mut app));
            assert_eq!(press(&mut app, "<enter>"), vec![], "{typed}");
            assert!(app.mode().is_none(), "{typed}: {:?}", app.mode());
            refused(&app, why, typed);
        }
        assert_eq!(app.update(Action::Paste("/v/a.mp4".to_owned())), vec![]);
        assert!(app.mode().is_none(), "{:?}", app.mode());
        refused(&app, why, "a paste");
    }
}

#[test]
fn the_list_of_commands_offers_none_that_would_be_refused_where_one_only_looks() {
    for (mut app, why) in looking(&busy(true)) {
        press(&mut app, ":");
        let Some(Mode::Palette(palette)) = app.mode() else { panic!("the list is open") };
        let names: Vec<String> = app.commands(palette).into_iter().map(|entry| entry.name).collect();
        for refused in ["add", "drain", "clean", "what-if", "compare-queue"] {
            assert!(!names.iter().any(|name| name == refused), "{why}: {refused}");
        }
        assert!(names.iter().any(|name| name == "events") && names.iter().any(|name| name == "help"), "{names:?}");
    }
}

#[test]
fn a_list_that_is_only_looked_at_names_no_key_that_adds_to_it() {
    for story in [all_done(), Story::new(true)] {
        for (mut app, why) in looking(&story) {
            assert_eq!(app.page(), Page::Dashboard);
            let shown = text(&draw(&mut app, 120, 36));
            assert!(!shown.contains("a adds files"), "{why}: {shown}");
        }
    }
}
