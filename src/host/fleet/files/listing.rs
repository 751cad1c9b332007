//! What lies in a store, a page at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore as _};
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt as _};

use super::address::Key;
use super::cloud::{Cloud, Place};
use super::error::{FilesError, trouble};
use super::folder::{Folder, MARK, modified};
use super::patience::{Tries, silence};
use super::pieces::blocking;
use crate::domain::time::Wall;
use crate::host::files::scratch::WORK_FOLDER;

/// Most objects of one page.
const PAGE: usize = 1000;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key below the prefix of the store.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: Wall,
}

/// The objects below a prefix, page by page. Objects come in no promised order, each once; what is written or removed
/// meanwhile may be in it or not.
pub struct Listing {
    from: From,
}

enum From {
    Cloud(CloudListing),
    Folder(FolderListing),
}

struct FolderListing {
    folder: Arc<Folder>,
    /// Not there while a page is being read, and after that has failed.
    walk: Option<walkdir::IntoIter>,
    is_done: bool,
}

struct CloudListing {
    cloud: Arc<Cloud>,
    place: Place,
    /// Characters of each key that are the store's prefix.
    cut: usize,
    stream: Option<Pin<Box<dyn Stream<Item = object_store::Result<ObjectMeta>> + Send>>>,
    last: Option<ObjectPath>,
    /// What is known of the next page.
    page: Vec<Listed>,
    is_done: bool,
}

impl Listing {
    pub(super) fn of_cloud(cloud: &Arc<Cloud>, under: Option<&Key>) -> Result<Self, FilesError> {
        let (place, cut) = cloud.listed(under)?;
        let cloud = Arc::clone(cloud);
        Ok(Self {
            from: From::Cloud(CloudListing { cloud, place, cut, stream: None, last: None, page: Vec::new(), is_done: false }),
        })
    }

    pub(super) fn of_folder(folder: &Arc<Folder>, under: Option<&Key>) -> Self {
        let root = folder.root();
        let below = under.map_or_else(|| root.to_owned(), |under| root.join(under.as_str()));
        let walk = walkdir::WalkDir::new(below).min_depth(1).into_iter();
        Self { from: From::Folder(FolderListing { folder: Arc::clone(folder), walk: Some(walk), is_done: false }) }
    }

    /// Up to 1,000 more objects; `None` when all have been told. After an error a listing of a bucket goes on where it was;
    /// one of a folder tells the error again, and has to be begun anew.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Listed>>, FilesError> {
        let page = match &mut self.from {
            From::Cloud(listing) => listing.next_page().await?,
            From::Folder(listing) => listing.next_page().await?,
        };
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}

impl FolderListing {
    async fn next_page(&mut self) -> Result<Vec<Listed>, FilesError> {
        if self.is_done {
            return Ok(Vec::new());
        }
        let folder = &self.folder;
        let fault = |error: &io::Error| folder.fault(folder.root(), error);
        let mut walk = self.walk.take().ok_or_else(|| fault(&io::Error::other("an earlier page could not be read")))?;
        let (root, is_there) = (folder.root().to_owned(), folder.is_there());
        let read = blocking(move || is_there().and_then(|()| page_of_folder(&root, &mut walk)).map(|page| (walk, page)));
        let (walk, page) = read.await.map_err(|error| fault(&error))?;
        self.is_done = page.is_empty();
        self.walk = Some(walk);
        Ok(page)
    }
}

impl CloudListing {
    async fn next_page(&mut self) -> Result<Vec<Listed>, FilesError> {
        let patience = self.cloud.patience.clone();
        let mut tries = Tries::new(&patience, &self.place.named);
        while !self.is_done && self.page.len() < PAGE {
            let (bucket, prefix) = (&self.place.bucket, &self.place.path);
            let prefix = Some(prefix).filter(|prefix| !prefix.is_root());
            let stream = self.stream.get_or_insert_with(|| match &self.last {
                Some(last) => bucket.list_with_offset(prefix, last),
                None => bucket.list(prefix),
            });
            let trouble = match timeout(patience.answer, stream.next()).await {
                Ok(None) => {
                    self.is_done = true;
                    continue;
                }
                Ok(Some(Ok(meta))) => {
                    self.last = Some(meta.location.clone());
                    self.page.extend(listed(&meta, self.cut));
                    continue;
                }
                Ok(Some(Err(error))) => trouble(&error, &self.place.named),
                Err(_) => silence(patience.answer),
            };
            self.stream = None;
            tries.again(trouble).await?;
        }
        Ok(std::mem::take(&mut self.page))
    }
}

/// An object of the fleet; what others have put below the prefix under a name that is no key is none of ours.
fn listed(meta: &ObjectMeta, cut: usize) -> Option<Listed> {
    let key = Key::parse(meta.location.as_ref().get(cut..)?).ok()?;
    Some(Listed { key: key.as_str().to_owned(), size: meta.size, modified: Wall(meta.last_modified.timestamp_millis()) })
}

fn page_of_folder(root: &Path, walk: &mut walkdir::IntoIter) -> io::Result<Vec<Listed>> {
    let mut page = Vec::new();
    let own: PathBuf = root.join(WORK_FOLDER);
    while page.len() < PAGE {
        let Some(entry) = walk.next() else { break };
        let entry = match entry {
            Ok(entry) => entry,
            // Removed meanwhile, or never there: nothing lies below it.
            Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => continue,
            Err(error) => return Err(error.into()),
        };
        if entry.path() == own {
            walk.skip_current_dir();
            continue;
        }
        let key = entry.path().strip_prefix(root).ok().and_then(Path::to_str).and_then(|key| Key::parse(key).ok());
        let Some(key) = key.filter(|key| entry.file_type().is_file() && key.as_str() != MARK) else { continue };
        if let Ok(meta) = entry.metadata() {
            page.push(Listed { key: key.as_str().to_owned(), size: meta.len(), modified: modified(&meta) });
        }
    }
    Ok(page)
}
