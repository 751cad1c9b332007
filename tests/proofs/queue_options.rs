//! Several who queue on one engine, each with options of its own: real processes, a real record, real folders.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use plimsoll::domain::command::{Command, QueueOptions, RequestId};
use plimsoll::domain::event::EventKind;
use plimsoll::domain::job::Outcome;
use plimsoll::domain::memory::Asked;
use plimsoll::domain::units::Bytes;
use plimsoll::host::{HostConfig, RealHost};
use plimsoll::runtime::clock::Clock;
use plimsoll::runtime::driver::Driver;
use plimsoll::runtime::link::{Link, Update};
use tokio::sync::mpsc;

use crate::support::World;
use crate::support::modelled;

/// An engine with a host, and somebody who asks.
struct Run {
    link: Link,
    engine: Option<JoinHandle<()>>,
    requests: u64,
}

impl Run {
    fn begin(world: &World) -> Self {
        let config = modelled::config(modelled::profile("options", 1, 200), modelled::sound());
        let host = HostConfig {
            state_dir: world.path("state"),
            out: world.path("out"),
            flat: false,
            overwrite: false,
            presets: config.presets.clone(),
            ffmpeg: None,
            load_jobs: Some(PathBuf::from(env!("CARGO_BIN_EXE_plimsoll"))),
            budget: Some(Asked { bytes: Some(Bytes::gib(2)), by: "the test".to_owned() }),
            profile_budget: None,
            restore: true,
            guests: Vec::new(),
            windows: plimsoll::host::memory::sampler::Windows::default(),
            hooks: plimsoll::domain::hook::Hooks::new(),
            watch: Vec::new(),
            read_list: |_, _| None,
        };
        let (inputs, results) = mpsc::unbounded_channel();
        let host = RealHost::open(host, inputs).expect("a host");
        let driver = Driver::new(config, host, results, Clock::start());
        let link = driver.attacher().attach();
        let own = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let engine = std::thread::spawn(move || own.block_on(driver.run()).host.close());
        Self { link, engine: Some(engine), requests: 0 }
    }

    fn ask(&mut self, command: Command) -> RequestId {
        self.requests += 1;
        assert!(self.link.requests.send(RequestId(self.requests), command), "the engine listens");
        RequestId(self.requests)
    }

    /// Queues these files and waits for so many ends: how each ended, and where its output stands.
    fn convert(&mut self, paths: &[&PathBuf], options: QueueOptions, ends: usize) -> Vec<(Outcome, PathBuf)> {
        let paths = paths.iter().map(|path| (*path).clone()).collect();
        let asked = self.ask(Command::Enqueue { paths, preset: None, options });
        let (mut ended, mut is_answered) = (Vec::new(), false);
        while ended.len() < ends || !is_answered {
            match self.link.updates.blocking_recv().expect("the run goes on") {
                Update::Event(event) => match event.kind {
                    EventKind::JobFinished { outcome, output, reason, .. } => {
                        ended.push((outcome, output.unwrap_or_else(|| panic!("{outcome:?}: {reason:?}"))));
                    }
                    EventKind::JobRejected { detail, .. } => panic!("{detail}"),
                    _ => {}
                },
                Update::Reply(request, result) if request == asked => {
                    assert!(result.is_ok(), "{result:?}");
                    is_answered = true;
                }
                _ => {}
            }
        }
        ended
    }

    /// Waits until the run is over.
    fn end(mut self) {
        self.ask(Command::Shutdown);
        while self.link.updates.blocking_recv().is_some() {}
        self.engine.take().expect("it runs").join().expect("the engine ends");
    }
}

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).expect("the output is there").ino()
}

#[test]
fn outputs_go_where_each_request_wants_them_and_only_what_may_be_replaced_is_made_again() {
    #[cfg(target_os = "linux")]
    let _turn = crate::support::cage::turn_to_sample();
    let world = World::new();
    let film = |name: &str| world.write(&format!("in/{name}.load"), "plimsoll-load 1\nseconds 0.01\ncurve 0:0\nbody 0\n\n");
    let (one, two) = (film("one"), film("two"));
    let theirs = world.path("in/theirs");
    let to_theirs = || QueueOptions { out: Some(theirs.clone()), ..QueueOptions::default() };
    let mut run = Run::begin(&world);

    let mine = run.convert(&[&one, &two], QueueOptions::default(), 2);
    let out = |name: &str| world.path("out").join(format!("{name}.sound.m4a"));
    assert_eq!(mine, [(Outcome::Done, out("one")), (Outcome::Done, out("two"))]);
    let other = run.convert(&[&one], to_theirs(), 1);
    assert_eq!(other, [(Outcome::Done, theirs.join("one.sound.m4a"))]);

    // Again, and only one of the three may be replaced.
    let before = [inode(&mine[0].1), inode(&mine[1].1), inode(&other[0].1)];
    let replacing = QueueOptions { overwrite: Some(true), ..QueueOptions::default() };
    assert_eq!(run.convert(&[&one], replacing, 1), [(Outcome::Done, out("one"))]);
    assert_eq!(run.convert(&[&two], QueueOptions::default(), 1), [(Outcome::AlreadyDone, out("two"))]);
    assert_eq!(run.convert(&[&one], to_theirs(), 1)[0].0, Outcome::AlreadyDone);
    let after = [inode(&mine[0].1), inode(&mine[1].1), inode(&other[0].1)];
    assert_ne!(before[0], after[0], "made again");
    assert_eq!(before[1..], after[1..], "left alone");

    run.end();
    for folder in [world.path("out"), theirs] {
        assert!(!folder.join(".plimsoll").exists(), "nothing is left in {}", folder.display());
    }
}
