//! Lines that break, servers that are busy, silent or gone.
#![allow(clippy::disallowed_methods)] // what is measured is time

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::super::ObjectAddress;
use super::super::error::FilesError;
use super::proxy::{Dice, Fault, line};
use super::*;

#[tokio::test]
async fn a_fetch_goes_on_at_the_byte_it_has_each_time_the_line_is_cut() {
    let server = Server::start();
    let size = 3 * 1024 * 1024;
    std::fs::create_dir_all(server.file("a fleet/in")).expect("a folder");
    written(&server.file("a fleet/in"), "film", &bytes(size));
    let mut dice = Dice(7);
    let cut = move |connection| if connection < 12 { Fault::Cut(100_000 + dice.below(200_000)) } else { Fault::None };
    let (at, carried) = line(server.at, cut).await;
    let scratch = tempfile::tempdir().expect("a folder");
    let into = scratch.path().join("into");
    let object = ObjectAddress::parse("in/film").expect("an address");
    let fetched = files_at(at, SECRET_KEY, quick()).fetch(&object, None, &into, &mut on).await.expect("fetched");
    assert_eq!(fetched.blake3, blake3::hash(&bytes(size)));
    assert!(std::fs::read(&into).expect("fetched") == bytes(size));

    let starts = server.requests().into_iter().map(|(_, _, range)| {
        range.map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse::<u64>().expect("a range"))
    });
    let starts: Vec<u64> = starts.collect();
    assert!(starts.len() >= 10, "it was cut often: {starts:?}");
    assert!(starts.is_sorted_by(|one, next| one < next), "each asks for less: {starts:?}");
    let heads = 2 * 1024 * starts.len() as u64;
    let served = carried.to_client.load(Ordering::SeqCst);
    assert!(served <= size as u64 + heads, "{served} bytes were served for {size}");
}

#[tokio::test]
async fn an_object_that_is_replaced_during_a_cut_is_not_mixed_with_the_old_one() {
    let server = Server::start();
    std::fs::create_dir_all(server.file("a fleet")).expect("a folder");
    let film = written(&server.file("a fleet"), "film", &bytes(1_000_000));
    let (at, _) = line(server.at, |connection| if connection == 0 { Fault::Cut(500_000) } else { Fault::None }).await;
    let scratch = tempfile::tempdir().expect("a folder");
    let into = scratch.path().join("into");
    let mut replaced = false;
    let mut replace = |_| {
        if !replaced {
            // The server has the old one open; of the same size, so that only the version tells.
            std::fs::remove_file(&film).expect("removed");
            std::fs::write(&film, vec![1; 1_000_000]).expect("replaced");
            replaced = true;
        }
        ControlFlow::Continue(())
    };
    let object = ObjectAddress::parse("film").expect("an address");
    let result = files_at(at, SECRET_KEY, quick()).fetch(&object, None, &into, &mut replace).await;
    assert!(matches!(result, Err(FilesError::Changed { .. })), "{result:?}");
    assert!(!into.exists());
}

#[tokio::test]
async fn an_upload_over_a_bad_line_is_whole_and_never_seen_half() {
    let server = Server::start();
    let mut dice = Dice(3);
    let fault = move |connection| match (connection, dice.below(20)) {
        (0, _) => Fault::Reset(2_000_000),
        (1, _) => Fault::Stall(300_000),
        (2, _) => Fault::Cut(8_500_000),
        (3, _) => Fault::Cut(100),
        (4, _) => Fault::Reset(0),
        (_, 0..4) => Fault::Cut(100_000 + dice.below(12_000_000)),
        (_, 4..6) => Fault::Reset(dice.below(9_000_000)),
        _ => Fault::None,
    };
    let (at, carried) = line(server.at, fault).await;
    let patience = Patience { in_all: Duration::from_mins(1), answer: Duration::from_secs(2), slowest: 8 * 1024 * 1024, ..quick() };
    let (bad, good) = (files_at(at, SECRET_KEY, patience), files_of(&server, quick()));
    let scratch = tempfile::tempdir().expect("a folder");
    let large = bytes(9 * 1024 * 1024);
    let from = written(scratch.path(), "from", &large);
    for attempt in 1..=3 {
        let key = format!("out/1-{attempt}/film");
        let mut on = on;
        let store = bad.store(&from, &key, &mut on);
        tokio::pin!(store);
        let mut looks = 0;
        let stored = loop {
            let seen = tokio::select! {
                stored = &mut store => break stored.expect("stored"),
                seen = keys(&good, "out") => seen.0,
            };
            looks += 1;
            if seen.contains(&key) {
                let found = good.look(&ObjectAddress::parse(&key).expect("an address")).await.expect("it is there");
                assert_eq!(found.size, large.len() as u64, "what is seen is whole");
            }
        };
        assert!(looks > 0);
        assert_eq!(stored.blake3, blake3::hash(&large));
        assert!(std::fs::read(server.file(&format!("a fleet/{key}"))).expect("stored") == large);
    }
    assert!(carried.connections.load(Ordering::SeqCst) > 5, "the line did break");
}

#[tokio::test]
async fn a_store_that_is_given_up_leaves_no_parts() {
    let server = Server::start();
    let files = files_of(&server, quick());
    let scratch = tempfile::tempdir().expect("a folder");
    let from = written(scratch.path(), "from", &bytes(17 * 1024 * 1024));
    let stopped = files.store(&from, "out/1-1/film", &mut |_| ControlFlow::Break(())).await;
    assert!(matches!(stopped, Err(FilesError::Stopped { .. })), "{stopped:?}");
    assert_eq!(server.parts(), 0, "given up by the caller's answer");
    {
        let mut seen = on;
        let store = files.store(&from, "out/1-2/film", &mut seen);
        tokio::pin!(store);
        while server.parts() == 0 {
            tokio::select! {
                stored = &mut store => panic!("no part was seen before the end: {stored:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    let gone = async {
        while server.parts() > 0 || !server.requests().iter().any(|(method, _, _)| method == hyper::Method::DELETE) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.expect("given up by dropping it");
    assert!(keys(&files, "").await.0.is_empty());
}

#[tokio::test]
async fn a_busy_server_and_a_lost_answer_cost_nothing_but_time() {
    let server = Server::start();
    let files = files_of(&server, quick());
    let scratch = tempfile::tempdir().expect("a folder");
    let large = bytes(9 * 1024 * 1024);
    let from = written(scratch.path(), "from", &large);
    server.manners.busy.store(4, Ordering::SeqCst);
    files.store(&from, "out/1-1/film", &mut on).await.expect("stored by a busy server");
    server.manners.lose_completion.store(true, Ordering::SeqCst);
    files.store(&from, "out/1-2/film", &mut on).await.expect("stored, though the server said it had failed");
    assert!(!server.manners.lose_completion.load(Ordering::SeqCst), "the answer was lost");
    for key in ["out/1-1/film", "out/1-2/film"] {
        server.manners.busy.store(3, Ordering::SeqCst);
        let into = scratch.path().join("into");
        let fetched = files.fetch(&ObjectAddress::parse(key).expect("an address"), None, &into, &mut on).await.expect("fetched");
        assert_eq!(fetched.blake3, blake3::hash(&large));
        std::fs::remove_file(into).expect("removed");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_or_silent_is_given_up_in_time() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    // Takes connections into its backlog and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_at = silent.local_addr().expect("an address");
    let scratch = tempfile::tempdir().expect("a folder");
    let from = written(scratch.path(), "from", &bytes(9 * 1024 * 1024));
    let object = ObjectAddress::parse("film").expect("an address");
    for (at, word) in [(gone, "refused"), (silent_at, "no answer")] {
        let patience = Patience {
            in_all: Duration::from_millis(400),
            answer: Duration::from_millis(200),
            assemble: Duration::from_millis(200),
            ..quick()
        };
        let files = files_at(at, SECRET_KEY, patience);
        let into = scratch.path().join("into");
        let began = Instant::now();
        for error in [
            files.look(&object).await.expect_err("nobody is there"),
            files.fetch(&object, None, &into, &mut on).await.expect_err("nobody is there"),
            files.store(&from, "film", &mut on).await.expect_err("nobody is there"),
            files.list("").expect("a listing").next_page().await.expect_err("nobody is there"),
            files.remove("film").await.expect_err("nobody is there"),
        ] {
            assert!(matches!(error, FilesError::Unreachable { .. }) && error.is_temporary(), "{error:?}");
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(began.elapsed() < Duration::from_secs(20), "five times 0.6 s, on a busy machine");
        assert!(!into.exists());
    }
}

#[tokio::test]
async fn a_stalled_line_is_left_for_a_new_one() {
    let server = Server::start();
    std::fs::create_dir_all(server.file("a fleet")).expect("a folder");
    written(&server.file("a fleet"), "film", &bytes(1_000_000));
    let (at, carried) = line(server.at, |connection| if connection < 2 { Fault::Stall(300_000) } else { Fault::None }).await;
    let patience = Patience { answer: Duration::from_millis(700), ..quick() };
    let scratch = tempfile::tempdir().expect("a folder");
    let object = ObjectAddress::parse("film").expect("an address");
    let into = scratch.path().join("into");
    let fetched = files_at(at, SECRET_KEY, patience).fetch(&object, None, &into, &mut on).await.expect("fetched");
    assert_eq!(fetched.blake3, blake3::hash(&bytes(1_000_000)));
    assert!(carried.connections.load(Ordering::SeqCst) >= 3);
}
