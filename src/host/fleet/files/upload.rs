//! One object written in parts, of which nothing is to be seen before all are there.

use object_store::multipart::PartId;
use object_store::{MultipartId, PutMode, PutPayload};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::cloud::{Cloud, Place};
use super::download::Download;
use super::error::FilesError;
use super::patience::{Tries, once, persist};
use super::pieces::Reader;
use super::{OnBytes, stopped};

/// Bytes of a part; a file of no more is sent whole.
const PART: u64 = 8 * 1024 * 1024;
/// Parts on their way at once.
const AT_ONCE: usize = 2;
/// Most parts of one object that every store takes.
const MOST_PARTS: u64 = 10_000;
/// Parts are a multiple of this.
const STEP: u64 = 1024 * 1024;

/// Where the bytes come from.
pub(super) enum Source<'a> {
    /// A file on this box.
    File(&'a mut Reader, &'a std::path::Path),
    /// Another object, which the store cannot copy by itself; with what has come of it beyond the last part.
    Object(Box<Download>, Vec<u8>),
}

impl Source<'_> {
    async fn piece(&mut self, bytes: u64) -> Result<Vec<u8>, FilesError> {
        match self {
            Source::File(reader, path) => {
                let piece = reader.piece(bytes as usize).await.map_err(|error| FilesError::disk(path, error))?;
                if (piece.len() as u64) < bytes {
                    let error =
                        std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file became shorter while it was stored");
                    return Err(FilesError::disk(path, error));
                }
                Ok(piece)
            }
            Source::Object(download, over) => {
                let mut piece = std::mem::take(over);
                piece.reserve_exact((bytes as usize).saturating_sub(piece.len()));
                while (piece.len() as u64) < bytes {
                    let Some(chunk) = download.next().await? else { break };
                    piece.extend_from_slice(&chunk);
                }
                // Some stores want all parts to be of one size.
                *over = piece.split_off(piece.len().min(bytes as usize));
                Ok(piece)
            }
        }
    }
}

impl Cloud {
    /// Writes `size` bytes as one object; its etag, where the store tells it. At most two parts are held in memory: 16 MiB up to an object of 78 GiB.
    pub(super) async fn upload(
        &self,
        place: &Place,
        mut source: Source<'_>,
        size: u64,
        on_bytes: OnBytes<'_>,
    ) -> Result<Option<String>, FilesError> {
        if size <= PART {
            let piece = source.piece(size).await?;
            let etag = self.put(place, PutPayload::from(piece), PutMode::Overwrite).await?;
            return stopped(on_bytes(size), &place.named.address).map(|()| etag);
        }
        let create = || place.bucket.create_multipart(&place.path);
        let id = persist(&self.patience, &place.named, self.patience.answer, create).await?;
        let mut open = Open { place: place.clone(), id, is_over: false };
        let sent = self.send_parts(&open, source, size, on_bytes).await;
        let done = match sent {
            Ok(parts) => self.assemble(&open, parts, size).await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            // The fault that matters is the one that led here.
            let _ = timeout(self.patience.answer, place.bucket.abort_multipart(&place.path, &open.id)).await;
        }
        open.is_over = true;
        done
    }

    async fn send_parts(
        &self,
        upload: &Open,
        mut source: Source<'_>,
        size: u64,
        on_bytes: OnBytes<'_>,
    ) -> Result<Vec<PartId>, FilesError> {
        let (place, id) = (&upload.place, &upload.id);
        let part = part_size(size);
        let mut parts: Vec<Option<PartId>> = Vec::new();
        // Dropped with all its tasks when this is given up.
        let mut sending = JoinSet::new();
        let (mut read, mut sent) = (0, 0);
        loop {
            // A part is read only when there is room for it.
            while sending.len() >= AT_ONCE || (read == size && !sending.is_empty()) {
                let Some(joined) = sending.join_next().await else { break };
                let (index, bytes, part): (usize, u64, PartId) = joined.map_err(|error| FilesError::Damaged {
                    what: place.named.address.clone(),
                    why: format!("a part was not sent: {error}"),
                })??;
                parts[index] = Some(part);
                sent += bytes;
                stopped(on_bytes(sent), &place.named.address)?;
            }
            if read == size {
                break;
            }
            let piece = source.piece(part.min(size - read)).await?;
            let bytes = piece.len() as u64;
            if bytes == 0 {
                let why = "it ended too early while it was copied".to_owned();
                return Err(FilesError::Damaged { what: place.named.address.clone(), why });
            }
            read += bytes;
            let (index, place, id, patience) = (parts.len(), place.clone(), id.clone(), self.patience.clone());
            parts.push(None);
            sending.spawn(async move {
                let payload = PutPayload::from(piece);
                let send = || place.bucket.put_part(&place.path, &id, index, payload.clone());
                let part = persist(&patience, &place.named, patience.sending(bytes), send).await?;
                Ok::<_, FilesError>((index, bytes, part))
            });
        }
        Ok(parts.into_iter().flatten().collect())
    }

    async fn assemble(&self, upload: &Open, parts: Vec<PartId>, size: u64) -> Result<Option<String>, FilesError> {
        let (place, id) = (&upload.place, &upload.id);
        let mut tries = Tries::new(&self.patience, &place.named);
        loop {
            let request = place.bucket.complete_multipart(&place.path, id, parts.clone());
            let trouble = match once(&place.named, self.patience.assemble, request).await {
                Ok(put) => return Ok(put.e_tag),
                Err(trouble) => trouble,
            };
            // An answer that was lost: then the upload is not known any more, and the object is there. Its key is this
            // attempt's alone, so that it can be no other.
            if let Ok(found) = self.look(place).await
                && found.size == size
            {
                return Ok(found.e_tag);
            }
            tries.again(trouble).await?;
        }
    }
}

/// Bytes of each part of an object, so that there are not too many.
fn part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(MOST_PARTS).next_multiple_of(STEP))
}

/// An upload that has begun; given up when it is dropped before its end, so that the store does not keep its parts.
struct Open {
    place: Place,
    id: MultipartId,
    is_over: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (place, id) = (self.place.clone(), self.id.clone());
            runtime.spawn(async move { place.bucket.abort_multipart(&place.path, &id).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_object_needs_more_parts_than_a_store_takes() {
        const GIB: u64 = 1024 * 1024 * 1024;
        assert_eq!(part_size(PART + 1), PART);
        assert_eq!(part_size(78 * GIB), PART, "16 MiB of memory up to here");
        for size in [79 * GIB, 500 * GIB, 5000 * GIB] {
            assert!(size.div_ceil(part_size(size)) <= MOST_PARTS);
        }
    }
}
