//! Where everything stands on a screen of a given size. Pure: the drawing, the paging and the mouse all ask here.

use ratatui::layout::Rect;

/// One of the four panes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pane {
    /// Gauge and chart.
    Memory,
    /// The jobs.
    #[default]
    Queue,
    /// The cleanups.
    Cleanups,
    /// The selected job's log.
    Log,
}

impl Pane {
    /// In the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Queue, Self::Cleanups, Self::Log];

    /// Its name.
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

/// Where everything stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How much room there is.
    pub size: Size,
    /// All of it.
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
        let header = Rect { height: 1, ..whole };
        let footer = Rect { y: height - 1, height: 1, ..whole };
        let body = Rect { y: 1, height: height - 2, ..whole };
        let mut panes = [None; 4];
        if zoom {
            panes[focus as usize] = Some(body);
        } else if size == Size::Full {
            let left = (width * 38 / 100).clamp(46, 76);
            let top = body.height * 56 / 100;
            let bottom = body.height - top;
            panes[0] = Some(Rect::new(0, 1, left, top));
            panes[1] = Some(Rect::new(left, 1, width - left, top));
            panes[2] = Some(Rect::new(0, 1 + top, left, bottom));
            panes[3] = Some(Rect::new(left, 1 + top, width - left, bottom));
        } else {
            panes[0] = Some(Rect { height: 4, ..body });
            let rest = Rect { y: 5, height: body.height - 4, ..body };
            if rest.height < 14 {
                let shown = if focus == Pane::Memory { Pane::Queue } else { focus };
                panes[shown as usize] = Some(rest);
            } else {
                let bottom = (rest.height * 45 / 100).clamp(7, 14);
                let left = (width * 36 / 100).clamp(29, 46);
                let top = rest.height - bottom;
                panes[1] = Some(Rect { height: top, ..rest });
                panes[2] = Some(Rect::new(0, rest.y + top, left, bottom));
                panes[3] = Some(Rect::new(left, rest.y + top, width - left, bottom));
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
        layout.panes = [None; 4];
        layout.panes[Pane::Log as usize] = Some(Rect { y: body.y + facts + middle, height: body.height - facts - middle, ..body });
        layout.job[0] = Some(Rect { height: facts, ..body });
        if middle > 0 {
            let left = width / 2;
            let row = Rect { y: body.y + facts, height: middle, ..body };
            layout.job[1] = Some(Rect { width: left, ..row });
            layout.job[2] = Some(Rect { x: left, width: width - left, ..row });
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

    #[test]
    fn panes_stay_within_the_screen_at_every_size() {
        for width in 0..=300 {
            for height in 0..=100 {
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
