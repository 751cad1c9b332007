//! What an operator sees and does with a queue longer than the screen: what runs stays in sight, several jobs are taken at
//! once, reasons are read whole, and pages keep their keys to themselves.

use super::*;
use crate::domain::command::{Answer, JobRequest};
use crate::domain::event::MemoryFigures;
use crate::runtime::link::Playing;
use crate::tui::app::Mode;
use crate::tui::pages::Page;
use crate::tui::pages::queue::filter::Filter;

/// Thirty jobs of which two run; a number of them are done already.
fn long_queue() -> Story {
    let mut story = Story::new(true);
    for id in 1..=30 {
        story.queue(id, &format!("talk-{id:02}.mp4"), 20);
    }
    story.start(1, 1).start(2, 1).sample(700, &[(1, 300), (2, 300)]);
    story
}

/// Tells what was added to a story since it had `from` events.
#[test]
fn hands_off_a_running_job_is_always_on_the_screen_and_its_log_is_shown() {
    let mut story = long_queue();
    let mut app = story.app(settings(ColorMode::True, false));
    for id in 1..=25 {
        let from = story.events.len();
        story.at(1000 * id).finish(id, Outcome::Done, 300, 1.0, None).start(id + 2, 1);
        apply_from(&mut app, &story, from);
        for (width, height) in [(120, 36), (80, 24), (60, 16)] {
            let shown = text(&draw(&mut app, width, height));
            assert!(shown.contains("▶ run"), "{width}x{height} after #{id}:\n{shown}");
            assert!(shown.contains("of 30"), "rows are hidden, and that is told:\n{shown}");
        }
        let selected = app.selected().expect("one that works is selected");
        assert!(app.shown().jobs[&selected].phase.holds_slot(), "#{selected} after #{id}");
        let log = text(&draw(&mut app, 120, 36));
        assert!(log.contains(&format!("4 Log #{selected} ")), "{log}");
    }
}

#[test]
fn what_runs_is_seen_above_the_part_of_the_list_that_an_operator_looks_at() {
    let mut story = long_queue();
    let mut app = story.app(settings(ColorMode::True, false));
    for (width, height) in [(120, 36), (80, 24), (60, 16)] {
        draw(&mut app, width, height);
        press(&mut app, "G");
        let shown = text(&draw(&mut app, width, height));
        assert!(shown.contains("▶ run") && shown.contains("of 30"), "{width}x{height}:\n{shown}");
        assert!(shown.contains("talk-30.mp4"), "the chosen row is seen too:\n{shown}");
        // Step by step up to the top every row is chosen once, and is on the screen.
        for below in (1..30).rev() {
            press(&mut app, "k");
            let selected = app.selected().expect("one").0;
            assert_eq!(selected, below);
            let shown = text(&draw(&mut app, width, height));
            assert!(
                shown.contains(&format!("talk-{below:02}")) && shown.contains("▶ run"),
                "{width}x{height} at {below}:\n{shown}"
            );
        }
    }
    // One that was chosen and has ended sinks to those that have ended; the next one that runs is seen.
    let from = story.events.len();
    story.at(2000).finish(1, Outcome::Done, 300, 1.0, None).finish(2, Outcome::Done, 300, 1.0, None).start(3, 1);
    apply_from(&mut app, &story, from);
    let shown = text(&draw(&mut app, 80, 24));
    assert!(app.selected() == Some(JobId(1)) && shown.contains("▶ run"), "{shown}");
    // A filter that asks for others shows others.
    press(&mut app, "/state:done<enter>");
    assert!(!text(&draw(&mut app, 80, 24)).contains("▶ run"));
}

#[test]
fn a_scrollbar_and_the_rows_seen_tell_where_in_the_list_one_is() {
    let mut app = long_queue().app(settings(ColorMode::True, false));
    let first = text(&draw(&mut app, 80, 24));
    assert!(first.contains(" 1–7 of 30 ") && first.contains('█'), "{first}");
    press(&mut app, "G");
    let last = text(&draw(&mut app, 80, 24));
    assert!(last.contains(" 26–30 of 30 "), "{last}");
    let mut ascii = long_queue().app(settings(ColorMode::True, true));
    assert!(text(&draw(&mut ascii, 80, 24)).contains(" 1-7 of 30 "));
    let mut short = Story::new(true);
    short.queue(1, "a.mp4", 1);
    assert!(!text(&draw(&mut short.app(settings(ColorMode::True, false)), 80, 24)).contains("of 1 "), "nothing is hidden");
}

#[test]
fn what_the_operator_has_chosen_stays_through_esc_and_a_key_goes_back_to_what_works() {
    let mut story = long_queue();
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "g");
    let from = story.events.len();
    story.finish(1, Outcome::Done, 300, 1.0, None).start(3, 1);
    apply_from(&mut app, &story, from);
    assert_eq!(app.selected(), Some(JobId(1)), "it was chosen by a key");
    press(&mut app, "<esc><esc>");
    assert_eq!(app.selected(), Some(JobId(1)), "esc has nothing to close");
    press(&mut app, "b");
    assert_eq!(app.selected(), Some(JobId(2)));
    let from = story.events.len();
    story.finish(2, Outcome::Done, 300, 1.0, None).start(4, 1);
    apply_from(&mut app, &story, from);
    assert_eq!(app.selected(), Some(JobId(3)), "and stays with what works");
}

#[test]
fn a_page_without_jobs_acts_on_none_and_says_so() {
    for open in ["c", "e", "d"] {
        let mut app = screen("busy", ColorMode::True, false);
        press(&mut app, open);
        for key in ["D", "x", " ", "r", "A", "J", "K", "{", "}", "F", "u"] {
            assert_eq!(press(&mut app, key), vec![], "{open} {key}");
            assert!(app.mode().is_none(), "{open} {key} asks about a job that nobody sees");
            assert!(app.toast().is_some_and(|toast| toast.text.contains("this page")), "{open} {key}: {:?}", app.toast());
        }
    }
    let mut zoomed = screen("busy", ColorMode::True, false);
    press(&mut zoomed, "1zD");
    assert!(zoomed.mode().is_none());
    let mut tiny = screen("busy", ColorMode::True, false);
    draw(&mut tiny, 40, 10);
    assert_eq!(press(&mut tiny, " "), vec![]);
}

#[test]
fn all_that_the_filter_shows_is_marked_also_where_some_of_it_is_and_unmarked_where_all_of_it_is() {
    let mut app = long_queue().app(settings(ColorMode::True, false));
    press(&mut app, "gv*");
    assert_eq!(app.marks(), (30, 0));
    press(&mut app, "*");
    assert_eq!(app.marks(), (0, 0));
    // What the filter hides is neither marked nor loses its mark.
    press(&mut app, "gv/state:queued<enter>*");
    assert_eq!(app.marks(), (29, 1));
    press(&mut app, "*");
    assert_eq!(app.marks(), (1, 1));
}

#[test]
fn a_filter_that_lets_nothing_of_a_long_queue_through_tells_how_many_wait_behind_the_list() {
    let mut story = long_queue();
    story.emit(EventKind::BacklogChanged { jobs: 1476, bytes: Bytes::gib(1) });
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "/zzz<enter>");
    let shown = text(&draw(&mut app, 120, 36));
    assert!(shown.contains("no listed job matches; 1,476 more wait behind the list; esc clears it"), "{shown}");
}

#[test]
fn a_drain_is_taken_back_by_the_key_that_began_it() {
    let mut story = busy(true);
    story.emit(EventKind::DrainStarted);
    let mut app = story.app(settings(ColorMode::True, false));
    assert!(text(&draw(&mut app, 120, 36)).contains("draining"));
    assert!(matches!(press(&mut app, "E")[..], [Effect::Send(_, Command::Undrain)]));
    let from = story.events.len();
    story.emit(EventKind::DrainStopped);
    apply_from(&mut app, &story, from);
    assert!(!text(&draw(&mut app, 120, 36)).contains("draining"));
    assert!(matches!(press(&mut app, "E")[..], [Effect::Send(_, Command::Drain)]));
}

#[test]
fn a_server_that_has_nothing_to_do_is_ended_only_by_whoever_says_so_twice() {
    let mut app = all_done().app(settings(ColorMode::True, false));
    assert_eq!(press(&mut app, "E"), vec![]);
    assert!(text(&draw(&mut app, 80, 24)).contains("It would end at once"));
    assert_eq!(press(&mut app, "<enter>"), vec![], "the default keeps it");
    assert!(matches!(press(&mut app, "Ey")[..], [Effect::Send(_, Command::Drain)]));
}

#[test]
fn the_log_of_a_job_that_stands_still_says_so_and_tells_no_pace() {
    let mut story = busy(true);
    let running = |screen: &str| screen.lines().any(|line| line.contains("frame") && line.contains(" fps  time"));
    let still = |screen: &str| screen.lines().any(|line| line.contains("‖ frame") && line.contains("stands still"));
    let mut app = story.app(settings(ColorMode::True, false));
    let shown = text(&draw(&mut app, 120, 36));
    assert!(running(&shown) && !still(&shown), "{shown}");
    let from = story.events.len();
    story.emit(EventKind::JobPaused { job: app.log_of().expect("a job"), by_governor: false });
    apply_from(&mut app, &story, from);
    let shown = text(&draw(&mut app, 120, 36));
    assert!(still(&shown) && !running(&shown), "{shown}");
}

#[test]
fn what_a_key_does_to_the_queue_behind_a_frozen_screen_is_said() {
    let mut app = busy(true).app(settings(ColorMode::True, false));
    let asked = press(&mut app, "fS");
    let [Effect::Send(id, Command::Pause)] = asked[..] else { panic!("{asked:?}") };
    app.on_update(Update::Reply(id, Ok(Answer::default())));
    assert!(text(&draw(&mut app, 120, 36)).contains("the queue is held"));
}

#[test]
fn a_comparison_of_what_waits_is_ended_by_a_key_of_its_page() {
    let mut app = screen("release", ColorMode::True, false);
    press(&mut app, "<esc><esc>c");
    assert_eq!(app.page(), Page::Compare);
    assert!(text(&draw(&mut app, 120, 36)).contains("x end the one under way"));
    press(&mut app, "x");
    assert!(text(&draw(&mut app, 120, 36)).contains("The run under way is stopped."));
    assert_eq!(press(&mut app, "<enter>"), vec![], "the default goes on");
    assert_eq!(press(&mut app, "xy"), vec![Effect::StopComparison]);
    app.update(Action::Found(Box::new(Found::Compared(Ok(())))));
    assert_eq!(press(&mut app, "x"), vec![], "there is none any more");
    assert!(app.mode().is_none());
}

#[test]
fn a_reason_is_read_whole_on_the_page_of_its_job_at_every_size() {
    let words: Vec<String> = (0..36).map(|at| format!("cause{at:02}")).collect();
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 10).start(1, 1).finish(1, Outcome::Failed, 10, 1.0, Some(&words.join(" ")));
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "g<enter>");
    for (width, height) in [(120, 36), (80, 24), (60, 16)] {
        let page = text(&draw(&mut app, width, height));
        let facts: String = page.lines().take_while(|line| !line.contains("4 Log")).collect();
        for word in &words {
            assert!(facts.contains(word.as_str()), "{word} at {width}x{height}:\n{page}");
        }
    }
    press(&mut app, "<esc>");
    let row = text(&draw(&mut app, 80, 24));
    let row = row.lines().find(|line| line.contains("✖ failed")).expect("its row").to_owned();
    let last = row.split('…').next().and_then(|before| before.split(' ').next_back()).unwrap_or_default();
    assert!(row.contains('…') && words.iter().any(|word| word == last), "cut between words: {row}");
}

#[test]
fn what_memory_lacks_is_told_with_whole_numbers_on_narrow_screens() {
    let mut app = over().app(settings(ColorMode::True, false));
    for width in [60, 64, 70, 80, 120] {
        let shown = text(&draw(&mut app, width, 24));
        let row = shown.lines().find(|line| line.contains("‖ held")).expect("its row").to_owned();
        assert!(row.contains("needs 562") && row.contains("0 MB free") | row.contains("0 free"), "{width}: {row}");
    }
}

#[test]
fn a_narrow_footer_keeps_what_acts_on_jobs() {
    let mut app = screen("busy", ColorMode::True, false);
    let narrow = text(&draw(&mut app, 60, 16));
    let footer = narrow.lines().last().expect("a footer");
    for hint in ["? help", "a add", "space pause", "x cancel", "q quit"] {
        assert!(footer.contains(hint), "{hint}: {footer}");
    }
    press(&mut app, "<enter>");
    let page = text(&draw(&mut app, 60, 16));
    let footer = page.lines().last().expect("a footer");
    assert!(footer.contains("x cancel") && footer.contains("space pause") && footer.contains("esc back"), "{footer}");
}

#[test]
fn a_long_message_is_read_to_its_end() {
    let mut app = screen("busy", ColorMode::True, false);
    let effects = press(&mut app, "r");
    let [Effect::Send(id, _)] = effects[..] else { panic!("{effects:?}") };
    let words: Vec<String> = (0..20).map(|at| format!("why{at:02}")).collect();
    app.on_update(Update::Reply(id, Err(crate::domain::refusal::Refusal::Other.because(words.join(" ")))));
    let shown = text(&draw(&mut app, 60, 16));
    assert!(words.iter().all(|word| shown.contains(word.as_str())), "{shown}");
}

#[test]
fn a_finished_queue_says_what_to_do_next_and_a_young_run_fills_its_chart() {
    let done = text(&draw(&mut screen("all_done", ColorMode::True, false), 120, 36));
    assert!(done.contains("a adds files, q quits"), "{done}");
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1).start(1, 1);
    for second in 0..40 {
        story.at(second * 1000).sample(700, &[(1, 300)]);
    }
    let mut app = story.app(settings(ColorMode::True, false));
    assert_eq!(app.chart().0, 60);
    assert!(text(&draw(&mut app, 120, 36)).contains("−60s"));
    press(&mut app, ">");
    assert_eq!(app.chart().0, 300, "what the operator chooses stays");
}

#[test]
fn several_jobs_are_cancelled_after_one_question() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "/state:queued<enter>*");
    assert!(text(&draw(&mut app, 120, 36)).contains("6 marked"), "{}", text(&draw(&mut app, 120, 36)));
    press(&mut app, "x");
    assert!(text(&draw(&mut app, 120, 36)).contains("Cancel 6 jobs?"));
    assert_eq!(press(&mut app, "<enter>"), vec![], "the default keeps them");
    let effects = press(&mut app, "xy");
    let [Effect::Send(_, Command::Each(jobs, JobRequest::Cancel))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(jobs.len(), 6);
    assert_eq!(app.marks(), (0, 0), "what was asked for is done once");
}

#[test]
fn nothing_is_done_to_marked_jobs_that_the_filter_hides() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "/state:queued<enter>*/<c-u>state:running<enter>");
    let shown = text(&draw(&mut app, 120, 36));
    assert!(shown.contains("6 marked (6 hidden)"), "{shown}");
    assert_eq!(press(&mut app, "x"), vec![]);
    assert!(app.mode().is_none(), "nothing is asked for what is not seen");
    let said = text(&draw(&mut app, 120, 36));
    assert!(said.contains("6 jobs are marked, and the filter hides all of them"), "{said}");
    // With one of those that are shown, that one alone is meant; the hidden ones stay marked.
    press(&mut app, "gv");
    let effects = press(&mut app, "xy");
    let [Effect::Send(_, Command::Each(jobs, JobRequest::Cancel))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(jobs, &[JobId(17)]);
    assert_eq!(app.marks(), (6, 6));
}

#[test]
fn what_was_done_is_said_with_the_way_back_and_a_cancel_has_none() {
    let mut app = screen("busy", ColorMode::True, false);
    let answer = |app: &mut App, effects: Vec<Effect>| {
        let [Effect::Send(id, _)] = effects[..] else { panic!("{effects:?}") };
        app.on_update(Update::Reply(id, Ok(Answer::default())));
        app.toast().map(|toast| toast.text.clone()).unwrap_or_default()
    };
    let effects = press(&mut app, "gxy");
    assert_eq!(answer(&mut app, effects), "#17 is cancelled; r runs it from its start");
    assert_eq!(press(&mut app, "u"), vec![], "an older step is not taken back in its place");
    assert_eq!(
        app.toast().map(|toast| toast.text.as_str()),
        Some("the cancel of #17 cannot be taken back; r runs a job from its start")
    );
    let effects = press(&mut app, "E");
    assert_eq!(answer(&mut app, effects), "nothing new is taken, and the end comes with the last job; E takes that back");
    press(&mut app, "/state:done<enter>gD");
    assert!(text(&draw(&mut app, 120, 36)).contains("this cannot be taken back"));
    let effects = press(&mut app, "y");
    assert!(!answer(&mut app, effects).contains("puts it back"));
}

#[test]
fn a_range_is_marked_and_a_question_is_about_those_that_it_applies_to() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "gvjjj.");
    assert_eq!(app.marks(), (5, 0), "17, 18, 15, 19 and the next");
    press(&mut app, "D");
    assert!(text(&draw(&mut app, 120, 36)).contains("Take 3 jobs off the list?"), "what runs stays");
    press(&mut app, "<esc><esc>");
    assert_eq!(app.marks(), (0, 0));
    press(&mut app, "g.");
    assert_eq!(app.marks(), (5, 0), "from the last mark, which was the end of the range");
}

#[test]
fn a_move_and_a_deletion_can_be_taken_back() {
    let mut story = busy(true);
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "gjjj");
    assert_eq!(app.selected(), Some(JobId(19)));
    press(&mut app, "}");
    let from = story.events.len();
    story.emit(EventKind::JobMoved { job: JobId(19), rank: 900 });
    apply_from(&mut app, &story, from);
    let effects = press(&mut app, "u");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::Place(places))] if places == &[(JobId(19), 19)]), "{effects:?}");
    assert_eq!(press(&mut app, "u"), vec![], "once");
    press(&mut app, "Dy");
    let from = story.events.len();
    story.emit(EventKind::JobRemoved { job: JobId(19), output: None });
    apply_from(&mut app, &story, from);
    let effects = press(&mut app, "u");
    assert!(
        matches!(&effects[..], [Effect::Send(_, Command::PutBack(jobs))] if jobs == &[(JobId(19), 900)]),
        "at the place that it had: {effects:?}"
    );
}

#[test]
fn what_has_ended_is_cleared_after_a_question() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "F");
    assert!(text(&draw(&mut app, 120, 36)).contains("Take 3 jobs that ended off the list?"));
    let effects = press(&mut app, "y");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::Each(jobs, JobRequest::Remove))] if jobs.len() == 3), "{effects:?}");
}

#[test]
fn clearing_what_is_finished_leaves_the_marks_of_all_others() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "gjjjvv");
    assert_eq!(app.marks(), (2, 0));
    assert!(matches!(&press(&mut app, "Fy")[..], [Effect::Send(_, Command::Each(jobs, JobRequest::Remove))] if jobs.len() == 3));
    assert_eq!(app.marks(), (2, 0));
}

#[test]
fn a_filter_that_is_given_up_leaves_the_order_of_the_rows() {
    let mut app = screen("busy", ColorMode::True, false);
    let order = |app: &App| app.filter().map(Filter::order);
    press(&mut app, "ss");
    let chosen = order(&app);
    assert!(chosen.is_some());
    press(&mut app, "/lecture<esc>");
    assert_eq!(order(&app), chosen);
    assert_eq!(app.filter().map(Filter::text), Some(""), "all rows are shown");
    assert_eq!(app.rows().len(), app.shown().jobs.len());
    let mut usual = screen("busy", ColorMode::True, false);
    press(&mut usual, "/lecture<esc>");
    assert!(usual.filter().is_none());
}

#[test]
fn a_screen_that_runs_again_shows_the_present_whichever_key_let_it_go_on() {
    for key in ["f", "<esc>"] {
        let mut app = screen("busy", ColorMode::True, false);
        press(&mut app, "f[[");
        assert!(app.frozen() && app.chart().1 > 0);
        press(&mut app, key);
        assert!(!app.frozen() && app.chart().1 == 0, "{key}: {:?}", app.chart());
    }
}

#[test]
fn a_replay_says_that_it_is_one_with_its_place_and_pace_and_tells_only_its_keys() {
    let settings = Settings { replay: true, ..settings(ColorMode::True, false) };
    let mut app = busy(true).app(settings);
    let play = |app: &mut App, paused| {
        let playing = Playing { length: crate::domain::time::Mono::from_millis(900_000), speed: 4.0, paused };
        app.on_update(Update::Playing(playing));
    };
    play(&mut app, false);
    for (width, height) in [(120, 36), (80, 24), (60, 16)] {
        let shown = text(&draw(&mut app, width, height));
        let (header, footer) = (shown.lines().next().expect("a header"), shown.lines().last().expect("a footer"));
        let place = if width < 76 { "replay 4x 7:00/15:00" } else { "replay, 4x, 7:00 of 15:00" };
        assert!(header.contains(place), "{header}");
        assert!(footer.contains("space stand still") && footer.contains("q quit"), "{footer}");
        assert!(!footer.contains("cancel") && !footer.contains("add"), "{footer}");
    }
    play(&mut app, true);
    assert!(text(&draw(&mut app, 120, 36)).contains("replay, paused, 7:00 of 15:00"));
    for key in ["x", "D", "a", "r", "V"] {
        assert_eq!(press(&mut app, key), vec![], "{key}");
        assert!(app.mode().is_none(), "{key} asks for nothing that is refused afterwards");
    }
    press(&mut app, "?");
    let help = text(&draw(&mut app, 120, 60));
    assert!(help.contains("Help: replay") && help.contains("play slower, faster") && help.contains("10 s back, 10 s on"), "{help}");
    assert!(!help.contains("cancel (asks)") && !help.contains("add files or folders"), "{help}");
}

#[test]
fn help_tells_the_keys_of_the_page_that_is_open_and_explains_the_words() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "e?");
    let events = text(&draw(&mut app, 120, 60));
    assert!(
        events.contains("Help: events") && events.contains("open the event's job") && !events.contains("cancel (asks)"),
        "{events}"
    );
    press(&mut app, "<esc><esc><enter>?");
    let job = text(&draw(&mut app, 120, 60));
    assert!(job.contains("Help: job") && job.contains("next, previous job") && job.contains("cancel (asks)"), "{job}");
    press(&mut app, "<tab>");
    let words = text(&draw(&mut app, 120, 60));
    for word in ["2/200", "there", "auto/2048", "reject, REJ", "p50, p95", "held (job)", "held (queue)", "makespan", "FREED"] {
        assert!(words.contains(word), "{word}:\n{words}");
    }
    press(&mut app, "makesp");
    assert!(!text(&draw(&mut app, 120, 60)).contains("held (job)"), "it is filtered too");
}

#[test]
fn a_key_of_another_layout_never_answers_yes() {
    let type_it = |app: &mut App, typed: char| {
        let key = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Char(typed));
        let action = crate::tui::terminal::translate::action_of(app, crossterm::event::Event::Key(key));
        action.map_or_else(Vec::new, |action| app.update(action))
    };
    for (opens, typed) in [("x", 'н'), ("x", 'ｙ'), ("q", 'й'), ("q", 'ض'), ("jjjD", 'υ'), ("x", 'д')] {
        let mut app = screen("busy", ColorMode::True, false);
        press(&mut app, opens);
        assert_eq!(type_it(&mut app, typed), vec![], "{opens} {typed}");
        let Some(Mode::Ask(ask)) = app.mode() else { panic!("{typed} has answered {opens}") };
        assert!(!ask.yes, "{typed} chooses no button");
        assert!(app.toast().is_some_and(|toast| toast.text.contains("only Latin letters do, y for yes, esc or n for no")));
    }
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "x");
    type_it(&mut app, 'т');
    assert!(app.mode().is_none(), "n, which changes nothing");
}

#[test]
fn files_are_added_with_another_preset_and_by_the_name_of_the_command() {
    let mut app = screen("busy", ColorMode::True, false);
    let effects = press(&mut app, "a/v/x.mp4<c-t><enter>");
    let preset = Some("remux".to_owned());
    assert!(matches!(&effects[..], [Effect::Send(_, Command::Enqueue { preset: asked, .. })] if *asked == preset), "{effects:?}");
    let effects = press(&mut app, ":add /v/y.mp4<enter>");
    assert!(
        matches!(&effects[..], [Effect::Send(_, Command::Enqueue { paths, preset: None, .. })] if paths == &[std::path::PathBuf::from("/v/y.mp4")]),
        "{effects:?}"
    );
    press(&mut app, ":add /nowhere/*.mp4<enter>");
    assert!(text(&draw(&mut app, 120, 36)).contains("no file is called like that"));
}

#[test]
fn a_queue_from_before_is_told_with_what_was_done_before() {
    let before = Some("the run of 2026-11-21 18:00 had 12 done, 1 failed".to_owned());
    let mut story = Story::new(true);
    story.emit(EventKind::QueueRestored { jobs: 3, interrupted: 1 });
    let mut app = story.app(Settings { before, ..settings(ColorMode::True, false) });
    let shown = text(&draw(&mut app, 80, 24));
    assert!(shown.contains("3 jobs of an earlier run are queued again") && shown.contains("12 done, 1 failed"), "{shown}");
}

#[test]
fn every_key_of_the_preset_is_reached_on_a_small_screen_too() {
    let mut app = screen("job", ColorMode::True, false);
    let id = app.selected().expect("a job");
    app.state.jobs.get_mut(&id).expect("listed").choices = "hdr tonemap, deinterlace auto, location drop".to_owned();
    let page = text(&draw(&mut app, 80, 24));
    assert!(!page.contains("deinterlace auto") && page.contains("enter all facts"), "{page}");
    press(&mut app, "<enter>");
    let page = text(&draw(&mut app, 80, 24));
    assert!(page.contains("hdr tonemap, deinterlace auto, location drop") && page.contains("memory"), "{page}");
    // On a still smaller one the rest is scrolled to, and the way back is the usual one.
    let seen = |app: &mut App, wanted: &str| text(&draw(app, 60, 16)).contains(wanted);
    let whole = (seen(&mut app, "input "), seen(&mut app, "expected 626 MB"));
    press(&mut app, "G");
    assert!(whole.0 && seen(&mut app, "expected 626 MB"), "{}", text(&draw(&mut app, 60, 16)));
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 80, 24)).contains("follow"), "the log is back");
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 80, 24)).contains("2 Queue"));
}

#[test]
fn the_peak_and_the_time_over_the_line_begin_anew_together_and_say_since_when() {
    use crate::domain::memory::Scope;

    let mut story = Story::new(true);
    story.at(1000).sample(1700, &[]).at(8000).sample(1700, &[]).at(9000).sample(300, &[]);
    let gauge = |story: &Story| {
        let shown = text(&draw(&mut story.app(settings(ColorMode::True, false)), 120, 36));
        shown.lines().find(|line| line.contains("peak ")).expect("the line").chars().take(46).collect::<String>()
    };
    let before = gauge(&story);
    assert!(before.contains("peak 1700") && before.contains("once, 8 s") && !before.contains("since"), "{before}");
    // A profile whose budget is all there is: from here on others count too.
    let Some(EventKind::MemorySampled(figures)) = story.events.last().map(|event| event.kind.clone()) else { panic!("a sample") };
    let other = if figures.scope == Scope::Own { Scope::Machine } else { Scope::Own };
    story.at(20_000).emit(EventKind::MemorySampled(MemoryFigures { scope: other, ..figures }));
    let after = gauge(&story);
    assert!(after.contains("peak 300 since ") && after.contains("never over"), "{after}");
    let mut state = crate::domain::state::State::default();
    story.events.iter().for_each(|event| state.apply(event));
    assert_eq!((state.time_over_line(), state.totals.crossings), (std::time::Duration::ZERO, 0));
}

#[test]
fn after_a_seek_the_event_list_and_the_cleanups_are_those_of_a_playing() {
    use std::sync::Arc;

    use crate::runtime::link::Retold;

    let story = busy(true);
    let settings = || Settings { replay: true, ..settings(ColorMode::True, false) };
    let told = |app: &App| {
        let (events, cleanups) = (app.entries().into_iter().cloned().collect::<Vec<_>>(), app.shown().cleanups.clone());
        let commands: Vec<_> = app.shown().jobs.keys().map(|id| app.detail(*id).cloned()).collect();
        (events, cleanups, commands)
    };
    let played = story.app(settings());
    // From the first moment forward, and from the end back to the middle.
    let mut app = App::new(settings());
    app.on_update(Update::Snapshot(Box::default()));
    let all = Arc::new(story.events.clone());
    let seek = |app: &mut App, passed: usize| {
        app.on_update(Update::Retold(Retold::new(Arc::clone(&all), passed)));
    };
    seek(&mut app, all.len());
    assert!(told(&app).0.len() > 10);
    assert_eq!(told(&app), told(&played));
    let mut half = busy(true);
    half.events.truncate(all.len() / 2);
    seek(&mut app, all.len() / 2);
    assert_eq!(told(&app), told(&half.app(settings())));
}

#[test]
fn a_window_that_only_looks_offers_no_key_that_would_be_refused() {
    let window = Some(WindowOn { view: true, ..WindowOn::default() });
    let mut app = long_queue().app(Settings { window, ..settings(ColorMode::True, false) });
    for (width, height) in [(60, 16), (80, 24), (120, 36)] {
        let shown = text(&draw(&mut app, width, height));
        for refused in ["a add", "space pause", "x cancel", "p profile", "w what-if"] {
            assert!(!shown.contains(refused), "{refused}, {width}x{height}:\n{shown}");
        }
        assert!(shown.contains("? help") && shown.contains("/ filter"), "{width}x{height}:\n{shown}");
    }
    press(&mut app, "?");
    let help = text(&draw(&mut app, 120, 36));
    assert!(help.contains("freeze the screen") && !help.contains("cancel (asks)") && !help.contains("doctor"), "{help}");
    press(&mut app, "<esc>");
    for key in ["a", "p", "S", "E", "C", "r", "D", "x", " ", "A", "J", "K", "{", "}", "u", "F", "V", "w", "d", "v"] {
        assert_eq!(press(&mut app, key), vec![], "{key}");
        assert!(app.mode().is_none() && app.page() == Page::Dashboard, "{key}");
        assert!(app.toast().is_some_and(|toast| toast.text.contains("a window to look through")), "{key}: {:?}", app.toast());
    }
}

#[test]
fn while_the_queue_is_held_the_footer_names_the_key_that_releases_it() {
    let mut story = long_queue();
    let shown = text(&draw(&mut story.app(settings(ColorMode::True, false)), 120, 36));
    assert!(!shown.contains("S release"), "{shown}");
    story.emit(EventKind::QueuePaused);
    let mut app = story.app(settings(ColorMode::True, false));
    for (width, height) in [(60, 16), (80, 24), (120, 36)] {
        let shown = text(&draw(&mut app, width, height));
        assert!(shown.contains("S release"), "{width}x{height}:\n{shown}");
    }
}

#[test]
fn of_jobs_whose_share_is_away_one_tells_what_is_waited_for_and_the_others_that_they_wait_with_it() {
    let mut story = Story::new(true);
    story.queue(1, "nas/a.mp4", 20).queue(2, "nas/b.mp4", 20).queue(3, "local/c.mp4", 20);
    story.emit(EventKind::JobRequeued {
        job: JobId(1),
        attempt: 0,
        reason: "waits for /v/nas, which cannot be reached: stale file handle".to_owned(),
        delay_ms: 60_000,
        uncounted: true,
        for_room: false,
        away: Some("/v/nas".into()),
    });
    let mut app = story.app(settings(ColorMode::True, false));
    let shown = text(&draw(&mut app, 120, 36));
    let row = |name: &str| shown.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}:\n{shown}")).to_owned();
    assert!(row("a.mp4").contains("away") && row("a.mp4").contains("waits for /v/nas") && !row("a.mp4").contains("try"), "{shown}");
    assert!(row("b.mp4").contains("away, as #1 is"), "{shown}");
    assert!(row("c.mp4").contains("being looked at"), "the next is who may be next: {shown}");
    press(&mut app, "/state:away<enter>");
    assert_eq!(app.rows().len(), 1);
    // A filter goes with what rows say of each other.
    press(&mut app, "/<c-u>away<enter>");
    assert_eq!(app.rows().len(), 2);
    let from = story.events.len();
    story.emit(EventKind::JobReady { job: JobId(1) });
    apply_from(&mut app, &story, from);
    assert_eq!(app.rows().len(), 0, "the share is back");
    press(&mut app, "/<c-u>the queue is held<enter>");
    assert_eq!(app.rows().len(), 0);
    for (kind, rows) in [(EventKind::QueuePaused, 1), (EventKind::QueueResumed, 0)] {
        let from = story.events.len();
        story.emit(kind);
        apply_from(&mut app, &story, from);
        assert_eq!(app.rows().len(), rows);
    }
}

#[test]
fn what_is_longer_than_its_place_is_read_to_its_end_or_says_that_it_goes_on() {
    // The end of a command that is being typed.
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, &format!(":add /films/{}/the-last-one.mkv", "folder/".repeat(14)));
    for (width, height) in [(60, 16), (120, 36)] {
        let shown = text(&draw(&mut app, width, height));
        assert!(shown.contains("/the-last-one.mkv"), "{shown}");
    }
    // What a plan rests on, where it is longer than the screen.
    let mut app = screen("what_if_explain", ColorMode::True, false);
    let shown = text(&draw(&mut app, 60, 16));
    assert!(shown.contains(" 1–") && shown.contains(" of "), "{shown}");
    // What becomes of a comparison when its window is left.
    let mut story = busy(true);
    story.emit(EventKind::QueuePaused).emit(EventKind::ComparisonStarted { inputs: 2 });
    let window = Some(WindowOn { can_start: true, ..WindowOn::default() });
    let mut app = story.app(Settings { window, ..settings(ColorMode::True, false) });
    press(&mut app, "q");
    let shown = text(&draw(&mut app, 60, 16));
    assert!(shown.contains("Leave") && shown.contains("window"), "{shown}");
    // A folder that is watched.
    let mut app = screen("watched", ColorMode::True, false);
    let folders: Vec<String> = app.shown().watched.values().map(|watched| path_text(&watched.folder)).collect();
    let shown = text(&draw(&mut app, 60, 16));
    assert!(
        folders.iter().any(|folder| folder.len() > 8) && folders.iter().take(1).all(|folder| shown.contains(folder)),
        "{shown}"
    );
}
