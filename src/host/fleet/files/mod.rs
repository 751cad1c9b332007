//! The files of a fleet: inputs fetched from where all boxes can reach them, outputs stored there.
//!
//! ffmpeg never sees the network: it reads a file that [`Files::fetch`] has made, and what it wrote goes up by
//! [`Files::store`] once it has been verified. All waits are bounded ([`Patience`]); everything may be given up by dropping
//! it. In memory are 1 MiB for each fetch, and two parts of 8 MiB for each store (more beyond 78 GiB, where a store takes
//! no more parts).
//!
//! An upload whose process is killed leaves parts in a bucket that no listing shows. A lifecycle rule of the bucket that aborts
//! incomplete multipart uploads after a day removes them.

pub mod address;
pub mod error;
pub mod listing;
pub mod patience;
pub mod trial;

mod cloud;
mod download;
mod folder;
mod pieces;
mod upload;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::{CopyMode, ObjectMeta};

use crate::domain::time::Wall;
use address::StoreAddress;
pub use address::{Key, ObjectAddress};
use cloud::Cloud;
pub use cloud::Settings;
use download::Download;
pub use error::FilesError;
use folder::Folder;
use listing::Listing;
pub use patience::Patience;
use pieces::{Reader, Sink};
use upload::Source;

/// Told how many bytes are through; breaks off when there is to be no more.
pub type OnBytes<'a> = &'a mut (dyn FnMut(u64) -> ControlFlow<()> + Send);

/// Largest object that stores copy by themselves in one request.
const LARGEST_COPY: u64 = 5 * 1024 * 1024 * 1024;

/// The store of a fleet, opened. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Cloud(Arc<Cloud>),
    Folder(Arc<Folder>),
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Bytes.
    pub size: u64,
    /// Its version; some stores tell none here.
    pub etag: Option<String>,
    /// When it was written, by the store's clock.
    pub modified: Wall,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes.
    pub size: u64,
    /// The version that was read.
    pub etag: Option<String>,
    /// Hash of the bytes.
    pub blake3: blake3::Hash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Bytes.
    pub size: u64,
    /// The version that is there now; some stores tell none.
    pub etag: Option<String>,
    /// Hash of the bytes.
    pub blake3: blake3::Hash,
}

/// What stands for it that a copy replaces nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// The store does, if it can be trusted ([`Files::conditional_writes_hold`]).
    IfAbsent,
    /// The name was reserved in the database; whatever is there is replaced.
    Reserved,
}

impl Files {
    /// Opens `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or a folder that all boxes share
    /// (`/shared/files`, `file:///shared/files`; see [`Files::make`]). Credentials, region and server come from the environment
    /// alone, as `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`. No request is made.
    pub fn open(address: &str) -> Result<Self, FilesError> {
        Self::open_with(address, cloud::settings_of_environment(), Patience::default())
    }

    /// [`Files::open`] with these settings in place of the environment, and these limits in time.
    pub fn open_with(address: &str, settings: Settings, patience: Patience) -> Result<Self, FilesError> {
        let place = match StoreAddress::parse(address)? {
            StoreAddress::Folder(root) => Place::Folder(Arc::new(Folder::new(root, patience))),
            StoreAddress::Bucket { kind, bucket, prefix } => {
                Place::Cloud(Arc::new(Cloud::open(kind, bucket, prefix, settings, patience)?))
            }
        };
        Ok(Self { place })
    }

    /// Makes a shared folder if it is missing, and says in it that it is a fleet's. No worker does that: the folder that a share is
    /// mounted on looks like an empty share while it is not. A bucket is its owner's to make.
    pub async fn make(&self) -> Result<(), FilesError> {
        match &self.place {
            Place::Cloud(_) => Ok(()),
            Place::Folder(folder) => folder.make().await,
        }
    }

    /// Where the files lie; without secrets.
    pub fn address(&self) -> String {
        match &self.place {
            Place::Cloud(cloud) => cloud.address(),
            Place::Folder(folder) => folder.address(),
        }
    }

    /// The file of an object, where the store is a folder.
    pub fn path_here(&self, object: &ObjectAddress) -> Option<PathBuf> {
        match &self.place {
            Place::Cloud(_) => None,
            Place::Folder(folder) => folder.object_path(object).ok(),
        }
    }

    /// What is known of an object without reading it.
    pub async fn look(&self, object: &ObjectAddress) -> Result<Found, FilesError> {
        match &self.place {
            Place::Cloud(cloud) => cloud.look(&cloud.place(object)?).await.map(Found::from),
            Place::Folder(folder) => folder.look(object).await,
        }
    }

    /// Reads an object into a file that is made new, open to this user only; it goes again on any failure. With an etag
    /// only that version is read. After a cut of the connection the rest is asked for.
    pub async fn fetch(
        &self,
        object: &ObjectAddress,
        etag: Option<&str>,
        into: &Path,
        on_bytes: OnBytes<'_>,
    ) -> Result<Fetched, FilesError> {
        let cloud = match &self.place {
            Place::Cloud(cloud) => cloud,
            Place::Folder(folder) => return Box::pin(folder.fetch(object, etag, into, on_bytes)).await,
        };
        let place = cloud.place(object)?;
        let what = place.named.address.clone();
        let disk = |error| FilesError::disk(into, error);
        let mut sink = Sink::create(into, 0o600).await.map_err(disk)?;
        let mut download = Download::new(place, &cloud.patience, etag);
        let mut taken = 0;
        while let Some(chunk) = Box::pin(download.next()).await? {
            sink.take(&chunk).await.map_err(disk)?;
            taken += chunk.len() as u64;
            stopped(on_bytes(taken), &what)?;
        }
        let blake3 = sink.finish(false).await.map_err(disk)?;
        Ok(Fetched { size: taken, etag: download.known().and_then(|known| known.e_tag.clone()), blake3 })
    }

    /// Writes a file as the object of a key below the prefix. It is visible when it is whole, and its size is checked then.
    /// An object of that name is replaced: the key must be this attempt's alone.
    pub async fn store(&self, from: &Path, key: &str, on_bytes: OnBytes<'_>) -> Result<Stored, FilesError> {
        let key = Key::parse(key)?;
        let cloud = match &self.place {
            Place::Cloud(cloud) => cloud,
            Place::Folder(folder) => return Box::pin(folder.store(from, &key, on_bytes)).await,
        };
        let place = cloud.below(&key)?;
        let disk = |error| FilesError::disk(from, error);
        let mut reader = Reader::open(from.to_owned()).await.map_err(disk)?;
        let size = reader.meta.len();
        let etag = Box::pin(cloud.upload(&place, Source::File(&mut reader, from), size, on_bytes)).await?;
        let blake3 = reader.hash().map_err(disk)?;
        let found = cloud.look(&place).await?;
        if found.size != size {
            let why = format!("{} bytes are there of {size}", found.size);
            // Not to be taken for an output by anybody.
            let _ = cloud.remove(&place).await;
            return Err(FilesError::Damaged { what: place.named.address, why });
        }
        Ok(Stored { size, etag: found.e_tag.or(etag), blake3 })
    }

    /// Copies a stored object to a wished key. [`FilesError::Taken`] if that must not be replaced and is there; after an
    /// answer that was lost, it may be this very copy. Stores copy by themselves up to 5 GiB; beyond that the bytes go through
    /// this box, which needs a reserved name.
    pub async fn publish(&self, key: &str, wished: &str, how: Publish) -> Result<(), FilesError> {
        let (key, wished) = (Key::parse(key)?, Key::parse(wished)?);
        let cloud = match &self.place {
            Place::Cloud(cloud) => cloud,
            Place::Folder(folder) => return Box::pin(folder.publish(&key, &wished, how)).await,
        };
        let (from, to) = (cloud.below(&key)?, cloud.below(&wished)?);
        let found = cloud.look(&from).await?;
        match how {
            Publish::IfAbsent if found.size > LARGEST_COPY => Err(FilesError::Unsupported {
                what: to.named.address,
                why: "objects of more than 5 GiB are copied to reserved names only".to_owned(),
            }),
            Publish::IfAbsent => cloud.copy(&from, &to, CopyMode::Create).await,
            Publish::Reserved if found.size > LARGEST_COPY => {
                let size = found.size;
                let download = Download::new(from, &cloud.patience, found.e_tag.as_deref());
                let source = Source::Object(Box::new(download), Vec::new());
                Box::pin(cloud.upload(&to, source, size, &mut |_| ControlFlow::Continue(()))).await.map(|_| ())
            }
            Publish::Reserved => cloud.copy(&from, &to, CopyMode::Overwrite).await,
        }
    }

    /// Gives an object a wished key where nothing stands under it; see [`Files::publish`]. [`FilesError::Taken`] if something does.
    /// A store that cannot copy on that condition is asked first what is there: the name is one job's alone by the database, but
    /// others may have put a file of their own there.
    pub async fn publish_new(&self, key: &str, wished: &str) -> Result<(), FilesError> {
        let what = match self.publish(key, wished, Publish::IfAbsent).await {
            Err(FilesError::Unsupported { what, .. }) => what,
            published => return published,
        };
        match self.look(&ObjectAddress::Below(Key::parse(wished)?)).await {
            Ok(_) => Err(FilesError::Taken { what }),
            Err(FilesError::NotFound { .. }) => self.publish(key, wished, Publish::Reserved).await,
            Err(error) => Err(error),
        }
    }

    /// The objects below a part of the prefix, as `out`; all for an empty one.
    pub fn list(&self, under: &str) -> Result<Listing, FilesError> {
        let under = under.trim_end_matches('/');
        let under = if under.is_empty() { None } else { Some(Key::parse(under)?) };
        match &self.place {
            Place::Cloud(cloud) => Listing::of_cloud(cloud, under.as_ref()),
            Place::Folder(folder) => Ok(Listing::of_folder(folder, under.as_ref())),
        }
    }

    /// Removes an object; one that is not there is no error.
    pub async fn remove(&self, key: &str) -> Result<(), FilesError> {
        self.remove_key(&Key::parse(key)?).await
    }

    async fn remove_key(&self, key: &Key) -> Result<(), FilesError> {
        match &self.place {
            Place::Cloud(cloud) => cloud.remove(&cloud.below(key)?).await,
            Place::Folder(folder) => folder.remove(key).await,
        }
    }

    /// Removes what killed processes have left of stores into a shared folder, if nobody has written it for so long; how many
    /// files. In a bucket that is for its lifecycle rules.
    pub async fn remove_leftovers(&self, age: std::time::Duration) -> Result<u64, FilesError> {
        match &self.place {
            Place::Cloud(_) => Ok(0),
            Place::Folder(folder) => folder.remove_leftovers(age).await,
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Files").field(&self.address()).finish()
    }
}

impl From<ObjectMeta> for Found {
    fn from(meta: ObjectMeta) -> Self {
        Self { size: meta.size, etag: meta.e_tag, modified: Wall(meta.last_modified.timestamp_millis()) }
    }
}

/// Gives up half way if the caller wants no more.
fn stopped(answer: ControlFlow<()>, what: &str) -> Result<(), FilesError> {
    match answer {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(FilesError::Stopped { what: what.to_owned() }),
    }
}
