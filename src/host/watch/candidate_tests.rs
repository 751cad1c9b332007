use proptest::prelude::*;

use super::*;
use crate::host::files::file_id::FileId;

const QUIET: Duration = crate::domain::watch::WatchFolder::QUIET;
const START: Wall = Wall(1_000_000);

fn at(ms: u64) -> (Mono, Wall) {
    (Mono::from_millis(ms), Wall(START.0 + ms as i64))
}

fn looks(ino: u64, size: u64, mtime: u64) -> Looks {
    Looks { id: FileId { dev: 1, ino, size, mtime_ns: mtime as i64 }, made_ns: 0 }
}

/// Looks at whatever is due until the file is complete or `until`; when it was complete, in milliseconds.
fn complete_at(suspects: &mut Suspects, path: &Path, until: u64, seen: impl Fn(u64) -> Seen) -> Option<u64> {
    while let Some(next) = suspects.next_look().map(Mono::as_millis).filter(|next| *next <= until) {
        for due in suspects.due(Mono::from_millis(next)) {
            match suspects.looked(&due, Mono::from_millis(next), seen(next)) {
                Verdict::Complete if due == path => return Some(next),
                _ => {}
            }
        }
    }
    None
}

#[test]
fn a_file_that_looks_the_same_for_ten_seconds_is_complete_and_is_looked_at_twice() {
    let (mut suspects, path) = (Suspects::new(QUIET), PathBuf::from("/w/a.mp4"));
    suspects.notice(path.clone(), Sign::Changed, at(5_000));
    let looked = std::cell::Cell::new(0);
    let done = complete_at(&mut suspects, &path, 100_000, |_| {
        looked.set(looked.get() + 1);
        Seen::There(looks(1, 100, 7), Writers::None)
    });
    assert_eq!((done, looked.get(), suspects.len()), (Some(15_000), 2, 0));
}

#[test]
fn a_file_that_was_renamed_into_place_is_complete_at_once_only_where_nobody_writes_it_for_certain() {
    for (writers, expected) in [(Writers::None, Some(0)), (Writers::Unknown, Some(10_000)), (Writers::Some, None)] {
        let (mut suspects, path) = (Suspects::new(QUIET), PathBuf::from("/w/a.mp4"));
        suspects.notice(path.clone(), Sign::MovedIn, at(0));
        let done = complete_at(&mut suspects, &path, 60_000, |_| Seen::There(looks(1, 100, 7), writers));
        assert_eq!(done, expected, "{writers:?}");
    }
}

#[test]
fn a_file_that_waits_is_no_more_complete_for_a_new_name() {
    let (mut suspects, from, to) = (Suspects::new(QUIET), PathBuf::from("/w/a.mp4"), PathBuf::from("/w/b.mp4"));
    suspects.notice(from.clone(), Sign::Changed, at(0));
    assert!(suspects.renamed(&from, &to, at(3_000)));
    assert!(!suspects.contains(&from) && suspects.contains(&to));
    let done = complete_at(&mut suspects, &to, 60_000, |_| Seen::There(looks(1, 100, 7), Writers::None));
    assert_eq!(done, Some(13_000), "it begins anew");
    assert!(!suspects.renamed(&from, &to, at(20_000)), "nothing waits under that name");
}

#[test]
fn what_is_gone_is_not_waited_for_and_the_longest_waiting_are_told_first() {
    let mut suspects = Suspects::new(QUIET);
    for (name, ms) in [("/w/d/z", 1), ("/w/a", 4), ("/w/d/b", 2), ("/w/c", 3), ("/w/dd", 5)] {
        suspects.notice(name.into(), Sign::Changed, at(ms));
    }
    let first: Vec<&Path> = suspects.first().into_iter().map(|(path, _)| path).collect();
    assert_eq!(first, ["/w/d/z", "/w/d/b", "/w/c"].map(Path::new));
    suspects.forget(Path::new("/w/d"));
    assert_eq!(suspects.len(), 3);
    assert_eq!(suspects.looked(Path::new("/w/a"), Mono::START, Seen::Gone), Verdict::Dropped);
    assert!(!suspects.contains(Path::new("/w/a")));
}

#[test]
fn names_of_what_is_not_whole_and_of_what_is_ours_are_no_candidates() {
    for name in [
        "a.mp4.part",
        "a.part",
        "a.tmp",
        "a.filepart",
        "a.mp4.crdownload",
        ".a.mp4.Xy12Z3",
        ".a.mp4",
        "a.mp4~",
        "a.mp4.!qB",
        ".plimsoll/1.part",
        "plimsoll-out/a.mp4",
        "sub/.hidden/a.mp4",
        "@eaDir/a.mp4",
        "a.mp4.part-Frag7",
        "",
    ] {
        assert!(!may_be_input(Path::new(name)), "{name}");
    }
    for name in ["a.mp4", "sub/deeper/a.mov", "partly.mp4", "a", "tmp/a.mkv", "a.part.mp4"] {
        assert!(may_be_input(Path::new(name)), "{name}");
    }
}

/// What a writer does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Write,
    Pause(u64),
    Replace,
    Touch,
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
    let step = prop_oneof![
        4 => Just(Step::Write),
        2 => (0_u64..25_000).prop_map(Step::Pause),
        1 => Just(Step::Replace),
        1 => Just(Step::Touch),
    ];
    prop::collection::vec((step, 1_u64..9_000), 0..30)
}

proptest! {
    /// Whatever a writer does, and whenever events come: what is taken has been left alone for the quiet time, and a file that
    /// is left alone is taken, at the latest two quiet times later.
    #[test]
    fn no_file_is_complete_before_it_was_left_alone_for_the_quiet_time_and_each_is_after_that(
        steps in steps(), hints in prop::collection::vec(0_u64..300_000, 0..20), knows_writers in any::<bool>(),
    ) {
        // The file over time: when it changed, and how it looked from then on; whether somebody had it open then.
        let (mut now, mut state) = (0, looks(1, 0, 0));
        let mut course = vec![(0, state)];
        for (number, (step, span)) in (1..).zip(steps) {
            now += span;
            match step {
                Step::Write => (state.id.size, state.id.mtime_ns) = (state.id.size + 1, number),
                Step::Pause(ms) => { now += ms; continue }
                Step::Replace => state.id.ino += 1,
                Step::Touch => state.id.mtime_ns = number,
            }
            course.push((now, state));
        }
        let end = course.last().expect("one").0;
        let seen = |ms: u64| {
            let (_, looks) = course.iter().rev().find(|(at, _)| *at <= ms).expect("it is there from the beginning");
            let writers = match (knows_writers, ms < end) {
                (false, _) => Writers::Unknown,
                (true, true) => Writers::Some,
                (true, false) => Writers::None,
            };
            Seen::There(*looks, writers)
        };
        let (mut suspects, path) = (Suspects::new(QUIET), PathBuf::from("/w/a.mp4"));
        suspects.notice(path.clone(), Sign::Changed, at(0));
        let mut hints = hints;
        hints.sort_unstable();
        let mut taken = None;
        for hint in hints.into_iter().chain([u64::MAX / 4]) {
            taken = complete_at(&mut suspects, &path, hint, seen);
            if taken.is_some() {
                break;
            }
            suspects.notice(path.clone(), Sign::Changed, at(hint));
        }
        let taken = taken.expect("it is taken at last");
        let quiet = QUIET.as_millis() as u64;
        let left_alone = course.iter().rev().find(|(at, _)| *at <= taken).expect("one").0;
        prop_assert!(taken >= left_alone + quiet, "taken at {taken}, written at {left_alone}");
        if knows_writers {
            prop_assert!(taken >= end, "taken at {taken}, somebody wrote until {end}");
        }
        prop_assert!(taken <= end + 2 * quiet + LOOK_AGAIN.as_millis() as u64, "taken at {taken}, left alone from {end} on");
    }
}
