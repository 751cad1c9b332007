use std::path::Path;
use std::process::Command;

use super::*;

/// The first bytes of what ffmpeg writes with each of these options, by one start of it.
fn all_made(options: &[&str]) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("folder");
    let path = |number: usize| dir.path().join(number.to_string());
    let source = "-hide_banner -loglevel error -nostdin -y -f lavfi -i testsrc2=s=352x288:r=25:d=1 -f lavfi -i sine=r=48000:d=2";
    let mut command = Command::new("ffmpeg");
    command.args(source.split(' '));
    for (number, options) in options.iter().enumerate() {
        command.args(options.split_whitespace()).arg(path(number));
    }
    assert!(command.status().expect("ffmpeg is there").success(), "{options:?}");
    (0..options.len()).map(|number| head_of(&path(number))).collect()
}

fn made(options: &str) -> Vec<u8> {
    all_made(&[options]).remove(0)
}

fn head_of(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).expect("read");
    bytes.truncate(HEAD);
    bytes
}

fn is_film(head: &[u8]) -> bool {
    taken(head, b"", true).is_some()
}

#[test]
fn films_of_every_container_are_told_by_their_bytes_alone() {
    let films = [
        "-c:v mpeg4 -c:a aac -f mp4",
        "-c:v mpeg4 -c:a aac -f mov",
        "-c:v mpeg4 -c:a aac -f 3gp -s 176x144",
        "-c:v mpeg4 -c:a aac -f mp4 -movflags frag_keyframe+empty_moov",
        "-c:v libx264 -preset ultrafast -c:a aac -f matroska",
        "-c:v libvpx -c:a libopus -f webm",
        "-c:v mpeg4 -c:a mp2 -f avi",
        "-c:v mpeg2video -c:a mp2 -f mpegts",
        "-c:v mpeg2video -c:a ac3 -f mpegts -mpegts_m2ts_mode 1",
        "-c:v mpeg2video -c:a mp2 -f vob",
        "-c:v mpeg1video -c:a mp2 -f mpeg",
        "-c:v mpeg2video -an -f mpeg2video",
        "-c:v mpeg1video -an -f mpeg1video",
        "-c:v mpeg4 -an -f m4v",
        "-c:v flv -c:a aac -f flv",
        "-c:v libtheora -c:a libvorbis -f ogg",
        "-c:v msmpeg4 -c:a wmav2 -f asf",
        "-c:v mpeg2video -an -f mxf",
        "-target pal-dv -ac 2",
        "-c:v libx264 -preset ultrafast -an -f h264",
        "-c:v libx265 -preset ultrafast -x265-params log-level=none -an -f hevc",
        "-c:v libvpx -an -f ivf",
        "-c:v mpeg4 -c:a mp2 -f nut",
        "-c:v rv10 -an -f rm",
        "-pix_fmt yuv420p -an -f yuv4mpegpipe",
    ];
    for (options, head) in films.iter().zip(all_made(&films)) {
        assert!(is_film(&head), "{options}: {:02x?}", &head[..24]);
    }
}

#[test]
fn sounds_are_inputs_of_presets_without_a_picture_alone() {
    let sounds = [
        "-vn -c:a aac -f ipod",
        "-vn -c:a flac -f flac",
        "-vn -c:a libmp3lame -f mp3",
        "-vn -c:a libmp3lame -f mp3 -id3v2_version 0 -write_xing 0",
        "-vn -c:a libmp3lame -ar 22050 -f mp3 -id3v2_version 0 -write_xing 0",
        "-vn -c:a mp2 -f mp2",
        "-vn -c:a aac -f adts",
        "-vn -c:a ac3 -f ac3",
        "-vn -c:a ac3 -b:a 640k -f ac3",
        "-vn -c:a ac3 -ar 44100 -f ac3",
        "-vn -c:a eac3 -f eac3",
        "-vn -c:a dca -strict -2 -f dts",
        "-vn -c:a truehd -strict -2 -f truehd",
        "-vn -c:a libopus -f ogg",
        "-vn -c:a libvorbis -f ogg",
        "-vn -c:a pcm_s16le -f wav",
        "-vn -c:a pcm_s16be -f aiff",
        "-vn -c:a pcm_s16be -f caf",
        "-vn -c:a wavpack -f wv",
    ];
    for (options, head) in sounds.iter().zip(all_made(&sounds)) {
        assert!(taken(&head, b"", false).is_some(), "{options}: {:02x?}", &head[..24]);
        assert!(!is_film(&head), "{options} holds no picture");
    }
    let amr = b"#!AMR\n\x3c\x91\x17\x16\xbe\x66\x79\xe1\xe0\x01\xe7\xaf";
    assert!(taken(amr, b"", false).is_some() && !is_film(amr));
    // Where a container may hold either, the ending says what is meant.
    let matroska = made("-vn -c:a libopus -f matroska");
    assert_eq!((taken(&matroska, b"MKA", true), taken(&matroska, b"mka", false)), (None, Some(Format::Matroska)));
}

/// The head of an MP4 or `QuickTime` file whose first box is this.
fn first_box(size: u32, name: [u8; 4], content: &[u8]) -> Vec<u8> {
    [&size.to_be_bytes()[..], &name, content, &[0; 64]].concat()
}

#[test]
fn old_quicktime_without_a_brand_is_a_film() {
    for name in [*b"moov", *b"mdat", *b"wide", *b"free", *b"skip", *b"pnot"] {
        assert!(is_film(&first_box(1000, name, b"")), "{name:?}");
    }
    assert!(is_film(&first_box(1, *b"mdat", &[0, 0, 0, 1, 0, 0, 0, 0])), "a size of 64 bits");
    assert!(is_film(&first_box(0, *b"mdat", &[])), "to the end of the file");
    for words in ["all the wide world is a stage for these", "feel free to copy this text, and that one"] {
        assert_eq!(content(words.as_bytes()), Content::Other, "{words}");
    }
}

#[test]
fn pictures_in_the_same_boxes_and_pieces_of_streams_are_no_films() {
    for brand in [b"heic", b"mif1", b"avif", b"crx ", b"jp2 "] {
        assert!(!is_film(&first_box(24, *b"ftyp", brand)), "{brand:?}");
    }
    for name in [*b"styp", *b"moof", *b"sidx"] {
        assert!(!is_film(&first_box(24, name, b"msdh")), "{name:?}");
    }
    let jpeg2000 = |brand: &[u8; 4]| [&b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftyp"[..], brand, &[0; 32]].concat();
    assert!(is_film(&jpeg2000(b"mjp2")) && !is_film(&jpeg2000(b"jp2 ")));
}

/// Packets of this length, with the synchronisation byte at `at` in each; the packet's content is noise.
fn packets(length: usize, at: usize, number: usize) -> Vec<u8> {
    let mut noise = 1_u32;
    let mut byte = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    };
    let mut bytes: Vec<u8> = (0..length * number).map(|_| byte()).collect();
    for packet in bytes.chunks_mut(length) {
        packet[at] = 0x47;
        packet[at + 3] |= 0x10;
    }
    bytes
}

#[test]
fn a_transport_stream_is_known_wherever_it_was_cut() {
    for (length, at) in [(188, 0), (192, 4), (204, 0)] {
        let whole = packets(length, at, 60);
        for cut in (0..length).step_by(7) {
            let head = &whole[cut..cut + HEAD];
            let (first, size) = ts_layout(head).expect("a stream");
            assert_eq!((size, (cut + first) % length), (length, at), "cut at {cut}");
            assert!(is_film(head));
        }
    }
    assert!(is_film(&packets(188, 0, 4)), "a short one");
    let mut damaged = packets(188, 0, 30);
    damaged[..500].fill(0xaa);
    assert!(is_film(&damaged[..HEAD]), "a beginning that was lost");
    assert_eq!(content(&[b'G'; HEAD]), Content::Other, "text of one letter");
}

#[test]
fn a_program_stream_may_begin_late_and_subtitles_in_one_are_no_film() {
    let head = made("-c:v mpeg2video -c:a mp2 -f vob");
    assert!(is_film(&[&[0; 512][..], &head].concat()[..HEAD]), "after padding");
    assert_eq!(taken(&head, b"SUB", true), None);
}

#[test]
fn what_stands_beside_films_is_no_film() {
    for (what, bytes) in [
        ("text", &b"export const a = 1;\nexport default a;\n"[..]),
        ("text of other letters", "Ein Länderspiel zwischen Köln und Łódź\r\n".as_bytes()),
        ("text in UTF-16", b"\xff\xfeW\0E\0B\0V\0T\0T\0\n\0\n\0"),
        ("a picture", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01"),
        ("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("an animation", b"GIF89a\x40\x01\xb4\0\xf7\x1f\0\xff\xff\xff\0"),
        ("an archive", b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0"),
        ("a program", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("an icon", b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\0\0"),
        ("an index of a DVD", b"DVDVIDEO-VMG\0\0\0\0\0\0"),
        ("nothing", b""),
        ("next to nothing", b"\x1a\x45\xdf\xa3"),
    ] {
        for ending in [&b""[..], b"ts", b"mts", b"txt", b"mod"] {
            assert_eq!(taken(bytes, ending, false), None, "{what}");
        }
        assert!(taken(bytes, b"MP4", true).is_some(), "{what} that is called a film is judged, so that somebody hears of it");
        assert!(taken(bytes, b"mp3", true).is_none() && taken(bytes, b"mp3", false).is_some(), "{what} that is called a sound");
    }
}

#[test]
fn unknown_bytes_are_worth_a_probe_only_under_the_name_of_a_film() {
    let noise: Vec<u8> = packets(97, 0, 40);
    assert_eq!(content(&noise), Content::Unknown);
    assert!(taken(&noise, b"MKV", true).is_some());
    assert!(taken(&noise, b"mp3", true).is_none() && taken(&noise, b"mp3", false).is_some());
    for ending in [&b""[..], b"bin", b"mod", b"dat", b"sub"] {
        assert!(taken(&noise, ending, false).is_none(), "{}", String::from_utf8_lossy(ending));
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        let _ = content(&bytes);
    }
}
