//! Files of a fleet against a real server within the test, and against a folder.

mod lines;
mod proxy;
mod server;
mod stores;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Files, Patience, Settings};

/// Waits so short that a test need not, and limits that a busy machine keeps.
fn quick() -> Patience {
    Patience {
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(40),
        in_all: Duration::from_secs(10),
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(10),
        assemble: Duration::from_secs(20),
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

fn folder_store(root: &Path) -> Files {
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
