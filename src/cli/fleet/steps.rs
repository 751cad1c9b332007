//! The steps of a claim that take time: its input is fetched, its output stored, the queue told. Each may be dropped at any
//! moment, and is done again by whoever holds the job then.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::units::Bytes;
use crate::host::files::fsops::free_space;
use crate::host::files::naming::output_path;
use crate::host::fleet::claim::Claimed;
use crate::host::fleet::db::{Database, QueueError};
use crate::host::fleet::files::{Files, FilesError, ObjectAddress};
use crate::host::fleet::results::{self, Back, End, Output};
use crate::host::fleet::spool::Place;
use crate::host::fleet::{Fenced, Hold};

/// First and longest pause before the queue is told again, where it cannot be reached.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// Kept free on the disk of the inputs.
const DISK_KEPT: Bytes = Bytes::mib(64);

/// What came of bringing an input.
pub enum Brought {
    /// It is here.
    Here {
        path: PathBuf,
        /// What the store calls its content.
        etag: Option<String>,
    },
    /// It cannot be had.
    Not(FilesError),
}

/// Fetches the input of a claim into its place.
pub async fn bring(files: Files, claimed: Claimed, place: Place) -> Brought {
    bring_beside(DISK_KEPT, files, claimed, place).await
}

/// The same, with so much of the disk kept free.
async fn bring_beside(kept: Bytes, files: Files, claimed: Claimed, place: Place) -> Brought {
    let address = match ObjectAddress::parse(&claimed.input) {
        Ok(address) => address,
        Err(error) => return Brought::Not(error),
    };
    let (path, arriving) = (input_of(&claimed, &place), place.arriving());
    // Of an earlier try.
    let _ = std::fs::remove_file(&arriving);
    let folder = place.inputs();
    let mut looked_at = 0;
    let mut on_bytes = |bytes: u64| {
        // The disk is asked every 8 MiB: the outputs of other jobs need it too.
        if bytes < looked_at + 8 * 1024 * 1024 {
            return ControlFlow::Continue(());
        }
        looked_at = bytes;
        match free_space(&folder) {
            Ok(free) if free < kept => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let fetched = match files.fetch(&address, claimed.etag.as_deref(), &arriving, &mut on_bytes).await {
        Ok(fetched) => fetched,
        // Nobody but the disk breaks it off.
        Err(FilesError::Stopped { .. }) => {
            let why = format!("the disk is nearly full; {kept} are kept free for the outputs of other jobs");
            return Brought::Not(FilesError::Disk { path, error: std::io::Error::new(std::io::ErrorKind::StorageFull, why) });
        }
        Err(error) => return Brought::Not(error),
    };
    match std::fs::rename(&arriving, &path) {
        Ok(()) => Brought::Here { path, etag: fetched.etag },
        Err(error) => Brought::Not(FilesError::Disk { path, error }),
    }
}

/// Where the input of a claim lies once it is whole.
fn input_of(claimed: &Claimed, place: &Place) -> PathBuf {
    place.inputs().join(file_name(&claimed.input))
}

/// The output of a claim that an earlier life has made, if it has. It gets its name when it is verified: parts have others.
pub fn output_of(claimed: &Claimed, place: &Place) -> Option<PathBuf> {
    let output = output_path(&place.outputs(), &input_of(claimed, place), &claimed.definition, 1);
    output.is_file().then_some(output)
}

/// The last part of an address, as the name of a file.
fn file_name(input: &str) -> String {
    let name = input.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name == "." || name == ".." { "input".to_owned() } else { name.to_owned() }
}

/// What came of storing an output, or of telling how a job ended.
pub enum Told {
    /// The output is stored, and the queue knows.
    Stored,
    /// The queue knows how it ended without one.
    Done,
    /// The job is somebody else's by now.
    Lost,
    /// The store did not take it.
    Files(FilesError),
    /// The queue refuses, and goes on doing so.
    Queue(QueueError),
}

/// An output that was made here and verified.
pub struct Made {
    pub output: PathBuf,
    /// The last lines of its log.
    pub log: String,
    /// How long the try ran that made it.
    pub took: Option<Duration>,
}

/// Stores a verified output: what is about to be stored is written down, then it goes up under a key that carries the fence,
/// then job and output are committed together, then it gets the name that was wished for.
pub async fn store(db: Database, files: Files, claimed: Claimed, made: Made) -> Told {
    let Made { output, log, took } = made;
    let name = output.file_name().map_or_else(|| "output".to_owned(), |name| name.to_string_lossy().into_owned());
    let hold = claimed.hold;
    let key = format!("out/{}-{}/{name}", hold.job, hold.fence);
    match patiently(async || results::intend(&db, &hold, &key).await).await {
        Ok(Fenced::Done) => {}
        Ok(Fenced::Lost) => return Told::Lost,
        Err(error) => return Told::Queue(error),
    }
    let stored = match files.store(&output, &key, &mut |_| ControlFlow::Continue(())).await {
        Ok(stored) => stored,
        Err(error) => return Told::Files(error),
    };
    let blake3 = stored.blake3.to_hex().to_string();
    let output = Output { key, size: Bytes(stored.size), etag: stored.etag, blake3, took };
    let committed = patiently(async || match results::commit(&db, &hold, &output, &log).await? {
        Fenced::Done => Ok(true),
        Fenced::Lost => results::is_committed(&db, &output.key).await,
    });
    match committed.await {
        Ok(true) => {}
        Ok(false) => {
            // Nobody records it; what cannot be removed now is found by `gc`.
            let _ = files.remove(&output.key).await;
            return Told::Lost;
        }
        Err(error) => return Told::Queue(error),
    }
    if let Some(target) = &claimed.target {
        publish(&db, &files, hold.job, &output.key, target).await;
    }
    Told::Stored
}

/// Gives an output the name that was wished for. What does not succeed now is tried again by any worker, later.
pub async fn publish(db: &Database, files: &Files, job: i64, key: &str, target: &str) {
    let published = match files.publish_new(key, target).await {
        // Perhaps by this very job, whose answer was lost.
        Err(FilesError::Taken { .. }) if is_same(files, key, target).await => Ok(()),
        published => published,
    };
    match published {
        Ok(()) => {
            let _ = patiently(async || results::published(db, job).await).await;
        }
        Err(error) => tracing::warn!(%error, job, "the output does not stand under its wished name yet"),
    }
}

async fn is_same(files: &Files, key: &str, target: &str) -> bool {
    let look = async |text: &str| files.look(&ObjectAddress::parse(text).ok()?).await.ok();
    match (look(key).await, look(target).await) {
        (Some(one), Some(other)) => one.size == other.size && one.modified <= other.modified,
        _ => false,
    }
}

/// How a claim ends without an output.
pub enum Ending {
    /// For good.
    Fails(End),
    /// It waits again.
    GoesBack(Back),
}

/// Tells the queue how a claim ended without an output.
pub async fn report_end(db: Database, hold: Hold, ending: Ending, reason: String, log: String) -> Told {
    let told = match &ending {
        Ending::Fails(end) => patiently(async || results::fail(&db, &hold, *end, &reason, &log).await).await,
        Ending::GoesBack(back) => patiently(async || results::give_back(&db, &hold, back, &reason, &log).await).await,
    };
    match told {
        Ok(Fenced::Done) => Told::Done,
        Ok(Fenced::Lost) => Told::Lost,
        Err(error) => Told::Queue(error),
    }
}

/// Asks until the queue can be reached, for as long as it takes: what was made here is not thrown away since the database is
/// away for a while.
pub async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, QueueError>) -> Result<T, QueueError> {
    let (mut pause, longest) = PAUSES;
    loop {
        match ask().await {
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "trying again in {} s", pause.as_secs());
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preset::{Container, Preset};
    use crate::host::fleet::spool::Spool;

    #[tokio::test]
    async fn a_disk_that_is_nearly_full_is_told_as_what_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::open(&folder.path().join("files").to_string_lossy()).expect("a store");
        files.make().await.expect("made");
        std::fs::write(folder.path().join("files/film.mp4"), vec![0; 9 * 1024 * 1024]).expect("written");
        let claimed = Claimed {
            hold: Hold { job: 1, worker: uuid::Uuid::nil(), fence: 1 },
            input: "film.mp4".to_owned(),
            etag: None,
            preset: "web-720p".to_owned(),
            definition: Preset::new("quick", Container::Mp4, 1),
            target: None,
            needs: None,
        };
        let place = Spool::open(folder.path()).and_then(|spool| spool.place(&claimed)).expect("a place");
        let brought = bring_beside(Bytes(u64::MAX), files.clone(), claimed.clone(), place.clone()).await;
        let Brought::Not(error @ FilesError::Disk { .. }) = brought else { panic!("there is no room") };
        let told = error.to_string();
        assert!(told.contains("in/film.mp4") && told.contains("the disk is nearly full") && !told.contains("as asked"), "{told}");
        assert!(matches!(bring_beside(Bytes::ZERO, files, claimed, place).await, Brought::Here { .. }));
    }
}
