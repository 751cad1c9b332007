//! Sound: every layout, files with junk around the sound, and which of several tracks is the one to hear.

use crate::clip::{Clip, QUICK, SMALL, bytes, catenated, film, film_of};
use crate::facts::Fact::{Channels, Decodes, LeftOutTold, Seconds, Streams, Tone};
use crate::table::{Row, assert_all, row};

const TONE: &str = "-f lavfi -i sine=440:d=";

/// Raw samples of so many channels, none of which has a name.
fn discrete(channels: u16) -> Clip {
    let mut samples = Vec::new();
    for at in 0..48_000_u32 {
        for channel in 1..=channels {
            let sample = (f64::from(at) * 0.05 * f64::from(channel)).sin() * 8000.0;
            samples.extend((sample as i16).to_le_bytes());
        }
    }
    let raw = bytes("pcm", samples);
    film_of("mov", &format!("-f s16le -ar 48000 -ac {channels} -i @0 {SMALL}1 -map 1:v -map 0:a {QUICK} -c:a pcm_s24le"), &[&raw])
}

/// Sound from all around, as films of 360 degrees have it.
fn sphere() -> Clip {
    let four = "-f lavfi -i sine=440:d=1,aformat=channel_layouts=quad -c:a libopus -mapping_family 2";
    film_of("mkv", &format!("{SMALL}1 -i @0 {QUICK} -c:a copy"), &[&film("mkv", four)])
}

fn layouts() -> Vec<Row> {
    let named = |ending: &str, layout: &str, codec: &str| {
        film(ending, &format!("{SMALL}1 -f lavfi -i sine=440:d=1,aformat=channel_layouts={layout} {QUICK} {codec}"))
    };
    let pcm = |layout: &str| named("mkv", layout, "-c:a pcm_s16le");
    let mut rows = vec![
        row("side.mkv", pcm("5.1(side)"), &[Channels(6)]),
        row("7.1.mkv", pcm("7.1"), &[Channels(8)]),
        row("6.1.mkv", pcm("6.1"), &[Channels(8)]),
        row("4.0.mkv", pcm("4.0"), &[Channels(8)]),
        row("quad.mkv", pcm("quad"), &[Channels(8)]),
        row("5.0-side.mkv", pcm("5.0(side)"), &[Channels(8)]),
        row("hexagonal.mkv", pcm("hexagonal"), &[Channels(8)]),
        row("2.1.mkv", pcm("2.1"), &[Channels(8)]),
        row("ac3.ts", named("ts", "5.1(side)", "-c:a ac3"), &[Channels(6), Tone(440.0)]),
        row("dts.mkv", named("mkv", "5.1(side)", "-c:a dca -strict -2"), &[Channels(6), Tone(440.0)]),
        row(
            "opus-5.1.webm",
            film(
                "webm",
                &format!(
                    "{SMALL}1 -f lavfi -i sine=440:d=1,aformat=channel_layouts=5.1 -c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus"
                ),
            ),
            &[Channels(6)],
        ),
        row(
            "camera-8k.mov",
            film("mov", &format!("{SMALL}1 {TONE}1:r=8000 {QUICK} -c:a pcm_mulaw -ar 8000")),
            &[Channels(2), Tone(440.0)],
        ),
        row(
            "studio-192k.mkv",
            film("mkv", &format!("{SMALL}1 {TONE}1:r=192000 {QUICK} -c:a pcm_s32le -ar 192000")),
            &[Channels(2), Tone(440.0)],
        ),
    ];
    // Two speakers at the sides, and none in front of the listener.
    let sides = "-f lavfi -i sine=440:d=1,aformat=channel_layouts=stereo,channelmap=0|1:SL+SR";
    let sides = film("mov", &format!("{SMALL}1 {sides} {QUICK} -c:a pcm_s16le"));
    rows.push(row("sides.mov", sides, &[Channels(2), Tone(440.0)]));
    rows.push(row("sphere.mkv", sphere(), &[Channels(2), Decodes]));
    let names = ["ch1.mov", "ch2.mov", "ch3.mov", "ch4.mov", "ch5.mov", "ch6.mov", "ch7.mov", "ch8.mov", "ch9.mov", "ch10.mov"];
    rows.extend((1..).zip(names).map(|(count, name)| row(name, discrete(count), &[Channels(8), Decodes])));
    rows.extend(
        [(12, "ch12.mov"), (16, "ch16.mov"), (24, "ch24.mov")]
            .map(|(count, name)| row(name, discrete(count), &[Channels(16), Decodes])),
    );
    rows
}

#[test]
fn every_number_of_channels_with_or_without_a_layout_gives_sound() {
    assert_all("web-720p", &layouts());
}

#[test]
fn unusual_layouts_go_into_every_encoder_of_sound() {
    let wanted = ["2.1.mkv", "4.0.mkv", "6.1.mkv", "7.1.mkv", "side.mkv", "ch3.mov", "ch5.mov", "ch16.mov"];
    let rows: Vec<Row> = layouts().into_iter().filter(|row| wanted.contains(&row.name)).collect();
    for (codec, container) in [("flac", "mkv"), ("libopus", "mkv"), ("libmp3lame", "mkv")] {
        let preset = format!(
            "name: own\nvideo: {{ codec: libx264, preset: ultrafast, crf: 30 }}\naudio: {{ codec: {codec} }}\ncontainer: {container}\nthreads: 1\n"
        );
        assert_all(&preset, &rows);
    }
}

#[test]
fn sound_outside_of_what_an_encoder_takes_is_brought_within_it() {
    let camera: Vec<Row> = layouts().into_iter().filter(|row| row.name == "camera-8k.mov").collect();
    // No rate this low for MP3 in MP4, and no bit rate this high for one channel of Opus.
    for (sound, container) in [("codec: libmp3lame", "mp4"), ("codec: libopus, bitrate: 320k", "mkv")] {
        let preset = format!(
            "name: own\nvideo: {{ codec: libx264, preset: ultrafast, crf: 30 }}\naudio: {{ {sound} }}\ncontainer: {container}\nthreads: 1\n"
        );
        assert_all(&preset, &camera);
    }
}

fn mp3() -> Clip {
    film("mp3", &format!("{TONE}20 -c:a libmp3lame -b:a 128k"))
}

fn followed_by(clip: &Clip, junk: &[u8]) -> Clip {
    catenated("mp3", &[clip, &bytes("bin", junk)])
}

#[test]
fn playable_sound_with_junk_around_it_is_converted() {
    let lyrics =
        [b"LYRICSBEGININD0000200ETT00005titleLYR00300".as_slice(), &[b'x'; 1500], b"001543LYRICS200", b"TAG", &[b' '; 125]]
            .concat();
    let page = b"<html><body>404 not found</body></html>".repeat(60);
    let cover = film_of(
        "mp3",
        "-i @0 -f lavfi -i color=red:s=300x300:d=0.04 -map 0:a -map 1:v -c:a copy -c:v mjpeg -disposition:v attached_pic -id3v2_version 3",
        &[&mp3()],
    );
    let after = mp3().edited("from byte 100122", |content| {
        content.drain(..100_122);
    });
    let cut = mp3().edited("without its last 777 bytes", |content| content.truncate(content.len() - 777));
    let page_first = catenated("mp3", &[&bytes("bin", &page), &mp3()]);
    let aac_tail = catenated("aac", &[&film("aac", &format!("{TONE}20 -c:a aac")), &bytes("bin", &page)]);
    let whole = [Seconds(20.0, 0.5), Decodes, Tone(440.0)];
    assert_all(
        "audio-m4a",
        &[
            row("tagged.mp3", followed_by(&mp3(), &lyrics), &whole),
            row("junk-tail.mp3", followed_by(&mp3(), &page), &whole),
            row("zeros-tail.mp3", followed_by(&mp3(), &[0; 3000]), &whole),
            row("page-first.mp3", page_first, &whole),
            row("cut-end.mp3", cut, &whole),
            row("cover.mp3", cover, &whole),
            row("junk-tail.aac", aac_tail, &whole),
            row("cut.mp3", after, &[Seconds(13.7, 0.5), Decodes, Tone(440.0)]),
            row("joined.mp3", catenated("mp3", &[&mp3(), &mp3()]), &[Seconds(40.0, 0.7), Decodes]),
        ],
    );
}

#[test]
fn a_film_cut_out_of_a_longer_one_without_encoding_is_converted() {
    let avi = film_of("avi", &format!("{SMALL}20 -i @0 -c:v mpeg4 -b:v 800k -g 50 -c:a copy"), &[&mp3()]);
    let mp4 = film("mp4", &format!("{SMALL}20 {TONE}20 -c:v libx264 -preset veryfast -threads 1 -g 100 -bf 3 -c:a aac"));
    let cut = |clip: &Clip, ending: &str| film_of(ending, "-ss 7.3 -i @0 -c copy", &[clip]);
    let without_index = avi.edited("no index", |content| {
        let at = content.windows(4).rposition(|window| window == b"idx1").expect("an index");
        content.truncate(at);
    });
    assert_all(
        "proxy-480p",
        &[
            row("cut.avi", cut(&avi, "avi"), &[Seconds(13.5, 1.8), Decodes]),
            row("no-index.avi", without_index, &[Seconds(20.0, 0.5), Decodes]),
            row("cut.mp4", cut(&mp4, "mp4"), &[Seconds(12.7, 0.5), Decodes]),
            row("cut.mkv", cut(&mp4, "mkv"), &[Seconds(14.2, 2.3), Decodes]),
            row("cut.ts", cut(&mp4, "ts"), &[Seconds(14.2, 2.3), Decodes]),
        ],
    );
}

/// A picture and tones of 300 and 2000 Hz, of which the second is the one to hear.
fn two_tones(words: &str) -> Clip {
    let begin = format!("{SMALL}4 -f lavfi -i sine=300:d=4 -f lavfi -i sine=2000:d=4 -map 0:v -map 1:a -map 2:a {QUICK} -c:a aac");
    film("mkv", &format!("{begin} {words}"))
}

/// As a tuner records all that a station sends: a radio's sound stands before that of the picture.
fn multiplex() -> Clip {
    let sounds = "-f lavfi -i sine=300:d=4 -f lavfi -i sine=2000:d=4 -map 1:a -map 0:v -map 2:a";
    film("ts", &format!("{SMALL}4 {sounds} {QUICK} -c:a mp2 -program title=radio:st=0 -program title=tv:st=1:st=2"))
}

fn choices() -> Vec<Row> {
    let told = ["sound", "audio", "track"].as_slice();
    let facts = [Tone(2000.0), Streams(1, 1, 0), LeftOutTold(told)];
    let first = [Tone(300.0), Streams(1, 1, 0), LeftOutTold(told)];
    vec![
        row(
            "commentary-first.mkv",
            two_tones("-metadata:s:a:0 title=Commentary -disposition:a:0 comment -disposition:a:1 default"),
            &facts,
        ),
        row("description-first.mkv", two_tones("-disposition:a:0 visual_impaired+descriptions -disposition:a:1 default"), &facts),
        row("second-is-default.mkv", two_tones("-disposition:a:0 0 -disposition:a:1 default"), &facts),
        row("commentary-is-default.mkv", two_tones("-disposition:a:0 default+comment -disposition:a:1 0"), &facts),
        row("description-is-default.mkv", two_tones("-disposition:a:0 default+visual_impaired -disposition:a:1 0"), &facts),
        row(
            "named-commentary-first.mkv",
            two_tones("-metadata:s:a:0 title=Director's_Commentary -disposition:a:0 0 -disposition:a:1 0"),
            &facts,
        ),
        row("two-defaults.mkv", two_tones("-disposition:a:0 default -disposition:a:1 default"), &first),
        row("no-defaults.mkv", two_tones("-disposition:a:0 0 -disposition:a:1 0"), &first),
        row("multiplex.ts", multiplex(), &facts),
    ]
}

#[test]
fn the_sound_that_a_listener_would_pick_is_kept_and_the_others_are_told() {
    assert_all("web-720p", &choices());
}

#[test]
fn a_preset_may_ask_for_all_sounds() {
    let preset = "name: all\nvideo: { codec: libx264, preset: ultrafast, crf: 30 }\naudio: { codec: aac, bitrate: 96k, tracks: all }\ncontainer: mp4\nthreads: 1\n";
    let rows: Vec<Row> = choices().into_iter().map(|row| Row { facts: vec![Streams(1, 2, 0), Decodes], ..row }).collect();
    assert_all(preset, &rows[..3]);
}
