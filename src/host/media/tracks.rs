//! Which of an input's streams go into the output, what they are made into, and what is left out, in words.
//!
//! Chooses by what the probe found and what the preset asks for. Builds no command and looks at no file.

use std::time::Duration;

use crate::domain::media::{AudioStream, MediaInfo, SubtitleStream, VideoStream};
use crate::domain::preset::{AudioCodec, Container, Location, Preset, Subtitles, Tracks};
use crate::domain::text::sanitise;

/// Titles of tracks beside the main sound, lower case. The flags of the file say the same where they are set.
const ASIDE_TITLES: &[&str] = &[
    "commentary",
    "comment track",
    "audio description",
    "audiodescription",
    "audiodeskription",
    "audiokommentar",
    "descriptive",
    "described video",
    "hörfilm",
];
/// The last chapter may end so long behind the film without a harm.
const CHAPTERS_SLACK: Duration = Duration::from_secs(1);
/// Titles that are told of tracks that are left out; of more only the number is.
const TITLES_TOLD: usize = 3;

/// What goes into an output.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen<'a> {
    /// Number of the video stream; `None` = no picture.
    pub picture: Option<u32>,
    pub sounds: Vec<&'a AudioStream>,
    /// The subtitles, each with the codec that it is written with.
    pub subtitles: Vec<(&'a SubtitleStream, &'static str)>,
    pub chapters: bool,
    /// What stays behind, in words.
    pub left_out: Vec<String>,
}

/// Why an input cannot be made into what the preset asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A stream that the preset needs is not there.
    #[error("{0}")]
    Missing(String),
    /// A stream cannot be copied into the container.
    #[error("{0}")]
    Copy(String),
    /// This ffmpeg has no decoder for it.
    #[error("{0}")]
    NoDecoder(String),
}

/// The track that a player would play: of the picture's own programme, no commentary or description where there is another, the
/// default one, the first.
pub fn best_sound(sounds: &[AudioStream]) -> Option<&AudioStream> {
    // `min_by_key` gives the first of equals.
    sounds.iter().min_by_key(|sound| (sound.is_of_other_program, !is_known(sound), is_aside(sound), !sound.is_default))
}

/// It can be decoded: its codec has a name and its format was read.
fn is_known(sound: &AudioStream) -> bool {
    !sound.codec.is_empty() && sound.channels > 0
}

fn is_aside(sound: &AudioStream) -> bool {
    let title = sound.title.as_deref().unwrap_or_default().to_lowercase();
    sound.is_aside || ASIDE_TITLES.iter().any(|aside| title.contains(aside))
}

/// Chooses, or says why nothing can be made.
pub fn choose<'a>(preset: &Preset, media: &'a MediaInfo) -> Result<Chosen<'a>, Unfit> {
    if let Some(words) = missing_stream(preset, media) {
        return Err(Unfit::Missing(words));
    }
    let is_still = preset.container.is_still();
    let mut chosen = Chosen { picture: picture(preset, media), ..Chosen::default() };
    if let Some(plan) = preset.audio.as_ref().filter(|_| !is_still) {
        chosen.sounds = match plan.tracks {
            Tracks::Best => media.audio.iter().collect(),
            Tracks::All => all_sounds(media),
        };
        if let Some(unknown) = chosen.sounds.iter().find(|sound| !is_known(sound) && plan.codec != AudioCodec::Copy) {
            return Err(Unfit::NoDecoder(format!(
                "the sound ({}) cannot be decoded by this ffmpeg; a preset with `audio: none` leaves it out",
                codec_words(unknown)
            )));
        }
    }
    if preset.subtitles == Subtitles::Keep && chosen.picture.is_some() {
        let own = media.extras.subtitles.iter().filter(|one| !one.is_of_other_program);
        let kept = own.filter_map(|one| Some((one, subtitle_codec(&one.codec, preset.container)?)));
        chosen.subtitles = kept.collect();
    }
    check_copies(preset, media, &chosen)?;
    let can_hold_chapters = !matches!(preset.container, Container::Ts | Container::Jpg);
    chosen.chapters = media.extras.chapters > 0
        && media.extras.chapters_are_named
        && can_hold_chapters
        && !chapters_outlast_film(preset.container, media);
    if !is_still {
        chosen.left_out = left_out(preset, media, &chosen);
    }
    Ok(chosen)
}

/// The chapters would make the film longer than it is: MP4 and MOV hold them in a track of their own, as long as they say.
fn chapters_outlast_film(container: Container, media: &MediaInfo) -> bool {
    let is_in_a_track = matches!(container, Container::Mp4 | Container::M4a | Container::Mov);
    let ends = media.extras.chapters_end.zip(media.duration);
    is_in_a_track && (media.extras.ends_early || ends.is_some_and(|(chapters, film)| chapters > film + CHAPTERS_SLACK))
}

fn picture(preset: &Preset, media: &MediaInfo) -> Option<u32> {
    preset.video.as_ref()?;
    // A sheet is made of a cover picture too, where there is no film.
    media.video.as_ref().map(|stream| stream.index)
}

/// All of the picture's programme that can be decoded, the best one first: players take the first where they do not ask.
fn all_sounds(media: &MediaInfo) -> Vec<&AudioStream> {
    // None of them can be heard.
    if media.audio.is_none() {
        return Vec::new();
    }
    let best = best_sound(&media.extras.sounds);
    let own = media.extras.sounds.iter().filter(|sound| is_known(sound) && !sound.is_of_other_program);
    let others = own.filter(|sound| best.is_none_or(|best| best.index != sound.index));
    let all: Vec<_> = best.into_iter().chain(others).collect();
    // What was probed by an earlier version knows of one.
    if all.is_empty() { media.audio.iter().collect() } else { all }
}

/// The codec that a subtitle is written with; `None` where the container cannot hold it.
fn subtitle_codec(codec: &str, container: Container) -> Option<&'static str> {
    const TEXT: &[&str] =
        &["subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text", "microdvd", "subviewer", "sami", "realtext"];
    let is_text = TEXT.contains(&codec);
    match container {
        Container::Mp4 | Container::Mov if is_text => Some("mov_text"),
        Container::Mkv if matches!(codec, "subrip" | "ass" | "ssa" | "webvtt") => Some("copy"),
        Container::Mkv if is_text => Some("srt"),
        Container::Mkv if matches!(codec, "hdmv_pgs_subtitle" | "dvd_subtitle" | "dvb_subtitle" | "hdmv_text_subtitle") => {
            Some("copy")
        }
        Container::Webm if is_text => Some("webvtt"),
        _ => None,
    }
}

/// The words for a stream that `preset` needs and `media` has not; `None` when all is there.
pub fn missing_stream(preset: &Preset, media: &MediaInfo) -> Option<String> {
    let (video, audio) = (media.video.is_some(), media.audio.is_some());
    let name = sanitise(preset.name.as_bytes());
    if !video && !audio {
        Some("not a video: it has neither picture nor sound; remove it from the list".to_owned())
    } else if preset.video.is_some() && !video {
        Some(format!("not a video: it has sound but no picture, which the preset {name} needs; audio-m4a takes the sound alone"))
    } else if preset.video.is_none() && !media.extras.sounds.is_empty() && !audio {
        Some(format!(
            "nothing of its sound can be decoded by this ffmpeg, and the preset {name} makes nothing else; choose one with video"
        ))
    } else if preset.video.is_none() && !audio {
        Some(format!("it has no sound, and the preset {name} makes nothing else; choose one with video"))
    } else {
        None
    }
}

/// What to do about a stream that another container holds.
const INTO_MKV: &str = "container: mkv holds it, or a codec instead of copy";

/// Streams that are copied have to be such as the container can hold.
fn check_copies(preset: &Preset, media: &MediaInfo, chosen: &Chosen<'_>) -> Result<(), Unfit> {
    if preset.copies_picture()
        && let Some(stream) = &media.video
    {
        check_copied_picture(preset, media, stream)?;
    }
    if preset.audio.as_ref().is_some_and(|plan| plan.codec == AudioCodec::Copy)
        && let Some(sound) = chosen.sounds.iter().find(|sound| !holds_sound(preset.container, &sound.codec))
    {
        let way = if holds_sound(Container::Mkv, &sound.codec) {
            INTO_MKV
        } else {
            "a preset with a codec instead of copy makes it anew"
        };
        return Err(cannot_hold(preset, "sound", &codec_words(sound), way));
    }
    Ok(())
}

fn cannot_hold(preset: &Preset, what: &str, codec: &str, way: &str) -> Unfit {
    let Preset { container, name, .. } = preset;
    Unfit::Copy(format!("{container} cannot hold {what} in {codec}, which the preset {name} copies as it is; {way}"))
}

fn check_copied_picture(preset: &Preset, media: &MediaInfo, stream: &VideoStream) -> Result<(), Unfit> {
    let (container, name) = (preset.container, &preset.name);
    if !holds_picture(container, &stream.codec) || container == Container::Mov && is_raw_in_planes(stream) {
        return Err(cannot_hold(preset, "a picture", &stream.codec, INTO_MKV));
    }
    if stream.has_matrix && !matches!(container, Container::Mp4 | Container::Mov) {
        return Err(Unfit::Copy(format!(
            "{container} cannot hold that the picture ({}) is to be turned or mirrored, and the preset {name} copies it as it is; \
             container: mp4 or mov holds it, or a codec instead of copy turns it",
            stream.codec
        )));
    }
    check_trim(preset, media)?;
    if media.extras.lacks_times {
        return Err(Unfit::Copy(format!(
            "the pictures of this {} file have no times of their own and come in another order than they are shown, and the preset \
             {name} copies them as they are; a codec instead of copy gives them times",
            sanitise(media.demuxer.as_bytes())
        )));
    }
    Ok(())
}

/// What was cut off a film without encoding is still in it, and a copy would bring it back. ffmpeg writes the place where a film
/// begins into MP4 and MOV, and the place where it ends nowhere.
fn check_trim(preset: &Preset, media: &MediaInfo) -> Result<(), Unfit> {
    let (container, name) = (preset.container, &preset.name);
    if media.extras.hides_end {
        return Err(Unfit::Copy(format!(
            "the film is trimmed at its end or in the middle, and the preset {name} copies its picture as it is, with what was cut off; a codec \
             instead of copy leaves it out"
        )));
    }
    if media.extras.hides_beginning && !matches!(container, Container::Mp4 | Container::Mov) {
        return Err(Unfit::Copy(format!(
            "{container} cannot hold that the film is trimmed at its beginning, and the preset {name} copies its picture as it is, \
             with what was cut off; container: mp4 or mov holds it, or a codec instead of copy leaves it out"
        )));
    }
    Ok(())
}

/// Plain pictures, colour by colour: MOV has no name for them.
fn is_raw_in_planes(stream: &VideoStream) -> bool {
    stream.codec == "rawvideo" && ["yuv4", "yuva4", "yuvj4", "nv"].iter().any(|kind| stream.pixel_format.starts_with(kind))
}

/// A picture of this codec can be copied into the container: tried with ffmpeg 5.1.
fn holds_picture(container: Container, codec: &str) -> bool {
    match container {
        Container::Mp4 => {
            matches!(
                codec,
                "h264" | "hevc" | "av1" | "vp9" | "mpeg4" | "mpeg2video" | "mpeg1video" | "mjpeg" | "png" | "vc1" | "dirac"
            )
        }
        Container::Mov => {
            !matches!(codec, "av1" | "vp8" | "vp9" | "theora" | "wmv1" | "wmv2" | "wmv3" | "rv10" | "rv20" | "rv30" | "rv40" | "")
        }
        Container::Mkv => !matches!(codec, "qtrle" | "smc" | ""),
        Container::Webm => matches!(codec, "vp8" | "vp9" | "av1"),
        Container::Ts => matches!(codec, "h264" | "hevc" | "mpeg2video" | "mpeg1video" | "mpeg4" | "dirac" | "vc1"),
        Container::M4a | Container::Jpg => false,
    }
}

/// Plain samples that Matroska has a name for; not those of discs and broadcasts, nor of channels one behind the other.
const MKV_PCM: &[&str] = &[
    "pcm_u8",
    "pcm_s16le",
    "pcm_s24le",
    "pcm_s32le",
    "pcm_s64le",
    "pcm_s16be",
    "pcm_s24be",
    "pcm_s32be",
    "pcm_f32le",
    "pcm_f64le",
    "pcm_alaw",
    "pcm_mulaw",
];

/// As [`holds_picture`], for sound.
fn holds_sound(container: Container, codec: &str) -> bool {
    match container {
        Container::Mp4 => matches!(codec, "aac" | "mp3" | "mp2" | "ac3" | "eac3" | "dts" | "alac" | "opus" | "mp1" | "vorbis"),
        Container::M4a => matches!(codec, "aac" | "alac" | "ac3"),
        Container::Mov => {
            matches!(codec, "aac" | "mp3" | "mp2" | "ac3" | "eac3" | "alac")
                || codec.starts_with("pcm_") && !matches!(codec, "pcm_bluray" | "pcm_dvd")
        }
        Container::Mkv if codec.starts_with("pcm_") => MKV_PCM.contains(&codec),
        Container::Mkv => !matches!(codec, "s302m" | "comfortnoise" | ""),
        Container::Webm => matches!(codec, "opus" | "vorbis"),
        Container::Ts => matches!(codec, "aac" | "mp3" | "mp2" | "ac3" | "eac3" | "dts" | "opus"),
        Container::Jpg => false,
    }
}

/// Why a track is left out whose programme is not the picture's.
const OTHER_PROGRAM: &str = " of another programme";

/// What stays behind, in words; what the preset makes no use of by its very kind is not told.
fn left_out(preset: &Preset, media: &MediaInfo, chosen: &Chosen<'_>) -> Vec<String> {
    let extras = &media.extras;
    let mut told = Vec::new();
    if preset.audio.is_some() {
        let behind = extras.sounds.iter().filter(|sound| chosen.sounds.iter().all(|kept| kept.index != sound.index));
        let (others, own): (Vec<_>, Vec<_>) = behind.partition(|sound| sound.is_of_other_program);
        let is_silent = chosen.sounds.is_empty() && media.audio.is_none();
        let (noun, why) =
            if is_silent { ("sound track", ", of which nothing can be decoded") } else { ("further sound track", "") };
        for (behind, noun, why) in [(own, noun, why), (others, "sound track", OTHER_PROGRAM)] {
            let titles: Vec<String> = behind.into_iter().map(sound_words).collect();
            if !titles.is_empty() {
                told.push(with_titles(&count(titles.len(), noun), &titles) + why);
            }
        }
    }
    if preset.video.is_some() {
        if extras.further_pictures > 0 {
            told.push(count(extras.further_pictures as usize, "further picture stream"));
        }
        let behind = extras.subtitles.iter().filter(|one| chosen.subtitles.iter().all(|(kept, _)| kept.index != one.index));
        let (others, own): (Vec<&SubtitleStream>, Vec<_>) = behind.partition(|one| one.is_of_other_program);
        let cannot =
            if preset.subtitles == Subtitles::Keep { format!(", which {} cannot hold", preset.container) } else { String::new() };
        for (behind, why) in [(own, cannot.as_str()), (others, OTHER_PROGRAM)] {
            if !behind.is_empty() {
                let titles: Vec<String> = behind.iter().map(|one| subtitle_words(one)).collect();
                told.push(with_titles(&count(behind.len(), "subtitle track"), &titles) + why);
            }
        }
        if extras.attachments > 0 {
            told.push(count(extras.attachments as usize, "attached file"));
        }
        if extras.data > 0 {
            told.push(count(extras.data as usize, "data track"));
        }
    }
    if extras.cover.is_some() {
        told.push("the cover picture".to_owned());
    }
    if extras.chapters > 0 && !chosen.chapters {
        let why = if !extras.chapters_are_named {
            "not all have names".to_owned()
        } else if chapters_outlast_film(preset.container, media) {
            "they go on behind the end of the film".to_owned()
        } else {
            format!("{} holds none", preset.container)
        };
        told.push(format!("{} ({why})", count(extras.chapters as usize, "chapter")));
    }
    if extras.location.is_some() && preset.location == Location::Drop {
        told.push("the place where it was recorded".to_owned());
    }
    told
}

fn sound_words(sound: &AudioStream) -> String {
    track_words(sound.title.as_deref(), sound.language.as_deref(), &codec_words(sound))
}

fn subtitle_words(subtitle: &SubtitleStream) -> String {
    track_words(subtitle.title.as_deref(), subtitle.language.as_deref(), &subtitle.codec)
}

fn track_words(title: Option<&str>, language: Option<&str>, codec: &str) -> String {
    let words = [title, language].into_iter().flatten().chain(std::iter::once(codec)).next();
    sanitise(words.unwrap_or_default().as_bytes())
}

/// The codec's name; for one that is not known, the tag that the file has for it.
fn codec_words(sound: &AudioStream) -> String {
    [&sound.codec, &sound.tag].into_iter().find(|name| !name.is_empty()).map_or_else(|| "unknown codec".to_owned(), Clone::clone)
}

fn with_titles(count: &str, titles: &[String]) -> String {
    if titles.len() > TITLES_TOLD { count.to_owned() } else { format!("{count} ({})", titles.join(", ")) }
}

/// `1 subtitle track`, `2 subtitle tracks`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::media::Extras;
    use crate::domain::preset::{AudioPlan, VideoCodec, VideoPlan};
    use crate::host::fixtures::quick;

    fn sound(index: u32) -> AudioStream {
        AudioStream { index, codec: "aac".to_owned(), channels: 2, ..AudioStream::default() }
    }

    fn media(sounds: Vec<AudioStream>, extras: Extras) -> MediaInfo {
        let video = VideoStream { codec: "h264".to_owned(), width: 64, height: 64, ..VideoStream::default() };
        MediaInfo {
            video: Some(video),
            audio: best_sound(&sounds).cloned(),
            extras: Extras { sounds, ..extras },
            ..MediaInfo::default()
        }
    }

    #[test]
    fn the_sound_is_the_one_that_a_player_plays() {
        let best = |sounds: &[AudioStream]| best_sound(sounds).map(|sound| sound.index);
        assert_eq!(best(&[]), None);
        assert_eq!(best(&[sound(1), sound(2)]), Some(1));
        assert_eq!(best(&[sound(1), AudioStream { is_default: true, ..sound(2) }]), Some(2));
        let described = AudioStream { is_aside: true, is_default: true, ..sound(1) };
        assert_eq!(best(&[described.clone(), sound(2)]), Some(2));
        assert_eq!(best(&[described]), Some(1), "one that is all there is");
        let commentary = AudioStream { title: Some("Director's Commentary".to_owned()), is_default: true, ..sound(1) };
        assert_eq!(best(&[commentary, sound(2)]), Some(2));
        let unknown = AudioStream { codec: String::new(), is_default: true, ..sound(1) };
        assert_eq!(best(&[unknown, sound(2)]), Some(2));
    }

    #[test]
    fn what_is_left_out_is_told_in_words() {
        let extras = Extras {
            subtitles: vec![SubtitleStream {
                codec: "subrip".to_owned(),
                language: Some("deu".to_owned()),
                ..SubtitleStream::default()
            }],
            further_pictures: 1,
            attachments: 2,
            data: 1,
            chapters: 3,
            location: Some("+48+011/".to_owned()),
            cover: Some(VideoStream::default()),
            ..Extras::default()
        };
        let media = media(vec![sound(1), AudioStream { language: Some("eng".to_owned()), ..sound(2) }], extras);
        let chosen = choose(&quick(), &media).expect("chosen");
        assert_eq!(
            chosen.left_out,
            [
                "1 further sound track (eng)",
                "1 further picture stream",
                "1 subtitle track (deu)",
                "2 attached files",
                "1 data track",
                "the cover picture",
                "3 chapters (not all have names)",
                "the place where it was recorded",
            ]
        );
    }

    #[test]
    fn all_tracks_and_subtitles_are_kept_where_the_preset_says_so() {
        let subtitle = |index, codec: &str| SubtitleStream { index, codec: codec.to_owned(), ..SubtitleStream::default() };
        let extras = Extras { subtitles: vec![subtitle(3, "subrip"), subtitle(4, "hdmv_pgs_subtitle")], ..Extras::default() };
        let media = media(vec![sound(1), AudioStream { is_default: true, ..sound(2) }], extras);
        let audio = Some(AudioPlan { tracks: Tracks::All, ..AudioPlan::new(AudioCodec::Aac) });
        let preset = Preset { audio, subtitles: Subtitles::Keep, ..quick() };
        let chosen = choose(&preset, &media).expect("chosen");
        assert_eq!(chosen.sounds.iter().map(|sound| sound.index).collect::<Vec<_>>(), [2, 1], "the default one first");
        assert_eq!(chosen.subtitles.iter().map(|(one, codec)| (one.index, *codec)).collect::<Vec<_>>(), [(3, "mov_text")]);
        assert_eq!(chosen.left_out, ["1 subtitle track (hdmv_pgs_subtitle), which mp4 cannot hold"]);
        let in_mkv = Preset { container: Container::Mkv, ..preset };
        assert_eq!(choose(&in_mkv, &media).expect("chosen").subtitles.len(), 2);
    }

    #[test]
    fn what_belongs_to_another_programme_is_told_and_not_taken() {
        let subtitle = |index, is_of_other_program| SubtitleStream {
            index,
            codec: "dvb_subtitle".to_owned(),
            is_of_other_program,
            ..SubtitleStream::default()
        };
        let extras = Extras { subtitles: vec![subtitle(3, true), subtitle(4, false)], ..Extras::default() };
        let radio = AudioStream { is_of_other_program: true, is_default: true, ..sound(1) };
        let media = media(vec![radio, sound(2)], extras);
        let audio = Some(AudioPlan { tracks: Tracks::All, ..AudioPlan::new(AudioCodec::Aac) });
        let preset = Preset { audio, subtitles: Subtitles::Keep, container: Container::Mkv, ..quick() };
        let chosen = choose(&preset, &media).expect("chosen");
        assert_eq!(chosen.sounds.iter().map(|sound| sound.index).collect::<Vec<_>>(), [2]);
        assert_eq!(chosen.subtitles.iter().map(|(one, _)| one.index).collect::<Vec<_>>(), [4]);
        assert_eq!(
            chosen.left_out,
            ["1 sound track (aac) of another programme", "1 subtitle track (dvb_subtitle) of another programme"]
        );
    }

    #[test]
    fn sound_that_cannot_be_heard_costs_no_film() {
        let unheard = AudioStream { channels: 0, title: Some("a\u{202e}b".to_owned()), ..sound(1) };
        let silent = MediaInfo { audio: None, ..media(vec![unheard], Extras::default()) };
        for tracks in [Tracks::Best, Tracks::All] {
            let audio = Some(AudioPlan { tracks, ..AudioPlan::new(AudioCodec::Aac) });
            let chosen = choose(&Preset { audio, ..quick() }, &silent).expect("chosen");
            assert_eq!(chosen.left_out, ["1 sound track (a<U+202E>b), of which nothing can be decoded"]);
            assert!(chosen.sounds.is_empty());
        }
        let words = choose(&crate::host::fixtures::sound(), &silent).expect_err("refused").to_string();
        assert!(words.starts_with("nothing of its sound can be decoded"), "{words}");
    }

    #[test]
    fn a_copy_that_the_container_cannot_hold_names_codec_and_container() {
        let preset = Preset { audio: Some(AudioPlan::new(AudioCodec::Copy)), ..quick() };
        let flac = AudioStream { codec: "flac".to_owned(), ..sound(1) };
        let words = choose(&preset, &media(vec![flac], Extras::default())).expect_err("refused").to_string();
        assert!(words.starts_with("mp4 cannot hold sound in flac") && words.contains("mkv"), "{words}");
    }

    #[test]
    fn sound_that_no_matroska_holds_is_refused_without_advice_to_take_one() {
        let copy = Preset { audio: Some(AudioPlan::new(AudioCodec::Copy)), ..quick() };
        for container in [Container::Mkv, Container::Mp4] {
            for codec in ["pcm_bluray", "s302m"] {
                let disc = AudioStream { codec: codec.to_owned(), ..sound(1) };
                let preset = Preset { container, ..copy.clone() };
                let words = choose(&preset, &media(vec![disc], Extras::default())).expect_err("refused").to_string();
                assert!(words.contains(codec) && !words.contains("mkv holds it"), "{words}");
            }
        }
        let plain = AudioStream { codec: "pcm_s24le".to_owned(), ..sound(1) };
        assert!(choose(&Preset { container: Container::Mkv, ..copy }, &media(vec![plain], Extras::default())).is_ok());
    }

    #[test]
    fn av1_is_not_copied_into_quicktime() {
        let video = quick().video.map(|plan| VideoPlan { codec: VideoCodec::Copy, ..plan });
        let mut film = media(vec![sound(1)], Extras::default());
        film.video = film.video.map(|video| VideoStream { codec: "av1".to_owned(), ..video });
        let words = choose(&Preset { video, container: Container::Mov, ..quick() }, &film).expect_err("refused").to_string();
        assert!(words.starts_with("mov cannot hold a picture in av1"), "{words}");
    }

    #[test]
    fn a_turned_picture_is_copied_only_where_the_turn_goes_along() {
        let copies = |container| {
            let video = quick().video.map(|plan| VideoPlan { codec: VideoCodec::Copy, ..plan });
            Preset { video, container, ..quick() }
        };
        let mut film = media(vec![sound(1)], Extras::default());
        assert!(choose(&copies(Container::Mkv), &film).is_ok());
        film.video = film.video.map(|video| VideoStream { has_matrix: true, ..video });
        assert!(choose(&copies(Container::Mp4), &film).is_ok());
        for container in [Container::Mkv, Container::Ts] {
            let words = choose(&copies(container), &film).expect_err("it would lie on its side").to_string();
            assert!(words.contains("turned or mirrored") && words.contains("mp4"), "{words}");
        }
        assert!(choose(&Preset { container: Container::Mkv, ..quick() }, &film).is_ok(), "one made anew is upright");
    }

    #[test]
    fn a_trimmed_film_is_copied_only_where_the_trim_goes_along() {
        let begins_later = media(vec![sound(1)], Extras { hides_beginning: true, ..Extras::default() });
        let ends_sooner = media(vec![sound(1)], Extras { hides_end: true, ..Extras::default() });
        let made = |film, codec, container| {
            let video = quick().video.map(|plan| VideoPlan { codec, ..plan });
            choose(&Preset { video, container, ..quick() }, film).map(|_| ()).map_err(|unfit| unfit.to_string())
        };
        assert_eq!(made(&begins_later, VideoCodec::Copy, Container::Mp4), Ok(()));
        let words = made(&begins_later, VideoCodec::Copy, Container::Mkv).expect_err("what was cut off would be back");
        assert!(words.starts_with("mkv cannot hold that the film is trimmed") && words.contains("mp4 or mov"), "{words}");
        let words = made(&ends_sooner, VideoCodec::Copy, Container::Mp4).expect_err("no container holds its end");
        assert!(words.starts_with("the film is trimmed at its end") && words.contains("codec instead of copy"), "{words}");
        for film in [&begins_later, &ends_sooner] {
            assert_eq!(made(film, VideoCodec::X264, Container::Mkv), Ok(()), "one made anew has what is shown");
        }
    }

    #[test]
    fn sound_without_a_decoder_is_refused_with_the_way_out() {
        let odd = AudioStream { codec: String::new(), tag: "FPCM".to_owned(), ..sound(1) };
        let words = choose(&quick(), &media(vec![odd], Extras::default())).expect_err("refused").to_string();
        assert_eq!(words, "the sound (FPCM) cannot be decoded by this ffmpeg; a preset with `audio: none` leaves it out");
    }
}
