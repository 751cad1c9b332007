//! Events of the terminal as actions of the console.

use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::InputRequest;

use crate::tui::app::{App, Mode};
use crate::tui::input::action::{Act, Action};
use crate::tui::input::foreign;
use crate::tui::input::keymap::KeyMode;

/// What an event of the terminal means now.
pub fn action_of(app: &App, event: TerminalEvent) -> Option<Action> {
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => match app.keys().resolve(app.key_mode(), key) {
            Some(act) => Some(Action::Do(act)),
            None => foreign(app, key).or_else(|| edit_of(key).filter(|_| takes_text(app)).map(Action::Edit)),
        },
        TerminalEvent::Mouse(mouse) => Some(Action::Mouse(mouse)),
        TerminalEvent::Paste(text) => Some(Action::Paste(text)),
        TerminalEvent::Resize(width, height) => Some(Action::Resize(width, height)),
        _ => None,
    }
}

/// What a key of a layout without Latin letters means, where nothing is typed. With control nothing is ever typed.
pub(super) fn foreign(app: &App, key: KeyEvent) -> Option<Action> {
    let KeyCode::Char(typed) = key.code else { return None };
    let is_typed = takes_text(app) && !key.modifiers.contains(KeyModifiers::CONTROL);
    if typed.is_ascii() || is_typed {
        return None;
    }
    let place = foreign::latin(typed);
    let act = place.and_then(|latin| {
        let at_its_place = KeyEvent { code: KeyCode::Char(latin), ..key };
        Some((app.keys().resolve(app.key_mode(), at_its_place)?, latin))
    });
    // A letter may be the first one of its own word for no: the place of a key never confirms anything.
    let act = act.filter(|(act, _)| app.key_mode() != KeyMode::Ask || *act == Act::Back);
    Some(act.map_or(Action::Unknown(typed), |(act, latin)| Action::Foreign(act, typed, latin)))
}

pub(super) fn takes_text(app: &App) -> bool {
    matches!(app.mode(), Some(Mode::Help(_) | Mode::Palette(_) | Mode::Prompt(_)))
}

/// Line editing as shells have it.
pub(super) fn edit_of(key: KeyEvent) -> Option<InputRequest> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    Some(match key.code {
        KeyCode::Char(c) if !control && !alt => InputRequest::InsertChar(c),
        KeyCode::Backspace if alt || control => InputRequest::DeletePrevWord,
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Left if control || alt => InputRequest::GoToPrevWord,
        KeyCode::Right if control || alt => InputRequest::GoToNextWord,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        KeyCode::Char('a') if control => InputRequest::GoToStart,
        KeyCode::Char('e') if control => InputRequest::GoToEnd,
        KeyCode::Char('u') if control => InputRequest::DeleteFromStart,
        KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
        KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
        KeyCode::Char('y') if control => InputRequest::Yank,
        KeyCode::Char('b') if alt => InputRequest::GoToPrevWord,
        KeyCode::Char('f') if alt => InputRequest::GoToNextWord,
        _ => return None,
    })
}
