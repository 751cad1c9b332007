//! Every command by name: what the letters typed so far leave of them, the likeliest first.

use tui_input::Input;

use crate::domain::profile::Profile;
use crate::tui::input::action::Act;
use crate::tui::input::keymap::Keymap;
use crate::tui::pages::queue::filter::matches;

/// The list of commands.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    pub input: Input,
    pub row: usize,
}

/// A command that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// Its first key.
    pub key: String,
    /// What it does.
    pub help: String,
    /// What is done.
    pub does: Does,
}

/// What choosing a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// An action of the key table.
    Act(Act),
    /// Adds the paths that stand behind the name.
    Add,
    /// Switches to a profile, by its place in the list.
    Profile(usize),
}

impl Palette {
    /// The paths of `add PATH`.
    pub fn paths(&self) -> Option<&str> {
        self.input.value().trim_start().strip_prefix("add ").map(str::trim).filter(|paths| !paths.is_empty())
    }

    /// The commands that the letters leave: those that begin with them, then those with them in a row, then those with them
    /// in this order; the shorter first.
    pub fn entries(&self, keys: &Keymap, profiles: &[Profile]) -> Vec<Entry> {
        if self.paths().is_some() {
            let help = "add these files, folders, patterns".to_owned();
            return vec![Entry { name: "add PATH...".to_owned(), key: String::new(), help, does: Does::Add }];
        }
        let wanted = self.input.value().trim().to_lowercase();
        let acts = keys.named().filter(|(binding, _)| binding.act != Act::CommandLine).map(|(binding, key)| Entry {
            name: binding.name.to_owned(),
            key,
            help: alone(binding.act).unwrap_or(binding.help).to_owned(),
            does: Does::Act(binding.act),
        });
        let switches = profiles.iter().enumerate().map(|(at, profile)| Entry {
            name: format!("profile {}", profile.name),
            key: String::new(),
            help: profile.title.clone(),
            does: Does::Profile(at),
        });
        let mut found: Vec<(u8, Entry)> = acts.chain(switches).filter_map(|entry| Some((rank(&wanted, &entry)?, entry))).collect();
        found.sort_by_key(|(rank, entry)| (*rank, if wanted.is_empty() { 0 } else { entry.name.len() }));
        found.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// What one of several actions does that share a line of the help page.
const fn alone(act: Act) -> Option<&'static str> {
    Some(match act {
        Act::PaneMemory => "go to the Memory pane",
        Act::PaneQueue => "go to the Queue pane",
        Act::PaneCleanups => "go to the Cleanups pane",
        Act::PaneLog => "go to the Log pane",
        Act::NextPane => "go to the next pane",
        Act::PrevPane => "go to the pane before",
        Act::Down => "one down",
        Act::Up => "one up",
        Act::First => "to the first",
        Act::Last => "to the last",
        Act::HalfDown => "half a page down",
        Act::HalfUp => "half a page up",
        Act::PageDown => "a page down",
        Act::PageUp => "a page up",
        Act::NextMatch => "to the next match",
        Act::PrevMatch => "to the match before",
        Act::ChartBack => "show earlier memory in the chart",
        Act::ChartForward => "show later memory in the chart",
        Act::ChartShorter => "show a shorter time in the chart",
        Act::ChartLonger => "show a longer time in the chart",
        Act::CopyLine => "copy the line (OSC 52)",
        Act::CopyLog => "copy the log (OSC 52)",
        Act::Later => "move the job one later in the queue",
        Act::Sooner => "move the job one sooner in the queue",
        Act::MoveFirst => "move the job to the front of the queue",
        Act::MoveLast => "move the job to the end of the queue",
        Act::Mark => "mark the job, or take its mark away",
        Act::MarkRange => "mark all from the last mark to here",
        Act::MarkAll => "mark all that the filter shows; again: none of it",
        Act::Doctor => "examine ffmpeg, memory, rights and the disk",
        Act::Watched => "show the watched folders",
        _ => return None,
    })
}

fn rank(wanted: &str, entry: &Entry) -> Option<u8> {
    let name = entry.name.to_lowercase();
    if name == wanted {
        Some(0)
    } else if name.starts_with(wanted) {
        Some(1)
    } else if name.contains(wanted) {
        Some(2)
    } else if matches(wanted, &name) {
        Some(3)
    } else if entry.help.to_lowercase().contains(wanted) {
        Some(4)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixture::profiles;

    #[test]
    fn no_two_commands_are_explained_alike() {
        let entries = Palette::default().entries(&Keymap::default(), &[]);
        let mut told: Vec<&str> = entries.iter().map(|entry| entry.help.as_str()).collect();
        let all = told.len();
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), all);
    }

    fn names(letters: &str) -> Vec<String> {
        let palette = Palette { input: Input::new(letters.to_owned()), row: 0 };
        palette.entries(&Keymap::default(), &profiles()).into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn the_likeliest_command_stands_first() {
        assert_eq!(names("clean")[..2], ["clean", "cleanups"]);
        assert_eq!(names("prf")[0], "profile");
        assert_eq!(names("safe"), ["profile safe"]);
        assert!(names("osc 52").contains(&"copy".to_owned()), "what it does is looked at too");
        assert!(names("").len() > 40 && names("zzz").is_empty());
    }
}
