use proptest::prelude::*;

use super::*;
use crate::domain::media::Colour;
use crate::domain::preset::PixelAspect;
use crate::host::fixtures::{quick, sheet};

fn plan() -> VideoPlan {
    VideoPlan { height: Some(720), ..quick().video.expect("a picture") }
}

fn stream(width: u32, height: u32) -> VideoStream {
    let pixel_format = "yuv420p".to_owned();
    VideoStream { codec: "h264".to_owned(), width, height, pixel_format, pixel_shape: (1, 1), fps: 30.0, ..VideoStream::default() }
}

fn chain(plan: &VideoPlan, stream: &VideoStream, has_zscale: bool) -> String {
    filters(plan, &MediaInfo::default(), stream, has_zscale).join(",")
}

fn coloured(space: &str, transfer: &str, primaries: &str) -> VideoStream {
    let told = |text: &str| text.to_owned();
    let colour = Colour { space: told(space), transfer: told(transfer), primaries: told(primaries), ..Colour::default() };
    VideoStream { colour, pixel_format: "yuv420p10le".to_owned(), ..stream(1920, 1080) }
}

#[test]
fn untagged_pictures_are_converted_and_tagged_as_players_take_them() {
    let text = chain(&VideoPlan { height: Some(480), ..plan() }, &stream(1920, 1080), true);
    assert!(text.contains("in_color_matrix=bt709:out_color_matrix=bt601") && text.contains("colorspace=smpte170m"), "{text}");
    let text = chain(&plan(), &stream(1920, 1080), true);
    assert!(text.contains("in_color_matrix=bt709:out_color_matrix=bt709") && text.contains("colorspace=bt709"), "{text}");
    let rgb = VideoStream { pixel_format: "bgr0".to_owned(), ..stream(1280, 720) };
    let text = chain(&plan(), &rgb, true);
    assert!(!text.contains("in_color_matrix") && text.contains("out_color_matrix=bt709"), "{text}");
}

#[test]
fn tagged_pictures_keep_what_their_tags_mean() {
    let text = chain(&VideoPlan { height: Some(480), ..plan() }, &coloured("bt709", "bt709", "bt709"), true);
    assert!(text.contains("in_color_matrix=bt709:out_color_matrix=bt709"), "{text}");
}

#[test]
fn primaries_and_transfer_stay_those_of_the_input_since_only_the_matrix_is_converted() {
    let phone = coloured("bt709", "iec61966-2-1", "smpte432");
    let text = chain(&VideoPlan { height: Some(480), ..plan() }, &phone, true);
    assert!(text.ends_with("colorspace=bt709:color_primaries=smpte432:color_trc=iec61966-2-1"), "{text}");
    let screen = VideoStream { pixel_format: "gbrp".to_owned(), ..coloured("", "iec61966-2-1", "smpte432") };
    let text = chain(&plan(), &screen, true);
    assert!(text.ends_with("colorspace=bt709:color_primaries=smpte432:color_trc=iec61966-2-1"), "{text}");
    let odd = chain(&plan(), &coloured("bt709", "new:one", "reserved"), true);
    assert!(odd.ends_with("colorspace=bt709:color_primaries=bt709:color_trc=bt709"), "{odd}");
}

#[test]
fn this_ffmpeg_knows_every_colour_that_an_output_may_be_tagged_with() {
    use crate::host::fixtures::make;
    let dir = tempfile::tempdir().expect("folder");
    let all = |name: &str, values: &[&str]| values.iter().map(|value| format!("setparams={name}={value}")).collect::<Vec<_>>();
    let fixed = [BT709, BT601_PAL, BT601_NTSC, SMPTE240M, FCC, BT2020];
    let chain = [
        all("colorspace", SPACES),
        all("color_primaries", PRIMARIES),
        all("color_trc", TRANSFERS),
        all("color_primaries", &fixed.map(|tags| tags.primaries)),
        all("color_trc", &fixed.map(|tags| tags.transfer)),
        all("colorspace", &fixed.map(|tags| tags.space)),
    ];
    let filters = chain.concat().join(",");
    make(
        &dir.path().join("x.nut"),
        &["-f", "lavfi", "-i", "color=s=16x16:r=5:d=0.2", "-vf", &filters, "-c:v", "ffv1", "-f", "nut"],
    );
}

#[test]
fn high_dynamic_range_keeps_its_range_until_it_is_converted_whatever_its_size() {
    let mut full = coloured("bt2020nc", "smpte2084", "bt2020");
    "pc".clone_into(&mut full.colour.range);
    let keep = VideoPlan { hdr: Hdr::Keep, pixel_format: Some(PixelFormat::Yuv420p10), ..plan() };
    for (plan, has_zscale) in [(&plan(), true), (&plan(), false), (&keep, true)] {
        let text = chain(plan, &full, has_zscale);
        assert!(text.contains(":eval=frame:in_range=pc:out_range=pc,") && !text.contains("=tv:out_range=tv"), "{text}");
        assert!(text.contains("setparams=range=pc:") || text.contains("in_range=pc:out_range=tv"), "{text}");
    }
}

#[test]
fn high_dynamic_range_is_mapped_with_zscale_by_a_table_without_it_or_kept() {
    let hdr = coloured("bt2020nc", "smpte2084", "bt2020");
    let mapped = chain(&plan(), &hdr, true);
    assert!(mapped.contains("zscale=t=linear") && mapped.contains("tonemap=") && mapped.ends_with("color_trc=bt709"), "{mapped}");
    let table = chain(&plan(), &hdr, false);
    assert!(table.contains("lutyuv=") && !table.contains("zscale") && table.ends_with("color_trc=bt709"), "{table}");
    let keep = VideoPlan { hdr: Hdr::Keep, pixel_format: Some(PixelFormat::Yuv420p10), ..plan() };
    let kept = chain(&keep, &hdr, true);
    assert!(kept.contains("color_trc=smpte2084") && !kept.contains("tonemap"), "{kept}");
    let hlg = chain(&plan(), &coloured("bt2020nc", "arib-std-b67", "bt2020"), false);
    assert!(hlg.contains("lutyuv=") && hlg != table, "with the curve of its own: {hlg}");
}

#[test]
fn wide_and_bright_films_are_read_with_the_colours_that_they_tell() {
    let marked = |stream: &VideoStream, plan: &VideoPlan| {
        let text = chain(plan, stream, true);
        let from = text.find("setparams=").expect("marked");
        text[from..].split(',').next().expect("a filter").to_owned()
    };
    let as_told = |space, primaries, transfer| {
        format!("setparams=range=tv:colorspace={space}:color_primaries={primaries}:color_trc={transfer}")
    };
    let keep = VideoPlan { hdr: Hdr::Keep, pixel_format: Some(PixelFormat::Yuv420p10), ..plan() };
    for plan in [&plan(), &keep] {
        let told = coloured("bt709", "smpte2084", "smpte432");
        assert_eq!(marked(&told, plan), as_told("bt709", "smpte432", "smpte2084"));
        let silent = coloured("", "arib-std-b67", "");
        assert_eq!(marked(&silent, plan), as_told("bt2020nc", "bt2020", "arib-std-b67"));
        let odd = coloured("bt2020c", "smpte2084", "new:one");
        assert_eq!(marked(&odd, plan), as_told("bt2020nc", "bt2020", "smpte2084"), "zscale cannot read these");
    }
    assert_eq!(marked(&coloured("bt709", "bt709", "bt2020"), &plan()), as_told("bt709", "bt2020", "bt709"));
    assert_eq!(marked(&coloured("bt2020nc", "smpte428", "bt2020"), &plan()), as_told("bt2020nc", "bt2020", "bt2020-10"));
    let table = chain(&plan(), &coloured("bt709", "arib-std-b67", "bt709"), false);
    assert!(table.contains("scale=in_color_matrix=bt709:out_color_matrix=bt709"), "{table}");
}

#[test]
fn only_interlaced_pictures_of_some_size_are_deinterlaced() {
    let interlaced = |width, height| VideoStream { is_interlaced: true, ..stream(width, height) };
    let kept = "scale=720:576:interl=-1:eval=frame,bwdif=mode=send_frame:deint=interlaced,";
    assert!(chain(&plan(), &interlaced(720, 576), true).starts_with(kept));
    let turned = VideoStream { has_matrix: true, ..interlaced(720, 576) };
    assert!(chain(&plan(), &turned, true).starts_with("bwdif=mode=send_frame:deint=interlaced,"), "ffmpeg turns it in front");
    assert!(!chain(&plan(), &interlaced(2, 2), true).contains("bwdif"));
    assert!(!chain(&plan(), &stream(720, 576), true).contains("bwdif"));
    let off = VideoPlan { deinterlace: Deinterlace::Off, ..plan() };
    assert!(!chain(&off, &interlaced(720, 576), true).contains("bwdif"));
}

#[test]
fn a_sheet_shows_the_middle_of_each_share_of_the_picture_s_own_length() {
    let media = MediaInfo { duration: Some(std::time::Duration::from_mins(1)), ..MediaInfo::default() };
    let film = VideoStream { duration: Some(std::time::Duration::from_secs(12)), ..stream(320, 180) };
    let text = filters(&sheet().video.expect("a picture"), &media, &film, true).join(",");
    assert!(text.starts_with("setpts=PTS-STARTPTS,fps=fps=6000000/12000000:round=near"), "{text}");
    assert!(text.ends_with("tpad=stop=6:stop_mode=clone,tile=3x2"), "{text}");
}

proptest! {
    #[test]
    fn sizes_are_even_and_small_enough_and_in_shape(
        width in 1_u32..8192, height in 1_u32..8192, across in 0_u32..300, down in 0_u32..300, is_turned: bool,
        limit in proptest::option::of(8_u32..2160), keep: bool,
    ) {
        let pixel_aspect = if keep { PixelAspect::Keep } else { PixelAspect::Square };
        let plan = VideoPlan { height: limit.map(|half| half * 2), pixel_aspect, ..plan() };
        let stream = VideoStream { pixel_shape: (across, down), is_turned, ..stream(width, height) };
        let made = picture::output(&plan, &stream);
        prop_assert!(made.width >= 2 && made.height >= 2 && made.width.is_multiple_of(2) && made.height.is_multiple_of(2));
        prop_assert!(made.width <= 16_384 && made.height <= 16_384);
        let pixel = if picture::has_known_pixels(&stream) { f64::from(across) / f64::from(down) } else { 1.0 };
        let shown = f64::from(width) * pixel / f64::from(height);
        let shown = if is_turned { 1.0 / shown } else { shown };
        let (x, y) = made.pixel_shape;
        let shape = f64::from(made.width) / f64::from(made.height) * f64::from(x) / f64::from(y);
        prop_assert!((shape / shown - 1.0).abs() < 0.02 || !(0.005..=200.0).contains(&shown), "{shown} became {shape}");
    }
}
