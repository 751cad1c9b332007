//! What ffprobe's answer tells of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::media::{AudioStream, Colour, Extras, MediaInfo, SubtitleStream, VideoStream};
use crate::domain::text::{one_line, sanitise};
use crate::host::media::tracks::best_sound;

mod answer;

use answer::Program;
pub(super) use answer::{Format, Report, SideData, Stream};

/// Tags of the whole that go along by the same name.
const CARRIED_TAGS: &[&str] = &[
    "title",
    "artist",
    "album_artist",
    "album",
    "track",
    "disc",
    "genre",
    "composer",
    "date",
    "show",
    "season_number",
    "episode_id",
    "episode_sort",
];
/// Marks of tracks that go along; which one is shown by default is said anew.
const CARRIED_FLAGS: &[&str] = &[
    "dub",
    "original",
    "comment",
    "lyrics",
    "karaoke",
    "hearing_impaired",
    "visual_impaired",
    "clean_effects",
    "captions",
    "descriptions",
];
/// Demuxers that learn of a stream only when its first packet comes.
pub(super) const LATE_DEMUXERS: &[&str] = &["mpegts", "mpeg", "flv", "wtv"];
/// Codecs of pictures that stand for themselves: beside a film such a stream is its poster.
const STILL_CODECS: &[&str] = &["mjpeg", "png", "bmp", "gif", "tiff", "webp", "jpeg2000"];

/// What the answer tells, beside the file itself.
pub(super) struct Read {
    pub media: MediaInfo,
    pub packets_missing: bool,
    pub streams: usize,
    pub is_incomplete: bool,
    /// The picture's codec, where this ffmpeg has no decoder for it.
    pub unknown_picture: Option<String>,
}

impl Stream {
    fn is(&self, disposition: &str) -> bool {
        self.disposition.get(disposition).is_some_and(|set| *set != 0)
    }

    /// What it is marked as that goes along.
    fn flags(&self) -> Vec<String> {
        CARRIED_FLAGS.iter().filter(|flag| self.is(flag)).map(|flag| (*flag).to_owned()).collect()
    }

    fn is_cover(&self) -> bool {
        self.is("attached_pic")
    }

    fn tag(&self, name: &str) -> Option<String> {
        let value = self.tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())?;
        let text = one_line(value.trim());
        (!text.is_empty()).then_some(text)
    }

    fn language(&self) -> Option<String> {
        self.tag("language")
            .map(|language| sanitise(language.as_bytes()))
            .filter(|language| language != "und" && language.len() <= 35)
    }

    fn title(&self) -> Option<String> {
        self.tag("title")
    }

    fn length(&self) -> Option<Duration> {
        seconds(&self.duration).or_else(|| clock_time(self.tags.get("DURATION")?))
    }

    fn listed(&self) -> Option<u64> {
        self.nb_frames.parse().ok()
    }

    /// What a conversion needs is known of it.
    fn is_complete(&self) -> bool {
        match self.codec_type.as_str() {
            "video" => self.width > 0 && self.height > 0 && !self.pix_fmt.is_empty() && self.pix_fmt != "unknown",
            "audio" => self.channels > 0 && self.sample_rate.parse::<u32>().is_ok_and(|rate| rate > 0),
            _ => true,
        }
    }
}

impl Report {
    /// `log` is what ffprobe said meanwhile.
    pub(super) fn read(&self, log: &str) -> Read {
        let undecodable = undecodable(log);
        let known = |stream: &Stream| {
            !undecodable.contains(&stream.index) && !matches!(stream.codec_name.as_str(), "" | "unknown" | "none")
        };
        let video = self.picture(&known);
        let is_of_other_program = |stream: &Stream| self.is_of_other_program(stream.index, video);
        let sound = |stream| AudioStream { is_of_other_program: is_of_other_program(stream), ..audio(stream, known(stream)) };
        let sounds: Vec<AudioStream> = self.of("audio").map(sound).collect();
        let demuxer = self.format.names.split(',').next().unwrap_or_default();
        let unknown_picture = video.filter(|stream| !known(stream)).map(|stream| {
            let name = [&stream.codec_name, &stream.codec_tag_string]
                .into_iter()
                .find(|name| !matches!(name.as_str(), "" | "unknown" | "none"));
            sanitise(name.map_or("unknown codec", String::as_str).as_bytes())
        });
        let audio = best_sound(&sounds).cloned();
        let lacks_kind = video.is_none() || audio.is_none();
        let is_incomplete = self.streams.iter().any(|stream| known(stream) && !stream.is_complete())
            || lacks_kind && LATE_DEMUXERS.contains(&demuxer);
        let video_duration = video.and_then(Stream::length);
        let audio_duration = audio.as_ref().and_then(|audio| audio.duration);
        let mut media = MediaInfo {
            demuxer: sanitise(demuxer.as_bytes()),
            duration: seconds(&self.format.duration).or_else(|| video_duration.max(audio_duration)),
            video: video.map(|stream| picture(stream, demuxer)),
            audio,
            extras: Extras { duration_is_guess: log.contains("Estimating duration from bitrate"), ..self.extras(video, sounds) },
        };
        // ffmpeg's Matroska tells when its streams end, and pieces of a recording go on with the clock of the first.
        let begins = seconds(&self.format.start_time).filter(|_| demuxer == "matroska" && !media.extras.tells_length);
        if let Some(begins) = begins {
            count_from(&mut media, begins);
        }
        let packets_missing = video.into_iter().chain(self.of("audio")).any(lacks_packets);
        let streams = self.streams.iter().filter(|stream| stream.is_complete()).count();
        Read { media, packets_missing, streams, is_incomplete, unknown_picture }
    }

    /// What was heard of a sound whose beginning tells nothing of it: its channels, and the name of their layout.
    pub(super) fn heard(&self, index: u32) -> Option<(u32, String)> {
        let heard = self.frames.iter().find(|frame| frame.stream_index == index && frame.channels > 0)?;
        Some((heard.channels, sanitise(heard.channel_layout.as_bytes())))
    }

    /// A programme has the picture, and only others have this stream.
    fn is_of_other_program(&self, index: u32, video: Option<&Stream>) -> bool {
        let has = |program: &Program, index| program.streams.iter().any(|stream| stream.index == index);
        let mut of_picture = self.programs.iter().filter(|program| video.is_some_and(|video| has(program, video.index))).peekable();
        of_picture.peek().is_some()
            && !of_picture.any(|program| has(program, index))
            && self.programs.iter().any(|program| has(program, index))
    }

    /// The first picture itself says that it is of two fields.
    pub(super) fn is_interlaced(&self) -> bool {
        self.frames.first().is_some_and(|frame| frame.interlaced != 0)
    }

    /// What the first picture itself says of brightness.
    pub(super) fn brightness(&self) -> Brightness {
        self.frames.first().map(|frame| brightness(&frame.side_data_list)).unwrap_or_default()
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Stream> {
        self.streams.iter().filter(move |stream| stream.codec_type == kind)
    }

    /// The stream that a player shows: no cover, no poster beside a film, none that is announced and has no pictures, the
    /// default one, the first.
    fn picture(&self, known: &impl Fn(&Stream) -> bool) -> Option<&Stream> {
        let films = || self.of("video").filter(|stream| !stream.is_cover());
        let has_film = films().any(|stream| !STILL_CODECS.contains(&stream.codec_name.as_str()));
        let is_poster =
            |stream: &Stream| STILL_CODECS.contains(&stream.codec_name.as_str()) && (has_film || stream.listed() == Some(1));
        films().min_by_key(|stream| (!known(stream), is_poster(stream), !stream.is_complete(), !stream.is("default"), stream.index))
    }

    fn extras(&self, video: Option<&Stream>, sounds: Vec<AudioStream>) -> Extras {
        let others = self.of("video").filter(|stream| !stream.is_cover() && video.is_none_or(|video| video.index != stream.index));
        let shown = |text: Option<String>| text.map(|text| sanitise(text.as_bytes()));
        // Tags of the whole stand at the sound in Ogg files.
        let sound_tags = self.of("audio").next().map(|stream| &stream.tags);
        let tag = |name: &str| {
            let find = |tags: &BTreeMap<String, String>| {
                tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| one_line(value.trim()))
            };
            find(&self.format.tags)
                .or_else(|| sound_tags.filter(|_| self.format.names == "ogg").and_then(find))
                .filter(|value| !value.is_empty())
        };
        Extras {
            subtitles: self
                .of("subtitle")
                .map(|stream| SubtitleStream {
                    is_of_other_program: self.is_of_other_program(stream.index, video),
                    ..subtitle(stream)
                })
                .collect(),
            further_pictures: others.count() as u32,
            cover: self.of("video").find(|stream| stream.is_cover()).map(|stream| picture(stream, "")),
            attachments: self.of("attachment").count() as u32,
            data: self.of("data").filter(|stream| stream.codec_name != "bin_data" || stream.codec_tag_string != "text").count()
                as u32,
            chapters: self.chapters.len() as u32,
            chapters_end: self.chapters.iter().filter_map(|chapter| seconds(&chapter.end_time)).max(),
            lacks_times: video.is_some_and(|stream| lacks_times(stream, &self.format.names)),
            is_spatial: video.is_some_and(|stream| {
                stream.side_data_list.iter().any(|data| matches!(data.kind.as_str(), "Stereo 3D" | "Spherical Mapping"))
            }),
            chapters_are_named: self
                .chapters
                .iter()
                .all(|chapter| chapter.tags.get("title").is_some_and(|title| !title.trim().is_empty())),
            tags: CARRIED_TAGS.iter().filter_map(|name| Some(((*name).to_owned(), tag(name)?))).collect(),
            created: shown(tag("creation_time").or_else(|| tag("com.apple.quicktime.creationdate"))),
            location: shown(tag("location").or_else(|| tag("com.apple.quicktime.location.ISO6709"))),
            // Only here a list of packets is meant; elsewhere it is a header's word.
            listed_pictures: video.filter(|_| self.format.names.starts_with("mov")).and_then(Stream::listed),
            sounds,
            // A tag of mkvmerge's statistics, by the same name as ffmpeg's.
            tells_length: video.is_some_and(|video| video.tag("_STATISTICS_WRITING_APP").is_some()),
            ..Extras::default()
        }
    }
}

/// Makes lengths of moments that count from another zero than the beginning.
fn count_from(media: &mut MediaInfo, begins: Duration) {
    let sounds = media.audio.iter_mut().chain(&mut media.extras.sounds).map(|sound| &mut sound.duration);
    let ends = media.video.iter_mut().map(|video| &mut video.duration).chain(sounds).chain([&mut media.duration]);
    for end in ends.flatten().filter(|end| **end > begins) {
        *end -= begins;
    }
    media.extras.chapters_end = media.extras.chapters_end.map(|end| end.saturating_sub(begins));
    media.extras.begins = Some(begins);
}

fn picture(stream: &Stream, demuxer: &str) -> VideoStream {
    let rotation = stream.side_data_list.iter().find_map(|data| data.rotation);
    VideoStream {
        codec: sanitise(stream.codec_name.as_bytes()),
        width: stream.width,
        height: stream.height,
        pixel_format: sanitise(stream.pix_fmt.as_bytes()),
        fps: rate(&stream.avg_frame_rate).or_else(|| rate(&stream.r_frame_rate)).unwrap_or(0.0),
        index: stream.index,
        pixel_shape: ratio(&stream.sample_aspect_ratio),
        is_turned: rotation.is_some_and(|degrees| (degrees.abs() % 180.0 - 90.0).abs() < 1.0),
        // One that mirrors from top to bottom is told as a rotation by 0, and so is one that only moves or scales.
        has_matrix: stream.side_data_list.iter().any(|data| data.rotation.is_some() && turns(&data.displaymatrix)),
        is_cropped: stream.side_data_list.iter().any(|data| data.kind == "Frame Cropping"),
        is_interlaced: is_interlaced(stream, demuxer),
        is_bottom_first: matches!(stream.field_order.as_str(), "bb" | "tb"),
        has_alpha: stream.tag("alpha_mode").is_some_and(|mode| mode != "0"),
        is_cover: stream.is_cover(),
        colour: colour(stream),
        duration: stream.length(),
        language: stream.language(),
    }
}

/// Its pictures are stored in another order than they are shown, and nothing tells when.
fn lacks_times(stream: &Stream, formats: &str) -> bool {
    let is_reordered = matches!(stream.codec_name.as_str(), "h264" | "hevc") && stream.has_b_frames > 0;
    is_reordered && matches!(formats, "h264" | "hevc" | "avi")
}

/// The picture is turned or mirrored by this matrix, told in rows: `00000000:  65536  0  0` and so on.
fn turns(matrix: &str) -> bool {
    let numbers: Vec<i64> = matrix.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [a, b, _, c, d, ..] = numbers[..] else { return true };
    a <= 0 || d <= 0 || b != 0 || c != 0
}

/// The file says so, or is of a kind that often is. What it says is true of its first pictures: a recording or a disc may begin
/// progressive and go on interlaced. MPEG-4, `DNxHD` and `ProRes` flag their pictures, and their containers tell nothing of it, or
/// the contrary. Pictures that are not flagged pass the deinterlacer as they are.
fn is_interlaced(stream: &Stream, demuxer: &str) -> bool {
    let from_broadcast = matches!(demuxer, "mpegts" | "mpeg" | "mxf" | "wtv" | "dv");
    matches!(stream.field_order.as_str(), "tt" | "bb" | "tb" | "bt")
        || matches!(stream.codec_name.as_str(), "mpeg2video" | "dvvideo" | "vc1" | "mpeg4" | "dnxhd" | "prores")
        || from_broadcast && stream.codec_name == "h264" && rate(&stream.avg_frame_rate).is_none_or(|fps| fps < 31.0)
}

fn colour(stream: &Stream) -> Colour {
    let told = |name: &str| if matches!(name, "unknown" | "reserved") { String::new() } else { sanitise(name.as_bytes()) };
    let Brightness { mastering, light_level } = brightness(&stream.side_data_list);
    Colour {
        range: told(&stream.color_range),
        space: told(&stream.color_space),
        transfer: told(&stream.color_transfer),
        primaries: told(&stream.color_primaries),
        mastering,
        light_level,
    }
}

/// For what screen a film of high dynamic range was made, and how bright it is; see [`Colour`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Brightness {
    pub mastering: Option<String>,
    pub light_level: Option<String>,
}

fn brightness(told: &[SideData]) -> Brightness {
    let mastering = told.iter().find(|data| data.kind.starts_with("Mastering display"));
    let light = told.iter().find_map(|data| Some((data.max_content?, data.max_average?)));
    Brightness {
        mastering: mastering.and_then(mastering_words),
        light_level: light.map(|(brightest, average)| format!("{brightest},{average}")),
    }
}

/// In x265's units: 1/50000 for places, 1/10000 nits for light.
fn mastering_words(data: &SideData) -> Option<String> {
    let scaled = |text: &str, unit: f64| {
        let (above, below) = text.split_once('/')?;
        let value = above.parse::<f64>().ok()? / below.parse::<f64>().ok()? * unit;
        value.is_finite().then_some(value.round() as u64)
    };
    let place = |x: &str, y: &str| Some(format!("({},{})", scaled(x, 50_000.0)?, scaled(y, 50_000.0)?));
    Some(format!(
        "G{}B{}R{}WP{}L({},{})",
        place(&data.green_x, &data.green_y)?,
        place(&data.blue_x, &data.blue_y)?,
        place(&data.red_x, &data.red_y)?,
        place(&data.white_point_x, &data.white_point_y)?,
        scaled(&data.max_luminance, 10_000.0)?,
        scaled(&data.min_luminance, 10_000.0)?,
    ))
}

/// Flags of sound beside the main one: for those who see or hear badly, without the words, or with others.
const ASIDE_FLAGS: &[&str] =
    &["comment", "visual_impaired", "hearing_impaired", "descriptions", "clean_effects", "karaoke", "lyrics"];

fn audio(stream: &Stream, is_known: bool) -> AudioStream {
    let name =
        if stream.codec_name.is_empty() || stream.codec_name == "none" { &stream.codec_tag_string } else { &stream.codec_name };
    AudioStream {
        codec: if is_known { sanitise(stream.codec_name.as_bytes()) } else { String::new() },
        channels: stream.channels,
        layout: sanitise(stream.channel_layout.as_bytes()),
        sample_rate: stream.sample_rate.parse().unwrap_or(0),
        index: stream.index,
        language: stream.language(),
        title: stream.title(),
        is_default: stream.is("default"),
        is_of_other_program: false,
        is_aside: ASIDE_FLAGS.iter().any(|aside| stream.is(aside)),
        flags: stream.flags(),
        duration: stream.length(),
        tag: sanitise(name.as_bytes()),
    }
}

fn subtitle(stream: &Stream) -> SubtitleStream {
    SubtitleStream {
        codec: sanitise(stream.codec_name.as_bytes()),
        index: stream.index,
        language: stream.language(),
        title: stream.title(),
        is_default: stream.is("default"),
        is_forced: stream.is("forced"),
        flags: stream.flags(),
        is_of_other_program: false,
    }
}

/// Streams that this ffmpeg has no decoder for, by what ffprobe said.
fn undecodable(log: &str) -> BTreeSet<u32> {
    let number = |line: &str| line.rsplit("input stream ").next()?.trim().parse().ok();
    log.lines()
        .filter(|line| line.contains("Unsupported codec with id") || line.contains("Failed to probe codec for input"))
        .filter_map(number)
        .collect()
}

/// Two packets and one in a hundred may lie outside what is to be played.
fn lacks_packets(stream: &Stream) -> bool {
    let count = |text: &str| text.parse::<u64>().ok();
    match (count(&stream.nb_read_packets), count(&stream.nb_frames)) {
        (Some(0), _) => true,
        (Some(read), Some(listed)) => read + 2 + listed / 100 < listed,
        _ => false,
    }
}

/// `2.023000` → 2.023 s; nothing for zero and for what is no sane number.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

/// `00:00:02.023000000`, the form of Matroska's tags.
fn clock_time(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    for part in text.split(':') {
        total = total * 60.0 + part.trim().parse::<f64>().ok()?;
    }
    Duration::try_from_secs_f64(total).ok().filter(|duration| !duration.is_zero())
}

/// `30000/1001` → 29.97; nothing for `0/0`.
fn rate(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let rate = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// `64:45`; 0 by 0 for anything else.
fn ratio(text: &str) -> (u32, u32) {
    let sides = text.split_once(':').and_then(|(across, down)| Some((across.parse().ok()?, down.parse().ok()?)));
    sides.unwrap_or((0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_tell_nothing() {
        for text in ["-1", "nan", "inf", "", "0", "1e300"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(clock_time("00:01:02.5"), Some(Duration::from_millis(62_500)));
        assert_eq!(clock_time("-5"), None);
        assert_eq!((ratio("64:45"), ratio("N/A")), ((64, 45), (0, 0)));
    }

    #[test]
    fn a_length_of_mkvmerges_statistics_is_told_from_the_end_that_ffmpeg_writes() {
        let film = |tags: &str| {
            let stream = r#""index":0,"codec_type":"video","codec_name":"h264","width":320,"height":180,"pix_fmt":"yuv420p""#;
            told(&format!(r#"{{{stream},"tags":{{"DURATION":"00:00:54.000000000"{tags}}}}}"#)).extras.tells_length
        };
        assert!(!film(""));
        assert!(film(r#","_STATISTICS_WRITING_APP":"mkvmerge v70.0.0 64-bit""#));
    }

    fn told(streams: &str) -> MediaInfo {
        let report: Report = serde_json::from_str(&format!(r#"{{"streams":[{streams}]}}"#)).expect("JSON");
        report.read("").media
    }

    #[test]
    fn the_picture_is_the_film_and_not_its_poster_or_its_cover() {
        let poster = r#"{"index":0,"codec_type":"video","codec_name":"mjpeg","width":600,"height":600,"pix_fmt":"yuvj420p"}"#;
        let film = r#"{"index":1,"codec_type":"video","codec_name":"h264","width":320,"height":180,"pix_fmt":"yuv420p"}"#;
        let cover = r#"{"index":2,"codec_type":"video","codec_name":"png","disposition":{"attached_pic":1}}"#;
        let media = told(&[cover, poster, film].join(","));
        assert_eq!(media.video.map(|video| video.index), Some(1));
        assert_eq!((media.extras.further_pictures, media.extras.cover.map(|cover| cover.index)), (1, Some(2)));
        assert_eq!(told(poster).video.map(|video| video.index), Some(0), "one that is all there is");
        assert_eq!(told(cover).video, None);
    }

    #[test]
    fn the_sound_of_a_picture_is_that_of_its_own_programme() {
        let report: Report = serde_json::from_str(
            r#"{"programs":[{"streams":[{"index":0}]},{"streams":[{"index":1},{"index":2},{"index":3}]}],"streams":[
                {"index":0,"codec_type":"audio","codec_name":"mp2","channels":2,"disposition":{"default":1}},
                {"index":1,"codec_type":"video","codec_name":"h264"},
                {"index":2,"codec_type":"audio","codec_name":"mp2","channels":2},
                {"index":3,"codec_type":"subtitle","codec_name":"dvb_subtitle"},
                {"index":4,"codec_type":"audio","codec_name":"mp2","channels":2}]}"#,
        )
        .expect("JSON");
        let media = report.read("").media;
        assert_eq!(media.audio.map(|audio| audio.index), Some(2));
        let others: Vec<_> = media.extras.sounds.iter().map(|sound| sound.is_of_other_program).collect();
        assert_eq!(others, [true, false, false], "one in no programme may belong to any");
        assert!(!media.extras.subtitles[0].is_of_other_program);
        let radio: Report = serde_json::from_str(
            r#"{"programs":[{"streams":[{"index":0}]}],"streams":[{"index":0,"codec_type":"audio","codec_name":"mp2","channels":2}]}"#,
        )
        .expect("JSON");
        assert!(radio.read("").media.audio.is_some_and(|audio| !audio.is_of_other_program), "where there is no picture");
    }

    #[test]
    fn titles_stay_as_they_are_and_are_shown_safely() {
        let film =
            r#"{"index":1,"codec_type":"audio","codec_name":"aac","channels":2,"tags":{"title":"\u0645\u06cc\u200c\u062e\n2"}}"#;
        let sound = told(film).audio.expect("a sound");
        assert_eq!(sound.title.as_deref(), Some("\u{645}\u{6cc}\u{200c}\u{62e} 2"));
        let shown = serde_json::to_string(&sound).expect("JSON");
        assert!(shown.contains("<U+200C>") && !shown.contains('\u{200c}'), "{shown}");
    }

    #[test]
    fn a_phone_film_is_turned_and_a_broadcast_is_interlaced() {
        let phone = r#"{"codec_type":"video","codec_name":"h264","field_order":"progressive","side_data_list":[{"rotation":-90}]}"#;
        let video = told(phone).video.expect("a picture");
        assert!(video.is_turned && video.has_matrix && !video.is_interlaced);
        for turn in ["180", "0"] {
            let other = told(&phone.replace("-90", turn)).video.expect("a picture");
            assert!(!other.is_turned && other.has_matrix, "upside down, or mirrored: {turn}");
        }
        let with_matrix = |rows: &str| {
            let rows = format!(r#"{{"rotation":0,"displaymatrix":"\n00000000: {rows}\n00000002: 655360 0 1073741824\n"}}"#);
            told(&phone.replace(r#"{"rotation":-90}"#, &rows)).video.expect("a picture").has_matrix
        };
        assert!(!with_matrix(r"65536 0 0\n00000001: 0 65536 0"), "it only moves");
        assert!(with_matrix(r"65536 0 0\n00000001: 0 -65536 0"), "it mirrors from top to bottom");
        let tv = r#"{"codec_type":"video","codec_name":"mpeg2video","field_order":"tt"}"#;
        assert!(told(tv).video.expect("a picture").is_interlaced);
        let begins_progressive = tv.replace("tt", "progressive");
        assert!(told(&begins_progressive).video.expect("a picture").is_interlaced, "what comes later may be");
    }

    #[test]
    fn the_light_of_a_mastering_display_is_told_in_the_encoders_units() {
        let video = r#"{"codec_type":"video","codec_name":"hevc","color_transfer":"smpte2084","side_data_list":[
            {"side_data_type":"Mastering display metadata","red_x":"34000/50000","red_y":"16000/50000","green_x":"13250/50000",
             "green_y":"34500/50000","blue_x":"7500/50000","blue_y":"3000/50000","white_point_x":"15635/50000",
             "white_point_y":"16450/50000","min_luminance":"50/10000","max_luminance":"10000000/10000"},
            {"side_data_type":"Content light level metadata","max_content":1000,"max_average":400}]}"#;
        let colour = told(video).video.expect("a picture").colour;
        assert_eq!(colour.mastering.as_deref(), Some("G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"));
        assert_eq!(colour.light_level.as_deref(), Some("1000,400"));
    }
}
