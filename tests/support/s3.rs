//! An S3 server within the test process, over a folder, with what goes wrong on request. It has a thread of its own, so that a
//! test without an event loop can use it, and can take it away and bring it back.
//!
//! Used by the tests in `tests/cli` and by those in `src/host/fleet/files`.
#![allow(dead_code, clippy::disallowed_methods)] // every test uses its part of this, and a deadline needs the clock

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use s3s::service::{S3ServiceBuilder, SharedS3Service};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// The bucket that is there from the start.
pub const BUCKET: &str = "films";
/// The only pair of keys that the server knows.
pub const ACCESS_KEY: &str = "reader";
pub const SECRET_KEY: &str = "right secret";

/// Longest wait for a port that somebody has.
const PORT: Duration = Duration::from_mins(1);

/// What the server does besides serving.
#[derive(Default)]
pub struct Manners {
    /// Keeps its word about `If-None-Match: *`; the server beneath does not know that header.
    pub honest: AtomicBool,
    /// Has no copies on a condition.
    pub no_conditional_copies: AtomicBool,
    /// Only reading is allowed.
    pub read_only: AtomicBool,
    /// So many requests more are answered with 503.
    pub busy: AtomicUsize,
    /// The next upload is put together, and the answer is an error all the same.
    pub lose_completion: AtomicBool,
    /// The request that would put the next upload together is never answered, and not carried out.
    pub hang_at_completion: AtomicBool,
    made: Mutex<BTreeSet<String>>,
    /// Every request: its method, its path with query, its range.
    log: Mutex<Vec<(Method, String, Option<String>)>>,
}

/// An address of this machine for one server. Outgoing connections come from 127.0.0.1: a server there that is down could find its
/// port taken by one. Elsewhere than on Linux there is that address alone.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % 250 + 1;
    let [.., high, low] = std::process::id().to_be_bytes();
    if cfg!(target_os = "linux") { Ipv4Addr::new(127, high.max(1), low, number as u8) } else { Ipv4Addr::LOCALHOST }
}

/// A server on a port of its own, until it is dropped.
pub struct Server {
    pub at: SocketAddr,
    pub manners: Arc<Manners>,
    root: TempDir,
    running: Option<Running>,
}

/// Its thread. When this is dropped all connections are cut and the port is free.
struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Server {
    pub fn start() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        let listener = TcpListener::bind((own_address(), 0)).expect("a port");
        let at = listener.local_addr().expect("an address");
        let mut server = Self { at, manners: Arc::default(), root, running: None };
        server.serve(listener);
        server
    }

    /// Cuts all connections; nobody answers at its port from then on. What is stored stays.
    pub fn down(&mut self) {
        self.running = None;
    }

    /// Serves again, at the same port.
    pub fn up(&mut self) {
        let listener = self.port();
        self.serve(listener);
    }

    /// Takes the port of the server that is down, as soon as no connection of anybody has it.
    pub fn port(&self) -> TcpListener {
        let deadline = Instant::now() + PORT;
        loop {
            match TcpListener::bind(self.at) {
                Ok(listener) => return listener,
                Err(error) => assert!(Instant::now() < deadline, "{}: {error}", self.at),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn serve(&mut self, listener: TcpListener) {
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(self.root.path()).expect("a server"));
        builder.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let (service, manners) = (builder.build().into_shared(), Arc::clone(&self.manners));
        let (stop, stopped) = oneshot::channel::<()>();
        listener.set_nonblocking(true).expect("a listener for an event loop");
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(&listener, &service, &manners) => {}
                    _ = stopped => {}
                }
            });
        });
        self.running = Some(Running { stop: Some(stop), thread: Some(thread) });
    }

    /// The address that clients are given.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Makes another bucket; its folder.
    pub fn make_bucket(&self, name: &str) -> PathBuf {
        let folder = self.root.path().join(name);
        std::fs::create_dir(&folder).expect("a bucket");
        folder
    }

    /// The file of an object.
    pub fn file(&self, key: &str) -> PathBuf {
        self.root.path().join(BUCKET).join(key)
    }

    /// Parts of uploads that are neither whole nor given up.
    pub fn parts(&self) -> usize {
        let names = std::fs::read_dir(self.root.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().contains(".part-")).count()
    }

    /// The requests since the last call.
    pub fn requests(&self) -> Vec<(Method, String, Option<String>)> {
        std::mem::take(&mut *self.manners.log.lock().expect("a log"))
    }
}

async fn accept(listener: &tokio::net::TcpListener, service: &SharedS3Service, manners: &Arc<Manners>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (service, manners) = (service.clone(), Arc::clone(manners));
        let answer = service_fn(move |request| serve(service.clone(), Arc::clone(&manners), request));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
    }
}

async fn serve(service: SharedS3Service, manners: Arc<Manners>, request: Request<Incoming>) -> s3s::S3Result<Response<s3s::Body>> {
    let path = request.uri().to_string();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    manners.log.lock().expect("a log").push((request.method().clone(), path.clone(), header("range")));
    let status = |status: u16| Ok(Response::builder().status(status).body(s3s::Body::empty()).expect("an answer"));
    if manners.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        return status(503);
    }
    if manners.read_only.load(Ordering::SeqCst) && !matches!(*request.method(), Method::GET | Method::HEAD) {
        return status(403);
    }
    let object = request.uri().path().to_owned();
    let is_completion = request.method() == Method::POST && path.contains("uploadId=");
    if is_completion && manners.hang_at_completion.swap(false, Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    // Those are made of parts, since only putting them together knows a condition.
    let is_conditional_copy = header("x-amz-copy-source").is_some() && path.contains("uploadId=");
    if is_conditional_copy && manners.no_conditional_copies.load(Ordering::SeqCst) {
        return status(501);
    }
    if manners.honest.load(Ordering::SeqCst) {
        let mut made = manners.made.lock().expect("the names");
        if path.ends_with("?delete") {
            made.clear();
        } else if header("if-none-match").is_some() && !made.insert(object) {
            return status(412);
        }
    }
    let answer = service.call(request).await;
    if is_completion && manners.lose_completion.swap(false, Ordering::SeqCst) {
        return status(500);
    }
    answer
}
