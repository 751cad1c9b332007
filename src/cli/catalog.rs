//! The text of `plimsoll profiles` and `plimsoll presets`: listings, one entry in full, a file checked, a Render block.
//!
//! Pure: reads what `config` finds and answers with text. Prints nothing and decides no exit status; `Err` is what belongs
//! on stderr with status 2.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use unicode_width::UnicodeWidthStr;

use crate::config::preset::{bitrate_yaml, to_yaml as preset_yaml};
use crate::config::profile::{size_yaml, text_yaml, to_yaml as profile_yaml};
use crate::config::search::{Found, Kind, Listed, Origin, SearchPaths, find, lines, list, load};
use crate::domain::memory::Lines;
use crate::domain::preset::{AudioPlan, Preset, VideoPlan};
use crate::domain::profile::{Mark, MemoryMarks, Profile, REFERENCE_BUDGET};
use crate::domain::text::path_text;
use crate::domain::units::{Bytes, GIB};

/// Name of the profile and of the preset that are taken unless another is asked for.
pub const DEFAULT_PROFILE: &str = "balanced";
/// As [`DEFAULT_PROFILE`], for presets.
pub const DEFAULT_PRESET: &str = "web-720p";
/// Widest name in a table; longer ones are cut there and stand in full in the lines below it.
const NAME_WIDTH: usize = 16;

/// `plimsoll profiles list`: the trade-off table with the guide's words, then where each one comes from.
pub fn profiles_list(paths: &SearchPaths) -> String {
    let listed = list::<Profile>(paths);
    let rows = listed.iter().map(|row| match &row.read {
        Ok(profile) => vec![
            short_name(&row.name, DEFAULT_PROFILE),
            profile.max_concurrent.to_string(),
            profile.max_file_size.to_string(),
            word(&profile.guide.memory),
            word(&profile.guide.speed),
            word(&profile.guide.reliability),
            profile.memory.budget.map_or_else(|| "auto".to_owned(), |budget| budget.short()),
            marks_short(&profile.memory),
        ],
        Err(_) => vec![short_name(&row.name, DEFAULT_PROFILE), "broken, see below".to_owned()],
    });
    let head = ["NAME", "JOBS", "LARGEST", "MEMORY", "SPEED", "RELIABLE", "BUDGET", "MARKS"];
    let mut out = table(&head, rows);
    out.push_str("\n* the default. Memory, speed and reliability are the guide's words; `plimsoll compare` measures them.\n");
    out.push_str("Marks: cleanup starts / the alarm ends. Given in GB or MB they shrink with a budget below 2 GB.\n\n");
    origins(&mut out, &listed);
    out
}

/// `plimsoll presets list`: what each preset makes, then where it comes from.
pub fn presets_list(paths: &SearchPaths) -> String {
    let listed = list::<Preset>(paths);
    let rows = listed.iter().map(|row| match &row.read {
        Ok(preset) => vec![
            short_name(&row.name, DEFAULT_PRESET),
            preset.video.as_ref().map_or_else(|| "-".to_owned(), video_short),
            preset.audio.as_ref().map_or_else(|| "-".to_owned(), audio_words),
            preset.container.to_string(),
            preset.threads.to_string(),
        ],
        Err(_) => vec![short_name(&row.name, DEFAULT_PRESET), "broken, see below".to_owned()],
    });
    let mut out = table(&["NAME", "VIDEO", "AUDIO", "FILE", "THREADS"], rows);
    out.push_str("\n* the default.\n\n");
    origins(&mut out, &listed);
    out
}

/// `plimsoll profiles show NAME`: the checked profile as YAML, with where its marks stand under `budget` as comments. The
/// whole text is a profile file again.
///
/// # Errors
/// Nothing of that name, or every mistake in it.
pub fn profiles_show(paths: &SearchPaths, name: impl AsRef<OsStr>, budget: Bytes) -> Result<String, String> {
    let Found { value, origin } = find::<Profile>(paths, name).map_err(|error| error.to_string())?;
    let mut out = format!("# {origin}\n{}", profile_yaml(&value));
    let budget = value.memory.budget.map_or(budget, |own| own.min(budget));
    let at = Lines::new(&value.memory, budget);
    let _ = writeln!(
        out,
        "# budget {budget}: high water {}, low water {}, near the line from {},",
        at.high_water.whole(),
        at.low_water.whole(),
        at.elevated.whole(),
    );
    let _ = writeln!(out, "#   near the limit from {}, reserve {}", at.critical.whole(), at.reserve.whole());
    let in_bytes = matches!(value.memory.high_water, Mark::Bytes(_)) || matches!(value.memory.low_water, Mark::Bytes(_));
    if in_bytes && budget < REFERENCE_BUDGET {
        let _ = writeln!(out, "#   the marks in GB or MB are meant for {REFERENCE_BUDGET} and were scaled down to this budget");
    }
    if at.allowance > Bytes::ZERO {
        let _ = writeln!(out, "#   {} of this budget are left to others: the marks are sizes, not shares", at.allowance);
    }
    Ok(out)
}

/// `plimsoll presets show NAME`: the checked preset as YAML, with what it asks of ffmpeg as a comment. The whole text is a
/// preset file again.
///
/// # Errors
/// Nothing of that name, or every mistake in it.
pub fn presets_show(paths: &SearchPaths, name: impl AsRef<OsStr>) -> Result<String, String> {
    let Found { value, origin } = find::<Preset>(paths, name).map_err(|error| error.to_string())?;
    let mut out = format!("# {origin}\n{}", preset_yaml(&value));
    let video = value.video.as_ref().map_or_else(|| "none".to_owned(), video_words);
    let audio = value.audio.as_ref().map_or_else(|| "none".to_owned(), audio_words);
    let _ = writeln!(out, "# picture: {video}\n# sound: {audio}");
    let _ =
        writeln!(out, "# file: NAME.{}.{} (ffmpeg's {} format)", value.name, value.container.extension(), value.container.muxer());
    let threads = if value.threads == 1 { "1 thread" } else { &format!("{} threads", value.threads) };
    let _ = writeln!(out, "# {threads}, pinned: the same input gives the same bytes under every profile");
    if value.tolerant {
        out.push_str("# damaged input is let pass, and its output labelled\n");
    }
    Ok(out)
}

/// `plimsoll profiles check FILE`: one line if it is right.
///
/// # Errors
/// Every mistake, one a line, and their number.
pub fn profiles_check(file: &Path) -> Result<String, String> {
    check::<Profile>(file, Profile::short)
}

/// `plimsoll presets check FILE`: one line if it is right.
///
/// # Errors
/// Every mistake, one a line, and their number.
pub fn presets_check(file: &Path) -> Result<String, String> {
    check::<Preset>(file, |preset| {
        let video = preset.video.as_ref().map_or("no picture", |plan| plan.codec.as_str());
        let audio = preset.audio.as_ref().map_or("no sound", |plan| plan.codec.as_str());
        format!("{video}, {audio}, {}", preset.container)
    })
}

fn check<T: Kind>(file: &Path, short: impl Fn(&T) -> String) -> Result<String, String> {
    match load::<T>(file) {
        Ok(value) => Ok(format!("{}: ok, the {} `{}` ({})\n", path_text(file), T::NOUN, value.name(), short(&value))),
        Err(mistakes) => {
            let count = if mistakes.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", mistakes.len()) };
            Err(format!("{}\n{}: {count}\n", lines(&mistakes), path_text(file)))
        }
    }
}

/// `plimsoll profiles export render NAME`: the profile as the `envVars` and `disk` of a Render service. The list under
/// `envVars` may stand in a profile as it is.
///
/// # Errors
/// Nothing of that name, or every mistake in it.
pub fn profiles_export_render(paths: &SearchPaths, name: impl AsRef<OsStr>) -> Result<String, String> {
    let Found { value, origin } = find::<Profile>(paths, name).map_err(|error| error.to_string())?;
    // A file's name means nothing on another machine, but its profile's name does once the file is there.
    let chosen = value.name.as_str();
    let mut out = format!("# the profile {chosen} ({}): {origin}\nenvVars:\n", value.short());
    if origin != Origin::BuiltIn {
        out.insert_str(0, &format!("# put the profile's file beside the service as profiles/{chosen}.yaml\n"));
    }
    let own = [("PLIMSOLL_PROFILE", chosen)];
    let given = value.env.iter().filter(|(name, _)| *name != own[0].0).map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.into_iter().chain(given) {
        let _ = writeln!(out, "  - key: {name}\n    value: {}", text_yaml(value));
    }
    if let Some(limit) = value.scratch_limit {
        // Render sells whole gigabytes.
        let _ = writeln!(out, "disk:\n  sizeGB: {}", limit.0.div_ceil(GIB));
    }
    Ok(out)
}

fn short_name(name: &str, default: &str) -> String {
    let mark = if name == default { " *" } else { "" };
    let room = NAME_WIDTH - mark.len();
    if name.len() <= room { format!("{name}{mark}") } else { format!("{}…{mark}", &name[..room - 1]) }
}

/// A word of the guide, so short that a row keeps to its line.
fn word(text: &str) -> String {
    match text.chars().count() {
        0 => "-".to_owned(),
        1..=9 => text.to_owned(),
        _ => text.chars().take(8).chain(['…']).collect(),
    }
}

fn marks_short(marks: &MemoryMarks) -> String {
    let one = |mark: Mark| match mark {
        Mark::Bytes(bytes) => {
            let exact = size_yaml(bytes);
            if exact.len() <= 6 { exact } else { bytes.short() }
        }
        Mark::Share(share) => format!("{:.0}%", share * 100.0),
    };
    format!("{}/{}", one(marks.high_water), one(marks.low_water))
}

fn video_short(plan: &VideoPlan) -> String {
    let mut parts = vec![plan.codec.to_string()];
    parts.extend(plan.height.map(|height| format!("{height}p")));
    parts.extend(plan.tile.map(|tile| format!("{}x{}", tile.columns, tile.rows)));
    parts.extend(plan.preset.map(|preset| preset.to_string()));
    parts.extend(plan.crf.map(|crf| format!("crf {crf}")));
    parts.extend(plan.bitrate.map(bitrate_yaml));
    parts.join(" ")
}

fn video_words(plan: &VideoPlan) -> String {
    let mut parts = vec![plan.codec.to_string()];
    parts.extend(plan.preset.map(|preset| format!("preset {preset}")));
    parts.extend(plan.crf.map(|crf| format!("crf {crf}")));
    parts.extend(plan.bitrate.map(bitrate_yaml));
    parts.extend(plan.height.map(|height| format!("at most {height} pixels high")));
    parts.extend(plan.fps.map(|fps| format!("{fps} frames per second")));
    parts.extend(plan.pixel_format.map(|format| format.to_string()));
    parts.extend(plan.tile.map(|tile| {
        format!("a contact sheet of {} evenly spaced frames, {} by {}", tile.columns * tile.rows, tile.columns, tile.rows)
    }));
    parts.join(", ")
}

fn audio_words(plan: &AudioPlan) -> String {
    plan.bitrate.map_or_else(|| plan.codec.to_string(), |bitrate| format!("{} {}", plan.codec, bitrate_yaml(bitrate)))
}

/// Where each one comes from and what it hides, and below it the mistakes of the broken ones.
fn origins<T>(out: &mut String, listed: &[Listed<T>]) {
    for row in listed {
        let _ = write!(out, "{}: {}", row.name, row.origin);
        if !row.shadows.is_empty() {
            let hidden: Vec<String> = row.shadows.iter().map(Origin::to_string).collect();
            let _ = write!(out, " (instead of: {})", hidden.join(", "));
        }
        out.push('\n');
        for mistake in row.read.as_ref().err().into_iter().flatten() {
            let _ = writeln!(out, "  {mistake}");
        }
    }
}

/// Rows under a head, each column as wide as its widest cell, numbers and words alike to the left.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(head.iter().map(|&cell| cell.to_owned()).collect()).chain(rows).collect();
    let width = |column: usize| {
        // The last cell of a short row (a broken entry) runs on over the columns that it has not.
        let cells = rows.iter().filter(|row| row.len() == head.len() || column + 1 < row.len());
        cells.map(|row| row[column].width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', (width + 2).saturating_sub(cell.width())));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
