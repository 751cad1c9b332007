//! Where an output is written before it has its name, and the folders that are made for outputs.
//!
//! The part of every output stands in one work folder at the top of the outputs, so that nothing else has to be looked
//! through for what a run has left. Only where a folder below lies on another file system it has a work folder of its own:
//! from there a rename is all it takes. A folder for an output is made right before that output gets its name.

use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::host::files::fsops::{parent, sync_folder};

/// The folder whose work folder holds the part of `output`: `out`, the folder of all outputs; the nearest folder of the
/// output that is there where that lies on another file system; the output's own folder where it is not below `out` at all.
pub fn home<'a>(out: &'a Path, output: &'a Path) -> &'a Path {
    let folder = parent(output);
    if !folder.starts_with(out) {
        return folder;
    }
    let there = folder.ancestors().take_while(|folder| *folder != out).find(|folder| folder.is_dir());
    match there {
        Some(there) if mount(there) != mount(out) => there,
        _ => out,
    }
}

/// Every folder that [`home`] may have chosen for this output, in whatever run.
pub fn homes<'a>(out: &'a Path, output: &'a Path) -> Vec<&'a Path> {
    let folder = parent(output);
    if !folder.starts_with(out) {
        return vec![folder];
    }
    folder.ancestors().take_while(|folder| *folder != out).chain([out]).collect()
}

/// What two folders have in common if a rename from one into the other works: the file system and where it is mounted.
#[cfg(target_os = "linux")]
fn mount(folder: &Path) -> Option<(u64, u64)> {
    use rustix::fs::{AtFlags, CWD, StatxFlags};

    let asked = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    match rustix::fs::statx(CWD, folder, AtFlags::empty(), asked) {
        Ok(told) => {
            let mount = if told.stx_mask & StatxFlags::MNT_ID.bits() == 0 { 0 } else { told.stx_mnt_id };
            Some((u64::from(told.stx_dev_major) << 32 | u64::from(told.stx_dev_minor), mount))
        }
        Err(_) => device(folder),
    }
}

#[cfg(not(target_os = "linux"))]
fn mount(folder: &Path) -> Option<(u64, u64)> {
    device(folder)
}

fn device(folder: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;

    std::fs::metadata(folder).ok().map(|meta| (meta.dev(), 0))
}

/// The folders that this process has made for outputs, and takes away again where nothing came to stand in them.
#[derive(Debug, Default)]
pub struct Folders {
    made: Mutex<BTreeSet<PathBuf>>,
    /// Outputs that are being put in place now: an empty folder may be about to be filled.
    in_use: Arc<AtomicUsize>,
}

/// As long as this lives no empty folder is removed.
#[derive(Debug)]
pub struct InUse(Arc<AtomicUsize>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Folders {
    /// Makes a folder and those above it, as far as they are missing.
    pub fn make(&self, folder: &Path) -> io::Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<&Path> = folder.ancestors().take_while(|folder| std::fs::symlink_metadata(folder).is_err()).collect();
        for folder in missing.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
            make_one(folder, &mut made)?;
        }
        Ok(())
    }

    /// Makes the folder of `output` below `out`, the folder of all outputs, one step after the other. A link among them is
    /// refused: what is written through it would land elsewhere. An output elsewhere gets its folder as it is.
    pub fn make_below(&self, out: &Path, output: &Path) -> io::Result<InUse> {
        self.in_use.fetch_add(1, Ordering::SeqCst);
        let in_use = InUse(Arc::clone(&self.in_use));
        let folder = parent(output);
        let Ok(below) = folder.strip_prefix(out) else {
            self.make(folder)?;
            return Ok(in_use);
        };
        self.make(out)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = out.to_owned();
        for part in below.components() {
            let Component::Normal(name) = part else { return Err(io::Error::other("its path leads up")) };
            at.push(name);
            match std::fs::symlink_metadata(&at) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => return Err(io::Error::other("a link or a file has its name")),
                Err(_) => make_one(&at, &mut made)?,
            }
        }
        Ok(in_use)
    }

    /// Removes the folders that are empty, as long as no output is being put in place. Those that are not stay.
    pub fn remove_empty(&self) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if self.in_use.load(Ordering::SeqCst) > 0 {
            return;
        }
        // Inner ones come after those that they lie in.
        let removed: Vec<PathBuf> = made.iter().rev().filter(|folder| std::fs::remove_dir(folder).is_ok()).cloned().collect();
        made.retain(|folder| !removed.contains(folder));
    }
}

/// Makes one folder, on disk before this returns: an output in it must not be lost with it.
fn make_one(folder: &Path, made: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    match std::fs::create_dir(folder) {
        Ok(()) => {
            made.insert(folder.to_owned());
            // Where that does not work the output's own folder will tell.
            let _ = sync_folder(parent(folder));
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "workplace_tests.rs"]
mod tests;
