//! Files of a fleet against a real server within the test, and against a folder.

mod lines;
mod proxy;
#[path = "../../../../../tests/support/s3.rs"]
mod s3;
mod stores;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Files, Patience, Settings};
use s3::{ACCESS_KEY, SECRET_KEY, Server};

/// Waits so short that a test need not, and limits that a busy machine keeps.
fn quick() -> Patience {
    Patience {
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(40),
        // The store of these tests may be on a busy disk.
        in_all: Duration::from_mins(1),
        connect: Duration::from_secs(20),
        answer: Duration::from_mins(1),
        assemble: Duration::from_mins(1),
        slowest: 1024 * 1024,
    }
}

fn on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Bytes of which no two pieces are alike.
fn bytes(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

/// The store of a server at this address, below a prefix with a name that has to be escaped.
fn files_at(at: SocketAddr, secret: &str, patience: Patience) -> Files {
    let settings = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ENDPOINT_URL", &format!("http://{at}")),
    ];
    let settings: Settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Files::open_with("s3://films/a fleet", settings, patience).expect("a store")
}

fn files_of(server: &Server, patience: Patience) -> Files {
    files_at(server.at, SECRET_KEY, patience)
}

/// A folder that is a fleet's.
async fn folder_store(root: &Path) -> Files {
    let files = folder_at(root);
    files.make().await.expect("made");
    files
}

/// A folder as it is found.
fn folder_at(root: &Path) -> Files {
    Files::open_with(root.to_str().expect("text"), Settings::new(), quick()).expect("a store")
}

/// All keys of a store below `under`, and how many were on each page.
async fn keys(files: &Files, under: &str) -> (Vec<String>, Vec<usize>) {
    let mut listing = files.list(under).expect("a listing");
    let (mut keys, mut pages) = (Vec::new(), Vec::new());
    while let Some(page) = listing.next_page().await.expect("a page") {
        pages.push(page.len());
        keys.extend(page.into_iter().map(|listed| listed.key));
    }
    keys.sort();
    (keys, pages)
}
