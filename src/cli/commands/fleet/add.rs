//! `fleet add`: stores what lies here, and queues it.

use std::ops::ControlFlow;
use std::path::Path;

use color_eyre::eyre::Result;
use serde_json::json;

use super::needs::Needs;
use super::{told, write_json};
use crate::cli::args::FleetAddArgs;
use crate::cli::commands::run;
use crate::cli::options::Resolved;
use crate::cli::{Usage, write_out};
use crate::domain::text::{many, path_text};
use crate::host::fleet::db::Database;
use crate::host::fleet::files::{Files, ObjectAddress};
use crate::host::fleet::queue::{self, NewJob};

/// Stores and queues.
pub async fn add(resolved: &Resolved, db: Database, files: Files, args: &FleetAddArgs) -> Result<u8> {
    let (preset, presets) = resolved.load_presets()?;
    let (mut paths, mut keys) = (Vec::new(), Vec::new());
    for input in &args.inputs {
        match input.to_str() {
            _ if input.exists() => paths.push(input.clone()),
            Some(key) => keys.push(key.to_owned()),
            None => {
                let wrong = "there is no such file here, and a key of the store has to be valid UTF-8";
                return Err(Usage(format!("{}: {wrong}", path_text(input))).into());
            }
        }
    }
    let found = if paths.is_empty() { None } else { Some(run::inputs(&paths, resolved)?) };
    let (local, refused) = found.map(|found| (found.files, found.refused)).unwrap_or_default();
    if args.target.is_some() && local.len() + keys.len() != 1 {
        return Err(Usage(format!(
            "--target names one output, and there are {}",
            many((local.len() + keys.len()) as u64, "input")
        ))
        .into());
    }
    let mut failed: Vec<String> = refused.iter().map(|(path, why)| format!("{}: {why}", path_text(path))).collect();
    let mut jobs = Vec::new();
    let new = |input: String, preset: &str| NewJob {
        input,
        etag: None,
        size: None,
        needs: None,
        definition: presets.get(preset).cloned(),
        preset: preset.to_owned(),
        target: args.target.clone(),
    };
    let needs = Needs::new(resolved);
    for (path, preset) in &local {
        match put(&files, path).await {
            Ok((key, etag, size)) => {
                let needs = needs.of(path, presets.get(preset));
                let job = NewJob { etag, size: Some(size as i64), needs, ..new(key, preset) };
                let added = queue::add(&db, &job).await;
                if matches!(&added, Err(error) if !error.is_passing()) {
                    // Nobody has it; of one whose answer was lost that is not known, and `gc` sees to it.
                    let _ = files.remove(&job.input).await;
                }
                jobs.push(added.map_err(told)?);
            }
            Err(why) => failed.push(format!("{}: {why}", path_text(path))),
        }
    }
    for key in keys {
        // One that is not there is told now, not by a worker at night.
        let looked = match ObjectAddress::parse(&key) {
            Ok(address) => files.look(&address).await.map(|found| (found, files.path_here(&address))),
            Err(error) => Err(error),
        };
        match looked {
            Ok((found, path)) => {
                let needs = path.and_then(|path| needs.of(&path, presets.get(&preset)));
                let job = NewJob { etag: found.etag, size: Some(found.size as i64), needs, ..new(key, &preset) };
                jobs.push(queue::add(&db, &job).await.map_err(told)?);
            }
            Err(error) => failed.push(error.to_string()),
        }
    }
    for why in &failed {
        crate::cli::tell(&format!("plimsoll: {why}\n"));
    }
    if args.json {
        write_json(&json!({ "jobs": jobs }))?;
    } else {
        write_out(format!("{} queued\n", many(jobs.len() as u64, "job")).as_bytes())?;
    }
    Ok(u8::from(!failed.is_empty()))
}

/// Stores a file of this machine under a key of its own.
async fn put(files: &Files, path: &Path) -> Result<(String, Option<String>, u64), String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let key = format!("in/{}/{name}", uuid::Uuid::new_v4().simple());
    let stored = files.store(path, &key, &mut |_| ControlFlow::Continue(())).await.map_err(|error| error.to_string())?;
    Ok((key, stored.etag, stored.size))
}
