use std::os::unix::fs::symlink;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::domain::event::{Event, EventKind, Seq};
use crate::domain::time::{Mono, Wall};
use crate::domain::units::Bytes;
use crate::engine::port::{Effect, Host as _, StoredJob};
use crate::host::fixtures::{quick, sound};
use crate::host::{HostConfig, Listed, RealHost};

/// A host on a folder of its own, asked as the engine would ask it.
struct Asked {
    root: PathBuf,
    host: RealHost,
    inputs: UnboundedReceiver<Input>,
    scans: u64,
}

impl Asked {
    fn open(root: &Path) -> Self {
        let config = HostConfig {
            state_dir: root.join("state"),
            out: root.join("out"),
            flat: false,
            overwrite: false,
            presets: [("quick".to_owned(), quick())].into(),
            ffmpeg: None,
            load_jobs: None,
            budget: None,
            profile_budget: None,
            restore: true,
            guests: Vec::new(),
            windows: crate::host::memory::sampler::Windows::default(),
            hooks: crate::domain::hook::Hooks::new(),
            watch: Vec::new(),
            read_list: |file, _| {
                let films = || std::fs::read_to_string(file).expect("read").lines().map(|line| (None, line.into())).collect();
                file.extension().is_some_and(|extension| extension == "yaml").then(|| match films() {
                    films if films == Listed::new() => Err(vec![format!("{}: nothing is listed", file.display())]),
                    films => Ok(films),
                })
            },
        };
        let (sender, inputs) = unbounded_channel();
        Self { root: root.to_owned(), host: RealHost::open(config, sender).expect("a host"), inputs, scans: 0 }
    }

    /// A film of this name, which begins as Matroska does.
    fn film(&self, name: &str) -> PathBuf {
        let path = self.root.join("films").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, [b"\x1a\x45\xdf\xa3", name.as_bytes()].concat()).expect("written");
        path
    }

    /// How many jobs came of it, and why others did not.
    fn answer(&mut self, scan: ScanId) -> (u64, Vec<String>) {
        let mut jobs = 0;
        loop {
            match self.inputs.blocking_recv().expect("the host lives") {
                Input::Found(of, arrived) if of == scan => jobs += arrived.jobs,
                Input::ScanDone(of, refused) if of == scan => return (jobs, refused.into_iter().map(|(_, why)| why).collect()),
                _ => {}
            }
        }
    }

    fn add(&mut self, paths: &[&PathBuf], options: QueueOptions) -> (u64, Vec<String>) {
        self.scans += 1;
        let scan = ScanId(self.scans);
        let paths = paths.iter().map(|path| (*path).clone()).collect();
        self.host.perform(Effect::Scan { scan, paths, preset: "quick".to_owned(), options });
        self.answer(scan)
    }

    fn put_back(&mut self, jobs: Vec<(JobId, Rank)>) -> (u64, Vec<String>) {
        self.scans += 1;
        let scan = ScanId(self.scans);
        self.host.perform(Effect::PutBack { scan, jobs });
        self.answer(scan)
    }

    /// What waits and was not told yet, next first.
    fn page(&mut self) -> Vec<StoredJob> {
        self.host.perform(Effect::Page { limit: 100 });
        loop {
            if let Input::Paged(page) = self.inputs.blocking_recv().expect("the host lives") {
                return page.jobs;
            }
        }
    }

    fn emit(&mut self, kind: EventKind) {
        self.scans += 1;
        let event = Event { seq: Seq(self.scans), at: Wall(0), mono: Mono::default(), kind };
        self.host.perform(Effect::Persist(event));
    }

    fn remove(&mut self, job: JobId) {
        self.emit(EventKind::JobRemoved { job, output: None });
    }

    /// Where the outputs of these jobs are to stand, below the folder of the test.
    fn outputs(&self, jobs: &[StoredJob]) -> Vec<String> {
        jobs.iter().map(|job| job.output.strip_prefix(&self.root).expect("below").display().to_string()).collect()
    }

    /// Whether the folder of a job's outputs is this one, and whether an output there is replaced.
    fn destination(&self, job: JobId) -> (PathBuf, bool) {
        let Destination { out, overwrite } = self.host.shared.destination_of(job);
        (out, overwrite)
    }

    fn again(self) -> Self {
        let root = self.root.clone();
        self.host.close();
        Self::open(&root)
    }
}

#[test]
fn what_a_list_names_is_queued_in_its_place_and_a_wrong_list_as_a_whole_is_not() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    let (first, second, third) = (asked.film("a.mkv"), asked.film("b.mkv"), asked.film("c.mkv"));
    let list = root.join("films.yaml");
    std::fs::write(&list, format!("{}\n", second.display())).expect("written");
    assert_eq!(asked.add(&[&first, &list, &third], QueueOptions::default()), (3, Vec::new()));
    let inputs: Vec<PathBuf> = asked.page().into_iter().map(|job| job.input).collect();
    assert_eq!(inputs, [first, second, third]);
    // One that others have sent is a film, whatever it is called.
    let sent = QueueOptions { film: true, ..to(&root.join("other")) };
    assert_eq!(asked.add(&[&list], sent), (1, Vec::new()));
    assert_eq!(asked.page().last().map(|job| &job.input), Some(&list));
    let wrong = root.join("wrong.yaml");
    std::fs::write(&wrong, "").expect("written");
    let (jobs, refused) = asked.add(&[&wrong], QueueOptions::default());
    assert!(jobs == 0 && refused.len() == 1 && refused[0].contains("nothing is listed"), "{refused:?}");
}

fn to(out: &Path) -> QueueOptions {
    QueueOptions { out: Some(out.to_owned()), ..QueueOptions::default() }
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().canonicalize().expect("there");
    (folder, root)
}

#[test]
fn each_request_has_its_own_folder_shape_and_leave_to_replace_and_keeps_them_over_a_restart() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    asked.film("a/1.mkv");
    let (films, other) = (root.join("films"), root.join("other"));
    asked.add(&[&films], QueueOptions::default());
    let options = QueueOptions { flat: Some(true), overwrite: Some(true), ..to(&other) };
    assert_eq!(asked.add(&[&films], options), (1, vec![]));
    let jobs = asked.page();
    assert_eq!(asked.outputs(&jobs), ["out/a/1.quick.mp4", "other/1.quick.mp4"]);
    let expected = [(root.join("out"), false), (other, true)];
    assert_eq!([0, 1].map(|at: usize| asked.destination(jobs[at].id)), expected);
    let mut asked = asked.again();
    assert_eq!(asked.page(), jobs);
    assert_eq!([0, 1].map(|at: usize| asked.destination(jobs[at].id)), expected);
}

#[test]
fn a_film_is_queued_once_for_each_folder_however_that_is_spelled() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    let (film, other, link) = (asked.film("1.mkv"), root.join("other"), root.join("link"));
    symlink(&other, &link).expect("linked");
    std::fs::create_dir(&other).expect("made");
    assert_eq!(asked.add(&[&film], QueueOptions::default()).0, 1);
    assert_eq!(asked.add(&[&film], to(&other)).0, 1);
    for out in [&other, &link, &root.join("films/../other")] {
        assert_eq!(asked.add(&[&film], to(out)), (0, vec![]), "{}", out.display());
    }
    // The next run spells it as the queue does.
    let mut asked = asked.again();
    let namesake = asked.film("sub/1.mkv");
    assert_eq!(asked.add(&[&namesake], to(&link)).0, 1);
    let jobs = asked.page();
    assert_eq!(asked.outputs(&jobs), ["out/1.quick.mp4", "other/1.quick.mp4", "other/1-2.quick.mp4"]);
}

#[test]
fn a_link_that_leads_elsewhere_by_now_is_not_taken_for_the_folder_that_it_led_to() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    let link = root.join("link");
    let [old, new] = ["old", "new"].map(|name| root.join(name));
    for folder in [&old, &new] {
        std::fs::create_dir(folder).expect("made");
    }
    symlink(&old, &link).expect("linked");
    let [first, second] = ["1.mkv", "2.mkv"].map(|name| asked.film(name));
    asked.add(&[&first], to(&link));
    std::fs::remove_file(&link).expect("removed");
    symlink(&new, &link).expect("linked");
    asked.add(&[&second], to(&old));
    let jobs = asked.page();
    assert_eq!(asked.outputs(&jobs), ["link/1.quick.mp4", "old/2.quick.mp4"]);
}

#[test]
fn what_is_queued_at_the_front_runs_before_all_that_waits_in_the_order_given() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    let films: Vec<PathBuf> = (0..7).map(|number| asked.film(&format!("{number}.mkv"))).collect();
    let front = || QueueOptions { front: true, ..QueueOptions::default() };
    asked.add(&[&films[0], &films[1]], front());
    asked.add(&[&films[2]], QueueOptions::default());
    asked.add(&[&films[4], &films[3]], front());
    asked.add(&[&films[6], &films[5]], front());
    let order: Vec<PathBuf> = asked.page().into_iter().map(|job| job.input).collect();
    assert_eq!(order, [6, 5, 4, 3, 0, 1, 2].map(|number: usize| films[number].clone()));
}

#[test]
fn a_preset_that_came_with_the_request_stays_with_its_jobs() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    let film = asked.film("1.mkv");
    let options = QueueOptions { definition: Some(Box::new(sound())), ..QueueOptions::default() };
    assert_eq!(asked.add(&[&film], options).0, 1);
    let mut asked = asked.again();
    let jobs = asked.page();
    assert_eq!(asked.outputs(&jobs), ["out/1.sound.m4a"]);
    assert_eq!((jobs[0].preset.as_str(), jobs[0].definition.as_deref()), ("sound", Some(&sound())));
    assert_eq!(asked.host.shared.preset_of(jobs[0].id, "sound").as_deref(), Some(&sound()));
}

#[test]
fn a_job_that_is_put_back_is_the_one_that_it_was() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    asked.film("a/1.mkv");
    asked.film("a/2.mkv");
    asked.add(&[&root.join("films")], QueueOptions { overwrite: Some(true), ..to(&root.join("other")) });
    let before = asked.page();
    let first = before[0].clone();
    asked.remove(first.id);
    assert_eq!(asked.put_back(vec![(first.id, 7)]), (1, vec![]));
    let back = asked.page();
    assert_eq!(back, [StoredJob { rank: 7, ..first.clone() }]);
    assert_eq!(asked.destination(first.id), (root.join("other"), true));
    assert_eq!(asked.put_back(vec![(first.id, 7), (JobId(99), 0)]), (0, vec![]), "neither is off the list");
}

#[test]
fn what_has_come_into_the_place_of_a_job_keeps_it_when_that_job_is_put_back() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    let [film, namesake] = ["a/1.mkv", "b/1.mkv"].map(|name| asked.film(name));
    asked.add(&[&film], QueueOptions::default());
    let first = asked.page()[0].clone();
    asked.remove(first.id);
    asked.add(&[&namesake], QueueOptions::default());
    let second = asked.page()[0].clone();
    assert_eq!(asked.outputs(&[first.clone(), second.clone()]), ["out/1.quick.mp4", "out/1.quick.mp4"]);
    asked.put_back(vec![(first.id, first.rank)]);
    let back = asked.page();
    assert_eq!((back[0].id, asked.outputs(&back)), (first.id, vec!["out/1-2.quick.mp4".to_owned()]));

    // Both at once, and the same film twice.
    asked.remove(first.id);
    asked.add(&[&film], QueueOptions::default());
    let third = asked.page()[0].clone();
    asked.remove(third.id);
    asked.remove(second.id);
    let all = [second.id, first.id, third.id].map(|id| (id, 0));
    assert_eq!(asked.put_back(all.to_vec()), (2, vec!["it is in the queue already".to_owned()]));
    let mut outputs = asked.page().iter().map(|job| job.output.clone()).collect::<Vec<_>>();
    outputs.dedup();
    assert_eq!(outputs.len(), 2, "{outputs:?}");
}

#[test]
fn what_was_taken_off_the_list_is_forgotten_with_the_run() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    let film = asked.film("1.mkv");
    asked.add(&[&film], QueueOptions::default());
    let job = asked.page()[0].clone();
    asked.remove(job.id);
    let mut asked = asked.again();
    assert_eq!(asked.put_back(vec![(job.id, job.rank)]), (0, vec![]));
    assert_eq!(asked.page(), []);
    assert_eq!(asked.add(&[&film], QueueOptions::default()).0, 1, "its file may be added anew");
}

#[test]
fn the_parts_of_a_run_that_died_are_removed_from_the_folders_that_its_jobs_were_meant_for() {
    let (_folder, root) = folder();
    let mut asked = Asked::open(&root);
    let film = asked.film("a/1.mkv");
    let other = root.join("other");
    asked.add(&[&film], to(&other));
    let job = asked.page()[0].id;
    asked.emit(EventKind::JobAdmitted { job, attempt: 1, reserved_bytes: Bytes::ZERO });
    asked.host.close();
    let part = other.join(".plimsoll/job-1-1-1.part");
    std::fs::create_dir_all(part.parent().expect("a folder")).expect("made");
    std::fs::write(&part, "half").expect("written");
    let asked = Asked::open(&root);
    assert!(!part.exists(), "{}", part.display());
    drop(asked);
}
