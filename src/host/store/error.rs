//! What may go wrong with the store, each with the file and what to do.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::domain::text::path_text;

/// What may go wrong with the record. Each says which file and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file is no database, or its pages are broken.
    #[error(
        "the state file {path} is damaged ({detail}); move it out of the way, for example `mv '{path}' '{path}.damaged'`, and start again: finished outputs stay, only the record of them is lost"
    )]
    Damaged {
        path: String,
        /// What `SQLite` says.
        detail: String,
    },
    /// The file or its folder cannot be written.
    #[error(
        "cannot write the state file {path}: {detail}; make its folder writable, free some space there, or choose another with --state-dir"
    )]
    Unwritable {
        path: String,
        /// What the system says.
        detail: String,
    },
    /// Another version of plimsoll, or another program, has written it.
    #[error(
        "the state file {path} was written by another version of plimsoll (format {found}); use that one, move the file away (`mv '{path}' '{path}.old'`), or choose another folder with --state-dir"
    )]
    OtherFormat {
        path: String,
        /// The number of its format.
        found: i64,
    },
    /// The thread that writes has ended.
    #[error("the state file {path} is closed")]
    Closed { path: String },
}

pub(super) fn explain(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path_text(path);
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged { path, detail },
        // Tables that are not ours under our version number.
        Some(ErrorCode::Unknown) | None => StoreError::Damaged { path, detail },
        _ => StoreError::Unwritable { path, detail },
    }
}
