//! What keys do on the fleet console.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::state::{Ask, Board, Effect, JobPage, LEAST, Over, Pane, Question, Tone};
use crate::tui::input::foreign;

/// A row of the help.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys, as they are shown.
    pub keys: &'static str,
    /// What they do.
    pub help: &'static str,
    /// The word of the last line; empty = it is in the help alone.
    pub hint: &'static str,
    /// Where it does that; `None` = everywhere.
    pub pane: Option<Pane>,
}

/// All keys, in the order of the help.
pub const TABLE: &[Binding] = &[
    row("↓ ↑ j k", "down, up", "", None),
    row("^d ^u", "a page down, up (also PageDown, PageUp)", "", None),
    row("g G", "the first, the last (also Home, End)", "", None),
    row("tab", "the next pane", "pane", None),
    row("1 2 3", "workers, queue, events", "", None),
    row("z", "this pane alone, and back", "", None),
    row("enter", "worker: open its own console, and come back", "its console", Some(Pane::Workers)),
    row("d", "worker: take nothing more, or jobs again", "drain", Some(Pane::Workers)),
    row("enter", "job: its events and its log", "log", Some(Pane::Queue)),
    row("x", "job: cancel (asks)", "cancel", Some(Pane::Queue)),
    row("r", "job: run again (asks)", "retry", Some(Pane::Queue)),
    row("^l", "draw everything again", "", None),
    row("esc", "close what lies over the screen", "", None),
    row("?", "this help", "help", None),
    row("q", "leave; the fleet goes on", "leave", None),
];
/// What its last row says of the demonstration's fleet, which does not.
const END: Binding = row("q", "end the demonstration, and tell its figures", "end", None);

/// All keys of this board.
pub fn table(board: &Board) -> impl Iterator<Item = Binding> {
    let is_demo = board.story.is_some();
    TABLE.iter().map(move |binding| if is_demo && binding.keys == END.keys { END } else { *binding })
}

const fn row(keys: &'static str, help: &'static str, hint: &'static str, pane: Option<Pane>) -> Binding {
    Binding { keys, help, hint, pane }
}

/// Does what a key means now; what is to be done beside.
pub fn press(board: &mut Board, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        match key.code {
            KeyCode::Char('c') => return vec![Effect::Leave],
            KeyCode::Char('z') => return vec![Effect::Suspend],
            KeyCode::Char('l') => return vec![Effect::Redraw],
            _ => {}
        }
    }
    board.note = None;
    if board.is_tiny.get() && !key.modifiers.contains(KeyModifiers::CONTROL) && acts(&board.over, at_its_place(key).code) {
        let (width, height) = LEAST;
        board.say(Tone::Refused, format!("too small: from {width}x{height} on keys act"));
        return Vec::new();
    }
    if let Over::Ask(question) = &board.over {
        let question = question.clone();
        return answer(board, question, key.code);
    }
    let key = at_its_place(key);
    let Some((by, pages)) = motion(key) else { return act(board, key.code) };
    match &mut board.over {
        Over::Job(page) => page.move_by(by, pages),
        Over::Nothing => board.move_by(by, pages),
        _ => {}
    }
    Vec::new()
}

/// A key of a layout without Latin letters means what the Latin letter at its place means.
fn at_its_place(key: KeyEvent) -> KeyEvent {
    match key.code {
        KeyCode::Char(typed) if !typed.is_ascii() => {
            KeyEvent { code: KeyCode::Char(foreign::latin(typed).unwrap_or(typed)), ..key }
        }
        _ => key,
    }
}

/// How far a key moves: rows or pages, further than there are rows for the ends.
fn motion(key: KeyEvent) -> Option<(isize, bool)> {
    const FAR: isize = 1 << 40;
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('d' | 'f') if control => (1, true),
        KeyCode::Char('u' | 'b') if control => (-1, true),
        _ if control => return None,
        KeyCode::Down | KeyCode::Char('j') => (1, false),
        KeyCode::Up | KeyCode::Char('k') => (-1, false),
        KeyCode::PageDown => (1, true),
        KeyCode::PageUp => (-1, true),
        KeyCode::Home | KeyCode::Char('g') => (-FAR, false),
        KeyCode::End | KeyCode::Char('G') => (FAR, false),
        _ => return None,
    })
}

/// It does something to a worker or a job, or opens something: not on a screen that has no room to show it.
const fn acts(over: &Over, key: KeyCode) -> bool {
    match over {
        Over::Ask(_) => matches!(key, KeyCode::Char('y' | 'Y')),
        Over::Nothing => matches!(key, KeyCode::Char('d' | 'x' | 'r' | '?') | KeyCode::Enter),
        _ => false,
    }
}

/// Yes is one key alone; every other way out changes nothing.
fn answer(board: &mut Board, question: Question, key: KeyCode) -> Vec<Effect> {
    match key {
        KeyCode::Char('y' | 'Y') => {
            board.over = Over::Nothing;
            vec![match question {
                Question::Cancel(job) => Effect::Ask(Ask::Cancel(job)),
                Question::Retry(job) => Effect::Ask(Ask::Retry(job)),
                Question::Visit(visit) => Effect::Visit(visit),
            }]
        }
        KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc | KeyCode::Enter => {
            board.over = Over::Nothing;
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn act(board: &mut Board, key: KeyCode) -> Vec<Effect> {
    if board.over != Over::Nothing {
        if matches!(key, KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | '?')) {
            board.over = Over::Nothing;
        }
        return Vec::new();
    }
    match key {
        KeyCode::Tab | KeyCode::Right => board.focus = board.focus.next(1),
        KeyCode::BackTab | KeyCode::Left => board.focus = board.focus.next(Pane::ALL.len() - 1),
        KeyCode::Char('1') => board.focus = Pane::Workers,
        KeyCode::Char('2') => board.focus = Pane::Queue,
        KeyCode::Char('3') => board.focus = Pane::Events,
        KeyCode::Char('z') => board.zoomed = !board.zoomed,
        KeyCode::Esc => board.zoomed = false,
        KeyCode::Char('?') => board.over = Over::Help,
        KeyCode::Char('q') => return vec![Effect::Leave],
        KeyCode::Char('d') => return drain(board),
        KeyCode::Char('x') => ask_for_a_job(board, true),
        KeyCode::Char('r') => ask_for_a_job(board, false),
        KeyCode::Enter => return open(board),
        _ => {}
    }
    Vec::new()
}

fn drain(board: &mut Board) -> Vec<Effect> {
    if board.focus != Pane::Workers {
        board.say(Tone::Refused, "d is for a worker: choose one in pane 1");
        return Vec::new();
    }
    let Some(worker) = board.selected_worker().cloned() else { return Vec::new() };
    if worker.live {
        return vec![Effect::Ask(Ask::Drain { worker: worker.worker, r#box: worker.r#box, drained: !worker.drained })];
    }
    board.say(Tone::Refused, format!("{} is lost and takes nothing as it is", worker.r#box));
    Vec::new()
}

fn ask_for_a_job(board: &mut Board, cancel: bool) {
    if board.focus != Pane::Queue {
        let key = if cancel { 'x' } else { 'r' };
        return board.say(Tone::Refused, format!("{key} is for a job: choose one in pane 2"));
    }
    let Some(job) = board.selected_job() else { return };
    let (number, state) = (job.job, job.state.clone());
    let may = if cancel {
        matches!(state.as_str(), "queued" | "running")
    } else {
        matches!(state.as_str(), "failed" | "out_of_memory" | "rejected" | "cancelled")
    };
    match (may, cancel) {
        (true, true) => board.over = Over::Ask(Question::Cancel(number)),
        (true, false) => board.over = Over::Ask(Question::Retry(number)),
        (false, true) => board.say(Tone::Refused, format!("job {number} has ended already")),
        (false, false) if state == "done" => board.say(Tone::Refused, format!("job {number} is done")),
        (false, false) => board.say(Tone::Refused, format!("job {number} has not ended")),
    }
}

fn open(board: &mut Board) -> Vec<Effect> {
    match board.focus {
        Pane::Queue => {
            let Some(job) = board.selected_job().map(|job| job.job) else { return Vec::new() };
            board.over = Over::Job(JobPage::of(job));
            vec![Effect::Ask(Ask::LookUp(job))]
        }
        Pane::Workers => {
            let Some(worker) = board.selected_worker().cloned() else { return Vec::new() };
            let Some(visit) = board.visit_to(&worker) else {
                board.say(Tone::Refused, format!("{} does not say where its state folder is", worker.r#box));
                return Vec::new();
            };
            if visit.host.is_some() {
                board.over = Over::Ask(Question::Visit(visit));
                return Vec::new();
            }
            vec![Effect::Visit(visit)]
        }
        Pane::Events => Vec::new(),
    }
}
