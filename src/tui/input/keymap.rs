//! The one key table: what keys do in which mode, what the help page says of them, what the footer hints at.
//! The file is long because the table is one, and in one place.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::input::action::Act;

/// What the keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyMode {
    /// The dashboard.
    Normal,
    Help,
    Ask,
    /// What becomes of a server when its window is left.
    Leave,
    Profiles,
    Warnings,
    /// The ways to run the queue.
    WhatIf,
    /// The commands by name.
    Palette,
    /// A line that is being typed.
    Prompt,
}

impl KeyMode {
    /// The word before the names of its actions; the dashboard has none.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::Help => "help",
            Self::Ask => "ask",
            Self::Leave => "leave",
            Self::Profiles => "profiles",
            Self::Warnings => "warnings",
            Self::WhatIf => "what-if",
            Self::Palette => "commands",
            Self::Prompt => "prompt",
        }
    }

    /// What opens it, where a key of the dashboard does.
    const fn opener(self) -> Option<Act> {
        match self {
            Self::Help => Some(Act::Help),
            Self::Profiles => Some(Act::Profiles),
            Self::Warnings => Some(Act::Warnings),
            Self::WhatIf => Some(Act::WhatIf),
            Self::Palette => Some(Act::CommandLine),
            Self::Normal | Self::Ask | Self::Leave | Self::Prompt => None,
        }
    }

    /// Plain characters are typed there.
    const fn takes_text(self) -> bool {
        matches!(self, Self::Help | Self::Palette | Self::Prompt)
    }
}

/// A key, as the table writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    code: KeyCode,
    mods: KeyModifiers,
}

const fn ch(c: char) -> Key {
    Key { code: KeyCode::Char(c), mods: KeyModifiers::NONE }
}

const fn ctrl(c: char) -> Key {
    Key { code: KeyCode::Char(c), mods: KeyModifiers::CONTROL }
}

const fn named(code: KeyCode) -> Key {
    Key { code, mods: KeyModifiers::NONE }
}

impl Key {
    /// A pressed key; capital letters carry their shift already.
    pub fn of(event: KeyEvent) -> Self {
        let strip =
            if matches!(event.code, KeyCode::Char(_) | KeyCode::BackTab) { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
        Self { code: event.code, mods: event.modifiers.difference(strip) }
    }

    /// Reads a key as help and settings write it.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        let control = text.strip_prefix('^').or_else(|| lower.strip_prefix("ctrl-"));
        if let Some(letter) = control.map(str::to_lowercase).filter(|rest| !rest.is_empty()) {
            let mut chars = letter.chars();
            return match (chars.next(), chars.next()) {
                (Some(c), None) if c.is_ascii_lowercase() => Some(ctrl(c)),
                _ => None,
            };
        }
        let mut chars = text.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return (!c.is_control()).then_some(ch(c));
        }
        let code = match lower.as_str() {
            "space" => KeyCode::Char(' '),
            "tab" => KeyCode::Tab,
            "s-tab" | "backtab" => KeyCode::BackTab,
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "pgup" => KeyCode::PageUp,
            "pgdn" => KeyCode::PageDown,
            "backspace" => KeyCode::Backspace,
            "delete" => KeyCode::Delete,
            "insert" => KeyCode::Insert,
            _ => KeyCode::F(lower.strip_prefix('f')?.parse().ok().filter(|number| (1..=12).contains(number))?),
        };
        Some(named(code))
    }

    /// A character as it is typed.
    fn is_text(self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && self.mods.is_empty()
    }

    /// As help and hints write it: `^d`, `space`, `J`.
    pub fn label(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "space".to_owned(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::BackTab => "S-tab".to_owned(),
            KeyCode::F(number) => format!("f{number}"),
            other => format!("{other:?}").to_lowercase(),
        };
        if self.mods.contains(KeyModifiers::CONTROL) { format!("^{name}") } else { name }
    }
}

/// A section of the help page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Getting about.
    Move,
    /// Finding things.
    Find,
    /// How it looks.
    Look,
    /// What is done with jobs.
    Jobs,
    /// What is done about memory.
    Memory,
    /// The console itself.
    Console,
    /// In dialogs and prompts: not on the page.
    Hidden,
}

impl Section {
    pub const fn title(self) -> &'static str {
        match self {
            Self::Move => "MOVE",
            Self::Find => "FIND",
            Self::Look => "LOOK",
            Self::Jobs => "JOBS",
            Self::Memory => "MEMORY",
            Self::Console => "CONSOLE",
            Self::Hidden => "",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// Where it applies.
    pub mode: KeyMode,
    /// Any of these.
    pub keys: &'static [Key],
    /// Does this.
    pub act: Act,
    /// Its name after `:`; in dialogs none, see [`Binding::setting`].
    pub name: &'static str,
    /// Where the help page lists it; rows with the same help text share a line.
    pub section: Section,
    /// What the help page says.
    pub help: &'static str,
    /// What the footer says; empty = nothing.
    pub hint: &'static str,
}

impl Binding {
    /// The name under which settings change its keys: on the dashboard that after `:`, in a dialog the dialog's and what it
    /// does, such as `ask-other-button`.
    pub fn setting(&self) -> String {
        if self.mode == KeyMode::Normal {
            return self.name.to_owned();
        }
        let mut name = format!("{}-", self.mode.word());
        for (at, c) in format!("{:?}", self.act).chars().enumerate() {
            if c.is_uppercase() && at > 0 {
                name.push('-');
            }
            name.extend(c.to_lowercase());
        }
        name
    }
}

macro_rules! table {
    ($( $mode:ident [ $($key:expr),* ] $act:ident $name:literal $section:ident $help:literal $hint:literal )*) => {
        &[ $( Binding { mode: KeyMode::$mode, keys: &[$($key),*], act: Act::$act, name: $name, section: Section::$section,
                        help: $help, hint: $hint } ),* ]
    };
}

/// The table. Hints stand in the footer in this order.
pub const TABLE: &[Binding] = table! {
    Normal [ch('?')] Help "help" Console "this help" "help"
    Normal [ch(':')] CommandLine "commands" Find "any command by name" "command"
    Normal [ch('p')] Profiles "profile" Memory "change profile" "profile"
    Normal [ch('c')] Compare "compare" Memory "compare profiles" "compare"
    Normal [ch('w')] WhatIf "what-if" Memory "other ways to run the queue" "what-if"
    Normal [ch('a')] Add "add" Jobs "add files or folders" "add"
    Normal [ch(' ')] PauseJob "pause" Jobs "pause, resume the job" "pause"
    Normal [ch('x')] Cancel "cancel" Jobs "cancel (asks)" "cancel"
    Normal [ch('r')] Retry "retry" Jobs "retry" "retry"
    Normal [ch('A')] Allow "allow" Jobs "let a rejected one in" "let it in"
    Normal [ch('S')] HoldQueue "hold" Jobs "hold, release the queue" "release"
    Normal [ch('/')] Filter "filter" Find "filter; in a log: find" "filter"
    Normal [ch('f')] Freeze "freeze" Look "freeze the screen" "freeze"
    Normal [ch('q'), ctrl('c')] Quit "quit" Console "leave (asks if jobs run)" "quit"

    Normal [ch('1')] PaneMemory "memory" Move "choose a pane" ""
    Normal [ch('2')] PaneQueue "queue" Move "choose a pane" ""
    Normal [ch('3')] PaneCleanups "cleanups" Move "choose a pane" ""
    Normal [ch('4')] PaneLog "log" Move "choose a pane" ""
    Normal [named(KeyCode::Tab)] NextPane "next-pane" Move "next, previous pane" ""
    Normal [named(KeyCode::BackTab)] PrevPane "previous-pane" Move "next, previous pane" ""
    Normal [ch('j'), named(KeyCode::Down)] Down "down" Move "down, up" ""
    Normal [ch('k'), named(KeyCode::Up)] Up "up" Move "down, up" ""
    Normal [ch('g'), named(KeyCode::Home)] First "first" Move "first, last" ""
    Normal [ch('G'), named(KeyCode::End)] Last "last" Move "first, last" ""
    Normal [ctrl('d')] HalfDown "half-page-down" Move "half a page" ""
    Normal [ctrl('u')] HalfUp "half-page-up" Move "half a page" ""
    Normal [named(KeyCode::PageDown)] PageDown "page-down" Move "a page" ""
    Normal [named(KeyCode::PageUp)] PageUp "page-up" Move "a page" ""
    Normal [named(KeyCode::Enter)] Enter "open" Move "open the job's page" ""
    Normal [ch('e')] Events "events" Move "everything that happened" ""
    Normal [ch('d')] Doctor "doctor" Move "doctor, watched folders" ""
    Normal [ch('i')] Watched "watched" Move "doctor, watched folders" ""
    Normal [ch('b')] Working "working" Move "select what is at work" ""
    Normal [named(KeyCode::Esc)] Back "back" Move "back, close" ""
    Normal [ch('z')] Zoom "zoom" Move "pane full screen and back" ""

    Normal [ch('s')] Sort "sort" Find "sort by the next column" ""
    Normal [ch('n')] NextMatch "next-match" Find "next, previous match" ""
    Normal [ch('N')] PrevMatch "previous-match" Find "next, previous match" ""

    Normal [ch('[')] ChartBack "chart-back" Look "back and forward in time" ""
    Normal [ch(']')] ChartForward "chart-forward" Look "back and forward in time" ""
    Normal [ch('<')] ChartShorter "chart-shorter" Look "shorter, longer chart" ""
    Normal [ch('>')] ChartLonger "chart-longer" Look "shorter, longer chart" ""
    Normal [ch('t')] Theme "theme" Look "next theme" ""
    Normal [ch('T')] Ascii "ascii" Look "ASCII on, off" ""
    Normal [ch('m')] Mouse "mouse" Look "mouse on, off" ""
    Normal [ch('y')] CopyLine "copy" Look "copy line, log (OSC 52)" ""
    Normal [ch('Y')] CopyLog "copy-log" Look "copy line, log (OSC 52)" ""
    Normal [ch('L')] Follow "follow" Look "log: follow on, off" ""
    Normal [ch('l')] Wrap "wrap" Look "log: long lines wrapped" ""
    Normal [ch('o')] WholeLog "whole-log" Look "log: the whole file" ""
    Normal [ch('R')] RunLog "run-log" Look "log: of the run, of the job" ""

    Normal [ch('J')] Later "later" Jobs "later, sooner in the queue" ""
    Normal [ch('K')] Sooner "sooner" Jobs "later, sooner in the queue" ""
    Normal [ch('{')] MoveFirst "move-first" Jobs "first, last in the queue" ""
    Normal [ch('}')] MoveLast "move-last" Jobs "first, last in the queue" ""
    Normal [ch('v')] Mark "mark" Jobs "mark: one, up to here, all" ""
    Normal [ch('.')] MarkRange "mark-range" Jobs "mark: one, up to here, all" ""
    Normal [ch('*')] MarkAll "mark-all" Jobs "mark: one, up to here, all" ""
    Normal [ch('u')] Undo "undo" Jobs "undo a deletion, a move" ""
    Normal [ch('F')] ClearFinished "clear-finished" Jobs "clear the finished (asks)" ""
    Normal [ch('D')] Remove "remove" Jobs "delete from the list (asks)" ""
    Normal [ch('E')] Drain "drain" Jobs "end after the queue, undo" ""

    Normal [ch('W')] Warnings "warnings" Memory "warning signs, advice" ""
    Normal [ch('V')] CompareQueue "compare-queue" Memory "compare what waits" ""
    Normal [ch('C')] CleanNow "clean" Memory "clean up now" ""

    Normal [ctrl('z')] Suspend "suspend" Console "suspend the console" ""
    Normal [ctrl('l')] Redraw "redraw" Console "redraw" ""

    Help [named(KeyCode::Esc), ch('?'), ctrl('c'), named(KeyCode::Enter)] Back "" Hidden "close" "close"
    Help [named(KeyCode::Tab)] NextPane "" Hidden "keys, words" "keys or words"
    Help [named(KeyCode::Down)] Down "" Hidden "scroll" "scroll"
    Help [named(KeyCode::Up)] Up "" Hidden "scroll" ""
    Help [named(KeyCode::PageDown), ctrl('d')] HalfDown "" Hidden "scroll" ""
    Help [named(KeyCode::PageUp), ctrl('u')] HalfUp "" Hidden "scroll" ""
    Help [named(KeyCode::Home)] First "" Hidden "scroll" ""
    Help [named(KeyCode::End)] Last "" Hidden "scroll" ""

    Ask [named(KeyCode::Enter)] Enter "" Hidden "press the button" "choose"
    Ask [named(KeyCode::Left), named(KeyCode::Right), named(KeyCode::Tab), named(KeyCode::BackTab), ch('h'), ch('l')]
        OtherButton "" Hidden "other button" "other button"
    Ask [ch('y')] Yes "" Hidden "yes" "yes"
    Ask [named(KeyCode::Esc), ch('n')] Back "" Hidden "no" "no"
    Ask [ch('q'), ctrl('c')] Quit "" Hidden "quit" ""

    Leave [named(KeyCode::Enter), ch('l'), ch('y')] Enter "" Hidden "choose" "choose"
    Leave [ch('e')] Drain "" Hidden "end when the queue is empty" ""
    Leave [ch('s')] EndNow "" Hidden "stop now" ""
    Leave [named(KeyCode::Down), ch('j'), named(KeyCode::Tab)] Down "" Hidden "down" "next"
    Leave [named(KeyCode::Up), ch('k'), named(KeyCode::BackTab)] Up "" Hidden "up" ""
    Leave [named(KeyCode::Esc), ch('n')] Back "" Hidden "back" "back"
    Leave [ch('q'), ctrl('c')] Quit "" Hidden "leave it running" ""

    Profiles [named(KeyCode::Enter)] Enter "" Hidden "switch" "switch now"
    Profiles [named(KeyCode::Down), ch('j')] Down "" Hidden "down" "next"
    Profiles [named(KeyCode::Up), ch('k')] Up "" Hidden "up" ""
    Profiles [ch('g'), named(KeyCode::Home)] First "" Hidden "first" ""
    Profiles [ch('G'), named(KeyCode::End)] Last "" Hidden "last" ""
    Profiles [named(KeyCode::Esc), ch('q'), ch('p'), ctrl('c')] Back "" Hidden "close" "close"

    Warnings [named(KeyCode::Enter)] Enter "" Hidden "choose a profile" "choose a profile"
    Warnings [named(KeyCode::Down), ch('j')] Down "" Hidden "down" "next"
    Warnings [named(KeyCode::Up), ch('k')] Up "" Hidden "up" ""
    Warnings [ch('g'), named(KeyCode::Home)] First "" Hidden "first" ""
    Warnings [ch('G'), named(KeyCode::End)] Last "" Hidden "last" ""
    Warnings [named(KeyCode::Esc), ch('q'), ch('W'), ctrl('c')] Back "" Hidden "close" "close"

    WhatIf [named(KeyCode::Enter)] Enter "" Hidden "switch to it" "apply"
    WhatIf [ch('e')] Explain "" Hidden "what it rests on" "explain"
    WhatIf [ch('s')] SaveAs "" Hidden "save as a profile" "save as profile"
    WhatIf [ch('r')] Again "" Hidden "look ahead again" "look again"
    WhatIf [named(KeyCode::Down), ch('j')] Down "" Hidden "down" ""
    WhatIf [named(KeyCode::Up), ch('k')] Up "" Hidden "up" ""
    WhatIf [named(KeyCode::PageDown), ctrl('d')] HalfDown "" Hidden "scroll" ""
    WhatIf [named(KeyCode::PageUp), ctrl('u')] HalfUp "" Hidden "scroll" ""
    WhatIf [ch('g'), named(KeyCode::Home)] First "" Hidden "first" ""
    WhatIf [ch('G'), named(KeyCode::End)] Last "" Hidden "last" ""
    WhatIf [named(KeyCode::Esc), ch('q'), ch('w'), ctrl('c')] Back "" Hidden "close" "close"

    Palette [named(KeyCode::Enter)] Enter "" Hidden "do it" "do it"
    Palette [named(KeyCode::Down), named(KeyCode::Tab), ctrl('n')] Down "" Hidden "next" "next"
    Palette [named(KeyCode::Up), named(KeyCode::BackTab), ctrl('p')] Up "" Hidden "previous" ""
    Palette [named(KeyCode::Esc), ctrl('c')] Back "" Hidden "close" "close"

    Prompt [named(KeyCode::Enter)] Enter "" Hidden "take it" "take it"
    Prompt [named(KeyCode::Tab)] Complete "" Hidden "complete" "complete"
    Prompt [named(KeyCode::BackTab), ctrl('t')] NextPreset "" Hidden "another preset" "preset"
    Prompt [named(KeyCode::Up)] Older "" Hidden "older" "history"
    Prompt [named(KeyCode::Down)] Newer "" Hidden "newer" ""
    Prompt [named(KeyCode::Esc), ctrl('c')] Back "" Hidden "close" "close"
};

/// The keys in force: the table's own, and the operator's in place of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    /// The keys of each row of [`TABLE`].
    keys: Vec<Vec<Key>>,
}

/// An action of the dashboard or of a dialog, and the keys that it is to have instead of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// Its name, see [`Binding::setting`].
    pub action: String,
    /// The keys, as help writes them.
    pub keys: Vec<String>,
}

/// What is wrong with a list of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMistake {
    /// Which change.
    pub change: usize,
    /// Which of its keys; `None` = its action.
    pub key: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What is allowed.
    pub allowed: String,
}

/// Whatever else is changed, this key ends the console, and closes every dialog.
const ALWAYS_QUITS: Key = ctrl('c');
const ALLOWED_KEYS: &str =
    "one character, ^ and a letter, space, tab, enter, esc, up, down, left, right, home, end, pgup, pgdn, f1 to f12";

impl Default for Keymap {
    fn default() -> Self {
        Self { keys: TABLE.iter().map(|binding| binding.keys.to_vec()).collect() }
    }
}

impl Keymap {
    /// The table with these changes.
    ///
    /// # Errors
    /// Every action that there is not, every key that is none, and every key that would mean two things.
    pub fn with(changes: &[KeyChange]) -> Result<Self, Vec<KeyMistake>> {
        let mut map = Self::default();
        let mut mistakes = Vec::new();
        // Who has said what of a row of the table: the change and its key.
        let mut said: Vec<Option<usize>> = vec![None; TABLE.len()];
        for (at, change) in changes.iter().enumerate() {
            let Some(row) = TABLE.iter().position(|binding| binding.setting() == change.action) else {
                // Those of the dialog, or of the dashboard, that is meant: of all there are too many to read.
                let is_of = |mode: KeyMode, name: &str| name.strip_prefix(mode.word()).is_some_and(|rest| rest.starts_with('-'));
                let dialog =
                    TABLE.iter().map(|binding| binding.mode).find(|mode| *mode != KeyMode::Normal && is_of(*mode, &change.action));
                let meant = dialog.unwrap_or(KeyMode::Normal);
                let names = TABLE.iter().filter(|binding| binding.mode == meant).map(Binding::setting);
                let names: Vec<String> = names.collect();
                let problem = "there is no such action".to_owned();
                mistakes.push(KeyMistake { change: at, key: None, problem, allowed: names.join(", ") });
                continue;
            };
            let mut keys = Vec::new();
            for (nth, text) in change.keys.iter().enumerate() {
                match Key::parse(text) {
                    Some(ALWAYS_QUITS) if !TABLE[row].keys.contains(&ALWAYS_QUITS) => {
                        let does = if TABLE[row].mode == KeyMode::Normal { "quits" } else { "closes" };
                        let (problem, allowed) = (format!("^c always {does}"), "any other key".to_owned());
                        mistakes.push(KeyMistake { change: at, key: Some(nth), problem, allowed });
                    }
                    Some(key) if key.is_text() && TABLE[row].mode.takes_text() && !TABLE[row].keys.contains(&key) => {
                        let problem = format!("{} is typed there", key.label());
                        let allowed = "a key that is no character, or one with ^".to_owned();
                        mistakes.push(KeyMistake { change: at, key: Some(nth), problem, allowed });
                    }
                    Some(key) => keys.push(key),
                    None => mistakes.push(KeyMistake {
                        change: at,
                        key: Some(nth),
                        problem: format!("`{}` is no key", crate::domain::text::sanitise(text.as_bytes())),
                        allowed: ALLOWED_KEYS.to_owned(),
                    }),
                }
            }
            if change.keys.is_empty() {
                let problem = "has no key".to_owned();
                mistakes.push(KeyMistake { change: at, key: None, problem, allowed: "a key, or a list of keys".to_owned() });
            }
            if TABLE[row].keys.contains(&ALWAYS_QUITS) && !keys.contains(&ALWAYS_QUITS) {
                keys.push(ALWAYS_QUITS);
            }
            map.keys[row] = keys;
            said[row] = Some(at);
        }
        map.follow(&said);
        for (row, change) in said.iter().enumerate() {
            let Some(change) = *change else { continue };
            for (nth, key) in map.keys[row].iter().enumerate() {
                let clashes = |other: &usize| {
                    *other != row
                        && TABLE[*other].mode == TABLE[row].mode
                        && map.keys[*other].contains(key)
                        // Two changes that clash are told once, at the later one.
                        && said[*other].is_none_or(|earlier| earlier < change)
                };
                if let Some(other) = (0..TABLE.len()).find(clashes) {
                    let other = TABLE[other].setting();
                    let problem = format!("{} means {other} already", key.label());
                    let allowed = format!("a key that is free, or give {other} another one");
                    mistakes.push(KeyMistake { change, key: Some(nth), problem, allowed });
                }
            }
        }
        if mistakes.is_empty() { Ok(map) } else { Err(mistakes) }
    }

    /// A key that opens a dialog closes it too, and the one that quits answers the question about it: where the first was
    /// changed, the second goes with it.
    fn follow(&mut self, said: &[Option<usize>]) {
        for (row, binding) in TABLE.iter().enumerate() {
            let leads_out = matches!(binding.act, Act::Back | Act::Quit) && binding.mode != KeyMode::Normal;
            if !leads_out || said[row].is_some() {
                continue;
            }
            for key in binding.keys.iter().filter(|key| **key != ALWAYS_QUITS) {
                let opens = |opener: &usize| {
                    let opener = &TABLE[*opener];
                    let opens = opener.act == Act::Quit || Some(opener.act) == binding.mode.opener();
                    opener.mode == KeyMode::Normal && opens && opener.keys.contains(key)
                };
                let Some(opener) = (0..TABLE.len()).find(opens).filter(|opener| said[*opener].is_some()) else { continue };
                let is_free = |key: &Key| {
                    let in_use = |at: usize| TABLE[at].mode == binding.mode && self.keys[at].contains(key);
                    let is_typed = key.is_text() && binding.mode.takes_text();
                    !is_typed && !(0..TABLE.len()).any(in_use)
                };
                let instead: Vec<Key> = self.keys[opener].iter().copied().filter(is_free).collect();
                self.keys[row].retain(|known| known != key);
                self.keys[row].extend(instead);
            }
        }
    }

    /// What a key does in a mode.
    pub fn resolve(&self, mode: KeyMode, event: KeyEvent) -> Option<Act> {
        let key = Key::of(event);
        self.rows().find(|(binding, keys)| binding.mode == mode && keys.contains(&key)).map(|(binding, _)| binding.act)
    }

    /// The first key of an action of the dashboard.
    pub fn label_of(&self, act: Act) -> String {
        self.label_in(KeyMode::Normal, act)
    }

    /// The first key of an action in a mode.
    pub fn label_in(&self, mode: KeyMode, act: Act) -> String {
        let row = self.rows().find(|(binding, _)| binding.mode == mode && binding.act == act);
        row.and_then(|(_, keys)| keys.first()).map_or_else(String::new, |key| key.label())
    }

    /// All keys of an action in a mode, as help writes them, without `^c`.
    pub fn labels_in(&self, mode: KeyMode, act: Act) -> String {
        let row = self.rows().find(|(binding, _)| binding.mode == mode && binding.act == act);
        let keys = row.into_iter().flat_map(|(_, keys)| keys).filter(|key| **key != ALWAYS_QUITS);
        keys.map(|key| key.label()).collect::<Vec<_>>().join(" or ")
    }

    /// Footer hints of a mode: key and word.
    pub fn hints(&self, mode: KeyMode) -> Vec<(String, &'static str)> {
        self.hinted(mode).map(|(_, key, word)| (key, word)).collect()
    }

    /// The same with the action.
    pub fn hinted(&self, mode: KeyMode) -> impl Iterator<Item = (Act, String, &'static str)> {
        let hinted = self.rows().filter(move |(binding, _)| binding.mode == mode && !binding.hint.is_empty());
        hinted.filter_map(|(binding, keys)| keys.first().map(|key| (binding.act, key.label(), binding.hint)))
    }

    /// A section of the help page: keys and what they do.
    ///
    /// `meaning` tells what a row does where the help is asked for; `None` = nothing.
    pub fn help(&self, section: Section, meaning: impl Fn(&Binding) -> Option<&'static str>) -> Vec<(String, &'static str)> {
        let mut lines: Vec<(Vec<String>, &'static str)> = Vec::new();
        for (binding, keys) in self.rows().filter(|(binding, _)| binding.section == section) {
            let Some(means) = meaning(binding) else { continue };
            let labels = keys.iter().filter(|key| !matches!(key.code, KeyCode::Home | KeyCode::End)).map(|key| key.label());
            match lines.iter_mut().find(|(_, help)| *help == means) {
                Some((known, _)) => known.extend(labels),
                None => lines.push((labels.collect(), means)),
            }
        }
        lines
            .into_iter()
            .map(|(mut labels, help)| {
                if labels == ["1", "2", "3", "4"] {
                    labels = vec!["1-4".to_owned()];
                }
                (labels.join(" "), help)
            })
            .collect()
    }

    /// Every action that has a name: the row, and its first key.
    pub fn named(&self) -> impl Iterator<Item = (&'static Binding, String)> {
        let named = self.rows().filter(|(binding, _)| !binding.name.is_empty());
        named.map(|(binding, keys)| (binding, keys.first().map_or_else(String::new, |key| key.label())))
    }

    fn rows(&self) -> impl Iterator<Item = (&'static Binding, &Vec<Key>)> {
        TABLE.iter().zip(&self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_mode_and_no_name_two_commands() {
        for (i, a) in TABLE.iter().enumerate() {
            for b in &TABLE[i + 1..] {
                assert_ne!(a.setting(), b.setting());
                for key in a.keys {
                    assert!(
                        a.mode != b.mode || !b.keys.contains(key),
                        "{} in {:?}: {:?} and {:?}",
                        key.label(),
                        a.mode,
                        a.act,
                        b.act
                    );
                }
            }
        }
    }

    #[test]
    fn every_action_of_the_dashboard_has_a_plain_key_and_a_line_of_help() {
        for binding in TABLE.iter().filter(|binding| binding.mode == KeyMode::Normal) {
            assert!(!binding.keys.is_empty() && !binding.help.is_empty(), "{:?}", binding.act);
            assert!(!matches!(binding.keys[0].code, KeyCode::F(_) | KeyCode::Home | KeyCode::End), "{:?}", binding.act);
        }
    }

    #[test]
    fn capital_letters_are_keys_of_their_own() {
        let event = |c, mods| KeyEvent::new(KeyCode::Char(c), mods);
        assert_eq!(Keymap::default().resolve(KeyMode::Normal, event('J', KeyModifiers::SHIFT)), Some(Act::Later));
        assert_eq!(Keymap::default().resolve(KeyMode::Normal, event('j', KeyModifiers::NONE)), Some(Act::Down));
        assert_eq!(Keymap::default().resolve(KeyMode::Normal, event('d', KeyModifiers::CONTROL)), Some(Act::HalfDown));
        assert_eq!(Keymap::default().resolve(KeyMode::Normal, event('d', KeyModifiers::ALT)), None);
    }

    fn change(action: &str, keys: &[&str]) -> KeyChange {
        KeyChange { action: action.to_owned(), keys: keys.iter().map(|key| (*key).to_owned()).collect() }
    }

    #[test]
    fn the_operators_keys_take_the_place_of_the_tables_own() {
        let map =
            Keymap::with(&[change("cancel", &["X", "delete"]), change("retry", &["x"]), change("quit", &["Q"])]).expect("fits");
        let press = |code, mods| map.resolve(KeyMode::Normal, KeyEvent::new(code, mods));
        let plain = |c| press(KeyCode::Char(c), KeyModifiers::NONE);
        assert_eq!((plain('X'), plain('x'), plain('r'), plain('q')), (Some(Act::Cancel), Some(Act::Retry), None, None));
        assert_eq!(press(KeyCode::Delete, KeyModifiers::NONE), Some(Act::Cancel));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Act::Quit), "^c always quits");
        assert!(
            map.help(Section::Jobs, |binding| Some(binding.help)).contains(&("X delete".to_owned(), "cancel (asks)")),
            "help tells the keys in force"
        );
        assert!(map.hints(KeyMode::Normal).contains(&("X".to_owned(), "cancel")), "so do the hints");
    }

    #[test]
    fn every_row_of_the_table_can_be_given_another_key_by_its_name() {
        for binding in TABLE {
            let name = binding.setting();
            let map = Keymap::with(&[change(&name, &["f12"])]).unwrap_or_else(|told| panic!("{name}: {told:?}"));
            let pressed = |key: Key| map.resolve(binding.mode, KeyEvent::new(key.code, key.mods));
            assert_eq!(pressed(named(KeyCode::F(12))), Some(binding.act), "{name}");
            for key in binding.keys.iter().filter(|key| **key != ALWAYS_QUITS) {
                assert_eq!(pressed(*key), None, "{name}: {} is free now", key.label());
            }
            let has_hint = map.hints(binding.mode).contains(&("f12".to_owned(), binding.hint));
            assert_eq!(has_hint, !binding.hint.is_empty(), "{name}: the footer tells it");
        }
        let names: Vec<String> = TABLE.iter().map(Binding::setting).collect();
        for name in ["ask-yes", "ask-back", "ask-other-button", "ask-enter", "profiles-down", "commands-up", "prompt-complete"] {
            assert!(names.iter().any(|known| known == name), "{name} is missing in {names:?}");
        }
    }

    #[test]
    fn a_dialog_is_closed_by_the_key_that_opens_it_also_where_that_was_changed() {
        let map = Keymap::with(&[
            change("quit", &["Q"]),
            change("profile", &["P", "j"]),
            change("help", &["f1", "h"]),
            change("down", &["U"]),
        ])
        .expect("fits");
        let keys = |mode: KeyMode, act: Act| {
            let row = map.rows().find(|(binding, _)| binding.mode == mode && binding.act == act);
            row.map(|(_, keys)| keys.iter().map(|key| key.label()).collect::<Vec<_>>().join(" ")).expect("a row")
        };
        assert_eq!(keys(KeyMode::Ask, Act::Quit), "^c Q");
        assert_eq!(keys(KeyMode::Profiles, Act::Back), "esc ^c Q P", "j goes down there");
        assert_eq!(keys(KeyMode::Help, Act::Back), "esc ^c enter f1", "an h is typed there");
        assert_eq!(keys(KeyMode::Warnings, Act::Back), "esc W ^c Q");
        let map = Keymap::with(&[change("quit", &["Q"]), change("ask-quit", &["z"])]).expect("fits");
        assert_eq!(map.label_in(KeyMode::Ask, Act::Quit), "z", "what is said of the dialog itself holds");
    }

    #[test]
    fn in_a_dialog_too_a_key_means_one_thing_letters_are_typed_and_there_is_a_way_out() {
        let told = |changes: &[KeyChange]| {
            let mistakes = Keymap::with(changes).expect_err("refused");
            mistakes.into_iter().map(|mistake| (mistake.change, mistake.key, mistake.problem)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[change("ask-yes", &["n"])]), [(0, Some(0), "n means ask-back already".to_owned())]);
        let swapped = Keymap::with(&[change("ask-yes", &["n"]), change("ask-back", &["y"])]).expect("each key means one thing");
        assert_eq!(swapped.resolve(KeyMode::Ask, KeyEvent::new(KeyCode::Char('n'), KeyModifiers::NONE)), Some(Act::Yes));
        assert_eq!(told(&[change("prompt-enter", &["x"])]), [(0, Some(0), "x is typed there".to_owned())]);
        assert_eq!(told(&[change("commands-down", &["^c"])]), [(0, Some(0), "^c always closes".to_owned())]);
        let only = Keymap::with(&[change("prompt-back", &["f9"])]).expect("fits");
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(only.resolve(KeyMode::Prompt, control_c), Some(Act::Back));
        let unknown = Keymap::with(&[change("ask-maybe", &["m"])]).expect_err("refused");
        assert!(unknown[0].allowed.starts_with("ask-enter, ask-other-button, ask-yes"), "{}", unknown[0].allowed);
        assert!(!unknown[0].allowed.contains("profile"), "{}", unknown[0].allowed);
    }

    #[test]
    fn clashes_unknown_actions_and_keys_that_are_none_are_refused_with_their_place() {
        let told = |changes: &[KeyChange]| {
            let mistakes = Keymap::with(changes).expect_err("refused");
            mistakes.into_iter().map(|mistake| (mistake.change, mistake.key, mistake.problem)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[change("cancle", &["X"])]), [(0, None, "there is no such action".to_owned())]);
        assert_eq!(told(&[change("cancel", &["X", "r"])]), [(0, Some(1), "r means retry already".to_owned())]);
        let both = [change("cancel", &["X"]), change("retry", &["X"])];
        assert_eq!(told(&both), [(1, Some(0), "X means cancel already".to_owned())], "told once, at the later one");
        assert_eq!(told(&[change("cancel", &["ctrl-"]), change("retry", &[])]).len(), 2);
        assert_eq!(told(&[change("cancel", &["^c"])]), [(0, Some(0), "^c always quits".to_owned())]);
    }

    #[test]
    fn every_key_of_the_table_is_read_back_as_it_is_written() {
        for binding in TABLE {
            for key in binding.keys {
                let label = match key.code {
                    KeyCode::Down => "down".to_owned(),
                    KeyCode::Up => "up".to_owned(),
                    KeyCode::Left => "left".to_owned(),
                    KeyCode::Right => "right".to_owned(),
                    _ => key.label(),
                };
                assert_eq!(Key::parse(&label), Some(*key), "{label}");
            }
        }
        for text in ["", "ab", "^", "^ab", "f0", "f13", "\u{1b}", "ctrl-ß"] {
            assert!(text == "^" || Key::parse(text).is_none(), "{text:?}");
        }
    }
}
