//! What makes a profile a sound one: the rules that its file is read by, for profiles that come from elsewhere.
//!
//! Knows facts alone. Where in a file a mistake stands, and how a reader is told, is `config`'s work, which shares these rules.

use super::super::text::sanitise;
use super::super::units::Bytes;
use super::{Mark, MemoryMarks, Picture, Profile};

/// Most job slots.
pub const MAX_SLOTS: u32 = 64;
/// Smallest and largest side of a picture from which on a job is large.
pub const SIDES: std::ops::RangeInclusive<u32> = 16..=16_384;
/// Most variables of an environment.
pub const MAX_VARIABLES: usize = 64;
/// Most bytes of a variable's value.
pub const MAX_VALUE: usize = 4096;
/// Most characters of a title.
pub const MAX_TITLE: usize = 80;
/// Most characters of one of the guide's words.
pub const MAX_WORD: usize = 16;
/// What [`is_name`] lets pass, in words.
pub const NAME_RULE: &str = "1 to 32 of a-z, 0-9, `.`, `_` and `-`, starting with a letter or digit, not ending in .yaml";

/// Is this a name that a profile or preset may have? It becomes part of file names.
pub fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    // With such an ending it would be taken for a file, not for a name.
    let is_file = text.as_bytes().ends_with(b".yaml") || text.as_bytes().ends_with(b".yml");
    !is_file && text.len() <= 32 && text.starts_with(fits) && text.chars().all(|c| fits(c) || matches!(c, '.' | '_' | '-'))
}

/// Is this the name of an environment variable?
pub fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Prefixes of variables that name libraries, drivers or plug-ins to load.
const LOADS_CODE: &[&str] =
    &["LD_", "DYLD_", "GCONV_", "OPENSSL_", "LIBVA_", "VDPAU_", "OCL_", "VK_", "FREI0R_", "LADSPA_", "LV2_"];

/// Why a variable may not be set for jobs: it would change which program runs, or let it read or write files of its own
/// choice. `None` = it may.
pub fn variable_danger(name: &str) -> Option<String> {
    if LOADS_CODE.iter().any(|prefix| name.starts_with(prefix)) {
        return Some(format!("{name} can load foreign code into ffmpeg"));
    }
    match name {
        "PATH" | "HOME" | "TMPDIR" => Some(format!("{name} is set by plimsoll")),
        "LANG" | "LANGUAGE" => Some(format!("{name} would change the words that plimsoll reads")),
        _ if name.starts_with("LC_") => Some(format!("{name} would change the words that plimsoll reads")),
        "FFREPORT" | "MALLOC_TRACE" | "FFMPEG_DATADIR" | "FONTCONFIG_FILE" | "FONTCONFIG_PATH" => {
            Some(format!("{name} would make ffmpeg read or write further files"))
        }
        "BASH_ENV" | "ENV" | "IFS" | "SHELLOPTS" | "PS4" => Some(format!("{name} would run commands in shells")),
        "AV_LOG_FORCE_COLOR" => Some(format!("{name} would put control characters into the log")),
        _ => None,
    }
}

/// What is wrong with a variable's value; `None` = nothing. What ends a line or is not seen in an editor counts as control too.
pub fn value_problem(text: &str) -> Option<String> {
    if text.len() > MAX_VALUE {
        return Some(format!("has {} bytes", text.len()));
    }
    text.chars()
        .find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
        .map(|c| format!("holds the control character U+{:04X}", u32::from(c)))
}

impl Profile {
    /// Whether it is sound, by the rules that profile files are read by.
    ///
    /// # Errors
    /// The first thing that is wrong, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err(format!("`{}` is not a name; allowed: {NAME_RULE}", sanitise(self.name.as_bytes())));
        }
        let is_line = |text: &str, limit| text.chars().count() <= limit && sanitise(text.as_bytes()) == text;
        let guide = [&self.guide.memory, &self.guide.speed, &self.guide.reliability];
        if !is_line(&self.title, MAX_TITLE) || guide.iter().any(|word| !is_line(word, MAX_WORD)) {
            return Err(format!("its title may be one line of {MAX_TITLE} characters, the guide's words of {MAX_WORD}"));
        }
        if self.max_concurrent.fixed().is_some_and(|slots| !(1..=MAX_SLOTS).contains(&slots)) {
            return Err(format!("{} job slots; allowed: 1 to {MAX_SLOTS}, or as many as fit", self.max_concurrent));
        }
        if let Some(rule) = self.large {
            // A picture told by its height alone may be wider.
            let is_wide = rule.from == Picture::of_height(rule.from.height) || SIDES.contains(&rule.from.width);
            let is_picture = is_wide && SIDES.contains(&rule.from.height);
            if !is_picture || !(1..=MAX_SLOTS).contains(&rule.at_once) {
                let sides = format!("{} to {}", SIDES.start(), SIDES.end());
                return Err(format!("a rule for large jobs; allowed: pictures with sides of {sides}, 1 to {MAX_SLOTS} at once"));
            }
        }
        if self.max_file_size == Bytes::ZERO || self.scratch_limit == Some(Bytes::ZERO) {
            return Err("a limit of nothing at all; allowed: a size above 0".to_owned());
        }
        self.memory.check()?;
        if self.env.len() > MAX_VARIABLES {
            return Err(format!("{} variables; allowed: at most {MAX_VARIABLES}", self.env.len()));
        }
        for (name, value) in &self.env {
            if !is_variable(name) {
                return Err(format!("`{}` is not a variable's name", sanitise(name.as_bytes())));
            }
            if let Some(danger) = variable_danger(name) {
                return Err(danger);
            }
            if let Some(problem) = value_problem(value) {
                return Err(format!("{name} {problem}"));
            }
        }
        Ok(())
    }
}

impl MemoryMarks {
    fn check(&self) -> Result<(), String> {
        let is_mark = |mark: Mark| match mark {
            Mark::Bytes(bytes) => bytes > Bytes::ZERO,
            Mark::Share(share) => share > 0.0 && share <= 1.0,
        };
        if !is_mark(self.high_water) || !is_mark(self.low_water) || self.budget == Some(Bytes::ZERO) {
            return Err("a mark or budget of nothing, or above the whole budget".to_owned());
        }
        let basis = self.meant_for();
        // Below the budget that they are meant for both kinds of mark shrink alike, so that one tells for all.
        let is_above = self.low_water.under(basis, basis) > self.high_water.under(basis, basis);
        let grows_above = self.budget.is_none() && matches!((self.low_water, self.high_water), (Mark::Share(_), Mark::Bytes(_)));
        if is_above || grows_above {
            return Err("low_water is above high_water; allowed: at most high_water, whatever the budget".to_owned());
        }
        if self.reserve >= self.high_water.under(basis, basis) {
            return Err("the reserve leaves nothing below high_water".to_owned());
        }
        match self.budget {
            Some(budget) if self.high_water.under(budget, budget) > budget => Err("high_water is above the budget".to_owned()),
            Some(budget) if self.reserve >= budget => Err("the reserve leaves nothing of the budget".to_owned()),
            _ => Ok(()),
        }
    }
}
