//! Requests as they go over a line and come back: whatever is asked arrives as it was meant, whatever bytes a path holds.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use proptest::prelude::*;

use crate::support::modelled;
use plimsoll::domain::command::{Command, JobRequest, MoveTo, QueueOptions};
use plimsoll::domain::job::{JobId, Rank};
use plimsoll::domain::profile::{GuideWords, LargeRule, Mark, MemoryMarks, Picture, Profile, Slots};
use plimsoll::domain::refusal::Refusal;
use plimsoll::domain::units::Bytes;
use plimsoll::sim::Sim;
use plimsoll::sim::world::Fate;

/// A path of any bytes that a file system takes, backslashes and what is no UTF-8 among them.
fn path() -> impl Strategy<Value = PathBuf> {
    let byte = prop_oneof![Just(b'\\'), Just(b'x'), Just(b'E'), 1..=255_u8];
    prop::collection::vec(byte, 0..12).prop_map(|mut name| {
        name.insert(0, b'/');
        PathBuf::from(OsString::from_vec(name))
    })
}

fn job() -> impl Strategy<Value = JobId> {
    any::<u64>().prop_map(JobId)
}

fn place() -> impl Strategy<Value = MoveTo> {
    prop::sample::select(vec![MoveTo::Sooner, MoveTo::Later, MoveTo::First, MoveTo::Last])
}

fn asked() -> impl Strategy<Value = JobRequest> {
    use JobRequest::{Allow, Cancel, Move, Pause, Remove, Resume, Retry};
    prop_oneof![prop::sample::select(vec![Cancel, Retry, Allow, Remove, Pause, Resume]), place().prop_map(Move)]
}

fn profile() -> impl Strategy<Value = Box<Profile>> {
    let slots = prop_oneof![Just(Slots::Auto), (1..64_u32).prop_map(Slots::Fixed)];
    (".{0,8}", slots, any::<bool>()).prop_map(|(name, max_concurrent, is_large)| {
        Box::new(Profile {
            name,
            title: "a \"title\"\n".to_owned(),
            max_concurrent,
            max_file_size: Bytes(u64::MAX),
            large: is_large.then_some(LargeRule { from: Picture { width: 1920, height: 1080 }, at_once: 1 }),
            memory: MemoryMarks {
                budget: is_large.then_some(Bytes::gib(2)),
                high_water: Mark::Share(0.85),
                low_water: Mark::Bytes(Bytes::mib(900)),
                reserve: Bytes::mib(64),
            },
            scratch_limit: None,
            env: [("MALLOC_ARENA_MAX".to_owned(), "2".to_owned())].into(),
            guide: GuideWords { memory: "low".to_owned(), speed: "slow".to_owned(), reliability: "high".to_owned() },
        })
    })
}

fn options() -> impl Strategy<Value = QueueOptions> {
    let switch = || prop::option::of(any::<bool>());
    (prop::option::of(path()), switch(), switch(), any::<bool>(), any::<bool>()).prop_map(
        |(out, flat, overwrite, front, has_definition)| QueueOptions {
            out,
            flat,
            overwrite,
            front,
            definition: has_definition.then(|| Box::new(crate::support::modelled::sound())),
            // Never asked for over the line.
            film: false,
            watch: None,
        },
    )
}

/// Every kind of request.
fn command() -> impl Strategy<Value = Command> {
    use Command::{CleanNow, Continue, Drain, Pause, Resume, Shutdown, Suspend, Undrain};
    let plain = prop::sample::select(vec![Pause, Resume, CleanNow, Drain, Undrain, Shutdown, Suspend, Continue]);
    let of_a_job = (job(), place(), 0..7).prop_map(|(job, to, kind)| match kind {
        0 => Command::Cancel(job),
        1 => Command::Retry(job),
        2 => Command::Allow(job),
        3 => Command::Move(job, to),
        4 => Command::Remove(job),
        5 => Command::PauseJob(job),
        _ => Command::ResumeJob(job),
    });
    let enqueue = (prop::collection::vec(path(), 0..4), prop::option::of(".{0,8}"), options())
        .prop_map(|(paths, preset, options)| Command::Enqueue { paths, preset, options });
    let put_back = prop::collection::vec((job(), any::<Rank>()), 0..4).prop_map(Command::PutBack);
    let each = (prop::collection::vec(job(), 0..4), asked()).prop_map(|(jobs, asked)| Command::Each(jobs, asked));
    let places = prop::collection::vec((job(), any::<Rank>()), 0..4).prop_map(Command::Place);
    let profiles = prop_oneof![profile().prop_map(Command::SelectProfile), profile().prop_map(Command::UseProfile)];
    prop_oneof![plain, of_a_job, enqueue, put_back, each, places, profiles]
}

proptest! {
    #[test]
    fn every_request_comes_back_as_it_was_sent_on_one_line(command in command()) {
        let line = serde_json::to_string(&command).expect("written");
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(serde_json::from_str::<Command>(&line).expect(&line), command);
    }
}

#[test]
fn the_code_of_a_refusal_is_that_of_its_reason_whatever_a_name_or_a_path_says() {
    let mut sim = Sim::new(modelled::config(modelled::profile("one", 1, 200), modelled::sound()), Vec::new());
    let mut code = |paths: &[&str], preset: Option<&str>| {
        let paths = paths.iter().map(PathBuf::from).collect();
        let id = sim.ask(Command::Enqueue { paths, preset: preset.map(str::to_owned), options: QueueOptions::default() });
        let answer = &sim.replies.iter().find(|(known, _)| *known == id).expect("answered").1;
        answer.as_ref().expect_err("refused").code
    };
    assert_eq!(code(&["/in"], Some("there is no job 7")), Refusal::UnknownPreset);
    assert_eq!(code(&["job 7 is not running"], None), Refusal::RelativePath);
}

#[test]
fn what_refuses_names_commands_and_no_keys_which_a_script_does_not_have() {
    let mut sim =
        Sim::new(modelled::config(modelled::profile("balanced", 2, 200), modelled::sound()), vec![modelled::job(Fate::Good, 5)]);
    sim.ask(Command::Drain);
    let ask = sim.ask(Command::enqueue(vec!["/in".into()], None));
    let refused = sim.replies.iter().find(|(known, _)| *known == ask).expect("answered").1.clone();
    let words = "the queue is draining and takes nothing new; `plimsoll drain --undo` takes that back";
    assert_eq!(refused.expect_err("refused").why, words);
}
