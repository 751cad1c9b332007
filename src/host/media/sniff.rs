//! What a file is, by its first bytes: a film, a sound, or neither.
//!
//! Pure: bytes in, an answer out. Endings of names only decide where the bytes leave it open.

/// How many first bytes of a file are looked at.
pub const HEAD: usize = 4096;

/// Endings of films whose beginning may be damaged: unknown bytes under such a name are worth a probe.
const FILM_ENDINGS: &[&str] = &[
    "mp4", "m4v", "mov", "qt", "mkv", "mk3d", "webm", "avi", "ts", "m2ts", "mts", "m2t", "mpg", "mpeg", "mpe", "vob", "flv", "f4v",
    "ogv", "ogm", "asf", "wmv", "3gp", "3gpp", "3g2", "mj2", "divx", "tod", "vro", "trp", "insv", "lrv", "mxf", "dv", "wtv",
    "dvr-ms", "m2v", "m1v", "h264", "h265", "hevc", "rmvb",
];
/// Endings of sounds. They also decide for containers that hold either.
const SOUND_ENDINGS: &[&str] = &[
    "wav", "m4a", "m4b", "mp3", "mp2", "flac", "aac", "ogg", "oga", "opus", "wma", "mka", "weba", "ac3", "eac3", "dts", "aif",
    "aiff", "amr", "caf",
];

/// Endings that promise a film or a sound beyond doubt: something else under such a name is judged, so that its owner hears
/// of it. Others mean something else as well, as `ts` and `mts` mean program sources.
const SURE_ENDINGS: &[&str] =
    &["mp4", "m4v", "mov", "mkv", "webm", "avi", "m2ts", "mpg", "mpeg", "vob", "flv", "wmv", "3gp", "ogv"];
/// The same for sounds.
const SURE_SOUNDS: &[&str] = &["mp3", "m4a", "wav", "flac", "aac", "opus", "wma"];

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Something with pictures or sound that go on in time.
    Medium(Medium, Format),
    /// Something else for certain: text, a picture, an archive, a piece of a film that cannot be played alone.
    Other,
    /// Nothing that is known here.
    Unknown,
}

/// What a medium holds, as far as its beginning tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Moving pictures.
    Film,
    /// Sound alone.
    Sound,
    /// A container that may hold either.
    Either,
}

/// The containers that are read further, for the mark of plimsoll's own outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// MP4, `QuickTime` and their kin.
    Mp4,
    /// Matroska and `WebM`.
    Matroska,
    /// MPEG transport stream.
    TransportStream,
    /// Any other.
    Rest,
}

/// The container of a file that a folder scan takes, by its first bytes and the ending of its name (without a dot, any
/// case); `None` for one that is passed over. `wants_picture`: what is to be made of it holds a picture.
pub fn taken(head: &[u8], ending: &[u8], wants_picture: bool) -> Option<Format> {
    let is_in = |list: &[&str]| list.iter().any(|known| ending.eq_ignore_ascii_case(known.as_bytes()));
    match content(head) {
        // The pictures of subtitles on a DVD are a program stream too.
        Content::Medium(Medium::Film, _) if ending.eq_ignore_ascii_case(b"sub") => None,
        Content::Medium(Medium::Film, format) => Some(format),
        Content::Medium(Medium::Sound, format) => (!wants_picture).then_some(format),
        Content::Medium(Medium::Either, format) => (!wants_picture || !is_in(SOUND_ENDINGS)).then_some(format),
        Content::Unknown => (is_in(FILM_ENDINGS) || (!wants_picture && is_in(SOUND_ENDINGS))).then_some(Format::Rest),
        Content::Other => (is_in(SURE_ENDINGS) || (!wants_picture && is_in(SURE_SOUNDS))).then_some(Format::Rest),
    }
}

/// A name that a medium could have; of such a file it is told if it cannot be read.
pub fn is_media_ending(ending: &[u8], wants_picture: bool) -> bool {
    let is_in = |list: &[&str]| list.iter().any(|known| ending.eq_ignore_ascii_case(known.as_bytes()));
    is_in(FILM_ENDINGS) || (!wants_picture && is_in(SOUND_ENDINGS))
}

/// What the first bytes of a file say; [`HEAD`] of them, or all there are.
pub fn content(head: &[u8]) -> Content {
    // Nothing that short can be played.
    if head.len() < 16 {
        return Content::Other;
    }
    by_signature(head)
        .or_else(|| boxes(head))
        .or_else(|| ogg(head))
        .or_else(|| asf(head))
        .or_else(|| is_text(head).then_some(Content::Other))
        .or_else(|| ts_layout(head).map(|_| Content::Medium(Medium::Film, Format::TransportStream)))
        .or_else(|| is_raw_film(head).then_some(FILM))
        .or_else(|| is_raw_sound(head).then_some(SOUND))
        .unwrap_or(Content::Unknown)
}

const FILM: Content = Content::Medium(Medium::Film, Format::Rest);
const SOUND: Content = Content::Medium(Medium::Sound, Format::Rest);

/// Signatures at the very beginning that leave no doubt.
const SIGNATURES: &[(&[u8], Content)] = &[
    (b"\x1a\x45\xdf\xa3", Content::Medium(Medium::Either, Format::Matroska)),
    (b"FLV\x01", FILM),
    (b"DKIF\0\0", FILM),
    (b"YUV4MPEG2 ", FILM),
    (b"nut/multimedia container\0", FILM),
    (b".RMF\0\0\0", FILM),
    (b"NSVf", FILM),
    (b"NSVs", FILM),
    // Windows recorded TV.
    (b"\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d", FILM),
    // AV1: a temporal delimiter and a sequence header.
    (b"\x12\x00\x0a", FILM),
    (b"fLaC", SOUND),
    (b"ID3\x02", SOUND),
    (b"ID3\x03", SOUND),
    (b"ID3\x04", SOUND),
    (b"#!AMR", SOUND),
    (b"caff\0\x01", SOUND),
    (b".snd\0\0\0", SOUND),
    (b"wvpk", SOUND),
    (b"MAC \x96\x0f", SOUND),
    (b"TTA1", SOUND),
    (b"MPCK", SOUND),
    (b".ra\xfd", SOUND),
    (b"ADIF", SOUND),
    (b"DTSHDHDR", SOUND),
    (b"\x7f\xfe\x80\x01", SOUND),
    (b"\xfe\x7f\x01\x80", SOUND),
    (b"\x1f\xff\xe8\x00", SOUND),
    (b"\xff\x1f\x00\xe8", SOUND),
    // An animated GIF is a film only for whoever names it: folders hold them as pictures.
    (b"GIF8", Content::Other),
    (b"\x89PNG", Content::Other),
    (b"\x8aMNG", Content::Other),
    (b"\xff\xd8\xff", Content::Other),
    (b"II*\0", Content::Other),
    (b"MM\0*", Content::Other),
    (b"8BPS", Content::Other),
    (b"\0\0\x01\0", Content::Other),
    (b"DVDVIDEO-", Content::Other),
    (b"PK\x03\x04", Content::Other),
    (b"Rar!", Content::Other),
    (b"7z\xbc\xaf", Content::Other),
    (b"\x1f\x8b\x08", Content::Other),
    (b"\xfd7zXZ", Content::Other),
    (b"\x28\xb5\x2f\xfd", Content::Other),
    (b"BZh", Content::Other),
    (b"%PDF", Content::Other),
    (b"\x7fELF", Content::Other),
    (b"SQLite format 3", Content::Other),
    (b"MThd", Content::Other),
];

fn by_signature(head: &[u8]) -> Option<Content> {
    // Start codes of MPEG-4 look like an icon's first bytes.
    if is_mpeg4_stream(head) {
        return Some(FILM);
    }
    if let Some((_, content)) = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)) {
        return Some(*content);
    }
    match (&head[..4], &head[8..12]) {
        (b"RIFF" | b"ON2 ", b"AVI " | b"AVIX" | b"CDXA" | b"ON2f") => Some(FILM),
        (b"RIFF" | b"RF64" | b"BW64", b"WAVE") | (b"FORM", b"AIFF" | b"AIFC") => Some(SOUND),
        (b"RIFF", _) => Some(Content::Other),
        (b"riff", _) => Some(SOUND),
        _ => None,
    }
}

/// MP4, `QuickTime`, 3GP and JPEG 2000: sizes and names of boxes.
fn boxes(head: &[u8]) -> Option<Content> {
    const MP4: Content = Content::Medium(Medium::Either, Format::Mp4);
    let size = u32::from_be_bytes(head[..4].try_into().ok()?);
    // 1 = the size follows in 64 bits, 0 = to the end of the file.
    if (2..8).contains(&size) {
        return None;
    }
    match &head[4..8] {
        b"ftyp" => Some(match &head[8..12] {
            b"crx " | b"jp2 " | b"jpx " | b"jpm " => Content::Other,
            _ if is_photo(head) => Content::Other,
            b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " | b"aax " => Content::Medium(Medium::Sound, Format::Mp4),
            _ => MP4,
        }),
        // JPEG 2000 keeps its brand behind a signature.
        b"jP  " => Some(if head.get(20..24) == Some(b"mjp2") { FILM } else { Content::Other }),
        // Pieces of a stream, which cannot be played without their beginning.
        b"styp" | b"sidx" | b"moof" | b"emsg" | b"prft" => Some(Content::Other),
        b"moov" | b"mdat" if !is_text(head) => Some(MP4),
        // A small box before those; more than a GB of nothing is no beginning of a film.
        b"wide" | b"free" | b"skip" | b"pnot" | b"uuid" if size <= 1 << 30 => Some(MP4),
        _ => None,
    }
}

/// Pictures of phones (HEIC, AVIF), alone or as a burst.
pub fn is_photo(head: &[u8]) -> bool {
    const BRANDS: [&[u8]; 11] = [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis"];
    head.get(4..8) == Some(b"ftyp") && head.get(8..12).is_some_and(|brand| BRANDS.contains(&brand))
}

/// The streams of Ogg all begin in its first pages.
fn ogg(head: &[u8]) -> Option<Content> {
    if !head.starts_with(b"OggS\0") {
        return None;
    }
    let any = |needles: &[&[u8]]| needles.iter().any(|needle| contains(head, needle));
    Some(if any(&[b"\x80theora", b"\x01video\0", b"BBCD\0", b"OVP80\x01"]) {
        FILM
    } else if any(&[b"\x01vorbis", b"OpusHead", b"Speex   ", b"\x7fFLAC"]) {
        SOUND
    } else {
        Content::Medium(Medium::Either, Format::Rest)
    })
}

fn asf(head: &[u8]) -> Option<Content> {
    const VIDEO: &[u8] = b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";
    if !head.starts_with(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11") {
        return None;
    }
    Some(if contains(head, VIDEO) { FILM } else { Content::Medium(Medium::Either, Format::Rest) })
}

/// Characters alone, in UTF-8, an older 8-bit code or UTF-16.
fn is_text(head: &[u8]) -> bool {
    let is_control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    if let [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] = head {
        // Pairs of bytes, mostly with one that is zero, and never two zeros.
        let pairs = rest.chunks_exact(2);
        let zeros = pairs.clone().filter(|pair| pair.contains(&0)).count();
        return !pairs.clone().any(|pair| pair == [0, 0]) && zeros * 2 > pairs.len();
    }
    !head.iter().any(|byte| is_control(*byte) || *byte == 0x7f)
}

/// Where the first whole packet of a transport stream begins, and how long packets are: 188 bytes, 192 with the time stamps
/// of cameras and discs, 204 with error correction. The stream may be cut anywhere.
pub fn ts_layout(head: &[u8]) -> Option<(usize, usize)> {
    const ENOUGH: usize = 5;
    const LEAST: usize = 3;
    [188, 192, 204].into_iter().find_map(|size| {
        // A short file has few packets.
        let wanted = (head.len() / size).saturating_sub(1).clamp(LEAST, ENOUGH);
        let is_packet = |at: usize| {
            // Bits 4 and 5 of the fourth byte say what follows; 0 is not allowed.
            head.get(at) == Some(&0x47) && head.get(at + 3).is_none_or(|flags| flags & 0x30 != 0)
        };
        // Somewhere in the first few packets: the beginning may be damaged.
        let first = (0..head.len().min(4 * size)).find(|at| (0..wanted).all(|number| is_packet(at + number * size)))?;
        Some((first, size))
    })
}

/// Films without a container, and those that begin with a start code.
fn is_raw_film(head: &[u8]) -> bool {
    is_program_stream(head) || is_mpeg_video(head) || is_annex_b(head) || is_dv(head) || is_mxf(head)
}

/// A pack header, with another start code right behind it.
fn is_program_stream(head: &[u8]) -> bool {
    starts(head, 0xba).any(|at| {
        let end = match head.get(at + 4) {
            Some(byte) if byte & 0xc0 == 0x40 => at + 14 + head.get(at + 13).map_or(0, |stuffing| usize::from(stuffing & 7)),
            Some(byte) if byte & 0xf0 == 0x20 => at + 12,
            _ => return false,
        };
        // Padding of zeros may stand between.
        let rest = head.get(end..).unwrap_or_default();
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest.len() <= 3 || (zeros >= 2 && rest.get(zeros).is_none_or(|byte| *byte == 1))
    })
}

/// A sequence header of MPEG-1 or MPEG-2 with a size, a shape and a rate.
fn is_mpeg_video(head: &[u8]) -> bool {
    let [0, 0, 1, 0xb3, a, b, c, shape_rate, ..] = head else { return false };
    let (width, height) = (u32::from(*a) << 4 | u32::from(*b) >> 4, u32::from(*b & 15) << 8 | u32::from(*c));
    width > 0 && height > 0 && (1..=14).contains(&(shape_rate >> 4)) && (1..=13).contains(&(shape_rate & 15))
}

/// MPEG-4 part 2: a visual object sequence, or a video object with its layer.
fn is_mpeg4_stream(head: &[u8]) -> bool {
    matches!(head, [0, 0, 1, 0xb0, _, 0, 0, 1, 0xb2 | 0xb5, ..] | [0, 0, 1, 0..=0x1f, 0, 0, 1, 0x20..=0x2f, ..])
}

/// H.264 and H.265 as a row of units: access unit delimiter or parameter sets first, and at least two units.
fn is_annex_b(head: &[u8]) -> bool {
    let ([0, 0, 0, 1, first @ ..] | [0, 0, 1, first @ ..]) = head else { return false };
    let is_h264 =
        |unit: &[u8]| matches!(unit, [byte, ..] if byte & 0x80 == 0 && ((byte & 0x1f == 7 && byte & 0x60 != 0) || *byte == 9));
    let is_h265 = |unit: &[u8]| matches!(unit, [0x40 | 0x42 | 0x46, 1, ..]);
    let units: Vec<&[u8]> =
        head.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]).map(|(at, _)| &head[at + 3..]).collect();
    let has = |wanted: fn(&[u8]) -> bool| units.iter().any(|unit| wanted(unit));
    (is_h264(first)
        && has(|unit| matches!(unit, [byte, ..] if byte & 0x9f == 7))
        && has(|unit| matches!(unit, [byte, ..] if byte & 0x9f == 8)))
        || (is_h265(first) && has(|unit| matches!(unit, [0x42, 1, ..])) && has(|unit| matches!(unit, [0x44, 1, ..])))
}

/// DV: blocks of 80 bytes, the header of a frame first, then its subcode.
fn is_dv(head: &[u8]) -> bool {
    matches!(head, [0x1f, 0x07, 0x00, kind, ..] if kind & 0x7f == 0x3f) && matches!(head.get(80..83), Some([0x3f, 0x07, 0x00]))
}

/// The key of an MXF partition; something else of up to 64 KiB may stand before it, of which little is looked at.
fn is_mxf(head: &[u8]) -> bool {
    contains(head, b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02")
}

/// Sound without a container: a frame, and another where that one says that it ends.
fn is_raw_sound(head: &[u8]) -> bool {
    let followed = |length: fn(&[u8]) -> Option<usize>| {
        length(head).is_some_and(|next| head.get(next..).is_none_or(|rest| rest.len() < 8 || length(rest).is_some()))
    };
    followed(mpeg_audio) || followed(adts) || followed(ac3) || is_true_hd(head)
}

/// Length of the frame of MPEG audio (layers 1 to 3) that begins here.
fn mpeg_audio(frame: &[u8]) -> Option<usize> {
    const V1: [[u32; 14]; 3] = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    ];
    const V2: [[u32; 14]; 2] = [
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let [0xff, second, third, ..] = frame else { return None };
    let (version, layer) = ((second >> 3) & 3, 4 - usize::from((second >> 1) & 3));
    let (rate, sampling) = (usize::from(third >> 4), usize::from((third >> 2) & 3));
    if second & 0xe0 != 0xe0 || version == 1 || layer == 4 || !(1..15).contains(&rate) || sampling == 3 {
        return None;
    }
    let hz = [44_100, 48_000, 32_000][sampling] >> [2_u32, 0, 1, 0][usize::from(version)];
    let is_first = version == 3;
    let bits = if is_first { V1[layer - 1][rate - 1] } else { V2[usize::from(layer > 1)][rate - 1] } * 1000;
    let padding = u32::from((third >> 1) & 1);
    let length = match layer {
        1 => (12 * bits / hz + padding) * 4,
        3 if !is_first => 72 * bits / hz + padding,
        _ => 144 * bits / hz + padding,
    };
    usize::try_from(length).ok().filter(|length| *length > 4)
}

/// Length of the frame of AAC that begins here.
fn adts(frame: &[u8]) -> Option<usize> {
    let [0xff, second, third, a, b, c, ..] = frame else { return None };
    if second & 0xf6 != 0xf0 || (third >> 2) & 15 > 12 {
        return None;
    }
    let length = usize::from(a & 3) << 11 | usize::from(*b) << 3 | usize::from(c >> 5);
    (length > 7).then_some(length)
}

/// Length of the frame of AC-3 or E-AC-3 that begins here.
fn ac3(frame: &[u8]) -> Option<usize> {
    const KBITS: [usize; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let [0x0b, 0x77, a, b, code, id, ..] = frame else { return None };
    match id >> 3 {
        ..=10 => {
            let kbits = *KBITS.get(usize::from((code & 63) >> 1))?;
            match code >> 6 {
                0 => Some(kbits * 4),
                1 => Some((kbits * 96_000 / 44_100 + usize::from(code & 1)) * 2),
                2 => Some(kbits * 6),
                _ => None,
            }
        }
        11..=16 => Some((usize::from(a & 7) << 8 | usize::from(*b)) * 2 + 2),
        _ => None,
    }
}

fn is_true_hd(head: &[u8]) -> bool {
    matches!(head.get(4..8), Some([0xf8, 0x72, 0x6f, 0xba | 0xbb]))
}

/// Where the start code with this number stands.
fn starts(head: &[u8], number: u8) -> impl Iterator<Item = usize> + '_ {
    head.windows(4).enumerate().filter(move |(_, code)| *code == [0, 0, 1, number]).map(|(at, _)| at)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
#[path = "sniff_tests.rs"]
mod tests;
