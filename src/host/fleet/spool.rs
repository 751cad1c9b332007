//! Where a worker keeps what it has claimed, one folder a claim, so that a later life of it finds it again.
//!
//! `<spool>/<job>-<fence>/` holds `claim.json`, the input in `in/` and the output in `out/`; `arriving` is an input on its way.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::claim::Claimed;
use crate::host::files::fsops::make_private;

/// The folder of all claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    root: PathBuf,
}

/// The folder of one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    root: PathBuf,
}

impl Spool {
    /// Below a worker's state folder; made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let root = state_dir.join("fleet");
        make_private(&root)?;
        Ok(Self { root })
    }

    /// Makes room for a claim and writes down whose it is: whoever finds the folder later knows what it is for.
    ///
    /// # Errors
    /// There is no room, or no right to make it.
    pub fn place(&self, claimed: &Claimed) -> io::Result<Place> {
        let place = Place { root: self.root.join(format!("{}-{}", claimed.hold.job, claimed.hold.fence)) };
        make_private(&place.inputs())?;
        make_private(&place.outputs())?;
        place.write(claimed)?;
        Ok(place)
    }

    /// The claims that an earlier life has left; folders of which nobody can tell what they are for are removed.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn left(&self) -> io::Result<Vec<(Place, Claimed)>> {
        let mut left = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            let place = Place { root: entry?.path() };
            let claimed = std::fs::read(place.record()).ok().and_then(|text| serde_json::from_slice(&text).ok());
            match claimed {
                Some(claimed) => left.push((place, claimed)),
                None => place.remove(),
            }
        }
        left.sort_by_key(|(_, claimed): &(Place, Claimed)| claimed.hold);
        Ok(left)
    }
}

impl Place {
    /// Where the input goes.
    pub fn inputs(&self) -> PathBuf {
        self.root.join("in")
    }

    /// Where the input is written while it is on its way: what lies in [`Place::inputs`] is whole.
    pub fn arriving(&self) -> PathBuf {
        self.root.join("arriving")
    }

    /// Where the output is made.
    pub fn outputs(&self) -> PathBuf {
        self.root.join("out")
    }

    fn record(&self) -> PathBuf {
        self.root.join("claim.json")
    }

    /// Writes down whose it is, whole or not at all.
    ///
    /// # Errors
    /// There is no room.
    pub fn write(&self, claimed: &Claimed) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.root)?;
        file.write_all(&serde_json::to_vec(claimed)?)?;
        file.as_file().sync_all()?;
        file.persist(self.record()).map(drop).map_err(|error| error.error)
    }

    /// Everything of it goes. What cannot be removed now is removed at the next start.
    pub fn remove(&self) {
        // Without its record it is nobody's, whatever of it stays.
        let _ = std::fs::remove_file(self.record());
        let _ = std::fs::remove_dir_all(&self.root);
    }
}
