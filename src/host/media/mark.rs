//! Did plimsoll make this file? Its outputs carry a mark in the container's metadata, so that they are known without any
//! record: the encoding tool in MP4, the handler's name in `QuickTime`, `ENCODED_BY` in Matroska, the provider in a
//! transport stream.
//!
//! Reads headers alone, some dozens of small reads at most, and never believes a size. A title that speaks of plimsoll is no
//! mark.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::domain::preset::Preset;
use crate::host::files::file_id;
use crate::host::files::fsops::fill;
use crate::host::media::sniff::{self, Format};
use crate::host::store::preset_hash;

/// How every mark begins.
const NAME: &str = "plimsoll";
/// Hexadecimal digits of a mark that tell what an output was made of.
const DIGITS: usize = 16;
/// Reads of one file at most.
const READS: u32 = 200;
/// Longest metadata that are looked through, in bytes.
const WINDOW: u64 = 64 * 1024;
/// Boxes that lie in one another, at most.
const DEEPEST: u32 = 6;

/// The mark of an output: made of this input with this preset. The same file in another place, or with another date, gives the
/// same mark; the file is not read as a whole, so two of one size that differ in the middle of a part alone would too.
pub fn of(input: &Path, preset: &Preset) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(preset_hash(preset).as_bytes());
    hasher.update(&file_id::sample(input)?);
    Ok(format!("{NAME} {}", &hasher.finalize().to_hex()[..DIGITS]))
}

/// The file at `path` carries exactly this mark.
pub fn carries(path: &Path, mark: &str) -> bool {
    let looked = || -> io::Result<bool> {
        let file = file_id::open_regular(path)?;
        let size = file.metadata()?.len();
        let mut head = vec![0; sniff::HEAD];
        let read = fill(&file, &mut head, 0)?;
        head.truncate(read);
        Ok(sniff::taken(&head, b"", false).is_some_and(|format| search(&file, size, format, &head, Wanted(Some(mark)))))
    };
    looked().unwrap_or(false)
}

/// The file carries a mark of plimsoll's. `head` holds its first bytes, of [`sniff::HEAD`].
pub fn is_marked(file: &File, size: u64, format: Format, head: &[u8]) -> bool {
    search(file, size, format, head, Wanted(None))
}

/// What is looked for: one mark, or any.
#[derive(Clone, Copy)]
struct Wanted<'m>(Option<&'m str>);

impl Wanted<'_> {
    fn is(self, value: &[u8]) -> bool {
        let end = value.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let value = &value[..end];
        match self.0 {
            Some(mark) => value == mark.as_bytes(),
            None => value.strip_prefix(NAME.as_bytes()).is_some_and(|rest| match rest {
                [] => true,
                [b' ', digits @ ..] => digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit),
                _ => false,
            }),
        }
    }
}

fn search(file: &File, size: u64, format: Format, head: &[u8], wanted: Wanted<'_>) -> bool {
    let mut source = Source { file, size, reads: 0, wanted };
    match format {
        Format::Mp4 => {
            // Only QuickTime has to carry it there: the tracks of all others need not be read.
            let has_brand = head.get(4..8) == Some(b"ftyp") && head.get(8..12) != Some(b"qt  ");
            mp4(&mut source, 0..size, if has_brand { METADATA } else { METADATA_AND_TRACKS }, 0).unwrap_or(false)
        }
        Format::Matroska => matroska(&mut source).unwrap_or(false),
        Format::TransportStream => transport_stream(head, wanted),
        Format::Rest => false,
    }
}

/// A file that is read here and there, a limited number of times.
struct Source<'f> {
    file: &'f File,
    size: u64,
    reads: u32,
    wanted: Wanted<'f>,
}

impl Source<'_> {
    /// Up to `length` bytes at `at`; `None` where there are none, or too much was read already.
    fn read(&mut self, at: u64, length: u64) -> Option<Vec<u8>> {
        self.reads += 1;
        let length = length.min(WINDOW).min(self.size.checked_sub(at)?);
        if self.reads > READS || length == 0 {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        let read = fill(self.file, &mut bytes, at).ok()?;
        bytes.truncate(read);
        (read > 0).then_some(bytes)
    }
}

/// Boxes that lead to the metadata.
const METADATA: &[[u8; 4]] = &[*b"moov", *b"udta", *b"ilst"];
/// And those that lead to the names of handlers.
const METADATA_AND_TRACKS: &[[u8; 4]] = &[*b"moov", *b"udta", *b"ilst", *b"trak", *b"mdia"];

/// Looks through the boxes of a range: down through those named in `ways`, past all others.
fn mp4(source: &mut Source<'_>, range: std::ops::Range<u64>, ways: &[[u8; 4]], depth: u32) -> Option<bool> {
    let mut at = range.start;
    while depth < DEEPEST && at.checked_add(8)? <= range.end {
        let header = source.read(at, 16)?;
        let name: [u8; 4] = header.get(4..8)?.try_into().ok()?;
        let (start, length) = match u32::from_be_bytes(header.get(..4)?.try_into().ok()?) {
            0 => (8, range.end - at),
            1 => (16, u64::from_be_bytes(header.get(8..16)?.try_into().ok()?)),
            length => (8, u64::from(length)),
        };
        if length < start {
            return None;
        }
        let end = at.checked_add(length)?.min(range.end);
        let content = at + start..end;
        let found = match &name {
            name if ways.contains(name) => mp4(source, content, ways, depth + 1),
            // In MP4 a version comes first, in QuickTime a box.
            b"meta" => {
                let is_plain = header.get(12..16) == Some(b"hdlr");
                mp4(source, if is_plain { content } else { content.start + 4..end }, ways, depth + 1)
            }
            b"hdlr" => source.read(content.start, end - content.start).map(|bytes| is_handler(&bytes, source.wanted)),
            b"\xa9too" | b"\xa9swr" | b"\xa9enc" => {
                source.read(content.start, end - content.start).map(|bytes| is_tag(&bytes, source.wanted))
            }
            _ => Some(false),
        };
        if found == Some(true) {
            return found;
        }
        at = end;
    }
    Some(false)
}

/// A text among the metadata: within a box `data` behind its kind and language, or, in `QuickTime`, behind its own length
/// and language.
fn is_tag(bytes: &[u8], wanted: Wanted<'_>) -> bool {
    match bytes {
        [_, _, _, _, b'd', b'a', b't', b'a', _, _, _, _, _, _, _, _, text @ ..] => wanted.is(text),
        [_, _, _, _, text @ ..] => wanted.is(text),
        _ => false,
    }
}

/// The name of what handles a track, behind 24 bytes: in MP4 up to a zero, in `QuickTime` behind its length.
fn is_handler(bytes: &[u8], wanted: Wanted<'_>) -> bool {
    let Some(name) = bytes.get(24..) else { return false };
    wanted.is(name) || name.split_first().is_some_and(|(length, text)| usize::from(*length) == text.len() && wanted.is(text))
}

const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114D_9B74;
const SEEK: u32 = 0x4DBB;
const SEEK_ID: u32 = 0x53AB;
const SEEK_POSITION: u32 = 0x53AC;
const CLUSTER: u32 = 0x1F43_B675;
const TAGS: u32 = 0x1254_C367;
const TAG: u32 = 0x7373;
const SIMPLE_TAG: u32 = 0x67C8;
const TAG_NAME: u32 = 0x45A3;
const TAG_STRING: u32 = 0x4487;

/// Looks for the tags before the first cluster, and where the index at the beginning says that they are.
fn matroska(source: &mut Source<'_>) -> Option<bool> {
    let first = element(&source.read(0, 12)?)?;
    let segment_at = first.start + first.length?;
    let segment = element(&source.read(segment_at, 12)?).filter(|element| element.id == SEGMENT)?;
    let base = segment_at + segment.start;
    let (mut at, mut elsewhere) = (base, None);
    while let Some(child) = source.read(at, 12).as_deref().and_then(element) {
        let content = at + child.start;
        match child.id {
            TAGS if has_mark(&source.read(content, child.length.unwrap_or(WINDOW))?, source.wanted) => return Some(true),
            SEEK_HEAD => elsewhere = elsewhere.or(position_of_tags(&source.read(content, child.length?)?)),
            CLUSTER => break,
            _ => {}
        }
        at = content.checked_add(child.length?)?;
    }
    let at = base.checked_add(elsewhere?)?;
    let tags = element(&source.read(at, 12)?).filter(|element| element.id == TAGS)?;
    Some(has_mark(&source.read(at + tags.start, tags.length.unwrap_or(WINDOW))?, source.wanted))
}

/// An element's head.
struct Element {
    id: u32,
    /// Bytes from its beginning to its content.
    start: u64,
    /// Bytes of its content; `None` = to the end of what it lies in.
    length: Option<u64>,
}

fn element(bytes: &[u8]) -> Option<Element> {
    let id_length = usize::try_from(bytes.first()?.leading_zeros()).ok()? + 1;
    let id = bytes.get(..id_length).filter(|_| id_length <= 4)?.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    let rest = &bytes[id_length..];
    let length_length = usize::try_from(rest.first()?.leading_zeros()).ok()? + 1;
    let all = rest.get(..length_length).filter(|_| length_length <= 8)?.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
    let most = (1_u64 << (7 * length_length)) - 1;
    let length = all & most;
    Some(Element { id, start: (id_length + length_length) as u64, length: (length != most).then_some(length) })
}

/// The elements that lie one after the other in `bytes`, each with its content.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let found = element(bytes)?;
        let content = bytes.get(usize::try_from(found.start).ok()?..)?;
        let length = found.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(content.len()).min(content.len());
        bytes = &content[length..];
        Some((found.id, &content[..length]))
    })
}

fn position_of_tags(seek_head: &[u8]) -> Option<u64> {
    elements(seek_head).filter(|(id, _)| *id == SEEK).find_map(|(_, seek)| {
        let part = |wanted| elements(seek).find(|(id, _)| *id == wanted).map(|(_, content)| content);
        let number = |bytes: &[u8]| bytes.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (number(part(SEEK_ID)?) == u64::from(TAGS)).then(|| part(SEEK_POSITION).map(number))?
    })
}

fn has_mark(tags: &[u8], wanted: Wanted<'_>) -> bool {
    elements(tags).filter(|(id, _)| *id == TAG).flat_map(|(_, tag)| elements(tag)).filter(|(id, _)| *id == SIMPLE_TAG).any(
        |(_, simple)| {
            let part = |wanted| elements(simple).find(|(id, _)| *id == wanted).map_or(&[][..], |(_, content)| content);
            part(TAG_NAME).eq_ignore_ascii_case(b"ENCODED_BY") && wanted.is(part(TAG_STRING))
        },
    )
}

/// The provider of a service, in a packet of the table that describes services (number 0x11): a descriptor 0x48 with its
/// length, the kind of service, and the provider's name behind its length.
fn transport_stream(head: &[u8], wanted: Wanted<'_>) -> bool {
    let Some((first, size)) = sniff::ts_layout(head) else { return false };
    head[first..].chunks(size).filter_map(|packet| packet.get(..188)).any(|packet| {
        let is_table = packet[0] == 0x47 && packet[1].trailing_zeros() >= 5 && packet[2] == 0x11;
        let provider = |window: &[u8]| match window {
            [0x48, _, _, length, rest @ ..] => rest.get(..usize::from(*length)).is_some_and(|name| wanted.is(name)),
            _ => false,
        };
        is_table && (0..packet.len()).any(|at| provider(&packet[at..]))
    })
}

#[cfg(test)]
#[path = "mark_tests.rs"]
mod tests;
