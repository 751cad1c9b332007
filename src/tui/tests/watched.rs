//! The page of the watched folders.

use super::fixture::{Story, busy, settings};
use super::{draw, press, text};
use crate::domain::event::EventKind;
use crate::domain::time::Wall;
use crate::domain::watch::{DeleteInput, WaitingFile, WatchState, Watched};
use crate::tui::terminal::theme::ColorMode;

fn folder(watch: u32, folder: &str, preset: &str, state: WatchState) -> Watched {
    Watched {
        watch,
        folder: folder.into(),
        preset: preset.to_owned(),
        out: "/srv/out".into(),
        delete_input: DeleteInput::Never,
        state,
        every_seconds: None,
        why: None,
        waiting: 0,
        first: Vec::new(),
        taken: 0,
        overflows: 0,
    }
}

/// One of each kind.
pub fn watching() -> Story {
    let mut story = busy(true);
    let waits = |name: &str, second: i64| WaitingFile { name: name.to_owned(), since: Wall(1_795_349_000_000 + second * 1000) };
    let first = vec![waits("cam1/take-07.mov", 1), waits("cam2/take-07.mov", 4), waits("cam2/take-08.mov", 30)];
    let busy = Watched { waiting: 12, first, taken: 998, ..folder(1, "/srv/in", "web-720p", WatchState::Watching) };
    let why = Some("others may change files there unseen".to_owned());
    let remote = folder(2, "/mnt/nas/lectures/to be converted", "proxy-480p", WatchState::Polling);
    let remote = Watched { every_seconds: Some(10), why, delete_input: DeleteInput::AfterDone, taken: 3, ..remote };
    let gone = folder(3, "/media/card/DCIM", "web-720p", WatchState::Missing);
    let gone = Watched { why: Some("no such file or directory".to_owned()), ..gone };
    for watched in [busy, remote, gone] {
        story.emit(EventKind::WatchChanged(watched));
    }
    story
}

#[test]
fn the_page_of_the_watched_folders_follows_what_is_told_and_its_key_leads_back() {
    let mut story = watching();
    let mut app = watching().app(settings(ColorMode::True, false));
    press(&mut app, "i");
    let seen = text(&draw(&mut app, 120, 36));
    assert!(seen.contains("Watched folders 3") && seen.contains("cam1/take-07.mov waits to be complete"), "{seen}");
    assert!(seen.contains("polling every 10 s") && seen.contains("no such file or directory"), "{seen}");
    let there = folder(3, "/media/card/DCIM", "web-720p", WatchState::Watching);
    story.emit(EventKind::WatchChanged(there));
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "i");
    let seen = text(&draw(&mut app, 120, 36));
    assert!(!seen.contains("not there"), "{seen}");
    press(&mut app, "i");
    let seen = text(&draw(&mut app, 120, 36));
    assert!(seen.contains("2 Queue"), "{seen}");
}
