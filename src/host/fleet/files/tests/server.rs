//! An S3 server within the test, over a folder, with what goes wrong on request.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use s3s::service::{S3ServiceBuilder, SharedS3Service};
use tempfile::TempDir;

use super::super::{Files, Patience, Settings};

pub(super) const BUCKET: &str = "films";

/// What the server does besides serving.
#[derive(Default)]
pub(super) struct Manners {
    /// Keeps its word about `If-None-Match: *`; the server beneath does not know that header.
    pub(super) honest: AtomicBool,
    /// So many requests more are answered with 503.
    pub(super) busy: AtomicUsize,
    /// The next upload is put together, and the answer is an error all the same.
    pub(super) lose_completion: AtomicBool,
    made: Mutex<BTreeSet<String>>,
    /// Every request: its method, its path with query, its range.
    log: Mutex<Vec<(Method, String, Option<String>)>>,
}

/// A server on a port of its own, for as long as the runtime of the test.
pub(super) struct Server {
    pub(super) at: SocketAddr,
    pub(super) manners: Arc<Manners>,
    root: TempDir,
}

impl Server {
    pub(super) async fn start() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).expect("a server"));
        builder.set_auth(s3s::auth::SimpleAuth::from_single("reader", "right secret"));
        let service = builder.build().into_shared();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let manners = Arc::new(Manners::default());
        let shared = Arc::clone(&manners);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, manners) = (service.clone(), Arc::clone(&shared));
                let answer = service_fn(move |request| serve(service.clone(), Arc::clone(&manners), request));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
            }
        });
        Self { at, manners, root }
    }

    /// The file of an object.
    pub(super) fn file(&self, key: &str) -> PathBuf {
        self.root.path().join(BUCKET).join(key)
    }

    /// Parts of uploads that are neither whole nor given up.
    pub(super) fn parts(&self) -> usize {
        let names = std::fs::read_dir(self.root.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().contains(".part-")).count()
    }

    /// The requests since the last call.
    pub(super) fn requests(&self) -> Vec<(Method, String, Option<String>)> {
        std::mem::take(&mut *self.manners.log.lock().expect("a log"))
    }

    pub(super) fn files(&self, patience: Patience) -> Files {
        files_at(self.at, "right secret", patience)
    }
}

/// The store of a server at this address, below a prefix with a name that has to be escaped.
pub(super) fn files_at(at: SocketAddr, secret: &str, patience: Patience) -> Files {
    let settings = [
        ("AWS_ACCESS_KEY_ID", "reader"),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ENDPOINT_URL", &format!("http://{at}")),
    ];
    let settings: Settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Files::open_with("s3://films/a fleet", settings, patience).expect("a store")
}

async fn serve(service: SharedS3Service, manners: Arc<Manners>, request: Request<Incoming>) -> s3s::S3Result<Response<s3s::Body>> {
    let path = request.uri().to_string();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    manners.log.lock().expect("a log").push((request.method().clone(), path.clone(), header("range")));
    let status = |status: u16| Ok(Response::builder().status(status).body(s3s::Body::empty()).expect("an answer"));
    if manners.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        return status(503);
    }
    let object = request.uri().path().to_owned();
    let is_completion = request.method() == Method::POST && path.contains("uploadId=");
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
