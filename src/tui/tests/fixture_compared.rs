//! Comparisons for tests: what the host would have read.

use crate::domain::comparison::saved::{ComparisonId, ComparisonList, Progress, RunUnderWay, SavedComparison, Standing};
use crate::domain::comparison::{Column, Comparison, CurvePoint, OutputHash, RunFigures, RunTag, Subject};
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::tui::tests::fixture::profiles;

/// The comparison of that place in the list.
pub fn id(place: i64) -> ComparisonId {
    ComparisonId { begun: Wall(1_795_348_000_000 - place * 86_400_000), pid: 4711 }
}

/// Memory that climbs, falls between jobs and never quite reaches its peak but once.
fn curve(peak: u64, seconds: f64, waves: f64) -> Vec<CurvePoint> {
    let points = 300;
    let point = |at: u32| {
        let share = f64::from(at) / f64::from(points);
        let wave = (share * waves).fract();
        let height = if wave < 0.25 {
            0.35 + wave * 2.0
        } else if wave < 0.85 {
            0.8 + (f64::from(at * 37 % 23) - 11.0) / 150.0
        } else {
            0.3
        };
        let height = if at == 120 { 1.0 } else { height.min(0.97) };
        CurvePoint { seconds: share * seconds, hard_bytes: Bytes::mib(peak).scale(height) }
    };
    (0..=points).map(point).collect()
}

fn run(peak: u64, seconds: f64) -> RunFigures {
    let outputs = (1..=13).map(|at| OutputHash {
        input: format!("/v/lecture-{at:02}.mp4"),
        preset: "web-720p".to_owned(),
        blake3: format!("{at:064x}"),
    });
    RunFigures {
        whole: true,
        measured_in_group: true,
        budget_bytes: Bytes::gib(2),
        budget_source: "--budget".to_owned(),
        high_water_bytes: Bytes::mib(1536),
        peak_memory_bytes: Bytes::mib(peak),
        peak_usage_bytes: Bytes::mib(peak + 230),
        seconds,
        cpu_seconds: seconds * 1.8,
        curve: curve(peak, seconds, 5.5),
        outputs: outputs.collect(),
        ..RunFigures::default()
    }
}

/// The three profiles of the mock-up under a budget of 2 GB.
pub fn compared() -> SavedComparison {
    let mut columns: Vec<Column> = profiles()
        .iter()
        .map(|profile| Column {
            profile: profile.name.clone(),
            short: profile.short(),
            governor: true,
            guide: profile.guide.clone(),
            runs: Vec::new(),
        })
        .collect();
    columns[0].runs.push(RunFigures {
        seconds_over_high_water: 212.0,
        throughput: 1.06,
        most_at_once: 4,
        done: 22,
        cleanups: 31,
        freed_bytes: Bytes::mib(2969),
        holds: 14,
        oom_kills: 2,
        out_of_memory: 2,
        stops: 3,
        ..run(2010, 680.0)
    });
    columns[1].runs.push(RunFigures {
        seconds_over_high_water: 41.0,
        throughput: 0.84,
        most_at_once: 2,
        done: 21,
        too_large: 2,
        cleanups: 11,
        freed_bytes: Bytes::mib(922),
        holds: 5,
        failed: 1,
        ..run(1618, 862.0)
    });
    columns[2].runs.push(RunFigures {
        throughput: 0.35,
        most_at_once: 1,
        done: 13,
        too_large: 11,
        cleanups: 26,
        freed_bytes: Bytes::mib(307),
        ..run(874, 1371.0)
    });
    SavedComparison {
        subject: Subject {
            version: "0.1.0".to_owned(),
            at: id(0).begun.to_string(),
            inputs: 24,
            paths: vec!["/v/lectures".to_owned(), "/v/match-cam2.mov".to_owned()],
            preset: "web-720p".to_owned(),
        },
        comparison: Comparison {
            columns,
            rounds: 1,
            limit_bytes: Some(Bytes::gib(2)),
            limit_refused: None,
            interrupted: false,
            cores: 2,
            load_before: Some(0.4),
        },
        progress: Progress { standing: Standing::Finished, maker: String::new(), run: None },
    }
}

/// The same while its second run goes on.
pub fn under_way() -> SavedComparison {
    let mut kept = compared();
    let figures = RunFigures {
        whole: false,
        seconds_over_high_water: 0.0,
        throughput: 0.7,
        done: 3,
        unfinished: 19,
        failed: 0,
        cpu_seconds: 0.0,
        outputs: Vec::new(),
        ..kept.comparison.columns[1].runs.remove(0)
    };
    let figures = RunFigures { peak_memory_bytes: Bytes::mib(1102), curve: curve(1102, 41.0, 1.7), seconds: 41.0, ..figures };
    kept.comparison.columns[2].runs.clear();
    let run = RunTag { number: 2, of: 3, round: 1, profile: "balanced".to_owned(), governor: true };
    kept.progress =
        Progress { standing: Standing::UnderWay, maker: String::new(), run: Some(RunUnderWay { run, seconds: 41.0, figures }) };
    kept
}

/// Three runs under each profile, governed and naive; the naive ones lose jobs.
pub fn naive() -> SavedComparison {
    let mut kept = compared();
    let mut naive: Vec<Column> = kept.comparison.columns.clone();
    for column in &mut naive {
        column.governor = false;
        column.runs[0].out_of_memory += 3;
        column.runs[0].oom_kills += 3;
        column.runs[0].cleanups = 0;
        column.runs[0].freed_bytes = Bytes::ZERO;
    }
    kept.comparison.columns.extend(naive);
    kept.comparison.rounds = 3;
    for column in &mut kept.comparison.columns {
        for more in [12, 31] {
            let first = column.runs[0].clone();
            column.runs.push(RunFigures {
                peak_memory_bytes: first.peak_memory_bytes + Bytes::mib(more),
                seconds: first.seconds + more as f64,
                ..first
            });
        }
    }
    kept
}

/// One of each standing, and two files that cannot be read.
pub fn comparisons() -> ComparisonList {
    let with = |standing, done: usize| {
        let mut kept = naive();
        kept.progress.standing = standing;
        for column in kept.comparison.columns.iter_mut().rev().skip(done) {
            column.runs.clear();
        }
        kept
    };
    let kept = [under_way(), compared(), with(Standing::Interrupted, 2), with(Standing::BrokenOff, 1), naive()];
    ComparisonList {
        kept: (0..).zip(&kept).map(|(place, kept)| kept.heading(id(place))).collect(),
        unreadable: vec![
            (
                "2026-11-20T10-00-00.000Z-77.json".to_owned(),
                "is no comparison: EOF while parsing a value at line 1 column 0".to_owned(),
            ),
            ("2026-11-19T10-00-00.000Z-78.json".to_owned(), "permission denied".to_owned()),
        ],
    }
}
