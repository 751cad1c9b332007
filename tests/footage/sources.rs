//! Films of recorders, archives and discs that say little of themselves, or say it in a way of their own.

use crate::clip::{Clip, QUICK, SMALL, bytes, film, film_of};
use crate::facts::Fact::{
    Channels, DamageTold, Decodes, Frames, LeftOutTold, LikeInput, Marked, Moments, NoCombs, NoDamage, Refused, Seconds, Sheet,
    Shows, Tone,
};
use crate::table::{QUICK_720, assert_all, row};

const COPY: &str = "name: copy\nvideo: { codec: copy }\naudio: { codec: copy }\ncontainer: mp4\nthreads: 1\n";

fn with_chapters(seconds: u32, last_ends: u32, ending: &str) -> Clip {
    let chapter = |from: u32, to: u32| format!("[CHAPTER]\nTIMEBASE=1/1\nSTART={from}\nEND={to}\ntitle=From {from}\n");
    let list = bytes("txt", format!(";FFMETADATA1\n{}{}", chapter(0, 2), chapter(2, last_ends)));
    let words =
        format!("{SMALL}{seconds} -f lavfi -i sine=440:d={seconds} -i @0 -map_metadata 2 -map 0 -map 1 {QUICK} -g 25 -c:a aac");
    film_of(ending, &words, &[&list])
}

#[test]
fn chapters_do_not_hide_that_a_film_is_cut_off() {
    let whole = with_chapters(10, 10, "mkv");
    assert_all(
        QUICK_720,
        &[
            row("cut.mkv", whole.cut_off(700), &[Seconds(7.0, 0.5), DamageTold, LeftOutTold(&["chapter"])]),
            row("third.mkv", whole.cut_off(300), &[Refused(&["of what the input promises"])]),
            row("long-chapter.mkv", with_chapters(4, 9, "mkv"), &[Seconds(4.0, 0.2), NoDamage, LeftOutTold(&["chapter"])]),
        ],
    );
}

#[test]
fn a_piece_of_a_recording_is_as_long_as_it_is_whatever_the_clock_says() {
    let piece =
        |offset: &str| film("mkv", &format!("{SMALL}4 -f lavfi -i sine=440:d=4 {QUICK} -g 25 -c:a aac -output_ts_offset {offset}"));
    let holed = piece("6").edited("a hole", |content| {
        let middle = content.len() / 2;
        content[middle..middle + 300].fill(0);
    });
    assert_all(
        QUICK_720,
        &[
            row("piece.mkv", piece("6"), &[Seconds(4.0, 0.2), NoDamage, Decodes]),
            row("hole.mkv", holed, &[Seconds(4.0, 0.6), DamageTold]),
            row("cut.mkv", piece("6").cut_off(850), &[Seconds(3.4, 0.5), DamageTold]),
            row("epoch.mkv", piece("1700000000"), &[Seconds(4.0, 0.2), NoDamage]),
        ],
    );
}

#[test]
fn pictures_without_times_keep_their_order() {
    let reordered = |ending: &str, more: &str| film(ending, &format!("{SMALL}2 {QUICK} -bf 3 {more}"));
    // libx264's preset ultrafast makes B-frames only where its parameters say so.
    let avi = reordered("avi", "-x264-params bframes=3:b-adapt=0");
    let raw = reordered("h264", "-x264-params bframes=3:b-adapt=0");
    assert_all(QUICK_720, &[row("reordered.avi", avi.clone(), &[Frames(50, 0), Decodes])]);
    assert_all(
        COPY,
        &[
            row("reordered.avi", avi, &[Refused(&["no times of their own"])]),
            row("raw.h264", raw, &[Refused(&["no times of their own"])]),
            row("in-order.avi", film("avi", &format!("{SMALL}2 {QUICK} -bf 0")), &[Frames(50, 0), Decodes]),
        ],
    );
}

#[test]
fn mpeg_4_is_as_good_as_it_is_asked_for() {
    let noisy =
        || film("mp4", "-f lavfi -i testsrc2=s=192x108:r=25:d=4,noise=alls=30:allf=t -c:v libx264 -preset ultrafast -qp 10");
    let preset = |rate: &str| {
        format!("name: old\nvideo: {{ codec: mpeg4, {rate}pixel_format: yuv420p }}\naudio: none\ncontainer: mp4\nthreads: 1\n")
    };
    assert_all(&preset("bitrate: 2M, "), &[row("noisy.mp4", noisy(), &[Frames(100, 0), LikeInput("null", 0.85)])]);
    assert_all(&preset(""), &[row("noisy.mp4", noisy(), &[Frames(100, 0), LikeInput("null", 0.85)])]);
    let motion_jpeg = "name: jpegs\nvideo: { codec: mjpeg }\naudio: none\ncontainer: mkv\nthreads: 1\n";
    assert_all(motion_jpeg, &[row("noisy.mp4", noisy(), &[Frames(100, 0), LikeInput("null", 0.85)])]);
}

#[test]
fn the_sheet_of_a_raw_stream_shows_all_of_it() {
    let colours = "-f lavfi -i color=red:s=64x64:r=25:d=1[a];color=lime:s=64x64:r=25:d=1[b];color=blue:s=64x64:r=25:d=1[c];[a][b][c]concat=n=3";
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p";
    let shown = [Sheet("RRRRRGGGGGGBBBBB")];
    assert_all(
        "thumbnails",
        &[
            row("raw.h264", film("h264", &format!("{colours} {QUICK}")), &shown),
            row("raw.h265", film("hevc", &format!("{colours} {hevc}")), &shown),
        ],
    );
}

#[test]
fn the_sheet_of_a_cover_shows_it() {
    let cover = film("jpg", "-f lavfi -i color=red:s=300x300:d=0.04 -frames:v 1");
    let song = |ending: &str, codec: &str| {
        let words = format!("-f lavfi -i sine=440:d=2 -i @0 -map 0 -map 1 -c:a {codec} -c:v copy -disposition:v attached_pic");
        film_of(ending, &words, &[&cover])
    };
    let shown = [Sheet("RRRRRRRRRRRRRRRR")];
    assert_all(
        "thumbnails",
        &[
            row("song.m4a", song("m4a", "aac"), &shown),
            row("song.mp3", song("mp3", "libmp3lame"), &shown),
            row("song.flac", song("flac", "flac"), &shown),
        ],
    );
}

#[test]
fn a_cover_that_is_too_large_keeps_no_film_out() {
    let cover = film("jpg", "-f lavfi -i color=red:s=6000x6000:d=0.04 -frames:v 1 -q:v 20");
    let tone = "-f lavfi -i sine=440:d=2";
    let song = |ending: &str, codec: &str| {
        let words = format!("{tone} -i @0 -map 0 -map 1 -c:a {codec} -c:v copy -disposition:v attached_pic");
        film_of(ending, &words, &[&cover])
    };
    let attached =
        format!("{SMALL}2 {tone} -attach @0 -metadata:s:t mimetype=image/jpeg -metadata:s:t filename=cover.jpg {QUICK} -c:a aac");
    let attached = film_of("mkv", &attached, &[&cover]);
    assert_all(
        "audio-m4a",
        &[
            row("song.m4a", song("m4a", "aac"), &[Channels(1), Tone(440.0)]),
            row("song.mp3", song("mp3", "libmp3lame"), &[Channels(1), Tone(440.0)]),
            row("film.mkv", attached.clone(), &[Channels(1), Tone(440.0)]),
        ],
    );
    assert_all(QUICK_720, &[row("film.mkv", attached, &[Frames(50, 0), Channels(1)])]);
}

#[test]
fn archives_of_tapes_are_made_progressive_by_the_word_of_their_container() {
    let tape_in = |ending: &str, codec: &str, lines: &str, field: &str, order: &str| {
        let fields = format!("testsrc2=s=720x576:r=50:d=0.6,format=yuv422p,scroll=h=0.02,tinterlace={lines},setfield={field}");
        film(ending, &format!("-f lavfi -i {fields} -c:v {codec} -field_order {order} -flags +ildct"))
    };
    let tape = |codec: &str, lines: &str, field: &str, order: &str| tape_in("mkv", codec, lines, field, order);
    assert_all(
        QUICK_720,
        &[
            row("top.mkv", tape("ffv1 -level 3", "interleave_top", "tff", "tt"), &[NoCombs]),
            row("bottom.mkv", tape("ffv1 -level 3", "interleave_bottom", "bff", "bb"), &[NoCombs]),
            row("utvideo.mkv", tape("utvideo", "interleave_top", "tff", "tt"), &[NoCombs]),
            row("cineform.mkv", tape("cfhd", "interleave_top", "tff", "tt"), &[NoCombs]),
            row("jpeg2000.mkv", tape("jpeg2000", "interleave_bottom", "bff", "bb"), &[NoCombs]),
            row("magicyuv.mkv", tape("magicyuv", "interleave_top", "tff", "tt"), &[NoCombs]),
            row("v308.mov", tape_in("mov", "v308", "interleave_top", "tff", "tt"), &[NoCombs]),
            row("v408.mov", tape_in("mov", "v408", "interleave_top", "tff", "tt"), &[NoCombs]),
            row("v410.mov", tape_in("mov", "v410", "interleave_top", "tff", "tt"), &[NoCombs]),
            row("animation.mov", tape_in("mov", "qtrle -pix_fmt rgb24", "interleave_top", "tff", "tt"), &[NoCombs]),
        ],
    );
}

#[test]
fn the_sound_for_everybody_is_taken_before_that_for_some() {
    let two = |ending: &str, flags: &str| {
        let sounds = "-f lavfi -i sine=300:d=2 -f lavfi -i sine=2000:d=2 -map 0:v -map 1:a -map 2:a";
        film(ending, &format!("{SMALL}2 {sounds} {QUICK} -c:a aac {flags}"))
    };
    let flagged = |flag: &str| format!("-disposition:a:0 {flag} -disposition:a:1 0");
    assert_all(
        QUICK_720,
        &[
            row("hearing.ts", two("ts", &flagged("hearing_impaired")), &[Tone(2000.0)]),
            row("hearing.mkv", two("mkv", &flagged("hearing_impaired")), &[Tone(2000.0)]),
            row("music.ts", two("ts", &flagged("clean_effects")), &[Tone(2000.0)]),
            row("titled.mkv", two("mkv", "-metadata:s:a:0 title=Audiodeskription -disposition:a 0"), &[Tone(2000.0)]),
        ],
    );
}

#[test]
fn marks_of_tracks_go_along() {
    let text = bytes("srt", "1\n00:00:00,100 --> 00:00:01,500\nHello\n");
    let sounds = "-f lavfi -i sine=300:d=2 -f lavfi -i sine=2000:d=2 -i @0 -map 0:v -map 1:a -map 2:a -map 3:s";
    let marks = "-disposition:a:0 default+original -disposition:a:1 comment -disposition:s:0 hearing_impaired";
    let film = film_of("mkv", &format!("{SMALL}2 {sounds} {QUICK} -c:a aac -c:s srt {marks}"), &[&text]);
    let archive = "name: archive\nvideo: { codec: libx264, preset: ultrafast, crf: 30 }\n\
                   audio: { codec: aac, bitrate: 96k, tracks: all }\nsubtitles: keep\ncontainer: mkv\nthreads: 1\n";
    let marked = [Marked("audio", 0, "original"), Marked("audio", 1, "comment"), Marked("subtitle", 0, "hearing_impaired")];
    assert_all(archive, &[row("marked.mkv", film, &marked)]);
}

#[test]
fn pictures_hours_apart_keep_their_moments() {
    let rare = |ending: &str| {
        let slides = "testsrc2=s=64x64:r=1:d=4,settb=1/1000,setpts=N*10800*1000";
        film(ending, &format!("-f lavfi -i {slides} -fps_mode passthrough -enc_time_base 1:1000 {QUICK} -bf 0"))
    };
    let facts = [Frames(4, 0), Moments(0.5)];
    assert_all(QUICK_720, &[row("rare.mp4", rare("mp4"), &facts), row("rare.mkv", rare("mkv"), &facts)]);
}

#[test]
fn grey_of_machines_is_as_bright_as_they_saw_it() {
    let grey = |codec: &str| film("avi", &format!("-f lavfi -i color=0x404040:s=160x90:r=25:d=0.4 -pix_fmt gray {codec}"));
    assert_all(
        QUICK_720,
        &[
            row("raw.avi", grey("-c:v rawvideo"), &[Shows(0.0, (0.5, 0.5), [64; 3], 3)]),
            row("ffv1.avi", grey("-c:v ffv1"), &[Shows(0.0, (0.5, 0.5), [64; 3], 3)]),
        ],
    );
}
