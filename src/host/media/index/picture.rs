//! A picture in H.264: size, shape of its pixels and colours, by its parameters and by the head of its first packet.

use super::bits::{Bits, unescaped};
use super::{Packet, number};
use crate::host::media::report::Stream;
use crate::host::media::verify::Input;
use crate::host::media::verify::mp4::{Head, children};

/// Bytes of a description before the boxes in it.
const FIXED: u64 = 78;
/// Parameters and messages of more bytes than that are not usual.
const LONGEST_UNIT: u64 = 16 * 1024;
/// Units before the first slice of a packet.
const MOST_UNITS: usize = 16;
/// Messages within a packet that change nothing of what is told here: buffering, user data, a point to begin at. Not so those
/// that tell of fields, of other colours, or of a turned picture.
const HARMLESS_MESSAGES: [u32; 4] = [0, 4, 5, 6];

/// The code for "not told".
const NOT_TOLD: u32 = 2;

/// How numbers stand for colours, in the codes that MP4 and H.264 share. `None` = not told.
#[derive(Debug, Clone, Copy, Default)]
struct Colours {
    is_full: Option<bool>,
    /// Primaries, transfer function and matrix.
    meaning: Option<(u32, u32, u32)>,
}

/// What the parameters of a picture tell.
struct Parameters {
    width: u32,
    height: u32,
    has_square_pixels: bool,
    colours: Colours,
}

/// What the description and the first packet tell.
pub(super) fn read(input: &mut Input, entry: &Head, packet: Packet) -> Option<Stream> {
    let fixed = input.up_to(entry.body, FIXED as usize, entry.end).ok()?;
    let (width, height, depth) = (number(fixed, 24, 2)? as u32, number(fixed, 26, 2)? as u32, number(fixed, 74, 2)?);
    // Fewer bits mean a palette.
    if depth != 24 || width == 0 || height == 0 {
        return None;
    }
    let inner = Head { body: entry.body + FIXED, ..*entry };
    let (mut setup, mut outer, mut is_told_square) = (None, Colours::default(), false);
    for found in children(input, &inner).ok()? {
        let length = found.end - found.body;
        if length > LONGEST_UNIT {
            return None;
        }
        let body = input.load(found.body, length).ok()?;
        match &found.kind {
            b"avcC" if setup.is_none() => setup = Some(body),
            b"pasp" if number(&body, 0, 4)? == 1 && number(&body, 4, 4)? == 1 => is_told_square = true,
            b"colr" => outer = of_container(&body)?,
            // One field: not interlaced.
            b"fiel" if body.first() == Some(&1) => {}
            b"btrt" => {}
            _ => return None,
        }
    }
    let setup = setup?;
    let parameters = only_parameters(&setup)?;
    let inner = parse(parameters)?;
    if (inner.width, inner.height) != (width, height) {
        return None;
    }
    let length_bytes = usize::from(setup.get(4)? & 3) + 1;
    check_first_packet(input, packet, length_bytes, parameters)?;

    // The film's own word goes before the container's.
    let is_full = inner.colours.is_full.or(outer.is_full);
    let (primaries, transfer, matrix) = inner.colours.meaning.or(outer.meaning).unwrap_or((NOT_TOLD, NOT_TOLD, NOT_TOLD));
    Some(Stream {
        codec_type: "video".to_owned(),
        codec_name: "h264".to_owned(),
        width,
        height,
        pix_fmt: if is_full == Some(true) { "yuvj420p" } else { "yuv420p" }.to_owned(),
        sample_aspect_ratio: if is_told_square || inner.has_square_pixels { "1:1" } else { "" }.to_owned(),
        field_order: "progressive".to_owned(),
        color_range: is_full.map_or("", |is_full| if is_full { "pc" } else { "tv" }).to_owned(),
        color_primaries: primaries_name(primaries)?.to_owned(),
        color_transfer: transfer_name(transfer)?.to_owned(),
        color_space: matrix_name(matrix)?.to_owned(),
        ..Stream::default()
    })
}

fn primaries_name(code: u32) -> Option<&'static str> {
    Some(match code {
        1 => "bt709",
        NOT_TOLD => "unknown",
        5 => "bt470bg",
        6 => "smpte170m",
        _ => return None,
    })
}

fn transfer_name(code: u32) -> Option<&'static str> {
    Some(match code {
        1 => "bt709",
        NOT_TOLD => "unknown",
        6 => "smpte170m",
        13 => "iec61966-2-1",
        _ => return None,
    })
}

fn matrix_name(code: u32) -> Option<&'static str> {
    primaries_name(code)
}

/// Colours as the container tells them; `nclc` is the form of `QuickTime`, without the range.
fn of_container(body: &[u8]) -> Option<Colours> {
    let code = |at| Some(number(body, at, 2)? as u32);
    let is_full = match body.get(..4)? {
        b"nclx" => Some(body.get(10)? & 0x80 != 0),
        b"nclc" => None,
        _ => return None,
    };
    Some(Colours { is_full, meaning: Some((code(4)?, code(6)?, code(8)?)) })
}

/// The parameter set of the sequence, where there is one alone, and one of pictures that follows it.
fn only_parameters(setup: &[u8]) -> Option<&[u8]> {
    let length = number(setup, 6, 2)? as usize;
    let parameters = setup.get(8..8 + length)?;
    let pictures = setup.get(8 + length..)?;
    let of_pictures = pictures.get(3..3 + number(pictures, 1, 2)? as usize)?;
    // The second byte begins with the numbers of both sets: 0, which is one bit that is set.
    let belongs = of_pictures.first()? & 0x9f == 8 && of_pictures.get(1)? & 0xc0 == 0xc0;
    let is_plain = setup[0] == 1 && setup[5] & 0x1f == 1 && parameters.first()? & 0x9f == 7 && pictures[0] == 1 && belongs;
    is_plain.then_some(parameters)
}

/// Reads a parameter set of the sequence as far as its colours.
fn parse(unit: &[u8]) -> Option<Parameters> {
    let plain = unescaped(unit.get(1..)?);
    let bits = &mut Bits::of(&plain);
    let profile = bits.take(8)?;
    bits.take(16)?;
    if bits.golomb()? != 0 {
        return None;
    }
    match profile {
        66 | 77 | 88 => {}
        100 => {
            let (chroma, luma_depth, chroma_depth) = (bits.golomb()?, bits.golomb()?, bits.golomb()?);
            let is_lossless = bits.flag()?;
            let has_scaling = bits.flag()?;
            if (chroma, luma_depth, chroma_depth) != (1, 0, 0) || is_lossless || has_scaling {
                return None;
            }
        }
        _ => return None,
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => {
            bits.flag()?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..Some(bits.golomb()?).filter(|count| *count < 256)? {
                bits.golomb()?;
            }
        }
        2 => {}
        _ => return None,
    }
    bits.golomb()?;
    bits.flag()?;
    let (across, down) = (bits.golomb()?.checked_add(1)?, bits.golomb()?.checked_add(1)?);
    let has_frames_alone = bits.flag()?;
    bits.flag()?;
    if !has_frames_alone || across > 1024 || down > 1024 {
        return None;
    }
    let cut = if bits.flag()? { [bits.golomb()?, bits.golomb()?, bits.golomb()?, bits.golomb()?] } else { [0; 4] };
    // Of chroma, which has half as many.
    let left = |whole: u32, first: u32, second: u32| {
        (whole * 16).checked_sub(first.checked_add(second)?.checked_mul(2)?).filter(|left| *left > 0)
    };
    let (width, height) = (left(across, cut[0], cut[1])?, left(down, cut[2], cut[3])?);
    let mut told = Parameters { width, height, has_square_pixels: false, colours: Colours::default() };
    if !bits.flag()? {
        return Some(told);
    }
    if bits.flag()? {
        match bits.take(8)? {
            0 => {}
            1 => told.has_square_pixels = true,
            _ => return None,
        }
    }
    if bits.flag()? {
        bits.flag()?;
    }
    if bits.flag()? {
        bits.take(3)?;
        told.colours.is_full = Some(bits.flag()?);
        if bits.flag()? {
            told.colours.meaning = Some((bits.take(8)?, bits.take(8)?, bits.take(8)?));
        }
    }
    Some(told)
}

/// The first packet begins with a picture that stands for itself, made with these parameters.
fn check_first_packet(input: &mut Input, packet: Packet, length_bytes: usize, parameters: &[u8]) -> Option<()> {
    let end = packet.at + packet.size;
    let mut at = packet.at;
    for _ in 0..MOST_UNITS {
        let head = input.up_to(at, length_bytes + 2, end).ok()?;
        let (length, kind) = (number(head, 0, length_bytes)?, *head.get(length_bytes)?);
        let begins_at_corner = head.get(length_bytes + 1).is_some_and(|byte| byte & 0x80 != 0);
        at += length_bytes as u64;
        if length < 2 || length > end - at || kind & 0x80 != 0 {
            return None;
        }
        match kind & 0x1f {
            5 => return begins_at_corner.then_some(()),
            _ if length > LONGEST_UNIT => return None,
            6 => check_messages(&unescaped(&input.load(at + 1, length - 1).ok()?))?,
            7 if input.load(at, length).ok()? != parameters => return None,
            7..=9 => {}
            _ => return None,
        }
        at += length;
    }
    None
}

fn check_messages(mut unit: &[u8]) -> Option<()> {
    // The last byte is a stop bit.
    while unit.len() > 2 {
        let (kind, rest) = long_number(unit)?;
        let (size, rest) = long_number(rest)?;
        if !HARMLESS_MESSAGES.contains(&kind) {
            return None;
        }
        unit = rest.get(size as usize..)?;
    }
    Some(())
}

/// A number as a sum of bytes, of which the first that is not 255 is the last.
fn long_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let count = bytes.iter().take_while(|byte| **byte == 0xff).count();
    let (last, rest) = bytes.get(count..)?.split_first()?;
    Some((count as u32 * 255 + u32::from(*last), rest))
}
