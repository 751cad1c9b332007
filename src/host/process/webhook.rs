//! Hooks that are an address: the event is posted there as JSON. What may pass is tried again, within the time of a hook.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::domain::text::sanitise;

/// Pauses between the tries: four in all.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(8)];
/// Longest time for one try.
const ONE_TRY: Duration = Duration::from_secs(10);
/// Between two looks whether it was given up.
const LOOK: Duration = Duration::from_millis(50);

/// Posts a line of JSON; what came of it, in words.
///
/// # Errors
/// Why it was not taken.
pub fn post(url: &str, body: &[u8], limit: Duration, given_up: &AtomicBool) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let is_given_up = async {
        while !given_up.load(Ordering::Relaxed) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let posted = runtime.block_on(async {
        tokio::select! {
            posted = tokio::time::timeout(limit, patiently(url, body)) => {
                posted.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())))
            }
            () = is_given_up => Err("was stopped".to_owned()),
        }
    });
    // A name that is still being looked up keeps nobody waiting.
    runtime.shutdown_background();
    posted
}

async fn patiently(url: &str, body: &[u8]) -> Result<String, String> {
    let tls = crate::host::tls::client().map_err(|error| format!("there is no TLS: {error}"))?;
    // Whoever follows a redirection asks for the new address and leaves the event out; what stands there says yes to that.
    let no_other = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().use_preconfigured_tls(tls).timeout(ONE_TRY).redirect(no_other);
    let client = client.user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION"))).build().map_err(|error| words(&error))?;
    let mut pauses = PAUSES.into_iter();
    let mut tries = 1;
    loop {
        let request = client.post(url).header(reqwest::header::CONTENT_TYPE, "application/json").body(body.to_vec());
        let (why, may_pass) = match request.send().await {
            Ok(answer) if answer.status().is_success() => return Ok(format!("answered {}", answer.status())),
            Ok(answer) => {
                let status = answer.status();
                (format!("answered {status}{}", moved(&answer)), status.is_server_error() || status.as_u16() == 429)
            }
            Err(error) => (words(&error), !error.is_builder()),
        };
        match pauses.next().filter(|_| may_pass) {
            Some(pause) => tokio::time::sleep(pause).await,
            None if tries > 1 => return Err(format!("{why}, the last of {tries} tries")),
            None => return Err(why),
        }
        tries += 1;
    }
}

/// To which server the address leads elsewhere; no more of it, for the rest may hold a secret.
fn moved(answer: &reqwest::Response) -> String {
    if !answer.status().is_redirection() {
        return String::new();
    }
    let to = answer.headers().get(reqwest::header::LOCATION).and_then(|to| answer.url().join(to.to_str().ok()?).ok());
    let to = to.and_then(|to| Some(format!("; it leads to another address at {}://{}", to.scheme(), to.host_str()?)));
    sanitise(format!("{}, name the last one", to.unwrap_or_else(|| "; it leads elsewhere".to_owned())).as_bytes())
}

/// The innermost cause, without the address, which may hold a secret.
fn words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = if error.is_timeout() { format!("no answer within {} s", ONE_TRY.as_secs()) } else { cause.to_string() };
    sanitise(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// A server that gives these answers, one a connection, and tells what it was sent.
    fn server(answers: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let serve = move || {
            let mut bodies = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
                let (mut length, mut line) = (0, String::new());
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    let lower = line.to_ascii_lowercase();
                    length = lower.strip_prefix("content-length:").and_then(|value| value.trim().parse().ok()).unwrap_or(length);
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                bodies.push(String::from_utf8(body).expect("UTF-8"));
                write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").expect("answered");
            }
            bodies
        };
        (url, std::thread::spawn(serve))
    }

    #[test]
    fn an_event_is_posted_and_tried_again_where_that_may_help() {
        let (url, served) = server(&["503 Service Unavailable", "204 No Content"]);
        let posted = post(&url, b"{\"event\":1}", LIMIT, &AtomicBool::new(false));
        assert_eq!(posted, Ok("answered 204 No Content".to_owned()));
        assert_eq!(served.join().expect("served"), ["{\"event\":1}"; 2]);
    }

    #[test]
    fn what_is_refused_is_not_tried_again_and_what_is_not_there_is_told() {
        let (url, served) = server(&["401 Unauthorized"]);
        assert_eq!(post(&url, b"{}", LIMIT, &AtomicBool::new(false)), Err("answered 401 Unauthorized".to_owned()));
        assert_eq!(served.join().expect("served").len(), 1);
        let (url, served) = server(&[]);
        served.join().expect("gone");
        let why = post(&url, b"{}", Duration::from_secs(2), &AtomicBool::new(false)).expect_err("nobody is there");
        assert!(why.contains("no answer within 2 s") || why.contains("refused"), "{why}");
    }

    #[test]
    fn an_event_that_a_redirection_would_lose_is_not_told_as_delivered() {
        let (url, served) = server(&["301 Moved Permanently\r\nlocation: https://hooks.example/a/secret"]);
        let why = post(&url, b"{}", LIMIT, &AtomicBool::new(false)).expect_err("it is elsewhere");
        assert_eq!(why, "answered 301 Moved Permanently; it leads to another address at https://hooks.example, name the last one");
        assert_eq!(served.join().expect("served").len(), 1);
    }

    #[test]
    fn one_that_is_given_up_ends_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/silent", listener.local_addr().expect("an address"));
        assert_eq!(post(&url, b"{}", LIMIT, &AtomicBool::new(true)), Err("was stopped".to_owned()));
    }
}
