//! Every answer is held against ffprobe's own.

use std::path::{Path, PathBuf};

use super::*;
use crate::host::fixtures::{clip, clip_with, make, prober};
use crate::host::media::probe::{Probed, Prober, Refused};

const PICTURE: &[&str] = &["-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=1"];
const NTSC: &[&str] = &["-f", "lavfi", "-i", "testsrc2=s=176x144:r=30000/1001:d=1"];
const TONE: &[&str] = &["-f", "lavfi", "-i", "sine=d=1"];
const TONE_48: &[&str] = &["-f", "lavfi", "-i", "sine=d=1:r=48000"];
const X264: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
/// With pictures that are shown in another order than they are stored in.
const X264_MEDIUM: &[&str] = &["-c:v", "libx264", "-pix_fmt", "yuv420p"];
const AAC: &[&str] = &["-c:a", "aac"];

/// What the index alone tells, by a prober that has no ffprobe. `None` = the index is not enough.
fn by_index(path: &Path) -> Option<Result<Probed, Refused>> {
    let trust = Trust::default();
    trust.learn(&look(path)?.report, true);
    Some(Prober { trust, ..Prober::new("/nowhere/ffprobe", path.parent()?) }.read(path))
}

fn by_ffprobe(path: &Path) -> Result<Probed, Refused> {
    prober(path.parent().expect("a folder")).read(path)
}

/// Whether the index is enough; if so both tell the same.
fn is_told_alike(path: &Path) -> bool {
    let Some(own) = by_index(path) else { return false };
    assert_eq!(own, by_ffprobe(path), "{}", path.display());
    true
}

fn made(folder: &Path, name: &str, arguments: &[&[&str]]) -> PathBuf {
    let path = folder.join(name);
    make(&path, &arguments.concat());
    path
}

#[test]
fn films_of_phones_and_converters_need_no_ffprobe() {
    let dir = tempfile::tempdir().expect("folder");
    let make = |name: &str, arguments: &[&[&str]]| made(dir.path(), name, arguments);
    let tags = [
        "-metadata",
        "title=Über \u{1f3ac} \"das\" ",
        "-metadata",
        "artist=A",
        "-metadata",
        "date=2024-05-06",
        "-metadata",
        "comment=c",
    ];
    let more_tags = ["-metadata", "album=B", "-metadata", "album_artist=C", "-metadata", "genre=D", "-metadata", "composer=E"];
    let created = ["-metadata", "creation_time=2024-05-06T07:08:09Z"];
    let languages = ["-metadata:s:v", "language=fra", "-metadata:s:a", "language=deu"];
    let full = ["-vf", "scale=out_range=full", "-color_range", "pc", "-x264-params", "fullrange=on"];
    let hd_colours = ["-color_range", "tv", "-colorspace", "bt709", "-color_trc", "bt709", "-color_primaries", "bt709"];
    let sd_colours = ["-colorspace", "smpte170m", "-color_trc", "smpte170m", "-color_primaries", "bt470bg"];
    let written = ["-movflags", "+write_colr"];
    let variable = ["-vf", "select='not(mod(n,3))+gt(n,15)'", "-fps_mode", "vfr", "-video_track_timescale", "90000"];
    let plain = make("plain.mp4", &[PICTURE, TONE, X264, AAC]);
    let input = plain.to_str().expect("plain").to_owned();
    let films = [
        make("frames out of order.mp4", &[NTSC, TONE_48, X264_MEDIUM, AAC]),
        make("no sound.mp4", &[PICTURE, X264]),
        make("sound.m4a", &[TONE, AAC, &["-f", "ipod"]]),
        make("stereo.mp4", &[PICTURE, TONE_48, X264, AAC, &["-ac", "2"]]),
        make("low rate of sound.mp4", &[PICTURE, TONE, X264, AAC, &["-ar", "22050"]]),
        make("index first.mp4", &[PICTURE, TONE, X264, AAC, &["-movflags", "+faststart"]]),
        make("tags.mp4", &[PICTURE, TONE, X264, AAC, &tags, &more_tags, &created, &languages]),
        make("no picture of its own.mp4", &[PICTURE, TONE, X264, AAC, &["-frames:v", "1", "-t", "0.04"]]),
        make("full range.mp4", &[PICTURE, X264, &full]),
        make("colours of HD.mp4", &[PICTURE, X264, &hd_colours]),
        make("colours of HD in the container too.mp4", &[PICTURE, X264, &hd_colours, &written]),
        make("colours of SD.mp4", &[PICTURE, X264, &sd_colours]),
        make("variable rate.mp4", &[PICTURE, TONE, X264, AAC, &variable]),
        make("sides that are no multiple of 16.mp4", &[PICTURE, X264, &["-vf", "scale=150:98,setsar=1"]]),
        make("high profile.mp4", &[PICTURE, X264_MEDIUM, &["-profile:v", "high", "-x264-params", "keyint=10:bframes=3:ref=4"]]),
        make("film.mov", &[PICTURE, X264, &["-metadata:s:v", "language=eng"]]),
        make("turned.mp4", &[&["-i", &input, "-c", "copy", "-metadata:s:v", "rotate=90"]]),
        make("turned the other way.mp4", &[&["-i", &input, "-c", "copy", "-metadata:s:v", "rotate=270"]]),
        make("upside down.mp4", &[&["-i", &input, "-c", "copy", "-metadata:s:v", "rotate=180"]]),
        make("sound later.mp4", &[&["-i", &input, "-itsoffset", "0.4", "-i", &input, "-map", "0:v", "-map", "1:a", "-c", "copy"]]),
        make("cut.mp4", &[&["-ss", "0.3", "-i", &input, "-c", "copy", "-t", "0.4"]]),
        plain,
    ];
    let left: Vec<_> = films.iter().filter(|film| !is_told_alike(film)).collect();
    assert!(left.is_empty(), "not read: {left:#?}");
}

#[test]
fn what_is_not_known_is_left_to_ffprobe() {
    let dir = tempfile::tempdir().expect("folder");
    let make = |name: &str, arguments: &[&[&str]]| made(dir.path(), name, arguments);
    let subtitle = dir.path().join("s.srt");
    std::fs::write(&subtitle, "1\n00:00:00,000 --> 00:00:00,900\nHello\n").expect("written");
    let chapters = dir.path().join("chapters");
    std::fs::write(&chapters, ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n").expect("written");
    let (subtitle, chapters) = (subtitle.to_str().expect("plain"), chapters.to_str().expect("plain"));
    let films = [
        make("interlaced.mp4", &[PICTURE, X264, &["-flags", "+ildct+ilme"]]),
        make("marked as interlaced.mp4", &[PICTURE, X264, &["-x264-params", "fake-interlaced=1"]]),
        make("ten bits.mp4", &[PICTURE, X264, &["-pix_fmt", "yuv420p10le"]]),
        make("all of chroma.mp4", &[PICTURE, X264, &["-pix_fmt", "yuv444p"]]),
        make("HDR.mp4", &[PICTURE, X264, &["-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc"]]),
        make("anamorphic.mp4", &[PICTURE, X264, &["-vf", "setsar=64/45"]]),
        make("mpeg4.mp4", &[PICTURE, TONE, AAC, &["-c:v", "mpeg4"]]),
        make("two sounds.mp4", &[PICTURE, TONE, TONE_48, X264, AAC, &["-map", "0", "-map", "1", "-map", "2"]]),
        make("surround.mp4", &[PICTURE, TONE, X264, AAC, &["-ac", "6"]]),
        make("mp3.mp4", &[PICTURE, TONE, X264, &["-c:a", "libmp3lame"]]),
        make("fragments.mp4", &[PICTURE, TONE, X264, AAC, &["-movflags", "+frag_keyframe+empty_moov"]]),
        make("subtitle.mp4", &[PICTURE, &["-i", subtitle], X264, &["-c:s", "mov_text"]]),
        make("chapters.mp4", &[PICTURE, &["-i", chapters, "-map_metadata", "1"], X264]),
        make("track number.m4a", &[TONE, AAC, &["-metadata", "track=3/9", "-f", "ipod"]]),
        make("sound.mov", &[PICTURE, TONE, X264, AAC]),
        make("film.mkv", &[PICTURE, TONE, X264, AAC]),
    ];
    for film in films {
        assert!(look(&film).is_none(), "{}", film.display());
    }
}

/// Puts `more` behind all that stands in the index of a clip, or in its tags, which stand last in it.
fn with_more(clip: &[u8], more: &[u8], into_tags: bool) -> Vec<u8> {
    let mut bytes = [clip, more].concat();
    let place = |kind: &[u8]| clip.windows(4).rposition(|window| window == kind).expect("a box") - 4;
    let boxes: &[&[u8]] = if into_tags { &[b"moov", b"udta"] } else { &[b"moov"] };
    for at in boxes.iter().map(|kind| place(kind)) {
        let size = u32::from_be_bytes(clip[at..at + 4].try_into().expect("four bytes")) + more.len() as u32;
        bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    bytes
}

fn mp4_box(kind: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes()[..], &kind, &body].concat()
}

#[test]
fn what_android_adds_to_its_films_is_known() {
    let dir = tempfile::tempdir().expect("folder");
    let (plain, path) = (dir.path().join("plain.mp4"), dir.path().join("phone.mp4"));
    clip(&plain, 1);
    let plain = std::fs::read(plain).expect("read");

    let place = mp4_box(*b"\xa9xyz", &[&[0, 18, 0x15, 0xc7], b"+48.1374+011.5755/"]);
    std::fs::write(&path, with_more(&plain, &place, true)).expect("written");
    assert!(is_told_alike(&path));
    assert_eq!(by_ffprobe(&path).expect("read").media.extras.location.as_deref(), Some("+48.1374+011.5755/"));

    let android = |key: &[u8]| {
        let handler = mp4_box(*b"hdlr", &[&[0; 8], b"mdta", &[0; 13]]);
        let keys = mp4_box(*b"keys", &[&[0, 0, 0, 0, 0, 0, 0, 1], &mp4_box(*b"mdta", &[key])]);
        let value = mp4_box(*b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], b"14"]);
        mp4_box(*b"meta", &[&[0; 4], &handler, &keys, &mp4_box(*b"ilst", &[&mp4_box([0, 0, 0, 1], &[&value])])])
    };
    std::fs::write(&path, with_more(&plain, &android(b"com.android.version"), false)).expect("written");
    assert!(is_told_alike(&path));
    std::fs::write(&path, with_more(&plain, &android(b"title"), false)).expect("written");
    assert!(look(&path).is_none(), "a title in a form that is not known");
}

/// Damages the index and the first packets of a clip: a few bytes, or a cut.
fn damaged(clip: &[u8], places: &[(proptest::sample::Index, u8)], cut: Option<proptest::sample::Index>) -> Vec<u8> {
    let mut bytes = clip.to_vec();
    for (place, byte) in places {
        bytes[place.index(clip.len())] = *byte;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(clip.len()));
    }
    bytes
}

fn small_clip() -> &'static [u8] {
    static CLIP: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    CLIP.get_or_init(|| {
        let dir = tempfile::tempdir().expect("folder");
        let tags = ["-metadata", "title=T", "-movflags", "+faststart"];
        let path = made(dir.path(), "clip.mp4", &[&["-f", "lavfi", "-i", "color=s=64x64:d=0.4"], TONE, X264_MEDIUM, AAC, &tags]);
        std::fs::read(path).expect("read")
    })
}

proptest::proptest! {
    #[test]
    fn a_damaged_index_is_read_without_a_fault(
        places in proptest::collection::vec(proptest::prelude::any::<(proptest::sample::Index, u8)>(), 1..6),
        cut in proptest::option::weighted(0.2, proptest::prelude::any::<proptest::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("damaged.mp4");
        // The index stands at the beginning.
        let clip = small_clip();
        let (index, media) = clip.split_at(clip.windows(4).position(|window| window == b"mdat").expect("a box") + 64);
        let bytes = damaged(index, &places, cut);
        let is_cut = bytes.len() < index.len();
        std::fs::write(&path, if is_cut { bytes } else { [&bytes, media].concat() }).expect("written");
        proptest::prop_assert!(look(&path).is_none() || !is_cut, "half an index is none");
    }
}

#[test]
#[ignore = "asks ffprobe of a thousand films, minutes"]
fn an_index_with_any_one_byte_changed_is_told_alike_or_left_to_ffprobe() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("changed.mp4");
    let clip = small_clip();
    let length = clip.windows(4).position(|window| window == b"mdat").expect("a box") + 64;
    let (mut own, mut all, mut unlike) = (0, 0, Vec::new());
    for at in 0..length {
        for change in [0x01, 0x04, 0x80] {
            let mut bytes = clip.to_vec();
            bytes[at] ^= change;
            all += 1;
            std::fs::write(&path, &bytes).expect("written");
            let Some(told) = by_index(&path) else { continue };
            own += 1;
            let asked = by_ffprobe(&path);
            if asked != told {
                let start = at.saturating_sub(24);
                unlike.push(format!(
                    "byte {at} ^ {change:#x}, after {:?}:\n{told:?}\n{asked:?}",
                    clip[start..at].escape_ascii().to_string()
                ));
            }
        }
    }
    println!("{own} of {all} need no ffprobe");
    assert!(unlike.is_empty(), "{} told otherwise:\n{}", unlike.len(), unlike.join("\n"));
}

#[test]
fn the_first_film_of_a_kind_is_asked_of_ffprobe_and_the_next_is_not() {
    let dir = tempfile::tempdir().expect("folder");
    let [first, second, mute] = ["1.mp4", "2.mp4", "3.mp4"].map(|name| dir.path().join(name));
    clip(&first, 1);
    clip(&second, 2);
    clip_with(&mute, 1, &["-an"]);
    let prober = prober(dir.path());
    prober.read(&first).expect("read");
    let without = Prober { ffprobe: "/nowhere/ffprobe".into(), ..prober.clone() };
    assert_eq!(without.read(&second), by_ffprobe(&second));
    let rejected = without.read(&mute).expect_err("of another kind");
    assert!(rejected.detail.contains("cannot run /nowhere/ffprobe"), "{}", rejected.detail);
}

#[test]
fn an_ffprobe_that_tells_something_else_is_asked_of_every_film() {
    let dir = tempfile::tempdir().expect("folder");
    let [first, second] = ["1.mp4", "2.mp4"].map(|name| dir.path().join(name));
    clip(&first, 1);
    clip(&second, 2);
    let prober = prober(dir.path());
    prober.read(&first).expect("read");
    prober.trust.learn(&look(&first).expect("known").report, false);
    let without = Prober { ffprobe: "/nowhere/ffprobe".into(), ..prober };
    assert!(without.read(&second).is_err());
}

#[test]
#[ignore = "reads the films of a folder: PLIMSOLL_FILMS=DIR"]
fn every_film_of_a_folder_is_told_alike() {
    let folder = std::env::var_os("PLIMSOLL_FILMS").expect("PLIMSOLL_FILMS names a folder");
    let (mut own, mut all) = (0, 0);
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        all += 1;
        own += u32::from(is_told_alike(entry.path()));
    }
    println!("{own} of {all} need no ffprobe");
}
