use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::domain::text::path_text;
use crate::domain::time::Wall;
use crate::host::files::file_id::{FileId, hash};
use crate::host::fixtures::{quick, sound};
use crate::host::jobstore::InputKey;
use crate::host::store::preset_hash;

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

    fn standing(&self, scan: ScanId, once: Once<'_>) -> Standing {
        match self.queue.borrow().iter().find(|(_, job, with)| job.key == once.input && with == once.preset) {
            None => Standing::New,
            Some((by, ..)) if *by == scan => Standing::Seen,
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

/// The first bytes of Matroska.
const FILM: &[u8] = b"\x1a\x45\xdf\xa3";

/// A file that begins as a film does and holds its own path.
fn touch(path: &Path) -> PathBuf {
    write(path, &[FILM, path.as_os_str().as_bytes()].concat())
}

fn write(path: &Path, bytes: &[u8]) -> PathBuf {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, bytes).expect("written");
    path.to_owned()
}

fn link(to: impl AsRef<Path>, at: &Path) {
    std::fs::create_dir_all(at.parent().expect("a folder")).expect("made");
    std::os::unix::fs::symlink(to, at).expect("linked");
}

fn named(path: &Path) -> Named<'_> {
    Named { path, key: input_key(path), below: Path::new("") }
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
    let scanned = super::scan(ScanOrder { scan, paths, preset, watch: None }, book, noted, &mut hand_over);
    (found, scanned)
}

fn scan_plain(paths: &[PathBuf], out: &Path) -> Found {
    scan_with(paths, &quick(), &mut NameBook::new(out, false), &Noted::default())
}

fn names(found: &[NewJob], below: &Path) -> Vec<String> {
    names_of(found.iter().map(|job| job.input.as_path()), below)
}

fn names_of<'a>(paths: impl Iterator<Item = &'a Path>, below: &Path) -> Vec<String> {
    paths.map(|path| path_text(path.strip_prefix(below).expect("below"))).collect()
}

#[test]
fn folders_are_searched_in_the_order_of_names_for_films_alone_whatever_they_are_called() {
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path();
    for name in ["b.MP4", "a/z.MOD", "a/y.Ts", "noending", ".hidden/x.mp4", ".plimsoll/p.mp4", "._b.mp4", "d/e/f.webm"] {
        touch(&root.join(name));
    }
    for name in ["c.txt", "index.ts", "module.mts", "film.mp4"] {
        write(&root.join("others").join(name), b"export const a = 1; // text\n");
    }
    write(&root.join("song.x"), b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0");
    let odd = touch(&root.join(OsStr::from_bytes(b"caf\xe9.MoV")));
    let mut book = NameBook::new(root.join("out"), false);
    let (found, scanned) = scan_as(ScanId(1), &[root.to_owned()], &quick(), &mut book, &Noted::default());
    assert_eq!(names(&found, root), ["a/y.Ts", "a/z.MOD", "b.MP4", "caf\\xE9.MoV", "d/e/f.webm", "noending", "others/film.mp4"]);
    assert_eq!(found[3].input, odd);
    assert_eq!(found[3].size, Bytes(odd.as_os_str().len() as u64 + 4));
    let note = "passed over: 4 files that are no films (c.txt, index.ts, module.mts, …)".to_owned();
    assert_eq!(
        scanned,
        Scanned { notes: vec![(LogLevel::Info, note)], queued: 7, ..Scanned::default() },
        "told once, and no mistake"
    );
    let (found, _) = scan_with(&[root.to_owned()], &sound(), &mut NameBook::new(root.join("out"), false), &Noted::default());
    assert!(names(&found, root).contains(&"song.x".to_owned()));
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
    let (again, scanned) = scan_as(ScanId(2), std::slice::from_ref(&path), &quick(), &mut book, &noted);
    assert_eq!((again, scanned.known, scanned.refused), (vec![], 1, vec![]));
    let other = scan_with(std::slice::from_ref(&path), &sound(), &mut book, &noted);
    assert_eq!(other.0.len(), 1, "another preset makes another output");
    // Taken off the list, it may be queued again, and gets its name again.
    noted.queue.get_mut().clear();
    assert_eq!(scan_with(&[path], &quick(), &mut book, &noted).0, found);
}

#[test]
fn links_within_folders_are_followed_each_file_counts_once_and_loops_end() {
    let dir = tempfile::tempdir().expect("folder");
    let (inside, outside) = (dir.path().join("in"), touch(&dir.path().join("outside/.annex/o")));
    touch(&inside.join("a.mp4"));
    touch(&inside.join("z/b.mp4"));
    touch(&dir.path().join("other/c.mp4"));
    link("..", &inside.join("z/loop"));
    link("itself", &inside.join("itself"));
    link("a.mp4", &inside.join("again.mp4"));
    link("again.mp4", &inside.join("again-again.mp4"));
    link("z", &inside.join("folder-again"));
    link(&outside, &inside.join("o.mp4"));
    link("../other", &inside.join("more"));
    link("../in", &dir.path().join("other/back"));
    link("nowhere.mp4", &inside.join("broken.mp4"));
    link("/dev/null", &inside.join("device"));
    let mut book = NameBook::new(dir.path().join("results"), false);
    let (found, scanned) = scan_as(ScanId(1), std::slice::from_ref(&inside), &quick(), &mut book, &Noted::default());
    assert_eq!(names(&found, &inside), ["a.mp4", "z/b.mp4", "more/c.mp4", "o.mp4"]);
    assert!(scanned.refused.is_empty(), "{:?}", scanned.refused);
    let notes: Vec<&str> = scanned.notes.iter().map(|(_, text)| text.as_str()).collect();
    let [followed, doubles, broken] = notes[..] else { panic!("{notes:?}") };
    assert!(followed.starts_with("followed 2 links (") && followed.contains("in/more"), "{followed}");
    assert!(doubles.starts_with("passed over: 5 links to what is searched already ("), "{doubles}");
    assert!(broken.starts_with("passed over: 2 broken links that lead nowhere (") && broken.contains("in/broken.mp4"), "{broken}");
    // A link that the operator names is meant.
    let named = dir.path().join("link");
    link(&inside, &named);
    assert_eq!(scan_plain(&[named], &dir.path().join("results")).0.len(), 4);
}

#[test]
fn folders_that_link_to_each_other_in_many_ways_are_searched_once() {
    let dir = tempfile::tempdir().expect("folder");
    for number in 0..40 {
        let folder = dir.path().join(format!("{number}"));
        touch(&folder.join("a.mp4"));
        for way in ["x", "y"] {
            link(format!("../{}", number + 1), &folder.join(way));
        }
    }
    assert_eq!(scan_plain(&[dir.path().join("0")], &dir.path().join("out")).0.len(), 40);
}

#[test]
fn half_downloads_and_folders_of_systems_are_passed_over() {
    let dir = tempfile::tempdir().expect("folder");
    for name in [
        "a.mp4.part",
        "b.mkv.crdownload",
        "c.avi.!qB",
        "d.mp4.part-Frag7",
        "e.mp4",
        "e.mp4.aria2",
        "f.mp4",
        "@eaDir/f.mp4/g.mp4",
        "$RECYCLE.BIN/h.mp4",
        "h.mp4.download/h.mp4",
    ] {
        touch(&dir.path().join(name));
    }
    let mut book = NameBook::new(dir.path().join("out"), false);
    let (found, scanned) = scan_as(ScanId(1), &[dir.path().to_owned()], &quick(), &mut book, &Noted::default());
    assert_eq!(names(&found, dir.path()), ["f.mp4"]);
    assert_eq!(
        scanned.notes,
        [(LogLevel::Info, "passed over: 6 half downloads (a.mp4.part, b.mkv.crdownload, c.avi.!qB, …)".to_owned())]
    );
}

#[test]
fn outputs_of_this_and_of_other_runs_are_not_inputs_unless_they_are_named() {
    let dir = tempfile::tempdir().expect("folder");
    let out = dir.path().join("converted");
    let input = touch(&dir.path().join("a.mp4"));
    for name in ["converted/a.quick.mp4", "sub/plimsoll-out/other.mp4", "sub/.plimsoll/1.1.part"] {
        touch(&dir.path().join(name));
    }
    link("../converted/a.quick.mp4", &dir.path().join("links/latest.mp4"));
    link("../converted", &dir.path().join("links/folder"));
    let (found, _) = scan_plain(&[dir.path().to_owned()], &out);
    assert_eq!(names(&found, dir.path()), ["a.mp4"]);
    let (found, _) = scan_plain(&[out.join("a.quick.mp4")], &out);
    assert_eq!(found.len(), 1, "named on purpose");
    // Beside the inputs the record tells them apart, as long as nobody has put something else there.
    let beside = touch(&dir.path().join("b/a.quick.mp4"));
    let mut noted = Noted::default();
    noted.note(&beside, &input, &quick());
    let scanned = |noted: &Noted| {
        let mut book = NameBook::new(dir.path().join("b"), false);
        scan_as(ScanId(1), &[dir.path().join("b")], &quick(), &mut book, noted)
    };
    let (found, told) = scanned(&noted);
    assert!(found.is_empty(), "{found:?}");
    assert!(told.notes[0].1.starts_with("passed over: 1 file that plimsoll made (a.quick.mp4)"), "{:?}", told.notes);
    std::fs::write(&beside, [FILM, b"somebody's film of another size"].concat()).expect("written");
    assert_eq!(scanned(&noted).0.len(), 1);
}

#[test]
fn outputs_keep_the_folders_of_their_inputs_unless_they_are_to_be_flat() {
    let dir = tempfile::tempdir().expect("folder");
    for name in ["s1/e01.mp4", "s1/e01.mkv", "s2/x/e01.mp4", "e01.mp4"] {
        touch(&dir.path().join("series").join(name));
    }
    touch(&dir.path().join("other/s1/e01.mp4"));
    let given = touch(&dir.path().join("single/e01.mp4"));
    let out = dir.path().join("out");
    let outputs = |is_flat| {
        let paths = [dir.path().join("series"), dir.path().join("other"), given.clone()];
        let (found, _) = scan_with(&paths, &quick(), &mut NameBook::new(&out, false).flat(is_flat), &Noted::default());
        names_of(found.iter().map(|job| job.output.as_path()), &out)
    };
    let shaped =
        ["e01.quick.mp4", "s1/e01.quick.mp4", "s1/e01-2.quick.mp4", "s2/x/e01.quick.mp4", "s1/e01-3.quick.mp4", "e01-2.quick.mp4"];
    assert_eq!(outputs(false), shaped);
    let flat = ["", "-2", "-3", "-4", "-5", "-6"].map(|number| format!("e01{number}.quick.mp4"));
    assert_eq!(outputs(true), flat);
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
    let order = ScanOrder { scan: ScanId(1), paths: &paths, preset: &quick(), watch: None };
    let mut count = |batch: Vec<NewJob>| {
        groups.push(batch.len());
        Ok(())
    };
    assert_eq!(scan(order, &mut book, &Noted::default(), &mut count), Scanned { queued: 600, ..Scanned::default() });
    assert_eq!(groups, [256, 256, 88]);
    let mut refuse = |_| Err("full".to_owned());
    let scanned = scan(order, &mut book, &Noted::default(), &mut refuse);
    let refused: Vec<&Path> = scanned.refused.iter().map(|(path, _)| path.as_path()).collect();
    assert_eq!(refused, [dir.path()], "a queue that takes nothing ends the scan");
}

#[test]
fn what_an_earlier_run_has_queued_is_counted_and_not_named_as_a_mistake() {
    let dir = tempfile::tempdir().expect("folder");
    let paths = ["a.mp4", "b.mp4"].map(|name| touch(&dir.path().join(name)));
    let (mut book, noted) = (NameBook::new(dir.path().join("out"), false), Noted::default());
    scan_as(ScanId(0), &paths[..1], &quick(), &mut book, &noted);
    let (found, scanned) = scan_as(ScanId(1), &paths, &quick(), &mut book, &noted);
    assert_eq!(names(&found, dir.path()), ["b.mp4"]);
    assert_eq!(scanned, Scanned { known: 1, queued: 1, ..Scanned::default() });
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
    let name = |overwrite| NameBook::new(&out, overwrite).name(&named(&input), &quick(), &Noted::default());
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
    let name = |noted: &Noted, preset: &Preset| NameBook::new(&out, false).name(&named(&input), preset, noted);
    assert_eq!(name(&noted, &quick()), output);
    // Touched: another time, the same bytes.
    let bytes = std::fs::read(&input).expect("read");
    std::fs::write(&input, &bytes).expect("written");
    assert_eq!(name(&noted, &quick()), output);
    // The preset means something else now.
    assert_eq!(name(&noted, &Preset { threads: 2, ..quick() }), out.join("a-2.quick.mp4"));
    // A file that was still being copied then: what is made of the whole takes that place.
    std::fs::write(&input, [bytes.clone(), vec![b'x'; 9]].concat()).expect("written");
    assert_eq!(name(&noted, &quick()), output);
    // The same number of other bytes: another film.
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
fn what_is_done_keeps_its_name_when_another_film_of_its_stem_joins_before_it() {
    let dir = tempfile::tempdir().expect("folder");
    let (films, out) = (dir.path().join("films"), dir.path().join("out"));
    let first = touch(&films.join("a.mov"));
    let preset = quick();
    std::fs::create_dir(&out).expect("made");
    let made = out.join("a.quick.mp4");
    std::fs::write(&made, "made of a.mov").expect("written");
    let mut noted = Noted::default();
    noted.note(&made, &first, &preset);
    touch(&films.join("a.mkv"));
    // Its name comes first in the folder, with and without leave to replace what is there.
    for overwrite in [false, true] {
        let mut book = NameBook::new(&out, overwrite);
        let (found, _) = scan_as(ScanId(7), std::slice::from_ref(&films), &preset, &mut book, &noted);
        let given: Vec<(String, String)> = found
            .iter()
            .map(|job| {
                (
                    path_text(job.input.strip_prefix(&films).expect("below")),
                    path_text(job.output.strip_prefix(&out).expect("below")),
                )
            })
            .collect();
        let expected =
            [("a.mkv", "a-2.quick.mp4"), ("a.mov", "a.quick.mp4")].map(|(input, output)| (input.to_owned(), output.to_owned()));
        assert_eq!(given, expected, "overwrite: {overwrite}");
        noted.queue.borrow_mut().clear();
    }
}

#[test]
fn two_long_stems_with_one_beginning_get_two_names() {
    let dir = tempfile::tempdir().expect("folder");
    let paths = ["a", "b"].map(|end| touch(&dir.path().join(format!("{}{end}.mp4", "x".repeat(250)))));
    let (found, _) = scan_plain(&paths, Path::new("/out"));
    assert_ne!(found[0].output, found[1].output);
}

#[test]
fn what_was_made_in_a_folder_that_somebody_else_asked_for_is_no_input() {
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path().canonicalize().expect("there");
    let film = touch(&root.join("films/a.mp4"));
    let made = touch(&root.join("films/theirs/a.quick.mp4"));
    let own = touch(&root.join("films/theirs/holiday.mp4"));
    // Their console went through a link, and so the record does.
    link(root.join("films/theirs"), &root.join("link"));
    let mut noted = Noted::default();
    noted.note(&root.join("link/a.quick.mp4"), &film, &quick());
    let mut book = NameBook::new(root.join("out"), false);
    book.know([root.join("link")]);
    let (found, scanned) = scan_as(ScanId(1), &[root.join("films")], &quick(), &mut book, &noted);
    assert_eq!(
        found.iter().map(|job| &job.input).collect::<Vec<_>>(),
        [&film, &own],
        "a film in such a folder is one all the same"
    );
    assert!(scanned.notes[0].1.contains("1 file that plimsoll made"), "{:?} {made:?}", scanned.notes);
}

#[test]
fn files_of_a_watched_folder_are_judged_as_if_it_were_searched_and_each_is_settled_once() {
    let dir = tempfile::tempdir().expect("folder");
    let root = dir.path();
    let film = touch(&root.join("sub/film.mp4"));
    let text = root.join("notes.txt");
    std::fs::write(&text, "x").expect("written");
    let paths =
        [film.clone(), text.clone(), touch(&root.join(".hidden/a.mp4")), touch(&root.join("out/a.mp4")), root.join("gone.mp4")];
    let out = root.join("out");
    let take = WatchTake { watch: 1, folder: root.to_owned(), out: out.clone(), delete_input: DeleteInput::AfterDone };
    let preset = quick();
    let order = ScanOrder { scan: ScanId(1), paths: &paths, preset: &preset, watch: Some(&take) };
    let mut jobs = Vec::new();
    let mut keep = |batch: Vec<NewJob>| {
        jobs.extend(batch);
        Ok(())
    };
    let scanned = scan(order, &mut NameBook::new(&out, false), &Noted::default(), &mut keep);
    let key = |path: &Path| TakenKey::of(path, &Looks::of(path).expect("there"), &preset.name, &out);
    assert_eq!(
        jobs.iter().map(|job| (&job.input, job.taken)).collect::<Vec<_>>(),
        [(&film, Some(Taken { key: key(&film), delete_input: true }))]
    );
    assert!(jobs[0].output.starts_with(out.join("sub")), "in the shape of the folder: {:?}", jobs[0].output);
    // What is no film is not looked at again; what is gone may come back.
    let settled: Vec<TakenKey> = scanned.settled.iter().map(|taken| taken.key).collect();
    assert_eq!((scanned.queued, settled), (1, [&text, &paths[2], &paths[3]].map(|path| key(path)).to_vec()));
    assert_eq!(scanned.refused, []);
}

#[test]
fn where_the_queue_takes_no_more_the_given_path_is_told_with_where_it_stopped_and_what_to_do() {
    let dir = tempfile::tempdir().expect("folder");
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    for number in 0..300 {
        touch(&first.join(format!("{number:03}.mp4")));
    }
    touch(&second.join("film.mp4"));
    let mut batches = 0;
    let mut hand_over = |_: Vec<NewJob>| {
        batches += 1;
        if batches == 1 { Ok(()) } else { Err("the disk is full".to_owned()) }
    };
    let (mut book, noted) = (NameBook::new(dir.path().join("out"), false), Noted::default());
    let paths = [first.clone(), second];
    let order = ScanOrder { scan: ScanId(1), paths: &paths, preset: &quick(), watch: None };
    let scanned = super::scan(order, &mut book, &noted, &mut hand_over);
    assert_eq!((scanned.queued, scanned.is_broken), (256, true));
    let words = format!(
        "the disk is full; the rest of it was not looked at from {} on, nor was the path given after it; \
         add it again, what is queued is not queued twice",
        path_text(&first.join("256.mp4"))
    );
    assert_eq!(scanned.refused, [(first, words)]);
}
