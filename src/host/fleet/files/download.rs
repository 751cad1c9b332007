//! One object read from its beginning to its end, whatever happens to the connection.

use std::pin::Pin;

use object_store::{GetOptions, GetRange, ObjectMeta, PutPayload};
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt as _};

use super::cloud::Place;
use super::error::{Answer, FilesError, Trouble, trouble};
use super::patience::{Patience, Tries, silence};

/// What the library's streams are made of.
type Chunk = <PutPayload as IntoIterator>::Item;

/// Bytes of one version of an object, in order. After a cut the rest is asked for, never the beginning again.
pub(super) struct Download {
    place: Place,
    patience: Patience,
    tries: Tries,
    /// The version that the caller wants, if it is known.
    wanted: Option<String>,
    /// The version that is being read.
    known: Option<ObjectMeta>,
    at: u64,
    stream: Option<Pin<Box<dyn Stream<Item = object_store::Result<Chunk>> + Send>>>,
}

impl Download {
    pub(super) fn new(place: Place, patience: &Patience, etag: Option<&str>) -> Self {
        let tries = Tries::new(patience, &place.named);
        let (patience, wanted) = (patience.clone(), etag.map(str::to_owned));
        Self { place, patience, tries, wanted, known: None, at: 0, stream: None }
    }

    /// What is being read; there once the first bytes have been asked for.
    pub(super) fn known(&self) -> Option<&ObjectMeta> {
        self.known.as_ref()
    }

    /// The next bytes, or `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, FilesError> {
        loop {
            if self.known.as_ref().is_some_and(|known| known.size == self.at) {
                return Ok(None);
            }
            match self.step().await {
                Ok(Some(chunk)) => return Ok(Some(chunk)),
                Ok(None) => {}
                Err(trouble) => {
                    self.stream = None;
                    self.tries.again(trouble).await?;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Chunk>, Trouble> {
        let Some(stream) = &mut self.stream else {
            self.ask().await?;
            return Ok(None);
        };
        let chunk = match timeout(self.patience.answer, stream.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => {
                // Whatever breaks a body passes; the next answer tells if it does not.
                return Err(match trouble(&error, &self.place.named) {
                    Trouble::Passing(why) => Trouble::Passing(why),
                    Trouble::Lasting(error) => Trouble::Passing(error.to_string()),
                });
            }
            Ok(None) => return Err(Trouble::Passing("the connection ended too early".to_owned())),
            Err(_) => return Err(silence(self.patience.answer)),
        };
        let size = self.known.as_ref().map_or(0, |known| known.size);
        self.at += chunk.len() as u64;
        if self.at > size {
            let why = format!("the store sent more than the {size} bytes that it had told");
            return Err(FilesError::Damaged { what: self.place.named.address.clone(), why }.into());
        }
        self.tries.moved(self.at);
        Ok(Some(chunk).filter(|chunk| !chunk.is_empty()))
    }

    /// Asks for what is left.
    async fn ask(&mut self) -> Result<(), Trouble> {
        let known = self.known.as_ref().and_then(|known| known.e_tag.as_deref());
        let etag = known.or(self.wanted.as_deref());
        let options = GetOptions {
            // A weak etag never matches here; it is compared below.
            if_match: etag.filter(|etag| !etag.starts_with("W/")).map(str::to_owned),
            // Nothing of an empty object can be asked for as a range.
            range: (self.at > 0).then_some(GetRange::Offset(self.at)),
            ..GetOptions::default()
        };
        let answer = match timeout(self.patience.answer, self.place.bucket.get_opts(&self.place.path, options)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if self.at > 0 && Answer::of(&error).status == Some(416) => {
                return Err(self.changed("it has become shorter while it was read".to_owned()));
            }
            Ok(Err(error)) => return Err(trouble(&error, &self.place.named)),
            Err(_) => return Err(silence(self.patience.answer)),
        };
        let now = &answer.meta;
        if let (Some(wanted), Some(etag)) = (self.wanted.as_ref().filter(|_| self.known.is_none()), &now.e_tag)
            && wanted != etag
        {
            return Err(self.changed(format!("it was version {wanted} and is {etag} now")));
        }
        if let Some(known) = &self.known {
            let is_same = known.size == now.size && known.e_tag == now.e_tag;
            // Where there are no etags the time is all there is.
            if !is_same || (now.e_tag.is_none() && known.last_modified != now.last_modified) {
                return Err(self.changed("it was replaced while it was read".to_owned()));
            }
        }
        self.known = Some(now.clone());
        self.stream = Some(answer.into_stream());
        Ok(())
    }

    fn changed(&self, why: String) -> Trouble {
        FilesError::Changed { what: self.place.named.address.clone(), why }.into()
    }
}
