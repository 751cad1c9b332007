//! Every moment at which the power may go, and what the next start makes of it.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::domain::time::Wall;
use crate::host::files::publish::{ORDER, Step};

/// What one order of steps may leave behind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    moments: usize,
    /// Half a file under the final name.
    half_made: usize,
    /// On record and not there.
    lost: usize,
    /// There and not on record: the job would make a second one.
    twice: usize,
}

impl Verdict {
    const fn bad(&self) -> usize {
        self.half_made + self.lost + self.twice
    }
}

/// What has been written, and whether it is on disk for good.
#[derive(Clone, Copy, Default)]
struct Write {
    done: bool,
    durable: bool,
}

const WRITTEN: Write = Write { done: true, durable: false };

/// The file system and the record as far as one part is concerned. Whatever is not synced survives or not, each by itself:
/// no file system is as bad as that, and none is better than it must be.
#[derive(Clone, Copy)]
struct Disk {
    data: Write,
    part_name: Write,
    final_name: Write,
    part_gone: Write,
    intent: bool,
    record: bool,
}

impl Disk {
    /// ffmpeg has ended well.
    const START: Self = Self {
        data: WRITTEN,
        part_name: WRITTEN,
        final_name: Write { done: false, durable: false },
        part_gone: Write { done: false, durable: false },
        intent: false,
        record: false,
    };

    fn run(&mut self, step: Step) {
        match step {
            Step::SyncPart => self.data.durable = true,
            Step::SyncWork => {
                self.part_name.durable = true;
                self.part_gone.durable = self.part_gone.done;
            }
            Step::Intend => self.intent = true,
            Step::Rename => (self.final_name, self.part_gone) = (WRITTEN, WRITTEN),
            Step::SyncFolder => self.final_name.durable = self.final_name.done,
            Step::Settle => (self.record, self.intent) = (true, false),
        }
    }

    /// The power goes; the bits of `luck` say which of the four writes survive that were not synced.
    fn power_goes(mut self, luck: u8) -> Self {
        for (bit, write) in [&mut self.data, &mut self.part_name, &mut self.final_name, &mut self.part_gone].into_iter().enumerate()
        {
            write.done = write.done && (write.durable || luck & 1 << bit != 0);
        }
        self
    }

    /// The next start, with the decision that the program really takes.
    fn next_start(mut self, verdict: &mut Verdict) {
        const WANTED: Looks = (7, 1000);
        let is_part_there = self.part_name.done && !self.part_gone.done;
        if self.intent {
            // The size is on disk before the data is: a file whose data is gone looks whole.
            let looks = |is_there: bool| is_there.then_some(WANTED);
            match decide(WANTED, looks(is_part_there), looks(self.final_name.done)) {
                Completion::Rename => (self.final_name.done, self.record) = (true, true),
                Completion::Record => self.record = true,
                Completion::Again => {}
            }
        }
        verdict.moments += 1;
        verdict.half_made += usize::from(self.final_name.done && !self.data.done);
        verdict.lost += usize::from(self.record && !self.final_name.done);
        verdict.twice += usize::from(self.final_name.done && !self.record);
    }
}

/// Goes through every moment of an order and every fate of what was not synced.
fn judge(order: &[Step]) -> Verdict {
    let (mut disk, mut verdict) = (Disk::START, Verdict::default());
    for at in 0..=order.len() {
        for luck in 0..16 {
            disk.power_goes(luck).next_start(&mut verdict);
        }
        if let Some(step) = order.get(at) {
            disk.run(*step);
        }
    }
    verdict
}

fn without(steps: &[Step]) -> Vec<Step> {
    ORDER.into_iter().filter(|step| !steps.contains(step)).collect()
}

fn swapped(one: Step, other: Step) -> Vec<Step> {
    let swap = |step| {
        if step == one {
            other
        } else if step == other {
            one
        } else {
            step
        }
    };
    ORDER.into_iter().map(swap).collect()
}

#[test]
fn wherever_the_power_goes_nothing_is_lost_nothing_half_made_and_nothing_there_twice() {
    let verdict = judge(&ORDER);
    assert_eq!((verdict.bad(), verdict.moments), (0, 7 * 16), "{verdict:?}");
}

#[test]
fn every_step_but_the_one_that_only_saves_work_is_needed_and_so_is_their_order() {
    use Step::{Intend, Rename, Settle, SyncFolder, SyncPart, SyncWork};
    let naive: [(&str, Vec<Step>); 10] = [
        ("a bare rename", vec![Rename, Settle]),
        ("no fsync at all", without(&[SyncPart, SyncWork, SyncFolder])),
        ("the part not synced", without(&[SyncPart])),
        ("the folder not synced", without(&[SyncFolder])),
        ("no intent", without(&[Intend])),
        ("the intent after the rename", swapped(Intend, Rename)),
        ("the folder synced before the rename", swapped(Rename, SyncFolder)),
        ("on record before the folder is synced", swapped(SyncFolder, Settle)),
        ("on record before the rename", swapped(Rename, Settle)),
        ("the part synced after the intent", swapped(SyncPart, Intend)),
    ];
    for (name, order) in naive {
        let verdict = judge(&order);
        println!("{name}: {verdict:?}");
        assert!(verdict.bad() > 0, "{name}: {verdict:?}");
    }
    // The part's own name may be lost: then the job runs again.
    assert_eq!(judge(&without(&[SyncWork])).bad(), 0);
}

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        std::fs::create_dir(dir.path().join("work")).expect("made");
        let store = Store::open(&dir.path().join("state"), unbounded_channel().0).expect("opened");
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A part with these bytes, and the intent to make it `a.mp4`.
    fn intend(&self, bytes: &str, replaces: bool) -> Intent {
        let part = self.path("work/1.1.part");
        std::fs::write(&part, bytes).expect("written");
        let id = FileId::of(&part).expect("there");
        let record = OutputRecord {
            path: self.path("a.mp4"),
            input: PathBuf::from("/in/a"),
            input_id: id,
            input_hash: "hash".to_owned(),
            preset: "quick".to_owned(),
            preset_hash: "other".to_owned(),
            size: id.size,
            ino: id.ino,
            made_at: Wall(3),
        };
        let intent = Intent { part, replaces, record };
        self.store.intend(&intent).expect("on record");
        assert_eq!(self.store.intents().expect("read"), std::slice::from_ref(&intent));
        intent
    }

    fn complete(&self) -> Completed {
        let completed = complete(&self.store).expect("completed");
        assert_eq!(self.store.intents().expect("read"), [], "none is left");
        completed
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }
}

fn done(path: &Path) -> Completed {
    Completed { outputs: vec![path.to_owned()], dropped: 0 }
}

const DROPPED: Completed = Completed { outputs: Vec::new(), dropped: 1 };

#[test]
fn a_part_that_was_about_to_get_its_name_gets_it_at_the_next_start() {
    let bench = Bench::new();
    let intent = bench.intend("whole", false);
    assert_eq!(bench.complete(), done(&intent.record.path));
    assert_eq!((bench.read("a.mp4").as_deref(), intent.part.exists()), (Some("whole"), false));
    assert_eq!(bench.store.find(&intent.record.path).expect("read"), Some(intent.record));
}

#[test]
fn an_output_that_has_its_name_is_only_recorded() {
    let bench = Bench::new();
    for both_names in [false, true] {
        let intent = bench.intend("whole", false);
        let _ = std::fs::remove_file(&intent.record.path);
        if both_names {
            std::fs::hard_link(&intent.part, &intent.record.path).expect("linked");
        } else {
            std::fs::rename(&intent.part, &intent.record.path).expect("renamed");
        }
        assert_eq!(bench.complete(), done(&intent.record.path));
        assert!(bench.store.find(&intent.record.path).expect("read").is_some_and(|record| record.stands()));
    }
}

#[test]
fn a_part_that_is_not_the_one_meant_never_gets_the_name() {
    let bench = Bench::new();
    // Gone; of another size; another file of the same size.
    let intent = bench.intend("whole", false);
    std::fs::remove_file(&intent.part).expect("removed");
    assert_eq!(bench.complete(), DROPPED);
    let intent = bench.intend("whole", false);
    std::fs::write(&intent.part, "who").expect("written");
    assert_eq!(bench.complete(), DROPPED);
    let intent = bench.intend("whole", false);
    let other = bench.path("other");
    std::fs::write(&other, "WHOLE").expect("written");
    std::fs::rename(&other, &intent.part).expect("renamed");
    assert_eq!(bench.complete(), DROPPED);
    let victim = bench.path("victim");
    let intent = bench.intend("whole", false);
    std::fs::rename(&intent.part, &victim).expect("renamed");
    std::os::unix::fs::symlink(&victim, &intent.part).expect("linked");
    assert_eq!(bench.complete(), DROPPED);
    assert_eq!(bench.read("a.mp4"), None);
    assert_eq!(bench.store.find(&bench.path("a.mp4")).expect("read"), None);
}

#[test]
fn a_name_taken_meanwhile_is_replaced_only_where_that_was_meant() {
    let bench = Bench::new();
    std::fs::write(bench.path("a.mp4"), "a stranger's").expect("written");
    let intent = bench.intend("whole", false);
    assert_eq!(bench.complete(), DROPPED);
    assert_eq!((bench.read("a.mp4").as_deref(), intent.part.exists()), (Some("a stranger's"), true));
    let intent = bench.intend("whole", true);
    assert_eq!(bench.complete(), done(&intent.record.path));
    assert_eq!(bench.read("a.mp4").as_deref(), Some("whole"));
}
