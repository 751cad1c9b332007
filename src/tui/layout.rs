//! Where everything stands on a screen of a given size. Pure: the drawing, the paging and the mouse all ask here.

use ratatui::layout::{Constraint, Layout as Split, Rect};

/// One of the four panes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pane {
    /// Gauge and chart.
    Memory,
    #[default]
    Queue,
    Cleanups,
    /// The selected job's log.
    Log,
}

impl Pane {
    /// In the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Queue, Self::Cleanups, Self::Log];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "Memory",
            Self::Queue => "Queue",
            Self::Cleanups => "Cleanups",
            Self::Log => "Log",
        }
    }

    /// Its number, from 1.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// At least 100 by 30: four framed panes.
    Full,
    /// At least 60 by 16: memory in four lines.
    Compact,
    /// Less: three lines.
    Tiny,
}

/// Lines of the log on the page of a job that a long reason leaves, its frame included.
const LEAST_LOG: u16 = 4;

/// Some lines, and the rest below them.
fn rows(first: u16) -> Split {
    Split::vertical([Constraint::Length(first), Constraint::Fill(1)])
}

/// Some columns, and the rest beside them.
fn columns(first: u16) -> Split {
    Split::horizontal([Constraint::Length(first), Constraint::Fill(1)])
}

/// Where everything stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How much room there is.
    pub size: Size,
    pub whole: Rect,
    /// The first line.
    pub header: Rect,
    /// The last line.
    pub footer: Rect,
    /// The panes by [`Pane::ALL`], frames included; `None` = not shown.
    pub panes: [Option<Rect>; 4],
    /// On the page of a job: its facts, its memory, its story; all three lie above the log.
    pub job: [Option<Rect>; 3],
}

impl Layout {
    /// The layout of a screen of `width` by `height`, with `zoom` full screen, else `focus` having the keys.
    pub fn new(width: u16, height: u16, focus: Pane, zoom: bool) -> Self {
        let whole = Rect::new(0, 0, width, height);
        let size = match (width, height) {
            (100.., 30..) => Size::Full,
            (60.., 16..) => Size::Compact,
            _ => Size::Tiny,
        };
        if size == Size::Tiny {
            return Self { size, whole, header: Rect::ZERO, footer: Rect::ZERO, panes: [None; 4], job: [None; 3] };
        }
        let [header, body, footer] =
            Split::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(whole);
        let mut panes = [None; 4];
        if zoom {
            panes[focus as usize] = Some(body);
        } else if size == Size::Full {
            let [top, bottom] = rows(body.height * 56 / 100).areas(body);
            let columns = columns((width * 38 / 100).clamp(46, 76));
            let ([memory, queue], [cleanups, log]) = (columns.areas(top), columns.areas(bottom));
            panes = [memory, queue, cleanups, log].map(Some);
        } else {
            let [memory, rest] = rows(4).areas(body);
            panes[Pane::Memory as usize] = Some(memory);
            if rest.height < 14 {
                let shown = if focus == Pane::Memory { Pane::Queue } else { focus };
                panes[shown as usize] = Some(rest);
            } else {
                let [queue, bottom] = rows(rest.height - (rest.height * 45 / 100).clamp(7, 14)).areas(rest);
                let [cleanups, log] = columns((width * 36 / 100).clamp(29, 46)).areas(bottom);
                panes = [memory, queue, cleanups, log].map(Some);
            }
        }
        Self { size, whole, header, footer, panes, job: [None; 3] }
    }

    /// What lies between the header and the footer.
    pub const fn body(&self) -> Rect {
        Rect { x: self.whole.x, y: 1, width: self.whole.width, height: self.whole.height.saturating_sub(2) }
    }

    /// The layout of a job's page; with `zoom` its log has all of it. The facts have `more` lines than usual, as far as a few
    /// lines of the log stay.
    pub fn job(width: u16, height: u16, zoom: bool, more: u16) -> Self {
        let mut layout = Self::new(width, height, Pane::Log, zoom);
        if layout.size == Size::Tiny || zoom {
            return layout;
        }
        let body = layout.body();
        let facts = match body.height {
            0..18 => 7,
            18..26 => 9,
            _ => 12,
        };
        let facts = (facts + more).min(body.height.saturating_sub(LEAST_LOG)).max(facts);
        let middle = match body.height.saturating_sub(facts) {
            0..13 => 0,
            rest => (rest * 42 / 100).clamp(6, 16),
        };
        let [facts, middle, log] =
            Split::vertical([Constraint::Length(facts), Constraint::Length(middle), Constraint::Fill(1)]).areas(body);
        layout.panes = [None, None, None, Some(log)];
        layout.job[0] = Some(facts);
        if !middle.is_empty() {
            let [memory, story] = columns(width / 2).areas(middle);
            layout.job[1] = Some(memory);
            layout.job[2] = Some(story);
        }
        layout
    }

    /// The layout of a job's page with its facts opened: they have all of it.
    pub fn facts(width: u16, height: u16) -> Self {
        let mut layout = Self::new(width, height, Pane::Log, false);
        if layout.size != Size::Tiny {
            layout.panes = [None; 4];
            layout.job[0] = Some(layout.body());
        }
        layout
    }

    /// Where a pane stands, if it is shown.
    pub const fn pane(&self, pane: Pane) -> Option<Rect> {
        self.panes[pane as usize]
    }

    /// Lines that a pane has for its rows, without frame and column heads.
    pub fn rows(&self, pane: Pane) -> usize {
        let frame = if matches!(pane, Pane::Log | Pane::Memory) { 2 } else { 3 };
        self.pane(pane).map_or(0, |area| usize::from(area.height.saturating_sub(frame)))
    }

    /// The pane under a cell.
    pub fn pane_at(&self, x: u16, y: u16) -> Option<Pane> {
        Pane::ALL.into_iter().find(|pane| self.pane(*pane).is_some_and(|area| area.contains((x, y).into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Around every size at which something changes.
    const WIDTHS: [u16; 14] = [0, 1, 2, 3, 10, 46, 59, 60, 61, 99, 100, 101, 200, 300];
    const HEIGHTS: [u16; 16] = [0, 1, 2, 3, 5, 10, 15, 16, 17, 20, 21, 29, 30, 31, 60, 100];

    #[test]
    fn panes_stay_within_the_screen_at_every_size() {
        for width in WIDTHS {
            for height in HEIGHTS {
                for (focus, zoom) in [(Pane::Queue, false), (Pane::Log, true), (Pane::Memory, true), (Pane::Memory, false)] {
                    let layout = Layout::new(width, height, focus, zoom);
                    for pane in layout.panes.iter().flatten().chain([&layout.header, &layout.footer]) {
                        assert!(pane.right() <= width && pane.bottom() <= height, "{width}x{height} {pane:?}");
                    }
                }
                let job = Layout::job(width, height, false, width % 40);
                for pane in job.panes.iter().chain(&job.job).flatten() {
                    assert!(pane.right() <= width && pane.bottom() <= height, "{width}x{height} {pane:?}");
                }
            }
        }
    }
}
