//! What if: the ways to run the queue as it is now, what is to be expected of each, and which one is chosen.
//!
//! Knows what is asked for and what came of it. How a look ahead is made it does not know.

use crate::domain::plan::{Change, Plan, Way};
use crate::domain::profile::Profile;
use crate::domain::state::State;
use crate::runtime::link::{LookStep, QueueNow};
use crate::tui::input::action::Look;
use crate::tui::pages::scroll::Scroll;

/// Jobs that are looked at; of those beyond only the number is told.
pub const MOST_JOBS: usize = 200;

/// What has become of the latest look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Looking {
    /// None is under way.
    #[default]
    No,
    /// It was asked for.
    Asked,
    /// It is so far.
    At(LookStep),
}

/// The looks ahead of one console.
#[derive(Debug, Clone, Default)]
pub struct WhatIf {
    /// The number of the latest look; they rise from 1.
    number: u64,
    /// What has become of it.
    pub looking: Looking,
    /// How much of the queue had ended, and how much had not, when it was asked for.
    asked_at: Option<(u64, u64)>,
    /// What the last one that was answered since the popup was opened has found.
    pub plan: Option<Result<Plan, String>>,
    pub row: usize,
    /// The operator has chosen it.
    is_chosen: bool,
    /// What the plan rests on is shown instead.
    pub explains: bool,
    /// Lines of that scrolled.
    pub scroll: Scroll,
    /// A profile is being kept.
    pub(in crate::tui) saving: bool,
    /// Names of profiles that were used and stand in no file that is known: they may be kept under those.
    pub(in crate::tui) unkept: Vec<String>,
}

impl WhatIf {
    /// A look is under way.
    pub const fn looks(&self) -> bool {
        !matches!(self.looking, Looking::No)
    }

    /// The plan of the last look that was answered, if it has found one.
    pub fn found(&self) -> Option<&Plan> {
        self.plan.as_ref()?.as_ref().ok()
    }

    pub fn way(&self) -> Option<&Way> {
        self.found()?.ways.get(self.row)
    }

    /// It is opened: what is advised is chosen, and what was found of an earlier queue is shown no more.
    pub fn open(&mut self) {
        (self.explains, self.is_chosen, self.plan) = (false, false, None);
        self.scroll.reset();
    }

    /// What the plan rests on is shown instead of the ways, or these again.
    pub fn toggle_explain(&mut self) {
        self.explains = !self.explains;
        self.scroll.reset();
    }

    /// What to look up to foretell how the queue would run in other ways; nothing while none is known.
    pub(in crate::tui) fn look(&mut self, state: &State, profiles: &[Profile]) -> Option<Look> {
        let Some(queue) = QueueNow::of(state, profiles, MOST_JOBS) else {
            self.plan = Some(Err("nothing is known of the queue yet".to_owned()));
            return None;
        };
        self.number += 1;
        self.asked_at = Some(progress_of(state));
        // Why nothing could be foretold may hold no longer.
        self.plan.take_if(|plan| plan.is_err());
        self.looking = Looking::Asked;
        Some(Look::Ahead(self.number, Box::new(queue)))
    }

    /// What was found is of a queue to which jobs have come since, or of which jobs have ended.
    pub fn is_outdated(&self, state: &State) -> bool {
        self.plan.is_some() && self.asked_at != Some(progress_of(state))
    }

    /// The look under way is given up. Returns whether there was one.
    pub fn look_away(&mut self) -> bool {
        std::mem::take(&mut self.looking) != Looking::No
    }

    /// How far the look of this number is.
    pub const fn looked_so_far(&mut self, number: u64, step: LookStep) {
        if self.looks() && number == self.number {
            self.looking = Looking::At(step);
        }
    }

    /// What the look of this number has found. One that was given up has nothing to say.
    pub fn looked(&mut self, number: u64, plan: Result<Plan, String>) {
        if !self.looks() || number != self.number {
            return;
        }
        self.looking = Looking::No;
        let chosen = self.way().map(|way| way.forecast.name.clone()).filter(|_| self.is_chosen);
        let row_of = |plan: &Plan, name: &str| plan.ways.iter().position(|way| way.forecast.name == name);
        // The way that is advised, until another one is chosen.
        self.row = plan.as_ref().ok().map_or(0, |plan| {
            let best = plan.best().map(|way| way.forecast.name.as_str());
            chosen.as_deref().or(best).and_then(|name| row_of(plan, name)).unwrap_or(0)
        });
        self.plan = Some(plan);
    }

    /// Chooses another way, or scrolls what is explained.
    pub fn scroll(&mut self, by: i64) {
        if self.explains {
            self.scroll.by(by);
        } else if let Some(plan) = self.found() {
            let most = plan.ways.len().saturating_sub(1) as i64;
            self.row = (self.row as i64).saturating_add(by).clamp(0, most) as usize;
            self.is_chosen = true;
        }
    }

    /// This name, or the next one like it that none of these profiles has.
    pub fn free_name(&self, wanted: &str, profiles: &[Profile]) -> String {
        let is_free = |name: &String| self.unkept.contains(name) || !profiles.iter().any(|profile| profile.name == *name);
        let numbered = (2..1000).map(|number| format!("{wanted}-{number}"));
        std::iter::once(wanted.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
    }

    /// Where the profile of the chosen way comes from, for the file that it is kept in.
    pub fn origin(&self, in_force: Option<&Profile>) -> Option<String> {
        let way = self.way()?;
        Some(match (way.change, in_force) {
            (Change::None, _) if self.unkept.contains(&way.profile.name) => "as it was in force".to_owned(),
            (Change::None | Change::Profile, _) => format!("a copy of {}", way.profile.name),
            (_, Some(now)) => format!("a variation of {}", now.name),
            (_, None) => "a variation".to_owned(),
        })
    }
}

fn progress_of(state: &State) -> (u64, u64) {
    (state.ended(), state.unended())
}
