//! For which films ffprobe need not be asked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::host::media::report::{Report, Stream};

/// What was seen of ffprobe's answers. Of each kind of film the first is asked of ffprobe as well, which may lack a decoder, or
/// be of a version that tells something in another way. Where both have told the same the index is enough from then on; where
/// they have not, ffprobe is asked of every film. Copies share what they know.
#[derive(Debug, Clone, Default)]
pub struct Trust(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    confirmed: BTreeSet<String>,
    is_refuted: bool,
}

impl Trust {
    /// What the index tells of a film of this kind is what ffprobe would tell.
    pub(in crate::host::media) fn covers(&self, report: &Report) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !seen.is_refuted && seen.confirmed.contains(&kind(report))
    }

    /// Takes note of whether both have told the same.
    pub(in crate::host::media) fn learn(&self, report: &Report, is_same: bool) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_same {
            seen.confirmed.insert(kind(report));
        } else if !seen.is_refuted {
            seen.is_refuted = true;
            tracing::info!(film = kind(report), "ffprobe tells something else than the index: it is asked of every film");
        }
    }
}

/// Films of the same codecs, forms, colours and turns, that have the same tags.
fn kind(report: &Report) -> String {
    let stream = |stream: &Stream| {
        let colours = [&stream.color_range, &stream.color_space, &stream.color_transfer, &stream.color_primaries];
        let names = [&stream.codec_name, &stream.pix_fmt, &stream.channel_layout, &stream.sample_aspect_ratio];
        let turns: Vec<_> = stream.side_data_list.iter().map(|data| data.rotation).collect();
        format!("{names:?} {colours:?} {turns:?} {:?}", stream.tags.keys())
    };
    let streams: Vec<_> = report.streams.iter().map(stream).collect();
    format!("{streams:?} {:?}", report.format.tags.keys())
}
