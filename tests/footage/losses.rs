//! Films of which something is missing or that nobody can read as they are: cut off, with dead sound, encrypted, a piece of a
//! stream. What is missing is told in seconds, and too little is a failure with its reason.

use crate::clip::{Clip, PICTURE, QUICK, SMALL, bytes, catenated, film, film_of, piped};
use crate::facts::Fact::{Decodes, Frames, Lost, NoDamage, Refused, Seconds};
use crate::table::{Row, assert_all, row};

const TONE: &str = "-f lavfi -i sine=440:d=";
const TOO_LITTLE: &[&str] = &["of what the input promises"];

/// Less than half is refused; the rest tells how much is missing, to half a second.
fn cut_off(names: [&'static str; 3], clip: &Clip) -> [Row; 3] {
    let cut = |name, share: usize| {
        let left = 4.0 * share as f64 / 1000.0;
        row(name, clip.cut_off(share), &[Seconds(left, 0.5), Lost(4.0 - left, 0.5, "cut off")])
    };
    [row(names[0], clip.cut_off(300), &[Refused(TOO_LITTLE)]), cut(names[1], 600), cut(names[2], 800)]
}

#[test]
fn an_avi_that_is_cut_off_is_told_whatever_it_holds() {
    let of = |words: &str| film("avi", &format!("{PICTURE}4 {TONE}4 {words}"));
    let silent = film("avi", &format!("{PICTURE}4 -c:v mjpeg"));
    let rows = [
        cut_off(["mjpeg-30.avi", "mjpeg-60.avi", "mjpeg-80.avi"], &of("-c:v mjpeg -c:a pcm_s16le")),
        cut_off(["mpeg4-30.avi", "mpeg4-60.avi", "mpeg4-80.avi"], &of("-c:v mpeg4 -c:a libmp3lame")),
        cut_off(["h264-30.avi", "h264-60.avi", "h264-80.avi"], &of("-c:v libx264 -preset ultrafast -bf 0 -c:a aac")),
        cut_off(["silent-30.avi", "silent-60.avi", "silent-80.avi"], &silent),
    ];
    assert_all("proxy-480p", &rows.concat());
}

#[test]
fn a_wmv_and_an_mxf_that_are_cut_off_are_told() {
    let of = |ending: &str, words: &str| film(ending, &format!("{PICTURE}4 {TONE}4 {words}"));
    let rows = [
        cut_off(["30.wmv", "60.wmv", "80.wmv"], &of("wmv", "-c:v wmv2 -c:a wmav2")),
        cut_off(["30.mxf", "60.mxf", "80.mxf"], &of("mxf", "-c:v mpeg2video -c:a pcm_s16le -ar 48000")),
    ];
    assert_all("proxy-480p", &rows.concat());
}

#[test]
fn sound_that_is_cut_off_is_told() {
    let noise = |words: &str| film("wav", &format!("-f lavfi -i anoisesrc=d=4:a=0.3:r=48000 {words}"));
    let rows = [
        cut_off(["30.wav", "60.wav", "80.wav"], &noise("")),
        cut_off(["64-30.wav", "64-60.wav", "64-80.wav"], &noise("-rf64 always")),
    ];
    assert_all("audio-m4a", &rows.concat());
}

#[test]
fn a_head_that_was_never_finished_promises_nothing() {
    let whole = film("avi", &format!("{PICTURE}4 {TONE}4 -c:v mjpeg -c:a pcm_s16le"));
    let unsized_avi = whole.edited("no size", |content| content[4..8].fill(0));
    let junk = whole.edited("junk behind", |content| content.extend([0x5a; 5000]));
    let without_index = whole.edited("no index", |content| {
        let at = content.windows(4).rposition(|window| window == b"idx1").expect("an index");
        content.truncate(at);
    });
    let wmv = film("wmv", &format!("{PICTURE}4 {TONE}4 -c:v wmv2 -c:a wmav2"));
    let unsized_wmv = wmv.edited("no size", |content| {
        let properties = [0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11];
        let at = content.windows(8).position(|window| window == properties).expect("properties of the file");
        content[at + 40..at + 48].fill(0);
    });
    let facts = [Seconds(4.0, 0.3), NoDamage];
    assert_all(
        "proxy-480p",
        &[
            row("piped.avi", piped("avi", &format!("{PICTURE}4 {TONE}4 -c:v mjpeg -c:a pcm_s16le -f avi")), &facts),
            row("piped.wmv", piped("wmv", &format!("{PICTURE}4 {TONE}4 -c:v wmv2 -c:a wmav2 -f asf")), &facts),
            row("piped.mxf", piped("mxf", &format!("{PICTURE}4 {TONE}4 -c:v mpeg2video -c:a pcm_s16le -ar 48000 -f mxf")), &facts),
            row("unsized.avi", unsized_avi, &facts),
            row("unsized.wmv", unsized_wmv, &facts),
            row("junk.avi", junk, &facts),
            row("no-index.avi", without_index, &facts),
            row("whole.wmv", wmv, &facts),
            row("whole.avi", whole, &facts),
        ],
    );
    let noise = "-f lavfi -i anoisesrc=d=4:a=0.3:r=48000";
    assert_all(
        "audio-m4a",
        &[
            row("piped.wav", piped("wav", &format!("{noise} -f wav")), &facts),
            row("whole-64.wav", film("wav", &format!("{noise} -rf64 always")), &facts),
        ],
    );
}

/// Its blocks from the sixth to so many are noise.
fn dead_sound(until: u32) -> Clip {
    let whole = film("m4a", "-f lavfi -i anoisesrc=d=4:a=0.3:r=48000:seed=1 -c:a aac -fflags +bitexact");
    film_of("mka", &format!("-i @0 -c copy -bsf:a noise=amount='between(n,5,{until})*2'"), &[&whole])
}

#[test]
fn sound_that_cannot_be_decoded_is_told_in_seconds() {
    let with_picture =
        |until| film_of("mkv", &format!("-i @0 {PICTURE}4 -map 1:v -map 0:a {QUICK} -c:a copy"), &[&dead_sound(until)]);
    assert_all(
        "audio-m4a",
        &[
            row("dead.mka", dead_sound(180), &[Refused(TOO_LITTLE)]),
            row("gap.mka", dead_sound(52), &[Seconds(4.0, 0.3), Lost(1.0, 0.15, "of the sound")]),
        ],
    );
    assert_all(
        "proxy-480p",
        &[
            row("dead.mkv", with_picture(146), &[Seconds(4.0, 0.3), Frames(100, 1), Lost(3.0, 0.2, "of the sound")]),
            row("gap.mkv", with_picture(52), &[Seconds(4.0, 0.3), Frames(100, 1), Lost(1.0, 0.15, "of the sound")]),
        ],
    );
}

#[test]
fn a_film_that_is_encrypted_says_so() {
    let key = "-encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb \
               -encryption_kid a7e61c373e219033c21091fa607bf3b8";
    let film_of_rights = film("mp4", &format!("{PICTURE}4 {TONE}4 {QUICK} -c:a aac {key}"));
    let song_of_rights = film("mp4", &format!("{TONE}4 -c:a aac {key}"));
    // The packets of picture and sound as a broadcaster's scrambler leaves them.
    let pay_tv = film("ts", &format!("{SMALL}4 {TONE}4 {QUICK} -c:a aac")).edited("scrambled", |content| {
        let mut noise = 0x2545_f491_4f6c_dd1d_u64;
        for packet in content.chunks_mut(188).filter(|packet| packet[1] & 0x1f == 1) {
            let begin = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
            packet[3] |= 0x80;
            for byte in &mut packet[begin..] {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                *byte = noise as u8;
            }
        }
    });
    let said = [Refused(&["it is encrypted"])];
    assert_all("proxy-480p", &[row("film.mp4", film_of_rights, &said), row("pay-tv.ts", pay_tv.clone(), &said)]);
    assert_all("audio-m4a", &[row("song.m4a", song_of_rights, &said), row("pay-tv.ts", pay_tv, &said)]);
}

#[test]
fn a_piece_of_a_stream_says_that_its_beginning_is_missing() {
    let fragments = film("mp4", &format!("{SMALL}2 {QUICK} -g 25 -movflags frag_keyframe+empty_moov+default_base_moof"));
    let piece = fragments.edited("its fragments alone", |content| {
        let at = content.windows(4).position(|window| window == b"moof").expect("a fragment") - 4;
        content.drain(..at);
    });
    let kind = bytes("bin", b"\0\0\0\x18stypmsdh\0\0\0\0msdhmsix");
    let named = |name| row(name, catenated("m4s", &[&kind, &piece]), &[Refused(&["initialisation segment"])]);
    assert_all("proxy-480p", &[row("1.m4s", piece.clone(), &[Refused(&["initialisation segment"])]), named("2.m4s")]);
    let whole = fragments.edited("whole", |_| {});
    assert_all("proxy-480p", &[row("whole.mp4", whole, &[Frames(50, 0), Decodes, NoDamage])]);
}
