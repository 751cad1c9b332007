use std::time::Duration;

use super::*;
use crate::domain;
use crate::domain::preset::{PixelFormat, SpeedPreset, VideoCodec};
use recipes::{Recipe, recipes};

#[path = "../../../tests/support/recipes.rs"]
mod recipes;

/// A row of the table by its text.
fn row(text: &str) -> (MediaInfo, Preset) {
    let recipe = recipes().into_iter().find(|recipe| recipe.text == text).unwrap_or_else(|| panic!("no row {text}"));
    (recipe.media(), recipe.preset)
}

fn model(media: &MediaInfo, preset: &Preset) -> f64 {
    predicted_peak(media, preset).expect("a picture").as_mb()
}

fn highest(recipe: &Recipe) -> f64 {
    recipe.peaks.iter().copied().fold(0.0, f64::max)
}

#[test]
fn the_model_keeps_within_its_bounds_of_every_measured_peak() {
    let mut off = Vec::new();
    let recipes = recipes();
    assert!(recipes.len() >= 70 && recipes.iter().all(|recipe| recipe.peaks.len() == 2), "every row is measured");
    for recipe in &recipes {
        let (predicted, measured) = (model(&recipe.media(), &recipe.preset), highest(recipe));
        let error = predicted / measured - 1.0;
        println!("{:66} {predicted:6.0} {measured:6.0} {:+6.1} %", recipe.text, error * 100.0);
        if !recipe.is_predicted(predicted, measured) {
            off.push(format!("{}: {predicted:.0} for {measured:.0} ({:+.0} %)", recipe.text, error * 100.0));
        }
    }
    assert!(off.is_empty(), "{} of {}:\n{}", off.len(), recipes.len(), off.join("\n"));
}

#[test]
fn one_finished_job_of_a_kind_makes_the_next_estimate_better() {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for recipe in recipes() {
        let media = recipe.media();
        let mut learned = Learned::default();
        let key = RecipeKey::of(&media, &recipe.preset).expect("long enough");
        // The job that taught showed another picture than the one that is estimated.
        learned.remember(key, Bytes::mib(1).scale(recipe.peaks[0]));
        let estimate = estimate(&media, &recipe.preset, &learned).expect("a picture");
        assert_eq!(estimate.learned_from, 1);
        after.push(estimate.peak.as_mb() / recipe.peaks[1] - 1.0);
        before.push(model(&media, &recipe.preset) / recipe.peaks[1] - 1.0);
        assert!(recipe.is_learned(estimate.peak.as_mb(), recipe.peaks[1]), "{}: {:+.2}", recipe.text, after[after.len() - 1]);
    }
    let too_low = |errors: &[f64]| errors.iter().filter(|error| **error < 0.0).count();
    let sorted = |mut errors: Vec<f64>| {
        errors.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        errors[errors.len() * 9 / 10].abs()
    };
    assert!(too_low(&after) < too_low(&before) / 4, "{} below the truth, {} before", too_low(&after), too_low(&before));
    let (before, after) = (sorted(before), sorted(after));
    assert!(after < before, "nine of ten are within {after} after, {before} before");
}

#[test]
fn the_estimate_is_a_little_over_the_highest_of_the_last_peaks() {
    let (media, preset) = row("h264 1280x720 yuv420p libx264 medium - 2");
    let key = RecipeKey::of(&media, &preset).expect("long enough");
    let mut learned = Learned::default();
    for mb in [900, 200, 230, 210] {
        learned.remember(key.clone(), Bytes::mib(mb));
    }
    let first = estimate(&media, &preset, &learned).expect("a picture");
    assert_eq!((first.peak, first.learned_from), (Bytes::mib(900).scale(1.05), 4));
    for _ in 0..KEPT - 3 {
        learned.remember(key.clone(), Bytes::mib(205));
    }
    let then = estimate(&media, &preset, &learned).expect("a picture");
    assert_eq!((then.peak, then.learned_from), (Bytes::mib(230).scale(1.05), KEPT as u32), "the oldest is forgotten");
}

#[test]
fn a_recipe_that_was_not_seen_falls_back_to_the_model() {
    let (media, preset) = row("h264 1280x720 yuv420p libx264 medium - 2");
    let mut learned = Learned::default();
    learned.remember(RecipeKey::of(&media, &preset).expect("long enough"), Bytes::mib(999));
    for other in [
        "h264 1280x720 yuv420p libx264 medium - 4",
        "h264 1280x720 yuv420p libx264 slow - 4",
        "h264 1920x1080 yuv420p libx264 medium - 2",
        "h264 1920x1080 yuv420p libx264 medium 720 2",
        "h264 1280x720 yuv420p libx264 medium - 2 -bf 8",
        "h264 1280x720 yuv420p libx265 medium - 2",
    ] {
        let (media, preset) = row(other);
        let estimate = estimate(&media, &preset, &learned).expect("a picture");
        assert_eq!((Some(estimate.peak), estimate.learned_from), (predicted_peak(&media, &preset), 0), "{other}");
    }
}

#[test]
fn quality_sound_and_a_few_lines_more_make_no_other_recipe() {
    let (clip, preset) = row("h264 1920x1080 yuv420p libx264 medium 720 2");
    let key = RecipeKey::of(&clip, &preset);
    let mut other = preset.clone();
    other.name = "mine".to_owned();
    other.audio = None;
    other.extra = vec!["-movflags".to_owned(), "+faststart".to_owned()];
    if let Some(plan) = &mut other.video {
        (plan.crf, plan.bitrate) = (None, Some(2_000_000));
    }
    assert_eq!(RecipeKey::of(&clip, &other), key);
    let mut taller = clip.clone();
    taller.video.as_mut().expect("a picture").height = 1088;
    assert_eq!(RecipeKey::of(&taller, &preset), key);
    other.extra = vec!["-refs".to_owned(), "8".to_owned()];
    assert_ne!(RecipeKey::of(&clip, &other), key);
}

#[test]
fn a_clip_too_short_to_fill_the_encoder_neither_teaches_nor_learns() {
    let (clip, preset) = row("h264 1280x720 yuv420p libx264 medium - 2");
    let lasting = |ms| MediaInfo { duration: Some(Duration::from_millis(ms)), ..clip.clone() };
    assert_eq!(RecipeKey::of(&lasting(1000), &preset), None);
    assert_eq!(RecipeKey::of(&lasting(60_000), &preset), RecipeKey::of(&clip, &preset));
    assert!(model(&lasting(200), &preset) < 0.5 * model(&lasting(60_000), &preset), "and needs less");
    let (minute, hours) = (model(&lasting(60_000), &preset), model(&lasting(6_000_000), &preset));
    assert!((minute - hours).abs() < 1e-9, "length alone costs nothing: {minute} and {hours}");
    assert_eq!(RecipeKey::of(&MediaInfo { video: None, ..clip.clone() }, &preset), None);
}

#[test]
fn only_a_run_that_was_seen_to_its_plateau_teaches() {
    let (_, preset) = row("h264 1280x720 yuv420p libx264 medium - 2");
    let sound = Preset { video: None, ..preset.clone() };
    let course = |mb, frames, ms| FinishedRun { peak: Bytes::mib(mb), frames, ran: Duration::from_millis(ms) };
    assert!(course(200, 100, 1500).is_telling(&preset));
    assert!(!course(200, 40, 9000).is_telling(&preset), "the lookahead was never full");
    assert!(!course(200, 100, 300).is_telling(&preset), "looked at too seldom");
    assert!(!course(0, 100, 1500).is_telling(&preset), "never looked at");
    assert!(course(20, 0, 2500).is_telling(&sound), "sound has no frames");
    assert!(!course(20, 0, 1500).is_telling(&sound));
}

#[test]
fn more_pixels_threads_and_slower_presets_never_need_less() {
    let (base, preset) = row("h264 1920x1080 yuv420p libx264 medium 720 2");
    let sized = |width, height| {
        let mut media = base.clone();
        let picture = media.video.as_mut().expect("a picture");
        (picture.width, picture.height) = (width, height);
        media
    };
    let rises = |what: &str, peaks: Vec<f64>| assert!(peaks.is_sorted(), "{what}: {peaks:?}");
    for codec in VideoCodec::ALL.iter().copied().filter(|codec| *codec != VideoCodec::Copy) {
        let with = |speed, height, threads| {
            let mut preset = Preset { threads, ..preset.clone() };
            let plan = preset.video.as_mut().expect("a picture");
            (plan.codec, plan.preset, plan.height) = (codec, Some(speed), height);
            preset
        };
        let sizes = [(320, 180), (640, 360), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (7680, 4320)];
        let medium = SpeedPreset::Medium;
        for height in [None, Some(480)] {
            let of = |&(width, lines)| model(&sized(width, lines), &with(medium, height, 2));
            rises(&format!("{codec} {height:?} by size"), sizes.iter().map(of).collect());
        }
        let outputs = [Some(180), Some(360), Some(720), Some(1080), None];
        rises(codec.as_str(), outputs.map(|height| model(&sized(3840, 2160), &with(medium, height, 2))).to_vec());
        rises(codec.as_str(), (1..=64).map(|threads| model(&base, &with(medium, None, threads))).collect());
        if matches!(codec, VideoCodec::X264 | VideoCodec::X265) {
            rises(codec.as_str(), SpeedPreset::ALL.iter().map(|&speed| model(&base, &with(speed, None, 2))).collect());
        }
    }
    let deep = |format| {
        let mut preset = preset.clone();
        preset.video.as_mut().expect("a picture").pixel_format = Some(format);
        model(&base, &preset)
    };
    rises("formats", [PixelFormat::Yuv420p, PixelFormat::Yuv422p, PixelFormat::Yuv422p10].map(deep).to_vec());
}
