//! Whether a store keeps its word about writes that must not replace anything. Some answer "written" to several at once.

use std::sync::Arc;

use object_store::{CopyMode, PutMode, PutPayload};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Place;
use super::address::Key;
use super::cloud::Cloud;
use super::error::FilesError;
use super::folder::Folder;
use super::{Files, Publish};

/// Writers that want the same name at once.
const WRITERS: usize = 8;
/// How often that is tried: what a store does wrong it does not do every time.
const ROUNDS: usize = 4;

/// What came of a trial of conditional writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Writers in each round.
    pub writers: usize,
    /// Rounds of each kind.
    pub rounds: usize,
    /// Most writers of one round that were told to have put the object; one is right.
    pub put_winners: usize,
    /// Most that were told to have copied an object to the name; one is right, and 0 means that the store cannot do it.
    pub copy_winners: usize,
}

impl Trial {
    /// Outputs may be published by [`Publish::IfAbsent`]; else only under names that are reserved in the database.
    pub fn holds(&self) -> bool {
        self.put_winners == 1 && self.copy_winners == 1
    }
}

impl Files {
    /// Lets eight writers put, and copy, the same new name at once, and counts who is told to have won. Its objects are
    /// removed again.
    pub async fn conditional_writes_hold(&self) -> Result<Trial, FilesError> {
        let source = Key::own(&format!("trial-{}", uuid::Uuid::new_v4()));
        let mut trial = Trial { writers: WRITERS, rounds: ROUNDS, put_winners: 0, copy_winners: 0 };
        let tried = async {
            for round in 0..ROUNDS {
                let name = Key::own(&format!("trial-{}", uuid::Uuid::new_v4()));
                let put = self.race(&name, None).await;
                let removed = self.remove_key(&name).await;
                trial.put_winners = trial.put_winners.max(put?);
                removed?;
                if round == 0 {
                    self.put_new(&source, 0).await?;
                }
                let copied = self.race(&name, Some(&source)).await;
                let removed = self.remove_key(&name).await;
                trial.copy_winners = trial.copy_winners.max(copied?);
                removed?;
            }
            Ok(trial)
        };
        let result = tried.await;
        let removed = self.remove_key(&source).await;
        let trial = result?;
        removed?;
        Ok(trial)
    }

    /// Whether outputs can be stored here: an object is written and removed again.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn try_to_write(&self) -> Result<(), FilesError> {
        let (key, text) = (Key::own(&format!("trial-{}", uuid::Uuid::new_v4())), b"a trial of plimsoll\n".to_vec());
        match &self.place {
            Place::Folder(folder) => drop(folder.put_new(&key, text).await?),
            Place::Cloud(cloud) => drop(cloud.put(&cloud.below(&key)?, PutPayload::from(text), PutMode::Overwrite).await?),
        }
        // Whoever may write and not remove can store outputs all the same.
        let _ = self.remove_key(&key).await;
        Ok(())
    }

    /// How many of the writers are told to have won.
    async fn race(&self, name: &Key, source: Option<&Key>) -> Result<usize, FilesError> {
        let start = Arc::new(Barrier::new(WRITERS));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (files, name, source, start) = (self.clone(), name.clone(), source.cloned(), Arc::clone(&start));
            writers.spawn(async move {
                // A connection of its own, open before the start.
                let _ = files.is_there(&name).await;
                start.wait().await;
                match &source {
                    None => files.put_new(&name, writer).await,
                    Some(source) => files.copy_new(source, &name).await,
                }
            });
        }
        let mut winners = 0;
        while let Some(writer) = writers.join_next().await {
            let won =
                writer.map_err(|error| FilesError::Damaged { what: self.address(), why: format!("a writer failed: {error}") })?;
            winners += usize::from(won?);
        }
        Ok(winners)
    }

    async fn is_there(&self, name: &Key) -> Result<(), FilesError> {
        match &self.place {
            Place::Cloud(cloud) => cloud.look(&cloud.below(name)?).await.map(|_| ()),
            Place::Folder(_) => Ok(()),
        }
    }

    async fn put_new(&self, name: &Key, writer: usize) -> Result<bool, FilesError> {
        let bytes = format!("a trial of plimsoll, writer {writer}\n").into_bytes();
        match &self.place {
            Place::Folder(folder) => folder.put_new(name, bytes).await,
            Place::Cloud(cloud) => won(cloud.put(&cloud.below(name)?, PutPayload::from(bytes), PutMode::Create).await.map(|_| ())),
        }
    }

    async fn copy_new(&self, source: &Key, name: &Key) -> Result<bool, FilesError> {
        won(copy_new(&self.place, source, name).await)
    }
}

async fn copy_new(place: &Place, source: &Key, name: &Key) -> Result<(), FilesError> {
    match place {
        Place::Folder(folder) => Folder::publish(folder, source, name, Publish::IfAbsent).await,
        Place::Cloud(cloud) => Cloud::copy(cloud, &cloud.below(source)?, &cloud.below(name)?, CopyMode::Create).await,
    }
}

/// Somebody else won, or the store has no such writes; anything else says nothing about them.
fn won(written: Result<(), FilesError>) -> Result<bool, FilesError> {
    match written {
        Ok(()) => Ok(true),
        Err(FilesError::Taken { .. } | FilesError::Unsupported { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
