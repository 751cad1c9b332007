//! How much of an input is missing in its output, and whether that is too much.
//!
//! Judges by what was read: a header that promises hours over a second of packets is a mistake of the header. Pure.

use std::time::Duration;

use crate::domain::account::{Account, StreamRead};
use crate::domain::job::Damage;
use crate::domain::media::{AudioStream, MediaInfo, VideoStream};
use crate::engine::port::{Cause, Failure};

/// An output of a file that was cut off may be this much shorter than promised without a word: a frame or two of rounding.
const SLACK: Duration = Duration::from_millis(100);
/// So much is missing behind a place that could not be read, at the least, for the file to count as broken off there,
const MUCH: Duration = Duration::from_millis(500);
/// and this share of it.
const MUCH_SHARE: f64 = 0.03;
/// Demuxers of containers that say how long they are; of others the length is reckoned from time stamps, which begin anew where
/// recordings are joined.
const TELL_THEIR_LENGTH: &[&str] = &["mov", "matroska", "avi", "asf", "flv", "ogg", "wav", "mxf", "nut"];
/// Demuxers that make the length of a file that is cut off from the bytes that are left.
const RECKON_THEIR_LENGTH: &[&str] = &["avi", "wav"];
/// Formats whose head counts samples or pictures once the file is finished, and which just end where they are cut off. An MP3 counts
/// only with a head of its own (Xing, VBRI); without it its length is a guess.
const COUNT_THEIR_LENGTH: &[&str] = &["mp3", "flac", "wv", "tta", "ivf"];
/// A head that counts more than this was written into a pipe, and never got its number.
const LONGEST_COUNT: Duration = Duration::from_hours(12);
/// From this share of the pictures on, a decoder that gave fewer pictures than it got packets has to have complained of them:
/// two fields in packets of their own make one picture, and that is no loss.
const FEW_SHARE: u64 = 20;
/// Codecs that put both fields of a picture into one packet.
const WHOLE_PICTURES: &[&str] = &["mpeg4", "dnxhd", "prores", "dvvideo"];
/// What it complained of explains so many times as many pictures.
const EXPLAINED: u64 = 4;
/// So many pictures that were dropped, and this share of them, are the mark of times that begin anew. A few are what a careless muxer
/// makes.
const DROPPED: u64 = 25;
const DROPPED_SHARE: u64 = 100;
/// Less than this share of what the input promises is no useful output.
const LEAST_USEFUL: f64 = 0.5;

/// What is known once an output stands.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What the probe found in the input.
    pub media: &'a MediaInfo,
    /// What ffmpeg told of its work.
    pub account: &'a Account,
    /// The output has a picture.
    pub wants_video: bool,
    /// The output has sound.
    pub wants_audio: bool,
    /// Of the sound nothing could be decoded.
    pub lost_sound: bool,
    /// How long the output is.
    pub made: Duration,
}

/// What is missing; `None` where nothing is. Fails where it is too much.
pub fn of(evidence: &Evidence<'_>) -> Result<Option<Damage>, Failure> {
    let account = evidence.account;
    let left_out = left_out(evidence);
    let frames = pictures_lost(evidence);
    let seconds =
        seconds_lost(evidence, frames).max(seconds_of_sound_lost(evidence)) + left_out.map_or(0.0, |left| left.as_secs_f64());
    let is_short = left_out.is_none() && (seconds > 0.0 && is_cut_short(evidence) || ends_nobody_knows_where(evidence));
    let is_complained = account.first_complaint.is_some() && (account.undecoded > 0 || account.repaired > 0 || frames > 0);
    if let Some(share) = share_made(evidence).filter(|share| *share < LEAST_USEFUL) {
        let reason = format!(
            "only {:.0} % of what the input promises could be read: {}; another copy of it is needed",
            share * 100.0,
            cause(evidence, true, left_out.is_some())
        );
        return Err(Failure { cause: Cause::Input, reason });
    }
    if !is_short && !is_complained && !evidence.lost_sound && left_out.is_none() {
        return Ok(None);
    }
    Ok(Some(Damage { seconds, frames, cause: cause(evidence, is_short, left_out.is_some()) }))
}

fn cause(evidence: &Evidence<'_>, is_short: bool, is_left_out: bool) -> String {
    if evidence.lost_sound {
        return "no sound could be decoded".to_owned();
    }
    let said = evidence.account.first_complaint.clone();
    if is_short && (evidence.media.extras.ends_early || ends_before_its_count(evidence)) {
        return "the file ends too early: it is cut off, or was not finished".to_owned();
    }
    if is_left_out {
        return "its times begin anew, as where files are joined byte by byte: what comes then has no place in the output"
            .to_owned();
    }
    if seconds_of_sound_lost(evidence) > seconds_lost(evidence, pictures_lost(evidence)) {
        return "parts of the sound could not be decoded".to_owned();
    }
    said.unwrap_or_else(|| "its index promises more than the file holds".to_owned())
}

/// The mapped video stream, where it was decoded.
fn read_of_picture(evidence: &Evidence<'_>) -> Option<StreamRead> {
    let index = evidence.media.video.as_ref().filter(|_| evidence.wants_video)?.index;
    evidence.account.read.get(&index).copied()
}

/// Pictures that the index lists and that are to be shown. Films that were trimmed without encoding keep the run-up before the
/// cut, which is decoded and not shown.
fn listed_to_show(evidence: &Evidence<'_>) -> Option<u64> {
    let listed = evidence.media.extras.listed_pictures?;
    let video = evidence.media.video.as_ref()?;
    let shown = video.duration.map_or(0, |duration| (duration.as_secs_f64() * video.fps).ceil() as u64);
    let is_trimmed = shown > 0 && shown + 2 + listed / 100 < listed;
    Some(if is_trimmed { shown } else { listed })
}

/// Pictures that could not be decoded: what the decoder gave back less than it got, where it complained at all.
fn pictures_lost(evidence: &Evidence<'_>) -> u64 {
    let account = evidence.account;
    if account.first_complaint.is_none() || !evidence.wants_video {
        return 0;
    }
    let picture = evidence.media.video.as_ref().map(|video| video.index);
    let of_others: u64 = account.undecoded_of.iter().filter(|(stream, _)| Some(**stream) != picture).map(|(_, count)| count).sum();
    let complained = account.undecoded.saturating_sub(of_others).max(account.repaired);
    let Some(StreamRead { packets, decoded: Some(decoded), .. }) = read_of_picture(evidence) else { return complained };
    let due = listed_to_show(evidence).map_or(packets, |shown| packets.min(shown));
    let missing = due.saturating_sub(decoded);
    // Only where one picture may come in two packets.
    let may_be_fields = |video: &VideoStream| video.is_interlaced && !WHOLE_PICTURES.contains(&video.codec.as_str());
    let may_be_fields = evidence.media.video.as_ref().is_some_and(may_be_fields);
    let is_explained = !may_be_fields || missing <= due / FEW_SHARE || complained * EXPLAINED >= missing || decoded == 0;
    if is_explained { missing.max(account.repaired) } else { complained }
}

/// Blocks of a sound that could not be decoded.
#[derive(Debug, Clone, Copy)]
struct LostSound {
    seconds: f64,
    /// Of all of it.
    share: f64,
}

/// What could not be decoded of a sound; `None` where it is not in the output, or was not decoded for it.
fn lost_of(evidence: &Evidence<'_>, sound: &AudioStream) -> Option<LostSound> {
    let account = evidence.account;
    let StreamRead { packets, decoded, samples } = *account.read.get(&sound.index)?;
    let decoded = decoded.filter(|_| packets > 0)?;
    // Some decoders give fewer blocks than they get packets for good reasons, and do not complain of it.
    let complained = account.undecoded_of.get(&sound.index).copied().unwrap_or_default();
    let lost = packets.saturating_sub(decoded).min(complained) as f64;
    let share = lost / packets as f64;
    let each = samples.unwrap_or_default() as f64 / decoded as f64 / f64::from(sound.sample_rate);
    Some(LostSound { seconds: if each.is_finite() { lost * each } else { evidence.made.as_secs_f64() * share }, share })
}

fn lost_of_sounds<'a>(evidence: &'a Evidence<'_>) -> impl Iterator<Item = LostSound> + 'a {
    let media = evidence.media;
    media.extras.sounds.iter().chain(&media.audio).filter(|_| evidence.wants_audio).filter_map(|sound| lost_of(evidence, sound))
}

fn seconds_of_sound_lost(evidence: &Evidence<'_>) -> f64 {
    lost_of_sounds(evidence).map(|lost| lost.seconds).fold(0.0, f64::max)
}

/// How much could be read, and has no place in the output because its times begin anew.
fn left_out(evidence: &Evidence<'_>) -> Option<Duration> {
    let dropped = evidence.account.dropped;
    let is_dropped = read_of_picture(evidence).is_some_and(|read| dropped >= DROPPED && dropped >= read.packets / DROPPED_SHARE);
    if !evidence.media.extras.is_joined && !is_dropped {
        return None;
    }
    Some(length_read(evidence)?.saturating_sub(evidence.made)).filter(|left| *left > MUCH)
}

/// How long the mapped stream is by what was read of it, whatever its times say.
fn length_read(evidence: &Evidence<'_>) -> Option<Duration> {
    let seconds = if let Some(StreamRead { packets, decoded, .. }) = read_of_picture(evidence) {
        let fps = evidence.media.video.as_ref().map(|video| video.fps).filter(|fps| *fps > 0.0)?;
        decoded.unwrap_or(packets) as f64 / fps
    } else {
        let sound = evidence.media.audio.as_ref().filter(|sound| evidence.wants_audio && sound.sample_rate > 0)?;
        evidence.account.read.get(&sound.index)?.samples? as f64 / f64::from(sound.sample_rate)
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// Seconds that are missing in the output.
fn seconds_lost(evidence: &Evidence<'_>, frames: u64) -> f64 {
    let promised = promised(evidence).unwrap_or_default();
    let missing = promised.saturating_sub(evidence.made);
    if missing > SLACK && is_cut_short(evidence) {
        return missing.as_secs_f64();
    }
    let fps = evidence.media.video.as_ref().map_or(0.0, |video| video.fps);
    if fps > 0.0 && frames > 0 { frames as f64 / fps } else { 0.0 }
}

/// The file itself says that something of it is not there: a header alone may be wrong.
fn is_cut_short(evidence: &Evidence<'_>) -> bool {
    let extras = &evidence.media.extras;
    let said = evidence.account.first_complaint.as_deref().is_some_and(|words| words.contains("ends too early"));
    let listed = listed_to_show(evidence).zip(read_of_picture(evidence));
    let is_unlisted = listed.is_some_and(|(listed, read)| read.packets + 2 + listed / 100 < listed);
    extras.ends_early || said || is_unlisted || is_broken_off(evidence) || ends_before_its_count(evidence)
}

/// It is cut off, and nothing tells how much of it is missing.
fn ends_nobody_knows_where(evidence: &Evidence<'_>) -> bool {
    let extras = &evidence.media.extras;
    let is_told = extras.share_there.is_some() || promised(evidence).is_some() && !is_reckoned(evidence);
    extras.ends_early && !is_told
}

/// How long it is was reckoned from the bytes that are there.
fn is_reckoned(evidence: &Evidence<'_>) -> bool {
    RECKON_THEIR_LENGTH.contains(&evidence.media.demuxer.as_str())
}

/// Its head counts more than came, which nothing else would tell.
fn ends_before_its_count(evidence: &Evidence<'_>) -> bool {
    let is_counted = COUNT_THEIR_LENGTH.contains(&evidence.media.demuxer.as_str());
    is_counted && promised(evidence).is_some_and(|promised| promised < LONGEST_COUNT) && misses_much(evidence)
}

fn misses_much(evidence: &Evidence<'_>) -> bool {
    let promised = promised(evidence).unwrap_or_default();
    promised.saturating_sub(evidence.made) > MUCH.max(promised.mul_f64(MUCH_SHARE))
}

/// Something in the file could not be read, and what comes behind it is missing.
fn is_broken_off(evidence: &Evidence<'_>) -> bool {
    let tells_its_length = TELL_THEIR_LENGTH.contains(&evidence.media.demuxer.as_str());
    tells_its_length && evidence.account.first_complaint.is_some() && misses_much(evidence)
}

/// How long the input says that the mapped streams are.
fn promised(evidence: &Evidence<'_>) -> Option<Duration> {
    let told = told(evidence);
    let by_bytes = evidence.media.extras.share_there.filter(|share| *share > 0.0);
    let by_bytes = by_bytes.and_then(|share| Duration::try_from_secs_f64(evidence.made.as_secs_f64() / share).ok());
    if is_reckoned(evidence) { told.max(by_bytes) } else { told.or(by_bytes) }
}

/// The same by the times in its head.
fn told(evidence: &Evidence<'_>) -> Option<Duration> {
    let media = evidence.media;
    if media.extras.duration_is_guess {
        return None;
    }
    let video = media.video.as_ref().filter(|_| evidence.wants_video).and_then(|video| video.duration);
    let audio = media.audio.as_ref().filter(|_| evidence.wants_audio).and_then(|audio| audio.duration);
    video.max(audio).or(media.duration)
}

/// What share of the promised was made; `None` where nothing reliable was promised.
fn share_made(evidence: &Evidence<'_>) -> Option<f64> {
    let by_count = listed_to_show(evidence).zip(read_of_picture(evidence)).filter(|(listed, _)| *listed > 0);
    let by_count = by_count.map(|(listed, read)| {
        let lost = listed.saturating_sub(read.packets) + pictures_lost(evidence);
        listed.saturating_sub(lost) as f64 / listed as f64
    });
    let by_length = promised(evidence)
        .filter(|promised| is_cut_short(evidence) && !promised.is_zero())
        .map(|promised| evidence.made.as_secs_f64() / promised.as_secs_f64());
    // Some decoders give fewer pictures than packets for good reasons; without a complaint that is none of ours.
    let by_count = by_count.filter(|_| evidence.account.first_complaint.is_some() || is_cut_short(evidence));
    let share = match (by_count, by_length) {
        (Some(count), Some(length)) => Some(count.max(length)),
        (one, other) => one.or(other),
    };
    // Gaps in the sound became silence: the output is as long as ever. A film is worth keeping for its picture.
    let heard = lost_of_sounds(evidence).filter(|_| !evidence.wants_video).map(|lost| 1.0 - lost.share).reduce(f64::max);
    [share, heard].into_iter().flatten().reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::media::{AudioStream, Extras};

    fn media(seconds: u64, extras: Extras) -> MediaInfo {
        let duration = Some(Duration::from_secs(seconds));
        MediaInfo {
            demuxer: "matroska".to_owned(),
            duration,
            video: Some(VideoStream { fps: 25.0, duration, ..VideoStream::default() }),
            extras,
            ..MediaInfo::default()
        }
    }

    fn account(packets: u64, decoded: u64, complaint: Option<&str>) -> Account {
        let read = [(0, StreamRead { packets, decoded: Some(decoded), samples: None })].into();
        let undecoded = packets - decoded;
        Account { read, undecoded, first_complaint: complaint.map(str::to_owned), ..Account::default() }
    }

    fn judged(media: &MediaInfo, account: &Account, made: f64) -> Result<Option<Damage>, Failure> {
        let made = Duration::from_secs_f64(made);
        of(&Evidence { media, account, wants_video: true, wants_audio: true, lost_sound: false, made })
    }

    fn of_fields(film: MediaInfo) -> MediaInfo {
        let video = film.video.map(|video| VideoStream { is_interlaced: true, ..video });
        MediaInfo { video, ..film }
    }

    /// What was read and decoded, where ffmpeg complained `undecoded` times.
    fn glitch(packets: u64, decoded: u64, undecoded: u64) -> Account {
        Account { undecoded, ..account(packets, decoded, Some("broken")) }
    }

    #[test]
    fn a_whole_film_has_no_damage() {
        assert_eq!(judged(&media(20, Extras::default()), &account(500, 500, None), 20.0), Ok(None));
    }

    #[test]
    fn a_header_that_promises_hours_over_a_second_is_a_mistake_of_the_header() {
        let lying = media(140_400, Extras { listed_pictures: Some(25), ..Extras::default() });
        assert_eq!(judged(&lying, &account(25, 25, None), 1.0), Ok(None));
    }

    #[test]
    fn a_film_that_was_cut_off_tells_what_is_missing_and_less_than_half_of_it_fails() {
        let cut = Extras { ends_early: true, ..Extras::default() };
        let damage = judged(&media(20, cut.clone()), &account(350, 350, None), 14.0).expect("useful").expect("damage");
        assert!((damage.seconds - 6.0).abs() < 1e-9);
        assert!(damage.cause.contains("cut off"), "{}", damage.cause);
        let failure = judged(&media(20, cut), &account(100, 100, None), 4.0).expect_err("too little");
        assert!(failure.reason.starts_with("only 20 % of what the input promises"), "{}", failure.reason);
    }

    #[test]
    fn sound_that_could_not_be_decoded_is_counted_by_its_blocks() {
        let audio = Some(AudioStream { sample_rate: 48_000, index: 1, ..AudioStream::default() });
        let film = MediaInfo { audio, ..media(4, Extras::default()) };
        let account = |decoded: u64, complained: u64| {
            let sound = StreamRead { packets: 188, decoded: Some(decoded), samples: Some(decoded * 1024) };
            let picture = StreamRead { packets: 100, decoded: Some(100), samples: None };
            let read = [(0, picture), (1, sound)].into();
            let undecoded_of = [(1, complained)].into();
            Account { read, undecoded: complained, undecoded_of, first_complaint: Some("broken".to_owned()), ..Account::default() }
        };
        let judged = |account: &Account, wants_video: bool| {
            let made = Duration::from_secs(4);
            of(&Evidence { media: &film, account, wants_video, wants_audio: true, lost_sound: false, made })
        };
        for wants_video in [true, false] {
            let damage = judged(&account(141, 47), wants_video).expect("useful").expect("damage");
            assert!((damage.seconds - 1.0).abs() < 0.01 && damage.frames == 0, "{damage:?}");
            assert!(damage.cause.contains("of the sound"), "{}", damage.cause);
        }
        let damage = judged(&account(47, 141), true).expect("a picture").expect("damage");
        assert!((damage.seconds - 3.0).abs() < 0.01, "{damage:?}");
        let failure = judged(&account(47, 141), false).expect_err("too little sound");
        assert!(failure.reason.starts_with("only 25 %") && failure.reason.contains("of the sound"), "{}", failure.reason);
        let fewer_blocks = judged(&account(94, 1), false).expect("useful").expect("damage");
        assert!(fewer_blocks.seconds < 0.1, "a decoder that gives fewer blocks than it gets packets: {fewer_blocks:?}");
    }

    #[test]
    fn a_film_whose_length_is_reckoned_from_its_bytes_promises_what_its_head_promises() {
        let cut = |demuxer: &str, share_there, duration_is_guess| {
            let extras = Extras { ends_early: true, share_there, duration_is_guess, ..Extras::default() };
            MediaInfo { demuxer: demuxer.to_owned(), ..media(12, extras) }
        };
        let read = account(300, 300, None);
        for (demuxer, is_guess) in [("avi", false), ("wav", true), ("asf", true)] {
            let damage = judged(&cut(demuxer, Some(0.6), is_guess), &read, 12.0).expect("useful").expect("damage");
            assert!((damage.seconds - 8.0).abs() < 1e-6 && damage.cause.contains("cut off"), "{demuxer}: {damage:?}");
            let failure = judged(&cut(demuxer, Some(0.3), is_guess), &read, 12.0).expect_err("too little");
            assert!(failure.reason.starts_with("only 30 %"), "{}", failure.reason);
            let damage = judged(&cut(demuxer, None, is_guess), &read, 12.0).expect("useful").expect("damage");
            assert!(damage.seconds.abs() < 1e-6 && damage.cause.contains("cut off"), "nobody knows how much: {damage:?}");
            assert_eq!(judged(&cut(demuxer, Some(1.0), is_guess), &read, 12.0), Ok(None), "what stands behind the pictures");
        }
        assert_eq!(judged(&cut("mxf", Some(0.9), false), &read, 12.0), Ok(None), "its head tells how long it is");
    }

    #[test]
    fn pictures_that_could_not_be_decoded_are_counted() {
        let damage =
            judged(&media(20, Extras::default()), &account(500, 488, Some("broken")), 20.0).expect("useful").expect("damage");
        assert_eq!((damage.frames, damage.cause.as_str()), (12, "broken"));
        assert!((damage.seconds - 0.48).abs() < 1e-9);
    }

    #[test]
    fn fields_in_packets_of_their_own_are_no_pictures_that_are_missing() {
        let listed = Extras { listed_pictures: Some(1000), ..Extras::default() };
        for extras in [Extras::default(), listed] {
            let fields = MediaInfo { demuxer: "mov".to_owned(), ..of_fields(media(20, extras)) };
            let video = fields.video.clone().map(|video| VideoStream { fps: 50.0, ..video });
            let damage = judged(&MediaInfo { video, ..fields }, &glitch(1000, 495, 5), 20.0).expect("useful").expect("damage");
            assert_eq!(damage.frames, 5, "one glitch");
        }
        // Some of the pictures are in fields.
        let film = of_fields(media(20, Extras::default()));
        let damage = judged(&film, &glitch(650, 499, 1), 20.0).expect("useful").expect("damage");
        assert_eq!(damage.frames, 1);
        let damage = judged(&media(20, Extras::default()), &glitch(500, 150, 1), 20.0).expect("useful").expect("damage");
        assert_eq!(damage.frames, 350, "a decoder does not tell of each picture");
        let damage = judged(&film, &glitch(500, 245, 240), 20.0).expect("useful").expect("damage");
        assert_eq!(damage.frames, 255, "half of them are broken");
        let video = film.video.clone().map(|video| VideoStream { codec: "mpeg4".to_owned(), ..video });
        let whole = MediaInfo { video, ..film };
        let damage = judged(&whole, &glitch(500, 300, 5), 20.0).expect("useful").expect("damage");
        assert_eq!(damage.frames, 200, "MPEG-4 has both fields in one packet");
    }

    #[test]
    fn the_run_up_of_a_trimmed_film_is_not_missing() {
        let extras = Extras { listed_pictures: Some(350), ..Extras::default() };
        let trimmed = MediaInfo { demuxer: "mov".to_owned(), ..media(2, extras) };
        let damage = judged(&trimmed, &glitch(350, 49, 1), 2.0).expect("useful").expect("damage");
        assert_eq!(damage.frames, 1);
        assert_eq!(judged(&trimmed, &account(60, 50, None), 2.0), Ok(None), "nor what is not read at all");
        assert!(judged(&trimmed, &glitch(350, 20, 30), 2.0).is_err(), "less than half of what is to be shown");
    }

    #[test]
    fn sound_that_the_output_has_none_of_promises_nothing() {
        let audio = Some(AudioStream { duration: Some(Duration::from_mins(1)), ..AudioStream::default() });
        let film = MediaInfo { audio, ..media(20, Extras { ends_early: true, ..Extras::default() }) };
        let account = account(500, 500, None);
        let evidence = Evidence {
            media: &film,
            account: &account,
            wants_video: true,
            wants_audio: false,
            lost_sound: false,
            made: Duration::from_secs(20),
        };
        assert_eq!(of(&evidence), Ok(None));
        assert!(of(&Evidence { wants_audio: true, ..evidence }).is_err());
    }

    #[test]
    fn a_film_that_breaks_off_at_a_place_that_cannot_be_read_tells_what_is_missing() {
        let damage =
            judged(&media(20, Extras::default()), &account(400, 400, Some("broken")), 16.0).expect("useful").expect("damage");
        assert!((damage.seconds - 4.0).abs() < 1e-9);
        assert!(judged(&media(20, Extras::default()), &account(100, 100, Some("broken")), 4.0).is_err());
        assert_eq!(judged(&media(20, Extras::default()), &account(500, 500, Some("broken")), 19.9), Ok(None), "nothing is missing");
    }

    #[test]
    fn a_sound_file_that_ends_before_its_count_is_cut_off_also_where_nobody_complains() {
        let song = |seconds, duration_is_guess| MediaInfo {
            demuxer: "mp3".to_owned(),
            ..media(seconds, Extras { duration_is_guess, ..Extras::default() })
        };
        let damage = judged(&song(20, false), &account(350, 350, None), 14.0).expect("useful").expect("damage");
        assert!((damage.seconds - 6.0).abs() < 1e-9 && damage.cause.contains("cut off"), "{damage:?}");
        assert!(judged(&song(20, false), &account(100, 100, None), 4.0).is_err(), "too little");
        assert_eq!(judged(&song(20, false), &account(500, 500, None), 19.6), Ok(None), "padding");
        assert_eq!(judged(&song(20, true), &account(350, 350, None), 14.0), Ok(None), "a guess");
        assert_eq!(judged(&song(171_798_691, false), &account(500, 500, None), 20.0), Ok(None), "written into a pipe");
    }

    #[test]
    fn a_joined_recording_promises_nothing_by_its_time_stamps() {
        let joined = MediaInfo { demuxer: "mpegts".to_owned(), ..media(3612, Extras::default()) };
        assert!(judged(&joined, &account(600, 600, Some("broken")), 24.0).is_ok());
    }

    #[test]
    fn what_was_read_of_joined_files_and_has_no_place_in_the_output_is_told() {
        let joined = |seconds| media(seconds, Extras { is_joined: true, ..Extras::default() });
        let damage = judged(&joined(10), &account(500, 500, None), 10.0).expect("useful").expect("damage");
        assert!((damage.seconds - 10.0).abs() < 1e-9 && damage.cause.contains("begin anew"), "{damage:?}");
        let longer_second = judged(&joined(4), &account(2600, 2600, None), 100.0).expect("useful").expect("damage");
        assert!((longer_second.seconds - 4.0).abs() < 1e-9, "{longer_second:?}");
        assert_eq!(judged(&joined(20), &account(500, 500, None), 20.0), Ok(None), "times that go on");
        assert_eq!(judged(&media(10, Extras::default()), &account(500, 500, None), 10.0), Ok(None), "a rate that is wrong");
    }

    #[test]
    fn sound_of_joined_files_is_measured_by_its_samples() {
        let audio = Some(AudioStream { sample_rate: 48_000, index: 1, ..AudioStream::default() });
        let song = MediaInfo { audio, ..media(10, Extras { is_joined: true, ..Extras::default() }) };
        let read = StreamRead { packets: 900, decoded: Some(900), samples: Some(960_000) };
        let account = Account { read: [(1, read)].into(), ..Account::default() };
        let made = Duration::from_secs(10);
        let evidence = Evidence { media: &song, account: &account, wants_video: false, wants_audio: true, lost_sound: false, made };
        let damage = of(&evidence).expect("useful").expect("damage");
        assert!((damage.seconds - 10.0).abs() < 1e-9, "{damage:?}");
        assert_eq!(of(&Evidence { made: Duration::from_secs(20), ..evidence }), Ok(None));
    }

    #[test]
    fn many_dropped_pictures_are_told_and_a_few_are_not() {
        let with = |dropped, packets| Account { dropped, ..account(packets, packets, None) };
        assert!(judged(&media(10, Extras::default()), &with(249, 500), 10.0).expect("useful").is_some());
        assert_eq!(judged(&media(10, Extras::default()), &with(24, 500), 10.0), Ok(None));
        assert_eq!(judged(&media(990, Extras::default()), &with(249, 25_000), 990.0), Ok(None), "less than one in a hundred");
    }

    #[test]
    fn an_index_that_lists_more_than_is_there_counts_as_cut_off() {
        let listed = media(20, Extras { listed_pictures: Some(500), ..Extras::default() });
        assert!(judged(&listed, &account(400, 400, None), 16.0).expect("useful").is_some());
        assert!(judged(&listed, &account(100, 100, None), 4.0).is_err());
    }
}
