//! A window whose line to the server is cut: it can always be left, and what was asked of one server is not asked of the next.

use super::*;
use crate::domain::refusal::Refusal;
use crate::tui::app::{Mode, Question};

fn window(ends_it: bool, can_start: bool) -> App {
    let window = Some(WindowOn { can_start, ends_it, ..WindowOn::default() });
    busy(true).app(Settings { window, ..settings(ColorMode::True, false) })
}

fn lose(app: &mut App, gone: bool) {
    let why = if gone { "no plimsoll works there" } else { "" }.to_owned();
    app.on_update(Update::Line(LineNews::Lost { why, again_in: Duration::from_secs(4), gone }));
}

fn is_back(app: &mut App, anew: bool) {
    app.on_update(Update::Line(LineNews::Back { anew }));
}

fn question(app: &App) -> Option<Question> {
    match app.mode() {
        Some(Mode::Ask(ask)) => Some(ask.question),
        _ => None,
    }
}

#[test]
fn a_demo_is_left_by_its_key_once_its_server_has_gone() {
    for (before, quit) in [("", "q"), ("", "<c-c>"), ("qy", "q"), ("qy", "<c-c>"), ("qyqy", "q")] {
        let mut app = window(true, false);
        press(&mut app, before);
        lose(&mut app, true);
        assert_eq!(press(&mut app, quit), vec![Effect::Exit], "{before} {quit}");
    }
    // One whose server can be started again asks about that first.
    let mut app = window(true, true);
    lose(&mut app, true);
    assert_eq!(question(&app), Some(Question::StartServer));
    assert_eq!(press(&mut app, "nq"), vec![Effect::Exit]);
    // A window in which the server was to stop at once.
    let mut app = window(false, false);
    assert!(matches!(press(&mut app, "qs")[..], [Effect::Send(_, Command::Shutdown)]));
    lose(&mut app, false);
    assert_eq!(press(&mut app, "q"), vec![Effect::Exit]);
}

#[test]
fn a_question_that_stood_when_the_line_was_cut_leaves_as_well() {
    for (keys, asked) in [("q", Question::Quit), ("qyq", Question::Kill)] {
        let mut app = window(true, false);
        press(&mut app, keys);
        lose(&mut app, false);
        assert_eq!(question(&app), Some(asked));
        assert_eq!(press(&mut app, "y"), vec![Effect::Exit], "{keys}");
    }
}

#[test]
fn a_console_whose_wish_to_quit_was_refused_is_not_quitting() {
    let mut app = window(true, false);
    let asked = press(&mut app, "qy");
    let [Effect::Send(id, Command::Shutdown)] = asked[..] else { panic!("{asked:?}") };
    assert!(app.quitting());
    app.on_update(Update::Reply(id, Err(Refusal::Cut.because("the line to the server is cut; it was not asked"))));
    assert!(!app.quitting());
    press(&mut app, "q");
    assert_eq!(question(&app), Some(Question::Quit), "it is asked again as if for the first time");
}

#[test]
fn the_end_of_one_server_is_not_asked_of_another_that_answers_in_its_place() {
    let mut same = window(true, false);
    press(&mut same, "qyq");
    lose(&mut same, false);
    is_back(&mut same, false);
    assert!(same.quitting() && question(&same) == Some(Question::Kill), "it is the one that was asked");
    for keys in ["qy", "q", "qyq"] {
        let mut other = window(true, false);
        press(&mut other, keys);
        lose(&mut other, false);
        is_back(&mut other, true);
        assert!(!other.quitting() && other.mode().is_none(), "{keys}: {:?}", other.mode());
        press(&mut other, "q");
        assert_eq!(question(&other), Some(Question::Quit), "{keys}");
    }
}

#[test]
fn while_the_line_is_being_made_no_time_to_the_next_try_is_told() {
    let mut app = window(false, false);
    lose(&mut app, false);
    let header = |app: &mut App, width| text(&draw(app, width, 36)).lines().next().unwrap_or_default().to_owned();
    assert!(header(&mut app, 120).contains("trying again in 4 s"), "{}", header(&mut app, 120));
    (0..5).for_each(|_| app.count_down());
    for width in [120, 80] {
        let line = header(&mut app, width);
        assert!(line.contains("trying again ") && !line.contains(" in "), "{line}");
    }
}

#[test]
fn what_leaving_offers_is_taken_away_with_the_line_that_would_carry_it() {
    for gone in [true, false] {
        let mut app = window(false, false);
        press(&mut app, "q");
        assert!(matches!(app.mode(), Some(Mode::Leave(_))));
        lose(&mut app, gone);
        assert!(app.mode().is_none(), "{:?}", app.mode());
        let said = app.toast().map(|toast| toast.text.clone()).unwrap_or_default();
        assert!(said.contains("q leaves"), "{said}");
        assert_eq!(press(&mut app, "q"), vec![Effect::Exit]);
    }
}
