use super::*;
use crate::domain::comparison::{Comparison, CurvePoint, OutputHash, RunFigures, Subject};
use crate::domain::profile::GuideWords;
use crate::domain::units::Bytes;

fn column(profile: &str, governor: bool, peak: u64) -> Column {
    let run = |more: u64| RunFigures {
        whole: true,
        measured_in_group: true,
        budget_bytes: Bytes::gib(2),
        budget_source: "--budget".to_owned(),
        high_water_bytes: Bytes::mib(1536),
        peak_memory_bytes: Bytes::mib(peak + more),
        seconds: 36.5,
        throughput: 2.0,
        done: 8,
        curve: vec![
            CurvePoint { seconds: 0.0, hard_bytes: Bytes::mib(10) },
            CurvePoint { seconds: 36.0, hard_bytes: Bytes::mib(peak) },
        ],
        outputs: vec![OutputHash { input: "/v/a.mp4".to_owned(), preset: "p".to_owned(), blake3: "00".to_owned() }],
        ..RunFigures::default()
    };
    let guide = GuideWords { memory: "High".to_owned(), speed: "Fast".to_owned(), reliability: "Low".to_owned() };
    Column { profile: profile.to_owned(), short: "4/500".to_owned(), governor, guide, runs: vec![run(0), run(8)] }
}

fn comparison() -> Comparison {
    let mut columns = vec![column("fast", true, 1000), column("a|b", true, 500), column("fast", false, 1100)];
    columns[1].guide = GuideWords { memory: "Low".to_owned(), speed: "Slow".to_owned(), reliability: "High".to_owned() };
    Comparison {
        columns,
        rounds: 2,
        limit_bytes: Some(Bytes::gib(2)),
        limit_refused: None,
        interrupted: false,
        cores: 2,
        load_before: Some(4.25),
    }
}

fn subject() -> Subject {
    Subject {
        version: "0.1.0".to_owned(),
        at: "2026-11-22T12:00:00.000Z".to_owned(),
        inputs: 8,
        paths: vec!["/v".to_owned()],
        preset: "web-720p".to_owned(),
    }
}

#[test]
fn the_table_is_aligned_and_fits_eighty_columns() {
    let text = table::render(&comparison(), &subject());
    let (figures, _) = text.split_once("\nsame bytes").expect("both parts");
    assert!(figures.lines().all(|line| line.chars().count() <= 80), "{figures}");
    let (table, _) = text.split_once("the table says").expect("both parts");
    let peaks: Vec<&str> = table.lines().filter(|line| line.starts_with("peak memory")).collect();
    assert_eq!(peaks.len(), 2, "the naive ones stand apart: {table}");
    assert_eq!(peaks[0].split_whitespace().collect::<Vec<_>>().join(" "), "peak memory 1004 MB (1000-1008) 504 MB (500-508)");
    let ends = |line: &str| line.chars().count();
    let head = table.lines().find(|line| line.contains("fast 4/500")).expect("a head");
    assert_eq!(ends(head), ends(peaks[0]), "right edges stand below each other");
    assert!(!table.contains("OOM kills: "), "{table}");
    assert!(text.contains("same bytes under every profile: yes, 6 outputs of 1 input"), "{text}");
}

#[test]
fn what_lies_apart_over_a_unit_is_told_with_both() {
    let mut comparison = comparison();
    let runs = &mut comparison.columns[0].runs;
    (runs[0].freed_bytes, runs[1].freed_bytes) = (Bytes(512 << 10), Bytes::mib(3));
    let text = table::render(&comparison, &subject());
    assert!(text.contains("2 MB (512 KB-3 MB)"), "{text}");
}

#[test]
fn profiles_with_different_budgets_are_told_each_with_its_own() {
    let mut comparison = comparison();
    for run in &mut comparison.columns[1].runs {
        (run.budget_bytes, run.high_water_bytes) = (Bytes::gib(24), Bytes::gib(18));
        run.budget_source = "the machine's memory (MemTotal)".to_owned();
    }
    comparison.limit_bytes = None;
    let text = table::render(&comparison, &subject());
    let head: Vec<&str> = text.lines().skip(1).take(4).collect();
    let expected = [
        "2 processors",
        "fast, naive fast: line at 1536 MB, budget 2 GB: --budget",
        "a|b: line at 18432 MB, budget 24 GB: the machine's memory (MemTotal)",
        "",
    ];
    assert_eq!(head, expected);
    let svg = chart::render(&comparison).expect("drawn");
    for words in ["load line of fast, naive fast: 1536 MB", "load line of a|b: 18432 MB"] {
        assert!(svg.contains(words), "{words} is missing");
    }
    assert!(markdown::render(&comparison, &subject(), "memory.svg").contains("2 processors; fast, naive fast: line at 1536 MB"));
}

#[test]
fn profiles_that_ask_for_the_same_budget_share_a_line() {
    let mut comparison = comparison();
    comparison.limit_bytes = None;
    for column in &mut comparison.columns {
        for run in &mut column.runs {
            run.budget_source = format!("profile {}; the machine has 23.5 GB", column.profile);
        }
    }
    let text = table::render(&comparison, &subject());
    assert_eq!(text.lines().nth(1), Some("2 processors, line at 1536 MB, budget 2 GB: each profile's own"));
}

#[test]
fn a_limit_that_could_not_be_set_is_said_clearly() {
    let mut comparison = comparison();
    comparison.limit_refused = Some("there is no memory cgroup".to_owned());
    let text = table::render(&comparison, &subject());
    assert!(text.contains("NOT limited to 2 GB by the kernel") && text.contains("there is no memory cgroup"), "{text}");
}

#[test]
fn a_machine_that_was_busy_before_is_told() {
    let mut comparison = comparison();
    assert!(table::render(&comparison, &subject()).contains("load of 4.2 before"));
    comparison.load_before = Some(0.3);
    assert!(!table::render(&comparison, &subject()).contains("before the first run"));
}

#[test]
fn rows_that_say_nothing_are_left_out_until_they_do() {
    let mut comparison = comparison();
    assert!(!table::render(&comparison, &subject()).contains("lost: memory"));
    comparison.columns[2].runs[0].out_of_memory = 2;
    assert!(table::render(&comparison, &subject()).contains("lost: memory"));
}

#[test]
fn the_report_has_the_table_the_picture_and_no_markup_of_others() {
    let text = markdown::render(&comparison(), &subject(), "memory.svg");
    assert!(text.contains("| a\\|b 4/500 |") && text.contains("](memory.svg)"), "{text}");
    let rows = text.lines().filter(|line| line.starts_with("| peak memory")).collect::<Vec<_>>();
    assert_eq!(rows, ["| peak memory | 1004 MB (1000-1008) | 504 MB (500-508) | 1104 MB (1100-1108) |"]);
}

#[test]
fn the_json_has_medians_and_every_run_and_curves_only_where_they_are_wanted() {
    let object = json::object(&comparison(), &subject(), false);
    let first = &object["columns"][0];
    assert_eq!(first["median"]["peak_memory_bytes"]["median"].as_f64(), Some(Bytes::mib(1004).0 as f64));
    assert_eq!(first["runs"].as_array().map(Vec::len), Some(2));
    assert!(first["runs"][0].get("curve").is_none());
    assert!(json::object(&comparison(), &subject(), true)["columns"][0]["runs"][0]["curve"].is_array());
}

#[test]
fn the_picture_has_a_curve_for_each_column_and_the_load_line() {
    let svg = chart::render(&comparison()).expect("drawn");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for words in ["fast 4/500: 1000 MB", "naive fast 4/500: 1100 MB", "load line: 1536 MB", "limit: 2048 MB"] {
        assert!(svg.contains(words), "{words} is missing");
    }
    assert!(svg.matches("<polyline").count() >= 3, "{svg}");
}

#[test]
fn a_picture_of_nothing_is_drawn_all_the_same() {
    let mut comparison = comparison();
    for column in &mut comparison.columns {
        column.runs.clear();
    }
    assert!(chart::render(&comparison).is_ok());
}
