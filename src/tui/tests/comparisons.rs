//! The page of comparisons: figures, columns, the list, and a comparison under way.

use super::*;
use crate::domain::command::Answer;

#[test]
fn a_comparison_shows_the_figures_of_its_reports_and_whether_the_guides_words_hold() {
    let mut app = screen("compare", ColorMode::True, false);
    let page = text(&draw(&mut app, 120, 36));
    let row = |name: &str| page.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}:\n{page}")).to_owned();
    for (name, figures) in [
        ("peak memory", ["2010 MB ✖", "1618 MB ▲", "874 MB ●"]),
        ("makespan", ["11 min 20 s", "14 min 22 s", "22 min 51 s"]),
        ("done / of 24", ["22", "21", "13"]),
        ("OOM kills", ["2 ✖", "0", "0"]),
        ("the table says", ["High / Fast / Low", "Medium / Medium / High", "Low / Slow / Very High"]),
        ("measured", ["✔ agrees", "✔ agrees", "✔ agrees"]),
    ] {
        let row = row(name);
        let places: Vec<Option<usize>> = figures.iter().map(|figure| row.find(figure)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{name}: {row}");
    }
    for end in ["A ends 11 min 20 s, 2 OOM kills", "B ends 14 min 22 s", "C ends 22 min 51 s"] {
        assert!(page.contains(end), "{end}:\n{page}");
    }
    // Below stand the reasons.
    press(&mut app, "G");
    let below = text(&draw(&mut app, 120, 36));
    assert!(below.contains("same bytes under every profile: yes") && below.contains("fast, memory: High agrees"), "{below}");
    assert!(below.contains("A 4/500 fast"), "the columns' names stay: {below}");
    press(&mut app, "g");
    assert_eq!(text(&draw(&mut app, 120, 36)), page);
}

#[test]
fn what_was_not_run_yet_is_not_shown_as_nothing() {
    let mut app = screen("compare_live", ColorMode::True, false);
    let page = text(&draw(&mut app, 120, 36));
    let row = |name: &str| page.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}:\n{page}")).to_owned();
    assert!(page.contains("run 2 of 3: balanced, 41 s; about"), "{page}");
    assert!(row("peak memory").contains("1102 MB ●"), "the figures so far: {page}");
    let makespan = row("OOM kills");
    let cells: Vec<&str> = makespan.split_whitespace().filter(|word| ["0", "2", "-"].contains(word)).collect();
    assert_eq!(cells, ["2", "0", "-"], "{makespan}");
    assert!(page.contains("B now") && !page.contains("C ends"), "{page}");
}

#[test]
fn a_line_that_is_not_that_of_all_columns_is_not_told_as_one() {
    let mut app = screen("busy", ColorMode::True, false);
    let mut kept = naive();
    open(&mut app, kept.clone());
    let page = text(&draw(&mut app, 120, 36));
    assert!(page.contains("budget 2 GB, line 1536 MB"), "{page}");
    for run in &mut kept.comparison.columns[1].runs {
        (run.budget_bytes, run.high_water_bytes) = (Bytes::gib(24), Bytes::gib(18));
    }
    open(&mut app, kept);
    let page = text(&draw(&mut app, 120, 36));
    assert!(page.contains("budgets differ") && !page.contains("line 1536 MB"), "{page}");
    press(&mut app, "G");
    let below = text(&draw(&mut app, 120, 36));
    assert!(
        below.contains("balanced, naive balanced: line at 18432 MB, budget 24 GB")
            || below.contains("balanced: line at 18432 MB, budget 24 GB"),
        "{below}"
    );
}

#[test]
fn columns_that_have_no_room_are_reached_sideways() {
    let mut app = screen("busy", ColorMode::True, false);
    open(&mut app, naive());
    let page = text(&draw(&mut app, 80, 24));
    assert!(page.contains("columns A-C of 6") && !page.contains("naive"), "{page}");
    press(&mut app, "<tab><tab><tab><tab><tab>");
    let page = text(&draw(&mut app, 80, 24));
    assert!(page.contains("columns D-F of 6") && page.contains("D 4/500 naive fast"), "{page}");
    let wide = text(&draw(&mut app, 200, 60));
    assert!(wide.contains("A 4/500 fast") && wide.contains("F 1/100 naive safe"), "{wide}");
}

#[test]
fn the_list_leads_to_a_comparison_and_back_and_tells_what_cannot_be_read() {
    let mut app = screen("comparisons", ColorMode::True, false);
    let page = text(&draw(&mut app, 120, 36));
    for words in ["▶ under way", "✔ finished", "‖ interrupted", "✖ broken off", "2026-11-20", "is no comparison"] {
        assert!(page.contains(words), "{words}:\n{page}");
    }
    // The second line was chosen.
    assert_eq!(press(&mut app, "<enter>"), vec![Effect::Look(Look::Comparison(id(1)))]);
    assert!(text(&draw(&mut app, 120, 36)).contains("reading it"));
    app.update(Action::Found(Box::new(Found::Comparison(id(1), Err("cannot read it: gone".to_owned())))));
    assert!(text(&draw(&mut app, 120, 36)).contains("cannot read it: gone"));
    app.update(Action::Found(Box::new(Found::Comparison(id(1), Ok(compared().into())))));
    assert!(text(&draw(&mut app, 120, 36)).contains("A ends 11 min 20 s"));
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 120, 36)).contains("Comparisons"), "back to the list");
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 120, 36)).contains("2 Queue"), "and to the panes");
}

#[test]
fn only_what_may_change_is_asked_for_again_and_only_while_the_page_is_open() {
    let mut app = screen("busy", ColorMode::True, false);
    assert!(!app.polls());
    open(&mut app, under_way());
    assert!(app.polls());
    assert_eq!(app.look_at_comparisons(), vec![Effect::Look(Look::Comparison(id(0)))]);
    assert_eq!(app.look_at_comparisons(), vec![], "the answer has not come yet");
    app.update(Action::Found(Box::new(Found::Comparison(id(0), Ok(compared().into())))));
    assert_eq!(app.look_at_comparisons(), vec![], "it is finished");
    press(&mut app, "<esc><esc>");
    assert!(!app.polls());
}

#[test]
fn what_waits_is_compared_only_while_the_queue_is_held_and_nothing_is_at_work() {
    let mut app = screen("busy", ColorMode::True, false);
    assert_eq!(press(&mut app, "V"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("hold the queue first (S), wait for the jobs at work, then again"));
    let mut story = busy(true);
    let mut tell = |app: &mut App, kind| {
        story.emit(kind);
        on_event(app, &story.events[story.events.len() - 1]);
    };
    tell(&mut app, EventKind::QueuePaused);
    assert_eq!(press(&mut app, "cn"), vec![Effect::Look(Look::Comparisons)]);
    assert!(text(&draw(&mut app, 120, 36)).contains("jobs are at work"));
    for job in [17, 18] {
        let requeued = EventKind::JobRequeued {
            job: JobId(job),
            attempt: 1,
            reason: "x".to_owned(),
            delay_ms: 900,
            uncounted: true,
            for_room: false,
            away: None,
        };
        tell(&mut app, requeued);
    }
    let effects = press(&mut app, "n");
    let [Effect::Compare(inputs, preset)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((inputs.len(), inputs[0].to_str(), preset.as_str()), (5, Some("/v/keynote-q3.mp4"), "web-720p"));
    assert_eq!(press(&mut app, "<esc>:compare-q<enter>"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("one is being made"));
    tell(&mut app, EventKind::ComparisonStarted { inputs: 5 });
    tell(&mut app, EventKind::ComparisonRun { run: 2, runs: 3, profile: "balanced".to_owned() });
    // What is asked meanwhile begins after it, and is told so, with the way to end it.
    let [Effect::Send(id, Command::Resume)] = press(&mut app, "S")[..] else { panic!("it is asked for") };
    let later = Some("jobs begin after the comparison under way (run 2 of 3, balanced, for 3 s now)".to_owned());
    app.on_update(Update::Reply(id, Ok(Answer { later, ..Answer::default() })));
    let shown = text(&draw(&mut app, 120, 36));
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("release the queue: jobs begin after the comparison under way (run 2 of 3"), "{shown}");
    assert!(words.contains("c shows it, and x there ends it"), "{shown}");
    press(&mut app, "<esc>");
    for (width, height) in [(120, 36), (80, 24)] {
        let shown = text(&draw(&mut app, width, height));
        for words in ["comparing 2/3", "c x ends it", "after the comparison"] {
            assert!(shown.contains(words), "{words} is missing at {width} columns in {shown}");
        }
    }
    // It ends with the console, which asks.
    assert_eq!(press(&mut app, "q"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("End it and quit"));
    press(&mut app, "<esc>");
    tell(&mut app, EventKind::ComparisonEnded { reason: Some("no disk".to_owned()) });
    app.update(Action::Found(Box::new(Found::Compared(Err("no disk".to_owned())))));
    assert!(text(&draw(&mut app, 120, 36)).contains("compare what waits: no disk"));
    assert!(matches!(press(&mut app, "q")[..], [Effect::Send(_, Command::Shutdown)]), "nothing is lost any more");
}

#[test]
fn a_console_that_shows_a_comparison_asks_before_it_ends_it_and_stays_with_the_result() {
    let settings = || Settings { comparison: Some(id(0)), ..settings(ColorMode::True, false) };
    let mut app = busy(true).app(settings());
    assert_eq!(app.open_compare(), vec![Effect::Look(Look::Comparison(id(0)))]);
    app.update(Action::Found(Box::new(Found::Comparison(id(0), Ok(under_way().into())))));
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 120, 36)).contains("2 Queue"), "the run under way is on the dashboard");
    // The end of one run is not the end: q still asks.
    let mut story = busy(true);
    story.emit(run_finished());
    assert_eq!(on_event(&mut app, &story.events[story.events.len() - 1]), vec![]);
    assert_eq!(press(&mut app, "q"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("End it and quit"));
    press(&mut app, "<esc>");
    // The next run begins with nothing.
    app.on_update(Update::Snapshot(Box::default()));
    assert_eq!(app.shown().jobs.len(), 0);
    // It is over: what is shown stays until it was seen.
    app.update(Action::Found(Box::new(Found::Comparison(id(0), Ok(compared().into())))));
    assert_eq!(app.closed(), vec![]);
    assert_eq!(press(&mut app, "q"), vec![Effect::Exit]);

    let mut late = busy(true).app(settings());
    press(&mut late, "q");
    assert_eq!(late.closed(), vec![]);
    assert_eq!(press(&mut late, "y"), vec![Effect::Exit], "it has ended while the question stood");

    let mut ended = busy(true).app(settings());
    assert!(matches!(press(&mut ended, "qy")[..], [Effect::Send(_, Command::Shutdown)]));
    assert_eq!(on_event(&mut ended, &story.events[story.events.len() - 1]), vec![], "the table is still to be made");
    assert_eq!(ended.closed(), vec![Effect::Exit]);
}
