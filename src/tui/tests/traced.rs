//! Every figure on the screens comes from the stream, and from nowhere else.

use serde_json::{Value, json};

use super::*;

/// The run as it was told: every event as the line of JSON that `run --json` prints.
fn lines(story: &Story) -> Vec<Value> {
    story.events.iter().map(|event| serde_json::to_value(event).expect("JSON")).collect()
}

/// A console that knows nothing but these lines.
fn console(lines: &[Value]) -> App {
    let mut app = App::new(settings(ColorMode::True, false));
    app.on_update(Update::Snapshot(Box::default()));
    for line in lines {
        let text = line.to_string();
        on_event(&mut app, &serde_json::from_str::<Event>(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
    }
    app
}

#[test]
fn a_console_that_knows_the_lines_of_a_run_shows_what_the_one_at_the_run_does() {
    for (name, story) in [("busy", busy(true)), ("naive", busy(false)), ("over", over()), ("all done", all_done())] {
        let (mut there, mut later) = (story.app(settings(ColorMode::True, false)), console(&lines(&story)));
        for keys in ["", "gk", "1z", "z", "e", "<esc>W", "<esc>p", "<esc>g<enter>", "j", "j", "<tab>", "<esc>4z"] {
            assert_eq!(press(&mut there, keys), press(&mut later, keys));
            for (width, height) in SIZES {
                let (there, later) = (draw(&mut there, width, height), draw(&mut later, width, height));
                assert_eq!(text(&there), text(&later), "{name}, after {keys}, {width}x{height}");
                assert_eq!(there, later, "{name}, after {keys}, {width}x{height}: the colours");
            }
        }
    }
}

/// A figure of the stream: which event, of which job, which field; what it is changed to, and what the screen then shows
/// that it did not show before.
type Figure = (&'static str, Option<u64>, &'static str, Value, &'static str);

/// Changes the figure in every such line of a run and looks at the screen that these keys lead to.
fn assert_traced(story: &Story, keys: &str, figures: &[Figure]) {
    let shown = |lines: &[Value]| {
        let mut app = console(lines);
        press(&mut app, keys);
        text(&draw(&mut app, 200, 60))
    };
    let told = lines(story);
    let before = shown(&told);
    for (event, job, field, value, expected) in figures {
        let mut changed = told.clone();
        let concerns = |line: &&mut Value| line["event"] == *event && job.is_none_or(|job| line["job"] == job);
        let mut count = 0;
        for line in changed.iter_mut().filter(concerns) {
            *line.pointer_mut(field).unwrap_or_else(|| panic!("no {field} in {event}")) = value.clone();
            count += 1;
        }
        assert!(count > 0, "no {event} of {job:?}");
        let after = shown(&changed);
        assert!(!before.contains(expected), "{expected} is shown without it:\n{before}");
        assert!(after.contains(expected), "{event} {field} = {value} is not shown as {expected}:\n{after}");
    }
}

const fn mb(count: u64) -> u64 {
    count << 20
}

#[test]
fn a_figure_that_is_another_in_the_stream_is_another_on_the_dashboard() {
    let figures: &[Figure] = &[
        ("memory_sampled", None, "/counted_bytes", json!(mb(1404)), "1404 of 2048 MB  69 %"),
        ("memory_sampled", None, "/console_bytes", json!(mb(41)), "console 41"),
        ("memory_sampled", None, "/foreign_bytes", json!(mb(57)), "others 57"),
        ("memory_sampled", None, "/counted_bytes", json!(mb(1404)), "cache 264"),
        ("memory_sampled", None, "/reserved_bytes", json!(mb(1333)), "reserved 1333"),
        ("memory_sampled", None, "/level", json!("critical"), "near the limit"),
        ("budget_changed", None, "/lines/budget", json!(mb(1900)), "of 1900 MB"),
        ("budget_changed", None, "/budget_source", json!("--budget"), "2 GB: --budget"),
        ("profile_selected", None, "/profile/name", json!("mine"), "2/200 mine"),
        ("profile_selected", None, "/profile/max_concurrent", json!(7), "7/200"),
        ("job_queued", Some(22), "/size_bytes", json!(mb(79)), " 79M"),
        ("job_inspected", Some(21), "/predicted_peak_bytes", json!(mb(333)), "~333M"),
        ("job_progressed", Some(17), "/ratio", json!(0.715), "71%"),
        ("job_progressed", Some(17), "/speed", json!(7.7), "7.7x"),
        ("job_progressed", Some(17), "/eta_seconds", json!(95), "01:35"),
        ("job_progressed", Some(17), "/frame", json!(4242), "frame 4242"),
        ("job_requeued", Some(15), "/reason", json!("the moon"), "the moon"),
        ("job_requeued", Some(15), "/delay_ms", json!(605_000), "09:"),
        ("job_rejected", Some(20), "/limit_bytes", json!(mb(111)), "over the 111 MB limit"),
        ("job_finished", Some(16), "/peak_memory_bytes", json!(mb(345)), "345M"),
        ("job_finished", Some(16), "/seconds", json!(83.0), "01:23"),
        ("job_finished", Some(13), "/reason", json!("exit 9, no wind"), "exit 9, no wind"),
        ("cleanup_finished", None, "/freed_bytes", json!(mb(55)), "freed 605 MB"),
        ("cleanup_started", None, "/action", json!("remove_scratch"), "remove scratch      84 ms            97 MB"),
        ("job_logged", Some(17), "/text", json!("a line of another kind"), "a line of another kind"),
    ];
    assert_traced(&busy(true), "gk", figures);
}

#[test]
fn a_figure_that_is_another_in_the_stream_is_another_on_every_page() {
    let figures: &[Figure] = &[
        ("job_started", Some(17), "/command", json!("/opt/ffmpeg -i other"), "/opt/ffmpeg -i other"),
        ("job_started", Some(17), "/predicted_peak_bytes", json!(mb(633)), "expected 633 MB"),
        ("job_admitted", Some(17), "/reserved_bytes", json!(mb(733)), "reserved 733 MB"),
        ("job_inspected", Some(17), "/media/video/width", json!(1918), "1918x1080"),
        ("job_queued", Some(17), "/output", json!("/elsewhere/out.mp4"), "/elsewhere/out.mp4"),
        ("job_progressed", Some(17), "/fps", json!(77.0), "77 fps"),
        ("job_progressed", Some(17), "/written_bytes", json!(mb(44)), "44 MB written"),
        ("cleanup_finished", None, "/millis", json!(4321), "4321 ms"),
    ];
    assert_traced(&busy(true), "g<enter>", figures);
    let figures: &[Figure] = &[
        ("admission_held", None, "/needs_bytes", json!(mb(599)), "needs 599 MB"),
        ("admission_held", None, "/free_bytes", json!(mb(3)), "3 MB free"),
    ];
    assert_traced(&over(), "gk", figures);
    let figures: &[Figure] = &[
        ("warning_raised", None, "/evidence", json!("9 cleanups within a breath"), "9 cleanups within a breath"),
        ("warning_raised", None, "/advice", json!("try patience"), "try patience"),
    ];
    assert_traced(&over(), "W", figures);
    let figures: &[Figure] = &[
        ("cleanup_finished", None, "/freed_bytes", json!(mb(55)), "freed 55 MB"),
        ("job_finished", Some(16), "/seconds", json!(83.0), "done after 83.0 s"),
    ];
    assert_traced(&busy(true), "e", figures);
    let figures: &[Figure] = &[("memory_sampled", None, "/counted_bytes", json!(mb(1404)), "measured     1404 MB")];
    assert_traced(&busy(true), "p", figures);
}
