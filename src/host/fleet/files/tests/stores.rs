//! What a store keeps and tells, the same over a bucket and over a folder.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;

use super::super::error::FilesError;
use super::super::{Files, ObjectAddress, Publish, Settings};
use super::*;

const AWKWARD: [&str; 6] =
    ["out/7-1/a b.mp4", "out/ü 日本.mp4", "out/100% %20.mp4", "out/clip#1", "out/what? & +.mkv", "out/[a]{b}'c;d=e,f@g:h"];

async fn goes_round(files: &Files) {
    let scratch = tempfile::tempdir().expect("a folder");
    let some = [(0, "empty"), (1, "one"), (20 * 1024 * 1024 + 3, "large")];
    let names = AWKWARD.map(|name| (1000, name));
    for (index, (size, key)) in some.into_iter().chain(names).enumerate() {
        let bytes = bytes(size);
        let from = written(scratch.path(), "from", &bytes);
        let mut told = 0;
        let mut on_bytes = |sent| {
            assert!(sent >= told, "the count only grows");
            told = sent;
            ControlFlow::Continue(())
        };
        let stored = files.store(&from, key, &mut on_bytes).await.expect(key);
        assert_eq!((told, stored.size, stored.blake3), (size as u64, size as u64, blake3::hash(&bytes)), "{key}");
        let object = ObjectAddress::parse(key).expect("an address");
        assert_eq!(files.look(&object).await.expect(key).size, size as u64);
        let into = scratch.path().join(format!("into {index}"));
        let fetched = files.fetch(&object, None, &into, &mut on).await.expect(key);
        assert_eq!((fetched.size, fetched.blake3), (size as u64, stored.blake3), "{key}");
        assert!(std::fs::read(&into).expect("fetched") == bytes, "{key} is the same byte for byte");
        assert_eq!(std::fs::metadata(&into).expect("fetched").permissions().mode() & 0o777, 0o600);
        files.fetch(&object, fetched.etag.as_deref(), &scratch.path().join(format!("again {index}")), &mut on).await.expect(key);
    }
    let mut wanted: Vec<String> = AWKWARD.map(str::to_owned).into();
    wanted.sort();
    assert_eq!(keys(files, "out").await.0, wanted, "names come back as they are");
    assert_eq!(keys(files, "out/").await.0, wanted);
    for key in AWKWARD {
        files.remove(key).await.expect(key);
        files.remove(key).await.expect("nothing to remove is no error");
        let gone = files.look(&ObjectAddress::parse(key).expect("an address")).await;
        assert!(matches!(gone, Err(FilesError::NotFound { .. })), "{gone:?}");
    }
    assert_eq!(keys(files, "").await.0, ["empty", "large", "one"]);
}

#[tokio::test]
async fn what_is_stored_in_a_bucket_comes_back_whatever_its_size_and_name() {
    let server = Server::start();
    goes_round(&files_of(&server, quick())).await;
    assert_eq!(server.parts(), 0);
}

#[tokio::test]
async fn what_is_stored_in_a_folder_comes_back_whatever_its_size_and_name() {
    let root = tempfile::tempdir().expect("a folder");
    goes_round(&folder_store(&root.path().join("made/when missing")).await).await;
}

async fn tells_changes(files: &Files) {
    let scratch = tempfile::tempdir().expect("a folder");
    let object = ObjectAddress::parse("in/film.mp4").expect("an address");
    let into = scratch.path().join("into");
    files.store(&written(scratch.path(), "from", b"first"), "in/film.mp4", &mut on).await.expect("stored");
    let first = files.fetch(&object, None, &into, &mut on).await.expect("fetched");
    let taken = files.fetch(&object, None, &into, &mut on).await;
    assert!(matches!(taken, Err(FilesError::Disk { .. })), "a file that is there is not written over: {taken:?}");
    assert_eq!(std::fs::read(&into).expect("kept"), b"first");
    files.store(&written(scratch.path(), "from", b"second"), "in/film.mp4", &mut on).await.expect("stored");
    let other = scratch.path().join("other");
    let changed = files.fetch(&object, first.etag.as_deref(), &other, &mut on).await;
    assert!(matches!(changed, Err(FilesError::Changed { .. })), "{changed:?}");
    assert!(!other.exists(), "nothing is left of a fetch that failed");
    let stopped = files.fetch(&object, None, &other, &mut |_| ControlFlow::Break(())).await;
    assert!(matches!(stopped, Err(FilesError::Stopped { .. })), "{stopped:?}");
    assert!(!other.exists());
}

#[tokio::test]
async fn another_version_than_the_wanted_one_is_not_fetched() {
    tells_changes(&files_of(&Server::start(), quick())).await;
    let root = tempfile::tempdir().expect("a folder");
    tells_changes(&folder_store(root.path()).await).await;
}

async fn publishes(files: &Files) {
    let scratch = tempfile::tempdir().expect("a folder");
    let read = async |key: &str| {
        let into = scratch.path().join("into");
        files.fetch(&ObjectAddress::parse(key).expect("an address"), None, &into, &mut on).await.expect(key);
        let bytes = std::fs::read(&into).expect("fetched");
        std::fs::remove_file(&into).expect("removed");
        bytes
    };
    for (key, text) in [("out/1-1/a", "one"), ("out/2-2/a", "two")] {
        files.store(&written(scratch.path(), "from", text.as_bytes()), key, &mut on).await.expect("stored");
    }
    files.publish("out/1-1/a", "done/a b#1", Publish::IfAbsent).await.expect("published");
    let second = files.publish("out/2-2/a", "done/a b#1", Publish::IfAbsent).await;
    assert!(matches!(second, Err(FilesError::Taken { .. })), "{second:?}");
    assert_eq!(read("done/a b#1").await, b"one");
    files.publish("out/2-2/a", "done/a b#1", Publish::Reserved).await.expect("published");
    files.publish("out/2-2/a", "done/a b#1", Publish::Reserved).await.expect("published once more");
    files.remove("out/2-2/a").await.expect("removed");
    assert_eq!(read("done/a b#1").await, b"two");
    let missing = files.publish("out/3-3/a", "done/b", Publish::Reserved).await;
    assert!(matches!(missing, Err(FilesError::NotFound { .. })), "{missing:?}");
    assert_eq!(keys(files, "").await.0, ["done/a b#1", "out/1-1/a"]);
}

#[tokio::test]
async fn a_wished_name_is_taken_once_in_an_honest_bucket_and_in_a_folder() {
    let server = Server::start();
    server.manners.honest.store(true, Ordering::SeqCst);
    publishes(&files_of(&server, quick())).await;
    let root = tempfile::tempdir().expect("a folder");
    publishes(&folder_store(root.path()).await).await;
    assert_eq!(std::fs::read_dir(root.path().join(".plimsoll")).expect("a work folder").count(), 0, "no part is left");
}

#[tokio::test]
async fn a_name_that_the_store_cannot_copy_to_on_a_condition_is_taken_only_where_nothing_stands() {
    let server = Server::start();
    let files = files_of(&server, quick());
    let (large, foreign) = (server.file("a fleet/out/1-1/a"), server.file("a fleet/films/a"));
    for path in [&large, &foreign] {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    }
    // More than a store copies by itself; it is not read.
    std::fs::File::create(&large).and_then(|file| file.set_len(5 * 1024 * 1024 * 1024 + 1)).expect("made");
    std::fs::write(&foreign, "somebody else's").expect("written");
    let published = files.publish_new("out/1-1/a", "films/a").await;
    assert!(matches!(published, Err(FilesError::Taken { .. })), "{published:?}");
    assert_eq!(std::fs::read(&foreign).expect("there"), b"somebody else's");
    // Where nothing stands it is copied as ever.
    files.store(&written(server.file("").as_path(), "from", b"film"), "out/2-2/a", &mut on).await.expect("stored");
    server.manners.no_conditional_copies.store(true, Ordering::SeqCst);
    let refused = files.publish("out/2-2/a", "films/b", Publish::IfAbsent).await;
    assert!(matches!(refused, Err(FilesError::Unsupported { .. })), "{refused:?}");
    files.publish_new("out/2-2/a", "films/b").await.expect("published");
    assert_eq!(std::fs::read(server.file("a fleet/films/b")).expect("there"), b"film");
    let taken = files.publish_new("out/2-2/a", "films/a").await;
    assert!(matches!(taken, Err(FilesError::Taken { .. })), "{taken:?}");
}

#[tokio::test]
async fn a_store_that_lets_several_win_is_found_out() {
    let server = Server::start();
    let files = files_of(&server, quick());
    let lying = files.conditional_writes_hold().await.expect("a trial");
    assert!(!lying.holds() && lying.put_winners > 1 && lying.copy_winners > 1, "{lying:?}");
    server.manners.honest.store(true, Ordering::SeqCst);
    let honest = files.conditional_writes_hold().await.expect("a trial");
    assert!(honest.holds(), "{honest:?}");
    assert!(!server.file("a fleet/.plimsoll").read_dir().is_ok_and(|mut left| left.next().is_some()), "its objects are removed");
    let root = tempfile::tempdir().expect("a folder");
    let folder = folder_store(root.path()).await.conditional_writes_hold().await.expect("a trial");
    assert!(folder.holds(), "{folder:?}");
}

#[tokio::test]
async fn an_input_may_lie_in_another_bucket() {
    let server = Server::start();
    let films = server.file("");
    std::fs::create_dir_all(films.join("../uploads/u 1")).expect("a bucket");
    written(&films.join("../uploads/u 1"), "ü.mov", b"film");
    let scratch = tempfile::tempdir().expect("a folder");
    let files = files_of(&server, quick());
    let object = ObjectAddress::parse("s3://uploads/u 1/ü.mov").expect("an address");
    let fetched = files.fetch(&object, None, &scratch.path().join("into"), &mut on).await.expect("fetched");
    assert_eq!(fetched.blake3, blake3::hash(b"film"));
    let foreign = files.look(&ObjectAddress::parse("gs://uploads/u").expect("an address")).await;
    assert!(matches!(foreign, Err(FilesError::Refused { .. })), "{foreign:?}");
}

#[tokio::test]
async fn a_wrong_secret_is_the_fault_of_the_configuration_and_says_which_variable() {
    let server = Server::start();
    let files = files_at(server.at, "wrong secret", quick());
    for error in [
        files.look(&ObjectAddress::parse("x").expect("an address")).await.expect_err("refused"),
        files.store(&written(server.file("").as_path(), "from", b"x"), "x", &mut on).await.expect_err("refused"),
        files.list("").expect("a listing").next_page().await.expect_err("refused"),
    ] {
        assert!(matches!(error, FilesError::Denied { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("AWS_SECRET_ACCESS_KEY") && text.contains("s3://films/a fleet"), "{text}");
        assert!(!text.contains("wrong secret") && !format!("{error:?}{files:?}").contains("wrong secret"));
    }
}

#[test]
fn a_server_without_encryption_has_to_be_wished_for() {
    let settings = |endpoint: &str| Settings::from([("AWS_ENDPOINT_URL".to_owned(), endpoint.to_owned())]);
    for (endpoint, word) in
        [("http://store:9000", "AWS_ALLOW_HTTP"), ("https://me:hunter2@store", "AWS_SECRET_ACCESS_KEY"), ("store:9000", "https://")]
    {
        let error = Files::open_with("s3://films", settings(endpoint), quick()).expect_err(endpoint).to_string();
        assert!(error.contains(word) && !error.contains("hunter2"), "{error}");
    }
    Files::open_with("s3://films", settings("https://store:9000"), quick()).expect("a store");
    for (address, name, allows) in
        [("az://films", "AZURE_STORAGE_ENDPOINT", "AZURE_ALLOW_HTTP"), ("gs://films", "GOOGLE_BASE_URL", "GOOGLE_ALLOW_HTTP")]
    {
        let mut settings = Settings::from([(name.to_owned(), "http://store:9000".to_owned())]);
        settings.insert("AZURE_STORAGE_ACCOUNT_NAME".to_owned(), "films".to_owned());
        let error = Files::open_with(address, settings.clone(), quick()).expect_err(address).to_string();
        assert!(error.contains(&format!("set {allows}=true")), "{error}");
        settings.insert(allows.to_owned(), "true".to_owned());
        Files::open_with(address, settings, quick()).expect("a store");
    }
}

#[tokio::test]
async fn more_than_a_thousand_objects_come_in_pages_each_once() {
    let root = tempfile::tempdir().expect("a folder");
    let server = Server::start();
    for (base, count) in [(root.path().to_owned(), 2500), (server.file("a fleet"), 1050)] {
        for index in 0..count {
            let folder = base.join(format!("out/{}", index % 7));
            std::fs::create_dir_all(&folder).expect("a folder");
            written(&folder, &format!("{index}.mp4"), b"");
        }
    }
    let wanted = |count: usize| {
        let mut keys: Vec<String> = (0..count).map(|index| format!("out/{}/{index}.mp4", index % 7)).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&folder_store(root.path()).await, "out").await, (wanted(2500), vec![1000, 1000, 500]));
    assert_eq!(keys(&files_of(&server, quick()), "").await, (wanted(1050), vec![1000, 50]));
}

#[tokio::test]
async fn a_listing_goes_on_where_it_was_when_a_page_fails() {
    let server = Server::start();
    std::fs::create_dir_all(server.file("a fleet")).expect("a folder");
    for index in 0..1010 {
        written(&server.file("a fleet"), &format!("{index:04}"), b"");
    }
    server.manners.busy.store(3, Ordering::SeqCst);
    let (keys, _) = keys(&files_of(&server, quick()), "").await;
    assert_eq!(keys.len(), 1010);
}

#[tokio::test]
async fn what_is_no_file_of_the_folder_is_no_input_and_holds_nobody() {
    let root = tempfile::tempdir().expect("a folder");
    let files = folder_store(root.path()).await;
    std::fs::create_dir(root.path().join("folder")).expect("a folder");
    rustix::fs::mknodat(rustix::fs::CWD, root.path().join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .expect("a pipe");
    for name in ["folder", "pipe", "missing", "folder/missing"] {
        let object = ObjectAddress::parse(name).expect("an address");
        let fetched = files.fetch(&object, None, &root.path().join("into"), &mut on).await;
        assert!(matches!(fetched, Err(FilesError::NotFound { .. })), "{name}: {fetched:?}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_mounted_any_more_is_not_the_fault_of_a_job() {
    let above = tempfile::tempdir().expect("a folder");
    let root = above.path().join("shared");
    let files = folder_store(&root).await;
    std::fs::rename(&root, above.path().join("elsewhere")).expect("moved");
    let object = ObjectAddress::parse("film").expect("an address");
    let film = written(above.path(), "film", b"film");
    // Nothing is there, or the folder that the share was mounted on; the same for who starts before it is mounted.
    for there in [false, true] {
        if there {
            std::fs::create_dir(&root).expect("made");
        }
        for files in [&files, &folder_at(&root)] {
            for error in [
                files.look(&object).await.map(drop),
                files.store(&film, "out/1-1/film", &mut on).await.map(drop),
                files.try_to_write().await,
                files.list("out").expect("a listing").next_page().await.map(drop),
            ] {
                let error = error.expect_err("nothing is there");
                assert!(error.is_temporary() && error.to_string().contains("mounted"), "{error}");
            }
        }
        assert_eq!(root.exists(), there);
    }
    assert_eq!(std::fs::read_dir(&root).expect("a folder").count(), 0, "nothing lies hidden below the share");
    std::fs::remove_dir(&root).and_then(|()| std::fs::rename(above.path().join("elsewhere"), &root)).expect("mounted again");
    for files in [&files, &folder_at(&root)] {
        files.store(&film, "film", &mut on).await.expect("stored");
        files.look(&object).await.expect("there");
    }
    files.make().await.expect("it may be said again");
    assert_eq!(keys(&files, "").await.0, ["film"], "the mark is no object");
}

#[tokio::test]
async fn a_file_of_a_folder_is_the_same_version_whatever_its_inode_and_the_parts_of_a_second() {
    let root = tempfile::tempdir().expect("a folder");
    let files = folder_store(root.path()).await;
    let object = ObjectAddress::parse("film").expect("an address");
    let film = written(root.path(), "film", b"film");
    let at = |millis| {
        let time = std::time::UNIX_EPOCH + Duration::from_millis(millis);
        std::fs::File::options().write(true).open(&film).and_then(|file| file.set_modified(time)).expect("set");
    };
    at(1_000_000_250);
    let etag = files.look(&object).await.expect("there").etag;
    // As a box sees it that has the share by another way: other inodes, whole seconds.
    std::fs::copy(&film, root.path().join("copy")).and_then(|_| std::fs::rename(root.path().join("copy"), &film)).expect("another");
    at(1_000_000_000);
    files.fetch(&object, etag.as_deref(), &root.path().join("into"), &mut on).await.expect("the same version");
    at(1_000_001_000);
    let changed = files.fetch(&object, etag.as_deref(), &root.path().join("again"), &mut on).await;
    assert!(matches!(changed, Err(FilesError::Changed { .. })), "{changed:?}");
}

#[tokio::test]
async fn what_a_killed_store_has_left_in_a_folder_goes_when_it_is_old() {
    let root = tempfile::tempdir().expect("a folder");
    let files = folder_store(root.path()).await;
    std::fs::create_dir(root.path().join(".plimsoll")).expect("a work folder");
    let part = written(&root.path().join(".plimsoll"), "1.stored", b"half");
    assert!(keys(&files, "").await.0.is_empty(), "it is never listed");
    assert_eq!(files.remove_leftovers(Duration::from_hours(1)).await.expect("looked"), 0);
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000);
    std::fs::File::options().write(true).open(&part).and_then(|file| file.set_modified(old)).expect("old");
    assert_eq!(files.remove_leftovers(Duration::from_hours(1)).await.expect("removed"), 1);
    assert!(!part.exists());
}
