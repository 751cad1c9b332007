//! Foreign text of every kind against everything that reads it: no panic, nothing unsafe on a screen, nothing made up.
//! `just fuzz` runs a hundred thousand of each; `PROPTEST_CASES` says how many.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use plimsoll::config::{preset, profile, queue, settings};
use plimsoll::domain::text::{MAX_LINE_BYTES, path_text, sanitise};
use plimsoll::host::process::log::progress::ProgressReader;
use plimsoll::host::process::orphans::{ChildRegistry, ProcessIdentity};
use plimsoll::host::store::{FILE_NAME, Store};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Bytes as hostile files, names and logs have them.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        any::<String>().prop_map(String::into_bytes),
        "[\\x00-\\x1f\u{7f}-\u{9f}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{feff}\u{300}-\u{36f}]{0,20}"
            .prop_map(String::into_bytes),
        Just(b"\x1b]0;x\x07\x1b[2J\xc2\x9b31m".to_vec()),
        Just(vec![b'x'; 5000]),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// YAML that is nearly right: lines of real files, mixed, cut and spoiled.
fn any_yaml() -> impl Strategy<Value = String> {
    const LINES: [&str; 24] = [
        "name: x",
        "title: y",
        "max_concurrent: 2",
        "max_file_size: 200MB",
        "memory:",
        "  budget: auto",
        "  high_water: 1.5GB",
        "  low_water: 75%",
        "  reserve: 64MB",
        "scratch_limit: 2GB",
        "env:",
        "  A: \"1\"",
        "- {key: K, value: V}",
        "video: { codec: libx264, crf: 23 }",
        "audio: { codec: aac, bitrate: 128k }",
        "container: mp4",
        "threads: 2",
        "extra: [\"-movflags\", \"+faststart\"]",
        "jobs:",
        "- /in/a.mp4",
        "preset: web-720p",
        "color: auto",
        "retries: 3",
        "? [a]: &x *x",
    ];
    let line = prop_oneof![
        6 => proptest::sample::select(&LINES[..]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[-a-z_]{1,12}: [-+.0-9eE%kMGB_x]{0,24}",
        1 => "[ \\[\\]{}:,&*!|>'\"%@`#-]{1,16}",
    ];
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

fn is_safe(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    })
}

proptest! {
    #[test]
    fn shown_text_is_safe_on_every_screen_and_never_long(bytes in any_text()) {
        let shown = sanitise(&bytes);
        prop_assert!(is_safe(&shown), "{shown:?}");
        // A byte becomes at most four, a character of two at most eight, and the rest is counted.
        prop_assert!(shown.len() <= MAX_LINE_BYTES * 5 + 64, "{}", shown.len());
        prop_assert_eq!(sanitise(shown.as_bytes()).len() >= shown.len().min(MAX_LINE_BYTES), true);
        let path = path_text(Path::new(OsStr::from_bytes(&bytes)));
        prop_assert!(is_safe(&path), "{path:?}");
    }

    #[test]
    fn any_progress_is_sane(bytes in any_text(), lines in proptest::collection::vec("(frame|fps|out_time|out_time_us|speed|total_size|progress)=[-+.:0-9a-zA-Z]{0,24}\n", 0..20)) {
        let mut reader = ProgressReader::new(Some(Duration::from_secs(7)));
        for chunk in [bytes.as_slice(), lines.concat().as_bytes(), bytes.as_slice(), b"\nprogress=end\n"] {
            reader.feed(chunk, |progress| {
                assert!(progress.ratio.is_none_or(|ratio| (0.0..=1.0).contains(&ratio)), "{progress:?}");
                assert!(progress.fps.is_finite() && progress.speed.is_finite(), "{progress:?}");
            });
        }
    }

    #[test]
    fn any_configuration_is_read_or_refused_with_a_place(text in any_yaml()) {
        let file = Path::new("x.yaml");
        let mistakes = [
            profile::parse(file, &text).err(),
            preset::parse(file, &text).err(),
            queue::parse(file, &text).err(),
            settings::parse(file, &text).err(),
        ];
        for mistake in mistakes.into_iter().flatten().flatten() {
            prop_assert!(is_safe(&mistake.to_string()) && !mistake.problem.is_empty(), "{mistake}");
        }
    }
}

#[test]
fn any_row_of_the_journal_is_read_or_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path(), tokio::sync::mpsc::unbounded_channel().0).expect("opened");
    let rows = rusqlite::Connection::open(dir.path().join(FILE_NAME)).expect("opened");
    rows.execute_batch("PRAGMA synchronous = OFF").expect("set");
    let json = prop_oneof![
        any_text().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        "\\{\"seq\":[-0-9]{0,22},\"at\":\"[-0-9TZ:.]{0,24}\",\"event\":\"(job_queued|job_finished|job_requeued|fault|x)\",\"job\":[-0-9e]{0,9},\"input\":\"[^\"\\\\]{0,9}\"\\}",
    ];
    let blob = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..32));
    let seq = Cell::new(0_i64);
    TestRunner::default()
        .run(&(json, blob.clone(), blob), |(json, input, output)| {
            seq.set(seq.get() + 1);
            rows.execute(
                "INSERT OR REPLACE INTO events VALUES (777, ?1, 0, 'x', NULL, ?2, ?3, ?4)",
                rusqlite::params![seq.get() % 50, json, input, output],
            )
            .expect("written");
            let (events, unreadable) = store.journal(777).expect("read");
            prop_assert!(events.len() + unreadable <= 50);
            Ok(())
        })
        .expect("no panic");
}

#[test]
fn any_file_of_children_is_survived() {
    let dir = tempfile::tempdir().expect("a folder");
    let life = ProcessIdentity::own().to_string();
    let line = prop_oneof![
        any_text(),
        "[-+@ 0-9a-f]{0,40}\n".prop_map(String::into_bytes),
        // Ourselves at another time, and in another boot: never killed, or this test would not end.
        Just(format!("+{}\n", life.replacen(' ', " 9", 1)).into_bytes()),
        Just(format!("+{}0\n", &life[..life.len() - 1]).into_bytes()),
    ];
    TestRunner::default()
        .run(&proptest::collection::vec(line, 0..8), |lines| {
            let own = format!("+{life}\n").into_bytes();
            prop_assume!(!lines.concat().windows(own.len()).any(|window| window == own));
            std::fs::write(dir.path().join("children"), lines.concat()).expect("written");
            let (_, found) = ChildRegistry::begin(dir.path(), Path::new("/out"));
            prop_assert!(found.killed.is_empty(), "{found:?}");
            Ok(())
        })
        .expect("nobody is killed");
}
