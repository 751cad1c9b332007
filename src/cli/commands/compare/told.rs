//! How a run of a comparison ended, in words, and what it made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::comparison::{Figure, OutputHash, OutputPlace, RunFigures};
use crate::domain::text::path_text;
use crate::host::files::file_id;
use crate::host::process::childrun::Ending;

/// Why a run did not go to its end; `None` when it did.
pub(super) fn trouble(ending: &Ending, is_over: bool) -> Option<String> {
    ending.death().or_else(|| {
        let last = || ending.last_lines.last().cloned().unwrap_or_default();
        (!is_over).then(|| format!("the run ended without a summary ({}): {}", ending.status, last()))
    })
}

/// One line of what a run came to.
pub(super) fn told(run: &RunFigures) -> String {
    let text = |figure: Figure| figure.text(figure.of(run));
    let lost = run.failed + run.out_of_memory + run.unfinished;
    format!(
        "compare:   {} in {}, peak {}, {} done, {} rejected, {lost} lost, {} OOM kills\n",
        if run.whole { "over" } else { "broken off" },
        text(Figure::Seconds),
        text(Figure::PeakMemoryBytes),
        run.done,
        run.too_large + run.never_fits + run.not_accepted,
        run.oom_kills
    )
}

/// What the outputs hold. Paths in events are texts, so each is looked up by its text among the files that are there.
pub(super) fn hashes(places: &[OutputPlace], folder: &Path) -> Vec<OutputHash> {
    let files: BTreeMap<String, PathBuf> = walkdir::WalkDir::new(folder.join("out"))
        .into_iter()
        .filter_map(|entry| entry.ok().filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path))
        .map(|path| (path_text(&path), path))
        .collect();
    let hash = |place: &OutputPlace| {
        let file = files.get(&path_text(&place.path))?;
        let blake3 = file_id::hash(file).ok()?;
        Some(OutputHash { input: place.input.clone(), preset: place.preset.clone(), blake3 })
    };
    places.iter().filter_map(hash).collect()
}
