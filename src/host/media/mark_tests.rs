use std::path::Path;
use std::process::Command;

use super::*;
use crate::host::media::sniff::{self, HEAD};

/// Marked by the file's own content, as a scan judges it.
fn is_ours(path: &Path) -> bool {
    let file = File::open(path).expect("opens");
    let mut head = vec![0; HEAD];
    let read = fill(&file, &mut head, 0).expect("reads");
    head.truncate(read);
    let format = sniff::taken(&head, b"", false).expect("a medium");
    is_marked(&file, file.metadata().expect("stat").len(), format, &head)
}

/// One second of picture and sound, written by ffmpeg with these options.
fn make(path: &Path, options: &str) {
    let source =
        "-hide_banner -loglevel error -nostdin -y -f lavfi -i testsrc2=s=64x48:r=5:d=1 -f lavfi -i sine=d=1 -fflags +bitexact";
    let status = Command::new("ffmpeg").args(source.split(' ')).args(options.split(' ')).arg(path).status();
    assert!(status.expect("ffmpeg is there").success(), "{options}");
}

#[test]
fn what_is_marked_is_known_in_every_container_and_a_title_is_no_mark() {
    const PICTURE: &str = "-c:v mpeg4 -c:a aac";
    let dir = tempfile::tempdir().expect("folder");
    for (name, muxer, mark) in [
        ("mp4", format!("{PICTURE} -f mp4"), "-metadata encoding_tool="),
        ("fast", format!("{PICTURE} -movflags +faststart -f mp4"), "-metadata encoding_tool="),
        ("m4a", "-vn -c:a aac -f ipod".to_owned(), "-metadata encoding_tool="),
        ("mov", format!("{PICTURE} -f mov"), "-metadata:s handler_name="),
        ("mkv", format!("{PICTURE} -f matroska"), "-metadata encoded_by="),
        ("webm", "-c:v libvpx -c:a libopus -f webm".to_owned(), "-metadata encoded_by="),
        ("ts", "-c:v mpeg2video -c:a mp2 -f mpegts".to_owned(), "-metadata service_provider="),
    ] {
        let path = dir.path().join(name);
        make(&path, &format!("-metadata title=x {muxer} {mark}plimsoll"));
        assert!(is_ours(&path), "{name}");
        make(
            &path,
            &format!("-metadata title=plimsoll -metadata comment=plimsoll -metadata service_name=plimsoll {muxer} {mark}plimsolls"),
        );
        assert!(!is_ours(&path), "{name} that speaks of plimsoll");
    }
}

#[test]
fn nonsense_in_headers_ends_the_search_and_reads_little() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("a");
    let boxes = |size: u32, name: &[u8; 4]| [&size.to_be_bytes()[..], name].concat();
    for bytes in [
        // A box of no bytes, boxes longer than the file, ten thousand boxes, and boxes within boxes.
        [boxes(20, b"ftyp"), b"isom\0\0\0\0isom".to_vec(), boxes(4, b"moov"), vec![0; 64]].concat(),
        [boxes(20, b"ftyp"), b"isom\0\0\0\0isom".to_vec(), boxes(u32::MAX, b"moov"), boxes(u32::MAX, b"udta"), vec![0; 64]]
            .concat(),
        [boxes(20, b"ftyp"), b"isom\0\0\0\0isom".to_vec(), boxes(8, b"free").repeat(10_000)].concat(),
        [boxes(20, b"ftyp"), b"isom\0\0\0\0isom".to_vec(), boxes(u32::MAX, b"moov").repeat(500)].concat(),
        [boxes(1, b"mdat"), u64::MAX.to_be_bytes().to_vec(), vec![1; 64]].concat(),
        [b"\x1a\x45\xdf\xa3\xff\xff".to_vec(), vec![0xff; 64]].concat(),
        [b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff".to_vec(), b"\xec\x80".repeat(10_000)].concat(),
    ] {
        std::fs::write(&path, &bytes).expect("written");
        assert!(!is_ours(&path), "{:?}", &bytes[..24]);
    }
}

#[test]
fn a_mark_tells_what_an_output_was_made_of() {
    use crate::host::fixtures::quick;
    let dir = tempfile::tempdir().expect("folder");
    let (one, other, output) = (dir.path().join("one"), dir.path().join("other"), dir.path().join("o.mp4"));
    std::fs::write(&one, vec![1; 300_000]).expect("written");
    std::fs::write(&other, [vec![1; 299_999], vec![2]].concat()).expect("written");
    let mark = of(&one, &quick()).expect("read");
    make(&output, &format!("-c:v mpeg4 -metadata encoding_tool={} -f mp4", mark.replace(' ', "_")));
    assert!(!is_ours(&output) && !carries(&output, &mark), "not in that form");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=1", "-fflags", "+bitexact"])
        .args(["-metadata", &format!("encoding_tool={mark}"), "-f", "mp4"])
        .arg(&output)
        .status();
    assert!(status.expect("ffmpeg is there").success());
    assert!(is_ours(&output) && carries(&output, &mark));
    assert!(!carries(&output, &of(&other, &quick()).expect("read")), "another input");
    assert!(!carries(&output, &of(&one, &Preset { threads: 2, ..quick() }).expect("read")), "another preset");
    let copied = dir.path().join("copied");
    std::fs::copy(&one, &copied).expect("copied");
    assert!(carries(&output, &of(&copied, &quick()).expect("read")), "the same bytes in another place");
}

#[test]
fn a_fifo_is_no_input_and_no_output_and_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("folder");
    let fifo = dir.path().join("fifo.mp4");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("made");
    assert!(of(&fifo, &crate::host::fixtures::quick()).is_err());
    assert!(!carries(&fifo, "plimsoll 0123456789abcdef"));
}
