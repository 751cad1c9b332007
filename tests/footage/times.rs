//! Moments: every picture keeps its own, sound stays with its picture, whatever the time stamps of the input do.

use crate::clip::{Clip, QUICK, SMALL, bytes, film, film_of, piped, spliced};
use crate::facts::Fact::{
    Decodes, Frames, LoudAt, Moments, NoDamage, SamplesFill, SaneProgress, Seconds, SheetOf, SoundMinusPicture,
};
use crate::table::{Row, assert_all, row};

const TONE: &str = "-f lavfi -i sine=440:d=";

/// One millisecond, and what the rounding of an input's own ticks adds.
const OFF: f64 = 1.05;

fn variable(ending: &str, graph: &str) -> Clip {
    let words = "-fps_mode passthrough -enc_time_base 1:90000 -c:v libx264 -preset ultrafast -bf 0 -video_track_timescale 90000";
    film(ending, &format!("-f lavfi -i {graph} {words}"))
}

fn variable_rates() -> Vec<Row> {
    let jitter = |rate: &str, step: &str, off: f64, seed: u32, seconds: u32| {
        let graph = format!(
            "testsrc2=s=160x90:r={rate}:d={seconds},settb=1/90000,setpts='round((N/{step}+{off}*(random({seed})*2-1)+{off})*90000)'"
        );
        variable("mp4", &graph)
    };
    let night = "testsrc2=s=160x90:r=30:d=13,settb=1/90000,\
                 setpts='round((if(lt(N,180),N/30,if(lt(N,300),6+(N-180)/24,11+(N-300)/30)))*90000)'";
    let screen = "-f lavfi -i testsrc2=s=320x180:r=60:d=10,select='if(lt(t,8),not(mod(n,30)),1)' -fps_mode passthrough \
                  -enc_time_base 1:1000 -c:v libx264 -preset veryfast -bf 0";
    let slow = "testsrc2=s=320x180:r=120:d=6,select='if(between(t,2.5,3.5),1,not(mod(n,4)))'";
    let webcam = "-f lavfi -i testsrc2=s=160x90:r=30:d=7,settb=1/1000,setpts='round((N/30+0.012*random(3))*1000)' \
                  -fps_mode passthrough -enc_time_base 1:1000 -c:v libvpx -deadline realtime -cpu-used 15 -threads 1 -b:v 300k";
    let film_rate = format!("-f lavfi -i testsrc2=s=160x90:r=24000/1001:d=10 {QUICK} -bf 2");
    let ticks =
        "-f lavfi -i testsrc2=s=160x90:r=50:d=6,select='not(mod(n,3))+not(mod(n,7))' -fps_mode passthrough -c:v mpeg4 -b:v 1M";
    let pause = "testsrc2=s=160x90:r=30:d=6,settb=1/90000,setpts='PTS+if(gte(N,90),20*90000,0)'";
    vec![
        row("phone30.mp4", jitter("30", "30", 0.007, 1, 8), &[Moments(OFF), Decodes]),
        row("phone60.mp4", jitter("60", "59.7", 0.003, 2, 8), &[Moments(OFF)]),
        row("night.mp4", variable("mp4", night), &[Moments(OFF)]),
        row("screen.mkv", film("mkv", screen), &[Moments(OFF)]),
        row("slow-motion.mov", variable("mov", slow), &[Moments(OFF)]),
        row("webcam.webm", film("webm", webcam), &[Moments(OFF)]),
        row("cinema.mp4", film("mp4", &film_rate), &[Moments(OFF)]),
        row("pictures-left-out.mkv", film("mkv", ticks), &[Moments(OFF)]),
        row("paused-for-20-seconds.mp4", variable("mp4", pause), &[Moments(OFF), Seconds(26.0, 0.5)]),
        row(
            "mpeg2-59.94.ts",
            film("ts", "-f lavfi -i testsrc2=s=320x180:r=60000/1001:d=4 -c:v mpeg2video -b:v 2M"),
            &[Moments(OFF)],
        ),
    ]
}

#[test]
fn variable_rates_keep_every_picture_at_its_own_moment() {
    assert_all("web-720p", &variable_rates());
}

#[test]
fn a_gap_in_the_sound_becomes_silence_and_later_sound_stays_with_its_picture() {
    // Quiet, but for half a second from the eleventh second on.
    let graph = |gap: &str| {
        format!(
            "{SMALL}14 -f lavfi -i sine=1000:d=14:r=48000 -filter_complex \
             [1:a]volume='if(gte(t,11)*lt(t,11.5),1,0.02)':eval=frame,aselect='not({gap})'[a] -map 0:v -map [a] {QUICK}"
        )
    };
    let one = graph("between(t,4,7)");
    let two = graph("between(t,2,3)+between(t,5,8.5)");
    let whole = film("mp4", &format!("{} -c:a aac", graph("between(t,20,21)")));
    let lost = film_of("mkv", "-i @0 -c copy -bsf:a noise=drop='between(n,188,328)'", &[&whole]);
    let facts = [SamplesFill(14.0, 0.3), LoudAt(11.0), Seconds(14.0, 0.4)];
    let rows = [
        row("gap.mkv", film("mkv", &format!("{one} -c:a pcm_s16le")), &facts),
        row("gap.ts", film("ts", &format!("{one} -c:a mp2")), &facts),
        row("two-gaps.mkv", film("mkv", &format!("{two} -c:a pcm_s16le")), &facts),
        row("lost-packets.mkv", lost, &facts),
    ];
    assert_all("web-720p", &rows);
    assert_all("audio-m4a", &rows);
}

#[test]
fn sound_and_picture_keep_the_distance_of_their_beginnings() {
    let late_sound = film("mkv", &format!("{SMALL}8 -itsoffset 2 {TONE}6 {QUICK} -c:a aac"));
    let late_picture = film("mkv", &format!("-itsoffset 2 {SMALL}6 {TONE}8 {QUICK} -c:a aac"));
    let of = |ending: &str, clip: &Clip| film_of(ending, "-i @0 -c copy", &[clip]);
    let rows = [
        row("late-sound.mp4", of("mp4", &late_sound), &[SoundMinusPicture(2.0)]),
        row("late-sound.ts", of("ts", &late_sound), &[SoundMinusPicture(2.0)]),
        row("late-picture.mp4", of("mp4", &late_picture), &[SoundMinusPicture(-2.0)]),
        row("late-picture.ts", of("ts", &late_picture), &[SoundMinusPicture(-2.0)]),
        row(
            "late-picture.flv",
            of("flv", &film_of("mp4", "-i @0 -c:v copy -c:a aac -ar 44100", &[&late_picture])),
            &[SoundMinusPicture(-2.0)],
        ),
        row("late-sound.mkv", late_sound, &[SoundMinusPicture(2.0)]),
        row("late-picture.mkv", late_picture, &[SoundMinusPicture(-2.0)]),
        row(
            "an-hour-in.ts",
            film("ts", &format!("{SMALL}4 {TONE}4 {QUICK} -c:a aac -output_ts_offset 3600")),
            &[SoundMinusPicture(0.0), Seconds(4.0, 0.3)],
        ),
    ];
    assert_all("web-720p", &rows);
}

#[test]
fn sound_with_uneven_time_stamps_is_converted_as_a_whole() {
    let plain = |rate: u32| film("mp4", &format!("{SMALL}10 -f lavfi -i sine=440:d=10:r={rate} {QUICK} -bf 0 -c:a aac -ar {rate}"));
    let shaken = |ending: &str, clip: &Clip, ts: &str| film_of(ending, &format!("-i @0 -c copy -bsf:a setts=ts='{ts}'"), &[clip]);
    let by = |ms: &str| format!("TS+round({ms}*(random(0)*2-1)/TB)");
    let back = |s: &str| format!("if(gte(N,250),TS-round({s}/TB),TS)");
    let pcm = format!("{SMALL}10 -f lavfi -i sine=440:d=10:r=48000 {QUICK} -bf 0 -c:a pcm_s16le -bsf:a setts=ts='{}'", by("0.001"));
    let part = |layout: &str| {
        film(
            "ts",
            &format!("{SMALL}6 -f lavfi -i sine=440:d=6:r=48000,aformat=channel_layouts={layout} {QUICK} -g 25 -bf 0 -c:a ac3"),
        )
    };
    let (stereo, surround) = (part("stereo"), part("5.1(side)"));
    let facts = [Seconds(10.0, 0.5), Frames(250, 1), Decodes];
    let long = [Seconds(18.0, 0.5), Frames(450, 3)];
    assert_all(
        "proxy-480p",
        &[
            row("even-44100.mkv", film_of("mkv", "-i @0 -c copy", &[&plain(44100)]), &facts),
            row("cam-1ms-44100.mkv", shaken("mkv", &plain(44100), &by("0.001")), &facts),
            row("cam-1ms-48000.mkv", shaken("mkv", &plain(48000), &by("0.001")), &facts),
            row("rtmp-4ms.flv", shaken("flv", &plain(44100), &by("0.004")), &facts),
            row("screen-pcm-1ms.mkv", film("mkv", &pcm), &facts),
            row("splice-20ms.mkv", shaken("mkv", &plain(48000), &back("0.020")), &facts),
            row("splice-60ms.ts", shaken("ts", &plain(48000), &back("0.060")), &facts),
            row("splice-300ms.mkv", shaken("mkv", &plain(48000), &back("0.300")), &facts),
            row("ac3-ads.ts", spliced("ts", &[&surround, &stereo, &surround]), &long),
            row("layout-grows.ts", spliced("ts", &[&stereo, &surround, &stereo]), &long),
        ],
    );
}

fn colours(ending: &str, words: &str) -> Clip {
    piped(
        ending,
        &format!(
            "-f lavfi -i color=red:s=160x90:r=25:d=8[a];color=0x00c000:s=160x90:r=25:d=8[b];color=blue:s=160x90:r=25:d=8[c];\
             [a][b][c]concat=n=3 -f lavfi -i sine=440:d=24 {words}"
        ),
    )
}

fn without_a_length() -> Vec<(&'static str, Clip)> {
    let vp8 = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 200k -g 50 -c:a libopus -f webm";
    let h264 = format!("{QUICK} -g 25 -c:a aac -ar 44100");
    vec![
        ("browser.webm", colours("webm", vp8)),
        ("obs.mkv", colours("mkv", &format!("{h264} -f matroska"))),
        ("stream.flv", colours("flv", &format!("{h264} -f flv"))),
        ("fragments.mp4", colours("mp4", &format!("{h264} -movflags +frag_keyframe+empty_moov -f mp4"))),
        ("raw.h264", colours("h264", &format!("{QUICK} -g 25 -an -f h264"))),
    ]
}

#[test]
fn a_film_that_tells_no_length_is_converted_as_a_whole_and_its_progress_is_sane() {
    let facts = [Seconds(24.0, 0.7), Frames(600, 2), Decodes, SaneProgress];
    let rows: Vec<Row> = without_a_length().into_iter().map(|(name, clip)| row(name, clip, &facts)).collect();
    assert_all("proxy-480p", &rows);
}

#[test]
fn the_sheet_of_a_film_that_tells_no_length_covers_all_of_it() {
    let rows: Vec<Row> = without_a_length().into_iter().map(|(name, clip)| row(name, clip, &[SheetOf("RGB")])).collect();
    assert_all("thumbnails", &rows);
}

#[test]
fn a_browsers_recording_that_ends_within_a_cluster_is_converted_as_far_as_it_goes() {
    let rows: Vec<Row> = without_a_length()
        .into_iter()
        .take(4)
        .map(|(name, clip)| row(name, clip.cut_off(700), &[Seconds(17.0, 3.5), Decodes]))
        .collect();
    assert_all("proxy-480p", &rows);
}

#[test]
fn sound_that_outlasts_the_picture_or_falls_short_of_it_is_kept_as_it_is() {
    let longer = film("mp4", &format!("{SMALL}3 {TONE}8 {QUICK} -c:a aac"));
    let shorter = film("mp4", &format!("{SMALL}8 {TONE}3 {QUICK} -c:a aac"));
    assert_all(
        "proxy-480p",
        &[
            row("sound-is-longer.mp4", longer, &[Seconds(8.0, 0.3), Frames(75, 0), NoDamage]),
            row("sound-is-shorter.mp4", shorter, &[Seconds(8.0, 0.3), Frames(200, 0), NoDamage]),
        ],
    );
}

#[test]
fn sound_alone_is_converted_from_every_usual_file() {
    let of = |ending: &str, words: &str| film(ending, &format!("{TONE}6 {words}"));
    let facts = [Seconds(6.0, 0.3), SamplesFill(6.0, 0.3)];
    let wav_that_lies = of("wav", "-c:a pcm_s16le").edited("no length", |content| {
        // As a recorder writes it that never came back to the beginning.
        content[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        let at = content.windows(4).position(|window| window == b"data").expect("samples");
        content[at + 4..at + 8].copy_from_slice(&u32::MAX.to_be_bytes());
    });
    let text = bytes("txt", "no sound\n");
    assert_all(
        "audio-m4a",
        &[
            row("a.ac3", of("ac3", "-c:a ac3"), &facts),
            row("a.opus", of("opus", "-c:a libopus"), &facts),
            row("a.aac", of("aac", "-c:a aac"), &facts),
            row("a.aiff", of("aiff", ""), &facts),
            row("a.wv", of("wv", "-c:a wavpack"), &facts),
            row("a.caf", of("caf", "-c:a pcm_s16le"), &facts),
            row("a.au", of("au", ""), &facts),
            row("a.mp2", of("mp2", "-c:a mp2"), &facts),
            row("a.tta", of("tta", ""), &facts),
            row("a.dts", of("dts", "-c:a dca -strict -2 -ar 48000 -ac 2"), &facts),
            row("a.eac3", of("eac3", "-c:a eac3"), &facts),
            row("a.w64", of("w64", ""), &facts),
            row("phone.amr", film("3gp", &format!("{TONE}6 -c:a aac -ar 8000 -ac 1")), &facts),
            row("a.mka", of("mka", "-c:a flac"), &facts),
            row("recorder.wav", wav_that_lies, &facts),
            row("text.mp3", text, &[crate::facts::Fact::Refused(&["text"])]),
        ],
    );
}
