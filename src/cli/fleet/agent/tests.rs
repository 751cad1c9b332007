//! What the agent makes of what it hears, with an engine that only listens, a queue that is away, and files in a folder.

use std::path::Path;

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::*;
use crate::domain::command::{Answer, ClientId, Queued};
use crate::domain::event::{Event, EventKind, Seq};
use crate::domain::job::{JobId, Outcome};
use crate::domain::preset::{Container, Preset};
use crate::domain::refusal::Refusal;
use crate::domain::time::{Mono, Wall};
use crate::host::media::ffmpeg::Found;
use crate::runtime::link::Control;

const LEASE: Duration = Duration::from_mins(1);

/// An agent in a folder of its own, and what it asks of its engine.
struct Rig {
    folder: tempfile::TempDir,
    agent: Agent,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = folder.path().join("files");
        std::fs::create_dir_all(files.join("in")).expect("made");
        std::fs::write(files.join("in/film.mp4"), "a film").expect("written");
        let tool = |name: &str| folder.path().join("tools").join(name);
        let agent = Agent {
            db: Database::new("postgres://x@/y?host=/nowhere").expect("an address"),
            files: Files::open(&files.to_string_lossy()).expect("a folder"),
            spool: Spool::open(folder.path()).expect("a spool"),
            who: Introduction {
                id: uuid::Uuid::new_v4(),
                r#box: "box".to_owned(),
                host: "box".to_owned(),
                pid: 1,
                version: "1".to_owned(),
                ffmpeg: "7".to_owned(),
            },
            listens: false,
            same_ffmpeg: false,
            ffmpeg: Ffmpeg {
                ffmpeg: tool("ffmpeg"),
                ffprobe: tool("ffprobe"),
                version: "7".to_owned(),
                major: Some(7),
                minor: Some(0),
                source: Found::Explicit,
                fingerprint: None,
                trials: Vec::new(),
                memory: None,
            },
        };
        Self { folder, agent }
    }

    /// Programs that answer to `-version`, and say that they have what a copied film needs.
    fn tools(&self) {
        for name in ["ffmpeg", "ffprobe"] {
            let tables = "printf ' ---\\n  E mp4  MP4\\n'";
            crate::host::media::ffmpeg::fakes::script(&self.folder.path().join("tools").join(name), tables);
        }
    }

    fn claim(&self, fence: i64) -> Claimed {
        Claimed {
            hold: Hold { job: 7, worker: self.agent.who.id, fence },
            input: "in/film.mp4".to_owned(),
            etag: None,
            preset: "copy".to_owned(),
            definition: Preset::new("copy", Container::Mp4, 1),
            target: None,
            needs: None,
        }
    }

    /// Does something with the worker, in the place where its tasks run.
    async fn run(&mut self, work: impl AsyncFnOnce(&mut Worker<'_>, &mut mpsc::UnboundedReceiver<Control>)) {
        let (control, mut asked) = mpsc::unbounded_channel();
        let link = Link::attach(ClientId(1), control);
        let mut worker = Worker::new(&mut self.agent, link, LEASE);
        LocalSet::new().run_until(work(&mut worker, &mut asked)).await;
    }
}

/// What was asked of the engine since.
fn asked(requests: &mut mpsc::UnboundedReceiver<Control>) -> Vec<Command> {
    let all = std::iter::from_fn(|| requests.try_recv().ok());
    all.filter_map(|control| if let Control::Request(_, _, command) = control { Some(command) } else { None }).collect()
}

fn event(kind: EventKind) -> Update {
    Update::Event(Box::new(Event { seq: Seq(1), at: Wall(0), mono: Mono::START, kind }))
}

fn queued(job: u64, input: &Path) -> Update {
    let (size_bytes, preset) = (Bytes(6), "copy".to_owned());
    event(EventKind::JobQueued { job: JobId(job), input: input.to_owned(), size_bytes, preset, output: None, rank: 0 })
}

fn failed(job: u64) -> Update {
    event(EventKind::JobFinished {
        job: JobId(job),
        outcome: Outcome::Failed,
        output: None,
        peak_memory_bytes: Bytes::ZERO,
        seconds: 0.0,
        attempts: 1,
        exit_code: Some(1),
        signal: None,
        reason: Some("it did not work".to_owned()),
        damage: None,
        left_out: Vec::new(),
    })
}

fn stage(worker: &mut Worker<'_>) -> Option<Stage> {
    worker.holding.get(7).map(|held| held.stage)
}

async fn next(worker: &mut Worker<'_>) -> Done {
    worker.tasks.join_next().await.expect("a task").expect("no panic")
}

#[tokio::test]
async fn an_input_that_an_earlier_life_has_brought_is_not_brought_over_it() {
    let mut rig = Rig::new();
    let claimed = rig.claim(1);
    rig.run(async |worker, requests| {
        worker.begin(claimed);
        let place = worker.holding.get(7).expect("held").place.clone();
        let input = place.inputs().join("film.mp4");
        std::fs::write(&input, "whole").expect("written");
        worker.heed(queued(3, &input));
        assert_eq!(stage(worker), Some(Stage::Here));
        assert!(worker.tasks.join_next().await.expect("a task").is_err_and(|error| error.is_cancelled()), "nothing is fetched");
        assert_eq!(std::fs::read_to_string(&input).expect("read"), "whole");
        // One that came just before changes nothing either.
        worker.brought(7, &place, Brought::Here { path: input, etag: None });
        assert_eq!((stage(worker), asked(requests)), (Some(Stage::Here), vec![]));
    })
    .await;
}

#[tokio::test]
async fn an_input_has_its_name_when_it_is_whole() {
    let mut rig = Rig::new();
    let claimed = rig.claim(1);
    rig.run(async |worker, _| {
        let place = worker.agent.spool.place(&claimed).expect("a place");
        std::fs::write(place.inputs().join("film.mp4"), "of an earlier life").expect("written");
        worker.begin(claimed);
        let Done::Brought(7, of, Brought::Here { path, .. }) = next(worker).await else { panic!("it comes") };
        assert_eq!((of, path.clone()), (place.clone(), place.inputs().join("film.mp4")));
        assert_eq!(std::fs::read_to_string(path).expect("read"), "a film");
        assert!(!place.arriving().exists());
    })
    .await;
}

#[tokio::test]
async fn a_job_that_has_ended_here_is_not_made_again_by_an_engine_that_has_it_still() {
    let mut rig = Rig::new();
    let claimed = rig.claim(1);
    rig.run(async |worker, requests| {
        worker.begin(claimed);
        let input = worker.holding.get(7).expect("held").place.inputs().join("film.mp4");
        worker.holding.get(7).expect("held").stage = Stage::Ending;
        worker.heed(queued(3, &input));
        assert_eq!(stage(worker), Some(Stage::Ending));
        let wanted = [Command::Cancel(JobId(3)), Command::Each(vec![JobId(3)], crate::domain::command::JobRequest::Remove)];
        assert_eq!(asked(requests), wanted);
    })
    .await;
}

#[tokio::test]
async fn what_was_fetched_for_an_earlier_claim_is_not_taken_for_that_of_a_later_one() {
    let mut rig = Rig::new();
    let (first, second) = (rig.claim(1), rig.claim(2));
    rig.run(async |worker, requests| {
        worker.begin(first);
        let place = worker.holding.get(7).expect("held").place.clone();
        worker.forget(7);
        worker.begin(second);
        // The first is given up with its claim.
        let mut came = Vec::new();
        while let Some(done) = worker.tasks.join_next().await {
            came.extend(done.ok());
        }
        let [Done::Brought(7, of, Brought::Here { .. })] = &came[..] else { panic!("{} came", came.len()) };
        assert_ne!(*of, place);
        // It may have come before that.
        let path = place.inputs().join("film.mp4");
        worker.brought(7, &place, Brought::Here { path, etag: None });
        assert_eq!((stage(worker), asked(requests)), (Some(Stage::Fetching), vec![]));
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_queues_nothing_is_the_boxs_fault_and_holds_no_claim() {
    let none = || Ok(Answer { queued: Some(Queued { batch: 1, jobs: 0, known: 1 }), later: None });
    let disk = || Err(Refusal::Other.because("the queue cannot be written: database or disk is full"));
    let preset = || Err(Refusal::BadPreset.because("such a preset cannot be used"));
    for (answer, faults, wanted) in [(none(), 1, Stage::Ending), (disk(), 1, Stage::Ending), (preset(), 0, Stage::Ending)] {
        let mut rig = Rig::new();
        let claimed = rig.claim(1);
        rig.run(async |worker, requests| {
            worker.begin(claimed);
            let Done::Brought(job, place, brought) = next(worker).await else { panic!("it comes") };
            worker.brought(job, &place, brought);
            let [Command::Enqueue { options, .. }] = &asked(requests)[..] else { panic!("it is to be queued") };
            assert!(options.film, "a file of others is no list of files of this box");
            let (request, _) = worker.queueing[0];
            worker.heed(Update::Reply(request, answer));
            assert_eq!((stage(worker), worker.faults), (Some(wanted), faults));
        })
        .await;
    }
}

#[tokio::test]
async fn a_failure_is_the_jobs_only_where_the_box_could_convert_another_film() {
    for (has_tools, has_room) in [(true, true), (false, true), (true, false)] {
        let mut rig = Rig::new();
        if has_tools {
            rig.tools();
        }
        let claimed = rig.claim(1);
        rig.run(async |worker, _| {
            worker.begin(claimed);
            let place = worker.holding.get(7).expect("held").place.clone();
            worker.heed(queued(3, &place.inputs().join("film.mp4")));
            if !has_room {
                std::fs::remove_dir(place.outputs()).expect("removed");
            }
            worker.heed(failed(3));
            assert_eq!(stage(worker), Some(Stage::Ending));
            let (ending, fault) = loop {
                match worker.tasks.join_next().await.expect("a task") {
                    Ok(Done::Examined(7, of, ending, fault)) if of == place => break (ending, fault),
                    Ok(_) => panic!("it is examined"),
                    Err(_) => {}
                }
            };
            assert_eq!(ending, (End::Failed, "it did not work".to_owned()));
            let is_well = has_tools && has_room;
            assert_eq!(fault.is_none(), is_well, "{fault:?}");
            worker.examined(7, &place, ending, fault);
            assert_eq!((stage(worker), worker.faults), (Some(Stage::Ending), u32::from(!is_well)));
        })
        .await;
    }
}
