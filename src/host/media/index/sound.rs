//! A sound in AAC with one or two channels: its description, and the first element of its first packet.

use super::bits::Bits;
use super::{Packet, number};
use crate::host::media::report::Stream;
use crate::host::media::verify::Input;
use crate::host::media::verify::mp4::{Head, children};

/// Bytes of a description before the boxes in it, in its first version.
const FIXED: u64 = 28;
/// Bytes of a box that tells of the codec; more is not usual.
const LONGEST_SETUP: u64 = 1024;
/// Samples a second by their number in AAC.
const RATES: [u32; 13] = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// From this rate on nobody leaves the upper half of the sound for the decoder to discover.
const LOWEST_RATE: u32 = 32_000;
/// Elements of a packet: one channel, two, filling.
const ONE_CHANNEL: u32 = 0;
const TWO_CHANNELS: u32 = 1;
const FILLING: u32 = 6;
/// Bytes of the first packet that are looked at: two fillings and an element.
const PACKET_HEAD: usize = 1024;

/// What the description and the first packet tell.
pub(super) fn read(input: &mut Input, entry: &Head, packet: Packet) -> Option<Stream> {
    let fixed = input.up_to(entry.body, FIXED as usize, entry.end).ok()?;
    let (version, rate) = (number(fixed, 8, 2)?, number(fixed, 24, 4)? >> 16);
    if version != 0 {
        return None;
    }
    let inner = Head { body: entry.body + FIXED, ..*entry };
    let mut setup = None;
    for found in children(input, &inner).ok()? {
        let length = found.end - found.body;
        match &found.kind {
            b"esds" if setup.is_none() && length <= LONGEST_SETUP => setup = Some(input.load(found.body, length).ok()?),
            b"btrt" => {}
            _ => return None,
        }
    }
    let setup = setup?;
    let (own_rate, channels) = parse(decoder_setup(setup.get(4..)?)?)?;
    if u64::from(own_rate) != rate {
        return None;
    }
    check_first_packet(input.up_to(packet.at, PACKET_HEAD, packet.at + packet.size).ok()?, channels)?;
    Some(Stream {
        codec_type: "audio".to_owned(),
        codec_name: "aac".to_owned(),
        channels,
        channel_layout: if channels == 1 { "mono" } else { "stereo" }.to_owned(),
        sample_rate: own_rate.to_string(),
        ..Stream::default()
    })
}

/// What the decoder is set up with, within the descriptions of MPEG-4.
fn decoder_setup(bytes: &[u8]) -> Option<&[u8]> {
    let stream = tagged(bytes, 3)?;
    // No dependence on other streams.
    if *stream.get(2)? & 0xe0 != 0 {
        return None;
    }
    let codec = tagged(stream.get(3..)?, 4)?;
    // Audio of MPEG-4.
    if *codec.first()? != 0x40 {
        return None;
    }
    tagged(codec.get(13..)?, 5)
}

/// The body of a description with this tag, which has to come first.
fn tagged(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (first, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    rest.get(..length).filter(|_| *first == tag)
}

/// Samples a second and channels of plain AAC, which has no upper half of another kind (SBR).
fn parse(setup: &[u8]) -> Option<(u32, u32)> {
    let bits = &mut Bits::of(setup);
    let (kind, rate, channels) = (bits.take(5)?, bits.take(4)? as usize, bits.take(4)?);
    let rate = *RATES.get(rate)?;
    // Kind 2 is low complexity; three flags tell of frames of another length, of a core and of more to come.
    if kind != 2 || !matches!(channels, 1 | 2) || bits.take(3)? != 0 {
        return None;
    }
    // The mark of an extension, the kind "SBR", and that it is not there.
    let has_no_sbr = bits.left() > 16;
    if has_no_sbr && (bits.take(11)?, bits.take(5)?, bits.flag()?) != (0x2b7, 5, false) {
        return None;
    }
    while bits.left() > 0 {
        if bits.flag()? {
            return None;
        }
    }
    (has_no_sbr || rate >= LOWEST_RATE).then_some((rate, channels))
}

/// The first packet holds as many channels as the description says: ffmpeg believes the packet.
fn check_first_packet(packet: &[u8], channels: u32) -> Option<()> {
    let bits = &mut Bits::of(packet);
    for _ in 0..3 {
        match bits.take(3)? {
            FILLING => {
                let count = match bits.take(4)? {
                    15 => 14 + bits.take(8)?,
                    count => count,
                };
                bits.skip(count as usize * 8)?;
            }
            ONE_CHANNEL => return (channels == 1).then_some(()),
            TWO_CHANNELS => return (channels == 2).then_some(()),
            _ => return None,
        }
    }
    None
}
