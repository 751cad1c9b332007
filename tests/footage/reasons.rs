//! The words of every refusal: what cannot be made into a film is told in words that a person understands and can act on, never
//! in a line of ffmpeg's alone.

use std::fs;
use std::path::Path;

use crate::clip::{Clip, PICTURE, QUICK, bytes, film, film_of, piped};
use crate::support::{Live, World};
use crate::table::why;

const TONE: &str = "-f lavfi -i sine=440:d=";

/// What no reason may hold: the inside of ffmpeg, which tells a reader nothing.
const INSIDE: &[&str] = &[
    " @ 0x",
    "Error initializing output stream",
    "Error marking filters as finished",
    "codec none",
    "said nothing",
    "Conversion failed",
    "Error while decoding stream",
    "Could not find codec parameters",
    "Error while opening decoder",
    "Error while opening encoder",
    "Nothing was written into output file",
    "received no packets",
    "Task finished with error code",
    "non monotonically increasing dts",
    "Could not write header",
    "Output file #0 does not contain any stream",
    "Error reinitializing filters",
    "av_interleaved_write_frame",
    "see the documentation",
];

/// What says nothing when nothing else is said.
const EMPTY_ALONE: &[&str] = &[
    "Invalid data found when processing input",
    "Invalid argument",
    "Operation not permitted",
    "End of file",
    "Function not implemented",
    "Internal bug, should not have happened",
    "Cannot allocate memory",
    "exit code",
    "exit status",
    "status 1",
    "failed",
    "unreadable",
    "not_a_video",
    "unsupported",
];

/// Words of somebody who says what to do.
const WAYS_OUT: &[&str] = &[
    "again",
    "another",
    "use ",
    "try ",
    "install",
    "give ",
    "give it",
    "choose",
    "set ",
    "needs",
    "newer",
    "leave out",
    "leaves it out",
    "tolerant",
    "on_damage",
    "download",
    "fetch",
    "export",
    "convert",
    "decrypt",
    "remove",
    "check",
    "preset",
    "`",
    "name the",
    "join",
    "play",
    "repair",
    "unpack",
    "only films",
    "only videos",
    "--",
];

/// What is wrong with a reason; none = it is good.
fn faults(words: &str) -> Vec<String> {
    let mut faults: Vec<String> =
        INSIDE.iter().filter(|inside| words.contains(**inside)).map(|inside| format!("holds ffmpeg's `{inside}`")).collect();
    let rest = EMPTY_ALONE.iter().fold(words.to_owned(), |rest, empty| rest.replace(empty, ""));
    if rest.chars().filter(|c| c.is_alphabetic()).count() < 12 {
        faults.push("says nothing of its own".to_owned());
    }
    let lower = words.to_lowercase();
    if !WAYS_OUT.iter().any(|way| lower.contains(way)) {
        faults.push("does not say what to do".to_owned());
    }
    faults
}

fn noise(count: u32) -> Vec<u8> {
    (0..count).map(|at| (at.wrapping_mul(2_654_435_761).rotate_left(at % 31) >> 24) as u8).collect()
}

fn first(clip: &Clip, count: usize) -> Clip {
    clip.edited(&format!("first {count}"), |content| content.truncate(count))
}

fn mp4() -> Clip {
    film("mp4", &format!("{PICTURE}2 {TONE}2 {QUICK} -c:a aac"))
}

fn mkv() -> Clip {
    film("mkv", &format!("{PICTURE}2 {TONE}2 {QUICK} -c:a aac"))
}

/// What is no film at all, whatever its name says.
fn no_films() -> Vec<(&'static str, Clip)> {
    let file = |content: &[u8]| bytes("bin", content);
    let still = |ending: &str| film(ending, "-f lavfi -i testsrc2=s=320x180 -frames:v 1");
    let heic = [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\xd0meta".as_slice(), &[0; 200], b"\0\0\x0b\xc0mdat", &noise(3000)];
    vec![
        ("photo.heic", file(&heic.concat())),
        ("text.mp4", file(b"no film, whatever its name says\n")),
        ("page.mp4", file(b"<!DOCTYPE html><html><body>403 Forbidden</body></html>\n")),
        ("error.mkv", file(b"{\"error\":{\"code\":404,\"message\":\"not found\"}}\n")),
        ("empty.mp4", file(b"")),
        ("one-byte.mkv", file(b"x")),
        ("zeros.mp4", file(&[0; 100_000])),
        ("noise.mkv", file(&noise(200_000))),
        ("ones.ts", file(&[0xff; 50_000])),
        ("picture.mp4", still("png")),
        ("photo.mov", still("jpg")),
        ("archive.mp4", file(&[b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), &noise(3000)].concat())),
        ("part1.avi", file(&[b"Rar!\x1a\x07\x01\0".as_slice(), &noise(3000)].concat())),
        ("packed.mkv", file(&[b"\x1f\x8b\x08\0\0\0\0\0".as_slice(), &noise(3000)].concat())),
        ("paper.mp4", file(b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n")),
        ("setup.mp4", file(&[b"MZ\x90\0\x03\0\0\0".as_slice(), &noise(6000)].concat())),
        ("program.avi", file(&[b"\x7fELF\x02\x01\x01\0".as_slice(), &noise(6000)].concat())),
        ("record.mp4", file(&[b"SQLite format 3\0".as_slice(), &[0; 4000]].concat())),
        ("tags.mp4", file(&[b"ID3\x04\0\0\0\0\x07\x76".as_slice(), &[0; 1014]].concat())),
        ("film.srt.mp4", file(b"1\n00:00:00,500 --> 00:00:02,000\nHello\n")),
        ("film.torrent.mp4", file(b"d8:announce23:http://localhost/tracker4:infod4:name4:filmee")),
        ("list.mp4", file(b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\na.ts\n#EXT-X-ENDLIST\n")),
        ("concat.mp4", file(b"ffconcat version 1.0\nfile 'a.mp4'\n")),
        ("manifest.mp4", file(b"<?xml version=\"1.0\"?>\n<MPD><Period><BaseURL>a/</BaseURL></Period></MPD>\n")),
        ("disc.mp4", file(&[vec![0; 32768], b"\x01CD001\x01\0".to_vec(), vec![0; 4000]].concat())),
    ]
}

/// Films of which too much is missing.
fn ruins() -> Vec<(&'static str, Clip)> {
    let box_of = |clip: &Clip, name: &'static str, how: &'static str, size: Option<u32>| {
        clip.edited(how, |content| {
            let at = content.windows(4).position(|window| window == name.as_bytes()).expect("a box") - 4;
            let length = u32::from_be_bytes(content[at..at + 4].try_into().expect("four")) as usize;
            match size {
                Some(size) => content[at..at + 4].copy_from_slice(&size.to_be_bytes()),
                None => drop(content.drain(at..at + length)),
            }
        })
    };
    let fragments = film("mp4", &format!("{PICTURE}2 {QUICK} -an -movflags +frag_keyframe+empty_moov"));
    let init = fragments.edited("the first segment alone", |content| {
        let at = content.windows(4).position(|window| window == b"moof").expect("a fragment") - 4;
        content.truncate(at);
    });
    let headless = fragments.edited("without the first segment", |content| {
        let at = content.windows(4).position(|window| window == b"moof").expect("a fragment") - 4;
        content.drain(..at);
    });
    let no_extradata = mp4().edited("zeros in avcC", |content| {
        let at = content.windows(4).position(|window| window == b"avcC").expect("a box");
        content[at + 4..at + 24].fill(0);
    });
    let dead = |clip: &Clip| {
        clip.edited("zeros from a twentieth on", |content| {
            let from = content.len() / 20;
            content[from..].fill(0);
        })
    };
    let front = film("mp4", &format!("{PICTURE}20 {TONE}20 {QUICK} -c:a aac -movflags +faststart"));
    let flv = piped("flv", &format!("{PICTURE}2 {TONE}2 {QUICK} -c:a aac -ar 44100 -f flv"));
    let ts = film("ts", &format!("{PICTURE}4 -c:v libx264 -g 9999 -x264opts intra-refresh=0 -bf 0"));
    let keyless = ts.edited("without its key picture", |content| {
        let packets = content.len() / 188;
        // The tables in front stay.
        content.drain(3 * 188..packets / 3 * 188);
    });
    let noise_ts: Vec<u8> =
        (0..400_u32).flat_map(|at| [vec![0x47, 0x01, 0, 0x10], noise(184 + at)[at as usize..].to_vec()].concat()).collect();
    let vp8 = film("mkv", "-f lavfi -i testsrc=s=160x120:r=5:d=2 -c:v libvpx -g 1");
    let ogg = film("ogv", &format!("{PICTURE}2 -c:v libtheora"));
    vec![
        ("cut.mp4", mp4().cut_off(500)),
        ("no-index.mp4", box_of(&mp4(), "moov", "without moov", None)),
        ("index-of-no-size.mp4", box_of(&mp4(), "moov", "moov of size 0", Some(0))),
        ("index-too-large.mp4", box_of(&mp4(), "moov", "moov of 2 GB", Some(0x7fff_ffff))),
        ("init.mp4", init),
        ("headless.m4s.mp4", headless),
        ("no-extradata.mp4", no_extradata),
        ("a-tenth.mp4", front.cut_off(100)),
        ("header.mp4", first(&mp4(), 32)),
        ("header.mkv", first(&mkv(), 600)),
        ("header.avi", first(&film("avi", &format!("{PICTURE}2 -c:v mpeg4")), 3000)),
        ("header.flv", first(&flv, 13)),
        ("header.ogv", first(&ogg, 200)),
        ("header.wmv", first(&film("wmv", &format!("{PICTURE}2 -c:v wmv2")), 300)),
        ("dead.mkv", dead(&mkv())),
        ("dead.ts", dead(&film("ts", &format!("{PICTURE}20 {QUICK}")))),
        ("keyless.ts", keyless),
        ("noise-packets.ts", bytes("ts", noise_ts)),
        ("one-packet.ts", first(&ts, 188)),
        (
            "huge.mkv",
            vp8.edited("16000 by 16000", |content| {
                let is_start = |window: &[u8]| window == [0x9d, 1, 0x2a, 160, 0, 120, 0];
                let starts: Vec<usize> =
                    content.windows(7).enumerate().filter(|(_, window)| is_start(window)).map(|(at, _)| at).collect();
                assert!(!starts.is_empty(), "no pictures");
                for at in starts {
                    content[at + 3..at + 7].copy_from_slice(&[0x80, 0x3e, 0x80, 0x3e]);
                }
            }),
        ),
        ("huge.avi", film("avi", "-f lavfi -i color=s=8192x4352:r=25 -frames:v 1 -c:v mjpeg")),
    ]
}

/// Whole films that no decoder here reads.
fn undecodable() -> Vec<(&'static str, Clip)> {
    let avi = film("avi", &format!("{PICTURE}2 -c:v mpeg4 -vtag XVID"));
    vec![
        ("vvc.mp4", mp4().patched(b"avc1", b"vvc1")),
        ("locked.mp4", mp4().patched(b"avc1", b"encv")),
        ("bought.mp4", mp4().patched(b"avc1", b"drmi")),
        ("unknown.mp4", mp4().patched(b"avc1", b"qqzz")),
        ("unknown.mkv", mkv().patched(b"V_MPEG4/ISO/AVC", b"V_QQQQQ/ISO/QQQ")),
        ("unknown.webm", film("webm", &format!("{PICTURE}1 -c:v libvpx -deadline realtime")).patched(b"V_VP8", b"V_QQ8")),
        ("unknown.avi", avi.patched(b"XVID", b"QQZZ")),
        ("locked-sound.mp4", mp4().patched(b"mp4a", b"enca")),
        ("unknown-sound.mp4", mp4().patched(b"mp4a", b"qqza")),
        ("unknown-sound.mkv", mkv().patched(b"A_AAC", b"A_QQQ")),
        ("float-sound.mov", film("mov", &format!("{PICTURE}2 {TONE}2 {QUICK} -c:a pcm_s16le")).patched(b"sowt", b"fpcm")),
        ("sound-only.mp4", film("mp4", &format!("{TONE}2 -c:a aac"))),
        ("sound-only.mkv", film("mkv", &format!("{TONE}2 -c:a flac"))),
        ("song.mp3.mp4", film_of("mp3", "-i @0 -c:a libmp3lame", &[&film("wav", &format!("{TONE}2"))])),
        ("cover-only.m4a", cover_only()),
        ("subtitles-only.mkv", subtitles_only()),
    ]
}

fn cover_only() -> Clip {
    film(
        "m4a",
        &format!(
            "{TONE}2 -f lavfi -i color=red:s=300x300:d=0.04 -map 0:a -map 1:v -c:a aac -c:v mjpeg -disposition:v attached_pic"
        ),
    )
}

fn subtitles_only() -> Clip {
    film_of("mkv", "-i @0 -c:s srt", &[&bytes("srt", "1\n00:00:00,500 --> 00:00:02,000\nHello\n")])
}

/// What may be made all the same: that is better than any reason.
const MAY_BE_MADE: &[&str] = &[
    "keyless.ts",
    "index-of-no-size.mp4",
    "index-too-large.mp4",
    "dead.ts",
    "no-extradata.mp4",
    "locked-sound.mp4",
    "unknown-sound.mp4",
    "unknown-sound.mkv",
    "float-sound.mov",
    "photo.mov",
    "picture.mp4",
    "part1.avi",
];

/// A line of the table, and what is wrong with it.
type Line = (String, String, Vec<String>);

fn told(preset: &str, files: &[(&'static str, Clip)], more: impl FnOnce(&World)) -> Vec<Line> {
    let (world, preset) = crate::table::world_of(preset, &[]);
    for (name, clip) in files {
        world.put(&clip.path, name);
    }
    more(&world);
    let mut command = world.run_command(["--retries", "0", "--preset", &preset]);
    let mut names: Vec<_> =
        fs::read_dir(world.path("in")).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    command.args(names.iter().map(|name| world.path("in").join(name)));
    let run = Live::start(command).finish();
    let mut lines = Vec::new();
    for name in names {
        let name = name.to_str().expect("UTF-8").to_owned();
        let Some(queued) =
            run.named("job_queued").find(|event| event["input"].as_str().is_some_and(|input| input.ends_with(&format!("/{name}"))))
        else {
            // A folder is searched; what it holds, or that it holds nothing, is told on its own.
            let line = run.stderr.lines().find(|line| line.contains(&name)).unwrap_or_default().to_owned();
            let missing = if line.is_empty() { vec!["nothing is told".to_owned()] } else { Vec::new() };
            lines.push((name, line, missing));
            continue;
        };
        let is_end = |event: &&serde_json::Value| matches!(event["event"].as_str(), Some("job_finished" | "job_rejected"));
        let end = run.events.iter().rfind(|event| event["job"] == queued["job"] && is_end(event));
        let Some(end) = end else {
            lines.push((name, String::new(), vec!["has no end".to_owned()]));
            continue;
        };
        if end["outcome"] == "done" {
            let allowed = MAY_BE_MADE.contains(&name.as_str());
            lines.push((name, "(made)".to_owned(), if allowed { Vec::new() } else { vec!["was made".to_owned()] }));
            continue;
        }
        let words = why(end);
        let faults = faults(&words);
        lines.push((name, words, faults));
    }
    lines
}

fn assert_table(lines: &[Line], least: usize) {
    for (name, words, _) in lines {
        println!("{name:24} {words}");
    }
    assert!(lines.len() >= least, "{} rows, wanted {least}", lines.len());
    let bad: Vec<String> = lines
        .iter()
        .filter(|(_, _, faults)| !faults.is_empty())
        .map(|(name, words, faults)| format!("  {name}: {}\n      {words}", faults.join("; ")))
        .collect();
    assert!(bad.is_empty(), "{} of {} reasons:\n{}\n", bad.len(), lines.len(), bad.join("\n"));
}

fn special(world: &World) {
    let rights = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, world.path("in/fifo.mp4"), rustix::fs::FileType::Fifo, rights, 0).expect("made");
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(Path::new(to), world.path("in").join(name)).expect("linked");
    link("/dev/zero", "device.mp4");
    fs::create_dir(world.path("in/folder.mp4")).expect("made");
}

#[test]
fn what_is_no_film_is_told_in_words_to_act_on() {
    assert_table(&told("proxy-480p", &no_films(), special), 28);
}

#[test]
fn a_photo_of_a_phone_is_told_as_a_picture_and_not_as_a_film_that_was_cut_off() {
    let photo: Vec<_> = no_films().into_iter().filter(|(name, _)| *name == "photo.heic").collect();
    let lines = told("proxy-480p", &photo, |_| ());
    assert!(lines[0].1.starts_with("a picture, not a film"), "{}", lines[0].1);
}

#[test]
fn a_path_that_leads_nowhere_is_told_before_anything_runs() {
    for (name, to) in [("nowhere.mp4", "gone.mp4"), ("circle.mp4", "circle.mp4")] {
        let world = World::new();
        std::os::unix::fs::symlink(Path::new(to), world.path("in").join(name)).expect("linked");
        let mut command = world.run_command(["--preset", "proxy-480p"]);
        command.arg(world.path("in").join(name));
        let run = Live::start(command).finish();
        assert_eq!(run.code(), Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(name) && faults(&run.stderr).is_empty(), "{}", run.stderr);
    }
}

#[test]
fn what_is_too_damaged_is_told_in_words_to_act_on() {
    assert_table(&told("proxy-480p", &ruins(), |_| ()), 21);
}

#[test]
fn what_cannot_be_decoded_is_told_in_words_to_act_on() {
    assert_table(&told("proxy-480p", &undecodable(), |_| ()), 16);
}

#[test]
fn a_sheet_that_cannot_be_made_is_told_in_words_to_act_on() {
    let wanted = ["sound-only.mp4", "sound-only.mkv", "vvc.mp4", "locked.mp4", "subtitles-only.mkv"];
    let files: Vec<_> = undecodable().into_iter().filter(|(name, _)| wanted.contains(name)).collect();
    assert_table(&told("thumbnails", &files, |_| ()), 5);
}

#[test]
fn sound_that_is_not_there_is_told_in_words_to_act_on() {
    let silent = film("mp4", &format!("{PICTURE}2 {QUICK}"));
    let undecodable: Vec<_> =
        undecodable().into_iter().filter(|(name, _)| name.contains("locked-sound") || name.contains("subtitles")).collect();
    let files = [vec![("silent.mp4", silent)], undecodable].concat();
    assert_table(&told("audio-m4a", &files, |_| ()), 3);
}

#[test]
fn streams_that_fit_no_container_are_told_with_their_codec_in_words_to_act_on() {
    let of = |ending: &str, words: &str| film(ending, &format!("{PICTURE}1 {TONE}1 {words}"));
    let pcm = of("mov", "-c:v libx264 -preset ultrafast -c:a pcm_s16le");
    for (container, file, codec) in [
        ("mp4", ("pcm.mov", pcm.clone()), "pcm"),
        ("ts", ("pcm.mov", pcm), "pcm"),
        ("ts", ("vp9.webm", of("webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus")), "vp9"),
        ("webm", ("h264.mp4", of("mp4", "-c:v libx264 -preset ultrafast -c:a aac")), "h264"),
        ("mkv", ("air.ts", of("ts", "-c:v libx264 -preset ultrafast -c:a s302m -ac 2 -ar 48000 -strict -2")), "s302m"),
        ("mp4", ("theora.ogv", of("ogv", "-c:v libtheora -c:a libvorbis")), "theora"),
    ] {
        let preset =
            format!("name: copy\nvideo: {{ codec: copy }}\naudio: {{ codec: copy }}\ncontainer: {container}\nthreads: 1\n");
        let lines = told(&preset, &[file], |_| ());
        assert_table(&lines, 1);
        let words = lines[0].1.to_lowercase();
        assert!(words.contains(codec) && words.contains(container) && !words.contains("damaged"), "{container}: {words}");
    }
}

#[test]
fn a_good_reason_is_told_from_a_bad_one() {
    for bad in [
        "",
        "exit code 1",
        "Invalid data found when processing input",
        "[h264 @ 0x55d0c8] no frame!",
        "Error initializing output stream 0:0 -- Error while opening encoder, check that parameters fit",
        "Decoder (codec none) not found for input stream #0:0; use another",
        "the file is a text and holds neither sound nor pictures",
    ] {
        assert!(!faults(bad).is_empty(), "{bad}");
    }
    for good in [
        "no decoder for VVC in this ffmpeg 5.1.9; a newer one has it",
        "an initialisation segment: it holds no pictures; join it with the segments that belong to it",
        "the sound (FPCM) cannot be decoded; `audio: none` leaves it out",
    ] {
        assert_eq!(faults(good), Vec::<String>::new(), "{good}");
    }
}
