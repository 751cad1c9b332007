//! What keys, questions and the mouse do.

use super::*;
use crate::domain::command::{Answer, Queued};
use crate::tui::app::Mode;

#[test]
fn changed_keys_work_and_are_what_help_and_hints_tell() {
    let change = |action: &str, key: &str| KeyChange { action: action.to_owned(), keys: vec![key.to_owned()] };
    let keys = Keymap::with(&[change("cancel", "X"), change("events", "f5")]).expect("they fit");
    let mut app = busy(true).app(Settings { keys, ..settings(ColorMode::True, false) });
    press(&mut app, "gx");
    assert!(app.mode().is_none(), "its old key means nothing");
    assert!(text(&draw(&mut app, 120, 36)).contains("X cancel"));
    press(&mut app, "X");
    assert!(text(&draw(&mut app, 120, 36)).contains("Cancel the job"));
    press(&mut app, "<esc>?");
    let help = text(&draw(&mut app, 120, 36));
    assert!(help.contains("X         cancel (asks)") && help.contains("f5        everything that happened"), "{help}");
}

#[test]
fn the_keys_of_dialogs_can_be_changed_and_the_dialogs_tell_the_new_ones() {
    let change = |action: &str, key: &str| KeyChange { action: action.to_owned(), keys: vec![key.to_owned()] };
    let changes = [change("ask-yes", "J"), change("ask-back", "N"), change("ask-quit", "Q"), change("profiles-enter", "s")];
    let mut app = busy(true).app(Settings { keys: Keymap::with(&changes).expect("fits"), ..settings(ColorMode::True, false) });
    press(&mut app, "gx");
    let asked = text(&draw(&mut app, 120, 36));
    assert!(asked.contains("J yes") && asked.contains("N no"), "{asked}");
    assert_eq!(press(&mut app, "y"), vec![]);
    assert!(app.mode().is_some(), "the old key means nothing");
    press(&mut app, "N");
    assert!(app.mode().is_none());
    assert!(matches!(press(&mut app, "xJ")[..], [Effect::Send(_, Command::Cancel(JobId(17)))]));
    press(&mut app, "q");
    assert!(text(&draw(&mut app, 120, 36)).contains("Q again stops them too."));
    assert!(matches!(press(&mut app, "Q")[..], [Effect::Send(_, Command::Shutdown)]));
    let mut app = busy(true).app(Settings { keys: Keymap::with(&changes).expect("fits"), ..settings(ColorMode::True, false) });
    assert!(matches!(press(&mut app, "p<down>s")[..], [Effect::Send(_, Command::SelectProfile(_))]));
}

#[test]
fn cancelling_asks_and_the_default_answer_changes_nothing() {
    let mut app = screen("busy", ColorMode::True, false);
    assert_eq!(app.selected(), Some(JobId(17)));
    assert_eq!(press(&mut app, "x<enter>"), vec![]);
    assert_eq!(press(&mut app, "x<esc>"), vec![]);
    let effects = press(&mut app, "x<left><enter>");
    assert!(matches!(effects[..], [Effect::Send(_, Command::Cancel(JobId(17)))]), "{effects:?}");
}

#[test]
fn the_job_under_question_stays_the_same_while_the_dialog_is_open() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "x");
    let mut story = busy(true);
    story.finish(17, Outcome::Done, 600, 9.0, None).emit(EventKind::JobRemoved { job: JobId(17), output: None });
    for event in &story.events[story.events.len() - 2..] {
        on_event(&mut app, event);
    }
    press(&mut app, "jjj");
    let effects = press(&mut app, "y");
    assert!(matches!(effects[..], [Effect::Send(_, Command::Cancel(JobId(17)))]), "{effects:?}");
}

#[test]
fn nothing_changes_before_the_engine_says_so_and_refusals_are_shown() {
    let mut app = screen("busy", ColorMode::True, false);
    let before = text(&draw(&mut app, 120, 36));
    let effects = press(&mut app, " ");
    let [Effect::Send(id, Command::PauseJob(JobId(17)))] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(text(&draw(&mut app, 120, 36)), before);
    app.on_update(Update::Reply(id, Err(crate::domain::refusal::Refusal::Other.because("it has just ended".to_owned()))));
    assert!(text(&draw(&mut app, 120, 36)).contains("pause #17: it has just ended"));
}

#[test]
fn every_command_has_a_key() {
    let mut app = screen("busy", ColorMode::True, false);
    let asked = |app: &mut App, keys: &str| match press(app, keys).pop() {
        Some(Effect::Send(_, command)) => command,
        other => panic!("{keys}: {other:?}"),
    };
    assert_eq!(asked(&mut app, "r"), Command::Retry(JobId(17)));
    assert_eq!(asked(&mut app, "A"), Command::Allow(JobId(17)));
    assert_eq!(asked(&mut app, "J"), Command::Move(JobId(17), MoveTo::Later));
    assert_eq!(asked(&mut app, "K"), Command::Move(JobId(17), MoveTo::Sooner));
    assert_eq!(asked(&mut app, "{"), Command::Move(JobId(17), MoveTo::First));
    assert_eq!(asked(&mut app, "}"), Command::Move(JobId(17), MoveTo::Last));
    assert_eq!(asked(&mut app, "jjjDy"), Command::Remove(JobId(19)));
    assert_eq!(asked(&mut app, "S"), Command::Pause);
    assert_eq!(asked(&mut app, "C"), Command::CleanNow);
    assert_eq!(asked(&mut app, "E"), Command::Drain);
    assert_eq!(asked(&mut app, ":clean<enter>"), Command::CleanNow);
    assert!(matches!(asked(&mut app, "p<down><enter>"), Command::SelectProfile(profile) if profile.name == "safe"));
    let paths = vec!["/v/a b.mp4".into(), "/home/me/c.mov".into()];
    assert_eq!(asked(&mut app, "a'a b.mp4' ~/c.mov<enter>"), Command::enqueue(paths, None));
    assert_eq!(asked(&mut app, "qq"), Command::Shutdown);
    assert_eq!(asked(&mut app, "qy"), Command::Shutdown);
}

#[test]
fn quitting_asks_while_jobs_run_and_waits_for_the_run_to_end() {
    let mut app = screen("busy", ColorMode::True, false);
    assert_eq!(press(&mut app, "q<enter>"), vec![], "the default is to stay");
    assert!(matches!(press(&mut app, "q<left><enter>")[..], [Effect::Send(_, Command::Shutdown)]));
    assert!(text(&draw(&mut app, 120, 36)).contains("stopping"));
    let mut story = busy(true);
    story
        .emit(EventKind::ShutdownStarted)
        .emit(EventKind::JobStopping { job: JobId(17), why: StopReason::Shutdown })
        .emit(run_finished());
    let last: Vec<Event> = story.events[story.events.len() - 3..].to_vec();
    assert_eq!(on_event(&mut app, &last[0]), vec![]);
    assert_eq!(on_event(&mut app, &last[1]), vec![]);
    assert_eq!(on_event(&mut app, &last[2]), vec![Effect::Exit]);
}

#[test]
fn with_nothing_running_quit_needs_no_question_and_the_console_stays_open_until_then() {
    let mut app = screen("all_done", ColorMode::True, false);
    assert!(text(&draw(&mut app, 120, 36)).contains("all done"));
    assert!(matches!(press(&mut app, "q")[..], [Effect::Send(_, Command::Shutdown)]));
}

#[test]
fn a_frozen_screen_stays_as_it_is_and_catches_up_afterwards() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "f");
    let frozen = text(&draw(&mut app, 120, 36));
    let mut story = busy(true);
    story.at(425_000).progress(17, 0.99, 2.0, 1, 612).sample(400, &[]);
    for event in &story.events[story.events.len() - 2..] {
        on_event(&mut app, event);
    }
    assert_eq!(text(&draw(&mut app, 120, 36)), frozen);
    press(&mut app, "f");
    let thawed = text(&draw(&mut app, 120, 36));
    assert!(thawed.contains("99%") && thawed.contains("400 of 2048 MB"), "{thawed}");
}

#[test]
fn a_filter_is_kept_in_step_with_the_queue() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "/tut<enter>");
    assert_eq!(app.selected(), Some(JobId(22)));
    let mut story = busy(true);
    story
        .queue(25, "tutorial-c.mp4", 9)
        .finish(22, Outcome::Done, 1, 1.0, None)
        .emit(EventKind::JobRemoved { job: JobId(23), output: None });
    for event in &story.events[story.events.len() - 3..] {
        on_event(&mut app, event);
    }
    assert_eq!(app.window(10).ids, vec![JobId(25), JobId(22)]);
    assert_eq!(app.selected(), Some(JobId(22)));
    press(&mut app, "<esc>");
    assert_eq!(app.rows().len(), 12);
}

#[test]
fn the_log_follows_until_it_is_scrolled_and_then_stands_still() {
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1).start(1, 1);
    for line in 0..100 {
        story.log(Some(1), LogLevel::Info, &format!("line {line:03}."));
    }
    let mut app = story.app(settings(ColorMode::True, false));
    assert!(text(&draw(&mut app, 120, 36)).contains("line 099."));
    press(&mut app, "4kkk");
    assert!(!text(&draw(&mut app, 120, 36)).contains("line 099."));
    story.log(Some(1), LogLevel::Info, "line 100.");
    on_event(&mut app, &story.events[story.events.len() - 1]);
    let scrolled = text(&draw(&mut app, 120, 36));
    assert!(scrolled.contains("line 096.") && !scrolled.contains("line 097."), "{scrolled}");
    press(&mut app, "/line 012<enter>");
    assert!(text(&draw(&mut app, 120, 36)).contains("line 012."));
    let effects = press(&mut app, "y");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text == "line 012."), "{effects:?}");
    press(&mut app, "L");
    assert!(text(&draw(&mut app, 120, 36)).contains("line 100."));
}

#[test]
fn a_click_selects_the_row_under_it_and_the_wheel_scrolls() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut app = screen("busy", ColorMode::True, false);
    let buf = draw(&mut app, 120, 36);
    let row = (0..36).find(|y| (0..120).map(|x| buf[(x, *y)].symbol()).collect::<String>().contains("keynote")).expect("shown");
    let mouse = |kind, row| Action::Mouse(MouseEvent { kind, column: 70, row, modifiers: KeyModifiers::NONE });
    app.update(mouse(MouseEventKind::Down(MouseButton::Left), row));
    assert_eq!(app.selected(), Some(JobId(19)));
    app.update(mouse(MouseEventKind::ScrollDown, row));
    assert_eq!(app.selected(), Some(JobId(21)));
    app.update(mouse(MouseEventKind::Down(MouseButton::Left), 2));
    assert_eq!(app.selected(), Some(JobId(21)), "the heading selects nothing");
}

#[test]
fn a_refusal_that_names_a_command_names_the_own_key_of_the_window_too() {
    use crate::domain::refusal::Refusal;
    let change = KeyChange { action: "drain".to_owned(), keys: vec!["B".to_owned()] };
    let mut app = busy(true).app(Settings { keys: Keymap::with(&[change]).expect("fits"), ..settings(ColorMode::True, false) });
    let sent = press(&mut app, "S");
    let [Effect::Send(id, _)] = sent[..] else { panic!("{sent:?}") };
    app.on_update(Update::Reply(id, Err(Refusal::Draining.because("it drains; `plimsoll drain --undo` takes that back"))));
    let told = app.toast().expect("told").text.clone();
    assert!(told.ends_with("`plimsoll drain --undo` takes that back (here B does so)"), "{told}");
}

/// Presses keys that are not on a Latin keyboard.
fn press_foreign(app: &mut App, typed: &str) -> Vec<Effect> {
    let event = |c| crossterm::event::Event::Key(crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Char(c)));
    let actions = typed.chars().map(event);
    actions
        .flat_map(|event| crate::tui::terminal::translate::action_of(app, event).map_or_else(Vec::new, |action| app.update(action)))
        .collect()
}

#[test]
fn keys_of_another_layout_act_as_the_latin_keys_at_their_place_and_that_is_told_once() {
    let mut app = screen("busy", ColorMode::True, false);
    assert_eq!(press_foreign(&mut app, "р"), vec![]);
    assert!(app.toast().is_some_and(|toast| toast.text.starts_with("р means nothing here")), "nor does h");
    press_foreign(&mut app, "я");
    assert!(app.zoom(), "z");
    assert!(text(&draw(&mut app, 120, 36)).contains("keys of another layout: я acts as z"));
    press_foreign(&mut app, "я");
    assert_eq!((app.zoom(), app.toast()), (false, None), "told once");
    press_foreign(&mut app, "Ц");
    assert!(matches!(app.mode(), Some(Mode::Warnings(_))), "capitals are keys of their own: W");
    press_foreign(&mut app, "й");
    assert!(app.mode().is_none(), "in dialogs too: q closes");
    for quits in ["й", "ض", "ㅂ", "ქ", "ｑ"] {
        let mut app = screen("busy", ColorMode::True, false);
        press_foreign(&mut app, quits);
        assert!(matches!(app.mode(), Some(Mode::Ask(_))), "{quits} acts as q");
        assert!(app.toast().is_some_and(|toast| toast.text.contains("acts as q")), "{quits}");
    }
    let mut app = screen("busy", ColorMode::True, false);
    press_foreign(&mut app, "日");
    assert!(app.toast().is_some_and(|toast| toast.text.contains("日 means nothing here; ? tells the keys")));
}

#[test]
fn where_something_is_typed_letters_of_another_layout_are_typed() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "a");
    press_foreign(&mut app, "фильм йц");
    let Some(Mode::Prompt(prompt)) = app.mode() else { panic!("the prompt is open") };
    assert_eq!(prompt.input.value(), "фильм йц");
    press(&mut app, "<esc>/");
    press_foreign(&mut app, "кот");
    assert_eq!(app.filter().map(|filter| filter.text().to_owned()), Some("кот".to_owned()));
    press(&mut app, "<esc>");
    press(&mut app, "?");
    press_foreign(&mut app, "й");
    assert!(matches!(app.mode(), Some(Mode::Help(_))), "it is looked for in the help");
}

/// The paths that the engine is asked to add.
fn asked_to_add(effects: &[Effect]) -> Vec<String> {
    match effects {
        [Effect::Send(_, Command::Enqueue { paths, .. })] => paths.iter().map(|path| path_text(path)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pasted_path_with_blanks_is_added_as_one_and_what_was_added_is_told_once_it_is() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "a");
    app.update(Action::Paste("/v/My holiday film.mp4".to_owned()));
    let effects = press(&mut app, "<enter>");
    assert_eq!(asked_to_add(&effects), ["/v/My holiday film.mp4"]);
    assert_eq!(app.toast(), None, "nothing is told before it is so");
    let [Effect::Send(id, _)] = effects[..] else { panic!("{effects:?}") };
    app.on_update(Update::Reply(id, Ok(Answer::default())));
    assert!(text(&draw(&mut app, 120, 36)).contains("added: My holiday film.mp4"));
    for (jobs, known, told) in [
        (1, 2, "added: 1 job of My holiday film.mp4; 2 in the queue already"),
        (0, 1, "nothing new of My holiday film.mp4: 1 in the queue already"),
    ] {
        press(&mut app, "a");
        app.update(Action::Paste("/v/My holiday film.mp4".to_owned()));
        let [Effect::Send(id, _)] = press(&mut app, "<enter>")[..] else { panic!("nothing is asked") };
        let queued = Some(Queued { batch: 2, jobs, known });
        app.on_update(Update::Reply(id, Ok(Answer { queued, ..Answer::default() })));
        assert!(text(&draw(&mut app, 120, 36)).contains(told), "{told}");
    }
    press(&mut app, "a");
    app.update(Action::Paste("/v/a b.mp4\r\n'/v/c d.mp4'\n".to_owned()));
    app.update(Action::Paste("file:///v/e%20f.mp4".to_owned()));
    assert_eq!(asked_to_add(&press(&mut app, "<enter>")), ["/v/a b.mp4", "/v/c d.mp4", "/v/e f.mp4"]);
    press(&mut app, "a'/v/");
    app.update(Action::Paste("g h.mp4".to_owned()));
    assert_eq!(asked_to_add(&press(&mut app, "'<enter>")), ["/v/g h.mp4"], "within quotes it is taken as it is");
    press(&mut app, "a/v/");
    app.update(Action::Paste("i j.mp4".to_owned()));
    assert_eq!(asked_to_add(&press(&mut app, "<enter>")), ["/v/i j.mp4"], "what was typed before is its folder");
}

#[test]
fn a_paste_on_the_dashboard_offers_paths_to_be_added_and_anything_else_does_nothing() {
    let mut app = screen("busy", ColorMode::True, false);
    for page in ["", "e", "d"] {
        press(&mut app, page);
        assert_eq!(app.update(Action::Paste("qyxCA S\nq\n".to_owned())), vec![]);
        assert!(app.mode().is_none() && app.toast().is_some_and(|toast| toast.text.contains("a paste means nothing here")));
        press(&mut app, "<esc>");
    }
    assert_eq!(app.update(Action::Paste("/v/My film.mp4\n".to_owned())), vec![]);
    let Some(Mode::Prompt(prompt)) = app.mode() else { panic!("the prompt is open") };
    assert_eq!(prompt.input.value(), r"/v/My\ film.mp4");
    assert_eq!(asked_to_add(&press(&mut app, "<enter>")), ["/v/My film.mp4"]);
    press(&mut app, "gx");
    app.update(Action::Paste("y\n".to_owned()));
    assert!(matches!(app.mode(), Some(Mode::Ask(_))), "no question is answered by a paste");
}

#[test]
fn the_first_and_last_key_work_in_popups_too() {
    let mut app = screen("profiles", ColorMode::True, false);
    let chosen = |app: &App| match app.mode() {
        Some(Mode::Profiles(picker)) => picker.row,
        _ => panic!("the picker is open"),
    };
    press(&mut app, "G");
    assert_eq!(chosen(&app), app.profiles().len() - 1);
    press(&mut app, "g");
    assert_eq!(chosen(&app), 0);
    let mut app = screen("what_if", ColorMode::True, false);
    press(&mut app, "G");
    let last = app.what_if().row;
    press(&mut app, "j");
    assert!(last > 1 && app.what_if().row == last, "{last}");
    press(&mut app, "g");
    assert_eq!(app.what_if().row, 0);
}
