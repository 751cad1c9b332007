use super::*;
use crate::domain::comparison::saved::{Progress, RunUnderWay};
use crate::domain::comparison::{Column, Comparison, CurvePoint, RunFigures, RunTag, Subject};
use crate::domain::profile::GuideWords;
use crate::domain::time::Wall;
use crate::domain::units::Bytes;

fn id(number: i64) -> ComparisonId {
    ComparisonId { begun: Wall(1_795_348_651_000 + number), pid: std::process::id() }
}

fn kept(standing: Standing, maker: &str) -> SavedComparison {
    let figures = RunFigures {
        whole: true,
        peak_memory_bytes: Bytes::mib(874),
        seconds: 12.5,
        curve: vec![CurvePoint { seconds: 0.05, hard_bytes: Bytes::mib(12) }],
        ..RunFigures::default()
    };
    let run = RunTag { number: 2, of: 2, round: 2, profile: "safe".to_owned(), governor: true };
    let column = Column {
        profile: "safe".to_owned(),
        short: "1/100".to_owned(),
        governor: true,
        guide: GuideWords::default(),
        runs: vec![figures.clone()],
    };
    SavedComparison {
        subject: Subject { inputs: 3, paths: vec!["/v/clips".to_owned()], ..Subject::default() },
        comparison: Comparison {
            columns: vec![column],
            rounds: 2,
            limit_bytes: None,
            limit_refused: None,
            interrupted: false,
            cores: 2,
            load_before: Some(0.5),
        },
        progress: Progress { standing, maker: maker.to_owned(), run: Some(RunUnderWay { run, seconds: 4.0, figures }) },
    }
}

fn text(kept: &SavedComparison) -> Vec<u8> {
    serde_json::to_vec(kept).expect("JSON")
}

/// A process that has ended: nobody has its life.
fn dead() -> String {
    let mut child = std::process::Command::new("true").spawn().expect("starts");
    let life = ProcessIdentity::of(child.id()).map(|life| life.to_string());
    child.wait().expect("ends");
    life.unwrap_or_else(|| "2 1 0000000000000001".to_owned())
}

#[test]
fn what_is_kept_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let kept = kept(Standing::UnderWay, &maker());
    Writer::begin(dir.path(), id(1)).expect("made").write(&text(&kept)).expect("written");
    let library = Library::new(dir.path());
    assert_eq!(*library.open(id(1)).expect("read"), kept);
    let comparisons = library.list().expect("listed");
    assert_eq!((comparisons.kept, comparisons.unreadable), (vec![kept.heading(id(1))], Vec::new()));
    assert!(library.open(id(2)).is_err_and(|why| why.contains("cannot read") && why.contains(&id(2).to_string())));
}

#[test]
fn where_nothing_was_kept_yet_there_is_nothing_and_no_trouble() {
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(Library::new(dir.path()).list(), Ok(ComparisonList::default()));
}

#[test]
fn a_comparison_whose_maker_has_died_is_broken_off() {
    let dir = tempfile::tempdir().expect("a folder");
    Writer::begin(dir.path(), id(1)).expect("made").write(&text(&kept(Standing::UnderWay, &dead()))).expect("written");
    Writer::begin(dir.path(), id(2)).expect("made").write(&text(&kept(Standing::Finished, &dead()))).expect("written");
    let library = Library::new(dir.path());
    let standings: Vec<Standing> = library.list().expect("listed").kept.iter().map(|heading| heading.standing).collect();
    assert_eq!(standings, [Standing::Finished, Standing::BrokenOff], "the newest first");
    let open = library.open(id(1)).expect("read");
    assert_eq!((open.progress.standing, &open.progress.run), (Standing::BrokenOff, &None));
}

#[test]
fn the_latest_twenty_are_kept_and_one_that_is_under_way_however_old_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    for number in 0..30 {
        let standing = if number == 0 { Standing::UnderWay } else { Standing::Finished };
        Writer::begin(dir.path(), id(number)).expect("made").write(&text(&kept(standing, &maker()))).expect("written");
    }
    let comparisons = Library::new(dir.path()).list().expect("listed");
    let numbers: Vec<i64> = comparisons.kept.iter().map(|heading| heading.id.begun.0 - id(0).begun.0).collect();
    assert_eq!(numbers, (10..30).rev().chain([0]).collect::<Vec<_>>());
}

#[test]
fn a_change_is_seen_and_a_reader_meets_the_old_or_the_new_never_a_half() {
    let dir = tempfile::tempdir().expect("a folder");
    let writer = Writer::begin(dir.path(), id(1)).expect("made");
    let library = Library::new(dir.path());
    writer.write(&text(&kept(Standing::Interrupted, ""))).expect("written");
    assert_eq!(library.list().expect("listed").kept[0].standing, Standing::Interrupted);
    writer.write(&text(&kept(Standing::Finished, ""))).expect("written");
    assert_eq!(library.list().expect("listed").kept[0].standing, Standing::Finished);
    assert_eq!(library.open(id(1)).expect("read").progress.standing, Standing::Finished);
    let names: Vec<_> = fs::read_dir(dir.path().join(FOLDER)).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 1, "no part is left: {names:?}");
}

#[test]
fn files_that_are_none_are_told_and_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join(FOLDER);
    Writer::begin(dir.path(), id(1)).expect("made").write(&text(&kept(Standing::Finished, ""))).expect("written");
    let whole = text(&kept(Standing::Finished, ""));
    fs::write(folder.join(format!("{}.json", id(2))), &whole[..whole.len() / 2]).expect("written");
    fs::write(folder.join(format!("{}.json", id(3))), "[]").expect("written");
    fs::write(folder.join("notes.json"), "mine").expect("written");
    let comparisons = Library::new(dir.path()).list().expect("listed");
    assert_eq!(comparisons.kept.len(), 1);
    assert_eq!(comparisons.unreadable.len(), 2, "{:?}", comparisons.unreadable);
    assert!(comparisons.unreadable.iter().all(|(name, why)| name.starts_with("2026") && why.starts_with("is no comparison")));
    Writer::begin(dir.path(), id(4)).expect("made");
    assert_eq!(fs::read_to_string(folder.join("notes.json")).expect("there"), "mine");
}

#[test]
fn foreign_words_are_made_safe_and_numbers_that_make_no_sense_are_refused() {
    let mut evil = kept(Standing::Finished, "");
    evil.comparison.columns[0].profile = "a\u{1b}[2Jb".to_owned();
    let read = of_text(&text(&evil)).expect("read");
    assert!(!read.comparison.columns[0].profile.contains('\u{1b}'), "{read:?}");
    evil.comparison.columns[0].runs[0].done = u64::MAX;
    assert!(of_text(&text(&evil)).is_err_and(|why| why.contains("makes no sense")));
    assert!(of_text("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn where_the_folder_cannot_be_made_it_is_said_where() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join(FOLDER), "in the way").expect("written");
    let error = Writer::begin(dir.path(), id(1)).expect_err("refused").to_string();
    assert!(error.contains("cannot write") && error.contains(FOLDER), "{error}");
}
