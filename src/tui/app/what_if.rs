//! What keys do in the popup of ways to run the queue: choose one, switch to it, keep it under a name.

use crate::domain::command::Command;
use crate::domain::plan::Change;
use crate::domain::profile::Profile;
use crate::domain::profile::check::{NAME_RULE, is_name};
use crate::domain::text::path_text;
use crate::tui::app::prompt::PromptKind;
use crate::tui::app::{App, Mode};
use crate::tui::input::action::{Act, Effect, Look};
use crate::tui::pages::profiles::Switch;
use crate::tui::pages::what_if::WhatIf;

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

    /// The action would do something with the chosen way: what is foretold can be explained; kept and switched to if nothing
    /// stands against it.
    pub(in crate::tui) fn fits_the_way(&self, act: Act) -> bool {
        let Some((plan, way)) = self.what_if.found().zip(self.what_if.way()) else {
            return !matches!(act, Act::Enter | Act::Explain | Act::SaveAs);
        };
        match act {
            Act::Enter => way.change != Change::None && plan.obstacle(way).is_none(),
            Act::SaveAs => plan.obstacle(way).is_none(),
            _ => true,
        }
    }

    pub(in crate::tui) fn open_what_if(&mut self) -> Vec<Effect> {
        self.modes.push(Mode::WhatIf);
        self.what_if.open();
        self.look_ahead()
    }

    fn look_ahead(&mut self) -> Vec<Effect> {
        self.what_if.look(&self.state, &self.settings.profiles).map(Effect::Look).into_iter().collect()
    }

    /// Looks again where nothing could be foretold of a queue that has changed since.
    pub(in crate::tui) fn look_ahead_anew(&mut self) -> Vec<Effect> {
        let is_open = matches!(self.modes.last(), Some(Mode::WhatIf)) && !self.what_if.looks();
        let found_nothing = matches!(self.what_if.plan, Some(Err(_))) && self.what_if.is_outdated(&self.state);
        if is_open && found_nothing { self.look_ahead() } else { Vec::new() }
    }

    pub(in crate::tui) fn act_on_what_if(&mut self, act: Act) -> Vec<Effect> {
        let page = i64::from(self.size.1 / 2).max(1);
        match act {
            Act::Down => self.what_if.scroll(1),
            Act::Up => self.what_if.scroll(-1),
            Act::HalfDown => self.what_if.scroll(page),
            Act::HalfUp => self.what_if.scroll(-page),
            Act::First => self.what_if.scroll(i64::MIN),
            Act::Last => self.what_if.scroll(i64::MAX),
            Act::Explain => self.what_if.toggle_explain(),
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
        if self.what_if.look_away() { vec![Effect::LookAway] } else { Vec::new() }
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
        let name = self.what_if.free_name(&way.profile.name, self.profiles());
        self.open(PromptKind::SaveProfile, name);
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
        let Some(origin) = self.what_if.origin(self.state.profile.as_deref()) else { return Vec::new() };
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
