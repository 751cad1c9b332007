//! Meanings to looks: colours for terminals that have them, weights for those that have not, symbols for both.
//!
//! Colours are of the Okabe-Ito palette, which colour-blind readers can tell apart; every meaning has a symbol or a word too.

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::{bar, border};
use ratatui::text::Span;

use crate::domain::memory::Level;
pub use crate::domain::screen::{ColorChoice, ThemeName};
use crate::tui::terminal::palette::{self, Palette};

/// How many colours may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColorMode {
    /// No colour at all: only bold, dim, underline and reverse.
    Mono,
    /// The terminal's own 16.
    #[default]
    Sixteen,
    /// 256 that are the same everywhere: what most terminals have, and what is known of one at the end of an ssh.
    Indexed,
    /// 24 bits.
    True,
}

impl ColorMode {
    /// What to use, given `--color`, and the values of `NO_COLOR`, `COLORTERM` and `TERM`.
    pub fn detect(choice: ColorChoice, no_color: Option<&str>, colorterm: Option<&str>, term: Option<&str>) -> Self {
        let truecolor = matches!(colorterm, Some("truecolor" | "24bit")) || term.is_some_and(|term| term.ends_with("-direct"));
        let indexed = term.is_some_and(|term| term.contains("256color"));
        let best = match (truecolor, indexed) {
            (true, _) => Self::True,
            (false, true) => Self::Indexed,
            (false, false) => Self::Sixteen,
        };
        match choice {
            ColorChoice::Never => Self::Mono,
            ColorChoice::Always => best,
            ColorChoice::Auto if no_color.is_some_and(|value| !value.is_empty()) || matches!(term, Some("dumb" | "vt100")) => {
                Self::Mono
            }
            ColorChoice::Auto => best,
        }
    }
}

/// What a piece of the screen means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Plain text.
    Text,
    /// What the eye is to find first.
    Strong,
    /// Labels, units, idle rows.
    Dim,
    /// Frames.
    Frame,
    /// Frame of the pane that has the keys.
    Focus,
    /// A key, the program's name, a pane's name.
    Accent,
    /// Under the line; success; memory freed.
    Good,
    /// Near or over the line; retry, held, rejected; warnings.
    Warn,
    /// Near the limit, out of memory, failed.
    Bad,
    /// Running; the memory curve.
    Running,
    /// Cleanups.
    Cleanup,
    /// The load line.
    Line,
    /// A banner that must not be overlooked.
    Urgent,
}

/// Symbols of one character each.
#[derive(Debug, Clone)]
pub struct Symbols {
    /// Only ASCII may be shown.
    pub ascii: bool,
    /// plimsoll.
    pub brand: &'static str,
    /// Under the line.
    pub under: &'static str,
    /// Near the line.
    pub near: &'static str,
    /// Over the line.
    pub over: &'static str,
    /// Failed, out of memory, near the limit.
    pub bad: &'static str,
    /// Running.
    pub run: &'static str,
    /// Queued.
    pub queued: &'static str,
    /// Done.
    pub done: &'static str,
    /// A job that is done although not all of its input could be decoded.
    pub damaged: &'static str,
    /// Another try.
    pub retry: &'static str,
    /// Held.
    pub held: &'static str,
    /// Rejected.
    pub rejected: &'static str,
    /// Cleanup.
    pub cleanup: &'static str,
    /// The load line in the gauge.
    pub line: &'static str,
    /// Between parts of the header.
    pub bar: &'static str,
    /// Eighths of a gauge's cell, from one to eight.
    pub eighths: [&'static str; 8],
    /// Bars of a sparkline.
    pub sparks: bar::Set<'static>,
    /// The empty part of a gauge.
    pub empty: &'static str,
    /// Parts of the memory gauge: jobs, the console, others, file cache, and what is set aside and not used yet.
    pub parts: [&'static str; 5],
    /// Left out.
    pub more: &'static str,
    /// Less.
    pub minus: &'static str,
    /// Lines and corners of frames.
    pub frame: border::Set<'static>,
    /// Down, for a log that follows its end.
    pub follow: &'static str,
    /// The chosen one of a list.
    pub pointer: &'static str,
    /// Lines and corner of a chart's axes.
    pub axes: border::Set<'static>,
}

/// Symbols for terminals with UTF-8.
pub const UNICODE: Symbols = Symbols {
    ascii: false,
    brand: "⊖",
    under: "●",
    near: "◐",
    over: "▲",
    bad: "✖",
    run: "▶",
    queued: "○",
    done: "✔",
    damaged: "≈",
    retry: "↻",
    held: "‖",
    rejected: "⊘",
    cleanup: "◆",
    line: "┃",
    bar: "│",
    eighths: ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
    sparks: bar::NINE_LEVELS,
    empty: "·",
    parts: ["█", "▓", "▞", "▒", "░"],
    more: "…",
    minus: "−",
    frame: border::ROUNDED,
    follow: "▼",
    pointer: "›",
    axes: border::PLAIN,
};

const ASCII_FRAME: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// Symbols for terminals without.
pub const ASCII: Symbols = Symbols {
    ascii: true,
    brand: "(-)",
    under: "o",
    near: "~",
    over: "^",
    bad: "X",
    run: ">",
    queued: ".",
    done: "+",
    damaged: "%",
    retry: "~",
    held: "=",
    rejected: "-",
    cleanup: "*",
    line: "!",
    bar: "|",
    eighths: [" ", " ", "-", "-", "=", "=", "#", "#"],
    sparks: bar::Set {
        empty: " ",
        one_eighth: ".",
        one_quarter: ".",
        three_eighths: ":",
        half: ":",
        five_eighths: "|",
        three_quarters: "|",
        seven_eighths: "#",
        full: "#",
    },
    empty: ".",
    parts: ["#", "@", "%", "=", ":"],
    more: "~",
    minus: "-",
    frame: ASCII_FRAME,
    follow: "v",
    pointer: ">",
    axes: ASCII_FRAME,
};

/// Looks of every meaning.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    pub name: ThemeName,
    /// How many colours.
    pub mode: ColorMode,
    pub symbols: &'static Symbols,
}

impl Theme {
    /// A theme; without colours every palette is the monochrome one.
    pub const fn new(name: ThemeName, mode: ColorMode, ascii: bool) -> Self {
        let name = match (name, mode) {
            (_, ColorMode::Mono) => ThemeName::Mono,
            (name, _) => name,
        };
        Self { name, mode, symbols: if ascii { &ASCII } else { &UNICODE } }
    }

    /// The theme after this one; `mode` is the most that the terminal can show.
    #[must_use]
    pub const fn next(self, mode: ColorMode) -> Self {
        let name = match self.name {
            ThemeName::Dark => ThemeName::Light,
            ThemeName::Light => ThemeName::HighContrast,
            ThemeName::HighContrast => ThemeName::Mono,
            ThemeName::Mono => ThemeName::Dark,
        };
        Self::new(name, mode, self.symbols.ascii)
    }

    /// The look of a meaning.
    pub const fn style(&self, role: Role) -> Style {
        match (self.name, self.mode) {
            (ThemeName::Mono, _) | (_, ColorMode::Mono) => mono(role),
            (name, ColorMode::Sixteen) => sixteen(name, role),
            (name, mode) => coloured(palette::of(name, matches!(mode, ColorMode::True)), role),
        }
    }

    /// A piece of text with the look of its meaning.
    pub fn span<'a>(&self, text: impl Into<Cow<'a, str>>, role: Role) -> Span<'a> {
        Span::styled(text, self.style(role))
    }

    /// The look of one of several curves in one chart, by its place. No meaning beyond telling them apart, which letters and
    /// dashes do too.
    pub const fn curve(&self, place: usize) -> Style {
        let palette = match (self.name, self.mode) {
            (ThemeName::Mono, _) | (_, ColorMode::Mono) => return Style::new(),
            (_, ColorMode::Sixteen) => {
                let is_light = matches!(self.name, ThemeName::Light);
                let (second, third) = if is_light { (Color::Blue, Color::Reset) } else { (Color::Yellow, Color::Green) };
                let fifth = if is_light { Color::LightBlue } else { Color::Cyan };
                let colors = [Color::Red, second, third, Color::Magenta, fifth, Color::Reset];
                return Style::new().fg(colors[place % colors.len()]);
            }
            (name, mode) => palette::of(name, matches!(mode, ColorMode::True)),
        };
        let colors = [palette.bad, palette.running, palette.good, palette.cleanup, palette.accent, palette.text];
        Style::new().fg(colors[place % colors.len()])
    }

    /// The look of a meaning for what is drawn with blocks: a reversed block would look as if nothing were there.
    pub fn shape(&self, role: Role) -> Style {
        let mut style = self.style(role);
        style.add_modifier.remove(Modifier::REVERSED);
        style
    }

    /// What is laid over the selected row.
    pub const fn selection(&self) -> Style {
        match (self.name, self.mode) {
            (ThemeName::Mono, _) | (_, ColorMode::Mono) => {
                Style::new().add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM)
            }
            // One colour for the whole row: reversed, each would become a background of its own.
            (_, ColorMode::Sixteen) => {
                Style::new().fg(Color::Reset).add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM)
            }
            (name, mode) => {
                Style::new().bg(palette::of(name, matches!(mode, ColorMode::True)).selected).add_modifier(Modifier::BOLD)
            }
        }
    }

    /// Look, symbol and words of a level.
    pub const fn level(&self, level: Level) -> (Role, &'static str) {
        match level {
            Level::Normal => (Role::Good, self.symbols.under),
            Level::Elevated => (Role::Warn, self.symbols.near),
            Level::High => (Role::Warn, self.symbols.over),
            Level::Critical => (Role::Bad, self.symbols.bad),
        }
    }
}

const fn coloured(palette: &Palette, role: Role) -> Style {
    let style = Style::new();
    match role {
        Role::Text => style.fg(palette.text),
        Role::Strong => style.fg(palette.strong).add_modifier(Modifier::BOLD),
        Role::Dim => style.fg(palette.dim),
        Role::Frame => style.fg(palette.frame),
        Role::Focus => style.fg(palette.focus),
        Role::Accent => style.fg(palette.accent).add_modifier(Modifier::BOLD),
        Role::Good => style.fg(palette.good),
        Role::Warn | Role::Line => style.fg(palette.warn).add_modifier(Modifier::BOLD),
        Role::Bad => style.fg(palette.bad).add_modifier(Modifier::BOLD),
        Role::Running => style.fg(palette.running),
        Role::Cleanup => style.fg(palette.cleanup),
        Role::Urgent => style.fg(palette.bad).add_modifier(Modifier::BOLD).add_modifier(Modifier::REVERSED),
    }
}

/// What the sixteen colours look like is the terminal's to say. Blue is next to unreadable on most dark grounds, and the grey is the
/// ground of some; on a light ground green, yellow and cyan are pale, and weights stand in for them.
const fn sixteen(name: ThemeName, role: Role) -> Style {
    // What a cell showed before it was dim, or its colour, is not to be mixed with what it shows now.
    let style = Style::new().remove_modifier(Modifier::DIM);
    let loud = matches!(name, ThemeName::HighContrast);
    let is_light = matches!(name, ThemeName::Light);
    let blue = if is_light { Color::Blue } else { Color::Cyan };
    match role {
        Role::Text => style,
        Role::Strong => style.add_modifier(Modifier::BOLD),
        Role::Dim | Role::Frame if loud => style,
        Role::Dim | Role::Frame => style.fg(Color::Reset).add_modifier(Modifier::DIM),
        Role::Focus | Role::Running => style.fg(blue),
        Role::Accent => style.fg(blue).add_modifier(Modifier::BOLD),
        Role::Good if is_light => style,
        Role::Good => style.fg(Color::Green),
        Role::Warn | Role::Line if is_light => style.add_modifier(Modifier::BOLD).add_modifier(Modifier::UNDERLINED),
        Role::Warn | Role::Line => style.fg(Color::Yellow).add_modifier(Modifier::BOLD),
        Role::Bad => style.fg(Color::Red).add_modifier(Modifier::BOLD),
        Role::Cleanup => style.fg(Color::Magenta),
        Role::Urgent => style.fg(Color::Red).add_modifier(Modifier::BOLD).add_modifier(Modifier::REVERSED),
    }
}

const fn mono(role: Role) -> Style {
    let style = Style::new();
    match role {
        Role::Text | Role::Good | Role::Running | Role::Cleanup | Role::Line | Role::Focus => style,
        Role::Strong | Role::Accent => style.add_modifier(Modifier::BOLD),
        Role::Dim | Role::Frame => style.add_modifier(Modifier::DIM),
        Role::Warn => style.add_modifier(Modifier::BOLD).add_modifier(Modifier::UNDERLINED),
        Role::Bad | Role::Urgent => style.add_modifier(Modifier::REVERSED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_used_only_where_the_terminal_and_the_operator_allow_them() {
        let auto = ColorChoice::Auto;
        assert_eq!(ColorMode::detect(auto, None, Some("truecolor"), None), ColorMode::True);
        assert_eq!(ColorMode::detect(auto, None, None, Some("xterm-256color")), ColorMode::Indexed);
        assert_eq!(ColorMode::detect(auto, None, None, Some("linux")), ColorMode::Sixteen);
        assert_eq!(ColorMode::detect(auto, Some("1"), Some("truecolor"), None), ColorMode::Mono);
        assert_eq!(ColorMode::detect(auto, Some(""), Some("truecolor"), None), ColorMode::True);
        assert_eq!(ColorMode::detect(ColorChoice::Always, Some("1"), None, None), ColorMode::Sixteen);
        assert_eq!(ColorMode::detect(ColorChoice::Never, None, Some("truecolor"), None), ColorMode::Mono);
        assert_eq!(ColorMode::detect(auto, None, None, Some("dumb")), ColorMode::Mono);
    }

    #[test]
    fn the_monochrome_theme_sets_no_colour() {
        let theme = Theme::new(ThemeName::Dark, ColorMode::Mono, false);
        for role in [Role::Text, Role::Strong, Role::Dim, Role::Frame, Role::Focus, Role::Accent, Role::Good, Role::Warn, Role::Bad]
        {
            let style = theme.style(role);
            assert!(style.fg.is_none() && style.bg.is_none(), "{role:?}");
        }
        assert!(theme.selection().fg.is_none() && theme.selection().bg.is_none());
    }

    #[test]
    fn cycling_through_the_themes_comes_back_to_the_first() {
        let mut theme = Theme::new(ThemeName::Dark, ColorMode::True, true);
        for _ in 0..4 {
            theme = theme.next(ColorMode::True);
            assert!(theme.symbols.ascii);
        }
        assert_eq!(theme.name, ThemeName::Dark);
    }
}
