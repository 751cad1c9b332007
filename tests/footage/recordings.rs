//! Recordings as tuners, cameras and crashed programs leave them: begun in the middle, with holes, joined, cut off, with headers
//! that lie. What can be decoded is in the output; what is missing is told.

use crate::clip::{Clip, PICTURE, QUICK, SMALL, catenated, film, film_of, spliced};
use crate::facts::Fact::{
    DamageTold, Decodes, Frames, High, LeftOutTold, Moments, NoDamage, Plain, Refused, Seconds, Shape, Sheet, Shows, Size,
    SoundMinusPicture, Tone,
};
use crate::table::{QUICK_720, assert_all, row};

const TONE: &str = "-f lavfi -i sine=440:d=";
/// A preset that takes no damage.
const STRICT: &str =
    "name: strict\nvideo: { codec: libx264, preset: ultrafast, crf: 30 }\ncontainer: mp4\nthreads: 1\non_damage: fail\n";

/// From 21.5 % on, at a packet's border, which is inside a picture group.
fn begun_within(clip: &Clip) -> Clip {
    clip.without_packets("from 21.5 %", |at, of| at < of * 43 / 200)
}

/// A second of bad reception in the middle.
fn badly_received(clip: &Clip) -> Clip {
    clip.without_packets("holes", |at, of| (of / 2..of / 2 + 12).contains(&at) || at == of / 2 + 40 || at == of / 2 + 41)
}

/// Zeros over some bytes in the middle, as a bad sector or a lost block of a copy leaves them.
fn holed(clip: &Clip, length: usize) -> Clip {
    clip.edited(&format!("{length} zeros"), |content| {
        let middle = content.len() / 2;
        content[middle..middle + length].fill(0);
    })
}

fn mpeg_ts(seconds: u32, more: &str) -> Clip {
    film("ts", &format!("{PICTURE}{seconds} {TONE}{seconds} -c:v libx264 -preset veryfast -threads 1 -g 25 {more} -c:a aac"))
}

#[test]
fn a_recording_that_begins_within_a_picture_group_is_converted_from_its_first_good_picture() {
    let mpeg2 = film("ts", &format!("{PICTURE}10 {TONE}10 -c:v mpeg2video -b:v 3M -g 25 -bf 2 -c:a mp2"));
    let hevc =
        film("ts", &format!("{PICTURE}10 {TONE}10 -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25 -c:a aac"));
    let vob = film("vob", &format!("{PICTURE}10 {TONE}10 -c:v mpeg2video -g 15 -bf 2 -c:a ac3"));
    let m2ts = film("m2ts", &format!("{PICTURE}10 {TONE}10 -c:v libx264 -preset veryfast -threads 1 -g 25 -c:a ac3"));
    let odd_start = m2ts.edited("from 192 x n + 77", |content| {
        content.drain(..content.len() * 43 / 200 / 192 * 192 + 77);
    });
    assert_all(
        "proxy-480p",
        &[
            row("h264-rec.ts", begun_within(&mpeg_ts(10, "-bf 2")), &[Seconds(7.5, 0.8), Decodes]),
            row("mpeg2-rec.ts", begun_within(&mpeg2), &[Seconds(7.5, 0.8), Decodes]),
            row("hevc-rec.ts", begun_within(&hevc), &[Seconds(7.5, 0.8), Decodes]),
            row("open-groups.ts", begun_within(&mpeg_ts(10, "-bf 2 -x264opts open-gop=1")), &[Seconds(7.5, 0.8), Decodes]),
            row("camcorder.m2ts", odd_start, &[Seconds(7.5, 0.8), Decodes]),
            row("dvd-cut.vob", film_of("vob", "-ss 4.1 -i @0 -c copy", &[&vob]), &[Seconds(5.9, 1.0), Decodes]),
        ],
    );
}

#[test]
fn a_second_of_bad_reception_is_a_glitch_in_the_output_and_is_told() {
    let mpeg2 = film("ts", &format!("{PICTURE}10 {TONE}10 -c:v mpeg2video -b:v 1M -g 25 -c:a mp2"));
    let of = |ending: &str, sound: &str| {
        film(ending, &format!("{PICTURE}10 {TONE}10 -c:v libx264 -preset veryfast -threads 1 -g 25 -c:a {sound} -ar 44100"))
    };
    let facts = [Seconds(10.0, 0.5), Decodes, DamageTold];
    assert_all(
        "proxy-480p",
        &[
            row("glitch.ts", badly_received(&mpeg_ts(10, "")), &facts),
            row("glitch-mpeg2.ts", badly_received(&mpeg2), &facts),
            row("bad-sector.mp4", holed(&of("mp4", "aac"), 3000), &facts),
            row("bad-sector.mkv", holed(&of("mkv", "aac"), 3000), &facts),
            row("bad-sector.flv", holed(&of("flv", "libmp3lame"), 3000), &facts),
            row("whole.ts", mpeg_ts(10, ""), &[Seconds(10.0, 0.3), Frames(250, 0), Decodes, NoDamage]),
        ],
    );
}

#[test]
fn a_preset_may_ask_that_damage_fails_the_job() {
    assert_all(
        STRICT,
        &[
            row("glitch.ts", badly_received(&mpeg_ts(10, "")), &[Refused(&["on_damage"])]),
            row("whole.ts", mpeg_ts(10, ""), &[Frames(250, 0)]),
        ],
    );
}

#[test]
fn joined_recordings_are_converted_as_a_whole() {
    let part = |ending: &str, hz: u32, words: &str| {
        film(ending, &format!("{SMALL}12 -f lavfi -i sine={hz}:d=12 -c:v mpeg2video -b:v 1M -g 25 -c:a mp2 {words}"))
    };
    let both = |ending: &str| catenated(ending, &[&part(ending, 400, ""), &part(ending, 800, "")]);
    let facts = [Seconds(24.0, 1.0), Frames(600, 6), Decodes];
    // 2^33 ticks of 90 kHz are 95443.7 s: the time stamps start again after 5 s.
    let wrap = part("ts", 500, "-output_ts_offset 95438.7");
    // The second part begins an hour later.
    let later = catenated("ts", &[&part("ts", 400, ""), &part("ts", 800, "-output_ts_offset 3600")]);
    // The second part begins ten seconds before the end of the first.
    let earlier = catenated("ts", &[&part("ts", 400, "-output_ts_offset 100"), &part("ts", 800, "-output_ts_offset 102")]);
    assert_all(
        "proxy-480p",
        &[
            row("joined.ts", both("ts"), &facts),
            row("joined.vob", both("vob"), &facts),
            row("joined.mpg", both("mpg"), &facts),
            row("an-hour-later.ts", later, &facts),
            row("earlier.ts", earlier, &facts),
            row("wrap.ts", wrap, &[Seconds(12.0, 0.6), Frames(300, 3), Decodes]),
        ],
    );
}

#[test]
fn a_film_whose_times_begin_anew_tells_what_had_to_be_left_out() {
    let part = |ending: &str, codecs: &str| film(ending, &format!("{SMALL}4 {TONE}4 {codecs}"));
    let twice = |part: Clip, ending: &str| catenated(ending, &[&part, &part]);
    let h264 = format!("{QUICK} -c:a aac");
    let vp8 = "-c:v libvpx -deadline realtime -cpu-used 15 -threads 1 -b:v 500k -c:a libopus";
    let told = [Seconds(4.0, 0.3), DamageTold];
    let mkv = twice(part("mkv", &h264), "mkv");
    assert_all("proxy-480p", &[row("joined.mkv", mkv.clone(), &told), row("joined.webm", twice(part("webm", vp8), "webm"), &told)]);
    let steady = "name: steady\nvideo: { codec: libx264, preset: ultrafast, crf: 30, fps: 25 }\ncontainer: mp4\nthreads: 1\n";
    assert_all(steady, &[row("steady.mkv", mkv.clone(), &told)]);
    assert_all("audio-m4a", &[row("sound.mkv", mkv.clone(), &told)]);
    assert_all(STRICT, &[row("refused.mkv", mkv, &[Refused(&["begin anew"])])]);
    let copied = "name: copied\nvideo: { codec: copy }\naudio: { codec: copy }\ncontainer: mkv\nthreads: 1\n";
    assert_all(copied, &[row("copied.mkv", twice(part("mkv", &h264), "mkv"), &[DamageTold])]);
}

#[test]
fn a_size_that_changes_midway_gives_one_size_with_bars_and_every_picture() {
    let part = |size: &str| {
        let words = "-c:v libx264 -preset veryfast -g 25 -bf 0 -c:a aac";
        film("ts", &format!("-f lavfi -i testsrc2=s={size}:r=25:d=2 {TONE}2 {words}"))
    };
    let call = |size: &str| {
        let words = "-c:v libvpx -deadline realtime -cpu-used 15 -threads 1 -b:v 1M -g 25 -c:a libopus -ar 48000";
        film("webm", &format!("-f lavfi -i testsrc2=s={size}:r=25:d=2 {TONE}2 {words}"))
    };
    let (small, large, square) = (part("640x360"), part("1280x720"), part("480x480"));
    let white = |size: &str| film("ts", &format!("-f lavfi -i color=white:s={size}:r=25:d=2 {TONE}2 {QUICK} -bf 0 -c:a aac"));
    let join = |parts: &[&Clip]| spliced("ts", parts);
    let facts = |seconds: f64, high: u64| vec![Seconds(seconds, 0.5), Frames((seconds * 25.0) as u64, 4), Decodes, High(high)];
    // The pixels alone change their shape, as on discs and on the air.
    let disc = |shape: &str| {
        let words = format!("-c:v mpeg2video -threads 1 -b:v 1M -aspect {shape}");
        film("ts", &format!("-f lavfi -i color=white:s=360x288:r=25:d=1 {words}"))
    };
    let (narrow, wide) = (disc("4:3"), disc("16:9"));
    let (whole, bar) = (|at: f64| Shows(at, (0.02, 0.5), [255; 3], 6), |at: f64| Shows(at, (0.02, 0.5), [0; 3], 6));
    let below = |at: f64| Shows(at, (0.5, 0.98), [255; 3], 6);
    // The decoder itself loses a picture where it begins anew.
    let wide_facts = |first: [crate::facts::Fact; 2]| {
        let [one, two] = first;
        vec![Frames(50, 1), Shape(16.0 / 9.0), Plain, below(0.5), below(1.5), one, two]
    };
    assert_all(
        QUICK_720,
        &[
            row("wider.ts", catenated("ts", &[&narrow, &wide]), &wide_facts([bar(0.5), whole(1.5)])),
            row("narrower.ts", catenated("ts", &[&wide, &narrow]), &wide_facts([whole(0.5), bar(1.5)])),
            row("up-down.ts", join(&[&small, &large, &small]), &facts(6.0, 720)),
            row("down.ts", join(&[&large, &small]), &facts(4.0, 720)),
            row("shape.ts", join(&[&small, &square]), &facts(4.0, 360)),
            row("call.webm", spliced("webm", &[&call("320x180"), &call("1280x720")]), &facts(4.0, 720)),
            row(
                "bars.ts",
                join(&[&white("640x360"), &white("360x360")]),
                &[
                    Frames(100, 2),
                    Shows(1.0, (0.02, 0.5), [255; 3], 6),
                    Shows(3.0, (0.02, 0.5), [0; 3], 6),
                    Shows(3.0, (0.5, 0.5), [255; 3], 6),
                ],
            ),
        ],
    );
}

#[test]
fn the_sheet_of_a_film_whose_picture_begins_late_shows_all_of_it() {
    let colours = "-f lavfi -i color=red:s=64x64:r=25:d=1[a];color=lime:s=64x64:r=25:d=1[b];color=blue:s=64x64:r=25:d=1[c];[a][b][c]concat=n=3";
    let late = |ending: &str| film(ending, &format!("-itsoffset 6 {colours} -f lavfi -i sine=d=9 {QUICK} -c:a aac"));
    assert_all("thumbnails", &[row("late.mkv", late("mkv"), &[Sheet("RRRRRGGGGGGBBBBB")])]);
}

#[test]
fn the_sheet_of_a_film_whose_size_changes_shows_all_of_it() {
    let of = |colour: &str, size: &str, ending: &str, words: &str| {
        film(ending, &format!("-f lavfi -i color={colour}:s={size}:r=25:d=2 {words}"))
    };
    let joined = |ending: &str, words: &str| {
        let parts =
            [("red", "160x90"), ("lime", "320x180"), ("blue", "160x90")].map(|(colour, size)| of(colour, size, ending, words));
        spliced(ending, &parts.each_ref())
    };
    let broadcast = joined("ts", &format!("{QUICK} -g 25 -bf 0"));
    let call = joined("webm", "-c:v libvpx -deadline realtime -cpu-used 15 -threads 1 -b:v 500k -g 25");
    let shown = [Sheet("RRRRRGGGGGGBBBBB")];
    assert_all("thumbnails", &[row("up-down.ts", broadcast, &shown), row("call.webm", call, &shown)]);
}

#[test]
fn a_file_that_was_cut_off_is_converted_as_far_as_it_goes_and_that_is_told() {
    let of = |ending: &str, words: &str| film(ending, &format!("{PICTURE}10 {TONE}10 {words}"));
    let h264 = "-c:v libx264 -preset veryfast -threads 1 -g 25 -c:a aac";
    let front = of("mp4", &format!("{h264} -movflags +faststart"));
    let fragments = of("mp4", &format!("{h264} -movflags +frag_keyframe+empty_moov+default_base_moof"));
    let facts = [Seconds(7.0, 1.1), Decodes, DamageTold];
    // What tells no length cannot be known to be short.
    let told_of_nothing = [Seconds(7.0, 1.1), Decodes];
    assert_all(
        "proxy-480p",
        &[
            row("cut.mkv", of("mkv", h264).cut_off(700), &facts),
            row("index-in-front.mp4", front.cut_off(700), &facts),
            row("cut.avi", of("avi", "-c:v mpeg4 -b:v 500k -g 25 -c:a libmp3lame").cut_off(700), &facts),
            row("cut.wmv", of("wmv", "-c:v wmv2 -b:v 500k -c:a wmav2").cut_off(700), &facts),
            row("cut.mov", of("mov", "-c:v mjpeg -q:v 8 -c:a pcm_s16le -movflags +faststart").cut_off(700), &facts),
            row("fragments.mp4", fragments.cut_off(700), &told_of_nothing),
            row("cut.ts", of("ts", h264).cut_off(700), &told_of_nothing),
            row("cut.flv", of("flv", &format!("{h264} -ar 44100")).cut_off(700), &[Seconds(7.0, 1.1), Decodes]),
            row("a-third-is-left.mkv", of("mkv", h264).cut_off(300), &[Refused(&["half", "%", "of 10", "of 0:10"])]),
        ],
    );
}

/// Writes a length of 39 hours over what the movie, its tracks or its media say, in the ticks of a thousandth that ffmpeg uses.
fn claims_39_hours(clip: &Clip, boxes: &'static [&'static str]) -> Clip {
    clip.edited(&format!("39 hours in {boxes:?}"), |content| {
        for name in boxes {
            let places: Vec<usize> =
                content.windows(4).enumerate().filter(|(_, window)| *window == name.as_bytes()).map(|(at, _)| at).collect();
            assert!(!places.is_empty(), "no {name}");
            for at in places {
                let place = at + if *name == "tkhd" { 24 } else { 20 };
                content[place..place + 4].copy_from_slice(&140_400_000_u32.to_be_bytes());
            }
        }
    })
}

#[test]
fn a_header_that_lies_about_the_length_does_not_make_a_good_film_damaged() {
    let words = format!("{PICTURE}4 {TONE}4 {QUICK} -c:a aac");
    let mp4 = film("mp4", &words);
    let mkv = film("mkv", &words).edited("39 hours", |content| {
        let at = content.windows(3).position(|window| *window == [0x44, 0x89, 0x88]).expect("a duration");
        content[at + 3..at + 11].copy_from_slice(&140_400_000.0_f64.to_be_bytes());
    });
    let subtitle = crate::clip::bytes("srt", "1\n00:01:00,000 --> 00:01:02,000\nThe end\n");
    let late_subtitle =
        film_of("mkv", &format!("{PICTURE}4 {TONE}4 -i @0 -map 0:v -map 1:a -map 2:s {QUICK} -c:a aac -c:s srt"), &[&subtitle]);
    let second_sound =
        film("mkv", &format!("{PICTURE}4 {TONE}4 {TONE}40 -map 0:v -map 1:a -map 2:a {QUICK} -c:a aac -disposition:a:0 default"));
    let facts = [Seconds(4.0, 0.3), Frames(100, 0), Decodes, NoDamage];
    assert_all(
        "proxy-480p",
        &[
            row("movie-claims.mp4", claims_39_hours(&mp4, &["mvhd"]), &facts),
            row("tracks-claim.mp4", claims_39_hours(&mp4, &["mvhd", "tkhd"]), &facts),
            row("all-claim.mp4", claims_39_hours(&mp4, &["mvhd", "tkhd", "mdhd"]), &facts),
            row("claims.mkv", mkv, &facts),
            row("late-subtitle.mkv", late_subtitle, &facts),
            row("second-sound-is-longer.mkv", second_sound, &facts),
        ],
    );
}

#[test]
fn a_picture_stream_that_is_announced_and_empty_does_not_stand_for_the_film() {
    let of = |ending: &str| {
        let pictures = "-f lavfi -i testsrc2=s=64x64:r=25:d=2 -f lavfi -i testsrc2=s=96x64:r=25:d=2";
        film(ending, &format!("{pictures} {TONE}2 -map 0 -map 1 -map 2 {QUICK} -c:a aac -bsf:v:0 noise=drop=1"))
    };
    let facts = [Size(96, 64), Frames(50, 1), Decodes, LeftOutTold(&["1 further picture stream"])];
    assert_all("proxy-480p", &[row("announced.ts", of("ts"), &facts), row("announced.mkv", of("mkv"), &facts)]);
}

#[test]
fn more_pictures_a_second_than_svt_knows_go_into_av1() {
    let quick = film("mp4", &format!("-f lavfi -i testsrc2=s=64x64:r=300:d=0.5 {QUICK}"));
    // Pictures that come as they like: by the shortest time between two of them they are thousands a second.
    let free = format!("-f lavfi -i testsrc2=s=64x64:r=90:d=1,settb=1/90000,setpts=PTS+floor(900*random(0)) -fps_mode vfr {QUICK}");
    let free = film("mp4", &format!("{free} -bf 0 -enc_time_base 1/90000"));
    let preset = "name: av1\nvideo: { codec: libsvtav1, crf: 50 }\ncontainer: mp4\nthreads: 1\n";
    assert_all(
        preset,
        &[row("quick.mp4", quick, &[Frames(150, 0), Moments(1.0)]), row("free.mp4", free, &[Frames(90, 1), Moments(1.0)])],
    );
}

#[test]
fn sound_that_is_cut_off_before_the_count_of_its_head_is_told() {
    let noise = |ending: &str, words: &str| film(ending, &format!("-f lavfi -i anoisesrc=d=5:a=0.1 {words}"));
    let told = [Seconds(3.5, 0.4), Decodes, DamageTold];
    let mut rows: Vec<_> = [("a.mp3", "mp3"), ("a.flac", "flac"), ("a.aiff", "aiff"), ("a.au", "au"), ("a.tta", "tta")]
        .map(|(name, ending)| row(name, noise(ending, "").cut_off(700), &told))
        .into();
    rows.extend([
        row("little.mp3", noise("mp3", "").cut_off(300), &[Refused(&["only 30 % of what the input promises"])]),
        row("guess.mp3", noise("mp3", "-write_xing 0").cut_off(300), &[Seconds(1.5, 0.2), NoDamage]),
        row("whole.mp3", noise("mp3", ""), &[Seconds(5.0, 0.1), NoDamage]),
    ]);
    assert_all("audio-m4a", &rows);
}

#[test]
fn a_stream_that_begins_long_after_the_other_is_still_found() {
    let late_sound = film("ts", &format!("{PICTURE}30 -itsoffset 22 {TONE}8 -c:v mpeg2video -b:v 8M -g 12 -c:a mp2"));
    let late_picture = film("mkv", &format!("-itsoffset 12 {PICTURE}6 {TONE}18 {QUICK} -c:a aac"));
    let long = "-f lavfi -i testsrc2=s=64x48:r=5:d=112 -itsoffset 100";
    let announced = film("ts", &format!("{long} {TONE}8 {QUICK} -c:a aac"));
    let of_a_disc = film("vob", &format!("{long} {TONE}8 -r 25 -c:v mpeg2video -c:a mp2"));
    assert_all(
        "proxy-480p",
        &[
            row("announced.ts", announced, &[SoundMinusPicture(100.0), Tone(440.0), NoDamage]),
            row("of-a-disc.vob", of_a_disc, &[SoundMinusPicture(100.0), Tone(440.0), NoDamage]),
            row("late-sound.ts", late_sound, &[SoundMinusPicture(22.0), Seconds(30.0, 0.5)]),
            row("late-picture.mkv", late_picture, &[SoundMinusPicture(-12.0), Seconds(18.0, 0.5)]),
        ],
    );
}
