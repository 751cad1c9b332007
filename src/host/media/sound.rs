//! The chain of filters between a sound's decoder and its encoder: without gaps, in step, in a layout that the encoder takes.
//!
//! Writes filter descriptions; starts nothing and looks at no file.

use crate::domain::media::AudioStream;
use crate::domain::preset::{AudioCodec, Container, Preset};

/// Gaps become silence and overlaps are cut, so that samples and times agree to the end.
const IN_STEP: &str = "aresample=async=1";
/// Channels from which on no layout has a common name.
const NAMED_CHANNELS: u32 = 8;
/// Speakers that stand opposite each other: the resampler takes no layout that has one of two.
const PAIRS: &[(&str, &str)] = &[("FL", "FR"), ("SL", "SR"), ("BL", "BR"), ("FLC", "FRC")];
/// Bits a second that libopus takes at the most, for each channel.
const MOST_OPUS: u64 = 256_000;
/// The lowest rate of MP3 for which MP4 has a standard.
const LOWEST_MP3_IN_MP4: u32 = 16_000;

/// The whole chain for one track.
pub fn filters(codec: AudioCodec, sound: &AudioStream, preset: &Preset) -> String {
    let mut chain = Vec::new();
    let layout = layout(codec, sound);
    if let Some(speakers) = of_a_sphere(sound) {
        chain.push(speakers);
    } else if needs_mix(sound) {
        chain.push(mix(sound.channels));
    } else if is_odd(sound) {
        // Only filters that count channels take it.
        chain.push(if channels_of(layout) == sound.channels { in_order(layout) } else { mix(sound.channels) });
    }
    chain.push(IN_STEP.to_owned());
    // One rate and one layout, whatever comes on the way: advertisements have other ones than the film.
    let is_set = |option: &str| preset.extra.iter().step_by(2).any(|name| name == option);
    let mut wanted = Vec::new();
    if !is_set("-ar")
        && let Some(rate) = rate(codec, preset.container, sound.sample_rate)
    {
        wanted.push(format!("sample_rates={rate}"));
    }
    if !is_set("-ac") {
        wanted.push(format!("channel_layouts={layout}"));
    }
    if !wanted.is_empty() {
        chain.push(format!("aformat={}", wanted.join(":")));
    }
    chain.join(",")
}

/// The bit rate for one track: the wanted one, or the most that the encoder takes for so many channels.
pub fn bitrate(codec: AudioCodec, wanted: u64, sound: &AudioStream, preset: &Preset) -> u64 {
    if codec != AudioCodec::Opus {
        return wanted;
    }
    let set = preset.extra.chunks_exact(2).find(|option| option[0] == "-ac").and_then(|option| option[1].parse().ok());
    let channels: u32 = set.unwrap_or_else(|| channels_of(layout(codec, sound)));
    wanted.min(MOST_OPUS * u64::from(channels.max(1)))
}

/// Its speakers have names, `2 channels (SL+SR)`, and the resampler refuses them: none is in front, or one of a pair is missing.
fn is_odd(sound: &AudioStream) -> bool {
    let Some((count, names)) = sound.layout.split_once(" channels (") else { return false };
    let names: Vec<&str> = names.trim_end_matches(')').split('+').collect();
    let has = |name| names.contains(&name);
    let is_in_front = ["FL", "FR", "FC"].into_iter().any(has);
    let is_lopsided = PAIRS.iter().any(|(left, right)| has(left) != has(right));
    sound.channels > 1 && count.parse() == Ok(sound.channels) && (!is_in_front || is_lopsided)
}

/// Each channel as the one of the same number in this layout.
fn in_order(layout: &str) -> String {
    let numbers: Vec<String> = (0..channels_of(layout)).map(|number| number.to_string()).collect();
    format!("channelmap={}:{layout}", numbers.join("|"))
}

/// How many channels a layout of [`taken`] has.
fn channels_of(layout: &str) -> u32 {
    match layout {
        "mono" => 1,
        "2.1" | "3.0" => 3,
        "4.0" | "quad" => 4,
        "5.0" => 5,
        "5.1" | "5.1(side)" => 6,
        "6.1" => 7,
        "7.1" => 8,
        _ => 2,
    }
}

/// No filter knows where these channels stand: they are mixed by number.
fn needs_mix(sound: &AudioStream) -> bool {
    sound.channels > NAMED_CHANNELS && !matches!(sound.layout.as_str(), "22.2" | "hexadecagonal")
        || sound.channels == 16
        || sound.channels == 24
        || is_ambisonic(sound)
}

/// Sound from all around, as films of 360 degrees have it: its channels are no speakers.
fn is_ambisonic(sound: &AudioStream) -> bool {
    sound.layout.starts_with("ambisonic ") && sound.channels > 1
}

/// Left and right of an ambisonic sound, as two microphones that look there would hear them: the first channel is the sound of
/// every direction, the second one tells left (ACN order). Two channels behind them are for both ears as they are.
fn of_a_sphere(sound: &AudioStream) -> Option<String> {
    if !is_ambisonic(sound) {
        return None;
    }
    let (left, right) = match sound.channels {
        channels if sound.layout.ends_with("+stereo") && channels > 5 => {
            (format!("+c{}", channels - 2), format!("+c{}", channels - 1))
        }
        _ => (String::new(), String::new()),
    };
    Some(format!("pan=stereo|c0<c0+c1{left}|c1<c0-c1{right}"))
}

/// Odd channels to the left, even ones to the right, as loud as they are together.
fn mix(channels: u32) -> String {
    let side = |first: u32| (first..channels).step_by(2).map(|channel| format!("c{channel}")).collect::<Vec<_>>().join("+");
    format!("pan=stereo|c0<{}|c1<{}", side(0), side(1))
}

/// The layout that the encoder is given: the input's where the encoder has it, else the nearest.
fn layout(codec: AudioCodec, sound: &AudioStream) -> &'static str {
    if needs_mix(sound) {
        return "stereo";
    }
    let known = |layout: &str| taken(codec).iter().copied().find(|taken| *taken == layout);
    let fallback = match (sound.layout.as_str(), sound.channels) {
        ("5.0(side)", _) => "5.0",
        ("5.1(side)" | "3.1" | "4.1" | "6.0" | "6.0(front)" | "hexagonal", _) => "5.1",
        ("quad(side)", _) => "quad",
        (_, 1) => "mono",
        (_, 3) => "3.0",
        (_, 4) => "quad",
        (_, 5) => "5.0",
        (_, 6 | 7) => "5.1",
        (_, 8) => "7.1",
        _ => "stereo",
    };
    known(&sound.layout).or_else(|| known(fallback)).unwrap_or("stereo")
}

/// Layouts that each encoder takes and players know, tried with ffmpeg 5.1.
const fn taken(codec: AudioCodec) -> &'static [&'static str] {
    match codec {
        AudioCodec::Aac => &["mono", "stereo", "2.1", "3.0", "4.0", "quad", "5.0", "5.1", "7.1"],
        AudioCodec::Opus => &["mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"],
        AudioCodec::Mp3 => &["mono", "stereo"],
        AudioCodec::Flac => &["mono", "stereo", "2.1", "3.0", "4.0", "quad", "5.0", "5.1", "5.1(side)", "6.1", "7.1"],
        AudioCodec::Copy => &[],
    }
}

/// The rate next above the input's that encoder and container take, or the highest. `None` where the input's is not told.
fn rate(codec: AudioCodec, container: Container, input: u32) -> Option<u32> {
    let rates: &[u32] = match codec {
        AudioCodec::Aac => &[8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000],
        AudioCodec::Opus => &[48_000],
        AudioCodec::Mp3 => &[8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000],
        AudioCodec::Flac => &[8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000],
        AudioCodec::Copy => &[],
    };
    if input == 0 {
        return None;
    }
    let lowest = match (codec, container) {
        (AudioCodec::Mp3, Container::Mp4) => LOWEST_MP3_IN_MP4,
        _ => 0,
    };
    rates.iter().copied().find(|rate| *rate >= input.max(lowest)).or_else(|| rates.last().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fixtures::quick;

    fn sound(channels: u32, layout: &str, sample_rate: u32) -> AudioStream {
        AudioStream { codec: "pcm_s16le".to_owned(), channels, layout: layout.to_owned(), sample_rate, ..AudioStream::default() }
    }

    #[test]
    fn a_usual_track_keeps_its_rate_and_its_layout() {
        assert_eq!(
            filters(AudioCodec::Aac, &sound(2, "stereo", 44_100), &quick()),
            "aresample=async=1,aformat=sample_rates=44100:channel_layouts=stereo"
        );
    }

    #[test]
    fn layouts_that_an_encoder_does_not_take_become_the_nearest() {
        let of = |codec, channels, layout| super::layout(codec, &sound(channels, layout, 48_000));
        assert_eq!(of(AudioCodec::Aac, 6, "5.1(side)"), "5.1");
        assert_eq!(of(AudioCodec::Aac, 7, "6.1"), "5.1");
        assert_eq!(of(AudioCodec::Opus, 7, "6.1"), "6.1");
        assert_eq!(of(AudioCodec::Mp3, 6, "5.1"), "stereo");
        assert_eq!(of(AudioCodec::Opus, 3, "2.1"), "3.0");
        assert_eq!(of(AudioCodec::Aac, 0, ""), "stereo");
        assert_eq!(of(AudioCodec::Flac, 6, "5.1(side)"), "5.1(side)");
    }

    #[test]
    fn more_channels_than_have_names_are_mixed_by_number() {
        let text = filters(AudioCodec::Aac, &sound(10, "", 48_000), &quick());
        assert!(text.starts_with("pan=stereo|c0<c0+c2+c4+c6+c8|c1<c1+c3+c5+c7+c9,aresample"), "{text}");
    }

    #[test]
    fn sound_from_all_around_becomes_left_and_right() {
        let of = |channels, layout| filters(AudioCodec::Aac, &sound(channels, layout, 48_000), &quick());
        let rest = "aresample=async=1,aformat=sample_rates=48000:channel_layouts=stereo";
        assert_eq!(of(4, "ambisonic 1"), format!("pan=stereo|c0<c0+c1|c1<c0-c1,{rest}"));
        assert_eq!(of(16, "ambisonic 3"), format!("pan=stereo|c0<c0+c1|c1<c0-c1,{rest}"));
        assert_eq!(of(6, "ambisonic 1+stereo"), format!("pan=stereo|c0<c0+c1+c4|c1<c0-c1+c5,{rest}"));
    }

    #[test]
    fn rates_beyond_the_encoder_become_its_highest() {
        let rate = |codec, input| super::rate(codec, Container::Mkv, input);
        assert_eq!(rate(AudioCodec::Aac, 192_000), Some(96_000));
        assert_eq!(rate(AudioCodec::Mp3, 37_800), Some(44_100));
        assert_eq!(rate(AudioCodec::Opus, 8000), Some(48_000));
        assert_eq!(rate(AudioCodec::Aac, 0), None);
    }

    #[test]
    fn mp3_in_mp4_has_a_rate_that_mp4_knows() {
        assert_eq!(rate(AudioCodec::Mp3, Container::Mp4, 8000), Some(16_000));
        assert_eq!(rate(AudioCodec::Mp3, Container::Mp4, 22_050), Some(22_050));
        assert_eq!(rate(AudioCodec::Mp3, Container::Mkv, 8000), Some(8000));
        assert_eq!(rate(AudioCodec::Aac, Container::Mp4, 8000), Some(8000));
    }

    #[test]
    fn opus_gets_no_more_bits_than_it_takes_for_its_channels() {
        let of = |codec, channels, preset: &Preset| bitrate(codec, 320_000, &sound(channels, "", 48_000), preset);
        assert_eq!(of(AudioCodec::Opus, 1, &quick()), 256_000);
        assert_eq!(of(AudioCodec::Opus, 2, &quick()), 320_000);
        assert_eq!(of(AudioCodec::Aac, 1, &quick()), 320_000);
        let extra = ["-ac", "1"].map(str::to_owned).to_vec();
        assert_eq!(of(AudioCodec::Opus, 2, &Preset { extra, ..quick() }), 256_000);
    }

    #[test]
    fn speakers_that_the_resampler_refuses_are_taken_in_their_order() {
        let begin = |codec, channels, layout| {
            let chain = filters(codec, &sound(channels, layout, 48_000), &quick());
            chain.split_once(",aresample").map(|(begin, _)| begin.to_owned()).unwrap_or_default()
        };
        assert_eq!(begin(AudioCodec::Aac, 2, "2 channels (SL+SR)"), "channelmap=0|1:stereo");
        assert_eq!(begin(AudioCodec::Aac, 2, "2 channels (FL+FC)"), "channelmap=0|1:stereo");
        assert_eq!(begin(AudioCodec::Flac, 3, "3 channels (BC+SL+SR)"), "channelmap=0|1|2:3.0");
        assert_eq!(begin(AudioCodec::Mp3, 3, "3 channels (BC+SL+SR)"), "pan=stereo|c0<c0+c2|c1<c1");
        // The resampler knows better what to make of these.
        for layout in ["2 channels (FC+LFE)", "6 channels (FL+FR+FC+LFE+TFL+TFR)", "stereo", ""] {
            assert_eq!(begin(AudioCodec::Aac, 2, layout), "", "{layout}");
        }
        assert_eq!(begin(AudioCodec::Aac, 1, "1 channels (SL)"), "");
    }
}
