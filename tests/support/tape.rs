//! A strict reader of VHS tapes (the grammar of VHS 0.11): whatever VHS would refuse, and whatever it would silently ignore,
//! is a mistake here. Comments that begin with `#!` are assertions, which VHS skips.

use std::fmt;
use std::time::Duration;

use regex::Regex;

/// A tape, understood.
#[derive(Debug)]
pub struct Tape {
    /// Columns and rows that the settings come to, as the tape itself claims.
    pub grid: (u16, u16),
    /// Programs that must be there.
    pub requires: Vec<String>,
    /// What no screen may ever show.
    pub never: Vec<Regex>,
    /// Time between two keys.
    pub typing: Duration,
    /// How long a wait may take that names no time of its own.
    pub patience: Duration,
    /// Variables for the shell.
    pub env: Vec<(String, String)>,
    /// The story: line number and what is done.
    pub steps: Vec<(usize, Step)>,
}

/// One thing that is done.
#[derive(Debug)]
pub enum Step {
    /// Keys, as a terminal sends them, with the time between them.
    Keys(String, Option<Duration>),
    /// Time for the reader.
    Sleep(Duration),
    /// From here on nothing is recorded.
    Hide,
    /// From here on it is.
    Show,
    /// A picture of the screen.
    Screenshot(String),
    /// The screen, or its last line, must come to show this.
    Wait {
        /// Look at the whole screen.
        whole: bool,
        /// Give up after this.
        at_most: Option<Duration>,
        /// What to look for.
        pattern: Regex,
    },
    /// An assertion: the screen shows this now, or within some seconds.
    Expect(Regex),
}

/// What is wrong, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// A grid, and the settings under which VHS 0.11 draws it: font, its size, width, height and padding.
type Grid = ((u16, u16), [(&'static str, &'static str); 5]);

const GRIDS: &[Grid] =
    &[((120, 36), [("FontFamily", "JetBrains Mono"), ("FontSize", "16"), ("Width", "1268"), ("Height", "810"), ("Padding", "20")])];

/// Settings, and what each takes.
const SETTINGS: &[(&str, Value)] = &[
    ("Shell", Value::Text),
    ("FontFamily", Value::Text),
    ("FontSize", Value::Number),
    ("LetterSpacing", Value::Number),
    ("LineHeight", Value::Number),
    ("Framerate", Value::Number),
    ("PlaybackSpeed", Value::Number),
    ("TypingSpeed", Value::Time),
    ("Theme", Value::Text),
    ("Width", Value::Number),
    ("Height", Value::Number),
    ("Padding", Value::Number),
    ("Margin", Value::Number),
    ("MarginFill", Value::Text),
    ("WindowBar", Value::Text),
    ("WindowBarSize", Value::Number),
    ("BorderRadius", Value::Number),
    ("LoopOffset", Value::Text),
    ("CursorBlink", Value::Bool),
    ("WaitTimeout", Value::Time),
    ("WaitPattern", Value::Pattern),
];

#[derive(Clone, Copy)]
enum Value {
    Text,
    Number,
    Time,
    Bool,
    Pattern,
}

/// Named keys and what a terminal sends for them.
const KEYS: &[(&str, &str)] = &[
    ("Enter", "\r"),
    ("Space", " "),
    ("Tab", "\t"),
    ("Escape", "\x1b"),
    ("Backspace", "\x7f"),
    ("Delete", "\x1b[3~"),
    ("Insert", "\x1b[2~"),
    ("Up", "\x1b[A"),
    ("Down", "\x1b[B"),
    ("Right", "\x1b[C"),
    ("Left", "\x1b[D"),
    ("PageUp", "\x1b[5~"),
    ("PageDown", "\x1b[6~"),
];

/// Reads a tape.
pub fn read(text: &str) -> Result<Tape, Mistake> {
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.lines()) {
        reader.line(number, line.trim()).map_err(|what| Mistake { line: number, what })?;
    }
    reader.finish(text.lines().count())
}

#[derive(Default)]
struct Reader {
    grid: Option<(u16, u16)>,
    settings: Vec<(String, String)>,
    outputs: usize,
    requires: Vec<String>,
    never: Vec<Regex>,
    env: Vec<(String, String)>,
    steps: Vec<(usize, Step)>,
    /// VHS takes settings only up to the first command of another kind.
    header_ended_by: Option<String>,
    hidden: bool,
    /// The last step was a screenshot, which VHS takes at the next frame.
    after_screenshot: bool,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if let Some(assertion) = line.strip_prefix("#!") {
            return self.assertion(number, assertion.trim());
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (head, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let (name, at) = match head.split_once('@') {
            Some((name, at)) => (name, Some(time(at)?)),
            None => (head, None),
        };
        if !matches!(name, "Type" | "Wait" | "Wait+Line" | "Wait+Screen") && at.is_some() && key(name).is_none() {
            return Err(format!("`{name}` takes no @time"));
        }
        match name {
            "Output" | "Require" | "Set" => return self.header(name, rest),
            _ => {}
        }
        let is_first = self.header_ended_by.is_none();
        self.header_ended_by.get_or_insert_with(|| name.to_owned());
        if std::mem::take(&mut self.after_screenshot) && name != "Sleep" {
            return Err("a Screenshot must be followed by a Sleep: VHS takes it with the next frame".to_owned());
        }
        let step = match name {
            "Env" => {
                let (key, value) = rest.split_once(' ').ok_or("Env KEY \"value\"")?;
                self.env.push((key.to_owned(), string(value.trim())?));
                return Ok(());
            }
            "Type" => Step::Keys(string(rest)?, at),
            "Sleep" => Step::Sleep(time(rest)?),
            "Hide" => {
                if !is_first && !self.steps.iter().any(|(_, step)| matches!(step, Step::Keys(..))) {
                    return Err("for a hidden start, Hide must be the first command after the header".to_owned());
                }
                if std::mem::replace(&mut self.hidden, true) {
                    return Err("hidden already".to_owned());
                }
                nothing(rest)?;
                Step::Hide
            }
            "Show" => {
                if !std::mem::replace(&mut self.hidden, false) {
                    return Err("nothing is hidden".to_owned());
                }
                nothing(rest)?;
                Step::Show
            }
            "Screenshot" => {
                if std::path::Path::new(rest).extension().is_none_or(|extension| extension != "png") {
                    return Err(format!("Screenshot takes a path that ends in .png, not `{rest}`"));
                }
                self.after_screenshot = true;
                Step::Screenshot(rest.to_owned())
            }
            "Wait" | "Wait+Line" | "Wait+Screen" => {
                let pattern = match rest {
                    "" => self.setting("WaitPattern").map_or_else(|| pattern("/>$/"), pattern)?,
                    text => pattern(text)?,
                };
                Step::Wait { whole: name == "Wait+Screen", at_most: at, pattern }
            }
            other => Step::Keys(keys(other, rest)?, at),
        };
        self.steps.push((number, step));
        Ok(())
    }

    fn header(&mut self, name: &str, rest: &str) -> Result<(), String> {
        let setting = rest.split_whitespace().next().unwrap_or_default();
        if let Some(by) = &self.header_ended_by
            && !(name == "Set" && setting == "TypingSpeed")
        {
            return Err(format!("VHS ignores this {name}: `{by}` has ended the header"));
        }
        match name {
            "Output" => {
                let known = [".gif", ".mp4", ".webm", ".txt", ".ascii"];
                if !known.iter().any(|end| rest.ends_with(end)) {
                    return Err(format!("Output takes a path that ends in {}, not `{rest}`", known.join(", ")));
                }
                self.outputs += 1;
            }
            "Require" => {
                if rest.is_empty() || rest.contains(char::is_whitespace) {
                    return Err("Require takes one program".to_owned());
                }
                self.requires.push(rest.to_owned());
            }
            _ => {
                let (name, value) = rest.split_once(char::is_whitespace).ok_or("Set takes a name and a value")?;
                let kind = SETTINGS.iter().find(|(known, _)| *known == name).ok_or(format!("there is no setting `{name}`"))?.1;
                if self.setting(name).is_some() {
                    return Err(format!("{name} is set twice"));
                }
                self.settings.push((name.to_owned(), checked(kind, value.trim())?));
            }
        }
        Ok(())
    }

    fn assertion(&mut self, number: usize, text: &str) -> Result<(), String> {
        let (name, rest) = text.split_once(' ').ok_or(format!("`#! {text}` asserts nothing"))?;
        match name {
            "grid" => {
                let (columns, rows) = rest.split_once('x').ok_or("grid COLUMNSxROWS")?;
                let number = |text: &str| text.parse::<u16>().map_err(|_| format!("`{text}` is no number"));
                self.grid = Some((number(columns)?, number(rows)?));
            }
            "never" => self.never.push(pattern(rest)?),
            "expect" => self.steps.push((number, Step::Expect(pattern(rest)?))),
            other => return Err(format!("there is no assertion `{other}`; there are grid, never, expect")),
        }
        Ok(())
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn finish(self, lines: usize) -> Result<Tape, Mistake> {
        let wrong = |what: String| Mistake { line: lines, what };
        if self.outputs == 0 {
            return Err(wrong("no Output: VHS would record nothing that is kept".to_owned()));
        }
        if self.hidden || self.after_screenshot {
            return Err(wrong("the tape ends while it is hidden, or right after a Screenshot".to_owned()));
        }
        let grid = self.grid.ok_or_else(|| wrong("no `#! grid COLUMNSxROWS`".to_owned()))?;
        let known = GRIDS.iter().find(|(known, _)| *known == grid);
        let (_, needed) = known.ok_or_else(|| wrong(format!("it is not known what to set for {}x{}", grid.0, grid.1)))?;
        for (name, value) in needed {
            if self.setting(name) != Some(value) {
                return Err(wrong(format!("a grid of {}x{} needs `Set {name} {value}`", grid.0, grid.1)));
            }
        }
        let time_of = |name, default| self.setting(name).map_or(Ok(default), time).map_err(wrong);
        Ok(Tape {
            grid,
            typing: time_of("TypingSpeed", Duration::from_millis(50))?,
            patience: time_of("WaitTimeout", Duration::from_secs(15))?,
            requires: self.requires,
            never: self.never,
            env: self.env,
            steps: self.steps,
        })
    }
}

fn nothing(rest: &str) -> Result<(), String> {
    if rest.is_empty() { Ok(()) } else { Err(format!("`{rest}` is too much")) }
}

fn checked(kind: Value, value: &str) -> Result<String, String> {
    match kind {
        Value::Text if value.starts_with(['"', '\'', '`']) => string(value),
        Value::Text if value.contains(char::is_whitespace) => Err(format!("`{value}` needs quotes")),
        Value::Text => Ok(value.to_owned()),
        Value::Number if value.parse::<f64>().is_ok() => Ok(value.to_owned()),
        Value::Number => Err(format!("`{value}` is no number")),
        Value::Time => time(value).map(|_| value.to_owned()),
        Value::Bool if matches!(value, "true" | "false") => Ok(value.to_owned()),
        Value::Bool => Err(format!("`{value}` is neither true nor false")),
        Value::Pattern => pattern(value).map(|_| value.to_owned()),
    }
}

/// A number with `ms`, `s` or `m`; bare ones are seconds.
fn time(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| format!("`{text}` is no time; write 500ms, 2s or 1m"))?;
    let unit = match &text[end..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        other => return Err(format!("`{other}` is no unit of time; there are ms, s and m")),
    };
    Ok(Duration::from_secs_f64(number * unit))
}

/// A quoted string; VHS knows no escapes in it.
fn string(text: &str) -> Result<String, String> {
    let mut chars = text.chars();
    let quote = chars.next().filter(|c| matches!(c, '"' | '\'' | '`')).ok_or(format!("`{text}` needs quotes"))?;
    let body = chars.as_str().strip_suffix(quote).ok_or(format!("{text} does not end with its quote"))?;
    if body.contains(quote) {
        return Err(format!("{text}: one string a command"));
    }
    if body.contains('\\') {
        return Err(format!("{text}: VHS knows no escapes"));
    }
    Ok(body.to_owned())
}

fn pattern(text: &str) -> Result<Regex, String> {
    let body = text.strip_prefix('/').and_then(|text| text.strip_suffix('/')).filter(|body| !body.is_empty());
    let body = body.ok_or(format!("`{text}` is no /pattern/"))?;
    Regex::new(&format!("(?m){body}")).map_err(|error| error.to_string())
}

fn key(name: &str) -> Option<&'static str> {
    KEYS.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// A key with a number of times, or a chord.
fn keys(name: &str, rest: &str) -> Result<String, String> {
    if let Some(bytes) = key(name) {
        let times = match rest {
            "" => 1,
            number => number.parse::<usize>().ok().filter(|n| *n > 0).ok_or(format!("`{rest}` is no number of times"))?,
        };
        return Ok(bytes.repeat(times));
    }
    let unknown = || format!("there is no command `{name}`");
    let (modifier, last) = name.rsplit_once('+').ok_or_else(unknown)?;
    nothing(rest)?;
    let mut letters = last.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else { return Err(unknown()) };
    match modifier {
        "Ctrl" if letter.is_ascii_alphabetic() => Ok(char::from(letter.to_ascii_uppercase() as u8 & 0x1f).to_string()),
        "Alt" => Ok(format!("\x1b{letter}")),
        "Shift" => Ok(letter.to_uppercase().to_string()),
        _ => Err(unknown()),
    }
}
