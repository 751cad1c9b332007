//! `fleet add`: stores what lies here, and queues it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use color_eyre::eyre::Result;
use serde_json::json;

use super::needs::Needs;
use super::{told, write_json};
use crate::cli::args::FleetAddArgs;
use crate::cli::commands::remote::told::error_json;
use crate::cli::commands::run;
use crate::cli::options::Resolved;
use crate::cli::{Usage, write_out};
use crate::domain::fleet::FleetCounts;
use crate::domain::preset::Preset;
use crate::domain::text::{many, path_text, sanitise};
use crate::host::fleet::db::{Database, QueueError};
use crate::host::fleet::files::{Files, ObjectAddress};
use crate::host::fleet::queue::{self, NewJob};

/// What the keys of `fleet add` begin with below `in`, in front of a number. Web applications name theirs by numbers alone, as
/// often as not.
pub(super) const UPLOAD: &str = "add-";

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
    // The folder of a new fleet is made here too. Where one has worked an empty folder is rather a share that is not mounted.
    if !local.is_empty() && queue::counts(&db).await.is_ok_and(|counts| counts == FleetCounts::default()) {
        files.make().await.map_err(|error| Usage(error.to_string()))?;
    }
    let mut failed: Vec<String> = refused.iter().map(|(path, why)| format!("{}: {why}", path_text(path))).collect();
    let mut jobs = Vec::new();
    let (target, needs) = (args.target.as_deref(), Needs::new(resolved));
    let adding = Adding { db: &db, files: &files, presets: &presets, preset: &preset, target, needs };
    let here = local.into_iter().map(|(path, preset)| Source::Here(path, preset));
    let mut sources = here.chain(keys.into_iter().map(Source::Stored));
    let mut away = None;
    for source in sources.by_ref() {
        match adding.one(&source).await {
            Ok(job) => jobs.push(job),
            Err(Failed::Input(why)) => failed.push(why),
            // Nothing more can be queued now. What is queued already has to be told: added again it would be queued twice.
            Err(Failed::Queue(error)) => {
                away = Some((error, source));
                break;
            }
        }
    }
    for why in &failed {
        crate::cli::write_stderr(&format!("plimsoll: {why}\n"));
    }
    let Some((error, at)) = away else {
        if args.json {
            write_json(&json!({ "jobs": jobs, "left": [], "error": null }))?;
        } else {
            write_out(format!("{} queued\n", many(jobs.len() as u64, "job")).as_bytes())?;
        }
        return Ok(u8::from(!failed.is_empty()));
    };
    let left: Vec<String> = std::iter::once(at).chain(sources).map(|source| source.shown()).collect();
    let is_doubtful = error.is_passing();
    let error = told(error);
    if args.json {
        write_json(&json!({ "jobs": jobs, "left": left, "error": error_json(&error) }))?;
    } else if !jobs.is_empty() || left.len() > 1 {
        write_out(format!("{} queued\n", many(jobs.len() as u64, "job")).as_bytes())?;
        let more = if left.len() > 1 { format!(" and {} more", left.len() - 1) } else { String::new() };
        let doubt = if is_doubtful { "; `plimsoll fleet jobs` shows whether the first one was queued after all" } else { "" };
        crate::cli::write_stderr(&format!("plimsoll: not queued: {}{more}{doubt}\n", left[0]));
    }
    Err(error)
}

/// What is to be queued.
enum Source {
    /// A file of this machine, and the name of its preset.
    Here(PathBuf, String),
    /// What is in a store already: its key or its address.
    Stored(String),
}

impl Source {
    fn shown(&self) -> String {
        match self {
            Self::Here(path, _) => path_text(path),
            Self::Stored(key) => sanitise(key.as_bytes()),
        }
    }
}

/// Why something was not queued.
enum Failed {
    /// It cannot be read or stored; the next one may.
    Input(String),
    /// The queue does not take it.
    Queue(QueueError),
}

/// What is asked for all of them.
struct Adding<'a> {
    db: &'a Database,
    files: &'a Files,
    presets: &'a BTreeMap<String, Preset>,
    /// The preset of what names none.
    preset: &'a str,
    target: Option<&'a str>,
    needs: Needs,
}

impl Adding<'_> {
    /// Queues one; the number of its job.
    async fn one(&self, source: &Source) -> Result<i64, Failed> {
        match source {
            Source::Here(path, preset) => self.file(path, preset).await,
            Source::Stored(key) => self.stored(key).await,
        }
    }

    async fn file(&self, path: &Path, preset: &str) -> Result<i64, Failed> {
        let stored = put(self.files, path).await;
        let (key, etag, size) = stored.map_err(|why| Failed::Input(format!("{}: {why}", path_text(path))))?;
        let needs = self.needs.of(path, self.presets.get(preset));
        let job = NewJob { etag, size: Some(size as i64), needs, ..self.new_job(key, preset) };
        let added = queue::add(self.db, &job).await;
        if matches!(&added, Err(error) if !error.is_passing()) {
            // Nobody has it; of one whose answer was lost that is not known, and `gc` sees to it.
            let _ = self.files.remove(&job.input).await;
        }
        added.map_err(Failed::Queue)
    }

    /// One that is not there is told now, not by a worker at night.
    async fn stored(&self, key: &str) -> Result<i64, Failed> {
        let looked = match ObjectAddress::parse(key) {
            Ok(address) => self.files.look(&address).await.map(|found| (found, self.files.path_here(&address))),
            Err(error) => Err(error),
        };
        let (found, path) = looked.map_err(|error| Failed::Input(error.to_string()))?;
        let needs = path.and_then(|path| self.needs.of(&path, self.presets.get(self.preset)));
        let job = NewJob { etag: found.etag, size: Some(found.size as i64), needs, ..self.new_job(key.to_owned(), self.preset) };
        queue::add(self.db, &job).await.map_err(Failed::Queue)
    }

    fn new_job(&self, input: String, preset: &str) -> NewJob {
        NewJob {
            input,
            etag: None,
            size: None,
            needs: None,
            definition: self.presets.get(preset).cloned(),
            preset: preset.to_owned(),
            target: self.target.map(ToOwned::to_owned),
        }
    }
}

/// Stores a file of this machine under a key of its own.
async fn put(files: &Files, path: &Path) -> Result<(String, Option<String>, u64), String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let key = format!("in/{UPLOAD}{}/{name}", uuid::Uuid::new_v4().simple());
    let stored = files.store(path, &key, &mut |_| ControlFlow::Continue(())).await.map_err(|error| error.to_string())?;
    Ok((key, stored.etag, stored.size))
}
