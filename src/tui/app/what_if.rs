//! What if: the ways to run the queue as it is now, what is to be expected of each, and the switch to one of them.
//!
//! Knows what is asked for and what came of it. How a look ahead is made it does not know.

use crate::domain::command::Command;
use crate::domain::job::{Job, Phase, RejectReason};
use crate::domain::plan::{Change, Plan, Way};
use crate::domain::profile::Profile;
use crate::domain::profile::check::{NAME_RULE, is_name};
use crate::domain::text::path_text;
use crate::runtime::link::{JobNow, LookStep, QueueNow};
use crate::tui::app::profiles::Switch;
use crate::tui::app::prompt::PromptKind;
use crate::tui::app::scroll::Scroll;
use crate::tui::app::{App, Mode};
use crate::tui::input::action::{Act, Effect, Look};

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
    /// What the last one that was answered has found.
    pub plan: Option<Result<Plan, String>>,
    /// The chosen way.
    pub row: usize,
    /// The operator has chosen it.
    is_chosen: bool,
    /// What the plan rests on is shown instead.
    pub explains: bool,
    /// Lines of that scrolled.
    pub scroll: Scroll,
    /// A profile is being kept.
    saving: bool,
    /// Names of profiles that were used and stand in no file that is known: they may be kept under those.
    unkept: Vec<String>,
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

    /// The chosen way.
    pub fn way(&self) -> Option<&Way> {
        self.found()?.ways.get(self.row)
    }
}

impl App {
    /// The looks ahead.
    pub const fn what_if(&self) -> &WhatIf {
        &self.what_if
    }

    /// What switching to the chosen way would do now, or why it cannot be done.
    pub(in crate::tui) fn switch_words(&self) -> Option<Result<String, String>> {
        let (plan, way) = (self.what_if.found()?, self.what_if.way()?);
        if let Some(why) = plan.obstacle(way) {
            return Some(Err(why));
        }
        Some(Ok(Switch::preview(self.shown(), &way.profile).words(&way.profile)))
    }

    pub(in crate::tui) fn open_what_if(&mut self) -> Vec<Effect> {
        self.modes.push(Mode::WhatIf);
        (self.what_if.explains, self.what_if.is_chosen) = (false, false);
        self.what_if.scroll.reset();
        self.look_ahead()
    }

    fn look_ahead(&mut self) -> Vec<Effect> {
        let Some(queue) = self.queue_now() else {
            self.what_if.plan = Some(Err("nothing is known of the queue yet".to_owned()));
            return Vec::new();
        };
        self.what_if.number += 1;
        self.what_if.looking = Looking::Asked;
        vec![Effect::Look(Look::Ahead(self.what_if.number, Box::new(queue)))]
    }

    /// The queue as it is: those at work first, then those that wait in their order, then those that only their size keeps
    /// out.
    fn queue_now(&self) -> Option<QueueNow> {
        let state = &self.state;
        let profile = state.profile.as_deref()?.clone();
        let index = &state.index;
        let too_large = |job: &&Job| matches!(&job.phase, Phase::Rejected(why) if why.reason == RejectReason::TooLarge);
        let at_work = index.active.iter().chain(&index.backoff).filter_map(|id| state.jobs.get(id));
        let waiting = index.waiting.iter().filter_map(|(_, id)| state.jobs.get(id));
        let kept_out = index.rejected.iter().filter_map(|id| state.jobs.get(id)).filter(too_large);
        let all = (index.active.len() + index.backoff.len() + index.waiting.len()) as u64 + state.backlog.jobs;
        let jobs: Vec<JobNow> = at_work.chain(waiting).take(MOST_JOBS).chain(kept_out.take(MOST_JOBS)).map(job_now).collect();
        let looked_at = (all - state.backlog.jobs).min(MOST_JOBS as u64);
        Some(QueueNow {
            profile,
            profiles: self.profiles().to_vec(),
            budget: state.lines.budget,
            budget_source: state.budget_source.clone(),
            budget_by_operator: state.budget_by_operator,
            available: state.available,
            jobs,
            left_out: all - looked_at,
        })
    }

    pub(in crate::tui) fn looked_so_far(&mut self, number: u64, step: LookStep) {
        if self.what_if.looks() && number == self.what_if.number {
            self.what_if.looking = Looking::At(step);
        }
    }

    pub(in crate::tui) fn looked_ahead(&mut self, number: u64, plan: Result<Plan, String>) {
        let what_if = &mut self.what_if;
        // One that was given up has nothing to say.
        if !what_if.looks() || number != what_if.number {
            return;
        }
        what_if.looking = Looking::No;
        let chosen = what_if.way().map(|way| way.forecast.name.clone()).filter(|_| what_if.is_chosen);
        let row_of = |plan: &Plan, name: &str| plan.ways.iter().position(|way| way.forecast.name == name);
        // The way that is advised, until another one is chosen.
        what_if.row = plan.as_ref().ok().map_or(0, |plan| {
            let best = plan.best().map(|way| way.forecast.name.as_str());
            chosen.as_deref().or(best).and_then(|name| row_of(plan, name)).unwrap_or(0)
        });
        what_if.plan = Some(plan);
    }

    pub(in crate::tui) fn act_on_what_if(&mut self, act: Act) -> Vec<Effect> {
        let page = i64::from(self.size.1 / 2).max(1);
        match act {
            Act::Down => self.move_in_what_if(1),
            Act::Up => self.move_in_what_if(-1),
            Act::HalfDown => self.move_in_what_if(page),
            Act::HalfUp => self.move_in_what_if(-page),
            Act::First => self.move_in_what_if(i64::MIN),
            Act::Last => self.move_in_what_if(i64::MAX),
            Act::Explain => {
                self.what_if.explains = !self.what_if.explains;
                self.what_if.scroll.reset();
            }
            Act::Again => return self.look_ahead(),
            Act::Enter => return self.apply_way(),
            Act::SaveAs => self.ask_for_a_name(),
            _ if self.what_if.explains => self.what_if.explains = false,
            _ => return self.close_what_if(),
        }
        Vec::new()
    }

    fn close_what_if(&mut self) -> Vec<Effect> {
        self.modes.pop();
        if std::mem::take(&mut self.what_if.looking) == Looking::No { Vec::new() } else { vec![Effect::LookAway] }
    }

    fn move_in_what_if(&mut self, by: i64) {
        let moved = |from: usize, most: usize| (from as i64).saturating_add(by).clamp(0, most as i64) as usize;
        if self.what_if.explains {
            self.what_if.scroll.by(by);
        } else if let Some(plan) = self.what_if.found() {
            self.what_if.row = moved(self.what_if.row, plan.ways.len().saturating_sub(1));
            self.what_if.is_chosen = true;
        }
    }

    fn apply_way(&mut self) -> Vec<Effect> {
        let Some((plan, way)) = self.what_if.found().zip(self.what_if.way()) else { return Vec::new() };
        if let Some(why) = plan.obstacle(way) {
            self.say(why, true);
            return Vec::new();
        }
        let profile = Box::new(way.profile.clone());
        let what = format!("profile {}", profile.name);
        let command = match way.change {
            Change::None => {
                self.note(format!("{} is in force already", profile.name));
                return Vec::new();
            }
            Change::Profile => Command::SelectProfile(profile),
            _ => Command::UseProfile(profile),
        };
        let mut effects = self.close_what_if();
        effects.push(self.ask(what, command));
        effects
    }

    fn ask_for_a_name(&mut self) {
        let Some((plan, way)) = self.what_if.found().zip(self.what_if.way()) else { return };
        if let Some(why) = plan.obstacle(way) {
            self.say(why, true);
            return;
        }
        let name = self.free_name(&way.profile.name);
        self.open(PromptKind::SaveProfile, name);
    }

    /// This name, or the next one like it that no profile has.
    fn free_name(&self, wanted: &str) -> String {
        let is_free =
            |name: &String| self.what_if.unkept.contains(name) || !self.profiles().iter().any(|profile| profile.name == *name);
        let numbered = (2..1000).map(|number| format!("{wanted}-{number}"));
        std::iter::once(wanted.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
    }

    /// Enter in the prompt for a profile's name.
    pub(in crate::tui) fn save_as(&mut self, name: &str) -> Vec<Effect> {
        if self.what_if.saving {
            return Vec::new();
        }
        if !is_name(name) {
            self.prompt_error(format!("a name has {NAME_RULE}"));
            return Vec::new();
        }
        let Some(way) = self.what_if.way() else { return Vec::new() };
        let origin = match (way.change, &self.state.profile) {
            (Change::None, _) if self.what_if.unkept.contains(&way.profile.name) => "as it was in force".to_owned(),
            (Change::None | Change::Profile, _) => format!("a copy of {}", way.profile.name),
            (_, Some(now)) => format!("a variation of {}", now.name),
            (_, None) => "a variation".to_owned(),
        };
        let day = jiff::Timestamp::from_millisecond(self.state.wall.0)
            .map_or_else(|_| String::new(), |at| format!(", {}", at.to_zoned(self.time_zone().clone()).date()));
        let comment = format!("{origin}, saved in the console from what-if{day}");
        let profile = Box::new(Profile { name: name.to_owned(), ..way.profile.clone() });
        self.what_if.saving = true;
        vec![Effect::Look(Look::Save(profile, comment))]
    }

    /// What came of keeping a profile.
    pub(in crate::tui) fn saved(&mut self, profile: Profile, saved: Result<std::path::PathBuf, String>) {
        self.what_if.saving = false;
        let is_asked = matches!(self.modes.last(), Some(Mode::Prompt(prompt)) if prompt.kind == PromptKind::SaveProfile);
        match saved {
            Ok(file) => {
                if is_asked {
                    self.modes.pop();
                }
                self.say(format!("saved {}: {}", profile.name, path_text(&file)), false);
                self.what_if.unkept.retain(|name| *name != profile.name);
                self.settings.profiles.retain(|known| known.name != profile.name);
                self.settings.profiles.push(profile);
            }
            Err(why) if is_asked => self.prompt_error(why),
            Err(why) => self.say(why, true),
        }
    }
}

impl App {
    /// Offers a profile that was used, so that it can be gone back to; one of its name that is offered stays as it is.
    pub(in crate::tui) fn offer_used(&mut self, profile: &Profile) {
        if !self.profiles().iter().any(|known| known.name == profile.name) {
            self.settings.profiles.push(profile.clone());
            self.what_if.unkept.push(profile.name.clone());
        }
    }
}

fn job_now(job: &Job) -> JobNow {
    let done = match &job.phase {
        Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => {
            job.progress.and_then(|progress| progress.ratio).filter(|ratio| ratio.is_finite()).unwrap_or(0.0)
        }
        _ => 0.0,
    };
    JobNow {
        input: job.input.clone(),
        size: job.size,
        preset: job.preset.clone(),
        media: job.media.clone(),
        left: (1.0 - done).clamp(0.0, 1.0),
        is_in: job.allowed || job.phase.holds_slot(),
        seconds_left: job.progress.filter(|_| job.phase.pid().is_some()).and_then(|progress| progress.eta_seconds),
    }
}
