//! The output options that a preset may add, each with the values it may have.
//!
//! Every entry changes only how the picture or the sound is coded, or how the file is laid out. What could name a file, a
//! filter, a protocol or a stream of its own is not here, and so cannot be said.

use serde_yaml::Value;

use super::super::read::Reader;
use super::super::spell::nearest;
use super::super::yaml::quoted;
use super::bitrate;
use crate::domain::preset::{AudioCodec, Container, VideoCodec};

/// What the preset makes, which decides what options have a meaning.
pub(super) struct Made {
    pub(super) container: Part<Container>,
    pub(super) video: Part<VideoCodec>,
    pub(super) audio: Part<AudioCodec>,
}

/// What the preset says of a part of what it makes.
pub(super) enum Part<T> {
    /// It is made so.
    Is(T),
    /// It is not made.
    None,
    /// It is written wrongly. What belongs to it is taken to fit, so that its other mistakes are told at once.
    Wrong,
}

impl<T: PartialEq> Part<T> {
    pub(super) fn of(said: Option<T>, is_wrong: bool) -> Self {
        if is_wrong { Self::Wrong } else { said.map_or(Self::None, Self::Is) }
    }

    fn is_among(&self, all: &[T]) -> bool {
        match self {
            Self::Is(this) => all.contains(this),
            Self::None => false,
            Self::Wrong => true,
        }
    }
}

/// The values that an option may have.
enum Values {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number between the two.
    Whole(u32, u32),
    /// Bits per second from 10k to 200M.
    Bits,
}

impl Values {
    fn rule(&self) -> String {
        match self {
            Self::Words(words) => words.join(", "),
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Bits => "bits per second from 10k to 200M, such as 2500k".to_owned(),
        }
    }

    fn lets_pass(&self, text: &str) -> bool {
        match self {
            Self::Words(words) => words.contains(&text),
            Self::Whole(least, most) => {
                let digits = !text.is_empty() && text.len() <= 6 && text.chars().all(|c| c.is_ascii_digit());
                digits && text.parse::<u32>().is_ok_and(|number| (*least..=*most).contains(&number))
            }
            Self::Bits => text.trim() == text && bitrate(text, 10_000, 200_000_000).is_ok(),
        }
    }
}

/// What an option belongs to.
enum Belongs {
    Containers(&'static [Container]),
    Video(&'static [VideoCodec]),
    Audio(&'static [AudioCodec]),
}

impl Belongs {
    fn fits(&self, made: &Made) -> bool {
        match self {
            Self::Containers(containers) => made.container.is_among(containers),
            Self::Video(codecs) => made.video.is_among(codecs),
            Self::Audio(codecs) => made.audio.is_among(codecs),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Containers(containers) => super::list(containers),
            Self::Video(codecs) => super::list(codecs),
            Self::Audio(codecs) => super::list(codecs),
        }
    }
}

use AudioCodec::{Aac, Flac, Mp3, Opus};
use VideoCodec::{Mjpeg, Mpeg4, SvtAv1, Vp9, X264, X265};

const ENCODED: &[AudioCodec] = &[Aac, Opus, Mp3, Flac];

/// Option, its values, what it belongs to.
const ALLOWED: &[(&str, Values, Belongs)] = &[
    ("-movflags", Values::Words(&["+faststart"]), Belongs::Containers(&[Container::Mp4, Container::M4a, Container::Mov])),
    ("-tune", Values::Words(&["film", "animation", "grain", "stillimage", "fastdecode", "zerolatency"]), Belongs::Video(&[X264])),
    ("-profile:v", Values::Words(&["baseline", "main", "high", "high10", "high422", "high444"]), Belongs::Video(&[X264])),
    (
        "-level",
        Values::Words(&["3.0", "3.1", "3.2", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2", "6.0", "6.1", "6.2"]),
        Belongs::Video(&[X264]),
    ),
    ("-g", Values::Whole(1, 1000), Belongs::Video(&[X264, X265, Vp9, SvtAv1, Mpeg4])),
    ("-keyint_min", Values::Whole(1, 1000), Belongs::Video(&[X264, X265, Vp9])),
    ("-bf", Values::Whole(0, 16), Belongs::Video(&[X264, X265])),
    ("-refs", Values::Whole(1, 16), Belongs::Video(&[X264, X265])),
    ("-rc-lookahead", Values::Whole(0, 250), Belongs::Video(&[X264])),
    ("-maxrate", Values::Bits, Belongs::Video(&[X264, X265, Vp9, Mpeg4])),
    ("-bufsize", Values::Bits, Belongs::Video(&[X264, X265, Vp9, Mpeg4])),
    ("-q:v", Values::Whole(2, 31), Belongs::Video(&[Mpeg4, Mjpeg])),
    ("-tag:v", Values::Words(&["avc1", "hvc1"]), Belongs::Video(&[X264, X265])),
    ("-preset", Values::Whole(0, 13), Belongs::Video(&[SvtAv1])),
    ("-deadline", Values::Words(&["good", "realtime"]), Belongs::Video(&[Vp9])),
    ("-cpu-used", Values::Whole(0, 8), Belongs::Video(&[Vp9])),
    ("-row-mt", Values::Whole(0, 1), Belongs::Video(&[Vp9])),
    ("-ar", Values::Words(&["16000", "22050", "24000", "32000", "44100", "48000"]), Belongs::Audio(ENCODED)),
    ("-ac", Values::Whole(1, 8), Belongs::Audio(ENCODED)),
    ("-vbr", Values::Words(&["on", "off", "constrained"]), Belongs::Audio(&[Opus])),
    ("-compression_level", Values::Whole(0, 12), Belongs::Audio(&[Flac])),
];

/// Reads `extra`: options and values in turn.
pub(super) fn read(reader: &mut Reader<'_>, made: &Made) -> Vec<String> {
    const FORM: &str = "a list of options and values in turn, such as [\"-movflags\", \"+faststart\"]";
    let Some(value) = reader.raw("extra") else { return Vec::new() };
    let Value::Sequence(items) = value else {
        reader.wrong("extra", "is not a list", FORM);
        return Vec::new();
    };
    let mut words: Vec<String> = Vec::new();
    for (turn, pair) in items.chunks(2).enumerate() {
        let at = format!("extra[{}]", turn * 2);
        let option = reader.text(&at, &pair[0], &names(), |text| {
            ALLOWED.iter().find(|(name, ..)| *name == text).ok_or_else(|| {
                let meant = nearest(text, ALLOWED.iter().map(|(name, ..)| *name));
                let meant = meant.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                format!("the option `{}` is not on the allow list{meant}", quoted(text))
            })
        });
        let Some((name, values, belongs)) = option else { continue };
        if !belongs.fits(made) {
            reader.wrong(&at, &format!("{name} has no meaning here"), &format!("{name} with {}", belongs.words()));
        }
        if words.iter().step_by(2).any(|word| word == name) {
            reader.wrong(&at, &format!("{name} is given twice"), "each option once");
        }
        let Some(second) = pair.get(1) else {
            reader.wrong(&at, &format!("{name} has no value"), &values.rule());
            continue;
        };
        let at = format!("extra[{}]", turn * 2 + 1);
        let value = reader.text(&at, second, &values.rule(), |text| {
            if values.lets_pass(text) { Ok(text.to_owned()) } else { Err(format!("`{}` is no value of {name}", quoted(text))) }
        });
        if let Some(value) = value {
            words.extend([(*name).to_owned(), value]);
        }
    }
    words
}

fn names() -> String {
    ALLOWED.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}
