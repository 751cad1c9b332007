//! The fleet console as it looks, and what its keys do.

use std::fmt::Write as _;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::keys::{TABLE, press};
use super::state::{Ask, Board, Connection, Effect, Facts, JobRecord, Over, Pane, Question, Tone, Visit};
use super::view;
use crate::domain::fleet::{FleetCounts, FleetEvent, FleetJob, FleetWorker};
use crate::domain::time::Wall;
use crate::tui::terminal::theme::{ColorMode, Theme, ThemeName};

const MB: i64 = 1024 * 1024;
/// 2026-11-22 12:03:58 UTC.
const NOW: i64 = 1_795_348_800_000 + 43_438_000 - 43_200_000;
const SIZES: [(u16, u16); 3] = [(120, 36), (80, 24), (60, 16)];
const SCREENS: [&str; 10] = ["busy", "queue", "empty", "opening", "away", "job", "cancel", "visit", "help", "demo"];

fn worker(host: &str, name: &str) -> FleetWorker {
    FleetWorker {
        worker: format!("{host}-{name}"),
        r#box: format!("{host}:/var/lib/plimsoll/{name}"),
        host: host.to_owned(),
        pid: 4711,
        version: "0.4.0".to_owned(),
        ffmpeg: "5.1.9".to_owned(),
        profile: "balanced".to_owned(),
        live: true,
        silent_ms: 2_100,
        drained: false,
        stands_down: None,
        largest_bytes: 900 * MB,
        line_bytes: 1536 * MB,
        counted_bytes: 612 * MB,
        level: "normal".to_owned(),
        slots: 2,
        jobs: 1,
        clock_ms: 12,
        ended_at: None,
        ended_why: None,
    }
}

fn job(job: i64, state: &str, input: &str) -> FleetJob {
    FleetJob {
        job,
        state: state.to_owned(),
        input: input.to_owned(),
        preset: "web-720p".to_owned(),
        target: None,
        size_bytes: Some(48 * MB),
        needs_bytes: Some(310 * MB),
        progress: None,
        attempts: 1,
        deaths: 0,
        losses: 0,
        worker: None,
        queued_at: Wall(NOW - 600_000),
        ended_at: None,
        output: None,
        output_bytes: None,
        blake3: None,
        reason: None,
    }
}

fn event(event: i64, kind: &str, job: Option<i64>, detail: &str) -> FleetEvent {
    let worker = (kind != "queued").then(|| "encoder-1:/var/lib/plimsoll/one".to_owned());
    FleetEvent { event, at: Wall(NOW - (60 - event) * 1000), kind: kind.to_owned(), job, worker, detail: detail.to_owned() }
}

/// Three boxes at work, near the line, at rest; one drained, one lost; jobs in every state.
fn facts() -> Facts {
    let one = worker("encoder-1", "one");
    let near = FleetWorker { level: "elevated".to_owned(), counted_bytes: 1440 * MB, jobs: 2, ..worker("encoder-1", "two") };
    let resting = FleetWorker {
        stands_down: Some("ffmpeg is not there any more: /usr/bin/ffmpeg".to_owned()),
        jobs: 0,
        counted_bytes: 40 * MB,
        ..worker("encoder-2", "one")
    };
    let drained = FleetWorker { drained: true, ..worker("encoder-3", "one") };
    let lost = FleetWorker {
        live: false,
        jobs: 0,
        silent_ms: 185_000,
        ended_at: Some(Wall(NOW - 120_000)),
        ended_why: Some("its lease ran out".to_owned()),
        ..worker("encoder-4", "one")
    };
    let gone = FleetWorker { ended_why: Some("drained".to_owned()), ..lost.clone() };
    let gone = FleetWorker { worker: "gone".to_owned(), r#box: "encoder-5:/x".to_owned(), ..gone };
    let on = |job: FleetJob| FleetJob { worker: Some("encoder-1:/var/lib/plimsoll/one".to_owned()), ..job };
    let mut jobs = vec![
        on(FleetJob { progress: Some(0.63), ..job(21, "running", "in/2026/11/lecture-04.mp4") }),
        on(FleetJob { progress: Some(0.02), ..job(22, "running", "in/2026/11/lecture-05-with-a-long-name.mp4") }),
        FleetJob {
            reason: Some("needs 2048 MB, the largest box that is there can take 900 MB".to_owned()),
            ..job(23, "queued", "in/concert-8k.mov")
        },
    ];
    jobs.extend((24..40).map(|number| job(number, "queued", &format!("in/clip-{number}.mp4"))));
    let ended = |row: FleetJob| FleetJob { ended_at: Some(Wall(NOW - 5000)), ..on(row) };
    jobs.push(ended(FleetJob { output: Some("films/talk.mp4".to_owned()), ..job(20, "done", "in/talk.mp4") }));
    jobs.push(ended(FleetJob { reason: Some("it is no video".to_owned()), ..job(19, "rejected", "in/note.mp4") }));
    jobs.push(ended(FleetJob {
        reason: Some("killed for want of memory 3 times".to_owned()),
        ..job(18, "out_of_memory", "in/big.mkv")
    }));
    jobs.push(ended(FleetJob { reason: Some("ffmpeg ended with status 1".to_owned()), ..job(17, "failed", "in/odd.avi") }));
    jobs.push(ended(job(16, "cancelled", "in/wrong.mp4")));
    let events = vec![
        event(1, "worker_started", None, ""),
        event(2, "queued", Some(20), "in/talk.mp4"),
        event(3, "claimed", Some(20), ""),
        event(4, "lost", Some(21), "its worker was lost"),
        event(5, "claimed", Some(21), ""),
        event(6, "failed", Some(17), "ffmpeg ended with status 1"),
        event(7, "done", Some(20), "films/talk.mp4"),
        event(8, "claimed", Some(22), ""),
    ];
    Facts {
        counts: FleetCounts { queued: 17, running: 2, done: 1204, failed: 1, out_of_memory: 1, rejected: 1, cancelled: 1 },
        workers: vec![one, near, resting, drained, lost, gone],
        jobs,
        events,
        as_of: Wall(NOW),
    }
}

fn board() -> Board {
    Board::new("db.example.net/films".to_owned(), "encoder-1".to_owned(), TimeZone::UTC)
}

fn busy() -> Board {
    let mut board = board();
    assert_eq!(board.told(facts()), []);
    board
}

/// Presses keys: single characters, and names in `<…>`.
fn type_keys(board: &mut Board, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let (code, len) = match rest.strip_prefix('<').and_then(|named| named.split_once('>')) {
            Some((name, _)) => {
                let code = match name {
                    "enter" => KeyCode::Enter,
                    "esc" => KeyCode::Esc,
                    "tab" => KeyCode::Tab,
                    "down" => KeyCode::Down,
                    "up" => KeyCode::Up,
                    other => panic!("no key {other}"),
                };
                (code, name.len() + 2)
            }
            None => (KeyCode::Char(c), c.len_utf8()),
        };
        effects.extend(press(board, KeyEvent::new(code, KeyModifiers::NONE)));
        rest = &rest[len..];
    }
    effects
}

fn record() -> JobRecord {
    let events = vec![
        event(1, "queued", Some(17), "in/odd.avi"),
        event(2, "claimed", Some(17), ""),
        event(6, "failed", Some(17), "ffmpeg ended with status 1"),
    ];
    let log = (1..=40).map(|line| format!("[avi] packet {line} is \u{1b}[31mbroken")).collect();
    JobRecord { events, log }
}

fn screen(name: &str) -> Board {
    let mut board = match name {
        "empty" | "opening" => board(),
        _ => busy(),
    };
    match name {
        "queue" => drop(type_keys(&mut board, "<tab>jj")),
        "empty" => drop(board.told(Facts { as_of: Wall(NOW), ..Facts::default() })),
        "away" => {
            let why = "the queue cannot be reached: error connecting to server: Connection refused (os error 111)";
            board.away(why, Duration::from_secs(4));
        }
        "job" => {
            type_keys(&mut board, "2Gk<enter>");
            board.found(17, Ok(record()));
        }
        "cancel" => drop(type_keys(&mut board, "2x")),
        "visit" => drop(type_keys(&mut board, "jj<enter>")),
        "help" => drop(type_keys(&mut board, "?")),
        "demo" => {
            let story = "Worker two was killed in the middle of job 6. After 6 s of silence it counts as lost, and another worker \
                         does the job. Worker three takes its place.";
            board.story = Some(story.to_owned());
        }
        _ => {}
    }
    board
}

fn draw(board: &Board, mode: ColorMode, ascii: bool, (width, height): (u16, u16)) -> Buffer {
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    view::draw(board, &Theme::new(ThemeName::Dark, mode, ascii), buf.area, &mut buf);
    buf
}

fn text(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buf.area.height {
        let line: String = (0..buf.area.width).map(|x| buf[(x, y)].symbol()).collect();
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn seen(board: &Board) -> String {
    text(&draw(board, ColorMode::True, false, (120, 36)))
}

#[test]
fn every_screen_looks_as_reviewed_at_every_size() {
    for name in SCREENS {
        for size in SIZES {
            let board = screen(name);
            let colour = text(&draw(&board, ColorMode::True, false, size));
            let mono = draw(&board, ColorMode::Mono, false, size);
            let ascii = text(&draw(&board, ColorMode::True, true, size));
            assert_eq!(colour, text(&mono), "{name} {size:?}: colours change looks, not words");
            assert!(mono.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "{name}: a colour");
            assert!(ascii.is_ascii(), "{name} {size:?}: not ASCII: {ascii}");
            insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), format!("{colour}\n=== ascii\n{ascii}"));
        }
    }
}

#[test]
fn no_size_is_too_small_or_too_large_to_be_drawn() {
    for name in SCREENS {
        let mut board = screen(name);
        for size in [(1, 1), (3, 2), (20, 3), (49, 13), (50, 14), (61, 17), (300, 100)] {
            for _ in 0..2 {
                assert_eq!(draw(&board, ColorMode::True, false, size).area.width, size.0);
                board.zoomed = !board.zoomed;
            }
        }
    }
}

#[test]
fn what_is_of_the_past_is_dimmed_and_the_last_line_is_not() {
    let dims = |board: &Board| {
        let buf = draw(board, ColorMode::True, false, (80, 24));
        let dim = |y: u16| (0..80).any(|x| buf[(x, y)].modifier.contains(Modifier::DIM));
        (dim(0), dim(10), dim(23))
    };
    assert_eq!(dims(&busy()), (false, false, false));
    assert_eq!(dims(&screen("away")), (false, true, false));
    // A database that only hangs says nothing at all.
    let mut silent = busy();
    for _ in 0..5 {
        silent.tick();
    }
    assert!(seen(&silent).contains("as of 12:03:58, no answer for 5 s"), "{}", seen(&silent));
    assert_eq!(dims(&silent), (false, true, false));
    silent.told(facts());
    assert_eq!(dims(&silent), (false, false, false));
}

#[test]
fn the_seconds_until_the_next_try_are_counted_down() {
    let mut board = screen("away");
    assert!(seen(&board).contains("as of 12:03:58, trying again in 4 s"));
    board.tick();
    assert!(seen(&board).contains("trying again in 3 s"));
    for _ in 0..9 {
        board.tick();
    }
    assert!(seen(&board).contains("as of 12:03:58, trying again") && !seen(&board).contains("again in"), "{}", seen(&board));
}

#[test]
fn a_worker_that_was_lost_is_shown_until_its_box_is_there_again() {
    let mut board = busy();
    assert!(seen(&board).contains("lost: its lease ran out"));
    assert!(!seen(&board).contains("encoder-5"), "one that ended in order has no row");
    let mut facts = facts();
    facts.workers.insert(0, FleetWorker { worker: "again".to_owned(), ..worker("encoder-4", "one") });
    board.told(facts);
    assert!(!seen(&board).contains("lost: its lease ran out"), "{}", seen(&board));
}

#[test]
fn the_selection_stays_with_its_row_when_rows_move() {
    let mut board = busy();
    type_keys(&mut board, "2jjj");
    assert_eq!(board.selected_job().map(|job| job.job), Some(24));
    let mut facts = facts();
    facts.jobs.rotate_left(1);
    board.told(facts.clone());
    assert_eq!(board.selected_job().map(|job| job.job), Some(24));
    facts.jobs.retain(|job| job.job != 24);
    board.told(facts);
    assert_eq!(board.selected_job().map(|job| job.job), Some(25), "the next one takes the place of one that has gone");
}

#[test]
fn the_jobs_at_work_are_in_sight_as_long_as_nobody_has_looked_for_another_one() {
    let mut board = busy();
    let mut facts = facts();
    facts.jobs.rotate_left(3);
    board.told(facts.clone());
    assert_eq!(board.selected_job().map(|job| job.job), Some(24), "the first row, whichever that is");
    type_keys(&mut board, "2");
    facts.jobs.rotate_left(1);
    board.told(facts);
    assert_eq!(board.selected_job().map(|job| job.job), Some(24), "it is looked at by now");
}

#[test]
fn keys_move_through_panes_and_rows() {
    let mut board = busy();
    assert_eq!((board.focus, board.worker_at()), (Pane::Workers, Some(0)));
    type_keys(&mut board, "<down>j<up>");
    assert_eq!(board.worker_at(), Some(1));
    type_keys(&mut board, "G");
    assert_eq!(board.worker_at(), Some(4));
    type_keys(&mut board, "jg");
    assert_eq!(board.worker_at(), Some(0));
    for pane in [Pane::Queue, Pane::Events, Pane::Workers] {
        type_keys(&mut board, "<tab>");
        assert_eq!(board.focus, pane);
    }
    press(&mut board, KeyEvent::new(KeyCode::Char('d'), KeyModifiers::CONTROL));
    assert_eq!(board.worker_at(), Some(4), "a page down, and nothing is drained");
    // The same place on a Russian keyboard.
    type_keys(&mut board, "л");
    assert_eq!(board.worker_at(), Some(3));
    type_keys(&mut board, "z");
    assert!(!seen(&board).contains("2 Queue"));
    type_keys(&mut board, "<esc>");
    assert!(seen(&board).contains("2 Queue"));
}

#[test]
fn events_stay_where_they_are_looked_at_and_follow_at_their_end() {
    let mut board = busy();
    type_keys(&mut board, "3k");
    assert_eq!(board.events_below(), 1);
    let mut facts = facts();
    facts.events.push(event(9, "done", Some(22), ""));
    board.told(facts);
    assert_eq!(board.events_below(), 2);
    type_keys(&mut board, "G");
    assert_eq!(board.events_below(), 0);
    // The first one is gone to, and from there every press is seen.
    let mut many = self::facts();
    many.events = (1..60).map(|number| event(number, "done", Some(22), "")).collect();
    board.told(many);
    draw(&board, ColorMode::True, false, (120, 36));
    type_keys(&mut board, "g");
    let first = seen(&board);
    type_keys(&mut board, "j");
    assert_ne!(seen(&board), first);
}

#[test]
fn on_a_screen_without_room_for_panes_no_key_acts_on_what_is_not_seen() {
    let mut board = busy();
    draw(&board, ColorMode::True, false, (49, 14));
    for keys in ["d", "2x", "r", "<enter>", "1<enter>"] {
        assert_eq!(type_keys(&mut board, keys), [], "{keys}");
        assert_eq!(board.over, Over::Nothing, "{keys}");
        let shown = text(&draw(&board, ColorMode::True, false, (49, 14)));
        assert!(shown.contains("too small: from 50x14 on keys act"), "{keys}: {shown}");
    }
    assert_eq!(type_keys(&mut board, "q"), [Effect::Leave]);
    // A question that stood when the screen became small is answered where it is seen.
    draw(&board, ColorMode::True, false, (120, 36));
    type_keys(&mut board, "2x");
    draw(&board, ColorMode::True, false, (40, 10));
    assert_eq!(type_keys(&mut board, "y"), []);
    assert!(matches!(board.over, Over::Ask(_)));
    draw(&board, ColorMode::True, false, (120, 36));
    assert!(matches!(type_keys(&mut board, "y")[..], [Effect::Ask(Ask::Cancel(_))]));
}

#[test]
fn d_lets_the_selected_worker_take_nothing_more_and_jobs_again() {
    let mut board = busy();
    let drain = |worker: &str, r#box: &str, drained| {
        vec![Effect::Ask(Ask::Drain { worker: worker.to_owned(), r#box: r#box.to_owned(), drained })]
    };
    assert_eq!(type_keys(&mut board, "d"), drain("encoder-1-one", "encoder-1:/var/lib/plimsoll/one", true));
    assert_eq!(type_keys(&mut board, "jjjd"), drain("encoder-3-one", "encoder-3:/var/lib/plimsoll/one", false));
    assert_eq!(type_keys(&mut board, "Gd"), [], "nobody hears at a lost one");
    assert!(board.note.as_ref().is_some_and(|(tone, text)| *tone == Tone::Refused && text.contains("is lost")));
    assert_eq!(type_keys(&mut board, "2d"), [], "it is no worker that is selected");
    assert!(board.note.is_some());
}

#[test]
fn a_job_is_cancelled_or_run_again_only_after_a_yes() {
    let mut board = busy();
    assert_eq!(type_keys(&mut board, "x"), []);
    assert!(board.note.as_ref().is_some_and(|(_, text)| text.contains("pane 2")));
    assert_eq!(type_keys(&mut board, "2x"), []);
    assert_eq!(board.over, Over::Ask(Question::Cancel(21)));
    // Rows may move under a question; it is about the job that it names.
    let mut moved = facts();
    moved.jobs.reverse();
    board.told(moved);
    for no in ["n", "<esc>", "<enter>", "q"] {
        board.over = Over::Ask(Question::Cancel(21));
        assert_eq!(type_keys(&mut board, no), [], "{no}");
        assert_eq!(board.over, Over::Nothing, "{no}");
    }
    board.over = Over::Ask(Question::Cancel(21));
    assert_eq!(type_keys(&mut board, "jн"), [], "the place of a key confirms nothing");
    assert_eq!(type_keys(&mut board, "y"), [Effect::Ask(Ask::Cancel(21))]);
    let mut board = busy();
    type_keys(&mut board, "2r");
    assert!(board.note.as_ref().is_some_and(|(_, text)| text.contains("has not ended")));
    assert_eq!(type_keys(&mut board, "Gx"), []);
    assert!(board.note.as_ref().is_some_and(|(_, text)| text.contains("has ended already")));
    assert_eq!(type_keys(&mut board, "ry"), [Effect::Ask(Ask::Retry(16))]);
}

#[test]
fn enter_on_a_job_shows_its_events_and_its_log_which_scroll() {
    let mut board = busy();
    assert_eq!(type_keys(&mut board, "2Gk<enter>"), [Effect::Ask(Ask::LookUp(17))]);
    assert!(seen(&board).contains("asking the queue"));
    board.found(18, Ok(JobRecord::default()));
    assert!(seen(&board).contains("asking the queue"), "what was found of another job is not shown here");
    board.found(17, Ok(record()));
    let page = seen(&board);
    assert!(page.contains("failed on encoder-1") && page.contains("packet 1 is ␛[31mbroken"), "{page}");
    type_keys(&mut board, "G");
    assert!(seen(&board).contains("packet 40"), "{}", seen(&board));
    type_keys(&mut board, "k");
    assert!(!seen(&board).contains("packet 40 "), "{}", seen(&board));
    // A change of the job is looked up.
    let mut facts = facts();
    facts.jobs.iter_mut().filter(|job| job.job == 17).for_each(|job| job.state = "queued".to_owned());
    assert_eq!(board.told(facts.clone()), [Effect::Ask(Ask::LookUp(17))]);
    assert_eq!(board.told(facts), []);
    type_keys(&mut board, "q");
    assert_eq!(board.over, Over::Nothing, "q closes the page and not the console");
    assert_eq!(type_keys(&mut board, "q"), [Effect::Leave]);
}

#[test]
fn enter_on_a_worker_opens_its_console_at_once_here_and_after_a_yes_elsewhere() {
    let mut board = busy();
    let here =
        Visit { r#box: "encoder-1:/var/lib/plimsoll/one".to_owned(), host: None, state_dir: "/var/lib/plimsoll/one".to_owned() };
    assert_eq!(view::command_line(&here), "plimsoll attach --state-dir /var/lib/plimsoll/one");
    assert_eq!(type_keys(&mut board, "<enter>"), [Effect::Visit(here)]);
    assert_eq!(type_keys(&mut board, "jj<enter>"), []);
    let shown = seen(&board);
    assert!(shown.contains("plimsoll attach --remote-command 'plimsoll --state-dir /var/lib/plimsoll/one' encoder-2"), "{shown}");
    let [Effect::Visit(visit)] = &type_keys(&mut board, "y")[..] else { panic!("a visit") };
    assert_eq!(visit.host.as_deref(), Some("encoder-2"));
    // One shell here and one there take quotes off.
    let odd = Visit { state_dir: "/my films".to_owned(), ..visit.clone() };
    let line = r"plimsoll attach --remote-command 'plimsoll --state-dir '\''/my films'\''' encoder-2";
    assert_eq!(view::command_line(&odd), line);
}

#[test]
fn the_help_tells_every_key() {
    let help = text(&draw(&screen("help"), ColorMode::True, false, (80, 24)));
    for row in TABLE {
        assert!(help.contains(row.keys) && help.contains(row.help), "{}: {}\n{help}", row.keys, row.help);
    }
}

#[test]
fn the_fleet_of_the_demonstration_ends_with_its_console_and_says_so() {
    let (real, mut demo) = (seen(&busy()), screen("demo"));
    assert!(real.contains("q leave") && !real.contains("q end"), "{real}");
    let shown = seen(&demo);
    assert!(shown.contains("q end") && shown.contains("Worker two was killed in the middle of job 6."), "{shown}");
    type_keys(&mut demo, "?");
    let help = seen(&demo);
    assert!(help.contains("end the demonstration, and tell its figures") && !help.contains("the fleet goes on"), "{help}");
}

#[test]
fn nothing_is_asked_for_before_anything_was_told() {
    let mut board = board();
    assert_eq!(board.connection, Connection::Opening);
    assert_eq!(type_keys(&mut board, "<enter>dxr2<enter>dxr3<enter>jkgG"), []);
    assert_eq!(board.over, Over::Nothing);
}
