//! The text of `plimsoll profiles` and `plimsoll presets`: listings, one entry in full, a file checked, a Render block.
//!
//! Pure: reads what `config` finds and answers with text. Prints nothing and decides no exit status; `Err` is what belongs
//! on stderr with status 2.

mod render;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::num::NonZero;
use std::path::Path;

use unicode_width::UnicodeWidthStr;

use crate::config::as_yaml;
use crate::config::preset::{bitrate_yaml, to_yaml as preset_yaml};
use crate::config::profile::to_yaml as profile_yaml;
use crate::config::search::{Found, Kind, Listed, Origin, SearchPaths, find, lines, list, load};
use crate::config::settings::{DEFAULT_PRESET, DEFAULT_PROFILE};
use crate::domain::memory::{Budget, Lines};
use crate::domain::preset::{
    AudioPlan, Deinterlace, Hdr, Location, OnDamage, PixelAspect, Preset, Subtitles, Tracks, VideoCodec, VideoPlan,
};
use crate::domain::profile::{Mark, Profile};
use crate::domain::text::path_text;
use crate::domain::units::Bytes;

/// Widest name in a table; longer ones are cut there and stand in full in the lines below it.
const NAME_WIDTH: usize = 13;

/// `plimsoll profiles list`: the trade-off table with the guide's words and the budget and marks in force `here`, then where
/// each one comes from.
pub fn profiles_list(paths: &SearchPaths, here: &Budget) -> String {
    let listed = list::<Profile>(paths);
    let rows = listed.iter().map(|row| match &row.read {
        Ok(profile) => {
            let at = lines_here(profile, here);
            vec![
                short_name(&row.name, DEFAULT_PROFILE),
                profile.max_concurrent.to_string(),
                profile.max_file_size.to_string(),
                word(&profile.guide.memory, 7),
                word(&profile.guide.speed, 7),
                word(&profile.guide.reliability, 9),
                at.budget.short(),
                format!("{}/{}", at.high_water.short(), at.low_water.short()),
            ]
        }
        Err(_) => vec![short_name(&row.name, DEFAULT_PROFILE), "broken, see below".to_owned()],
    });
    let head = ["NAME", "JOBS", "LARGEST", "MEMORY", "SPEED", "RELIABLE", "BUDGET", "MARKS"];
    let mut out = table(&head, rows);
    out.push_str("\n* the default. Memory, speed and reliability: the words of the trade-off table.\n");
    out.push_str("Budget and marks (cleanup starts / the alarm ends) are those in force here.\n\n");
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
            preset.audio.as_ref().map_or_else(|| "-".to_owned(), audio_short),
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

/// Where the marks of a profile stand `here`.
fn lines_here(profile: &Profile, here: &Budget) -> Lines {
    Lines::new(&profile.memory, here.under(profile.memory.budget).bytes)
}

/// `plimsoll profiles show NAME`: the checked profile as YAML, with where its marks stand `here` as comments. The whole text is a profile file again.
///
/// # Errors
/// Nothing of that name, or every mistake in it.
pub fn profiles_show(paths: &SearchPaths, name: impl AsRef<OsStr>, here: &Budget) -> Result<String, String> {
    let Found { value, origin } = find::<Profile>(paths, name).map_err(|error| error.to_string())?;
    let mut out = format!("# {origin}\n{}", profile_yaml(&value));
    let in_force = here.under(value.memory.budget);
    let (budget, at) = (in_force.bytes, lines_here(&value, here));
    let _ = writeln!(out, "# budget {budget}: {}", in_force.words(&value.name));
    let _ = writeln!(out, "#   high water {}, low water {},", at.high_water.whole(), at.low_water.whole());
    let _ = writeln!(
        out,
        "#   near the line from {}, near the limit from {}, reserve {}",
        at.elevated.whole(),
        at.critical.whole(),
        at.reserve.whole()
    );
    let in_bytes = matches!(value.memory.high_water, Mark::Bytes(_)) || matches!(value.memory.low_water, Mark::Bytes(_));
    let meant_for = value.memory.meant_for();
    if in_bytes && budget < meant_for {
        let _ = writeln!(out, "#   the marks in GB or MB are meant for {meant_for} and were scaled down to this budget");
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
    out.push_str(&further_words(&value));
    Ok(out)
}

/// `plimsoll profiles check FILE`: one line if it is right, with the numbers in force `here`.
///
/// # Errors
/// Every mistake, one a line, and their number.
pub fn profiles_check(file: &Path, here: &Budget) -> Result<String, String> {
    check::<Profile>(file, |profile| {
        let at = lines_here(profile, here);
        let (high, low) = (at.high_water.whole(), at.low_water.whole());
        format!("{}; here: budget {}, cleanup from {high}, alarm ends at {low}", profile.short(), at.budget)
    })
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

/// `plimsoll profiles export render NAME`: a blueprint for Render (`render.yaml`) of a background worker that serves under this
/// profile, built from the Dockerfile beside it; with a number of `workers` that of a fleet. The list under `envVars` of a server
/// may stand in a profile as it is.
///
/// # Errors
/// Nothing of that name, or every mistake in it; or there is no machine so large to be had.
pub fn profiles_export_render(
    paths: &SearchPaths,
    name: impl AsRef<OsStr>,
    workers: Option<NonZero<u16>>,
) -> Result<String, String> {
    let Found { value, origin } = find::<Profile>(paths, name).map_err(|error| error.to_string())?;
    let plan = render::plan(&value)?;
    let mut out = format!("# The profile {} ({}): {origin}\n", value.name, value.short());
    if origin != Origin::BuiltIn {
        let _ = writeln!(out, "# Put its file into the repository as profiles/{}.yaml: the image takes it along.", value.name);
    }
    let command = if workers.is_some() { "worker" } else { "serve" };
    let _ = writeln!(out, "# Beside the Dockerfile, which runs `plimsoll {command}`. {}.", plan.words);
    let blueprint = match workers {
        None => render::blueprint(&value, &plan),
        Some(workers) => {
            out.push_str(
                "# The database has to be filled once: `plimsoll fleet init` with its external address in PLIMSOLL_QUEUE.\n",
            );
            out.push_str("# Render asks for what says `sync: false`. PLIMSOLL_FILES is s3://BUCKET/PREFIX.\n");
            render::fleet(&value, &plan, workers)
        }
    };
    out.push_str(&as_yaml(&blueprint));
    Ok(out)
}

fn short_name(name: &str, default: &str) -> String {
    let mark = if name == default { " *" } else { "" };
    let room = NAME_WIDTH - mark.len();
    if name.len() <= room { format!("{name}{mark}") } else { format!("{}…{mark}", &name[..room - 1]) }
}

/// A word of the guide in at most `room` characters, so that a row keeps to its line.
fn word(text: &str, room: usize) -> String {
    match text.chars().count() {
        0 => "-".to_owned(),
        count if count <= room => text.to_owned(),
        _ => text.chars().take(room - 1).chain(['…']).collect(),
    }
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
    parts.extend(plan.height.map(|height| format!("at most {height} pixels on the short side")));
    parts.extend(plan.fps.map(|fps| format!("{fps} frames per second")));
    parts.extend(plan.pixel_format.map(|format| format.to_string()));
    parts.extend(plan.tile.map(|tile| {
        format!("a contact sheet of {} evenly spaced frames, {} by {}", tile.columns * tile.rows, tile.columns, tile.rows)
    }));
    parts.join(", ")
}

fn audio_short(plan: &AudioPlan) -> String {
    plan.bitrate.map_or_else(|| plan.codec.to_string(), |bitrate| format!("{} {}", plan.codec, bitrate_yaml(bitrate)))
}

fn audio_words(plan: &AudioPlan) -> String {
    let tracks = match plan.tracks {
        Tracks::Best => "the default track",
        Tracks::All => "all tracks",
    };
    format!("{}, {tracks}", audio_short(plan))
}

/// What becomes of damage, subtitles, colours and the like, as comments.
fn further_words(preset: &Preset) -> String {
    let mut out = String::new();
    if let Some(plan) = preset.video.as_ref().filter(|plan| plan.codec != VideoCodec::Copy) {
        let hdr = match plan.hdr {
            Hdr::Tonemap => "high dynamic range is mapped to BT.709",
            Hdr::Keep => "high dynamic range is kept",
        };
        let interlaced = match plan.deinterlace {
            Deinterlace::Auto => "interlaced pictures are deinterlaced",
            Deinterlace::Off => "interlaced pictures stay so",
        };
        let shape = match plan.pixel_aspect {
            PixelAspect::Square => "pixels become square",
            PixelAspect::Keep => "pixels keep their shape",
        };
        let _ = writeln!(out, "# {hdr}; {interlaced}; {shape}");
    }
    if !preset.container.is_still() {
        let subtitles = match preset.subtitles {
            Subtitles::Drop => "subtitles are left out",
            Subtitles::Keep => "subtitles are kept where the container holds them",
        };
        let place = match preset.location {
            Location::Drop => "but not the place where it was recorded",
            Location::Keep => "and the place where it was recorded",
        };
        let _ = writeln!(out, "# {subtitles}; title, date, languages and named chapters go along, {place}");
    }
    let _ = match preset.on_damage {
        OnDamage::Keep => writeln!(out, "# of a damaged input what can be decoded is made, and the damage told"),
        OnDamage::Fail => writeln!(out, "# a damaged input fails"),
    };
    out
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::profile;
    use crate::domain::memory::There;

    fn nowhere() -> SearchPaths {
        SearchPaths::default()
    }

    fn machine(mb: u64) -> Budget {
        Budget::new((Bytes::mib(mb), There::Machine), None, None)
    }

    fn assert_fits(text: &str) {
        for line in text.lines() {
            assert!(line.width() <= 80, "{} columns: {line}", line.width());
        }
    }

    #[test]
    fn the_list_is_the_trade_off_table_in_80_columns() {
        let text = profiles_list(&nowhere(), &machine(24 * 1024));
        assert_fits(&text);
        let rows: Vec<&str> = text.lines().take(5).collect();
        assert_eq!(
            rows,
            [
                "NAME        JOBS  LARGEST  MEMORY  SPEED   RELIABLE   BUDGET  MARKS",
                "fast        4     500 MB   High    Fast    Low        2048M   1536M/1331M",
                "balanced *  2     200 MB   Medium  Medium  High       2048M   1536M/1331M",
                "safe        1     100 MB   Low     Slow    Very High  2048M   1536M/1331M",
                "adaptive    auto  2 GB     -       -       -          24.0G   18.0G/15.6G",
            ]
        );
        assert!(text.contains("\nbalanced: built in\n"), "{text}");
        let presets = presets_list(&nowhere());
        assert_fits(&presets);
        assert!(presets.contains("\nthumbnails   mjpeg 180p 4x4                -         jpg   1\n"), "{presets}");
    }

    #[test]
    fn the_table_keeps_to_80_columns_with_the_longest_names_and_says_what_is_hidden_and_broken() {
        let folder = tempfile::tempdir().expect("tempdir");
        let profiles = folder.path().join("profiles");
        std::fs::create_dir(&profiles).expect("folder");
        let long = "a".repeat(32);
        let odd = "memory: { budget: 1234567890, high_water: 1234567890, low_water: 1123456789 }\nguide: { memory: 0123456789abcdef, speed: 0123456789abcdef, reliability: 0123456789abcdef }\n";
        let put = |name: &str, slots: u32, rest: &str| {
            let text = format!("name: {name}\nmax_concurrent: {slots}\nmax_file_size: 1234567890123\n{rest}");
            std::fs::write(profiles.join(format!("{name}.yaml")), text).expect("written");
        };
        put(&long, 64, odd);
        put("safe", 2, "");
        put("tiny", 0, "");
        let paths = SearchPaths { work_dir: Some(folder.path().to_owned()), ..SearchPaths::default() };
        let text = profiles_list(&paths, &machine(2048));
        assert_fits(text.split("\n\n").next().unwrap_or_default());
        assert!(text.contains(&format!("\n{long}: ")), "{text}");
        assert!(text.contains("safe.yaml (instead of: built in)\n"), "{text}");
        assert!(text.contains("\ntiny           broken, see below\n"), "{text}");
        assert!(
            text.contains("tiny.yaml:2:17: max_concurrent: 0 job slots; allowed: a whole number from 1 to 64, or auto\n"),
            "{text}"
        );
    }

    #[test]
    fn show_gives_a_valid_profile_with_the_marks_in_megabytes() {
        let text = profiles_show(&nowhere(), "balanced", &machine(2048)).expect("known");
        assert!(text.starts_with("# built in\nname: balanced\n"), "{text}");
        assert!(text.contains("# budget 2 GB: the machine's memory (MemTotal)\n#   high water 1536 MB, low water 1331 MB,\n#   near the line from 1306 MB, near the limit from 1843 MB, reserve 64 MB\n"), "{text}");
        assert!(!text.contains("scaled down"), "{text}");
        let shown = profile::parse(Path::new("x.yaml"), &text).expect("valid");
        assert_eq!(shown, find::<Profile>(&nowhere(), "balanced").expect("known").value);

        let small = profiles_show(&nowhere(), "balanced", &machine(512)).expect("known");
        assert!(small.contains("#   high water 384 MB, low water 333 MB") && small.contains("scaled down"), "{small}");
        let large = profiles_show(&nowhere(), "balanced", &machine(24 * 1024)).expect("known");
        assert!(large.contains("# budget 2 GB: profile balanced; the machine has 24 GB\n"), "{large}");
        for text in [&text, &small, &large] {
            assert_fits(text);
        }
        let told = profiles_show(&nowhere(), "fsat", &machine(2048)).expect_err("unknown");
        assert!(told.contains("did you mean `fast`?"), "{told}");
    }

    #[test]
    fn show_gives_a_valid_preset_with_what_it_asks_of_ffmpeg() {
        for (name, idea) in [
            (
                "web-720p",
                "# picture: libx264, preset medium, crf 23, at most 720 pixels on the short side, yuv420p\n# sound: aac 128k, the default track\n# file: NAME.web-720p.mp4 (ffmpeg's mp4 format)\n# 2 threads, pinned",
            ),
            (
                "audio-m4a",
                "# picture: none\n# sound: aac 160k, the default track\n# file: NAME.audio-m4a.m4a (ffmpeg's ipod format)\n# 1 thread, pinned",
            ),
            ("thumbnails", "a contact sheet of 16 evenly spaced frames, 4 by 4\n# sound: none\n"),
        ] {
            let text = presets_show(&nowhere(), name).expect("known");
            assert!(text.contains(idea), "{text}");
            let shown = crate::config::preset::parse(Path::new("x.yaml"), &text).expect("valid");
            assert_eq!(shown, find::<Preset>(&nowhere(), name).expect("known").value);
        }
    }

    #[test]
    fn check_says_ok_or_every_mistake() {
        let folder = tempfile::tempdir().expect("tempdir");
        let file = folder.path().join("x.yaml");
        let shown = path_text(&file);
        std::fs::write(&file, "name: x\nmax_concurrent: 3\nmax_file_size: 50MB\n").expect("written");
        assert_eq!(
            profiles_check(&file, &machine(1024)),
            Ok(format!("{shown}: ok, the profile `x` (3/50; here: budget 1 GB, cleanup from 768 MB, alarm ends at 666 MB)\n"))
        );
        std::fs::write(&file, "name: x\nmax_concurrent: 0\nmax_file_size: 50\nmemry: 1\n").expect("written");
        let told = profiles_check(&file, &machine(1024)).expect_err("wrong");
        let expected = format!(
            "{shown}:2:17: max_concurrent: 0 job slots; allowed: a whole number from 1 to 64, or auto\n{shown}:4:1: memry: unknown key; did you mean \
             `memory`?; allowed: name, title, max_concurrent, max_file_size, large, memory, scratch_limit, env, envVars, guide\n{shown}: 2 mistakes\n"
        );
        assert_eq!(told, expected);
        assert!(presets_check(&file).expect_err("no preset").ends_with(" mistakes\n"));
        std::fs::write(&file, "name: x\naudio: { codec: aac }\ncontainer: m4a\nthreads: 1\n").expect("written");
        assert_eq!(presets_check(&file), Ok(format!("{shown}: ok, the preset `x` (no picture, aac, m4a)\n")));
    }
}
