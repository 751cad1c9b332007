//! Title, artist and the like, and where a film was recorded.

use std::collections::BTreeMap;

use super::number;
use crate::host::media::verify::Input;
use crate::host::media::verify::mp4::{Head, child, children};

/// Longest text of a tag, in bytes.
const LONGEST_TEXT: u64 = 16 * 1024;
/// Bytes before the boxes in a box of descriptions.
const FLAGS: u64 = 4;
/// Tags of text that are carried along, by ffmpeg's names.
const CARRIED: &[(&[u8; 4], &str)] = &[
    (b"\xa9nam", "title"),
    (b"\xa9ART", "artist"),
    (b"aART", "album_artist"),
    (b"\xa9alb", "album"),
    (b"\xa9gen", "genre"),
    (b"\xa9wrt", "composer"),
    (b"\xa9day", "date"),
];
/// Those that nobody asks for.
const PASSED_OVER: &[&[u8; 4]] = &[b"\xa9too", b"\xa9cmt", b"\xa9cpy", b"desc", b"ldes"];

/// Tags beside the tracks: a list as players write it, or the place that phones write.
pub(super) fn user_data(input: &mut Input, user_data: &Head, tags: &mut BTreeMap<String, String>) -> Option<()> {
    for found in children(input, user_data).ok()? {
        match &found.kind {
            b"meta" => list(input, &found, tags)?,
            // The program that wrote it.
            b"\xa9swr" => {}
            b"\xa9xyz" => {
                let bytes = load(input, &found)?;
                let length = number(&bytes, 0, 2)? as usize;
                // Two bytes for the language, then a text that fills the box.
                let place = text(bytes.get(4..4 + length)?)?;
                if bytes.len() != 4 + length {
                    return None;
                }
                tags.insert("location".to_owned(), place);
            }
            _ => return None,
        }
    }
    Some(())
}

fn list(input: &mut Input, meta: &Head, tags: &mut BTreeMap<String, String>) -> Option<()> {
    let parts = within(input, meta, *b"mdir")?;
    if parts.iter().any(|part| !matches!(&part.kind, b"hdlr" | b"ilst" | b"free")) {
        return None;
    }
    for tag in children(input, child(&parts, *b"ilst")?).ok()? {
        if PASSED_OVER.contains(&&tag.kind) {
            continue;
        }
        let (_, name) = CARRIED.iter().find(|(kind, _)| **kind == tag.kind)?;
        let values = children(input, &tag).ok()?;
        let [value] = values.as_slice() else { return None };
        let bytes = load(input, value)?;
        // Kind 1 is UTF-8; then comes a country that nobody sets.
        if value.kind != *b"data" || number(&bytes, 0, 8)? != 1 << 32 {
            return None;
        }
        if tags.insert((*name).to_owned(), text(&bytes[8..])?).is_some() {
            return None;
        }
    }
    Some(())
}

/// Android writes its version and the rate of the camera, which nobody asks for.
pub(super) fn of_android(input: &mut Input, meta: &Head) -> Option<()> {
    let parts = within(input, meta, *b"mdta")?;
    if parts.iter().any(|part| !matches!(&part.kind, b"hdlr" | b"keys" | b"ilst")) {
        return None;
    }
    let keys = *child(&parts, *b"keys")?;
    // Four bytes of flags and their number, then keys in the form of boxes.
    let keys = children(input, &Head { body: keys.body + 8, ..keys }).ok()?;
    for key in keys {
        if key.kind != *b"mdta" || !load(input, &key)?.starts_with(b"com.android.") {
            return None;
        }
    }
    Some(())
}

/// The boxes in a box of descriptions of this kind.
fn within(input: &mut Input, meta: &Head, kind: [u8; 4]) -> Option<Vec<Head>> {
    // QuickTime leaves the flags out; then what follows them is no box that fills its parent.
    let parts = children(input, &Head { body: meta.body.checked_add(FLAGS).filter(|body| *body <= meta.end)?, ..*meta }).ok()?;
    let handler = child(&parts, *b"hdlr")?;
    (input.up_to(handler.body + 8, 4, handler.end).ok()? == kind).then_some(parts)
}

fn load(input: &Input, found: &Head) -> Option<Vec<u8>> {
    let length = found.end - found.body;
    input.load(found.body, length).ok().filter(|_| length <= LONGEST_TEXT)
}

/// A text that ffprobe repeats as it is.
fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_odd = |letter: char| {
        let code = u32::from(letter);
        letter.is_control() || code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
    };
    (!text.is_empty() && !text.contains(is_odd)).then(|| text.to_owned())
}
