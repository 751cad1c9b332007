//! `fleet gc`: removes what nobody records.

use std::time::Duration;

use color_eyre::eyre::{Result, eyre};
use serde_json::json;

use super::{told, write_json};
use crate::cli::write_out;
use crate::domain::text::many;
use crate::domain::units::Bytes;
use crate::host::fleet::db::Database;
use crate::host::fleet::files::Files;
use crate::host::fleet::queue;

/// Removes outputs that no job has, if they are old enough: those of workers that were given up in the middle.
pub async fn gc(db: Database, files: Files, older_than: Duration, dry_run: bool, as_json: bool) -> Result<u8> {
    let before = jiff::Timestamp::now().as_millisecond() - older_than.as_millis() as i64;
    let (mut removed, mut bytes) = (Vec::new(), 0);
    let failed = |error: crate::host::fleet::files::FilesError| eyre!("{error}");
    let mut listing = files.list("out").map_err(failed)?;
    while let Some(page) = listing.next_page().await.map_err(failed)? {
        let old: Vec<_> = page.into_iter().filter(|object| object.modified.0 < before).collect();
        let keys: Vec<String> = old.iter().map(|object| object.key.clone()).collect();
        // Asked after it was listed: what is about to be committed is written down before it is stored.
        for key in queue::unrecorded(&db, &keys).await.map_err(told)? {
            bytes += old.iter().find(|object| object.key == key).map_or(0, |object| object.size);
            if !dry_run {
                files.remove(&key).await.map_err(failed)?;
            }
            removed.push(key);
        }
    }
    let leftovers = if dry_run { 0 } else { files.remove_leftovers(older_than).await.map_err(failed)? };
    if as_json {
        return write_json(&json!({ "removed": removed, "bytes": bytes, "leftovers": leftovers, "dry_run": dry_run }));
    }
    for key in &removed {
        write_out(format!("{key}\n").as_bytes())?;
    }
    let what = if dry_run { "would be removed" } else { "removed" };
    write_out(format!("{} of {} {what}\n", many(removed.len() as u64 + leftovers, "object"), Bytes(bytes)).as_bytes())
}
