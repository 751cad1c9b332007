//! What the keys of the dashboard's table do where the console now is: on its pages, in a replay, over a comparison. The help
//! page and the footer say so in these words.

use crate::tui::app::App;
use crate::tui::input::action::Act;
use crate::tui::input::keymap::{Binding, KeyMode, TABLE};
use crate::tui::pages::Page;

/// Hints of the dashboard in a replay.
pub const REPLAY_HINTS: &[(Act, &str)] = &[
    (Act::Help, "help"),
    (Act::PauseJob, "stand still"),
    (Act::MoveFirst, "10 s back"),
    (Act::MoveLast, "on"),
    (Act::Later, "slower"),
    (Act::Sooner, "faster"),
    (Act::Enter, "open job"),
    (Act::Events, "events"),
    (Act::Filter, "filter"),
    (Act::Freeze, "freeze"),
    (Act::Quit, "quit"),
];

/// Hints of the dashboard while the console shows a run of a comparison.
pub const COMPARISON_HINTS: &[(Act, &str)] = &[
    (Act::Help, "help"),
    (Act::Compare, "the comparison"),
    (Act::Enter, "open job"),
    (Act::Events, "events"),
    (Act::Filter, "filter"),
    (Act::Freeze, "freeze"),
    (Act::CommandLine, "command"),
    (Act::Quit, "quit"),
];

impl App {
    /// What a row of the table does here, in the words of the help page; `None` = nothing.
    pub fn meaning(&self, binding: &Binding) -> Option<&'static str> {
        if binding.mode != KeyMode::Normal {
            return Some(binding.help);
        }
        let here = self.meaning_on_page(binding.act, binding.help)?;
        if self.is_replay() {
            return in_replay(binding.act, here).filter(|_| !self.begins_a_comparison(binding.act));
        }
        // Of a view the server takes no examination either: it takes the machine's time.
        let is_refused = self.why_only_looks().is_some() && (changes_the_run(binding.act) || binding.act.is_about_jobs())
            || self.is_view() && (binding.act == Act::Doctor || self.begins_a_comparison(binding.act));
        (!is_refused).then_some(here)
    }

    /// Why nothing that is shown can be changed from here; `None` = it can.
    pub(in crate::tui) fn why_only_looks(&self) -> Option<&'static str> {
        if self.is_replay() {
            Some("this is a replay, nothing is run")
        } else if self.compares() {
            Some("this is a run of a comparison, which nobody changes on the way")
        } else if self.is_view() {
            Some("this is a window to look through; plimsoll attach without --view gives one that can change things")
        } else {
            None
        }
    }

    /// Says that nothing can be changed from here, and why; false = it can.
    pub(in crate::tui) fn refuses_changes(&mut self) -> bool {
        let Some(what) = self.why_only_looks() else { return false };
        self.note(format!("{what}; {} tells the keys that work here", self.key_label(Act::Help)));
        true
    }

    /// On the page of comparisons: it begins one of what waits.
    fn begins_a_comparison(&self, act: Act) -> bool {
        self.page() == Page::Compare && act == Act::NextMatch
    }

    /// The same by the action.
    pub(in crate::tui) fn means_something(&self, act: Act) -> bool {
        let mut rows = TABLE.iter().filter(|binding| binding.mode == KeyMode::Normal && binding.act == act);
        rows.next().is_none_or(|binding| self.meaning(binding).is_some())
    }

    fn meaning_on_page(&self, act: Act, usual: &'static str) -> Option<&'static str> {
        let is_of_panes = matches!(
            act,
            Act::ChartBack
                | Act::ChartForward
                | Act::ChartShorter
                | Act::ChartLonger
                | Act::NextPane
                | Act::PrevPane
                | Act::Enter
                | Act::Mark
                | Act::MarkRange
                | Act::MarkAll
                | Act::Sort
        );
        let is_of_the_log = matches!(
            act,
            Act::Follow
                | Act::Wrap
                | Act::WholeLog
                | Act::CopyLog
                | Act::CopyLine
                | Act::NextMatch
                | Act::PrevMatch
                | Act::Zoom
                | Act::Filter
        );
        let list = self.compare_page().open.is_none();
        match (self.page(), act) {
            (_, Act::Watched) if self.is_view() && self.page() != Page::Watched => Some("watched folders"),
            (Page::Dashboard, _) => Some(usual),
            (Page::Job, Act::NextPane | Act::PrevPane) => Some("next, previous job"),
            (Page::Job, Act::Enter) => Some("all facts of the job"),
            (Page::Job, Act::Filter) => Some("find in the log"),
            (Page::Job, Act::Zoom) => Some("the log full screen"),
            (Page::Job, _) => (!is_of_panes).then_some(usual),
            (Page::Events, Act::Enter) => Some("open the event's job"),
            (Page::Events, Act::Filter) => Some("filter events"),
            (Page::Events, Act::CopyLine) => Some("copy the event"),
            (Page::Events, Act::Events) | (Page::Compare, Act::Compare) if list => Some("close the page"),
            (Page::Watched, Act::Watched) => Some("close the page"),
            (Page::Watched, Act::Doctor) => Some("what doctor finds"),
            (Page::Doctor, Act::Watched) => Some("watched folders"),
            (Page::Doctor, Act::Doctor) => Some("look again"),
            (Page::Compare, Act::Enter) => list.then_some("open the comparison"),
            (Page::Compare, Act::NextMatch) => Some("compare what waits"),
            (Page::Compare, Act::Compare) => Some("all comparisons"),
            (Page::Compare, Act::NextPane | Act::PrevPane | Act::ChartBack | Act::ChartForward) => {
                (!list).then_some("next, previous columns")
            }
            (Page::Compare, Act::Cancel) => self.is_comparing().then_some("end the one under way"),
            // In a replay they are about the playing.
            (_, act) if act.is_about_jobs() => self.is_replay().then_some(usual),
            _ => (!is_of_panes && !is_of_the_log).then_some(usual),
        }
    }
}

/// It asks for something that the run of a comparison, or a recording, does not take.
const fn changes_the_run(act: Act) -> bool {
    matches!(
        act,
        Act::Add
            | Act::HoldQueue
            | Act::Drain
            | Act::CleanNow
            | Act::CompareQueue
            | Act::WhatIf
            | Act::Profiles
            | Act::Mark
            | Act::MarkRange
            | Act::MarkAll
    )
}

fn in_replay(act: Act, usual: &'static str) -> Option<&'static str> {
    match act {
        Act::PauseJob | Act::HoldQueue => Some("stand still, play on"),
        Act::Later | Act::Sooner => Some("play slower, faster"),
        Act::MoveFirst | Act::MoveLast => Some("10 s back, 10 s on"),
        act => (!changes_the_run(act) && !act.is_about_jobs()).then_some(usual),
    }
}
