use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::domain::time::Wall;
use crate::host::fileid::{FileId, hash};
use crate::host::fixtures::{quick, sound};
use crate::host::store::OutputRecord;

/// A record and a queue in memory.
#[derive(Default)]
struct Noted {
    outputs: Vec<OutputRecord>,
    queue: RefCell<Vec<(ScanId, NewJob, String)>>,
}

impl Records for Noted {
    fn lookup(&self, path: &Path) -> Option<OutputRecord> {
        self.outputs.iter().find(|record| record.path == path).cloned()
    }

    fn standing(&self, scan: ScanId, key: &InputKey, preset: &str) -> Standing {
        match self.queue.borrow().iter().find(|(_, job, with)| job.key == *key && with == preset) {
            None => Standing::New,
            Some((by, ..)) if *by == scan => Standing::Seen,
            Some((ScanId(0), ..)) => Standing::FromEarlier,
            Some(_) => Standing::Queued,
        }
    }

    fn is_taken(&self, output: &Path, _: &InputKey, _: &str) -> bool {
        self.queue.borrow().iter().any(|(_, job, _)| job.output == output)
    }

    fn is_input(&self, key: &InputKey) -> bool {
        self.queue.borrow().iter().any(|(_, job, _)| job.key == *key)
    }
}

impl Noted {
    fn note(&mut self, output: &Path, input: &Path, preset: &Preset) {
        let made = FileId::of(output).expect("stat");
        self.outputs.push(OutputRecord {
            path: output.to_owned(),
            input: input.to_owned(),
            input_id: FileId::of(input).expect("stat"),
            input_hash: hash(input).expect("read"),
            preset: preset.name.clone(),
            preset_hash: preset_hash(preset),
            size: made.size,
            ino: made.ino,
            made_at: Wall(0),
        });
    }
}

fn touch(path: &Path) -> PathBuf {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, path.as_os_str().as_bytes()).expect("written");
    path.to_owned()
}

type Found = (Vec<NewJob>, Vec<(PathBuf, String)>);

fn scan_with(paths: &[PathBuf], preset: &Preset, book: &mut NameBook, noted: &Noted) -> Found {
    let number = ScanId(noted.queue.borrow().last().map_or(0, |(scan, ..)| scan.0) + 1);
    let (found, scanned) = scan_as(number, paths, preset, book, noted);
    (found, scanned.refused)
}

fn scan_as(scan: ScanId, paths: &[PathBuf], preset: &Preset, book: &mut NameBook, noted: &Noted) -> (Vec<NewJob>, Scanned) {
    let mut found = Vec::new();
    let mut hand_over = |batch: Vec<NewJob>| {
        noted.queue.borrow_mut().extend(batch.iter().map(|job| (scan, job.clone(), preset.name.clone())));
        found.extend(batch);
        Ok(())
    };
    let scanned = super::scan(ScanOrder { scan, paths, preset }, book, noted, &mut hand_over);
    (found, scanned)
}

fn scan_plain(paths: &[PathBuf], out: &Path) -> Found {
    scan_with(paths, &quick(), &mut NameBook::new(out, false), &Noted::default())
}

fn names(found: &[NewJob], below: &Path) -> Vec<String> {
    found.iter().map(|input| path_text(input.input.strip_prefix(below).expect("below"))).collect()
}

#[test]
fn folders_are_searched_in_the_order_of_names_for_media_alone() {
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path();
    for name in [
        "b.MP4",
        "a/z.mkv",
        "a/y.Ts",
        "c.txt",
        "song.mp3",
        "noextension",
        ".hidden/x.mp4",
        ".plimsoll/p.mp4",
        "._b.mp4",
        "d/e/f.webm",
    ] {
        touch(&root.join(name));
    }
    let odd = root.join(OsStr::from_bytes(b"caf\xe9.MoV"));
    touch(&odd);
    let (found, refused) = scan_plain(&[root.to_owned()], &root.join("out"));
    assert_eq!(names(&found, root), ["a/y.Ts", "a/z.mkv", "b.MP4", "caf\\xE9.MoV", "d/e/f.webm"]);
    assert_eq!(found[3].input, odd);
    assert_eq!(found[3].size, Bytes(odd.as_os_str().len() as u64));
    assert!(refused.is_empty());
    let (found, _) = scan_with(&[root.to_owned()], &sound(), &mut NameBook::new(root.join("out"), false), &Noted::default());
    assert!(names(&found, root).contains(&"song.mp3".to_owned()));
}

#[test]
fn a_file_that_is_named_is_taken_whatever_its_name() {
    let dir = tempfile::tempdir().expect("folder");
    let paths = ["x.txt", ".hidden", "plain"].map(|name| touch(&dir.path().join(name)));
    let (found, _) = scan_plain(&paths, &dir.path().join("out"));
    assert_eq!(found.iter().map(|input| input.input.clone()).collect::<Vec<_>>(), paths);
}

#[test]
fn the_same_file_counts_once_however_it_is_reached() {
    let dir = tempfile::tempdir().expect("folder");
    let path = touch(&dir.path().join("a.mp4"));
    let link = dir.path().join("link.mp4");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let paths = [path.clone(), dir.path().join(".").join("a.mp4"), link, dir.path().to_owned(), path.clone()];
    let mut book = NameBook::new(dir.path().join("out"), false);
    let mut noted = Noted::default();
    let (found, refused) = scan_with(&paths, &quick(), &mut book, &noted);
    assert_eq!((found.len(), refused.len()), (1, 0), "{found:?}");
    let again = scan_with(std::slice::from_ref(&path), &quick(), &mut book, &noted);
    assert_eq!(again, (vec![], vec![(path.clone(), "it is in the queue already".to_owned())]));
    let other = scan_with(std::slice::from_ref(&path), &sound(), &mut book, &noted);
    assert_eq!(other.0.len(), 1, "another preset makes another output");
    // Taken off the list, it may be queued again, and gets its name again.
    noted.queue.get_mut().clear();
    assert_eq!(scan_with(&[path], &quick(), &mut book, &noted).0, found);
}

#[test]
fn links_within_folders_are_not_followed_so_that_loops_end() {
    let dir = tempfile::tempdir().expect("folder");
    let (inside, outside) = (dir.path().join("in"), touch(&dir.path().join("outside/o.mp4")));
    touch(&inside.join("a.mp4"));
    std::os::unix::fs::symlink(&inside, inside.join("loop")).expect("linked");
    std::os::unix::fs::symlink(&outside, inside.join("o.mp4")).expect("linked");
    std::os::unix::fs::symlink(outside.parent().expect("folder"), inside.join("out")).expect("linked");
    let (found, refused) = scan_plain(std::slice::from_ref(&inside), &dir.path().join("results"));
    assert_eq!(names(&found, &inside), ["a.mp4"]);
    assert!(refused.is_empty(), "{refused:?}");
    // A link that the operator names is meant.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&inside, &link).expect("linked");
    assert_eq!(scan_plain(&[link], &dir.path().join("results")).0.len(), 1);
}

#[test]
fn the_outputs_of_the_run_are_not_its_inputs() {
    let dir = tempfile::tempdir().expect("folder");
    let out = dir.path().join("plimsoll-out");
    touch(&out.join("a.quick.mp4"));
    touch(&dir.path().join("a.mp4"));
    touch(&dir.path().join("sub/plimsoll-out/other.mp4"));
    let (found, _) = scan_plain(&[dir.path().to_owned()], &out);
    assert_eq!(names(&found, dir.path()), ["a.mp4", "sub/plimsoll-out/other.mp4"]);
}

#[test]
fn what_cannot_be_taken_is_named_with_the_reason() {
    let dir = tempfile::tempdir().expect("folder");
    let missing = dir.path().join("missing.mp4");
    let (found, refused) = scan_plain(std::slice::from_ref(&missing), dir.path());
    assert!(found.is_empty());
    assert_eq!(refused, [(missing, "no such file or directory".to_owned())]);
    let closed = dir.path().join("closed");
    touch(&closed.join("a.mp4"));
    touch(&dir.path().join("b.mp4"));
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).expect("closed");
    let (found, refused) = scan_plain(&[dir.path().to_owned()], &dir.path().join("out"));
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).expect("opened");
    // Root may read everything.
    if rustix::process::geteuid().is_root() {
        assert_eq!((found.len(), refused.len()), (2, 0));
    } else {
        assert_eq!(refused, [(closed, "permission denied".to_owned())]);
    }
}

#[test]
fn many_inputs_come_in_groups_of_256() {
    let dir = tempfile::tempdir().expect("folder");
    for number in 0..600 {
        touch(&dir.path().join(format!("{number:03}.mp4")));
    }
    let mut groups = Vec::new();
    let mut book = NameBook::new(dir.path().join("out"), false);
    let paths = [dir.path().to_owned()];
    let order = ScanOrder { scan: ScanId(1), paths: &paths, preset: &quick() };
    let mut count = |batch: Vec<NewJob>| {
        groups.push(batch.len());
        Ok(())
    };
    assert_eq!(scan(order, &mut book, &Noted::default(), &mut count), Scanned::default());
    assert_eq!(groups, [256, 256, 88]);
    let mut refuse = |_| Err("full".to_owned());
    let scanned = scan(order, &mut book, &Noted::default(), &mut refuse);
    assert_eq!(scanned.refused, [(dir.path().join("000.mp4"), "full".to_owned())], "a queue that takes nothing ends the scan");
}

#[test]
fn what_an_earlier_run_has_queued_is_counted_and_not_named_as_a_mistake() {
    let dir = tempfile::tempdir().expect("folder");
    let paths = ["a.mp4", "b.mp4"].map(|name| touch(&dir.path().join(name)));
    let (mut book, noted) = (NameBook::new(dir.path().join("out"), false), Noted::default());
    scan_as(ScanId(0), &paths[..1], &quick(), &mut book, &noted);
    let (found, scanned) = scan_as(ScanId(1), &paths, &quick(), &mut book, &noted);
    assert_eq!(names(&found, dir.path()), ["b.mp4"]);
    assert_eq!(scanned, Scanned { refused: Vec::new(), known: 1 });
}

#[test]
fn inputs_of_one_stem_get_numbered_outputs() {
    let dir = tempfile::tempdir().expect("folder");
    let paths = ["1/a.mp4", "2/a.mp4", "3/a.mkv"].map(|name| touch(&dir.path().join(name)));
    let (found, _) = scan_plain(&paths, Path::new("/out"));
    let outputs: Vec<_> = found.iter().map(|input| path_text(&input.output)).collect();
    assert_eq!(outputs, ["/out/a.quick.mp4", "/out/a-2.quick.mp4", "/out/a-3.quick.mp4"]);
}

#[test]
fn a_strangers_file_is_never_taken_unless_it_may_be_overwritten() {
    let dir = tempfile::tempdir().expect("folder");
    let input = touch(&dir.path().join("a.mp4"));
    let out = dir.path().join("out");
    touch(&out.join("a.quick.mp4"));
    std::fs::create_dir_all(out.join("a-2.quick.mp4")).expect("made");
    std::os::unix::fs::symlink("/nowhere", out.join("a-3.quick.mp4")).expect("linked");
    let name = |overwrite| NameBook::new(&out, overwrite).name(&input, input_key(&input), &quick(), &Noted::default());
    assert_eq!(name(false), out.join("a-4.quick.mp4"));
    assert_eq!(name(true), out.join("a.quick.mp4"));
}

#[test]
fn even_with_overwrite_no_input_is_an_output() {
    let dir = tempfile::tempdir().expect("folder");
    let paths = ["a.quick.mp4", "a.mp4"].map(|name| touch(&dir.path().join(name)));
    let (found, _) = scan_with(&paths, &quick(), &mut NameBook::new(dir.path(), true), &Noted::default());
    assert_eq!(found[0].output, dir.path().join("a.quick.quick.mp4"));
    assert_eq!(found[1].output, dir.path().join("a-2.quick.mp4"));
}

#[test]
fn an_output_made_of_these_bytes_keeps_its_name_and_changed_bytes_get_the_next() {
    let dir = tempfile::tempdir().expect("folder");
    let (input, out) = (touch(&dir.path().join("a.mp4")), dir.path().join("out"));
    let output = touch(&out.join("a.quick.mp4"));
    let mut noted = Noted::default();
    noted.note(&output, &input, &quick());
    let name = |noted: &Noted, preset: &Preset| NameBook::new(&out, false).name(&input, input_key(&input), preset, noted);
    assert_eq!(name(&noted, &quick()), output);
    // Touched: another time, the same bytes.
    let bytes = std::fs::read(&input).expect("read");
    std::fs::write(&input, &bytes).expect("written");
    assert_eq!(name(&noted, &quick()), output);
    // The preset means something else now.
    assert_eq!(name(&noted, &Preset { threads: 2, ..quick() }), out.join("a-2.quick.mp4"));
    // The same number of other bytes.
    std::fs::write(&input, vec![b'x'; bytes.len()]).expect("written");
    let second = out.join("a-2.quick.mp4");
    assert_eq!(name(&noted, &quick()), second);
    // Once that is made, it is found again, and not a third one made.
    touch(&second);
    noted.note(&second, &input, &quick());
    assert_eq!(name(&noted, &quick()), second);
    // Somebody put another file in its place.
    std::fs::write(&second, "another length").expect("written");
    assert_eq!(name(&noted, &quick()), out.join("a-3.quick.mp4"));
}

#[test]
fn odd_stems_stay_as_they_are_and_long_ones_are_cut_to_fit() {
    let preset = quick();
    for (stem, kept) in [(&b"new\nline \xff"[..], &b"new\nline \xff"[..]), (b"a.b", b"a.b"), (b"-y", b"-y")] {
        let input = Path::new("/in").join(OsString::from_vec([stem, b".mp4"].concat()));
        let expected = [b"/out/", kept, b".quick.mp4"].concat();
        assert_eq!(output_path(Path::new("/out"), &input, &preset, 1).as_os_str().as_bytes(), expected);
    }
    for stem in ["x".repeat(251), "é".repeat(125), "🎬".repeat(62), format!("x{}", "🎬".repeat(62))] {
        for number in [1, 2, 99_999] {
            let output = output_path(Path::new("/out"), &Path::new("/in").join(format!("{stem}.mp4")), &preset, number);
            let name = output.file_name().expect("a name").to_str().expect("no character was cut in two");
            assert!(name.len() <= NAME_MAX && name.len() > NAME_MAX - 12, "{} bytes", name.len());
            assert!(name.ends_with(".quick.mp4"));
        }
    }
    // Bytes that are no characters are cut too.
    let input = Path::new("/in").join(OsString::from_vec(vec![0x80; 255]));
    assert!(output_path(Path::new("/out"), &input, &preset, 1).file_name().expect("a name").len() <= NAME_MAX);
}

#[test]
fn two_long_stems_with_one_beginning_get_two_names() {
    let dir = tempfile::tempdir().expect("folder");
    let paths = ["a", "b"].map(|end| touch(&dir.path().join(format!("{}{end}.mp4", "x".repeat(250)))));
    let (found, _) = scan_plain(&paths, Path::new("/out"));
    assert_ne!(found[0].output, found[1].output);
}
