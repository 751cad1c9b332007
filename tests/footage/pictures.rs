//! What is shown: shape, way up, colours, brightness, and one moment at a time.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::clip::{Clip, QUICK, SMALL, catenated, film, film_of};
use crate::facts::Fact::{Decodes, Frames, LikeInput, Moments, NoCombs, NotHalfHdr, Plain, Shape, Shows, Size};
use crate::support::{World, tool};
use crate::table::{QUICK_720, Row, assert_all, assert_all_in, row, world_of};

const MIDDLE: (f64, f64) = (0.5, 0.5);
const WHITE: [i32; 3] = [255; 3];

/// A grey of this level of 876, marked as of this transfer; 10 bits.
fn of_high_range(ending: &str, transfer: &str, level: f64, more: &str) -> Clip {
    let graph = format!("color=c=gray:s=640x360:r=25:d=0.4,format=yuv420p10le,geq=lum='64+876*{level}':cb=512:cr=512");
    let name = if transfer == "smpte2084" { ":hdr10=1:max-cll=1000,400" } else { "" };
    let params = format!("log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc{name}");
    film(
        ending,
        &format!(
            "-f lavfi -i {graph} -c:v libx265 -preset ultrafast -x265-params {params} -pix_fmt yuv420p10le \
             -color_primaries bt2020 -color_trc {transfer} -colorspace bt2020nc {more}"
        ),
    )
}

/// White as a screen shows it: 100 candelas are 0.508 in PQ; a diffuse white is 0.75 in HLG.
fn high_range() -> Vec<Row> {
    let vp9 = "-f lavfi -i color=c=gray:s=640x360:r=25:d=0.4,format=yuv420p10le,geq=lum='64+876*0.508':cb=512:cr=512 \
               -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 \
               -colorspace bt2020nc";
    let facts = [NotHalfHdr, Shows(0.0, MIDDLE, [232; 3], 32)];
    vec![
        row("hdr10.mp4", of_high_range("mp4", "smpte2084", 0.508, "-tag:v hvc1"), &facts),
        row("hdr10.mkv", of_high_range("mkv", "smpte2084", 0.508, ""), &facts),
        row("hlg.mov", of_high_range("mov", "arib-std-b67", 0.75, "-tag:v hvc1"), &facts),
        row("youtube.webm", film("webm", vp9), &facts),
        row(
            "usual-in-10-bits.mkv",
            film(
                "mkv",
                "-f lavfi -i color=white:s=640x360:r=25:d=0.4 -c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p10le",
            ),
            &[NotHalfHdr, Shows(0.0, MIDDLE, WHITE, 4)],
        ),
    ]
}

#[test]
fn a_film_of_high_range_becomes_one_of_usual_range_that_is_as_bright() {
    assert_all("web-720p", &high_range());
}

#[test]
fn a_film_of_high_range_in_narrow_colours_keeps_them() {
    let film = film(
        "mkv",
        "-f lavfi -i color=0xC06030:s=160x90:r=25:d=0.4 -vf scale=out_color_matrix=bt709,format=yuv420p10le -c:v libx265 \
         -preset ultrafast -x265-params log-level=error:colorprim=bt709:transfer=arib-std-b67:colormatrix=bt709 \
         -color_primaries bt709 -color_trc arib-std-b67 -colorspace bt709",
    );
    assert_all("web-720p", &[row("hlg-709.mkv", film, &[NotHalfHdr, Shows(0.0, MIDDLE, [234, 97, 48], 8)])]);
}

#[test]
fn a_film_with_a_matrix_that_does_not_go_with_its_colours_is_made_all_the_same() {
    let odd = |space: &str, primaries: &str| {
        let words = "-f lavfi -i color=gray:s=160x90:r=25:d=0.4 -vf format=yuv420p10le -c:v libx265 -preset ultrafast";
        let marks = format!("colorprim={primaries}:transfer=smpte2084:colormatrix={space}");
        film("mkv", &format!("{words} -x265-params log-level=error:{marks}"))
    };
    assert_all(
        "web-720p",
        &[
            row("ictcp.mkv", odd("ictcp", "bt709"), &[NotHalfHdr, Decodes]),
            row("derived.mkv", odd("chroma-derived-nc", "smpte428"), &[NotHalfHdr, Decodes]),
            row("right.mkv", odd("ictcp", "bt2020"), &[NotHalfHdr, Decodes]),
        ],
    );
}

#[test]
fn the_sheet_of_a_film_of_high_range_is_as_bright() {
    let rows = high_range().into_iter().map(|row| Row { facts: vec![Shows(0.0, (0.1, 0.1), [232; 3], 32)], ..row });
    assert_all("thumbnails", &rows.collect::<Vec<_>>());
}

/// A folder with an ffmpeg that has no filter zscale, as builds without libzimg; and its ffprobe.
fn without_zscale(world: &World) -> PathBuf {
    let real = tool("ffmpeg");
    let real = real.display();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in\n*' -filters '*) '{real}' \"$@\" | grep -v ' zscale ';;\n\
         *zscale*) echo \"No such filter: 'zscale'\" >&2; exit 1;;\n*) exec '{real}' \"$@\";;\nesac\n"
    );
    let ffmpeg = world.write("tools/ffmpeg", script);
    std::fs::set_permissions(&ffmpeg, std::fs::Permissions::from_mode(0o755)).expect("set");
    std::os::unix::fs::symlink(tool("ffprobe"), world.path("tools/ffprobe")).expect("a link");
    ffmpeg
}

#[test]
fn with_an_ffmpeg_that_has_no_zscale_a_film_of_high_range_is_as_bright() {
    let rows = high_range();
    let (world, preset) = world_of("web-720p", &rows);
    let ffmpeg = without_zscale(&world);
    assert_all_in(&world, &["--preset", &preset, "--ffmpeg", ffmpeg.to_str().expect("UTF-8")], &rows);
}

#[test]
fn an_interlaced_film_is_made_progressive_and_a_progressive_one_is_left_alone() {
    let moving = |size: &str, seconds: u32, lines: &str, field: &str| {
        format!("-f lavfi -i testsrc2=s={size}:r=50:d={seconds},scroll=h=0.02,tinterlace={lines},setfield={field}")
    };
    let top = |size: &str, seconds: u32| moving(size, seconds, "interleave_top", "tff");
    let bottom = |size: &str, seconds: u32| moving(size, seconds, "interleave_bottom", "bff");
    let flags = "-flags +ildct+ilme";
    let progressive = "-f lavfi -i testsrc2=s=720x576:r=25:d=2,scroll=h=0.02";
    // What comes first says nothing of the rest.
    let mixed = {
        let words = "-c:v mpeg2video -threads 1 -b:v 6M";
        let first = film("mpg", &format!("-f lavfi -i testsrc2=s=720x576:r=25:d=0.4,scroll=h=0.02 {words}"));
        catenated("mpg", &[&first, &film("mpg", &format!("{} {words} {flags} -top 1", top("720x576", 2)))])
    };
    assert_all(
        QUICK_720,
        &[
            row("mixed.mpg", mixed, &[NoCombs, Frames(60, 2)]),
            row(
                "dvd.vob",
                film("vob", &format!("{} -c:v mpeg2video -b:v 6M {flags} -top 1 -aspect 4:3", top("720x576", 2))),
                &[NoCombs, Decodes],
            ),
            row(
                "dvd-bottom.mpg",
                film("mpg", &format!("{} -c:v mpeg2video -b:v 6M {flags} -top 0", bottom("720x576", 2))),
                &[NoCombs],
            ),
            row(
                "tv.ts",
                film("ts", &format!("{} {QUICK} {flags} -x264opts tff=1", top("1920x1080", 1))),
                &[NoCombs, LikeInput("yadif=mode=0,scale=1280:720", 0.93)],
            ),
            row("tape.dv", film("dv", &format!("{} -target pal-dv", bottom("720x576", 2))), &[NoCombs]),
            row("tape.avi", film("avi", &format!("{} -c:v dvvideo -pix_fmt yuv420p {flags}", bottom("720x576", 2))), &[NoCombs]),
            row(
                "broadcast.mxf",
                film("mxf", &format!("{} -c:v mpeg2video -b:v 10M {flags} -top 1", top("720x576", 2))),
                &[NoCombs],
            ),
            row(
                "progressive.mpg",
                film("mpg", &format!("{progressive} -c:v mpeg2video -b:v 6M")),
                &[Frames(50, 0), NoCombs, LikeInput("scale=720:576", 0.9)],
            ),
            row("phone.mp4", film("mp4", &format!("{progressive} {QUICK}")), &[Frames(50, 0), Moments(1.05)]),
            row(
                "progressive.avi",
                film("avi", &format!("{progressive} -c:v mpeg4 -b:v 4M")),
                &[Frames(50, 0), NoCombs, LikeInput("scale=720:576", 0.9)],
            ),
        ],
    );
}

#[test]
fn an_interlaced_film_is_made_progressive_where_only_its_pictures_say_that_it_is() {
    // Fields have colours of their own: made of half as many lines, these would be combed for good.
    let fields = |format: &str, size: &str, lines: &str, field: &str, words: &str| {
        format!(
            "-f lavfi -i testsrc2=s={size}:r=50:d=0.6,format={format},scroll=h=0.02,tinterlace={lines},setfield={field} -threads 1 {words}"
        )
    };
    let top = |format: &str, size: &str, words: &str| fields(format, size, "interleave_top", "tff", words);
    let bottom = |size: &str, words: &str| fields("yuv422p10le", size, "interleave_bottom", "bff", words);
    let divx = top("yuv420p", "720x576", "-c:v mpeg4 -b:v 4M -flags +ildct+ilme -top 1");
    let avid = top("yuv422p", "1920x1080", "-c:v dnxhd -b:v 120M -flags +ildct+ilme");
    let prores = bottom("720x576", "-c:v prores_ks -flags +ildct");
    let disc = top("yuv420p", "720x576", &format!("{QUICK} -flags +ildct+ilme -x264opts tff=1"));
    assert_all(
        QUICK_720,
        &[
            row("divx.avi", film("avi", &divx), &[NoCombs, Frames(15, 1)]),
            row("divx.mp4", film("mp4", &divx), &[NoCombs]),
            row("avid.mov", film("mov", &avid), &[NoCombs, LikeInput("yadif=mode=0,scale=1280:720", 0.97)]),
            row("prores.mov", film("mov", &prores), &[NoCombs]),
            row("prores.mkv", film("mkv", &prores), &[NoCombs]),
            row("disc.mkv", film("mkv", &disc), &[NoCombs]),
        ],
    );
}

/// Left half red, right half blue.
fn two_halves(size: (u32, u32)) -> String {
    let (width, height) = (size.0 / 2, size.1);
    format!(
        "-f lavfi -i color=red:s={width}x{height}:r=25:d=0.4[l];color=blue:s={width}x{height}:r=25:d=0.4[r];[l][r]hstack {QUICK}"
    )
}

fn turned(size: (u32, u32), degrees: &str) -> Clip {
    film_of("mov", &format!("-i @0 -c copy -metadata:s:v:0 rotate={degrees}"), &[&film("mp4", &two_halves(size))])
}

/// A matrix that shows the picture as in a mirror: its right side left.
fn mirrored(size: (u32, u32)) -> Clip {
    film("mov", &two_halves(size)).edited("mirrored", |content| {
        let at = content.windows(4).position(|window| window == b"tkhd").expect("a track") + 44;
        let width = i32::try_from(size.0).expect("small") << 16;
        content[at..at + 4].copy_from_slice(&(-65536_i32).to_be_bytes());
        content[at + 24..at + 28].copy_from_slice(&width.to_be_bytes());
    })
}

#[test]
fn a_film_is_shown_upright_and_its_short_side_is_what_the_preset_limits() {
    const RED: [i32; 3] = [254, 0, 0];
    const BLUE: [i32; 3] = [0, 0, 254];
    let both = |first: (f64, f64), second: (f64, f64)| [Shows(0.0, first, RED, 60), Shows(0.0, second, BLUE, 60), Plain];
    let (left, right) = ((0.2, 0.5), (0.8, 0.5));
    let (above, below) = ((0.5, 0.2), (0.5, 0.8));
    let with = |facts: &[crate::facts::Fact], size: (u64, u64)| [facts, &[Size(size.0, size.1)]].concat();
    // This ffmpeg writes a turn of 90 against the clock: the left half comes down.
    assert_all(
        QUICK_720,
        &[
            row("phone-90.mov", turned((1920, 1080), "90"), &with(&both(below, above), (720, 1280))),
            row("phone-270.mov", turned((1920, 1080), "270"), &with(&both(above, below), (720, 1280))),
            row("phone-180.mov", turned((1920, 1080), "180"), &with(&both(right, left), (1280, 720))),
            row("small-90.mov", turned((640, 360), "90"), &with(&both(below, above), (360, 640))),
            row("mirrored.mov", mirrored((640, 360)), &with(&both(right, left), (640, 360))),
            row("portrait.mp4", film("mp4", &two_halves((1080, 1920))), &with(&both(left, right), (720, 1280))),
            row("square.mp4", film("mp4", &two_halves((1080, 1080))), &with(&both(left, right), (720, 720))),
            row("landscape.mp4", film("mp4", &two_halves((1920, 1080))), &with(&both(left, right), (1280, 720))),
            row("never-larger.mp4", film("mp4", &two_halves((640, 360))), &with(&both(left, right), (640, 360))),
        ],
    );
}

#[test]
fn anamorphic_odd_tiny_and_extreme_pictures_keep_their_shape() {
    let of = |size: &str, more: &str| film("mkv", &format!("-f lavfi -i testsrc2=s={size}:r=25:d=0.4 {more}"));
    let odd = |size: &str| of(size, "-c:v ffv1 -pix_fmt yuv444p");
    let pixels = |ratio: &str| format!("-vf setsar={ratio} {QUICK}");
    let upright = film_of(
        "mov",
        "-i @0 -c copy -metadata:s:v:0 rotate=90",
        &[&film("mp4", &format!("-f lavfi -i testsrc2=s=720x576:r=25:d=0.4 {}", pixels("64/45")))],
    );
    let keeps = |shape: f64| [Shape(shape), Plain, Decodes];
    assert_all(
        QUICK_720,
        &[
            row("pal-wide.mkv", of("720x576", &pixels("64/45")), &keeps(16.0 / 9.0)),
            row("ntsc.mkv", of("720x480", &pixels("8/9")), &keeps(4.0 / 3.0)),
            row("hdv.mkv", of("1440x1080", &pixels("4/3")), &keeps(16.0 / 9.0)),
            row("half-wide.mkv", of("320x480", &pixels("2/1")), &keeps(4.0 / 3.0)),
            row("anamorphic-upright.mov", upright, &keeps(9.0 / 16.0)),
            row("odd-853x479.mkv", odd("853x479"), &keeps(853.0 / 479.0)),
            row("odd-1367x769.mkv", odd("1367x769"), &keeps(1367.0 / 769.0)),
            row("odd-721x1281.mkv", odd("721x1281"), &keeps(721.0 / 1281.0)),
            row("wide-2000x20.mkv", odd("2000x20"), &keeps(100.0)),
            row("tall-20x2000.mkv", odd("20x2000"), &keeps(0.01)),
            // These cannot be even and of the same shape with square pixels and no picture larger than it was.
            row("tiny-3x5.mkv", of("64x64", "-vf scale=3:5,setsar=1 -c:v ffv1 -pix_fmt yuv444p"), &[Shape(0.6), Decodes]),
            row("tiny-1x1.mkv", of("64x64", "-vf scale=1:1 -c:v ffv1 -pix_fmt yuv444p"), &[Shape(1.0), Decodes]),
        ],
    );
}

/// What is meant by the films below.
const MEANT: [i32; 3] = [0xE0, 0x20, 0x20];

fn one_colour(ending: &str, size: &str, more: &str) -> Clip {
    film(ending, &format!("-f lavfi -i color=0xE02020:s={size}:r=25:d=0.4 {more}"))
}

#[test]
fn colours_are_those_that_a_player_shows_of_the_input() {
    let matrix = |name: &str| format!("-vf scale=out_color_matrix={name},format=yuv420p");
    let tagged = |name: &str, tag: &str| format!("{} {QUICK} -colorspace {tag}", matrix(name));
    let shown = [Shows(0.2, MIDDLE, MEANT, 6)];
    // A GIF has 256 colours: the nearest one is meant.
    let rows = [
        row("screen-rgb.mkv", one_colour("mkv", "1280x720", "-c:v ffv1 -pix_fmt bgr0"), &shown),
        row("screen-rgb-small.mkv", one_colour("mkv", "640x360", "-c:v ffv1 -pix_fmt bgr0"), &shown),
        row("screen-rgb.mp4", one_colour("mp4", "1280x720", "-c:v libx264rgb -preset ultrafast -qp 0"), &shown),
        row("screen-444.mkv", one_colour("mkv", "1280x720", "-vf scale=out_color_matrix=bt709,format=yuv444p -c:v ffv1"), &shown),
        row("capture.avi", one_colour("avi", "640x360", "-c:v rawvideo -pix_fmt bgr24"), &shown),
        row("anim.gif", one_colour("gif", "320x180", ""), &[Shows(0.2, MIDDLE, MEANT, 12)]),
        row("png.mov", one_colour("mov", "1280x720", "-c:v png"), &shown),
        row("camera-1080.mp4", one_colour("mp4", "1920x1080", &format!("{} {QUICK}", matrix("bt709"))), &shown),
        row("camera-480.mp4", one_colour("mp4", "854x480", &format!("{} {QUICK}", matrix("bt601"))), &shown),
        row("tagged-601-at-1080.mp4", one_colour("mp4", "1920x1080", &tagged("bt601", "smpte170m")), &shown),
        row("tagged-709-at-360.mp4", one_colour("mp4", "640x360", &tagged("bt709", "bt709")), &shown),
        row("photo-camera.avi", one_colour("avi", "640x360", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"), &shown),
    ];
    assert_all(QUICK_720, &rows);
    assert_all("proxy-480p", &rows);
}

#[test]
fn black_is_black_and_white_is_white_in_films_of_full_range() {
    let halves = "-f lavfi -i color=black:s=640x360:r=25:d=0.4[a];color=white:s=640x360:r=25:d=0.4[b];[a][b]hstack,scale=out_range=pc,format=";
    let facts = [Shows(0.0, (0.1, 0.1), [0; 3], 4), Shows(0.0, (0.9, 0.1), WHITE, 5)];
    let (black, white) = (Shows(0.0, (0.02, 0.1), [0; 3], 5), Shows(0.0, (0.24, 0.1), WHITE, 6));
    let limited = "-f lavfi -i color=black:s=640x360:r=25:d=0.4[a];color=white:s=640x360:r=25:d=0.4[b];[a][b]hstack,format=yuv420p";
    let rows = [
        row("pixel.mp4", film("mp4", &format!("{halves}yuvj420p {} -color_range pc", "-c:v libx264 -preset ultrafast")), &facts),
        row("j422.avi", film("avi", &format!("{halves}yuvj422p -c:v mjpeg -q:v 2")), &facts),
        row("j444.mkv", film("mkv", &format!("{halves}yuvj444p -c:v libx264 -preset ultrafast -color_range pc")), &facts),
        row("limited.mp4", film("mp4", &format!("{limited} {QUICK}")), &facts),
    ];
    assert_all("web-720p", &rows);
    assert_all("proxy-480p", &rows);
    // Each square of the sheet is the whole film once more.
    assert_all("thumbnails", &rows.map(|row| Row { facts: vec![black.clone(), white.clone()], ..row }));
}

#[test]
fn a_film_with_transparent_places_or_of_an_unusual_format_is_converted() {
    let of =
        |ending: &str, graph: &str, words: &str| film(ending, &format!("-f lavfi -i testsrc2=s=320x180:r=25:d=1{graph} {words}"));
    let facts = [Frames(25, 0), Decodes, Size(320, 180)];
    let alpha = ",format=rgba,colorchannelmixer=aa=0.5";
    assert_all(
        "proxy-480p",
        &[
            row("alpha.mov", of("mov", alpha, "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le"), &facts),
            row("alpha.webm", of("webm", ",format=yuva420p", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"), &facts),
            row(
                "422-10.mkv",
                of("mkv", "", "-c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv422p10le"),
                &facts,
            ),
            row("grey.mkv", of("mkv", "", "-c:v ffv1 -pix_fmt gray"), &facts),
            row("16-bits.mkv", of("mkv", "", "-c:v ffv1 -pix_fmt yuv444p16le"), &facts),
            row("411.avi", of("avi", "", "-c:v rawvideo -pix_fmt yuv411p"), &facts),
            row("palette.mov", of("mov", "", "-c:v qtrle -pix_fmt rgb24"), &facts),
            row(
                "long-group.mp4",
                film("mp4", &format!("{SMALL}20 -c:v libx264 -preset veryfast -bf 3 -g 600")),
                &[Frames(500, 0), Decodes],
            ),
        ],
    );
}

#[test]
fn a_raw_picture_with_its_colours_side_by_side_keeps_them() {
    let raw = |format: &str| film("avi", &format!("-f lavfi -i color=red:s=320x180:r=25:d=0.4 -c:v rawvideo -pix_fmt {format}"));
    // A preset that names no pixel format.
    let own = "name: own\nvideo: { codec: libx264, preset: ultrafast, crf: 20 }\ncontainer: mp4\nthreads: 1\n";
    let facts = [Frames(10, 0), Decodes, Shows(0.0, (0.5, 0.5), [255, 0, 0], 8)];
    assert_all(own, &[row("nv12.avi", raw("nv12"), &facts), row("nv21.avi", raw("nv21"), &facts)]);
}
