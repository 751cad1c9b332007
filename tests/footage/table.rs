//! Rows of films and what must hold of each: one run of plimsoll for a whole table, and every row that does not hold is told.

use std::path::PathBuf;

use serde_json::Value;

use crate::clip::Clip;
use crate::facts::{Case, Fact};
use crate::reading::Reading;
use crate::support::{Finished, Live, World, stream};

/// As web-720p, with an encoder's quickest ways: for large pictures.
pub const QUICK_720: &str = "name: quick\n\
video: { codec: libx264, preset: ultrafast, crf: 20, height: 720, pixel_format: yuv420p }\n\
audio: { codec: aac, bitrate: 128k }\ncontainer: mp4\nthreads: 1\n";

/// One film of a table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name in the folder.
    pub name: &'static str,
    pub clip: Clip,
    pub facts: Vec<Fact>,
}

/// A row: the name, how the film is made, what must hold of its output.
pub fn row(name: &'static str, clip: Clip, facts: &[Fact]) -> Row {
    Row { name, clip, facts: facts.to_vec() }
}

/// Runs a preset (its name, or its YAML) over all rows at once; panics with everything that does not hold.
pub fn assert_all(preset: &str, rows: &[Row]) {
    let (world, preset) = world_of(preset, rows);
    assert_all_in(&world, &["--preset", &preset], rows);
}

/// The same in a world that is made already, with these options of the run.
pub fn assert_all_in(world: &World, options: &[&str], rows: &[Row]) {
    let bad = wrongs(world, options, rows);
    assert!(bad.is_empty(), "{} things do not hold:\n{}\n", bad.len(), bad.join("\n"));
}

/// The world of a table: every film in its folder, the preset in a file if it is text.
pub fn world_of(preset: &str, rows: &[Row]) -> (World, String) {
    let world = World::new();
    for row in rows {
        world.put(&row.clip.path, row.name);
    }
    let preset =
        if preset.contains('\n') { world.write("own.yaml", preset).to_str().expect("UTF-8").to_owned() } else { preset.to_owned() };
    (world, preset)
}

fn wrongs(world: &World, options: &[&str], rows: &[Row]) -> Vec<String> {
    let mut command = world.run_command(["--retries", "0"].iter().chain(options));
    // By name: what a folder's scan takes is proved elsewhere.
    command.args(rows.iter().map(|row| world.path("in").join(row.name)));
    let run = Live::start(command).finish();
    assert!(matches!(run.code(), Some(0 | 1)), "the run itself failed: {}", run.stderr);
    stream::check(&run, 2);
    let mut wrong = Vec::new();
    for row in rows {
        let end = run.end_event_of(row.name);
        wrong.extend(check_row(row, &run, end).into_iter().map(|words| format!("  {}: {words}", row.name)));
    }
    world.assert_no_leftovers();
    wrong
}

/// The words of an end: why it was not made.
pub fn why(end: &Value) -> String {
    // A rejection has its kind in `reason`.
    end["detail"].as_str().or(end["reason"].as_str()).unwrap_or_default().to_owned()
}

fn check_row(row: &Row, run: &Finished, end: &Value) -> Vec<String> {
    let is_made = matches!(end["outcome"].as_str(), Some("done" | "already_done"));
    let said = why(end).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(&word.to_lowercase()));
    for fact in &row.facts {
        return match fact {
            Fact::Refused(_) if is_made => vec!["was made, and should have been refused".to_owned()],
            Fact::Refused(words) | Fact::MayRefuse(words) if !is_made && !says(words) => {
                vec![format!("the reason says none of {words:?}: {}", why(end))]
            }
            Fact::Refused(_) => Vec::new(),
            Fact::MayRefuse(_) if !is_made => Vec::new(),
            _ => continue,
        };
    }
    if !is_made {
        return vec![format!("was not made: {} {}", end["outcome"].as_str().unwrap_or("rejected"), why(end))];
    }
    let (input, output) = (Reading::of(&row.clip.path), Reading::of(&PathBuf::from(end["output"].as_str().expect("a path"))));
    let progress: Vec<&Value> = run.named("job_progressed").filter(|event| event["job"] == end["job"]).collect();
    let case = Case { input: &input, output: &output, end, progress: &progress };
    if row.facts.iter().any(|fact| matches!(fact, Fact::Frames(..) | Fact::Decodes)) {
        // First of all: its answer serves the other facts too.
        output.decoded();
    }
    row.facts.iter().filter_map(|fact| fact.check(&case).err()).collect()
}
