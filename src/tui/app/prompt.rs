//! A line that is being typed: what for, the editor, its history, and what its last completion offered.

use tui_input::{Input, InputRequest};

use crate::runtime::link::Completion;
use crate::tui::app::complete::{self, Places};

/// What the line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    /// Paths to queue.
    Add,
    Filter,
    /// A text to find in the log.
    Search,
    /// The words that shown events have.
    Events,
    /// The name of a profile to be kept.
    SaveProfile,
}

impl PromptKind {
    /// What stands before the line.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Add => "add files or folders: ",
            Self::Filter => "filter: ",
            Self::Search => "find in the log: ",
            Self::Events => "filter events: ",
            Self::SaveProfile => "save as profile: ",
        }
    }
}

/// A line that is being typed.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// What for.
    pub kind: PromptKind,
    pub input: Input,
    /// What the last completion offered.
    pub offers: Vec<String>,
    /// The preset that was chosen for what is added; `None` = the run's own.
    pub preset: Option<String>,
    /// What is wrong with the line.
    pub error: Option<String>,
    at: usize,
    draft: String,
}

impl Prompt {
    /// A line with `text` in it already.
    pub fn new(kind: PromptKind, text: String) -> Self {
        Self { kind, input: Input::new(text), offers: Vec::new(), preset: None, error: None, at: 0, draft: String::new() }
    }

    /// Edits the line.
    pub fn edit(&mut self, request: InputRequest) {
        self.input.handle(request);
        self.offers.clear();
        self.error = None;
    }

    /// Puts pasted paths in at the cursor, apart from what stands there; within quotes just as they are.
    pub fn paste_paths(&mut self, text: &str, places: &Places) {
        let before: String = self.input.value().chars().take(self.input.cursor()).collect();
        if complete::in_quotes(&before) {
            return self.paste(text);
        }
        let paths = complete::pasted(text, places);
        // What was typed before it may be its folder.
        let goes_on = matches!(&paths[..], [path] if !path.starts_with(['/', '~']));
        let is_apart = before.is_empty() || before.ends_with(char::is_whitespace) || goes_on;
        self.paste(&format!("{}{}", if is_apart { "" } else { " " }, complete::line_of(&paths)));
    }

    /// Puts text in at the cursor.
    pub fn paste(&mut self, text: &str) {
        let text: String = text.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }).filter(|c| !c.is_control()).collect();
        insert(&mut self.input, &text);
        self.offers.clear();
        self.error = None;
    }

    /// Takes a completion, unless the line has changed since it was asked for.
    pub fn complete(&mut self, completion: Completion) {
        if completion.asked == self.input.value() {
            self.input = Input::new(completion.line);
            self.offers = completion.offers;
        }
    }

    /// Walks through the history, newest first; `older` = away from now.
    pub fn recall(&mut self, history: &[String], older: bool) {
        if self.at == 0 {
            self.draft = self.input.value().to_owned();
        }
        self.at = if older { (self.at + 1).min(history.len()) } else { self.at.saturating_sub(1) };
        let line = if self.at == 0 { self.draft.clone() } else { history[history.len() - self.at].clone() };
        self.input = Input::new(line);
    }
}

/// Puts text in at the cursor, in one go: an editor that takes one character after the other walks the whole line for each.
pub(super) fn insert(input: &mut Input, text: &str) {
    let at = input.cursor();
    let mut line: String = input.value().chars().take(at).collect();
    line.push_str(text);
    line.extend(input.value().chars().skip(at));
    *input = Input::new(line).with_cursor(at + text.chars().count());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_many_paths_is_pasted_in_one_go_between_what_stands_there() {
        let mut prompt = Prompt::new(PromptKind::Add, "/a /b".to_owned());
        for _ in 0..3 {
            prompt.edit(InputRequest::GoToPrevChar);
        }
        let list: Vec<String> = (0..30_000).map(|at| format!("/films/of/a/long/path/film {at:05}.mkv")).collect();
        prompt.paste_paths(&list.join("\n"), &Places::default());
        let typed = prompt.input.value();
        assert!(typed.starts_with(r"/a /films/of/a/long/path/film\ 00000.mkv /films"), "{}", &typed[..60]);
        assert!(typed.ends_with(r"film\ 29999.mkv /b"), "{}", &typed[typed.len() - 60..]);
        prompt.edit(InputRequest::InsertChar('x'));
        assert!(prompt.input.value().ends_with(r"29999.mkvx /b"), "the cursor stands behind it");
    }
}
