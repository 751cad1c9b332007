//! What is in a media file: ffprobe, run so that a hostile file can neither open another one, nor hang, nor eat memory.
//!
//! Knows nothing of jobs and queues; turns ffprobe's answer into [`MediaInfo`] or into a reason a person understands.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::domain::job::{RejectReason, Rejected};
use crate::domain::media::{AudioStream, MediaInfo, VideoStream};
use crate::domain::preset::{Deinterlace, Hdr, Preset, VideoCodec};
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::host::files::file_id::FileId;
use crate::host::media::arguments::{FORMATS, LONG_LOOK, MAX_PIXELS, environment, file_url};
use crate::host::media::index::{self, Trust};
use crate::host::media::report::{Read as Told, Report};
use crate::host::media::structure;
use crate::host::media::tracks::{Unfit, choose};
use crate::host::process::child::{ChildSetup, Limits};
use crate::host::process::command::{self, Answer, Beyond, Bounds, ToolError};
use crate::host::process::sandbox::{Needs, SandboxBuilder};

mod encrypted;
mod explain;
mod further;
mod look;

use explain::{explain, frame_too_large, oversized_frame};
use look::{Head, look};

/// Between the probes of one file that somebody kills, before that is held against the file: what kills it, such as a machine
/// without memory, strikes several times in a row and passes.
const PAUSES: &[Duration] = &[Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(3)];
/// Signals that come from others; those that it brings upon itself are answers too: a crash, a limit.
const SOMEBODYS: [i32; 4] = [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGHUP];
/// Longest time a probe may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;
/// The same for the times of packets: those of a film of ten hours.
const MAX_TIMES: usize = 16 * 1024 * 1024;
/// Of ffprobe's log the first part is kept; the first complaint tells most.
const MAX_LOG: usize = 64 * 1024;
/// Address space of a probe: its libraries map about 250 MiB, the largest allowed frame needs less than 200.
const ADDRESS_SPACE: Bytes = Bytes::mib(1024);
/// Bytes of a file's head that are looked at before ffprobe is let near it.
const HEAD: usize = 4096;

/// What is asked of a file: only what is used.
const ENTRIES: &str = "format=format_name,duration,start_time\
    :stream=index,codec_type,codec_name,codec_tag_string,width,height,pix_fmt,avg_frame_rate,r_frame_rate,sample_aspect_ratio,\
field_order,has_b_frames,color_range,color_space,color_transfer,color_primaries,channels,channel_layout,sample_rate,duration,nb_frames,\
nb_read_packets\
    :program_stream=index:stream_disposition\
    :stream_tags=DURATION,alpha_mode,ALPHA_MODE,_STATISTICS_WRITING_APP,language,rotate,title,artist,album_artist,album,track,disc,genre,composer,date,show,season_number,\
episode_id,episode_sort\
    :stream_side_data=side_data_type,rotation,displaymatrix,red_x,red_y,green_x,green_y,blue_x,blue_y,white_point_x,white_point_y,\
min_luminance,max_luminance,max_content,max_average\
    :chapter=id,end_time:chapter_tags=title\
    :format_tags=title,artist,album_artist,album,track,disc,genre,composer,date,show,season_number,episode_id,episode_sort,\
creation_time,com.apple.quicktime.creationdate,location,com.apple.quicktime.location.ISO6709";
/// What is asked of the first blocks of sound.
const BLOCK_ENTRIES: &str = "frame=stream_index,channels,channel_layout";
/// So many packets of sound are decoded, or tried: the first ones may be cut.
const FIRST_PACKETS: &str = "%+#100";
/// Among so many packets is the first one that is shown, however they are reordered.
const REORDERED_PACKETS: &str = "%+#20";
/// What is asked of a picture: what it says of fields and of brightness.
const PICTURE_ENTRIES: &str = "frame=media_type,interlaced_frame:frame_side_data=side_data_type,red_x,red_y,green_x,green_y,\
blue_x,blue_y,white_point_x,white_point_y,min_luminance,max_luminance,max_content,max_average";
/// The demuxer of the still pictures that this program makes.
const STILL_FORMAT: &str = "jpeg_pipe";
/// A disk that reads slower than this, in bytes a second, makes the check of an output fail.
const SLOWEST_DISK: Bytes = Bytes::mib(8);
/// ffmpeg's words for a file that is shorter than it says.
const CUT_SHORT: [&str; 4] = ["Packet corrupt", "File ended prematurely", "partial file", "truncated"];

/// How to run ffprobe.
#[derive(Debug, Clone)]
pub struct Prober {
    /// The ffprobe program.
    pub ffprobe: PathBuf,
    /// Folder for its HOME and TMPDIR.
    pub scratch: PathBuf,
    /// Longest time it may take.
    pub timeout: Duration,
    /// Between tries at a file whose probe was killed.
    pub pauses: &'static [Duration],
    /// What keeps it to the file that it is asked about; `None` = nothing does.
    pub sandbox: Option<SandboxBuilder>,
    /// The version of ffmpeg, for its words; empty = not known.
    pub version: String,
    /// Which films need not be asked of ffprobe, since their index tells the same; shared by all copies.
    pub trust: Trust,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// What the rest of the program knows of the file.
    pub media: MediaInfo,
    /// The file as it was when the probe began.
    pub id: FileId,
    /// The index of the picture or of the sound lists clearly more packets than could be read. Only told of files that were
    /// read as a whole.
    pub packets_missing: bool,
    /// Streams of which all is known that a conversion needs.
    streams: usize,
    /// A longer look may tell more.
    is_incomplete: bool,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// In words.
    pub rejected: Rejected,
    /// The error of the system that it comes from, where there was one: it may say nothing of the file.
    pub errno: Option<i32>,
}

impl From<Rejected> for Refused {
    fn from(rejected: Rejected) -> Self {
        Self { rejected, errno: None }
    }
}

impl Deref for Refused {
    type Target = Rejected;

    fn deref(&self) -> &Rejected {
        &self.rejected
    }
}

/// Refuses a file for an error of the system.
pub(in crate::host::media::probe) fn refused(error: &io::Error, detail: String) -> Refused {
    Refused { rejected: rejected(RejectReason::Unreadable, detail), errno: error.raw_os_error() }
}

impl Prober {
    /// A prober with the default time limit of 30 s.
    pub fn new(ffprobe: impl Into<PathBuf>, scratch: impl Into<PathBuf>) -> Self {
        Self {
            ffprobe: ffprobe.into(),
            scratch: scratch.into(),
            timeout: TIMEOUT,
            pauses: PAUSES,
            sandbox: None,
            version: String::new(),
            trust: Trust::default(),
        }
    }

    /// Reads an input and tells whether `preset` can make something of it. The path must be absolute.
    pub fn probe(&self, path: &Path, preset: &Preset) -> Result<Probed, Refused> {
        let mut probed = self.read(path)?;
        if preset.container.is_still() {
            self.complete_for_a_sheet(path, &mut probed)?;
        } else if preset.audio.is_some() && probed.media.audio.as_ref().is_some_and(is_named_alone) {
            self.listen(path, &mut probed)?;
        }
        if let Some(plan) = &preset.video {
            if plan.hdr == Hdr::Keep {
                self.complete_brightness(path, &mut probed.media);
            }
            if plan.deinterlace == Deinterlace::Auto && plan.codec != VideoCodec::Copy {
                self.complete_fields(path, &mut probed.media);
            }
            if plan.codec == VideoCodec::Copy {
                self.complete_for_a_copy(path, &mut probed)?;
            }
        }
        match choose(preset, &probed.media) {
            Ok(_) => Ok(probed),
            Err(unfit @ Unfit::Missing(_)) => Err(rejected(RejectReason::NotAVideo, unfit.to_string()).into()),
            Err(unfit) => Err(rejected(RejectReason::DoesNotFit, unfit.to_string()).into()),
        }
    }

    /// Reads any media file of the allowed formats. The path must be absolute.
    pub fn read(&self, path: &Path) -> Result<Probed, Refused> {
        let read = self.read_as_it_is(path);
        let is_encrypted = match &read {
            Ok(probed) if probed.media.demuxer == "mov" => encrypted::is_film_of_rights(path, &probed.media),
            Ok(probed) => probed.streams == 0 && encrypted::is_scrambled(path),
            Err(refused) => refused.errno.is_none() && encrypted::is_scrambled(path),
        };
        if is_encrypted {
            let text = "it is encrypted, and nothing of it can be read without its key: whoever has the rights, or the broadcaster's \
                        card, has to decrypt it first; then give the decrypted file";
            return Err(rejected(RejectReason::Unreadable, text).into());
        }
        read
    }

    fn read_as_it_is(&self, path: &Path) -> Result<Probed, Refused> {
        let (id, head) = look(path)?;
        if let Head::Playlist(kind) = head {
            return Err(rejected(
                RejectReason::UnsupportedContainer,
                format!(
                    "not a supported container ({kind}): it names other files, which are not opened; give those files themselves"
                ),
            )
            .into());
        }
        let told = index::look(path).filter(|looked| looked.id == id).map(|looked| looked.report);
        if let Some(report) = &told
            && self.trust.covers(report)
        {
            return Self::structured(path, self.accept(report.read(""), id)?);
        }
        let question = Question { formats: FORMATS, subject: Subject::Head, long: false, timeout: self.timeout };
        let mut probed = self.judge(&self.ask(path, question)?, id, head)?;
        if let Some(report) = &told {
            self.trust.learn(report, self.accept(report.read(""), id).is_ok_and(|own| own == probed));
        }
        if probed.is_incomplete
            && let Ok(longer) =
                self.ask(path, Question { long: true, ..question }).and_then(|answer| Ok(self.judge(&answer, id, head)?))
            && longer.streams > probed.streams
        {
            probed = longer;
            probed.media.extras.long_look = true;
        }
        let Some(video) = &probed.media.video else { return Self::structured(path, probed) };
        if video.width == 0 || video.height == 0 {
            return Err(rejected(
                RejectReason::Unreadable,
                "the size of its picture cannot be read: its first pictures are missing or damaged; another copy of it is needed",
            )
            .into());
        }
        Self::structured(path, probed)
    }

    /// Adds what the outer structure of the file tells.
    fn structured(path: &Path, mut probed: Probed) -> Result<Probed, Refused> {
        let unreadable = |error: io::Error| refused(&error, format!("cannot be read: {}", words(&error)));
        let file = crate::host::files::file_id::open_regular(path).map_err(unreadable)?;
        let structure = structure::look(&file, probed.id.size, &probed.media.demuxer).map_err(unreadable)?;
        if structure.is_hollow {
            let text = "it is the beginning of a stream whose parts lie in other files (an initialisation segment) and holds no pictures; \
                        join the parts behind it";
            return Err(rejected(RejectReason::NotAVideo, text).into());
        }
        probed.media.extras.ends_early = structure.ends_early;
        probed.media.extras.share_there = structure.share_there;
        probed.media.extras.is_joined = structure.is_joined;
        Ok(probed)
    }

    /// Reads a file that this program made, every packet of it unless it is a still picture.
    pub(in crate::host) fn read_output(&self, path: &Path, still: bool) -> Result<Probed, Refused> {
        let (id, head) = look(path)?;
        let timeout = self.time_for_all_of(id.size);
        let formats = if still { STILL_FORMAT } else { FORMATS };
        let answer = self
            .ask(path, Question { formats, subject: if still { Subject::Head } else { Subject::Whole }, long: false, timeout })?;
        let log = String::from_utf8_lossy(&answer.stderr);
        if CUT_SHORT.iter().any(|complaint| log.contains(complaint)) {
            return Err(rejected(RejectReason::Unreadable, "it ends before its index says").into());
        }
        Ok(self.judge(&answer, id, head)?)
    }

    /// Asks again when the probe was killed: that says nothing of the file, unless it happens each time.
    fn ask(&self, path: &Path, question: Question<'_>) -> Result<Answer, Refused> {
        let mut pauses = self.pauses.iter();
        loop {
            let answer = self.ask_once(path, question)?;
            let Some(signal) = answer.status.signal().filter(|signal| SOMEBODYS.contains(signal)) else { return Ok(answer) };
            let Some(pause) = pauses.next() else {
                let tries = self.pauses.len() + 1;
                let detail = format!("the probe was killed each of {tries} times (signal {signal}); queue it again to try anew");
                return Err(rejected(RejectReason::Unreadable, detail).into());
            };
            std::thread::sleep(*pause);
        }
    }

    fn judge(&self, answer: &Answer, id: FileId, head: Head) -> Result<Probed, Rejected> {
        let log = String::from_utf8_lossy(&answer.stderr);
        let oversized = oversized_frame(&log).map(|frame| frame_too_large(&frame));
        if !answer.status.success() {
            return Err(oversized.unwrap_or_else(|| explain(&log, head)));
        }
        let report: Report = serde_json::from_slice(&answer.stdout)
            .map_err(|error| rejected(RejectReason::Unreadable, format!("the probe's answer cannot be read: {error}")))?;
        let read = report.read(&log);
        // A cover that is too large keeps no film and no song out.
        let has_size = |video: &VideoStream| video.width > 0 && video.height > 0;
        let is_of_cover = read.media.video.as_ref().map_or(read.media.audio.is_some(), has_size);
        match oversized.filter(|_| !is_of_cover) {
            Some(refused) => Err(refused),
            None => self.accept(read, id),
        }
    }

    /// Refuses what no preset can make anything of.
    fn accept(&self, read: Told, id: FileId) -> Result<Probed, Rejected> {
        if let Some(video) = &read.media.video
            && u64::from(video.width) * u64::from(video.height) > MAX_PIXELS
        {
            return Err(frame_too_large(&format!("{}×{}", video.width, video.height)));
        }
        if let Some(codec) = read.unknown_picture {
            let version = if self.version.is_empty() { String::new() } else { format!(" {}", self.version) };
            let text = format!("no decoder for the picture ({codec}) in this ffmpeg{version}; a newer one may have it");
            return Err(rejected(RejectReason::DoesNotFit, text));
        }
        let Told { media, packets_missing, streams, is_incomplete, .. } = read;
        Ok(Probed { media, id, packets_missing, streams, is_incomplete })
    }

    fn ask_once(&self, path: &Path, question: Question<'_>) -> Result<Answer, Refused> {
        let mut command = Command::new(&self.ffprobe);
        command
            .args(["-hide_banner", "-loglevel", "level+warning", "-threads", "1", "-protocol_whitelist", "file"])
            .args(["-format_whitelist", question.formats, "-max_pixels", &MAX_PIXELS.to_string()])
            .args(match question.subject {
                Subject::Times(_) => ["-show_entries", "packet=dts_time", "-of", "csv=p=0"],
                Subject::Begin(_) => ["-show_entries", "packet=pts_time", "-of", "csv=p=0"],
                Subject::Flags(_) => ["-show_entries", "packet=dts_time,flags", "-of", "csv=p=0"],
                Subject::Sound => ["-show_entries", BLOCK_ENTRIES, "-of", "json=compact=1"],
                Subject::Picture(_) => ["-show_entries", PICTURE_ENTRIES, "-of", "json=compact=1"],
                Subject::Head | Subject::Whole => ["-show_entries", ENTRIES, "-of", "json=compact=1"],
            });
        if question.formats == STILL_FORMAT {
            command.args(["-f", STILL_FORMAT]);
        }
        match question.subject {
            Subject::Head => {}
            Subject::Whole => drop(command.arg("-count_packets")),
            Subject::Sound => drop(command.args(["-select_streams", "a", "-read_intervals", FIRST_PACKETS])),
            Subject::Times(stream) | Subject::Flags(stream) => drop(command.args(["-select_streams", &stream.to_string()])),
            Subject::Begin(stream) => {
                command.args(["-select_streams", &stream.to_string(), "-read_intervals", REORDERED_PACKETS]);
            }
            Subject::Picture(stream) => {
                command.args(["-select_streams", &stream.to_string(), "-read_intervals", "%+#1"]);
            }
        }
        if question.long {
            command.args(LONG_LOOK);
        }
        command.arg("-i").arg(file_url(path));
        command.env_clear().envs(environment(&std::collections::BTreeMap::new(), &self.scratch));
        let needs = Needs { program: Some(&self.ffprobe), input: Some(path), output: None };
        let sandbox = self
            .sandbox
            .as_ref()
            .map(|sandbox| sandbox.build(needs))
            .transpose()
            .map_err(|error| refused(&error, format!("the probe cannot be sandboxed: {}; retry it later", words(&error))))?;
        confine(&mut command, sandbox.flatten());
        let bounds =
            Bounds { limit: question.timeout, stdout: question.subject.longest(), stderr: MAX_LOG, beyond: Beyond::Refused };
        command::run_bounded(&mut command, bounds).map_err(|error| {
            let text = match error {
                ToolError::Start { program, source } => {
                    let text = format!("cannot run {}: {}; see `plimsoll doctor`", path_text(&program), words(&source));
                    return refused(&source, text);
                }
                ToolError::TimedOut { limit, .. } => format!("the probe took longer than {} s", limit.as_secs_f64()),
                ToolError::TooLong { longest, .. } => format!("the probe's answer is longer than {} MiB", longest >> 20),
            };
            rejected(RejectReason::Unreadable, text).into()
        })
    }
}

/// What is wanted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// What its beginning tells.
    Head,
    /// The same, and the number of its packets.
    Whole,
    /// What the first blocks of sound are, wherever they come.
    Sound,
    /// When each packet of a stream is decoded.
    Times(u32),
    /// When each of the first packets of a stream is shown.
    Begin(u32),
    /// What its container says of each packet of a stream.
    Flags(u32),
    /// What the first picture of a stream says itself.
    Picture(u32),
}

impl Subject {
    /// Longest answer that is read, in bytes.
    const fn longest(self) -> usize {
        match self {
            Self::Head | Self::Whole | Self::Sound | Self::Picture(_) | Self::Begin(_) => MAX_ANSWER,
            Self::Times(_) | Self::Flags(_) => MAX_TIMES,
        }
    }
}

/// What ffprobe is asked.
#[derive(Debug, Clone, Copy)]
struct Question<'a> {
    /// Demuxers that may answer.
    formats: &'a str,
    /// What is wanted.
    subject: Subject,
    /// Look at more of its beginning than usual.
    long: bool,
    /// Longest time it may take.
    timeout: Duration,
}

/// The file names its codec, and its first blocks came too late to tell more.
const fn is_named_alone(sound: &AudioStream) -> bool {
    !sound.codec.is_empty() && sound.channels == 0
}

fn rejected(reason: RejectReason, detail: impl Into<String>) -> Rejected {
    Rejected { reason, limit: None, detail: detail.into() }
}

pub(in crate::host) use crate::domain::text::error_words as words;

/// The protections of a job, from the first instruction on, and narrower: it writes no file, and maps no more memory than
/// the largest allowed frame needs.
fn confine(command: &mut Command, sandbox: Option<OwnedFd>) {
    let parent = std::process::id() as libc::pid_t;
    let address_space = cfg!(target_os = "linux").then_some(ADDRESS_SPACE.0);
    let setup = ChildSetup {
        parent,
        progress: None,
        third: None,
        limits: Limits { max_file: Some(0), address_space, ..Limits::default() },
        group: None,
        sandbox: sandbox.as_ref().map(AsRawFd::as_raw_fd),
    };
    // SAFETY: `apply` makes only calls that are safe between fork and exec, as its module says. The sandbox stays open as long
    // as the command is there.
    unsafe {
        command.pre_exec(move || {
            let _open = &sandbox;
            setup.apply()
        });
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
