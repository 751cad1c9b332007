//! Where the inputs of the modelled world lie, and when that is away.

use std::path::{Path, PathBuf};

use super::World;
use crate::domain::time::Mono;
use crate::engine::port::Absence;

/// A folder of inputs that is away for a while: a share, a disk.
#[derive(Debug, Clone)]
pub struct Share {
    pub folder: PathBuf,
    /// From when it is away, and until when.
    pub away: (Mono, Mono),
    /// Nobody can tell whether it is gone for good.
    pub may_be_gone: bool,
}

impl World {
    pub(super) fn input_of(&self, index: usize) -> PathBuf {
        self.shares.get(&index).map_or(Path::new("/sim"), |share| &share.folder).join(index.to_string())
    }

    /// What is waited for where an input cannot be reached now.
    pub(super) fn absence(&self, index: usize) -> Option<Absence> {
        let share = self.shares.get(&index).filter(|share| (share.away.0..share.away.1).contains(&self.now))?;
        let why = format!("waits for {}, which cannot be reached: stale file handle", share.folder.display());
        Some(Absence { place: share.folder.clone(), why, may_be_gone: share.may_be_gone })
    }
}
