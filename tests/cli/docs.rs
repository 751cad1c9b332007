//! The documentation, held against the program: its links, its commands, its YAML, and every name in its tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use crate::declarations::{Declaration, Declarations, Field, names};
use crate::markdown::{Block, Page, Table, page, pages, root};
use crate::support::clips::make_clips;
use crate::support::{Finished, Live, PLIMSOLL, World, patient_ffmpeg, say};
use clap::Parser as _;
use plimsoll::cli::args::Cli;
use plimsoll::config::yaml::ConfigError;
use plimsoll::config::{preset, profile, queue, settings};
use plimsoll::domain::comparison::{Comparison, Subject};
use plimsoll::domain::event::{Event, EventKind, JobCounts, Seq};
use plimsoll::domain::preset::{
    AudioCodec, Container, Deinterlace, Hdr, Location, OnDamage, PixelAspect, PixelFormat, SpeedPreset, Subtitles, Tracks,
    VideoCodec,
};
use plimsoll::domain::time::{Mono, Wall};
use plimsoll::headless::comparison::json::object;
use plimsoll::tui::input::keymap::{KeyMode, TABLE};
use serde_json::Value;

/// Longest README: what does not fit belongs into `docs/`.
const README_LINES: usize = 120;
/// The commands that run no jobs: they are run here. All others are read by the command line's parser alone.
const RUN_NOTHING: &[&str] = &["plan", "profiles", "presets", "doctor", "completions", "man", "replay"];

fn source(file: &str) -> String {
    fs::read_to_string(root().join("src").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The types of the domain floor.
fn domain() -> Declarations {
    let mut types = Declarations::default();
    for entry in walkdir::WalkDir::new(root().join("src/domain")).sort_by_file_name() {
        let entry = entry.expect("read");
        if entry.path().extension().is_some_and(|ending| ending == "rs") {
            types.read(&fs::read_to_string(entry.path()).expect("read"));
        }
    }
    types
}

/// Both sets are the same; names in words what only one has.
fn assert_same(what: impl Display, code: &BTreeSet<String>, documented: &BTreeSet<String>) {
    let (missing, unknown): (Vec<_>, Vec<_>) = (code.difference(documented).collect(), documented.difference(code).collect());
    assert!(missing.is_empty(), "{what}: not documented: {missing:?}");
    assert!(unknown.is_empty(), "{what}: documented, but the program does not know it: {unknown:?}");
}

/// Every row says something of its name.
fn assert_explained(table: &Table) {
    for row in &table.rows {
        let says = row.cells.last().expect("a cell");
        assert!(row.cells.len() == table.head.len() && !says.is_empty(), "{:?}: a row without a meaning: {row:?}", table.below);
    }
}

/// The keys that a reader tells of a field, or of the whole file, where it is no mapping.
fn told<T>(read: Result<T, Vec<ConfigError>>, field: &str, before: &str) -> BTreeSet<String> {
    let mistakes = read.err().unwrap_or_default();
    let mistake = mistakes.iter().find(|mistake| mistake.field == field).unwrap_or_else(|| panic!("{field}: {mistakes:?}"));
    let (_, keys) = mistake.allowed.split_once("the keys ").unwrap_or_else(|| panic!("no keys in {mistake}"));
    keys.trim_start_matches("are ").split(", ").map(|key| format!("{before}{key}")).collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().expect("an object").keys().cloned().collect()
}

#[test]
fn the_readme_is_short_and_every_link_of_the_documentation_leads_somewhere() {
    let lines = page("README.md").text.lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines; at most {README_LINES}, the rest belongs into docs/");
    let mut all = pages();
    all.extend(["ARCHITECTURE.md", "CONTRIBUTING.md"].map(page));
    let broken: Vec<String> = all.iter().flat_map(Page::broken_links).collect();
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    let readme = page("README.md").text;
    for page in pages().iter().filter(|page| page.file.starts_with("docs")) {
        assert!(readme.contains(&format!("({})", page.file.display())), "README.md does not link {}", page.file.display());
    }
}

#[test]
fn a_link_to_a_file_or_heading_that_is_not_there_is_found() {
    let text = "[a](docs/memory.md) [b](docs/gone.md) [c](docs/memory.md#nowhere) [d](docs/memory.md#the-budget)\n".to_owned();
    let found = Page { file: "README.md".into(), text }.broken_links();
    assert_eq!(found, ["README.md:1: docs/gone.md", "README.md:1: docs/memory.md#nowhere"]);
}

#[test]
fn every_event_every_field_and_every_value_of_the_json_stream_is_documented_and_no_other() {
    let (page, types) = (page("docs/scripting.md"), domain());
    let tables = page.tables();
    let below = |heading: &str, name: &str| -> Option<&Table> {
        let is_it = |table: &&Table| {
            table.below.iter().any(|title| title == heading) && table.below.last().is_some_and(|title| title == name)
        };
        let found: Vec<&Table> = tables.iter().filter(is_it).collect();
        assert!(found.len() < 2, "{name} has several tables");
        found.first().copied()
    };
    let titles = |heading: &str| -> BTreeSet<String> {
        let (start, text) = (format!("\n## {heading}\n"), &page.text);
        let section = text.split_once(&start).expect("the section is there").1;
        let section = section.split("\n## ").next().expect("a section");
        section.lines().filter_map(|line| line.strip_prefix("### ")).map(|title| title.replace('`', "")).collect()
    };
    let check = |heading: &str, name: &str, code: &BTreeSet<String>| {
        let Some(table) = below(heading, name) else {
            return assert!(code.is_empty(), "{name}: no table of its fields {code:?}");
        };
        assert_explained(table);
        assert_same(name, code, &table.names());
    };

    let event = types.fields("Event");
    let common: BTreeSet<String> = event.iter().map(|field| field.name.clone()).filter(|name| name != "kind").collect();
    let common: BTreeSet<String> = common.into_iter().chain(["event".to_owned()]).collect();
    assert_same("every event", &common, &page.tables_below("JSON lines")[0].names());

    let kinds = types.variants("EventKind");
    let fields_of = |kind: &crate::declarations::Variant| -> Vec<Field> {
        kind.carries.as_ref().map_or_else(|| kind.fields.clone(), |carried| types.fields(carried).to_vec())
    };
    assert_same("events", &kinds.iter().map(|kind| kind.name.clone()).collect(), &titles("Events"));
    for kind in kinds {
        check("Events", &kind.name, &names(&fields_of(kind)));
    }

    let all: Vec<Field> = kinds.iter().flat_map(fields_of).collect();
    let (mut objects, mut values) = (BTreeSet::new(), BTreeSet::new());
    for name in types.reached_from(&all) {
        match &types.0[&name] {
            Declaration::Struct(fields) => {
                check("Objects", &name, &names(fields));
                objects.insert(name);
            }
            Declaration::Enum(variants) => {
                let is_object = variants.iter().any(|variant| variant.carries.is_some() || !variant.fields.is_empty());
                let heading = if is_object { "Objects" } else { "Values" };
                check(heading, &name, &variants.iter().map(|variant| variant.name.clone()).collect());
                if is_object { &mut objects } else { &mut values }.insert(name);
            }
        }
    }
    assert_same("objects", &objects, &titles("Objects"));
    assert_same("values", &values, &titles("Values"));
}

#[test]
fn a_new_field_or_event_in_the_source_is_seen_by_the_reader_of_declarations() {
    let mut types = Declarations::default();
    types.read(
        "#[derive(Serialize)]\n#[serde(tag = \"event\", rename_all = \"snake_case\")]\npub enum EventKind {\n    /// One.\n    JobMoved {\n        /// Two.\n        \
         #[serde(rename = \"to_place\")]\n        to: Vec<Place>,\n    },\n    Went(Figures),\n    Over,\n}\n\n#[derive(Serialize)]\npub struct Figures {\n    /// Three.\n    \
         pub peak_bytes: Option<Bytes>,\n}\n\n#[derive(Serialize)]\npub struct Place {\n    pub rank: u32,\n}\n",
    );
    let kinds = types.variants("EventKind");
    assert_eq!(kinds.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(), ["job_moved", "went", "over"]);
    assert_eq!(names(&kinds[0].fields), BTreeSet::from(["to_place".to_owned()]));
    assert_eq!(kinds[1].carries.as_deref(), Some("Figures"));
    assert_eq!(types.reached_from(&kinds[0].fields), BTreeSet::from(["Place".to_owned()]));
    assert_eq!(names(types.fields("Figures")), BTreeSet::from(["peak_bytes".to_owned()]));
}

#[test]
fn the_objects_of_a_comparison_are_documented_field_by_field() {
    let (page, types) = (page("docs/scripting.md"), domain());
    let tables = page.tables_below("compare --json");
    let run: BTreeSet<String> = names(types.fields("RunTag")).into_iter().chain(["seq".to_owned()]).collect();
    assert_same("the run of an event", &run, &tables[0].names());
    let comparison = Comparison {
        columns: Vec::new(),
        rounds: 1,
        limit_bytes: None,
        limit_refused: None,
        interrupted: false,
        cores: 1,
        load_before: None,
    };
    let subject = Subject { version: String::new(), at: String::new(), inputs: 0, paths: Vec::new(), preset: String::new() };
    assert_same("comparison_finished", &keys(&object(&comparison, &subject, true).into()), &tables[1].names());
    assert_same("a run", &names(types.fields("RunFigures")), &tables[2].names());
    tables.iter().for_each(assert_explained);
}

#[test]
fn every_key_and_value_of_presets_profiles_and_settings_is_documented() {
    let presets = page("docs/presets.md");
    let table = &presets.tables_below("Keys")[0];
    let file = Path::new("x.yaml");
    let of = |field: &str, before: &str| {
        let text = if field.is_empty() { "1".to_owned() } else { format!("{field}: 1") };
        told(preset::parse(file, &text), field, before)
    };
    let (top, video, audio) = (of("", ""), of("video", "video."), of("audio", "audio."));
    let beside = ["hdr", "deinterlace", "pixel_aspect"].map(str::to_owned);
    let code = top.into_iter().filter(|key| !beside.contains(key)).chain(video).chain(audio).collect();
    assert_same("keys of a preset", &code, &table.names());
    assert_explained(table);

    // The first of each is the default where the key may be left out.
    let values = |key: &str| -> Vec<String> { table.row(key).unwrap_or_else(|| panic!("{key}")).names[1].clone() };
    let first = |key: &str| table.row(key).expect("a row").names[2].first().cloned().unwrap_or_default();
    macro_rules! choices {
        ($($key:literal $kind:ident),*) => { $(
            let code: Vec<&str> = $kind::ALL.iter().map(|choice| choice.as_str()).collect();
            assert_eq!(values($key), code, "{}", $key);
        )* };
    }
    choices! {
        "video.codec" VideoCodec, "video.preset" SpeedPreset, "video.pixel_format" PixelFormat, "video.hdr" Hdr,
        "video.deinterlace" Deinterlace, "video.pixel_aspect" PixelAspect, "audio.codec" AudioCodec, "audio.tracks" Tracks,
        "container" Container, "on_damage" OnDamage, "location" Location
    }
    assert_eq!(values("subtitles")[..2], Subtitles::ALL.iter().map(Subtitles::to_string).collect::<Vec<_>>());
    let defaults = [
        ("video.hdr", Hdr::default().as_str()),
        ("video.deinterlace", Deinterlace::default().as_str()),
        ("video.pixel_aspect", PixelAspect::default().as_str()),
        ("audio.tracks", Tracks::default().as_str()),
        ("on_damage", OnDamage::default().as_str()),
        ("subtitles", Subtitles::default().as_str()),
        ("location", Location::default().as_str()),
    ];
    for (key, default) in defaults {
        assert_eq!(first(key), default, "{key}");
    }
    let extra = regex::Regex::new("\\(\\s*\"(-[-\\w:]+)\",").expect("a pattern");
    let allowed = source("config/preset/extra.rs");
    let allowed = extra.captures_iter(&allowed).map(|found| found[1].to_owned()).collect();
    let tables = presets.tables_below("Keys");
    let options = tables.iter().find(|table| table.head[0] == "option").expect("a table of options");
    assert_same("options of `extra`", &allowed, &options.names());

    let profile = |field: &str, before: &str| {
        let text = if field.is_empty() { "1".to_owned() } else { format!("{field}: 1") };
        told(profile::parse(file, &text), field, before)
    };
    let sections = ["large", "memory"].map(str::to_owned);
    let code = profile("", "").into_iter().filter(|key| !sections.contains(key));
    let code = code.chain(profile("large", "large.")).chain(profile("memory", "memory.")).collect();
    assert_same("keys of a profile", &code, &page("docs/profiles.md").tables_below("An own profile")[0].names());

    let table = &page("docs/operations.md").tables_below("Settings")[0];
    assert_same("settings", &told(settings::parse(file, "1"), "", ""), &table.names());
    let table = &page("docs/operations.md").tables_below("Watched folders")[0];
    let mistakes = settings::parse(file, "watch: [{ folder: /in, key: 1 }]").expect_err("no such key");
    let keys = mistakes[0].allowed.split(", ").map(str::to_owned).collect();
    assert_same("keys of a watched folder", &keys, &table.names());
}

#[test]
fn every_key_of_the_dashboard_is_documented_under_its_name() {
    let page = page("docs/console.md");
    let tables = page.tables_below("Keys").into_iter().filter(|table| table.head == ["keys", "name", "what it does"]);
    let row = |row: &crate::markdown::Row| format!("{} {}", row.names[1].join(" "), row.names[0].join(" "));
    let documented = tables.flat_map(|table| table.rows.iter().map(row).collect::<Vec<_>>()).collect();
    let arrows = |label: String| match label.as_str() {
        "↓" => "down".to_owned(),
        "↑" => "up".to_owned(),
        "PgDn" | "PgUp" => label.to_lowercase(),
        _ => label,
    };
    let normal = TABLE.iter().filter(|binding| binding.mode == KeyMode::Normal);
    let code = normal.map(|binding| {
        let keys: Vec<String> = binding.keys.iter().map(|key| arrows(key.label())).collect();
        format!("{} {}", binding.name, keys.join(" "))
    });
    assert_same("keys of the dashboard", &code.collect(), &documented);
}

/// A world in which the commands of the documentation can be run: two films below `~/videos`, one run of the first that is
/// over and was recorded in `run.jsonl`, one job that waits, and the files that the documentation shows.
fn world() -> World {
    let world = World::new();
    make_clips(&world, 3, "64x64", 10);
    let clip = |number: u32| world.path(format!("in/clip-0{number}.mp4"));
    world.write("home/videos/one.mp4", fs::read(clip(1)).expect("a clip"));
    let over = record(&world, &["run", "--json"], &world.path("home/videos"));
    assert_eq!(over.code(), Some(0), "{}", over.stderr);
    let lines: Vec<String> = over.events.iter().map(Value::to_string).collect();
    world.write("work/run.jsonl", lines.join("\n"));
    world.write("home/videos/two.mp4", fs::read(clip(3)).expect("a clip"));

    let mut command = world.command(["run", "--json"]);
    command.arg("--ffmpeg").arg(patient_ffmpeg(&world)).arg(clip(2));
    let mut waiting = Live::start(command);
    waiting.until_event("job_started");
    waiting.signal(libc::SIGINT);
    assert_eq!(waiting.finish().code(), Some(130));
    for page in pages() {
        for block in page.blocks() {
            put(&world, &block, &clip(2));
        }
    }
    world
}

fn record(world: &World, args: &[&str], path: &Path) -> Finished {
    let mut command = world.command(args);
    command.arg(path);
    Live::start(command).finish()
}

/// Writes what a YAML block shows: a profile and a preset under their names, a queue file with the inputs that it names.
fn put(world: &World, block: &Block, clip: &Path) {
    match block.info.strip_prefix("yaml ") {
        Some("profile" | "preset") => {
            let name = block.text.lines().find_map(|line| line.strip_prefix("name: ")).expect("a name");
            world.write(&format!("work/{name}.yaml"), &block.text);
        }
        Some("queue") => {
            let file = world.write("work/queue.yaml", &block.text);
            let entries = queue::parse(&file, &block.text).unwrap_or_else(|wrong| panic!("{}: {wrong:?}", block.at));
            for entry in entries {
                let is_folder = entry.input.to_string_lossy().ends_with('/');
                let to = if is_folder { entry.input.join("inside.mp4") } else { entry.input };
                fs::create_dir_all(to.parent().expect("a folder")).expect("made");
                fs::copy(clip, to).expect("copied");
            }
        }
        _ => {}
    }
}

/// The `plimsoll` lines of a shell block: the line for a shell, and the words after `plimsoll`.
fn commands(block: &Block) -> Vec<(String, Vec<String>)> {
    let lines = block.text.lines().filter(|line| block.info == "sh" && line.starts_with("plimsoll"));
    let read = |line: &str| {
        let line = line.split(" #").next().unwrap_or(line).trim().to_owned();
        let command = line.split('>').next().unwrap_or_default();
        assert!(
            !command.contains(['"', '\'', '|', ';', '&', '$']),
            "{}: more of a shell than is understood here: {line}",
            block.at
        );
        let words = command.split_whitespace().skip(1).map(str::to_owned).collect();
        (line, words)
    };
    lines.map(read).collect()
}

#[test]
fn every_command_of_the_documentation_is_accepted_and_those_that_run_nothing_do_what_they_say() {
    let world = world();
    let folder = Path::new(PLIMSOLL).parent().expect("a folder");
    let path = std::env::join_paths(std::iter::once(folder.to_owned()).chain(std::env::split_paths(crate::support::tool_path())));
    let path = path.expect("a path");
    let mut to_run = BTreeMap::new();
    for block in pages().iter().flat_map(Page::blocks) {
        for (line, words) in commands(&block) {
            let whole = std::iter::once("plimsoll").chain(words.iter().map(String::as_str));
            let parsed = Cli::try_parse_from(whole);
            assert!(
                parsed.is_ok(),
                "{}: `{line}` is refused: {}",
                block.at,
                parsed.err().map(|e| e.to_string()).unwrap_or_default()
            );
            // What installs something, and what needs a database.
            let wants_more = words.iter().any(|word| word == "--fix" || word == "--fleet");
            let is_run = words.first().is_some_and(|word| RUN_NOTHING.contains(&word.as_str())) && !wants_more;
            if is_run {
                to_run.entry(line).or_insert(block.at.clone());
            }
        }
    }
    assert!(to_run.len() >= 20, "{} commands were run", to_run.len());
    let run = |line: &str, at: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(world.path("work")).env_clear().stdin(std::process::Stdio::null());
        shell.env("PATH", &path).env("HOME", world.path("home")).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        let said = say(shell);
        assert_eq!(said.code, Some(0), "{at}: `{line}`\n{}{}", said.out, said.err);
        said.out
    };
    let to_run: Vec<(String, String)> = to_run.into_iter().collect();
    let all = Mutex::new(BTreeMap::new());
    let (run, printed) = (&run, &all);
    std::thread::scope(|scope| {
        for share in to_run.chunks(to_run.len().div_ceil(4)) {
            scope.spawn(move || {
                for (line, at) in share {
                    let out = run(line, at);
                    printed.lock().expect("no other thread failed").insert(line.clone(), out);
                }
            });
        }
    });
    let printed = all.into_inner().expect("no thread failed");

    // The same world tells what programs are told.
    let page = page("docs/scripting.md");
    let recorded = fs::read_to_string(world.path("work/run.jsonl")).expect("recorded");
    let (tables, common) = (page.tables(), page.tables_below("JSON lines")[0].names());
    for line in recorded.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let name = event["event"].as_str().expect("a name");
        let own = tables.iter().filter(|table| table.below.last().is_some_and(|title| title == name));
        let fields: BTreeSet<String> = own.flat_map(Table::names).chain(common.clone()).collect();
        let unknown: Vec<String> = keys(&event).difference(&fields).cloned().collect();
        assert!(unknown.is_empty(), "{name}: fields that are not documented: {unknown:?}");
    }
    let told = |args: &[&str]| -> Value {
        let said = say(world.command(args));
        let line = said.out.lines().next().unwrap_or_default();
        serde_json::from_str(if args[0] == "replay" { line } else { &said.out }).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    };
    let plan = printed.get("plimsoll plan --json ~/videos").expect("the documentation shows it");
    let plan: Value = serde_json::from_str(plan).expect("JSON");
    let tables = page.tables_below("plan --json");
    assert_same("plan", &keys(&plan), &tables[0].names());
    let plans: BTreeSet<String> = plan["plans"].as_array().expect("plans").iter().flat_map(keys).collect();
    assert_same("a plan", &plans, &tables[1].names());
    assert_same("a kind", &keys(&plan["kinds"][0]), &tables[2].names());
    assert_same("doctor", &keys(&told(&["doctor", "--json"])), &page.tables_below("doctor --json")[0].names());
    assert_same("a past run", &keys(&told(&["replay", "--json"])), &page.tables_below("replay --json")[0].names());
}

#[test]
fn every_yaml_block_of_the_documentation_is_read_without_a_mistake() {
    let world = World::new();
    let event = Event {
        seq: Seq(1),
        at: Wall(0),
        mono: Mono::START,
        kind: EventKind::RunStarted { version: String::new(), governor: true, before: JobCounts::default(), preset: String::new() },
    };
    world.write("work/recording.jsonl", serde_json::to_string(&event).expect("JSON"));
    let mut read = BTreeSet::new();
    for block in pages().iter().flat_map(Page::blocks).filter(|block| block.info.starts_with("yaml")) {
        let check = |args: &[&str]| {
            let said = say(world.command(args));
            assert_eq!(said.code, Some(0), "{}: {}{}", block.at, said.out, said.err);
        };
        match block.info.as_str() {
            "yaml profile" | "yaml preset" => {
                world.write("work/block.yaml", &block.text);
                check(&[if block.info == "yaml profile" { "profiles" } else { "presets" }, "check", "block.yaml"]);
            }
            "yaml settings" => {
                // Whatever needs the settings refuses wrong ones, those of keys too.
                world.write("home/.config/plimsoll/settings.yaml", &block.text);
                check(&["replay", "recording.jsonl"]);
            }
            "yaml queue" => {
                let entries = queue::parse(Path::new("queue.yaml"), &block.text);
                assert!(entries.as_ref().is_ok_and(|entries| !entries.is_empty()), "{}: {entries:?}", block.at);
            }
            "yaml kubernetes" => {
                let read: serde_yaml::Value = serde_yaml::from_str(&block.text).expect("YAML");
                let args = &read["spec"]["template"]["spec"]["containers"][0]["args"];
                let args = args.as_sequence().expect("the arguments").iter().map(|word| word.as_str().expect("a word"));
                Cli::try_parse_from(["plimsoll"].into_iter().chain(args)).unwrap_or_else(|error| panic!("{}: {error}", block.at));
            }
            other => {
                panic!("{}: say behind ```yaml what it is: profile, preset, queue, settings or kubernetes, not `{other}`", block.at)
            }
        }
        read.insert(block.info);
    }
    assert_eq!(read.len(), 5, "blocks of each kind: {read:?}");
}

#[test]
fn the_object_of_control_commands_and_every_code_are_documented() {
    use plimsoll::cli::commands::remote::told;

    let page = page("docs/scripting.md");
    let fields: BTreeSet<String> = told::FIELDS.map(ToOwned::to_owned).into();
    assert_same("fields", &fields, &page.tables_below("Commands with --json")[0].names());
    let codes: BTreeSet<String> = told::codes().into_iter().map(ToOwned::to_owned).collect();
    let rows = page.tables_below("Codes").remove(0).rows;
    let told: BTreeSet<String> = rows.iter().flat_map(|row| row.names[0].clone()).collect();
    assert_same("codes", &codes, &told);
}
