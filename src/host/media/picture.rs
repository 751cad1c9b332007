//! The chain of filters between decoder and encoder: upright, in shape, progressive, and in the colours that players assume.
//!
//! Writes filter descriptions; starts nothing and looks at no file.

use std::fmt::Write as _;

use crate::domain::media::{MediaInfo, VideoStream};
use crate::domain::picture::{self, Picture};
use crate::domain::preset::{Deinterlace, Hdr, PixelFormat, Tile, VideoCodec, VideoPlan};

/// A film with fewer lines or columns than this is not deinterlaced: the filter refuses less than 3.
const LEAST_INTERLACED: u32 = 16;
/// Lines, or columns of a wide film, from which players take an untagged picture for BT.709.
const HD_LINES: u32 = 720;
/// As [`HD_LINES`].
const HD_COLUMNS: u32 = 1280;
/// Length of a contact sheet's film when nothing tells it, in seconds.
const UNKNOWN_LENGTH: f64 = 160.0;
/// PQ's curve as a table for the brightness alone, for an ffmpeg without zscale: nits / 100 by SMPTE ST 2084, highlights
/// pressed together, and the curve of a common screen.
const PQ_TABLE: &str = "lutyuv=y='minval+(maxval-minval)*pow(clip(1.35*st(0,100*pow(max(pow(clip((val-minval)/(maxval-minval),0,1),\
    1/78.84375)-0.8359375,0)/(18.8515625-18.6875*pow(clip((val-minval)/(maxval-minval),0,1),1/78.84375)),1/0.1593017578125))\
    /(1+0.6*ld(0)),0,1),1/2.2)'";
/// HLG's curve as a table for the brightness alone: a polynomial fitted to what the chain with zscale makes of greys from black
/// to white, to within 1 % of it.
const HLG_TABLE: &str = "lutyuv=y='st(0,clip((val-minval)/(maxval-minval),0,1));\
    minval+(maxval-minval)*clip(ld(0)*(1.39+ld(0)*(1.18+ld(0)*(1.14*ld(0)-2.7))),0,1)'";

/// What the encoder is told of colours, and the chain that makes them so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tags {
    /// The matrix, as swscale names it.
    matrix: &'static str,
    /// The matrix, as frames are tagged.
    space: &'static str,
    primaries: &'static str,
    transfer: &'static str,
}

const BT709: Tags = Tags { matrix: "bt709", space: "bt709", primaries: "bt709", transfer: "bt709" };
const BT601_PAL: Tags = Tags { matrix: "bt601", space: "bt470bg", primaries: "bt470bg", transfer: "smpte170m" };
const BT601_NTSC: Tags = Tags { matrix: "bt601", space: "smpte170m", primaries: "smpte170m", transfer: "smpte170m" };
const SMPTE240M: Tags = Tags { matrix: "smpte240m", space: "smpte240m", primaries: "smpte240m", transfer: "smpte240m" };
const FCC: Tags = Tags { matrix: "fcc", space: "fcc", primaries: "bt470m", transfer: "bt470m" };
const BT2020: Tags = Tags { matrix: "bt2020", space: "bt2020nc", primaries: "bt2020", transfer: "bt2020-10" };

/// Primaries that a file may tell, by the names that ffprobe and the filter share.
const PRIMARIES: &[&str] = &[
    "bt709",
    "bt470m",
    "bt470bg",
    "smpte170m",
    "smpte240m",
    "film",
    "bt2020",
    "smpte428",
    "smpte431",
    "smpte432",
    "ebu3213",
    "jedec-p22",
];
/// The same for transfer functions of standard range.
const TRANSFERS: &[&str] = &[
    "bt709",
    "bt470m",
    "bt470bg",
    "smpte170m",
    "smpte240m",
    "linear",
    "log100",
    "log316",
    "iec61966-2-4",
    "bt1361e",
    "iec61966-2-1",
    "bt2020-10",
    "bt2020-12",
    "smpte428",
];

/// Matrices that zscale reads as they are told.
const SPACES: &[&str] = &["bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "ycgco", "bt2020nc", "chroma-derived-nc", "ictcp"];
/// Transfer functions that a file may tell, and that zscale does not know.
const UNKNOWN_TO_ZSCALE: &[&str] = &["bt1361e", "smpte428"];

/// Codecs of archives and captures whose pictures do not say whether they are of two fields.
const FLAG_NO_FIELDS: &[&str] =
    &["ffv1", "huffyuv", "ffvhuff", "utvideo", "cfhd", "jpeg2000", "magicyuv", "v308", "v408", "v410", "qtrle"];
/// Pixel formats with both colours side by side: ffmpeg 5.1 makes a green picture of them at the end of this chain.
const SIDE_BY_SIDE: &[&str] = &["nv12", "nv21"];
/// Codecs of films as they are sent and sold: grey in these is of limited range, as all that they hold.
const OF_LIMITED_RANGE: &[&str] = &["h264", "hevc", "av1", "vp9"];

/// What becomes of the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourWay {
    /// They stay in their range of brightness.
    Plain,
    /// High dynamic range is mapped by light, in linear colours.
    Tonemap,
    /// High dynamic range is mapped by a table of brightness: this ffmpeg has no zscale.
    Table,
    /// Wide colours of standard range become BT.709.
    Narrow,
    /// High dynamic range is kept.
    KeepHdr,
}

/// A film of this kind is better made with zscale, where the preset asks for another range or other colours.
pub fn may_need_zscale(stream: &VideoStream) -> bool {
    stream.is_hdr() || stream.colour.primaries == "bt2020" || stream.colour.space.starts_with("bt2020")
}

/// Chooses by stream and plan.
pub fn colour_way(plan: &VideoPlan, stream: &VideoStream, has_zscale: bool) -> ColourWay {
    if stream.is_hdr() {
        match plan.hdr {
            Hdr::Keep => ColourWay::KeepHdr,
            Hdr::Tonemap if has_zscale => ColourWay::Tonemap,
            Hdr::Tonemap => ColourWay::Table,
        }
    } else if may_need_zscale(stream) && has_zscale && !plan.pixel_format.is_some_and(PixelFormat::is_deep) {
        ColourWay::Narrow
    } else {
        ColourWay::Plain
    }
}

/// The picture is deinterlaced.
pub fn is_deinterlaced(plan: &VideoPlan, stream: &VideoStream) -> bool {
    let is_large = stream.width >= LEAST_INTERLACED && stream.height >= LEAST_INTERLACED;
    plan.deinterlace == Deinterlace::Auto && stream.is_interlaced && is_large
}

/// The filters stay as they are where the picture changes its size on the way. ffmpeg would make them anew, and what they
/// hold would be lost: the squares of a sheet so far, the picture that the deinterlacer looks ahead at.
///
/// Not where ffmpeg puts a filter of its own in front, to turn, mirror or crop the picture: that one counts on one size.
pub fn keeps_filters(plan: &VideoPlan, stream: &VideoStream) -> bool {
    let is_as_decoded = !stream.has_matrix && !stream.is_cropped;
    is_as_decoded && (plan.tile.is_some() || is_deinterlaced(plan, stream))
}

/// The whole chain.
pub fn filters(plan: &VideoPlan, media: &MediaInfo, stream: &VideoStream, has_zscale: bool) -> Vec<String> {
    let made = picture::output(plan, stream);
    let way = colour_way(plan, stream, has_zscale);
    let mut chain = Vec::new();
    if !picture::has_known_pixels(stream) {
        chain.push("setsar=1".to_owned());
    }
    if is_deinterlaced(plan, stream) {
        if keeps_filters(plan, stream) {
            // It counts on one size as well. Fields stay apart, and the shape is kept by that of the pixels; a picture that
            // has the size passes as it is.
            chain.push(format!("scale={}:{}:interl=-1:eval=frame", stream.width, stream.height));
        }
        if FLAG_NO_FIELDS.contains(&stream.codec.as_str()) {
            // The word of the container is all there is.
            chain.push(format!("setfield={}", if stream.is_bottom_first { "bff" } else { "tff" }));
        }
        // One picture for each frame, and only frames that are flagged.
        chain.push("bwdif=mode=send_frame:deint=interlaced".to_owned());
    }
    if stream.is_cover {
        // One picture without a length of its own, which a filter of rates would drop.
        chain.push("setpts=PTS-STARTPTS".to_owned());
    } else if let Some(tile) = plan.tile {
        chain.extend(evenly_spaced(tile, media, stream));
    } else if let Some(fps) = plan.fps {
        chain.push(format!("fps={fps}"));
    }
    let to = target_tags(stream, made);
    chain.push(scale(plan, stream, made, to, way));
    if let Some(format) = format(plan, stream).filter(|_| matches!(way, ColourWay::Plain)) {
        // Right behind the filter that converts: nobody else would know the matrix.
        chain.push(format!("format={format}"));
    }
    // A film whose picture changes its size or shape on the way keeps one size, with bars.
    chain.push(format!("pad={}:{}:(ow-iw)/2:(oh-ih)/2:eval=frame", made.width, made.height));
    let (across, down) = made.pixel_shape;
    chain.push(format!("setsar={across}/{down}"));
    chain.extend(colours(plan, stream, way, to));
    if let Some(Tile { columns, rows }) = plan.tile {
        chain.push(format!("tpad=stop={}:stop_mode=clone", columns * rows));
        chain.push(format!("tile={columns}x{rows}"));
    }
    chain
}

/// Scales to the made size whatever comes, without stretching it, and converts matrix and range.
fn scale(plan: &VideoPlan, stream: &VideoStream, made: Picture, to: Tags, way: ColourWay) -> String {
    let (width, height) = (made.width, made.height);
    let (across, down) = made.pixel_shape;
    // `dar` is the shape as shown, of the frame that comes; `shape` that of a pixel that goes.
    let shape = format!("{across}/{down}");
    // Of each frame: ffmpeg begins anew for another size, and not for pixels of another shape.
    let mut text = format!(
        "scale=w='max(2,round(min({width},{height}*dar/({shape}))/2)*2)':h='max(2,round(min({height},{width}*({shape})/dar)/2)*2)'\
         :eval=frame"
    );
    let from_range = range_name(is_full_range(stream));
    if way == ColourWay::Plain {
        if let Some(from) = source_tags(stream) {
            let _ = write!(text, ":in_color_matrix={}", from.matrix);
        }
        let _ = write!(text, ":out_color_matrix={}", to.matrix);
        if !is_rgb(&stream.pixel_format) {
            let _ = write!(text, ":in_range={from_range}");
        }
        let _ = write!(text, ":out_range={}", range_name(wants_full_range(plan)));
    } else if !is_rgb(&stream.pixel_format) {
        // What comes next counts on the range of the input. Left alone, only a picture that keeps its size would keep its range.
        let _ = write!(text, ":in_range={from_range}:out_range={from_range}");
    }
    text
}

/// What is done for the colours once the picture has its size, and the tags.
fn colours(plan: &VideoPlan, stream: &VideoStream, way: ColourWay, to: Tags) -> Vec<String> {
    let range = range_name(wants_full_range(plan));
    let from_range = range_name(is_full_range(stream));
    let transfer = stream.colour.transfer.as_str();
    // As the film tells it; a film of wide colours that tells nothing is taken for the usual kind.
    let wide = |transfer: &str| {
        let primaries = told(PRIMARIES, &stream.colour.primaries).unwrap_or(BT2020.primaries);
        let space =
            told(SPACES, &stream.colour.space).filter(|space| goes_with(space, primaries, transfer)).unwrap_or(BT2020.space);
        format!("setparams=range={from_range}:colorspace={space}:color_primaries={primaries}:color_trc={transfer}")
    };
    let format = format(plan, stream).map(|format| format!("format={format}"));
    let marked = |tags: Tags| {
        let Tags { space, primaries, transfer, .. } = tags;
        format!("setparams=range={range}:colorspace={space}:color_primaries={primaries}:color_trc={transfer}")
    };
    match way {
        ColourWay::Plain => vec![marked(to)],
        ColourWay::KeepHdr => {
            let mut chain = vec![wide(transfer)];
            chain.extend(format);
            chain
        }
        ColourWay::Tonemap => {
            let mut chain = vec![
                wide(transfer),
                "zscale=t=linear:npl=100".to_owned(),
                "format=gbrpf32le".to_owned(),
                "zscale=p=bt709".to_owned(),
                "tonemap=mobius:desat=0".to_owned(),
                format!("zscale=t=bt709:m=bt709:r={range}"),
            ];
            chain.extend(format);
            chain.push(marked(BT709));
            chain
        }
        ColourWay::Narrow => {
            let known = told(TRANSFERS, transfer).filter(|name| !UNKNOWN_TO_ZSCALE.contains(name)).unwrap_or(BT2020.transfer);
            let mut chain = vec![wide(known), format!("zscale=p=bt709:t=bt709:m=bt709:r={range}")];
            chain.extend(format);
            chain.push(marked(BT709));
            chain
        }
        ColourWay::Table => {
            let matrix = tagged(stream).unwrap_or(BT2020).matrix;
            let mut chain = vec![
                (if stream.is_hlg() { HLG_TABLE } else { PQ_TABLE }).to_owned(),
                format!("scale=in_color_matrix={matrix}:out_color_matrix=bt709:in_range={from_range}:out_range={range}"),
            ];
            chain.extend(format);
            chain.push(marked(BT709));
            chain
        }
    }
}

/// The pixel format to make: the plan's, or one that players show where the input's is of another kind.
fn format(plan: &VideoPlan, stream: &VideoStream) -> Option<PixelFormat> {
    plan.pixel_format.or_else(|| {
        if plan.codec == VideoCodec::Mjpeg {
            Some(PixelFormat::Yuvj420p)
        } else {
            let is_of_another_kind = is_rgb(&stream.pixel_format) || SIDE_BY_SIDE.contains(&stream.pixel_format.as_str());
            (is_of_another_kind || stream.is_hdr() && plan.hdr == Hdr::Tonemap).then_some(PixelFormat::Yuv420p)
        }
    })
}

fn wants_full_range(plan: &VideoPlan) -> bool {
    plan.codec == VideoCodec::Mjpeg || plan.pixel_format == Some(PixelFormat::Yuvj420p)
}

fn is_rgb(pixel_format: &str) -> bool {
    ["rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "pal8", "bayer"]
        .iter()
        .any(|kind| pixel_format.starts_with(kind))
}

/// The range of brightness, full or limited, as filters name it.
const fn range_name(is_full: bool) -> &'static str {
    if is_full { "pc" } else { "tv" }
}

fn is_full_range(stream: &VideoStream) -> bool {
    let is_grey = ["gray", "ya8", "ya16", "mono"].iter().any(|kind| stream.pixel_format.starts_with(kind));
    // Cameras of science and machines that write grey alone use all of it, and tell nothing.
    let is_raw_grey = is_grey && stream.colour.range.is_empty() && !OF_LIMITED_RANGE.contains(&stream.codec.as_str());
    stream.colour.range == "pc" || stream.pixel_format.starts_with("yuvj") || is_raw_grey
}

/// An untagged picture of this size is taken for BT.709.
const fn is_hd(width: u32, height: u32) -> bool {
    height >= HD_LINES || width >= HD_COLUMNS
}

/// How the input's numbers are meant: as they are tagged, else as players take them. `None` for RGB, which has no matrix.
fn source_tags(stream: &VideoStream) -> Option<Tags> {
    if is_rgb(&stream.pixel_format) {
        return None;
    }
    Some(tagged(stream).unwrap_or_else(|| assumed(stream.width, stream.height, stream.fps)))
}

/// What the output's numbers mean: the same where the input is tagged, else what players assume. Only the matrix is converted,
/// so primaries and transfer function are the input's own, where it tells them.
fn target_tags(stream: &VideoStream, made: Picture) -> Tags {
    let known = (!is_rgb(&stream.pixel_format)).then(|| tagged(stream)).flatten();
    let tags = known.unwrap_or_else(|| assumed(made.width, made.height, stream.fps));
    Tags {
        primaries: told(PRIMARIES, &stream.colour.primaries).unwrap_or(tags.primaries),
        transfer: told(TRANSFERS, &stream.colour.transfer).unwrap_or(tags.transfer),
        ..tags
    }
}

/// zscale takes some matrices only together with what they are defined for.
fn goes_with(space: &str, primaries: &str, transfer: &str) -> bool {
    match space {
        "ictcp" => primaries == BT2020.primaries && matches!(transfer, "smpte2084" | "arib-std-b67"),
        "chroma-derived-nc" => primaries != "smpte428",
        _ => true,
    }
}

/// A name that a file tells, where it is one of these.
fn told(known: &[&'static str], name: &str) -> Option<&'static str> {
    known.iter().find(|known| **known == name).copied()
}

fn tagged(stream: &VideoStream) -> Option<Tags> {
    match stream.colour.space.as_str() {
        "bt709" => Some(BT709),
        "bt470bg" => Some(BT601_PAL),
        "smpte170m" => Some(BT601_NTSC),
        "smpte240m" => Some(SMPTE240M),
        "fcc" => Some(FCC),
        "bt2020nc" | "bt2020c" => Some(BT2020),
        _ => None,
    }
}

/// What players assume of a picture without tags.
fn assumed(width: u32, height: u32, fps: f64) -> Tags {
    if is_hd(width, height) {
        BT709
    } else if (fps - 25.0).abs() < 0.1 || (fps - 50.0).abs() < 0.1 {
        BT601_PAL
    } else {
        BT601_NTSC
    }
}

/// The frame that is shown at the middle of each of `columns × rows` equal shares of the film.
fn evenly_spaced(tile: Tile, media: &MediaInfo, stream: &VideoStream) -> [String; 2] {
    let count = (tile.columns * tile.rows).max(1);
    let told = stream.duration.or(media.duration).filter(|duration| !duration.is_zero());
    let length = told.map_or(UNKNOWN_LENGTH, |duration| duration.as_secs_f64());
    // In microseconds, as a fraction: a rate of many digits would drift.
    let micros = ((length * 1e6) as u64).max(1);
    ["setpts=PTS-STARTPTS".to_owned(), format!("fps=fps={}/{micros}:round=near:eof_action=pass", u64::from(count) * 1_000_000)]
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
