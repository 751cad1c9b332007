//! `demo.tape`, played against the built program in a real terminal: every wait is met, every assertion holds, no screen ever
//! shows what it never may. `just picture` lets the same run write the README's pictures.
#![allow(clippy::disallowed_methods)] // a player measures time

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::pty::Terminal;
use crate::tape::{Step, Tape};
use ratatui::buffer::Buffer;

/// How long an assertion may take to come true: a key, a step of the engine, a frame.
const SOON: Duration = Duration::from_mins(1);
/// A shell without settings of its own.
const SHELL: &[&str] = &["bash", "--norc", "--noprofile"];
/// A reader is given time for a screen that stands so long.
const READING: Duration = Duration::from_secs(3);
/// Each screen of the moving picture stands so long, and the picture is no larger than this: a README must open at once.
const SHOWN: Duration = Duration::from_secs(3);
const LARGEST: usize = 200 * 1024;
/// The story must be shorter than this, waits left out.
const STORY: Duration = Duration::from_secs(45);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What became of a tape.
#[derive(Default)]
struct Played {
    /// How long a recording of it would be.
    recorded: Duration,
    /// The screens at which a reader is given time, and which of them are pictures of their own.
    frames: Vec<(Buffer, bool)>,
}

/// Plays a tape.
fn play(tape: &Tape, terminal: &mut Terminal) -> Played {
    let mut played = Played::default();
    let mut is_hidden = false;
    for (at, (line, step)) in tape.steps.iter().enumerate() {
        let mut took = Duration::ZERO;
        let clean = |screen: &str| {
            let shown = tape.never.iter().find(|never| never.is_match(screen));
            assert!(shown.is_none(), "demo.tape line {line}: the screen shows {shown:?}:\n{screen}");
        };
        match step {
            Step::Keys(keys, pace) => {
                terminal.press(keys);
                took = pace.unwrap_or(tape.typing) * keys.chars().count() as u32;
            }
            // For readers; what has to be awaited is.
            Step::Sleep(time) => {
                took = *time;
                let is_console = terminal.with_screen(vt100::Screen::alternate_screen);
                // What a picture was just taken of is there already.
                let is_new = !matches!(tape.steps.get(at.wrapping_sub(1)), Some((_, Step::Screenshot(_))));
                if !is_hidden && is_console && is_new && *time >= READING {
                    played.frames.push((terminal.with_screen(crate::picture::buffer), false));
                }
            }
            Step::Hide => is_hidden = true,
            Step::Show => is_hidden = false,
            Step::Screenshot(name) => {
                played.frames.push((terminal.with_screen(crate::picture::buffer), true));
                if let Some(folder) = std::env::var_os("PLIMSOLL_PICTURES") {
                    let name = Path::new(name).with_extension("svg");
                    let path = PathBuf::from(folder).join(name.file_name().expect("a name"));
                    std::fs::write(path, terminal.with_screen(|screen| crate::picture::svg(screen, "plimsoll"))).expect("written");
                }
            }
            Step::Wait { whole, at_most, pattern } => {
                let began = Instant::now();
                terminal.wait_at_most(at_most.unwrap_or(tape.patience), &format!("demo.tape line {line}: /{pattern}/"), |screen| {
                    clean(screen);
                    let last = screen.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                    pattern.is_match(if *whole { screen } else { last })
                });
                took = began.elapsed();
                println!("line {line}: /{pattern}/ after {:.1} s", took.as_secs_f64());
            }
            Step::Expect(pattern) => {
                terminal.wait_at_most(SOON, &format!("demo.tape line {line}: /{pattern}/"), |screen| {
                    clean(screen);
                    pattern.is_match(screen)
                });
            }
        }
        clean(&terminal.screen());
        if !is_hidden {
            played.recorded += took;
        }
    }
    played
}

#[test]
fn the_tape_tells_its_story_on_the_built_program() {
    let text = std::fs::read_to_string(root().join("demo.tape")).expect("demo.tape is there");
    let tape = crate::tape::read(&text).unwrap_or_else(|mistake| panic!("demo.tape: {mistake}"));
    assert!(tape.requires.contains(&"plimsoll".to_owned()), "{:?}", tape.requires);
    let calm: Duration = tape.steps.iter().map(|(_, step)| if let Step::Sleep(time) = step { *time } else { Duration::ZERO }).sum();
    assert!(calm < STORY, "{calm:?} of standing still");

    let home = tempfile::tempdir().expect("a home");
    let program = Path::new(env!("CARGO_BIN_EXE_plimsoll")).parent().expect("a folder");
    let mut folders = vec![program.to_owned()];
    folders.extend(std::env::split_paths(crate::support::tool_path()));
    let path = std::env::join_paths(folders).expect("a path");
    // The clips are made once for all runs of this test.
    // Pictures show where the clips are: for them a folder is named that is nobody's own.
    let named = std::env::var_os("PLIMSOLL_TAPE_CACHE").map(std::path::PathBuf::from);
    let cache = named.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("tape-cache"));
    let mut variables = vec![
        ("PATH", path.to_str().expect("a plain path")),
        ("XDG_CACHE_HOME", cache.to_str().expect("a plain path")),
        ("PS1", "> "),
    ];
    variables.extend(tape.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut terminal = Terminal::start_program(SHELL, tape.grid, home.path(), &variables);
    terminal.wait_for("> ");
    let played = play(&tape, &mut terminal);
    println!("a recording takes {:.1} s", played.recorded.as_secs_f64());
    let still = played.frames.iter().position(|(_, is_picture)| *is_picture).expect("a screenshot");
    let frames: Vec<(Buffer, f64)> = played.frames.into_iter().map(|(screen, _)| (screen, SHOWN.as_secs_f64())).collect();
    assert!(frames.len() > 4, "{} screens to read", frames.len());
    if let Some(folder) = std::env::var_os("PLIMSOLL_PICTURES") {
        let moving = crate::picture::moving(frames, still, "plimsoll");
        println!("the moving picture has {} KB", moving.len() / 1024);
        assert!(moving.len() < LARGEST && !moving.contains("<script"), "{} bytes", moving.len());
        std::fs::write(Path::new(&folder).join("story.svg"), moving).expect("written");
    }
    // The shell is there again, and nothing of the console is left on its screen.
    terminal.with_screen(|screen| assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{}", screen.contents()));
    terminal.send("exit\r");
    terminal.end();
}

/// A tape with this header line or command in it.
fn with(line: &str) -> Result<Tape, crate::tape::Mistake> {
    let header = "#! grid 120x36\nOutput a.gif\nSet FontFamily \"JetBrains Mono\"\nSet FontSize 16\nSet Width 1268\nSet Height 810\n\
                  Set Padding 20\n";
    crate::tape::read(&format!("{header}{line}\n"))
}

#[test]
fn what_vhs_would_refuse_or_silently_ignore_is_told_with_its_line() {
    for (line, word) in [
        ("Type plimsoll", "quotes"),
        ("Type \"a\\n\"", "no escapes"),
        ("Type \"a\" \"b\"", "one string"),
        ("Home", "no command `Home`"),
        ("F5", "no command `F5`"),
        ("Wobble 3", "no command `Wobble`"),
        ("Set Wobble 3", "no setting `Wobble`"),
        ("Set Framerate fast", "no number"),
        ("Set Width 1268", "set twice"),
        ("Env A \"b\"\nSet Framerate 30", "has ended the header"),
        ("Enter\nOutput b.gif", "has ended the header"),
        ("Env A \"b\"\nHide", "first command after the header"),
        ("Output frames", "ends in .gif"),
        ("Enter 0", "no number of times"),
        ("Sleep 3h", "no unit of time"),
        ("Sleep@3s 1s", "takes no @time"),
        ("Wait+Screen /[/", "regex"),
        ("Wait+Screen 2 running", "no /pattern/"),
        ("Screenshot a.svg", ".png"),
        ("Screenshot a.png\nEnter", "followed by a Sleep"),
        ("Show", "nothing is hidden"),
        ("Hide", "while it is hidden"),
        ("#! expects /a/", "no assertion `expects`"),
    ] {
        let mistake = with(line).expect_err(line);
        assert!(mistake.what.contains(word), "{line}: {mistake}");
        assert!(mistake.line >= 8, "{line}: {mistake}");
    }
    assert!(crate::tape::read("Output a.gif\n").expect_err("no grid").what.contains("grid"));
    assert!(
        crate::tape::read("#! grid 120x36\nOutput a.gif\n")
            .expect_err("no settings")
            .what
            .contains("Set FontFamily JetBrains Mono")
    );
}

#[test]
fn what_vhs_takes_is_understood() {
    let tape = with("Type@10ms `it's \"so\"`\nEnter\nDown@20ms 3\nCtrl+C\nShift+j\nAlt+x\nSleep 1.5s\nSet TypingSpeed 20ms\nWait\nWait+Screen@2m /a|b/")
        .expect("a good tape");
    let keys: Vec<&str> =
        tape.steps.iter().filter_map(|(_, step)| if let Step::Keys(keys, _) = step { Some(keys.as_str()) } else { None }).collect();
    assert_eq!(keys, ["it's \"so\"", "\r", "\x1b[B\x1b[B\x1b[B", "\x03", "J", "\x1bx"]);
    let waits: Vec<Option<u64>> = tape
        .steps
        .iter()
        .filter_map(|(_, step)| if let Step::Wait { at_most, .. } = step { Some(at_most.map(|time| time.as_secs())) } else { None })
        .collect();
    assert_eq!(waits, [None, Some(120)]);
}

#[test]
#[should_panic(expected = "demo.tape line 8")]
fn a_tape_whose_expectation_is_not_met_fails_with_its_line() {
    let home = tempfile::tempdir().expect("a home");
    let mut terminal = Terminal::start_program(SHELL, (120, 36), home.path(), &[("PS1", "> ")]);
    let tape = with("Wait+Screen@1s /this never stands there/").expect("a good tape");
    play(&tape, &mut terminal);
}

#[test]
#[should_panic(expected = "the screen shows")]
fn a_tape_that_shows_what_it_never_may_fails() {
    let home = tempfile::tempdir().expect("a home");
    let mut terminal = Terminal::start_program(SHELL, (120, 36), home.path(), &[("PS1", "> ")]);
    let tape = with("#! never /panicked/\nType \"echo pan''icked\"\nEnter\nWait+Screen@120s /panicked/").expect("a good tape");
    // What is typed before the prompt stands there may be swallowed.
    terminal.wait_for("> ");
    play(&tape, &mut terminal);
}
