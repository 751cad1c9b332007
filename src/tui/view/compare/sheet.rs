//! One comparison as a sheet of lines: figures side by side, the guide's words, the curves, and below them what else is to be
//! known. The sheet is as long as it is; what is seen of it is a matter of scrolling.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, Widget as _};
use unicode_width::UnicodeWidthStr as _;

use crate::domain::comparison::saved::SavedComparison;
use crate::domain::comparison::{Figure, RunFigures, Verdict};
use crate::domain::units::Bytes;
use crate::tui::app::App;
use crate::tui::pages::scroll::Scroll;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::compare::curves::{self, Run};
use crate::tui::view::compare::figures::{self, FigureText, Seen};
use crate::tui::view::text::{bar, fit, left, wrap};

/// Columns of the screen for the names of the rows.
pub const LABEL: u16 = 17;
/// Least width of a column of the comparison.
const NARROWEST: u16 = 20;
/// A wider one would have nothing more to say.
const WIDEST: u16 = 44;
/// From this width on a column tells how far its runs lie apart.
const ROOM_FOR_SPREAD: u16 = 36;
/// Width of a figure, without and with its spread.
const FIGURE: u16 = 13;
const FIGURE_AND_SPREAD: u16 = 25;
/// From this width of the sheet on it is said in words what is seen of it.
const ROOM_FOR_WORDS: u16 = 76;
/// Least height of the curves with their axes.
const CHART: u16 = 8;
/// From this height on there is room for every row above the curves.
const ROOMY: u16 = 26;
/// More lines than this nobody reads, and no comparison of ours has.
const MOST_LINES: usize = 1000;

/// What matters most, in the order of the reports.
const FIRST: [Figure; 12] = [
    Figure::PeakMemoryBytes,
    Figure::SecondsOverHighWater,
    Figure::Seconds,
    Figure::Throughput,
    Figure::Done,
    Figure::TooLarge,
    Figure::NeverFits,
    Figure::NotAccepted,
    Figure::OomKills,
    Figure::OutOfMemory,
    Figure::Failed,
    Figure::Unfinished,
];
/// What is told above the curves where there is room, else below.
const SECOND: [Figure; 6] =
    [Figure::PeakUsageBytes, Figure::CpuSeconds, Figure::MostAtOnce, Figure::Holds, Figure::Stops, Figure::Requeues];

/// A part of the sheet, one line high unless it says otherwise.
enum Block {
    Figure(Figure),
    Cleanups,
    GuideWords,
    GuideVerdicts,
    Blank,
    Chart(u16),
    Text(u16, String, Role),
}

impl Block {
    const fn height(&self) -> u16 {
        match self {
            Self::Chart(height) => *height,
            _ => 1,
        }
    }
}

pub struct Sheet<'a> {
    theme: &'a Theme,
    kept: &'a SavedComparison,
    columns: Vec<Seen<'a>>,
    verdicts: Vec<Verdict>,
    /// Name of the profile in use in this console.
    in_use: Option<&'a str>,
    first: usize,
    shown: usize,
    wide: u16,
    blocks: Vec<Block>,
}

/// For how many of `all` columns there is room.
fn room_for(all: usize, width: u16) -> usize {
    usize::from(width.saturating_sub(LABEL) / NARROWEST).clamp(1, all.max(1)).min(all)
}

/// All runs, the one under way among them.
pub fn all_runs(kept: &SavedComparison) -> impl Iterator<Item = &RunFigures> {
    let live = kept.progress.run.as_ref().map(|now| &now.figures);
    kept.comparison.columns.iter().flat_map(|column| &column.runs).chain(live)
}

/// The load line and the budget of these runs, where all that know theirs have the same.
pub fn same_bounds<'r>(runs: impl Iterator<Item = &'r RunFigures>) -> Option<(Bytes, Bytes)> {
    let mut bounds = runs.filter(|run| run.budget_bytes > Bytes::ZERO).map(|run| (run.high_water_bytes, run.budget_bytes));
    let first = bounds.next()?;
    bounds.all(|other| other == first).then_some(first)
}

fn letter(place: usize) -> char {
    u8::try_from(place).ok().filter(|place| *place < 26).map_or('?', |place| (b'A' + place).into())
}

impl<'a> Sheet<'a> {
    /// The sheet of a comparison from this column on, for a room of this size.
    pub fn new(app: &'a App, kept: &'a SavedComparison, first: &Scroll, room: Rect) -> Self {
        let now = kept.progress.run.as_ref();
        let live_at = now.and_then(|now| kept.column_of(&now.run));
        let columns: Vec<Seen<'a>> = kept
            .comparison
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| Seen { column, live: now.map(|now| &now.figures).filter(|_| live_at == Some(at)) })
            .collect();
        let shown = room_for(columns.len(), room.width);
        let first = first.seen(columns.len(), shown);
        let wide = (room.width.saturating_sub(LABEL) / (shown.max(1) as u16)).min(WIDEST);
        let in_use = app.shown().profile.as_ref().filter(|_| !app.compares()).map(|profile| profile.name.as_str());
        let verdicts = kept.comparison.verdicts();
        let mut sheet = Self { theme: app.theme(), kept, columns, verdicts, in_use, first, shown, wide, blocks: Vec::new() };
        sheet.blocks = sheet.lay_out(room);
        sheet
    }

    fn lay_out(&self, room: Rect) -> Vec<Block> {
        let is_seen = |figure: &Figure| {
            !figure.is_rare() || self.columns.iter().any(|seen| seen.spread(*figure).is_some_and(|spread| spread.max > 0.0))
        };
        let rows = |figures: &'static [Figure]| figures.iter().copied().filter(is_seen);
        let is_roomy = room.height >= ROOMY;
        let mut blocks = Vec::new();
        for figure in rows(&FIRST) {
            // As they stand in the reports: before what was lost.
            if figure == Figure::OomKills {
                blocks.push(Block::Cleanups);
            }
            blocks.push(Block::Figure(figure));
        }
        if is_roomy {
            blocks.extend(rows(&SECOND).map(Block::Figure));
        }
        blocks.extend([Block::GuideWords, Block::GuideVerdicts]);
        if is_roomy {
            blocks.push(Block::Blank);
        }
        blocks.push(Block::Chart(room.height.saturating_sub(blocks.len() as u16).max(CHART)));
        if !is_roomy {
            blocks.extend(rows(&SECOND).map(Block::Figure));
        }
        let width = room.width.saturating_sub(2);
        blocks.extend(self.notes(width).into_iter().take(MOST_LINES));
        blocks
    }

    /// What stands below: the verdicts with their reasons, and what a reader has to know.
    fn notes(&self, width: u16) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut say = |text: &str, role: Role| {
            for (at, line) in wrap(text, usize::from(width.saturating_sub(2))).into_iter().enumerate() {
                blocks.push(Block::Text(if at == 0 { 0 } else { 2 }, line, role));
            }
        };
        if !self.verdicts.is_empty() {
            say(" ", Role::Dim);
            say("What the table says, and what was measured", Role::Strong);
            for verdict in &self.verdicts {
                let word = if verdict.word.is_empty() { "no word" } else { &verdict.word };
                let (symbol, role) = self.agreement(verdict.agrees);
                let (profile, aspect) = (&verdict.profile, verdict.aspect.label());
                say(&format!("{symbol} {profile}, {aspect}: {word} {}: {}", verdict.label(), verdict.measured), role);
            }
        }
        let (comparison, subject) = (&self.kept.comparison, &self.kept.subject);
        say(" ", Role::Dim);
        say("How it was made", Role::Strong);
        let same = comparison.same_bytes();
        for trouble in comparison.troubles() {
            say(&trouble, Role::Warn);
        }
        say(&comparison.same_bytes_line(), if same.differing.is_empty() { Role::Text } else { Role::Bad });
        for place in comparison.place() {
            say(&place, Role::Text);
        }
        for remark in comparison.remarks() {
            say(&remark, Role::Text);
        }
        if !subject.paths.is_empty() {
            say(&format!("compared: {}", subject.paths.join(", ")), Role::Dim);
        }
        say(&format!("begun {}, plimsoll {}", subject.at, subject.version), Role::Dim);
        blocks
    }

    fn agreement(&self, agrees: Option<bool>) -> (&'static str, Role) {
        let symbols = self.theme.symbols;
        match agrees {
            Some(true) => (symbols.done, Role::Text),
            Some(false) => (symbols.bad, Role::Warn),
            None => (symbols.minus, Role::Dim),
        }
    }

    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.blocks.iter().map(|block| usize::from(block.height())).sum()
    }

    /// Which columns and lines are seen, where that is not all: `columns A-C of 6, lines 1-20 of 31`.
    pub fn seen(&self, scroll: usize, room: Rect) -> String {
        let is_roomy = room.width >= ROOM_FOR_WORDS;
        let word = |word: &'static str| if is_roomy { word } else { "" };
        let mut seen = Vec::new();
        let (all, last) = (self.columns.len(), (self.first + self.shown).saturating_sub(1));
        if self.shown < all {
            seen.push(format!("{}{}-{} of {all}", word("columns "), letter(self.first), letter(last)));
        }
        let (lines, height) = (self.lines(), usize::from(room.height));
        if lines > height {
            seen.push(format!("{}{}-{} of {lines}", word("lines "), scroll + 1, scroll + height));
        }
        seen.join(", ")
    }

    /// Each column that is shown, by its place among all.
    fn places(&self) -> impl Iterator<Item = (usize, Seen<'a>)> + '_ {
        self.columns.iter().copied().enumerate().skip(self.first).take(self.shown)
    }

    /// Columns of the screen that a cell has.
    const fn room(&self) -> u16 {
        self.wide.saturating_sub(1)
    }

    /// Draws the columns' names and what is seen of it from line `scroll` on.
    pub fn draw(&self, scroll: usize, area: Rect, buf: &mut Buffer) {
        let room = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        let mut rows = Vec::new();
        let (mut at, mut chart) = (0_usize, None);
        for block in &self.blocks {
            if let Block::Chart(height) = block {
                chart = Some((*height, at as i64 - scroll as i64));
            }
            for line in at..at + usize::from(block.height()) {
                if (scroll..scroll + usize::from(room.height)).contains(&line) {
                    rows.push(self.row(block));
                }
            }
            at += usize::from(block.height());
        }
        // What spans all of the columns has the room behind the last one too.
        let columns = [LABEL].into_iter().chain((0..self.shown).map(|_| self.wide)).map(Constraint::Length);
        let heads = [Cell::new("")].into_iter().chain(self.places().map(|(at, seen)| self.head(at, seen).into()));
        Table::new(rows, columns.chain([Constraint::Fill(1)])).header(Row::new(heads)).column_spacing(0).render(area, buf);
        if let Some((height, top)) = chart {
            self.draw_chart(height, top, room, buf);
        }
    }

    /// Letter, profile and name of a column.
    fn head(&self, at: usize, seen: Seen<'a>) -> Line<'a> {
        let (theme, column) = (self.theme, seen.column);
        let letter = Span::styled(letter(at).to_string(), theme.curve(at).add_modifier(Modifier::BOLD));
        let mut line = Line::from(vec![letter, " ".into()]);
        if seen.live.is_some() {
            line.spans.extend([theme.span(theme.symbols.run, Role::Running), " ".into()]);
        }
        line.spans.extend([theme.span(&column.short, Role::Strong), " ".into()]);
        let name = column.name();
        let in_use = column.governor && self.in_use == Some(column.profile.as_str());
        let room = left(&line, self.room());
        let words = format!("{name}, in use now");
        let words = if in_use && words.len() <= room { words } else { name };
        line.push_span(theme.span(fit(&words, room, theme.symbols).into_owned(), if in_use { Role::Accent } else { Role::Dim }));
        line
    }

    /// The curves may begin above the area and end below it: they are drawn aside, and what is seen of them is taken over.
    fn draw_chart(&self, height: u16, top: i64, area: Rect, buf: &mut Buffer) {
        let runs: Vec<Run<'_>> = self
            .places()
            .filter_map(|(at, seen)| {
                let run = seen.run().filter(|run| !run.curve.is_empty())?;
                let ends = ends(letter(at), seen, run);
                Some(Run { place: at, letter: letter(at), points: &run.curve, ends, is_bad: run.oom_kills > 0 })
            })
            .collect();
        // The chart has one line: where those of the columns differ it would be wrong for some, and the notes tell each.
        let of_shown = || same_bounds(self.places().filter_map(|(_, seen)| seen.run()));
        let (line, budget) = same_bounds(all_runs(self.kept)).or_else(of_shown).unwrap_or_default();
        let mut aside = Buffer::empty(Rect::new(0, 0, area.width, height));
        let is_empty = runs.is_empty();
        curves::chart(self.theme, runs, line, budget).render(aside.area, &mut aside);
        if is_empty {
            let middle = Rect { x: 0, y: height / 2 - 1, width: area.width, height: 1 };
            Line::from(self.theme.span("no curve yet", Role::Dim)).centered().render(middle, &mut aside);
        }
        for y in 0..height {
            let row = top + i64::from(y);
            if (0..i64::from(area.height)).contains(&row) {
                for x in 0..area.width {
                    buf[(area.x + x, area.y + row as u16)] = aside[(x, y)].clone();
                }
            }
        }
    }

    fn row(&self, block: &Block) -> Row<'a> {
        let theme = self.theme;
        let row = |label: &str, cells: Vec<Line<'a>>| {
            let label = theme.span(fit(label, usize::from(LABEL) - 1, theme.symbols).into_owned(), Role::Dim);
            Row::new([Line::from(label)].into_iter().chain(cells))
        };
        let fitting = |text: &str, role| Line::from(theme.span(fit(text, self.room().into(), theme.symbols).into_owned(), role));
        match block {
            Block::Figure(figure) => {
                let name = match figure {
                    Figure::Done => format!("done / of {}", self.kept.subject.inputs),
                    _ => figure.label().to_owned(),
                };
                row(&name, self.cells(|seen| figures::said(theme, seen, *figure)))
            }
            Block::Cleanups => {
                let both = |seen| {
                    let count = figures::said(theme, seen, Figure::Cleanups)?;
                    let freed = figures::said(theme, seen, Figure::FreedBytes)?;
                    Some(FigureText { text: format!("{} / {}", count.text, freed.text), apart: String::new(), ..count })
                };
                row("cleanups / freed", self.cells(both))
            }
            Block::GuideWords => {
                let words = self.places().map(|(_, seen)| {
                    let guide = &seen.column.guide;
                    let words = [&guide.memory, &guide.speed, &guide.reliability].map(String::as_str);
                    let mut text = words.join(" / ");
                    if text.chars().count() > usize::from(self.room()) {
                        text = words.join("/");
                    }
                    let has_words = seen.column.governor && words.iter().any(|word| !word.is_empty());
                    if has_words { fitting(&text, Role::Text) } else { fitting("-", Role::Dim) }
                });
                row("the table says", words.collect())
            }
            Block::GuideVerdicts => {
                let verdicts = self.places().map(|(_, seen)| {
                    let (text, role) = self.verdict(seen, self.room().into());
                    fitting(&text, role)
                });
                row("measured", verdicts.collect())
            }
            Block::Text(indent, text, role) => {
                let indent = " ".repeat(usize::from(*indent) + 1);
                let line = Line::from(vec![indent.into(), theme.span(text.clone(), *role)]);
                Row::new([Cell::from(line).column_span(self.shown as u16 + 2)])
            }
            Block::Blank | Block::Chart(_) => Row::new([""]),
        }
    }

    /// Whether the words agree with what was measured, in as many words as there is room for.
    fn verdict(&self, seen: Seen<'_>, room: usize) -> (String, Role) {
        let column = seen.column;
        let of: Vec<&Verdict> =
            self.verdicts.iter().filter(|verdict| column.governor && verdict.profile == column.profile).collect();
        if of.is_empty() {
            return ("-".to_owned(), Role::Dim);
        }
        let against: Vec<&str> =
            of.iter().filter(|verdict| verdict.agrees == Some(false)).map(|verdict| verdict.aspect.label()).collect();
        let judged = of.iter().filter(|verdict| verdict.agrees.is_some()).count();
        let (good, bad) = (self.theme.symbols.done, self.theme.symbols.bad);
        match (judged, &against[..]) {
            (0, _) => ("nothing to compare".to_owned(), Role::Dim),
            (_, []) => (format!("{good} agrees"), Role::Good),
            (_, against) => {
                let names = against.join(", ");
                let verb = if against.len() == 1 { "does" } else { "do" };
                let long = format!("{bad} {names} {verb} not agree");
                let short = format!("{bad} not {names}");
                let shortest = format!("{bad} {} of {} do not", against.len(), of.len());
                let fitting = [long, short].into_iter().find(|text| text.chars().count() <= room);
                (fitting.unwrap_or(shortest), Role::Warn)
            }
        }
    }

    /// A figure of every column that is shown, with a bar that is longest where the figure is highest.
    fn cells(&self, said: impl Fn(Seen<'a>) -> Option<FigureText>) -> Vec<Line<'a>> {
        let theme = self.theme;
        let all: Vec<Option<FigureText>> = self.columns.iter().map(|seen| said(*seen)).collect();
        let most = all.iter().flatten().map(|said| said.value).fold(0.0, f64::max);
        let tells_spread = self.kept.comparison.rounds > 1 && self.wide >= ROOM_FOR_SPREAD;
        let figure = if tells_spread { FIGURE_AND_SPREAD } else { FIGURE }.min(self.room());
        let rest = self.room() - figure;
        let text = |text: &str, role| {
            let text = fit(text, figure.into(), theme.symbols);
            let free = usize::from(figure).saturating_sub(text.width());
            [theme.span(text.into_owned(), role), " ".repeat(free).into()]
        };
        let cell = |(at, seen): (usize, Seen<'a>)| {
            let Some(said) = &all[at] else {
                let [figure, free] = text("-", Role::Dim);
                return Line::from(vec![figure, free, theme.span(theme.symbols.empty.repeat(rest.into()), Role::Dim)]);
            };
            let is_so_far = seen.column.runs.is_empty();
            let plain = if is_so_far { Role::Running } else { Role::Text };
            let (role, of_bar) = if said.role == Role::Text { (plain, Role::Running) } else { (said.role, said.role) };
            let words =
                if tells_spread && !said.apart.is_empty() { format!("{} {}", said.text, said.apart) } else { said.text.clone() };
            let ratio = if most > 0.0 { (said.value / most).clamp(0.0, 1.0) } else { 0.0 };
            text(&words, role).into_iter().chain(bar(theme, ratio, rest, of_bar)).collect()
        };
        self.places().map(cell).collect()
    }

    /// Draws a line for each column, from line `scroll` on.
    pub fn draw_tiny(&self, scroll: usize, area: Rect, buf: &mut Buffer) {
        let theme = self.theme;
        let first = scroll;
        let line = |(at, seen): (usize, &Seen<'a>)| {
            let letter = Span::styled(letter(at).to_string(), theme.curve(at).add_modifier(Modifier::BOLD));
            let mut line = Line::from(vec![letter, theme.span(format!(" {}", seen.column.name()), Role::Dim)]);
            for figure in [Figure::PeakMemoryBytes, Figure::Seconds, Figure::Done] {
                let unit = if figure == Figure::Done { " done" } else { "" };
                let said = figures::said(theme, *seen, figure);
                let span = |said: FigureText| theme.span(format!("{}{unit}", said.text), said.role);
                line.spans.extend([" ".into(), said.map_or_else(|| theme.span("-", Role::Dim), span)]);
            }
            line
        };
        let lines = self.columns.iter().enumerate().skip(first).take(area.height.into()).map(line);
        Paragraph::new(lines.collect::<Vec<_>>()).render(area, buf);
    }
}

/// What stands at the end of a curve: `A ends 11 min 20 s, 2 OOM kills`.
fn ends(letter: char, seen: Seen<'_>, run: &RunFigures) -> String {
    if seen.live.is_some() {
        return format!("{letter} now");
    }
    let kills = match run.oom_kills {
        0 => String::new(),
        1 => ", 1 OOM kill".to_owned(),
        kills => format!(", {kills} OOM kills"),
    };
    format!("{letter} ends {}{kills}", figures::text(Figure::Seconds, run.seconds))
}
