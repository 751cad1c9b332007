//! The facts themselves: each holds for an output that ffmpeg makes when it is asked rightly, and does not for one that is wrong.
//! A test of footage can then fail, and for its own reason.

use serde_json::{Value, json};

use crate::clip::{Clip, PICTURE, QUICK, film, film_of};
use crate::facts::{Case, Fact};
use crate::reading::Reading;

const TONE: &str = "-f lavfi -i sine=440:d=";

fn check(fact: &Fact, input: &Clip, output: &Clip, end: &Value, progress: &[&Value]) -> Result<(), String> {
    let (input, output) = (Reading::of(&input.path), Reading::of(&output.path));
    fact.check(&Case { input: &input, output: &output, end, progress })
}

/// Both outputs are made of the input by ffmpeg with these words; the fact holds for the first alone.
fn tells_apart(fact: &Fact, input: &Clip, right: &str, wrong: &str) {
    let end = json!({});
    let of = |words: &str| film_of(if words.contains("mjpeg") { "jpg" } else { "mp4" }, words, &[input]);
    let held = check(fact, input, &of(right), &end, &[]);
    assert_eq!(held, Ok(()), "{fact:?} should hold for {right}");
    assert!(check(fact, input, &of(wrong), &end, &[]).is_err(), "{fact:?} should not hold for {wrong}");
}

#[test]
fn the_facts_of_length_and_moments_tell_right_from_wrong() {
    let film4 = film("mp4", &format!("{PICTURE}4 {TONE}4 {QUICK} -c:a aac"));
    tells_apart(&Fact::Seconds(4.0, 0.3), &film4, "-i @0 -c copy", "-t 2 -i @0 -c copy");
    tells_apart(&Fact::Frames(100, 1), &film4, "-i @0 -c copy", "-i @0 -r 10");
    let jitter = film(
        "mp4",
        "-f lavfi -i testsrc2=s=160x90:r=30:d=4,settb=1/90000,setpts='round((N/30+0.007*random(1))*90000)' -fps_mode passthrough \
         -enc_time_base 1:90000 -c:v libx264 -preset ultrafast -bf 0 -video_track_timescale 90000",
    );
    let right = "-i @0 -fps_mode passthrough -enc_time_base 1:90000 -video_track_timescale 90000 -c:v libx264 -preset ultrafast";
    tells_apart(&Fact::Moments(1.05), &jitter, right, "-i @0 -fps_mode cfr -r 30 -c:v libx264 -preset ultrafast");
    let late = film("mkv", &format!("{PICTURE}6 -itsoffset 2 {TONE}4 {QUICK} -c:a aac"));
    let apart = Fact::SoundMinusPicture(2.0);
    tells_apart(&apart, &late, "-i @0 -c copy", "-i @0 -af asetpts=PTS-STARTPTS -c:v copy");
}

#[test]
fn the_facts_of_damage_tell_right_from_wrong() {
    let film4 = film("ts", &format!("{PICTURE}4 {TONE}4 {QUICK} -c:a aac"));
    let holed = film4.edited("zeros in the middle", |content| {
        let middle = content.len() / 2;
        content[middle..middle + 5000].fill(0);
    });
    let (whole, torn) = (Reading::of(&film4.path), Reading::of(&holed.path));
    let case = |output| Fact::Decodes.check(&Case { input: &whole, output, end: &Value::Null, progress: &[] });
    assert_eq!(case(&whole), Ok(()));
    assert!(case(&torn).is_err(), "a torn film decodes without a word");
    let told = json!({"damage": {"seconds": 1.2, "frames": 30, "cause": "lost packets"}, "left_out": ["1 subtitle"]});
    for fact in [Fact::DamageTold, Fact::LeftOutTold(&["subtitle"])] {
        assert_eq!(check(&fact, &film4, &film4, &told, &[]), Ok(()));
        assert!(check(&fact, &film4, &film4, &json!({"damage": null}), &[]).is_err(), "{fact:?}");
    }
    assert!(check(&Fact::NoDamage, &film4, &film4, &told, &[]).is_err());
}

#[test]
fn the_facts_of_shape_and_colour_tell_right_from_wrong() {
    let wide = film("mkv", &format!("-f lavfi -i testsrc2=s=720x576:r=25:d=1 -vf setsar=64/45 {QUICK}"));
    tells_apart(
        &Fact::Shape(16.0 / 9.0),
        &wide,
        &format!("-i @0 -vf scale=1024:576,setsar=1 {QUICK}"),
        &format!("-i @0 -vf setsar=1 {QUICK}"),
    );
    tells_apart(&Fact::Plain, &wide, &format!("-i @0 -vf scale=1024:576,setsar=1 {QUICK}"), "-i @0 -c copy");
    let red = film("mkv", "-f lavfi -i color=0xE02020:s=1280x720:r=25:d=0.6 -c:v ffv1 -pix_fmt bgr0");
    let shown = Fact::Shows(0.5, (0.5, 0.5), [0xE0, 0x20, 0x20], 6);
    let right = format!("-i @0 -vf scale=out_color_matrix=bt709,format=yuv420p {QUICK} -colorspace bt709");
    tells_apart(&shown, &red, &right, &format!("-i @0 {QUICK}"));
    let hdr = film(
        "mp4",
        "-f lavfi -i color=gray:s=320x180:r=25:d=1 -c:v libx265 -preset ultrafast -x265-params log-level=error:transfer=smpte2084 -pix_fmt yuv420p10le -color_trc smpte2084",
    );
    let tags = "-color_trc smpte2084";
    tells_apart(
        &Fact::NotHalfHdr,
        &hdr,
        &format!("-i @0 {QUICK} -color_trc bt709 -vf setparams=color_trc=bt709"),
        &format!("-i @0 {QUICK} {tags}"),
    );
    let fields = film(
        "mpg",
        "-f lavfi -i testsrc2=s=720x576:r=50:d=2,scroll=h=0.02,tinterlace=interleave_top,setfield=tff -c:v mpeg2video -b:v 6M -flags +ildct+ilme -top 1",
    );
    tells_apart(&Fact::NoCombs, &fields, &format!("-i @0 -vf bwdif=mode=0 {QUICK}"), &format!("-i @0 {QUICK}"));
    tells_apart(
        &Fact::LikeInput("yadif=mode=0", 0.9),
        &fields,
        &format!("-i @0 -vf bwdif=mode=0 {QUICK} -crf 18"),
        &format!("-i @0 -vf negate {QUICK}"),
    );
}

#[test]
fn the_facts_of_sound_tell_right_from_wrong() {
    let gap = film(
        "mkv",
        &format!(
            "{PICTURE}14 -f lavfi -i sine=1000:d=14:r=48000 -filter_complex [1:a]volume='if(gte(t,11)*lt(t,11.5),1,0.02)':eval=frame,aselect='not(between(t,4,7))'[a] -map 0:v -map [a] {QUICK} -c:a pcm_s16le"
        ),
    );
    let (right, wrong) = ("-i @0 -c:v copy -af aresample=async=1000:first_pts=0 -c:a aac", "-i @0 -c:v copy -c:a aac");
    tells_apart(&Fact::SamplesFill(14.0, 0.3), &gap, right, wrong);
    tells_apart(&Fact::LoudAt(11.0), &gap, right, wrong);
    let two = film("mkv", "-f lavfi -i sine=300:d=4 -f lavfi -i sine=2000:d=4 -map 0 -map 1 -c:a aac");
    tells_apart(&Fact::Tone(2000.0), &two, "-i @0 -map 0:a:1 -c copy", "-i @0 -map 0:a:0 -c copy");
    tells_apart(&Fact::Streams(0, 1, 0), &two, "-i @0 -map 0:a:1 -c copy", "-i @0 -map 0 -c copy");
    tells_apart(&Fact::Channels(1), &two, "-i @0 -map 0:a:1 -c copy", "-i @0 -ac 2");
    let german = film(
        "mkv",
        &format!("{TONE}2 -metadata:s:a:0 language=deu -metadata title=T -metadata creation_time=2019-07-14T10:11:12Z -c:a aac"),
    );
    let bare = "-i @0 -map_metadata -1 -c copy";
    tells_apart(&Fact::StreamTag("audio", "language", &["deu", "ger"]), &german, "-i @0 -c copy", bare);
    let dubbed = "-i @0 -c copy -disposition:a:0 dub";
    tells_apart(&Fact::Marked("audio", 0, "dub"), &german, dubbed, "-i @0 -c copy -disposition:a:0 default");
    tells_apart(&Fact::Tag("title", "T"), &german, "-i @0 -c copy", bare);
    // Asked for nothing, ffmpeg leaves the date away.
    tells_apart(&Fact::Taken("2019-07-14"), &german, "-i @0 -map_metadata 0 -c copy", "-i @0 -c copy");
}

#[test]
fn the_facts_of_sheets_and_progress_tell_right_from_wrong() {
    let colours =
        film("mp4", &format!("-f lavfi -i color=red:s=320x180:r=25:d=2[a];color=blue:s=320x180:r=25:d=2[b];[a][b]concat {QUICK}"));
    let sheet = |step: u32| format!("-i @0 -vf fps=25,select='not(mod(n,{step}))',tile=4x4 -frames:v 1 -c:v mjpeg");
    tells_apart(&Fact::SheetOf("RB"), &colours, &sheet(6), &sheet(30));
    tells_apart(&Fact::Sheet("RRRRRRRRRRRRRRRR"), &colours, &sheet(1), &sheet(6));
    let told = |ratio: Value, eta: Value| json!({"ratio": ratio, "eta_seconds": eta});
    let sane = [told(Value::Null, Value::Null), told(json!(0.2), json!(9)), told(json!(1.0), json!(0))];
    let mad = [told(json!(0.5), json!(9)), told(json!(0.1), json!(9))];
    let endless = [told(json!(0.5), json!(9_223_372_036_u64))];
    let check = |events: &[Value]| check(&Fact::SaneProgress, &colours, &colours, &Value::Null, &events.iter().collect::<Vec<_>>());
    assert_eq!(check(&sane), Ok(()));
    assert!(check(&mad).is_err() && check(&endless).is_err());
}
