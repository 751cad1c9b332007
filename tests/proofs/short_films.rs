//! What plimsoll costs beside its encoder: two hundred films of one second, against `xargs` with the same ffmpeg command.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // what is measured is time

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{World, tool_path};

/// Films in a queue; `FILMS=50` in the environment for a quicker look.
const FILMS: u32 = 200;
/// Times that each way is measured, in turn, since a machine is not the same from minute to minute.
const ROUNDS: usize = 3;
/// Of the rounds the best of each way is compared: what else the machine does only ever adds. It may take so many times what
/// `xargs` takes,
const MOST: f64 = 1.35;
/// and so many milliseconds of processor time a job beside the encoder's.
const MOST_BESIDE: f64 = 60.0;

/// Time that passed, and processor time of everything that was started.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

impl Cost {
    fn of(work: impl FnOnce()) -> Self {
        let (began, before) = (Instant::now(), children_cpu());
        work();
        Self { wall: began.elapsed(), cpu: children_cpu().saturating_sub(before) }
    }
}

/// Processor time of the children that have ended, and of theirs.
fn children_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("read");
    // The name in brackets may hold blanks; what follows it is counted from the third field.
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u64 = [13, 14].iter().map(|field| fields[*field].parse::<u64>().expect("ticks")).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// ffmpeg's command for a film as plimsoll tells it, with `$0` for the input and `$1` for the output.
fn command_of(world: &World, film: &Path) -> String {
    let mut command = world.command(["run", "--json", "--preset", "proxy-480p", "--state-dir"]);
    command.arg(world.path("look/state")).arg("-o").arg(world.path("look/out")).arg(film);
    let run = crate::support::Live::start(command).finish();
    let line = run.named("job_started").find_map(|event| event["command"].as_str()).expect("the command is told");
    let input = format!("file:{}", film.display());
    let output = line.rsplit(' ').next().expect("an output");
    assert!(line.contains(&input) && output.starts_with("file:"), "{line}");
    line.replace(" -progress pipe:3 ", " ").replace(&input, "\"file:$0\"").replace(output, "\"file:$1\"")
}

fn by_xargs(world: &World, films: &[PathBuf], command: &str, at_once: u32) -> Cost {
    let out = world.path("xargs");
    std::fs::create_dir_all(&out).expect("a folder");
    let script = format!("set -- \"{}/$(basename \"$0\")\"; exec {}", out.display(), command);
    let names = films.iter().map(|film| film.display().to_string()).collect::<Vec<_>>().join("\n");
    let cost = Cost::of(|| {
        let mut xargs = Command::new("xargs")
            .arg(format!("-P{at_once}"))
            .args(["-n1", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .env("PATH", tool_path())
            .spawn()
            .expect("xargs runs");
        xargs.stdin.take().expect("a pipe").write_all(names.as_bytes()).expect("written");
        assert!(xargs.wait().expect("reaped").success());
    });
    assert_eq!(crate::support::files_below(&out).len(), films.len());
    std::fs::remove_dir_all(out).expect("removed");
    cost
}

fn by_plimsoll(world: &World, films: &[PathBuf], profile: &str) -> Cost {
    let cost = Cost::of(|| {
        let mut command = world.run_command(["--preset", "proxy-480p", "-p", profile]);
        command.args(films);
        let run = crate::support::Live::start(command).finish();
        assert_eq!(run.ends(), vec!["done"; films.len()]);
    });
    std::fs::remove_dir_all(world.path("out")).expect("removed");
    std::fs::remove_dir_all(world.path("state")).expect("removed");
    cost
}

#[test]
#[ignore = "needs minutes, and a machine with nothing else to do: just short-films"]
fn two_hundred_films_of_a_second_cost_little_beside_their_encoder() {
    let count = std::env::var("FILMS").map_or(FILMS, |count| count.parse().expect("FILMS is a number"));
    let world = World::new();
    crate::support::clips::make_clips(&world, count, "160x120", 25);
    let films: Vec<PathBuf> = world.files("in").iter().map(|name| world.path("in").join(name)).collect();
    let command = command_of(&world, &films[0]);
    let mut best: Option<(f64, f64)> = None;
    for round in 1..=ROUNDS {
        for (profile, at_once) in [("balanced", 2), ("fast", 2)] {
            let bare = by_xargs(&world, &films, &command, at_once);
            let ours = by_plimsoll(&world, &films, profile);
            let each = |time: Duration| time.as_secs_f64() * 1000.0 / f64::from(count);
            let (ratio, beside) = (ours.wall.as_secs_f64() / bare.wall.as_secs_f64(), each(ours.cpu) - each(bare.cpu));
            println!(
                "round {round}, {profile:<8}: plimsoll {:6.2} s, xargs -P{at_once} {:6.2} s, ratio {ratio:.2}; processor a job {:4.0} ms, \
                 of the encoder alone {:4.0} ms, beside it {beside:4.0} ms",
                ours.wall.as_secs_f64(),
                bare.wall.as_secs_f64(),
                each(ours.cpu),
                each(bare.cpu),
            );
            best = Some(best.map_or((ratio, beside), |(least, few)| (least.min(ratio), few.min(beside))));
        }
    }
    let (ratio, beside) = best.expect("rounds");
    println!("best of {ROUNDS} rounds: ratio {ratio:.2}, beside the encoder {beside:.0} ms a job");
    assert!(ratio <= MOST, "{ratio:.2} times what xargs takes");
    assert!(beside <= MOST_BESIDE, "{beside:.0} ms of processor time a job beside the encoder");
}
