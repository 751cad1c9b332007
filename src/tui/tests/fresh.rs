//! What somebody meets who uses the console for the first time: nothing moves unasked, notes are no successes, keys that are
//! offered do something, figures are whole.

use super::*;
use crate::domain::command::{Answer, JobRequest};
use crate::domain::event::MemoryFigures;
use crate::domain::job::{MediaInfo, RejectReason};
use crate::domain::media::{AudioStream, Extras, SubtitleStream};
use crate::tui::app::Tone;
use crate::tui::input::action::Act;

fn footer(app: &mut App, width: u16, height: u16) -> String {
    let shown = text(&draw(app, width, height));
    shown.lines().last().expect("a footer").to_owned()
}

fn tone(app: &App) -> Option<Tone> {
    app.toast().map(|toast| toast.tone)
}

#[test]
fn a_replay_is_played_by_its_keys_whatever_is_selected() {
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1);
    let mut app = story.app(Settings { replay: true, ..settings(ColorMode::True, false) });
    app.on_update(Update::Playing(Playing { length: Mono::from_millis(9000), speed: 1.0, paused: false }));
    assert_eq!(app.selected(), None, "nothing is at work");
    for (key, to) in [("{", MoveTo::First), ("}", MoveTo::Last), ("J", MoveTo::Later), ("K", MoveTo::Sooner)] {
        let effects = press(&mut app, &format!("<esc>{key}"));
        assert!(matches!(effects[..], [Effect::Send(_, Command::Move(_, asked))] if asked == to), "{key}: {effects:?}");
    }
    assert!(matches!(press(&mut app, " ")[..], [Effect::Send(_, Command::PauseJob(_))]));
    press(&mut app, "a");
    assert_eq!(tone(&app), Some(Tone::Note), "that nothing is run is no success");
}

#[test]
fn esc_with_nothing_to_close_leaves_the_selection_where_it_is() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "gjj");
    let selected = app.selected();
    assert!(selected.is_some());
    press(&mut app, "<esc><esc><esc>");
    assert_eq!(app.selected(), selected);
    assert_eq!(tone(&app), Some(Tone::Note));
    press(&mut app, "R");
    assert_eq!(app.selected(), selected, "the log of the run is shown without it");
    assert!(text(&draw(&mut app, 120, 36)).contains("4 Log of the run"));
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 120, 36)).contains("4 Log #"));
}

#[test]
fn no_key_acts_on_a_job_that_the_filter_hides() {
    let mut story = busy(true);
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "/state:queued<enter>");
    let selected = app.selected().expect("the first that waits");
    let from = story.events.len();
    story.start(selected.0, 1);
    apply_from(&mut app, &story, from);
    assert_eq!(app.selected(), Some(selected));
    for key in ["x", "D", " ", "r"] {
        assert_eq!(press(&mut app, key), vec![], "{key}");
        assert!(app.mode().is_none(), "{key}");
        assert!(app.toast().is_some_and(|toast| toast.text.contains("the filter hides it")), "{key}");
    }
}

#[test]
fn a_selected_job_is_on_the_screen_also_before_anybody_has_chosen_it() {
    let mut story = Story::new(true);
    for id in 1..=30 {
        story.queue(id, &format!("talk-{id:02}.mp4"), 20).start(id, 1);
    }
    for id in 1..=20 {
        story.finish(id, Outcome::Done, 1, 1.0, None);
    }
    let app = story.app(settings(ColorMode::True, false));
    let selected = app.selected().expect("one that works");
    assert!(app.window(3).line.is_some_and(|line| app.window(3).ids[line] == selected));
}

#[test]
fn several_steps_are_taken_back_the_latest_first_and_each_is_told() {
    let mut story = busy(true);
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "gjjj");
    let id = app.selected().expect("one that waits");
    let first = app.shown().jobs[&id].rank;
    let answer = |app: &mut App, effects: &[Effect]| {
        let [Effect::Send(request, _)] = effects else { panic!("{effects:?}") };
        app.on_update(Update::Reply(*request, Ok(Answer::default())));
    };
    for step in 1..=12 {
        let effects = press(&mut app, "}");
        let from = story.events.len();
        story.emit(EventKind::JobMoved { job: id, rank: first + 1000 * step });
        apply_from(&mut app, &story, from);
        answer(&mut app, &effects);
    }
    for step in (0..12).rev() {
        let effects = press(&mut app, "u");
        let [Effect::Send(_, Command::Place(places))] = &effects[..] else { panic!("{step}: {effects:?}") };
        let rank = first + 1000 * step;
        assert_eq!(places[..], [(id, rank)]);
        assert_eq!(app.toast(), None, "nothing is told before it is so");
        let from = story.events.len();
        story.emit(EventKind::JobMoved { job: id, rank });
        apply_from(&mut app, &story, from);
        answer(&mut app, &effects);
        let told = app.toast().map(|toast| (toast.tone, toast.text.clone())).expect("told");
        assert_eq!(told.0, Tone::Done);
        assert!(told.1.starts_with(&format!("taken back: the move of #{id}")), "{}", told.1);
        assert_eq!(told.1.contains("more"), step > 0, "{}", told.1);
    }
    assert_eq!(press(&mut app, "u"), vec![]);
    assert_eq!(tone(&app), Some(Tone::Note));
}

#[test]
fn what_is_asked_for_marked_jobs_is_told_once_it_is_done() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "/state:running<enter>*");
    let effects = press(&mut app, " ");
    let [Effect::Send(id, Command::Each(jobs, JobRequest::Pause))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((jobs.len(), app.toast()), (2, None));
    app.on_update(Update::Reply(*id, Ok(Answer::default())));
    assert!(app.toast().is_some_and(|toast| toast.text == "paused: 2 jobs"), "{:?}", app.toast());
}

#[test]
fn the_next_job_after_the_last_is_the_first_and_that_is_told() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "G<enter>");
    let last = app.selected();
    press(&mut app, "<tab>");
    assert_ne!(app.selected(), last);
    assert!(app.toast().is_some_and(|toast| toast.text.contains("this is the first")));
    app.update(Action::Do(Act::PrevPane));
    assert_eq!(app.selected(), last);
}

#[test]
fn the_footer_offers_what_can_be_done_with_the_job_and_nothing_else() {
    let mut app = screen("busy", ColorMode::True, false);
    for (filter, offered, not) in [
        ("state:running", &["space pause", "x cancel"][..], &["r retry", "A let"][..]),
        ("state:reject", &["A let it in"], &["space", "x cancel"]),
        ("state:failed", &["r retry"], &["space", "x cancel", "A let"]),
        ("state:done", &[], &["space", "x cancel", "A let", "r retry"]),
    ] {
        press(&mut app, &format!("<esc>/{filter}<enter>"));
        for open in ["", "<enter>"] {
            press(&mut app, open);
            let line = footer(&mut app, 200, 60);
            for hint in offered {
                assert!(line.contains(hint), "{filter}: {hint} in {line}");
            }
            for hint in not {
                assert!(!line.contains(hint), "{filter}: {hint} in {line}");
            }
        }
        press(&mut app, "<esc>");
    }
}

#[test]
fn a_job_at_its_last_frames_is_nowhere_told_to_be_done() {
    let mut story = busy(true);
    story.progress(17, 0.996, 1.8, 1, 612);
    let mut app = story.app(settings(ColorMode::True, false));
    for (keys, told) in [("g", " 99%"), ("x", "99 % done"), ("<esc><enter>", " 99 % ")] {
        press(&mut app, keys);
        let shown = text(&draw(&mut app, 120, 36));
        assert!(shown.contains(told) && !shown.contains("100%") && !shown.contains("100 %"), "{told}:\n{shown}");
    }
}

#[test]
fn lists_that_are_seen_whole_offer_no_scrolling() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "W");
    let line = footer(&mut app, 120, 36);
    assert!(line.contains("esc close") && !line.contains("next") && !line.contains("choose"), "{line}");
    let mut doctor = screen("doctor", ColorMode::True, false);
    assert!(!footer(&mut doctor, 200, 60).contains("scroll"));
    assert!(footer(&mut doctor, 60, 16).contains("scroll"));
    let mut compared = screen("compare", ColorMode::True, false);
    assert!(!footer(&mut compared, 200, 60).contains("next columns"));
    let mut help = screen("help", ColorMode::True, false);
    assert!(!footer(&mut help, 200, 60).contains("scroll"));
    assert!(footer(&mut help, 80, 24).contains("scroll"));
}

#[test]
fn every_dialog_leaves_the_line_that_tells_its_keys() {
    for (name, key) in [("profiles", "close"), ("palette", "close"), ("help", "close"), ("warnings", "close"), ("cancel", "y yes")]
    {
        for (width, height) in [(60, 16), (80, 24), (120, 36)] {
            let mut app = screen(name, ColorMode::True, false);
            let line = footer(&mut app, width, height);
            assert!(line.contains(key), "{name} at {width}x{height}: {line}");
        }
    }
}

#[test]
fn the_events_open_at_the_latest() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "ejjj");
    assert!(app.events_page().selected.is_some());
    press(&mut app, "<esc>e");
    assert_eq!(app.events_page().selected, None);
}

#[test]
fn on_the_smallest_screen_what_was_not_done_is_told_rather_than_that_all_has_ended() {
    let mut story = all_done();
    for id in 31..70 {
        story.queue(id, "x.mp4", 1).finish(id, if id < 42 { Outcome::Done } else { Outcome::AlreadyDone }, 0, 0.0, None);
    }
    let mut app = story.app(settings(ColorMode::True, false));
    let counts = app.shown().job_counts();
    let shown = text(&draw(&mut app, 60, 16));
    let header = shown.lines().next().expect("a header");
    for part in ["✔", "✖", "⊘"] {
        assert!(header.contains(part), "{counts:?}: {header}");
    }
}

#[test]
fn the_header_never_drops_how_many_are_done_or_failed() {
    let mut story = busy(true);
    story.queue(31, "x.mp4", 1).finish(31, Outcome::AlreadyDone, 0, 0.0, None);
    story.emit(EventKind::JobPaused { job: JobId(17), by_governor: false });
    for replay in [false, true] {
        let mut app = story.app(Settings { replay, ..settings(ColorMode::True, false) });
        let playing = Playing { length: Mono::from_millis(900_000), speed: 1.0, paused: false };
        app.on_update(Update::Playing(playing));
        let counts = app.shown().job_counts();
        for (width, height) in [(60, 16), (80, 24), (100, 30), (120, 36), (200, 60)] {
            let shown = text(&draw(&mut app, width, height));
            let header = shown.lines().next().expect("a header");
            assert!(header.contains(&format!("✔ {}", counts.done)) || header.contains(&format!("✔{}", counts.done)), "{header}");
            assert!(header.contains("✖ 1") || header.contains("✖1"), "{replay} {width}: {header}");
        }
        let wide = text(&draw(&mut app, 200, 60));
        assert!(wide.contains("▶ 1 running  ‖ 1 paused"), "{wide}");
        assert!(wide.contains(&format!("✔ {} done, 1 already done", counts.done)), "{wide}");
    }
}

/// A run with this budget in which so much is used by jobs, and so much by others.
fn with_memory(budget: u64, line: u64, jobs: u64, others: u64) -> App {
    let mut story = busy(true);
    let figures = story.events.iter().rev().find_map(|event| match &event.kind {
        EventKind::MemorySampled(figures) => Some(figures.clone()),
        _ => None,
    });
    let figures = figures.expect("a sample");
    let (budget, line) = (Bytes::mib(budget), Bytes::mib(line));
    let mut state = crate::domain::state::State::default();
    for event in &story.events {
        state.apply(event);
    }
    let lines = crate::domain::memory::Lines { budget, high_water: line, ..state.lines };
    story.emit(EventKind::BudgetChanged {
        budget_bytes: budget,
        budget_source: "profile balanced; the machine has 23.5 GB".to_owned(),
        available_bytes: budget,
        by_operator: false,
        lines,
    });
    let counted = Bytes::mib(jobs + others + 1200);
    let of_jobs = [(JobId(17), Bytes::mib(jobs))].into_iter().collect();
    story.emit(EventKind::MemorySampled(MemoryFigures {
        budget_bytes: budget,
        high_water_bytes: line,
        counted_bytes: counted,
        usage_bytes: counted,
        working_set_bytes: counted,
        foreign_bytes: Bytes::mib(others),
        jobs: of_jobs,
        ..figures
    }));
    story.app(settings(ColorMode::True, false))
}

#[test]
fn figures_of_memory_are_shown_whole_or_not_at_all() {
    for (jobs, others) in [(1102, 12), (11_102, 1204), (15_000, 4321)] {
        let mut app = with_memory(24_106, 21_695, jobs, others);
        for width in 100..=130 {
            let shown = text(&draw(&mut app, width, 36));
            let legend = shown.lines().find(|line| line.contains("█jobs") || line.contains("█ jobs")).expect("a legend");
            let pane = legend.split('│').nth(1).expect("the pane");
            for word in pane.split(['█', '▓', '▞', '▒']).filter(|part| !part.trim().is_empty()) {
                let figure = word.split_whitespace().last().expect("a figure");
                assert!(figure.parse::<u64>().is_ok(), "{word} in {legend}");
            }
            assert!(pane.contains(&format!("jobs {jobs}")) && pane.contains(&others.to_string()), "{width}: {legend}");
            // The end of the scale, and the line on it.
            let scale = shown.lines().nth(4).expect("the scale").split('│').nth(1).expect("the pane").to_owned();
            assert!(scale.trim_end().ends_with("24106") && scale.contains("21695"), "{width}: {scale}");
        }
    }
}

#[test]
fn what_was_freed_is_told_whole_in_the_title_or_not_at_all() {
    for width in [60, 80, 100, 120] {
        for keys in ["", "3"] {
            let mut app = screen("busy", ColorMode::True, false);
            press(&mut app, keys);
            let shown = text(&draw(&mut app, width, 24));
            let Some(line) = shown.lines().find(|line| line.contains("3 Cleanups ")) else { continue };
            let title = line.split('╮').next().expect("the pane");
            assert!(!title.contains('…') && (title.contains("969 MB") || title.contains("969M")), "{width}: {title}");
        }
    }
}

#[test]
fn the_title_of_the_memory_pane_is_shortened_by_whole_parts() {
    let mut app = with_memory(2048, 1536, 100, 10);
    for width in [100, 120, 200] {
        let shown = text(&draw(&mut app, width, 40));
        let title = shown.lines().nth(1).expect("titles").to_owned();
        let memory = title.split('╮').next().expect("the first pane");
        assert!(memory.contains("2 GB: profile balanced") && !memory.contains('…'), "{memory}");
    }
}

#[test]
fn memory_of_a_larger_budget_before_is_not_cut_off() {
    let mut app = with_memory(1024, 768, 300, 10);
    let shown = text(&draw(&mut app, 120, 36));
    let highest = app.shown().history.iter().map(|point| point.counted).max().expect("known");
    assert!(highest > Bytes::mib(1024));
    assert!(shown.contains(&format!("{}│", view::mb(highest))), "the chart reaches up to it:\n{shown}");
}

#[test]
fn the_page_of_a_job_tells_every_track_and_its_whole_path() {
    let sound = |codec: &str, channels, language: &str| AudioStream {
        codec: codec.to_owned(),
        channels,
        language: Some(language.to_owned()),
        ..AudioStream::default()
    };
    let subtitle = |language: &str| SubtitleStream { language: Some(language.to_owned()), ..SubtitleStream::default() };
    let extras = Extras {
        sounds: vec![sound("aac", 2, "eng"), sound("aac", 1, "deu")],
        subtitles: vec![subtitle("eng"), subtitle("deu")],
        ..Extras::default()
    };
    let media = MediaInfo { audio: Some(sound("aac", 2, "eng")), extras, ..MediaInfo::default() };
    let mut story = Story::new(true);
    let name = format!("{}end-of-the-name.mkv", "a-long-folder/".repeat(12));
    story.queue(1, &name, 10);
    story.emit(EventKind::JobInspected {
        job: JobId(1),
        media: Box::new(media),
        predicted_peak_bytes: None,
        learned_from: 0,
        pixels: 0,
        disk: None,
        choices: String::new(),
    });
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "g<enter>");
    for (width, height) in [(120, 36), (80, 24), (60, 16)] {
        let page = text(&draw(&mut app, width, height));
        let facts: String = page
            .lines()
            .skip(2)
            .take_while(|line| !line.contains("4 Log"))
            .map(|line| line.trim_matches(['│', ' ']).trim().to_owned())
            .collect();
        assert!(facts.contains("end-of-the-name.mkv"), "{width}x{height}:\n{page}");
        if height > 16 {
            for words in ["aac 2 channels (eng), aac 1 channel (deu)", "2 subtitles (eng, deu)"] {
                assert!(page.contains(words), "{words} at {width}x{height}:\n{page}");
            }
        }
    }
}

#[test]
fn a_file_that_was_looked_at_in_vain_is_not_said_to_be_looked_at_yet() {
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 10);
    story.emit(EventKind::JobRejected {
        job: JobId(1),
        input: "/v/a.mp4".into(),
        size_bytes: Bytes::mib(10),
        limit_bytes: None,
        reason: RejectReason::Unreadable,
        detail: "its header cannot be read".to_owned(),
    });
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "g<enter>");
    let page = text(&draw(&mut app, 120, 36));
    assert!(page.contains("nothing that could be read") && page.contains("rejected  its header cannot be read"), "{page}");
}

#[test]
fn two_jobs_of_one_file_are_told_apart_by_their_presets() {
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 10);
    story.emit(EventKind::JobQueued {
        job: JobId(2),
        input: "/v/a.mp4".into(),
        size_bytes: Bytes::mib(10),
        preset: "archive".to_owned(),
        output: None,
        rank: 2,
    });
    let mut app = story.app(settings(ColorMode::True, false));
    for width in [80, 120] {
        let shown = text(&draw(&mut app, width, 30));
        assert_eq!(shown.matches("a.mp4 archive").count(), 1, "{shown}");
    }
}

#[test]
fn a_long_line_that_is_gone_to_is_read_from_its_beginning() {
    let mut story = Story::new(true);
    let words: Vec<String> = (0..200).map(|at| format!("word{at:03}")).collect();
    story.queue(1, "a.mp4", 1).start(1, 1).log(Some(1), LogLevel::Info, &words.join(" ")).log(Some(1), LogLevel::Info, "the end");
    let mut app = story.app(settings(ColorMode::True, false));
    draw(&mut app, 80, 24);
    press(&mut app, "4lk");
    let shown = text(&draw(&mut app, 80, 24));
    assert!(shown.contains("line 1 of 2") && shown.contains("word000") && !shown.contains("word199"), "{shown}");
    assert!(shown.contains('…'));
}

#[test]
fn one_line_is_one_line() {
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1).start(1, 1).log(Some(1), LogLevel::Info, "hello");
    let mut app = story.app(settings(ColorMode::True, false));
    let shown = text(&draw(&mut app, 120, 36));
    assert!(shown.contains("1 line ") && !shown.contains("1 lines"), "{shown}");
    story.progress(1, 0.1, 1.0, 90, 30);
    on_event(&mut app, &story.events[story.events.len() - 1]);
    assert!(text(&draw(&mut app, 120, 36)).contains("2 lines"), "the live line is seen, and counted");
}

#[test]
fn when_the_run_is_over_that_is_said_and_nothing_is_asked_of_anybody() {
    let mut story = all_done();
    story.emit(run_finished());
    let mut app = story.app(settings(ColorMode::True, false));
    for (width, height) in [(60, 16), (80, 24), (120, 36)] {
        let shown = text(&draw(&mut app, width, height));
        assert!(shown.contains("the run is over: q quits"), "{width}x{height}:\n{shown}");
        assert!(!shown.contains("a add"), "{width}x{height}:\n{shown}");
    }
    for key in ["a", "p", "S", "E", "C", "r", "D", "x", " ", "A", "J", "K", "{", "}", "u", "F", "V", "w", ":drain<enter>"] {
        assert_eq!(press(&mut app, key), vec![], "{key}");
        assert!(app.mode().is_none(), "{key}");
        assert!(app.toast().is_some_and(|toast| toast.text.contains("the run is over: q quits")), "{key}: {:?}", app.toast());
    }
    assert_eq!(press(&mut app, "q"), vec![Effect::Exit]);
}

#[test]
fn a_line_that_is_being_typed_when_the_run_ends_is_answered_too() {
    let mut story = all_done();
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "a");
    story.emit(run_finished());
    on_event(&mut app, &story.events[story.events.len() - 1]);
    assert_eq!(press(&mut app, "/v/x.mp4<enter>"), vec![]);
    assert!(app.toast().is_some_and(|toast| toast.text == "the run is over: q quits"));
}

#[test]
fn a_fault_and_the_answer_to_what_caused_it_are_one_event() {
    let mut story = busy(true);
    let mut app = story.app(settings(ColorMode::True, false));
    let effects = press(&mut app, "a/v/none.mp4<enter>");
    let [Effect::Send(id, _)] = effects[..] else { panic!("{effects:?}") };
    let from = story.events.len();
    story.emit(EventKind::Fault { what: "/v/none.mp4".to_owned(), detail: "no such file".to_owned() });
    let before = app.events_page().happened();
    apply_from(&mut app, &story, from);
    app.on_update(Update::Reply(id, Err(crate::domain::refusal::Refusal::Other.because("/v/none.mp4: no such file".to_owned()))));
    assert_eq!(app.events_page().happened(), before + 1);
    let told = app.toast().map(|toast| toast.text.clone());
    assert_eq!(told.as_deref(), Some("/v/none.mp4: no such file"), "nor is it said a second time in the last line");
}

#[test]
fn an_event_of_no_job_has_the_room_of_a_name() {
    let mut story = Story::new(true);
    story.emit(EventKind::Fault { what: "disk".to_owned(), detail: "a reason of fifty letters, no more, no fewer".to_owned() });
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "e");
    let shown = text(&draw(&mut app, 80, 24));
    assert!(shown.contains("fault    disk: a reason of fifty letters, no more, no fewer "), "{shown}");
}
