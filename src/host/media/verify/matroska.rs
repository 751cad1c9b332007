//! Matroska and `WebM` as ffmpeg writes them: elements that fill the file to its end, every block counted by its head, and
//! nothing in the index that points elsewhere than at what it names.

use super::{Input, Made, MadeKind, MadeStream, Stop, damaged};

const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114d_9b74;
const SEEK: u32 = 0x4dbb;
const SEEK_ID: u32 = 0x53ab;
const SEEK_POSITION: u32 = 0x53ac;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const DEFAULT_DURATION: u32 = 0x23_e383;
const CODEC_DELAY: u32 = 0x56aa;
const VIDEO: u32 = 0xe0;
const PIXEL_WIDTH: u32 = 0xb0;
const PIXEL_HEIGHT: u32 = 0xba;
const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const BLOCK_DURATION: u32 = 0x9b;
const CUES: u32 = 0x1c53_bb6b;
const CUE_POINT: u32 = 0xbb;
const CUE_TRACK_POSITIONS: u32 = 0xb7;
const CUE_CLUSTER_POSITION: u32 = 0xf1;
const CHAPTERS: u32 = 0x1043_a770;
const ATTACHMENTS: u32 = 0x1941_a469;
const TAGS: u32 = 0x1254_c367;
const VOID: u32 = 0xec;
const CRC: u32 = 0xbf;

/// Places that are remembered, of clusters and of the index; a cluster stands for 5 s or 5 MB.
const MAX_PLACES: usize = 1 << 21;
/// The longest codec ID there is has 26 letters.
const LONGEST_ID: usize = 64;

/// An element, its head read and its size held against what is there.
#[derive(Debug, Clone, Copy)]
struct Element {
    id: u32,
    at: u64,
    body: u64,
    end: u64,
}

/// A place that the index names, from the beginning of the segment's body, and what is to stand there.
struct Place {
    id: u32,
    at: u64,
}

#[derive(Debug)]
struct Track {
    number: u64,
    kind: u64,
    codec: String,
    width: u32,
    height: u32,
    /// Nanoseconds that each block lasts, 0 = not told.
    each: u64,
    /// Nanoseconds that a decoder is ahead.
    delay: u64,
    packets: u64,
    /// First time, in nanoseconds.
    first: i128,
    /// Last two times, the later first, and when the last block ends by what the file says of it.
    last: i128,
    before: Option<i128>,
    until: i128,
}

pub(super) fn read(input: &mut Input) -> Result<Made, Stop> {
    let head = element(input, 0, input.len)?;
    if head.id != EBML {
        return Err(damaged("it does not begin like a Matroska file"));
    }
    let segment = element(input, head.end, input.len)?;
    if segment.id != SEGMENT {
        return Err(damaged("its head is followed by no segment"));
    }
    let mut film = Film { scale: 1_000_000, claim: None, tracks: Vec::new(), clusters: Vec::new(), places: Vec::new() };
    let mut at = segment.body;
    while at < segment.end {
        let found = element(input, at, segment.end)?;
        match found.id {
            SEEK_HEAD => film.seek_head(input, &found)?,
            INFO => film.info(input, &found)?,
            TRACKS => film.tracks(input, &found)?,
            CLUSTER => film.cluster(input, &found)?,
            CUES => film.cues(input, &found)?,
            CHAPTERS | ATTACHMENTS | TAGS | VOID | CRC => {}
            _ => return Err(damaged(format!("what stands at byte {at} is no part of a Matroska file"))),
        }
        at = found.end;
    }
    if segment.end < input.len {
        return Err(damaged(format!("{} bytes stand after its end", input.len - segment.end)));
    }
    film.check_places(input, &segment)?;
    let claim = film.claim.map(|ticks| ticks * film.scale as f64);
    super::made(film.tracks.into_iter().map(|track| track.told(claim)).collect())
}

/// What has been read of a film.
struct Film {
    /// Nanoseconds of a tick.
    scale: u64,
    /// The length that the muxer wrote down, in ticks.
    claim: Option<f64>,
    tracks: Vec<Track>,
    clusters: Vec<u64>,
    places: Vec<Place>,
}

impl Film {
    fn seek_head(&mut self, input: &mut Input, head: &Element) -> Result<(), Stop> {
        each(input, head, |input, seek| {
            let (mut id, mut at) = (None, None);
            if seek.id == SEEK {
                each(input, seek, |input, field| {
                    match field.id {
                        SEEK_ID => id = u32::try_from(unsigned(input, field)?).ok(),
                        SEEK_POSITION => at = Some(unsigned(input, field)?),
                        _ => {}
                    }
                    Ok(())
                })?;
            }
            self.places.extend(id.zip(at).map(|(id, at)| Place { id, at }));
            full(self.places.len())
        })
    }

    fn info(&mut self, input: &mut Input, info: &Element) -> Result<(), Stop> {
        each(input, info, |input, field| {
            match field.id {
                TIMESTAMP_SCALE => self.scale = unsigned(input, field)?,
                DURATION => self.claim = float(input, field)?,
                _ => {}
            }
            Ok(())
        })
    }

    fn tracks(&mut self, input: &mut Input, tracks: &Element) -> Result<(), Stop> {
        each(input, tracks, |input, entry| {
            if entry.id == TRACK_ENTRY {
                let track = Track::read(input, entry)?;
                if self.tracks.iter().any(|other| other.number == track.number) {
                    return Err(damaged("two of its tracks have one number"));
                }
                self.tracks.push(track);
            }
            full(self.tracks.len())
        })
    }

    fn cues(&mut self, input: &mut Input, cues: &Element) -> Result<(), Stop> {
        each(input, cues, |input, point| {
            if point.id != CUE_POINT {
                return Ok(());
            }
            each(input, point, |input, positions| {
                if positions.id != CUE_TRACK_POSITIONS {
                    return Ok(());
                }
                each(input, positions, |input, field| {
                    if field.id == CUE_CLUSTER_POSITION {
                        self.places.push(Place { id: CLUSTER, at: unsigned(input, field)? });
                    }
                    full(self.places.len())
                })
            })
        })
    }

    fn cluster(&mut self, input: &mut Input, cluster: &Element) -> Result<(), Stop> {
        self.clusters.push(cluster.at);
        full(self.clusters.len())?;
        let mut time = None;
        each(input, cluster, |input, found| {
            input.fetch(found.at);
            match found.id {
                TIMESTAMP => time = Some(unsigned(input, found)?),
                SIMPLE_BLOCK => self.block(input, found, time, None)?,
                BLOCK_GROUP => {
                    let (mut block, mut duration) = (None, None);
                    each(input, found, |input, field| {
                        match field.id {
                            BLOCK => block = Some(*field),
                            BLOCK_DURATION => duration = Some(unsigned(input, field)?),
                            _ => {}
                        }
                        Ok(())
                    })?;
                    let block = block.ok_or_else(|| damaged("a group of blocks has no block"))?;
                    self.block(input, &block, time, duration)?;
                }
                _ => {}
            }
            Ok(())
        })
    }

    /// Counts a block by its head: the track's number, the time from the cluster's, and how many packets share it.
    fn block(&mut self, input: &mut Input, block: &Element, cluster: Option<u64>, duration: Option<u64>) -> Result<(), Stop> {
        let head = input.up_to(block.body, 12, block.end)?;
        let cut = || damaged(format!("a block is cut short at byte {}", block.at));
        let width = head.first().map(|first| first.leading_zeros() as usize + 1).filter(|width| *width <= 8).ok_or_else(cut)?;
        let rest = head.get(width..width + 3).ok_or_else(cut)?;
        let number = number(&head[..width], true);
        let (time, laced) = (i16::from_be_bytes([rest[0], rest[1]]), rest[2] & 0x06 != 0);
        let packets = if laced { u64::from(*head.get(width + 3).ok_or_else(cut)?) + 1 } else { 1 };
        let cluster = cluster.ok_or_else(|| damaged("a cluster has no time"))?;
        let track = self.tracks.iter_mut().find(|track| track.number == number);
        let track = track.ok_or_else(|| damaged(format!("a block belongs to track {number}, which is not there")))?;
        let scale = i128::from(self.scale);
        let time = (i128::from(cluster) + i128::from(time)).saturating_mul(scale).saturating_sub(i128::from(track.delay));
        let told = duration.map(|ticks| i128::from(ticks).saturating_mul(scale));
        track.count(time, packets, told);
        Ok(())
    }

    /// What the index names must stand where it says.
    fn check_places(&self, input: &mut Input, segment: &Element) -> Result<(), Stop> {
        for place in &self.places {
            let at = segment.body.saturating_add(place.at);
            let stands = match place.id {
                CLUSTER => self.clusters.binary_search(&at).is_ok(),
                id => at < segment.end && element(input, at, segment.end)?.id == id,
            };
            if !stands {
                return Err(damaged(format!("its index points at byte {at}, where nothing of that kind stands")));
            }
        }
        Ok(())
    }
}

impl Track {
    fn read(input: &mut Input, entry: &Element) -> Result<Self, Stop> {
        let mut track = Self {
            number: 0,
            kind: 0,
            codec: String::new(),
            width: 0,
            height: 0,
            each: 0,
            delay: 0,
            packets: 0,
            first: i128::MAX,
            last: i128::MIN,
            before: None,
            until: i128::MIN,
        };
        each(input, entry, |input, field| {
            match field.id {
                TRACK_NUMBER => track.number = unsigned(input, field)?,
                TRACK_TYPE => track.kind = unsigned(input, field)?,
                DEFAULT_DURATION => track.each = unsigned(input, field)?,
                CODEC_DELAY => track.delay = unsigned(input, field)?,
                CODEC_ID => {
                    let id = input.up_to(field.body, LONGEST_ID, field.end)?;
                    track.codec = id.iter().filter(|byte| byte.is_ascii_graphic()).map(|&byte| byte as char).collect();
                }
                VIDEO => each(input, field, |input, field| {
                    match field.id {
                        PIXEL_WIDTH => track.width = u32::try_from(unsigned(input, field)?).unwrap_or(u32::MAX),
                        PIXEL_HEIGHT => track.height = u32::try_from(unsigned(input, field)?).unwrap_or(u32::MAX),
                        _ => {}
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(track)
    }

    fn count(&mut self, time: i128, packets: u64, told: Option<i128>) {
        self.packets += packets;
        self.first = self.first.min(time);
        if time > self.last {
            self.before = (self.last != i128::MIN).then_some(self.last);
            self.last = time;
        } else if time < self.last && self.before.is_none_or(|before| time > before) {
            self.before = Some(time);
        }
        let told = told.or((self.each > 0).then(|| i128::from(self.each) * i128::from(packets)));
        self.until = self.until.max(time.saturating_add(told.unwrap_or(0)));
    }

    /// `claim` = nanoseconds that the film is said to last.
    fn told(self, claim: Option<f64>) -> MadeStream {
        let kind = match self.kind {
            1 => MadeKind::Video,
            2 => MadeKind::Audio,
            17 => MadeKind::Subtitle,
            _ => MadeKind::Other,
        };
        let mut end = self.until as f64;
        if let Some(before) = self.before.filter(|_| self.until == self.last) {
            // Nothing says how long the last one is: as long as the one before it, but within the film.
            let last = self.last as f64;
            end = last + self.last.saturating_sub(before) as f64;
            end = claim.filter(|claim| *claim >= last).map_or(end, |claim| claim.min(end));
        }
        let seconds = |nanoseconds: f64| (self.packets > 0).then_some(nanoseconds / 1e9);
        let (start, end) = (seconds(self.first as f64), seconds(end));
        MadeStream { kind, codec: self.codec, packets: self.packets, start, end, width: self.width, height: self.height }
    }
}

/// Goes through the elements that fill an element from its first byte to its last.
fn each(input: &mut Input, parent: &Element, mut told: impl FnMut(&mut Input, &Element) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut at = parent.body;
    while at < parent.end {
        let found = element(input, at, parent.end)?;
        told(input, &found)?;
        at = found.end;
    }
    Ok(())
}

/// The element at `at`, which must end by `limit`.
fn element(input: &mut Input, at: u64, limit: u64) -> Result<Element, Stop> {
    let head = input.up_to(at, 12, limit)?;
    let cut = || damaged(format!("an element is cut short at byte {at}"));
    let id_width = head.first().map(|first| first.leading_zeros() as usize + 1).ok_or_else(cut)?;
    if id_width > 4 {
        return Err(damaged(format!("what stands at byte {at} is no element of Matroska")));
    }
    let id = number(head.get(..id_width).ok_or_else(cut)?, false) as u32;
    let size = head.get(id_width..).unwrap_or_default();
    let width = size.first().map(|first| first.leading_zeros() as usize + 1).filter(|width| *width <= 8).ok_or_else(cut)?;
    let size = number(size.get(..width).ok_or_else(cut)?, true);
    if size == (1 << (7 * width)) - 1 {
        return Err(damaged(format!("the size of the element at byte {at} is not told: writing was not finished")));
    }
    let body = at + (id_width + width) as u64;
    let there = limit - body;
    if size > there {
        return Err(damaged(format!("the element at byte {at} says {size} bytes and {there} are there")));
    }
    Ok(Element { id, at, body, end: body + size })
}

/// Bytes as a number; `marked` = without the highest bit that is set, which tells how many bytes there are.
fn number(bytes: &[u8], marked: bool) -> u64 {
    let value = bytes.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    if marked && !bytes.is_empty() { value & !(1 << (7 * bytes.len())) } else { value }
}

fn unsigned(input: &mut Input, field: &Element) -> Result<u64, Stop> {
    if field.end - field.body > 8 {
        return Err(damaged(format!("the number at byte {} has more than 8 bytes", field.at)));
    }
    Ok(number(input.up_to(field.body, 8, field.end)?, false))
}

fn float(input: &mut Input, field: &Element) -> Result<Option<f64>, Stop> {
    let bits = unsigned(input, field)?;
    let value = match field.end - field.body {
        4 => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits),
    };
    Ok(Some(value).filter(|value| value.is_finite()))
}

fn full(count: usize) -> Result<(), Stop> {
    if count > MAX_PLACES { Err(Stop::Unknown) } else { Ok(()) }
}
