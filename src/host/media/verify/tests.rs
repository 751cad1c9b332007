//! What is told of real outputs of ffmpeg, held against ffprobe, which reads every packet; and that nothing cut short passes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::host::fixtures::make;
use crate::host::media::arguments::file_url;

const PICTURE: &[&str] = &["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1"];
const SOUND: &[&str] = &["-f", "lavfi", "-i", "sine=d=1"];
const X264: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-pix_fmt", "yuv420p"];
const AAC: &[&str] = &["-c:a", "aac"];

/// A file that ffmpeg makes: what it is called here, its container, the arguments.
struct Case {
    what: &'static str,
    container: Container,
    arguments: Vec<&'static str>,
}

fn case(what: &'static str, container: Container, parts: &[&[&'static str]]) -> Case {
    let mut arguments = parts.concat();
    arguments.extend(["-f", container.muxer()]);
    Case { what, container, arguments }
}

fn cases(texts: &'static str, chapters: &'static str) -> Vec<Case> {
    use Container::{M4a, Mkv, Mov, Mp4, Webm};
    let text: &[&str] = &["-i", texts];
    let chapter: &[&str] = &["-i", chapters, "-map_metadata", "2", "-map_chapters", "2"];
    let late_sound: &[&str] = &["-itsoffset", "0.7", "-f", "lavfi", "-i", "sine=d=1"];
    let late_picture: &[&str] = &["-itsoffset", "0.7", "-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1"];
    let uneven: &[&str] = &["-vf", "select='not(mod(n,7))+not(mod(n,3))'", "-vsync", "vfr", "-video_track_timescale", "90000"];
    let vp9: &[&str] = &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"];
    vec![
        case("a film", Mp4, &[PICTURE, SOUND, X264, AAC]),
        case("a film, index first", Mp4, &[PICTURE, SOUND, X264, AAC, &["-movflags", "+faststart"]]),
        case("a film of MPEG-4", Mp4, &[PICTURE, SOUND, &["-c:v", "mpeg4", "-c:a", "libmp3lame"]]),
        case("a film with text and chapters", Mp4, &[PICTURE, SOUND, chapter, X264, AAC]),
        case("a film with subtitles", Mp4, &[PICTURE, SOUND, text, X264, AAC, &["-c:s", "mov_text"]]),
        case("a film whose sound is late", Mp4, &[PICTURE, late_sound, X264, AAC]),
        case("a film whose picture is late", Mp4, &[late_picture, SOUND, X264, AAC]),
        case("a film of uneven frames", Mp4, &[PICTURE, uneven, X264]),
        case("a film of one frame", Mp4, &[PICTURE, X264, &["-frames:v", "1"]]),
        case("an MOV", Mov, &[PICTURE, SOUND, X264, AAC]),
        case("an MOV with subtitles", Mov, &[PICTURE, SOUND, text, X264, AAC, &["-c:s", "mov_text"]]),
        case("an MOV with a time code", Mov, &[PICTURE, X264, &["-timecode", "01:00:00:00"]]),
        case("a sound", M4a, &[SOUND, AAC]),
        case("a sound, index first", M4a, &[SOUND, AAC, &["-movflags", "+faststart"]]),
        case("a Matroska film", Mkv, &[PICTURE, SOUND, X264, AAC]),
        case("a Matroska film of FLAC", Mkv, &[PICTURE, SOUND, X264, &["-c:a", "flac"]]),
        case("a Matroska film of Opus", Mkv, &[PICTURE, SOUND, X264, &["-c:a", "libopus"]]),
        case("a Matroska film with subtitles", Mkv, &[PICTURE, SOUND, text, X264, AAC, &["-c:s", "srt"]]),
        case("a Matroska film with chapters", Mkv, &[PICTURE, SOUND, chapter, X264, AAC]),
        case("a Matroska film whose sound is late", Mkv, &[PICTURE, late_sound, X264, AAC]),
        case("a Matroska film whose picture is late", Mkv, &[late_picture, SOUND, X264, AAC]),
        case("a Matroska film of uneven frames", Mkv, &[PICTURE, &uneven[..4], X264]),
        case("a Matroska film of one frame", Mkv, &[PICTURE, X264, &["-frames:v", "1"]]),
        case("a Matroska film of many clusters", Mkv, &[PICTURE, SOUND, X264, AAC, &["-cluster_time_limit", "100"]]),
        case("a WebM", Webm, &[PICTURE, SOUND, vp9, &["-c:a", "libopus"]]),
    ]
}

/// Every case, made once for all tests.
fn made_files() -> &'static [(Case, PathBuf)] {
    static FILES: OnceLock<(TempDir, Vec<(Case, PathBuf)>)> = OnceLock::new();
    let (_, files) = FILES.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let texts = folder.path().join("texts.srt");
        fs::write(&texts, "1\n00:00:00,200 --> 00:00:00,600\none\n\n2\n00:00:00,700 --> 00:00:00,900\ntwo\n").expect("written");
        let chapters = folder.path().join("chapters.txt");
        let one = |from, to| format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={from}\nEND={to}\ntitle=from {from}\n");
        fs::write(&chapters, format!(";FFMETADATA1\n{}{}", one(0, 400), one(400, 1000))).expect("written");
        let text = |path: PathBuf| -> &'static str { Box::leak(path.to_str().expect("a path").to_owned().into_boxed_str()) };
        let mut files = Vec::new();
        for case in cases(text(texts), text(chapters)) {
            let path = folder.path().join(format!("{}.{}", case.what, case.container));
            make(&path, &case.arguments);
            files.push((case, path));
        }
        (folder, files)
    });
    files
}

fn still() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("still.jpg");
    make(&path, &[PICTURE, &["-frames:v", "1", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-f", "image2"]].concat());
    (folder, path)
}

fn ffprobe(path: &Path) -> Value {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json"])
        .arg(file_url(path))
        .output()
        .expect("ffprobe runs");
    serde_json::from_slice(&output.stdout).expect("its answer")
}

fn number(value: &Value) -> Option<f64> {
    value.as_str()?.parse().ok()
}

/// `00:00:01.040000000` → 1.04.
fn clock(value: &Value) -> Option<f64> {
    value.as_str()?.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
}

#[test]
fn what_is_told_of_a_film_is_what_ffprobe_finds_by_reading_every_packet() {
    let mut wrong = Vec::new();
    for (case, path) in made_files() {
        let made = match read(path, case.container) {
            Ok(Some(made)) => made,
            other => {
                wrong.push(format!("{}: {other:?}", case.what));
                continue;
            }
        };
        let probed = ffprobe(path);
        let streams = probed["streams"].as_array().expect("streams");
        let mut differs =
            |what: &str, ours: String, theirs: String| wrong.push(format!("{}: {what}: {ours}, ffprobe {theirs}", case.what));
        if made.streams.len() != streams.len() {
            differs("streams", format!("{:?}", made.streams), format!("{streams:?}"));
        }
        for (ours, theirs) in made.streams.iter().zip(streams) {
            let kind = match theirs["codec_type"].as_str() {
                Some("video") => MadeKind::Video,
                Some("audio") => MadeKind::Audio,
                Some("subtitle") => MadeKind::Subtitle,
                _ => MadeKind::Other,
            };
            if ours.kind != kind {
                differs("kind", format!("{:?}", ours.kind), theirs["codec_type"].to_string());
            }
            // Of what is no picture, sound or text ffprobe shows some packets and some not.
            if kind == MadeKind::Other {
                continue;
            }
            let codec = ours.codec.as_str();
            if !matches!(case.container, Container::Mkv | Container::Webm) && Some(codec) != theirs["codec_tag_string"].as_str() {
                differs("codec", ours.codec.clone(), theirs["codec_tag_string"].to_string());
            }
            // A last text that only ends the one before it is listed and not read.
            let count = if kind == MadeKind::Subtitle && matches!(case.container, Container::Mp4 | Container::Mov) {
                "nb_frames"
            } else {
                "nb_read_packets"
            };
            let packets = number(&theirs[count]).unwrap_or(0.0) as u64;
            if ours.packets != packets {
                differs("packets", ours.packets.to_string(), packets.to_string());
            }
            let size = (theirs["width"].as_u64().unwrap_or(0), theirs["height"].as_u64().unwrap_or(0));
            if kind == MadeKind::Video && (u64::from(ours.width), u64::from(ours.height)) != size {
                differs("size", format!("{}×{}", ours.width, ours.height), format!("{size:?}"));
            }
            let (start, end) = (ours.start.unwrap_or(-9.0), ours.end.unwrap_or(-9.0));
            let begins = number(&theirs["start_time"]).unwrap_or(0.0);
            if kind != MadeKind::Subtitle && (start - begins).abs() > 0.0015 {
                differs("start", format!("{start}"), format!("{begins}"));
            }
            // A length in MP4; the time of the end in Matroska's tags.
            let ends = number(&theirs["duration"]).map(|length| begins + length).or_else(|| clock(&theirs["tags"]["DURATION"]));
            // What the last packet of Matroska lasts may be known to the muxer alone.
            let slack = if matches!(case.container, Container::Mkv | Container::Webm) { 0.03 } else { 0.0015 };
            if kind != MadeKind::Subtitle && ends.is_none_or(|ends| (ends - end).abs() > slack) {
                differs("end", format!("{end}"), format!("{ends:?}"));
            }
        }
        let (ours, theirs) = (made.duration.unwrap_or(-9.0), number(&probed["format"]["duration"]).unwrap_or(-9.0));
        if (ours - theirs).abs() > 0.03 {
            differs("duration", ours.to_string(), theirs.to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_still_tells_its_size() {
    let (_folder, path) = still();
    let made = read(&path, Container::Jpg).expect("whole").expect("known");
    assert_eq!((made.streams[0].width, made.streams[0].height), (96, 64));
}

#[test]
fn a_transport_stream_and_fragments_are_left_to_ffprobe() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = folder.path().join("stream.ts");
    make(&stream, &[PICTURE, X264, &["-f", "mpegts"]].concat());
    assert_eq!(read(&stream, Container::Ts), Ok(None));
    let fragments = folder.path().join("fragments.mp4");
    make(&fragments, &[PICTURE, X264, &["-movflags", "frag_keyframe+empty_moov", "-f", "mp4"]].concat());
    assert_eq!(read(&fragments, Container::Mp4), Ok(None));
}

#[test]
fn uncompressed_sound_in_mov_is_counted_by_its_samples_or_left_to_ffprobe() {
    let folder = tempfile::tempdir().expect("a folder");
    for codec in ["pcm_s16le", "pcm_s24be", "adpcm_ima_qt", "adpcm_ms", "pcm_mulaw"] {
        let path = folder.path().join(codec);
        make(&path, &[SOUND, &["-c:a", codec, "-f", "mov"]].concat());
        let made = read(&path, Container::Mov).unwrap_or_else(|error| panic!("{codec}: {error}"));
        if let Some(made) = made {
            let length = made.streams[0].length().expect("a length");
            assert!((length - 1.0).abs() < 0.1, "{codec}: {length} s of 1 s");
        }
    }
}

/// The files that stand for all, one of each form, as bytes.
fn samples() -> Vec<(Container, Vec<u8>)> {
    let wanted = ["a film, index first", "a film", "an MOV with subtitles", "a sound", "a Matroska film with subtitles", "a WebM"];
    let mut samples: Vec<_> = made_files()
        .iter()
        .filter(|(case, _)| wanted.contains(&case.what))
        .map(|(case, path)| (case.container, fs::read(path).expect("read")))
        .collect();
    assert_eq!(samples.len(), wanted.len());
    let (_folder, picture) = still();
    samples.push((Container::Jpg, fs::read(picture).expect("read")));
    samples
}

fn read_bytes(scratch: &Path, bytes: &[u8], container: Container) -> Result<Option<Made>, NotWhole> {
    fs::write(scratch, bytes).expect("written");
    read(scratch, container)
}

#[test]
fn no_file_that_is_cut_short_anywhere_passes_as_whole() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let path = folder.path().join("cut");
    for (container, bytes) in samples() {
        assert!(matches!(read_bytes(&path, &bytes, container), Ok(Some(_))), "{container}: whole as it is");
        let file = fs::File::options().write(true).open(&path).expect("opened");
        for length in (0..bytes.len()).rev() {
            file.set_len(length as u64).expect("cut");
            let told = read(&path, container);
            assert!(told.is_err(), "{container}: {length} of {} bytes pass as {told:?}", bytes.len());
        }
    }
}

/// Where sizes and counts stand: before and after the names of boxes, after the marks of elements, and all over the beginning.
fn heads(bytes: &[u8]) -> Vec<usize> {
    const MARKS: [&[u8]; 14] = [
        b"mdat",
        b"moov",
        b"trak",
        b"stsz",
        b"stsc",
        b"stco",
        b"stts",
        b"ctts",
        b"elst",
        b"mdhd",
        b"\x1f\x43\xb6\x75",
        b"\x1c\x53\xbb\x6b",
        b"\xa3",
        b"\xff",
    ];
    let marked = |at: usize| MARKS.iter().any(|mark| bytes[at..].starts_with(mark));
    let around = (0..bytes.len()).filter(|at| marked(*at)).flat_map(|at| at.saturating_sub(4)..(at + 16).min(bytes.len()));
    (0..bytes.len().min(64)).chain(around).collect()
}

#[test]
fn bytes_of_chance_neither_stop_a_reader_nor_make_a_cut_file_whole() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let path = folder.path().join("spoilt");
    let samples = samples();
    let spoilt = (0..samples.len(), any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..9), any::<bool>());
    let cut = any::<prop::sample::Index>();
    // `just fuzz` takes more.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(600);
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let property = |((which, at, noise, at_a_size), cut): ((usize, prop::sample::Index, Vec<u8>, bool), prop::sample::Index)| {
        let (container, bytes) = &samples[which];
        let mut bytes = bytes.clone();
        // Half of them where sizes and counts stand: in the index of MP4, in the heads of elements.
        let at = if at_a_size { *at.get(&heads(&bytes)) } else { at.index(bytes.len()) };
        for (byte, noise) in bytes[at..].iter_mut().zip(noise) {
            *byte = noise;
        }
        let _ = read_bytes(&path, &bytes, *container);
        bytes.truncate(cut.index(bytes.len()));
        let told = read_bytes(&path, &bytes, *container);
        prop_assert!(!matches!(&told, Ok(Some(_))), "{container}: {told:?}");
        Ok(())
    };
    runner.run(&(spoilt, cut), property).expect("holds");
}

/// A made file by its name in the table.
fn bytes_of(what: &str) -> (Container, Vec<u8>) {
    let (case, path) = made_files().iter().find(|(case, _)| case.what == what).expect("a case of that name");
    (case.container, fs::read(path).expect("read"))
}

/// Where `mark` stands the `nth` time, from 0.
fn place_of(bytes: &[u8], mark: &[u8], nth: usize) -> usize {
    let mut places = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(mark));
    places.nth(nth).unwrap_or_else(|| panic!("{mark:?} stands there"))
}

#[test]
fn a_file_of_the_right_length_is_not_whole_when_its_parts_contradict_each_other() {
    // What is spoilt, where it stands (after a mark, so many bytes on), the new bytes, and what is said.
    type Spoilt = (&'static str, &'static str, &'static [u8], usize, &'static [u8], &'static str);
    const SPOILT: [Spoilt; 12] = [
        ("a chunk before the data", "a film", b"stco", 12, &[0, 0, 0, 8], "outside the data"),
        ("a chunk beyond the file", "a film", b"stco", 12, &[0x7f, 0, 0, 0], "outside the data"),
        ("a sample that is too large", "a film", b"stsz", 16, &[0x00, 0xff, 0xff, 0xff], "outside the data"),
        ("fewer times than samples", "a film", b"stts", 15, &[9], "disagree"),
        ("more samples in a chunk", "a film", b"stsc", 19, &[200], "disagree"),
        ("a table that does not fill its box", "a film", b"stts", 11, &[0], "does not fill its box"),
        ("no length of writing", "a film", b"mdat", 0, b"free", "outside the data"),
        ("a time scale of zero", "a film", b"mdhd", 16, &[0, 0, 0, 0], "time scale"),
        ("a picture of no width", "a film", b"avc1\0\0\0\0\0\0\0\x01", 28, &[0, 0], "size of its picture"),
        ("a cue beside its cluster", "a Matroska film", b"\xf7\x81\x01\xf1\x82", 5, &[0xff, 0xff], "points at byte"),
        ("a track without a head", "a Matroska film", b"\xd7\x81\x01", 2, &[9], "belongs to track"),
        ("zeros in place of a block", "a Matroska film", b"\x1f\x43\xb6\x75", 16, &[0; 8], "no element"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spoilt");
    for (what, file, mark, on, new, said) in SPOILT {
        let (container, mut bytes) = bytes_of(file);
        let at = place_of(&bytes, mark, 0) + on;
        assert_ne!(&bytes[at..at + new.len()], new, "{what}: it is spoilt at all");
        bytes[at..at + new.len()].copy_from_slice(new);
        match read_bytes(&path, &bytes, container) {
            Err(NotWhole::Damaged(reason)) => assert!(reason.contains(said), "{what}: {reason}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn what_follows_the_end_of_a_film_makes_it_not_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("longer");
    for what in ["a film", "a sound, index first", "a Matroska film"] {
        let (container, mut bytes) = bytes_of(what);
        bytes.extend([0; 64]);
        assert!(read_bytes(&path, &bytes, container).is_err(), "{what}");
    }
}
