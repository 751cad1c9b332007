//! What is asked further of a file, where its beginning tells too little: how long it is, what its late sound is, how bright its
//! pictures are, whether they are interlaced, and which of them are not shown.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::{Probed, Prober, Question, Refused, SLOWEST_DISK, Subject, is_named_alone};
use crate::domain::media::{MediaInfo, VideoStream};
use crate::host::media::arguments::FORMATS;
use crate::host::media::report::{LATE_DEMUXERS, Report};
use crate::host::media::tracks::best_sound;

/// Lines of interlaced films: of NTSC and PAL, and of HD, cropped or not.
const INTERLACED_LINES: [u32; 5] = [480, 486, 576, 1080, 1088];
/// Pictures a second of interlaced films: not those of the cinema, nor of cameras and screens that are faster.
const INTERLACED_RATES: RangeInclusive<f64> = 24.5..=31.0;
/// So many pictures may be hidden without a word: encoders leave one or two beside those that are shown.
const UNHIDDEN: usize = 2;

impl Prober {
    /// A sheet is made of a cover where there is no film, and has to know how long its film really is.
    pub(super) fn complete_for_a_sheet(&self, path: &Path, probed: &mut Probed) -> Result<(), Refused> {
        let bytes = probed.id.size;
        let timeout = self.time_for_all_of(bytes);
        let media = &mut probed.media;
        if media.video.is_none() {
            media.video = media.extras.cover.take();
        }
        let Some(video) = &mut media.video else { return Ok(()) };
        let is_told = video.duration.or(media.duration).is_some() && !media.extras.duration_is_guess;
        if !is_told || LATE_DEMUXERS.contains(&media.demuxer.as_str()) {
            match self.measure(path, bytes, video, media.extras.long_look) {
                Ok(measured) => video.duration = measured.or(video.duration),
                Err(refused) if refused.errno.is_some() => return Err(refused),
                // Too long to be measured: what its header tells will do for a sheet.
                Err(_) => {}
            }
        } else if media.demuxer == "matroska" && !media.extras.tells_length {
            // It tells when its streams end, and a picture may begin late.
            let question =
                Question { formats: FORMATS, subject: Subject::Begin(video.index), long: media.extras.long_look, timeout };
            let begin = match self.ask(path, question) {
                Ok(answer) => earliest(&String::from_utf8_lossy(&answer.stdout)),
                Err(refused) if refused.errno.is_some() => return Err(refused),
                Err(_) => None,
            };
            let end = video.duration.or(media.duration).map(|end| end + media.extras.begins.unwrap_or_default());
            let length = end.zip(begin).and_then(|(end, begin)| end.checked_sub(begin));
            video.duration = length.filter(|length| !length.is_zero()).or(video.duration);
        }
        Ok(())
    }

    /// A film that was trimmed without encoding keeps pictures that are not shown, and only some containers can say which. One
    /// that lists no more pictures than its length shows hides none.
    pub(super) fn complete_for_a_copy(&self, path: &Path, probed: &mut Probed) -> Result<(), Refused> {
        let timeout = self.time_for_all_of(probed.id.size);
        let media = &mut probed.media;
        let Some(video) = &media.video else { return Ok(()) };
        let shown = video.duration.map_or(f64::MAX, |duration| (duration.as_secs_f64() * video.fps).ceil());
        if media.extras.listed_pictures.is_none_or(|listed| listed as f64 <= shown + UNHIDDEN as f64) {
            return Ok(());
        }
        let question = Question { formats: FORMATS, subject: Subject::Flags(video.index), long: media.extras.long_look, timeout };
        match self.ask(path, question) {
            Ok(answer) => {
                let hidden = hidden(&String::from_utf8_lossy(&answer.stdout));
                media.extras.hides_beginning = hidden.before > UNHIDDEN;
                media.extras.hides_end = hidden.behind > UNHIDDEN || hidden.has_several_parts;
            }
            Err(refused) if refused.errno.is_some() => return Err(refused),
            // Too long to be looked through.
            Err(_) => {}
        }
        Ok(())
    }

    /// Matroska's word that a film is progressive is written without a look at its pictures, so one of them is asked, where it
    /// has the size and the rate of interlaced films. A film without its first picture is as its container says.
    pub(super) fn complete_fields(&self, path: &Path, media: &mut MediaInfo) {
        let is_matroska = media.demuxer == "matroska";
        let may_be = |video: &VideoStream| {
            !video.is_interlaced
                && video.codec == "h264"
                && INTERLACED_LINES.contains(&video.height)
                && INTERLACED_RATES.contains(&video.fps)
        };
        let Some(index) = media.video.as_ref().filter(|video| is_matroska && may_be(video)).map(|video| video.index) else {
            return;
        };
        let Some(first) = self.first_picture(path, index, media.extras.long_look) else { return };
        if let Some(video) = &mut media.video {
            video.is_interlaced = first.is_interlaced();
        }
    }

    /// What the first picture of a stream says itself.
    fn first_picture(&self, path: &Path, index: u32, long: bool) -> Option<Report> {
        let question = Question { formats: FORMATS, subject: Subject::Picture(index), long, timeout: self.timeout };
        let answer = self.ask(path, question).ok()?;
        serde_json::from_slice(&answer.stdout).ok()
    }

    /// Longest time for a question that reads a whole file of so many bytes.
    pub(super) fn time_for_all_of(&self, bytes: u64) -> Duration {
        self.timeout + Duration::from_secs(bytes / SLOWEST_DISK.0)
    }

    /// Looks further on for the sound of a recording that begins without: what its first blocks are, once there are any. A track
    /// that nothing can be heard of is none, which every job that mapped it would fail for at its end.
    pub(super) fn listen(&self, path: &Path, probed: &mut Probed) -> Result<(), Refused> {
        let timeout = self.time_for_all_of(probed.id.size);
        let media = &mut probed.media;
        let question = Question { formats: FORMATS, subject: Subject::Sound, long: media.extras.long_look, timeout };
        // What could not be looked through says nothing: a film does not lose its sound for a slow disk.
        let heard: Report = serde_json::from_slice(&self.ask(path, question)?.stdout).unwrap_or_default();
        for sound in media.extras.sounds.iter_mut().filter(|sound| is_named_alone(sound)) {
            if let Some((channels, layout)) = heard.heard(sound.index) {
                (sound.channels, sound.layout) = (channels, layout);
            }
        }
        media.audio = best_sound(&media.extras.sounds).filter(|sound| sound.channels > 0).cloned();
        Ok(())
    }

    /// The figures of brightness that go along with PQ may stand in its pictures alone. A film without them is shown as well.
    pub(super) fn complete_brightness(&self, path: &Path, media: &mut MediaInfo) {
        let long = media.extras.long_look;
        let Some(video) = media.video.as_mut().filter(|video| video.colour.transfer == "smpte2084") else { return };
        let colour = &mut video.colour;
        if colour.mastering.is_some() && colour.light_level.is_some() {
            return;
        }
        let Some(first) = self.first_picture(path, video.index, long) else { return };
        let told = first.brightness();
        colour.mastering = colour.mastering.take().or(told.mastering);
        colour.light_level = colour.light_level.take().or(told.light_level);
    }

    /// How long a stream is, by the times of its packets. Where they begin anew, what follows is added. Those of a raw stream
    /// have none, and are counted.
    fn measure(&self, path: &Path, bytes: u64, stream: &VideoStream, long: bool) -> Result<Option<Duration>, Refused> {
        let timeout = self.time_for_all_of(bytes);
        let question = Question { formats: FORMATS, subject: Subject::Times(stream.index), long, timeout };
        let answer = self.ask(path, question)?;
        let times = String::from_utf8_lossy(&answer.stdout);
        Ok(length_of(&times).or_else(|| length_by_count(&times, stream.fps)))
    }
}

/// When the first of these times is.
fn earliest(times: &str) -> Option<Duration> {
    let times = times.lines().filter_map(|line| line.trim_end_matches(',').parse::<f64>().ok());
    times.min_by(f64::total_cmp).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// Packets that are not shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hidden {
    /// In front of the last one that is shown.
    pub before: usize,
    /// Behind it.
    pub behind: usize,
    /// What is shown is put together from several places of the film: times run backwards, or some are hidden between two parts.
    pub has_several_parts: bool,
}

/// Reads a line for each packet, in the order of decoding: its time and its flags.
pub(super) fn hidden(packets: &str) -> Hidden {
    let is_hidden = |line: &&str| line.contains('D');
    let behind = packets.lines().rev().take_while(is_hidden).count();
    let before = packets.lines().filter(is_hidden).count() - behind;
    let times = packets.lines().filter_map(|line| line.split(',').next()?.parse::<f64>().ok());
    let has_several_parts = times.clone().zip(times.skip(1)).any(|(time, next)| next < time);
    Hidden { before, behind, has_several_parts }
}

/// How long so many pictures are shown at this rate: one line is one picture.
pub(super) fn length_by_count(packets: &str, fps: f64) -> Option<Duration> {
    let count = packets.lines().filter(|line| !line.is_empty()).count();
    Duration::try_from_secs_f64(count as f64 / fps).ok().filter(|length| fps > 0.0 && !length.is_zero())
}

/// Longest step between two packets that is taken for one: a longer one is a gap that players do not show.
const LONGEST_STEP: f64 = 10.0;

/// The time between the first and the last of these, where they begin anew what comes then added.
pub(super) fn length_of(times: &str) -> Option<Duration> {
    let times = times.lines().filter_map(|line| line.trim_end_matches(',').parse::<f64>().ok());
    let mut last = None;
    let mut length = 0.0;
    let mut usual = 0.0;
    for time in times {
        let step = last.map_or(0.0, |last| time - last);
        if step > 0.0 && step < LONGEST_STEP {
            usual = step;
        }
        length += if (0.0..LONGEST_STEP).contains(&step) { step } else { usual };
        last = Some(time);
    }
    // The last one is shown for a while as well.
    last.and_then(|_| Duration::try_from_secs_f64(length + usual).ok()).filter(|length| !length.is_zero())
}
