//! `fleet gc`: removes what nobody records.

use std::time::Duration;

use color_eyre::eyre::{Result, eyre};
use serde_json::json;

use super::add::UPLOAD;
use super::{told, write_json};
use crate::cli::write_out;
use crate::domain::text::many;
use crate::domain::units::Bytes;
use crate::host::fleet::db::Database;
use crate::host::fleet::files::Files;
use crate::host::fleet::queue;

/// An upload that no job names is left alone for so long at least: whoever stores a hundred films queues the first one at once, but
/// one of a hundred gigabytes is hours on its way.
const UPLOADS: Duration = Duration::from_hours(24);

/// Removes outputs that no job has, if they are old enough: those of workers that were given up in the middle. Removes what a
/// `fleet add` that broke off has stored and not queued, after a day.
pub async fn gc(db: Database, files: Files, older_than: Duration, dry_run: bool, as_json: bool) -> Result<u8> {
    let now = jiff::Timestamp::now().as_millisecond();
    let (mut removed, mut bytes) = (Vec::new(), 0);
    let failed = |error: crate::host::fleet::files::FilesError| eyre!("{error}");
    for (under, age) in [("out", older_than), ("in", older_than.max(UPLOADS))] {
        let before = now - age.as_millis() as i64;
        let mut listing = files.list(under).map_err(failed)?;
        while let Some(page) = listing.next_page().await.map_err(failed)? {
            let is_meant = |key: &str| under == "out" || is_upload(key);
            let old: Vec<_> = page.into_iter().filter(|object| object.modified.0 < before && is_meant(&object.key)).collect();
            let keys: Vec<String> = old.iter().map(|object| object.key.clone()).collect();
            // Asked after it was listed: what is about to be committed is written down before it is stored.
            let unknown = match under {
                "out" => queue::unrecorded(&db, &keys).await,
                _ => queue::unnamed(&db, &files.address(), &keys).await,
            };
            for key in unknown.map_err(told)? {
                bytes += old.iter().find(|object| object.key == key).map_or(0, |object| object.size);
                if !dry_run {
                    files.remove(&key).await.map_err(failed)?;
                }
                removed.push(key);
            }
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

/// A key such as `fleet add` gives, and nobody else: what a web application stores under `in` is its own.
fn is_upload(key: &str) -> bool {
    let mut parts = key.split('/');
    let is_number = |part: &str| {
        part.strip_prefix(UPLOAD).is_some_and(|number| number.len() == 32 && number.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    parts.next() == Some("in") && parts.next().is_some_and(is_number) && parts.next().is_some() && parts.next().is_none()
}
