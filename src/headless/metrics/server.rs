//! Answers HTTP requests: one on each connection, few connections at a time, none for long.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Connections at a time. One more closes the oldest: a scraper that hangs keeps no other from its figures.
pub(super) const MOST: usize = 16;
/// The longest life of a connection.
const LONGEST: Duration = Duration::from_secs(10);
/// Of a request that is not read yet, at most so many bytes are held; hyper allows no less.
const MOST_READ: usize = 8 * 1024;
/// The wait after a connection could not be accepted, for want of descriptors most of the time.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers whoever connects, for ever, with what `text` tells at that moment.
pub(super) async fn answer(listener: TcpListener, text: impl Fn() -> String + 'static) {
    let text: Rc<dyn Fn() -> String> = Rc::new(text);
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_finished());
                while open.len() >= MOST
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                let connection = tokio::task::spawn_local(converse(stream, Rc::clone(&text)));
                open.push_back(connection.abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics cannot be accepted");
                tokio::time::sleep(AFTER_A_FAILURE).await;
            }
        }
    }
}

/// One request and its answer.
async fn converse(stream: TcpStream, text: Rc<dyn Fn() -> String>) {
    let answered = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &*text);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(LONGEST).keep_alive(false).max_buf_size(MOST_READ);
    let connection = http.serve_connection(TokioIo::new(stream), answered);
    // Whoever sends no request, or does not read, is no concern of ours.
    let _ = tokio::time::timeout(LONGEST, connection).await;
}

fn respond(request: &Request<Incoming>, text: &dyn Fn() -> String) -> Response<String> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, OPEN_METRICS, text()),
        (&Method::GET | &Method::HEAD, _) => (StatusCode::NOT_FOUND, TEXT, "the metrics are at /metrics\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, TEXT, "the metrics can only be read: GET /metrics\n".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
