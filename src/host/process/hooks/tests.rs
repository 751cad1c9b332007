//! Real programs as hooks.
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::domain::event::Seq;
use crate::domain::hook::Hook;
use crate::domain::time::{Mono, Wall};
use crate::domain::units::Bytes;
use crate::host::memory::cgroup::Roots;
use crate::host::memory::job_cgroup::JobGroups;
use crate::host::skip::{MEMORY_GROUP, skip};

fn warning(number: u64) -> Event {
    let kind = EventKind::WarningRaised {
        warning: format!("sign {number}"),
        evidence: String::new(),
        advice: String::new(),
        profile: None,
    };
    Event { seq: Seq(number), at: Wall(0), mono: Mono::START, kind }
}

fn runner(script: &str, limit: Duration) -> (HookRunner, UnboundedReceiver<Input>) {
    confined(script, limit, None)
}

/// The same where hooks get groups; each may hold 64 MB.
fn confined(script: &str, limit: Duration, groups: Option<Arc<JobGroups>>) -> (HookRunner, UnboundedReceiver<Input>) {
    let (sender, inputs) = unbounded_channel();
    let words = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let hooks = Hooks::from([(Hook::OnWarning, HookAction::Command(words))]);
    (HookRunner::new(hooks, sender, &Confinement::new(groups, Bytes::mib(512)), Some(limit)).expect("threads"), inputs)
}

fn note(inputs: &mut UnboundedReceiver<Input>) -> (LogLevel, String) {
    loop {
        match inputs.blocking_recv() {
            Some(Input::Note { level, text }) => return (level, text),
            Some(Input::Hooks(_)) => {}
            other => panic!("no note: {other:?}"),
        }
    }
}

#[test]
fn a_command_gets_the_event_and_is_limited_as_a_job_and_what_it_says_is_told() {
    let script = "tty >&2; set -- $(cat /proc/$$/stat); test $6 = $$ && echo own session; exit 3";
    let (mut runner, mut inputs) = runner(script, LIMIT);
    runner.see(&warning(1));
    let (level, text) = note(&mut inputs);
    assert_eq!(level, LogLevel::Warning);
    assert_eq!(text, "hook on_warning: ended with exit status: 3: not a tty; own session");
    runner.close();

    let (mut runner, mut inputs) = self::runner("read -r line; printf '%s %s' \"$(nice)\" \"$line\"", LIMIT);
    runner.see(&warning(1));
    let (level, text) = note(&mut inputs);
    assert_eq!(level, LogLevel::Info);
    let said = text.strip_prefix("hook on_warning: done: ").unwrap_or_else(|| panic!("{text}"));
    let (nice, json) = said.split_once(' ').expect("two words");
    assert!(nice.parse::<u32>().is_ok_and(|nice| nice >= 10), "{nice}");
    let event: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(
        (&event["hook"], &event["event"], &event["warning"]),
        (&"on_warning".into(), &"warning_raised".into(), &"sign 1".into())
    );
    runner.close();
}

#[test]
fn commands_that_hang_hold_nobody_up_and_are_killed_with_all_they_started() {
    // In memory: on a busy disk the first file may take longer than they have.
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
    let script = format!("sleep 1000 & echo $! >> {}/pids; wait", folder.path().display());
    let (mut runner, mut inputs) = runner(&script, Duration::from_secs(5));
    let begun = Instant::now();
    for number in 0..200 {
        runner.see(&warning(number));
    }
    // All one after the other would take minutes.
    assert!(begun.elapsed() < Duration::from_secs(20), "nobody waited");
    let (_, text) = note(&mut inputs);
    assert!(text.contains("64 wait already"), "{text}");
    let mut stopped = 0;
    while stopped < AT_ONCE {
        let (_, text) = note(&mut inputs);
        // Told anew where somebody was taken from the full line in between.
        if !text.contains("64 wait already") {
            assert!(text.contains("did not answer within 5 s and was stopped"), "{text}");
            stopped += 1;
        }
    }
    // Whoever ends the server does not wait for those that hang.
    runner.see(&Event { kind: EventKind::ShutdownStarted, ..warning(0) });
    let begun = Instant::now();
    runner.close();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let pids = std::fs::read_to_string(folder.path().join("pids")).expect("they were started");
    let alive = |pid: &&str| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"));
    assert!(pids.lines().count() >= AT_ONCE);
    let deadline = Instant::now() + Duration::from_secs(20);
    while pids.lines().any(|pid| alive(&pid)) {
        assert!(Instant::now() < deadline, "alive: {:?}", pids.lines().filter(alive).collect::<Vec<_>>());
        std::thread::yield_now();
    }
}

#[test]
fn a_command_that_says_much_goes_on_to_its_end_and_its_last_line_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let end = folder.path().join("end");
    let script = format!("seq 1 40000; seq 1 30000 >&2; : > {}", end.display());
    let (mut runner, mut inputs) = runner(&script, LIMIT);
    runner.see(&warning(1));
    assert_eq!(note(&mut inputs), (LogLevel::Info, "hook on_warning: done: 30000; 40000".to_owned()));
    assert!(end.exists());
    runner.close();
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let (sender, mut inputs) = unbounded_channel();
    let hooks = Hooks::from([(Hook::OnWarning, HookAction::Command(vec!["/no/such/program".to_owned()]))]);
    let mut runner = HookRunner::new(hooks, sender, &Confinement::new(None, Bytes::mib(512)), None).expect("threads");
    runner.see(&warning(1));
    assert_eq!(note(&mut inputs).1, "hook on_warning: cannot run /no/such/program: no such file or directory");
    runner.close();
}

#[test]
fn the_kernel_holds_a_hook_to_files_and_processes_and_where_it_has_no_group_to_memory() {
    let script =
        "sed -n 's/^Max \\(core\\|data\\|open\\|processes\\)[a-z ]* \\([0-9]\\)/\\1 \\2/p' /proc/self/limits | tr -s '\\n ' '  '";
    let (mut runner, mut inputs) = runner(script, LIMIT);
    runner.see(&warning(1));
    let (_, text) = note(&mut inputs);
    let said: Vec<&str> = text.split_whitespace().collect();
    let of = |name: &str| {
        let at = said.iter().position(|word| *word == name).unwrap_or_else(|| panic!("no {name}: {text}"));
        said[at + 1].parse::<u64>().unwrap_or_else(|error| panic!("{name}: {error}: {text}"))
    };
    assert_eq!((of("core"), of("data")), (0, 256 << 20));
    assert!(of("open") <= 1024, "{text}");
    assert!(of("processes") > 256, "those that are there count too: {text}");
    runner.close();
}

#[test]
fn a_hook_that_takes_too_much_memory_is_killed_alone_and_told_and_is_no_kill_of_a_job() {
    let groups = match JobGroups::open(&Roots::default()) {
        Ok(groups) => Arc::new(groups),
        Err(why) => return skip(MEMORY_GROUP, why),
    };
    let folder = tempfile::tempdir().expect("a folder");
    // The second waits until the first is told to have been killed.
    let script = format!(
        "cd '{}'; mkdir first 2>/dev/null && exec tail -n 1 /dev/zero; touch second; until test -e killed; do sleep 0.01; done; echo alive",
        folder.path().display()
    );
    let (mut runner, mut inputs) = confined(&script, LIMIT, Some(Arc::clone(&groups)));
    runner.see(&warning(1));
    runner.see(&warning(2));
    let told = std::iter::from_fn(|| inputs.blocking_recv()).find(|input| !matches!(input, Input::Hooks(_)));
    match told {
        Some(Input::Fault { what, detail }) => {
            assert_eq!(what, "hook on_warning took more than the 64 MB of memory that it may have");
            assert_eq!(detail, "the kernel killed it alone; ended with signal: 9 (SIGKILL)");
        }
        other => panic!("no fault: {other:?}"),
    }
    std::fs::write(folder.path().join("killed"), "").expect("written");
    assert_eq!(note(&mut inputs).1, "hook on_warning: done: alive");
    runner.close();
}

#[test]
fn what_a_hook_leaves_running_ends_with_it() {
    let groups = match JobGroups::open(&Roots::default()) {
        Ok(groups) => Some(Arc::new(groups)),
        Err(why) => {
            skip(MEMORY_GROUP, why);
            None
        }
    };
    // One stays in the hook's process group. The other leaves it, and is held by the memory group alone.
    for (start, groups) in [("", None), ("", groups.clone()), ("setsid ", groups.clone())] {
        if groups.is_none() && !start.is_empty() {
            continue;
        }
        let script = format!("{start}sleep 1000 </dev/null >/dev/null 2>&1 & echo $!");
        let (mut runner, mut inputs) = confined(&script, LIMIT, groups);
        runner.see(&warning(1));
        let (_, text) = note(&mut inputs);
        let pid = text.strip_prefix("hook on_warning: done: ").unwrap_or_else(|| panic!("{text}"));
        let ends_by = Instant::now() + Duration::from_secs(20);
        while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z")) {
            assert!(Instant::now() < ends_by, "{start}sleep lives on");
            std::thread::yield_now();
        }
        runner.close();
    }
}
