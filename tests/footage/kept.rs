//! What goes along with picture and sound: dates, names, languages, chapters, subtitles; and what does not, but is told.

use crate::clip::{Clip, PICTURE, QUICK, SMALL, bytes, film, film_of};
use crate::facts::Fact::{
    ChaptersOrNone, Decodes, Frames, LeftOutTold, NoDamage, Refused, Seconds, SheetOf, Shows, Size, StreamTag, Streams, Tag, Taken,
};
use crate::table::{assert_all, row};

const TONE: &str = "-f lavfi -i sine=440:d=";
/// A Persian word that needs a joiner's opposite, a soft hyphen, and one emoji of two.
const JOINED: &str = "\u{645}\u{6cc}\u{200c}\u{62e}-co\u{ad}op-\u{1f469}\u{200d}\u{1f680}";
const DATE: &str = "-metadata creation_time=2019-07-14T10:11:12Z";

/// Metadata in ffmpeg's own form, with a title and two chapters of these names.
fn notes(first: &str, second: &str) -> Clip {
    let chapter = |from: u32, to: u32, name: &str| {
        let title = if name.is_empty() { String::new() } else { format!("title={name}\n") };
        format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={from}\nEND={to}\n{title}")
    };
    bytes("txt", format!(";FFMETADATA1\ntitle=Our holiday\n{}{}", chapter(0, 2000, first), chapter(2000, 5000, second)))
}

fn holiday(ending: &str, first: &str, second: &str) -> Clip {
    film_of(
        ending,
        &format!("{SMALL}5 {TONE}5 -i @0 -map_metadata 2 {DATE} -metadata:s:a:0 language=deu {QUICK} -c:a aac"),
        &[&notes(first, second)],
    )
}

#[test]
fn the_day_the_language_the_title_and_the_chapters_of_a_film_are_kept() {
    let german = StreamTag("audio", "language", &["deu", "ger"]);
    let named = ["Arrival", "The beach"].as_slice();
    let facts = [Taken("2019-07-14"), Tag("title", "Our holiday"), german.clone(), ChaptersOrNone(named), Seconds(5.0, 0.3)];
    let unnamed = [Taken("2019-07-14"), german, Seconds(5.0, 0.3), ChaptersOrNone(&[])];
    assert_all(
        "web-720p",
        &[
            row("holiday.mp4", holiday("mp4", "Arrival", "The beach"), &facts),
            // This kind of file has numbers of languages of its own, and ffmpeg writes none for this one.
            row("holiday.mov", holiday("mov", "Arrival", "The beach"), &[facts[0].clone(), facts[1].clone(), facts[3].clone()]),
            row("holiday.mkv", holiday("mkv", "Arrival", "The beach"), &facts),
            row("no-names.mkv", holiday("mkv", "", ""), &unnamed),
            row("joined-letters.mkv", film("mkv", &format!("{SMALL}1 {QUICK} -metadata title={JOINED}")), &[Tag("title", JOINED)]),
        ],
    );
}

#[test]
fn what_an_ogg_file_says_of_its_music_is_kept() {
    let tags = "-metadata title=T -metadata date=2019 -metadata genre=G -metadata track=3/9 -metadata composer=C -metadata album_artist=AA";
    let facts = [("title", "T"), ("date", "2019"), ("genre", "G"), ("track", "3/9"), ("composer", "C"), ("album_artist", "AA")]
        .map(|(name, value)| Tag(name, value));
    assert_all("audio-m4a", &[row("song.opus", film("opus", &format!("{TONE}1 -c:a libopus {tags}")), &facts)]);
}

fn tells_the_place(film: &std::path::Path) -> bool {
    let content = std::fs::read(film).expect("read");
    content.windows(8).any(|window| window == b"+52.5200")
}

#[test]
fn the_place_of_a_film_is_kept_only_where_the_preset_says_so() {
    let film = film(
        "mov",
        &format!(
            "{PICTURE}1 {QUICK} -movflags use_metadata_tags -metadata com.apple.quicktime.location.ISO6709=+52.5200+013.4050/"
        ),
    );
    let world = |preset: &str| {
        let (world, preset) = crate::table::world_of(preset, &[row("here.mov", film.clone(), &[])]);
        let run = world.run(&["--preset", &preset]);
        assert_eq!((run.code(), run.ends()), (Some(0), vec!["done"]), "{}", run.stderr);
        let output = run.end_event_of("here.mov")["output"].as_str().expect("a path").to_owned();
        tells_the_place(std::path::Path::new(&output))
    };
    let preset = "name: own\nvideo: { codec: libx264, preset: ultrafast, crf: 30 }\ncontainer: mov\nthreads: 1\n";
    assert!(tells_the_place(&film.path), "the film tells no place");
    assert!(!world(preset), "where a film was taken is nobody's business unless asked for");
    assert!(world(&format!("{preset}location: keep\n")), "the place is gone");
}

fn subtitled(codec: &str, ending: &str) -> Clip {
    let text = bytes("srt", "1\n00:00:00,500 --> 00:00:02,000\nHello\n");
    film_of(ending, &format!("{SMALL}4 {TONE}4 -i @0 -map 0:v -map 1:a -map 2:s {QUICK} -c:a aac -c:s {codec}"), &[&text])
}

fn dash_cam() -> Clip {
    let second = "-f lavfi -i testsrc=s=160x90:r=25:d=4";
    film("mp4", &format!("{PICTURE}4 {second} {TONE}4 -map 0:v -map 1:v -map 2:a {QUICK} -c:a aac"))
}

/// A font as subtitles bring it along.
fn with_font() -> Clip {
    let font = bytes("ttf", [0_u8, 1, 0, 0, 9, 9, 9, 9]);
    film_of(
        "mkv",
        &format!(
            "{SMALL}4 {TONE}4 -attach @0 -metadata:s:t mimetype=application/x-truetype-font -metadata:s:t filename=a.ttf {QUICK} -c:a aac"
        ),
        &[&font],
    )
}

#[test]
fn subtitles_and_further_pictures_that_are_left_out_are_told() {
    let text = [Streams(1, 1, 0), LeftOutTold(&["subtitle"])];
    assert_all(
        "web-720p",
        &[
            row("subtitles.mkv", subtitled("srt", "mkv"), &text),
            row("styled.mkv", subtitled("ass", "mkv"), &text),
            row("subtitles.mp4", subtitled("mov_text", "mp4"), &text),
            row("dash-cam.mp4", dash_cam(), &[Streams(1, 1, 0), Size(320, 180), LeftOutTold(&["picture", "video"])]),
            row("font.mkv", with_font(), &[Streams(1, 1, 0), Decodes]),
        ],
    );
}

#[test]
fn a_preset_may_ask_that_subtitles_are_kept() {
    for container in ["mp4", "mkv"] {
        let preset = format!(
            "name: own\nvideo: {{ codec: libx264, preset: ultrafast, crf: 30 }}\naudio: {{ codec: aac, bitrate: 96k }}\ncontainer: {container}\nthreads: 1\nsubtitles: keep\n"
        );
        assert_all(
            &preset,
            &[
                row("subtitles.mkv", subtitled("srt", "mkv"), &[Streams(1, 1, 1), Seconds(4.0, 0.3)]),
                row("styled.mkv", subtitled("ass", "mkv"), &[Streams(1, 1, 1), Seconds(4.0, 0.3)]),
                row("subtitles.mp4", subtitled("mov_text", "mp4"), &[Streams(1, 1, 1), Seconds(4.0, 0.3)]),
                row("none.mp4", film("mp4", &format!("{SMALL}4 {TONE}4 {QUICK} -c:a aac")), &[Streams(1, 1, 0)]),
            ],
        );
    }
}

#[test]
fn tracks_that_are_empty_are_no_loss() {
    let text = bytes("srt", "1\n00:00:30,000 --> 00:00:31,000\nHello\n");
    let words = format!("{SMALL}4 {TONE}4 -itsoffset 60 {TONE}1 -i @0 -map 0 -map 1 -map 2 -map 3 {QUICK} -c:a aac -c:s srt");
    let film = film_of("mkv", &words, &[&text]);
    // A piece in which neither the second sound nor the subtitle has anything.
    let piece = |maps: &str| film_of("mkv", &format!("-i @0 {maps} -c copy -t 3"), &[&film]);
    for container in ["mkv", "mp4"] {
        let preset = format!(
            "name: own\nvideo: {{ codec: libx264, preset: ultrafast, crf: 30 }}\naudio: {{ codec: aac, bitrate: 96k, tracks: all }}\n\
             container: {container}\nthreads: 1\nsubtitles: keep\non_damage: fail\n"
        );
        assert_all(
            &preset,
            &[
                row("piece.mkv", piece("-map 0"), &[Seconds(3.0, 0.3), Decodes, NoDamage]),
                row("no-sound-left.mkv", piece("-map 0:0 -map 0:2"), &[Frames(75, 0), NoDamage, LeftOutTold(&["empty"])]),
            ],
        );
    }
}

const RATE: &str = "-f lavfi -i testsrc2=s=320x180:r=30000/1001:d=6";

fn poster(flags: &str, ending: &str) -> Clip {
    let still = "-f lavfi -i color=red:s=600x600:r=1:d=1";
    film(
        ending,
        &format!(
            "{still} {RATE} {TONE}6 -map 0:v -map 1:v -map 2:a -c:v:0 mjpeg -c:v:1 libx264 -preset:v:1 ultrafast -c:a aac {flags}"
        ),
    )
}

#[test]
fn timecodes_covers_and_trims_leave_the_film_as_a_player_shows_it() {
    let whole = film("mp4", &format!("{RATE} {TONE}6 -c:v libx264 -preset veryfast -bf 3 -g 300 -c:a aac"));
    let cover = film("jpg", "-f lavfi -i color=red:s=600x600:d=0.04 -frames:v 1");
    let attached = film_of(
        "mkv",
        &format!("{RATE} {TONE}6 -attach @0 -metadata:s:t mimetype=image/jpeg -metadata:s:t filename=cover.jpg {QUICK} -c:a aac"),
        &[&cover],
    );
    let facts = [Size(320, 180), Streams(1, 1, 0), Seconds(6.0, 0.3), Decodes];
    assert_all(
        "proxy-480p",
        &[
            row("timecode.mov", film("mov", &format!("{RATE} {TONE}6 {QUICK} -c:a aac -timecode 01:02:03:04")), &facts),
            row("trimmed.mp4", film_of("mp4", "-ss 2.5 -i @0 -c copy", &[&whole]), &[Seconds(3.5, 0.25), Decodes]),
            row("long-group.mp4", whole, &facts),
            row("cover-first.mp4", poster("-disposition:v:0 attached_pic", "mp4"), &facts),
            row("cover-attached.mkv", attached, &facts),
            row("poster-not-flagged.mov", poster("-disposition:v:0 0 -disposition:v:1 default", "mov"), &facts),
            row("sound-only.mp4", film("mp4", &format!("{TONE}6 -c:a aac")), &[Refused(&["no picture", "no video"])]),
        ],
    );
}

fn white(rate: &str, seconds: &str) -> Clip {
    film("mp4", &format!("-f lavfi -i color=white:s=320x180:r={rate}:d={seconds} {QUICK}"))
}

fn short_films() -> Vec<(&'static str, Clip, f64, u64)> {
    let with_tone = |picture: &str, sound: &str| {
        film("mp4", &format!("-f lavfi -i color=white:s=320x180:r=25:d={picture} {TONE}{sound} {QUICK} -c:a aac"))
    };
    vec![
        ("one-picture.mp4", white("25", "0.04"), 0.04, 1),
        ("live-photo.mov", film_of("mov", "-i @0 -c copy", &[&white("25", "0.28")]), 0.28, 7),
        ("two-pictures-far-apart.mp4", white("1/4", "8"), 8.0, 2),
        ("one-a-second.mp4", white("1", "5"), 5.0, 5),
        ("cover-song.mp4", with_tone("0.04", "10"), 10.0, 1),
        ("picture-ends-early.mp4", with_tone("5", "30"), 30.0, 125),
        ("usual.mp4", white("25", "20"), 20.0, 500),
        ("one-picture.gif", film("gif", "-f lavfi -i color=white:s=320x180:r=25 -frames:v 1"), 0.1, 1),
    ]
}

#[test]
fn very_short_films_are_converted_with_every_picture() {
    let rows: Vec<_> = short_films()
        .into_iter()
        .map(|(name, clip, seconds, frames)| row(name, clip, &[Seconds(seconds, 0.3), Frames(frames, 0), Decodes]))
        .collect();
    assert_all("web-720p", &rows);
}

#[test]
fn very_short_films_and_such_with_longer_sound_have_a_sheet_without_empty_squares() {
    let sheet = |clip: &(&'static str, Clip, f64, u64)| match clip.3 {
        // What has enough pictures fills all squares.
        16.. => row(clip.0, clip.1.clone(), &[SheetOf("w"), Size(1280, 720)]),
        _ => row(clip.0, clip.1.clone(), &[Shows(0.0, (0.05, 0.05), [255; 3], 6)]),
    };
    let rows: Vec<_> = short_films().iter().map(sheet).collect();
    assert_all("thumbnails", &rows);
}
