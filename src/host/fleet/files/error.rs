//! What can go wrong with the files of a fleet, by who has to act; and what an answer of a store means.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::text::{error_words, path_text, sanitise};

/// Why a file could not be fetched, stored or listed. Each kind tells who can mend it.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// There is no such object. The job's fault.
    #[error("{what} is not there; check the name, and whether somebody has removed it")]
    NotFound {
        /// The object, as its full address.
        what: String,
    },
    /// The object is not the one that the job was queued with, or changed while it was read. The job's fault.
    #[error("{what} has changed ({why}); queue it again if the new one is meant")]
    Changed {
        /// The object, as its full address.
        what: String,
        /// What tells so.
        why: String,
    },
    /// The store refuses. The fault of this box or of its configuration.
    #[error("the store refuses {what}: {why}")]
    Denied {
        /// What was asked for, as a full address.
        what: String,
        /// Why, and what to do.
        why: String,
    },
    /// The store did not answer, or not as it should, in spite of all tries. May be well again later.
    #[error("cannot reach {what}: {why}; tried {tries} times in {} s; check the network and the store, it may go later", waited.as_secs())]
    Unreachable {
        /// What was asked for, as a full address.
        what: String,
        /// What was wrong the last time.
        why: String,
        /// How often it was tried.
        tries: u32,
        /// How long without any progress.
        waited: Duration,
    },
    /// This box's own disk fails, or is full.
    #[error("{}: {}; check this disk and what is free on it", path_text(path), error_words(error))]
    Disk {
        /// The file on this box.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The address or the key is none that can be used.
    #[error("{what}: {why}")]
    Refused {
        /// What was given, without secrets.
        what: String,
        /// What is wrong with it, and what to write instead.
        why: String,
    },
    /// There is an object of that name already, and it must not be replaced.
    #[error("{what} is there already; choose another name, or remove it")]
    Taken {
        /// The object, as its full address.
        what: String,
    },
    /// The store cannot do this at all.
    #[error("the store cannot do what {what} needs: {why}")]
    Unsupported {
        /// The object, as its full address.
        what: String,
        /// What it cannot.
        why: String,
    },
    /// What the store holds is not what was written, or it sent something else than it promised.
    #[error("{what} is damaged: {why}; try it again, and check the store if it happens often")]
    Damaged {
        /// The object, as its full address.
        what: String,
        /// What tells so.
        why: String,
    },
    /// The caller did not want any more of it.
    #[error("{what} was given up half way, as asked")]
    Stopped {
        /// The object, as its full address.
        what: String,
    },
}

impl FilesError {
    pub(super) fn refused(what: impl fmt::Display, why: impl Into<String>) -> Self {
        Self::Refused { what: sanitise(what.to_string().as_bytes()), why: why.into() }
    }

    pub(super) fn disk(path: &Path, error: io::Error) -> Self {
        Self::Disk { path: path.to_owned(), error }
    }

    /// The same may succeed later, without anybody doing anything.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Damaged { .. })
    }
}

/// What a request is for.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// The full address of an object, or of the store.
    pub(super) address: String,
    /// It is in the fleet's own bucket, not in one that a job names.
    pub(super) is_ours: bool,
}

/// What a failed request means.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another try may succeed; with the reason in words.
    Passing(String),
    /// No other try will.
    Lasting(FilesError),
}

impl From<FilesError> for Trouble {
    fn from(error: FilesError) -> Self {
        Self::Lasting(error)
    }
}

/// What the answer to a request said, as far as the library lets it through.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status of HTTP; `None` if there was no answer.
    pub(super) status: Option<u16>,
    /// The store's name of the fault, as `NoSuchKey`.
    pub(super) code: Option<String>,
    /// The store's words.
    message: Option<String>,
}

impl Answer {
    /// The library keeps status and body in the text of an inner error alone.
    pub(super) fn of(error: &object_store::Error) -> Self {
        let text = chain(error).last().map(ToString::to_string).unwrap_or_default();
        let told = |mark: &str| text.split_once(mark).map(|(_, rest)| rest);
        let status = told("non-2xx status code: ").and_then(|rest| rest.get(..3)?.parse().ok());
        let within = |tag: &str| {
            // Azure adds a line with the number of the request and one with the time.
            let value = told(&format!("<{tag}>"))?.split(['<', '\n']).next()?.trim();
            (!value.is_empty()).then(|| sanitise(value.as_bytes()))
        };
        Self { status, code: within("Code"), message: within("Message") }
    }

    fn is_no_bucket(&self) -> bool {
        matches!(self.code.as_deref(), Some("NoSuchBucket" | "ContainerNotFound"))
    }

    fn words(&self) -> String {
        let status = self.status.map_or_else(String::new, |status| format!("status {status}"));
        let parts = [Some(status), self.code.clone(), self.message.clone()];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }
}

/// An error and all that it came from, the outermost first.
fn chain<'a>(error: &'a (dyn std::error::Error + 'static)) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The innermost reason in words: `Connection refused` rather than what was being done.
fn reason(error: &object_store::Error) -> String {
    let innermost = chain(error).last();
    let text = innermost.map_or_else(String::new, |error| match error.downcast_ref::<io::Error>() {
        Some(error) => error_words(error),
        None => error.to_string(),
    });
    let mut text = sanitise(text.as_bytes());
    if let Some((end, _)) = text.char_indices().nth(300) {
        text.truncate(end);
    }
    text
}

/// What a failed request means.
pub(super) fn trouble(error: &object_store::Error, named: &Named) -> Trouble {
    use object_store::Error as Store;
    let answer = Answer::of(error);
    let what = named.address.clone();
    if answer.is_no_bucket() && !named.is_ours {
        return FilesError::NotFound { what }.into();
    }
    let denied = |why: String| Trouble::Lasting(FilesError::Denied { what: what.clone(), why });
    if let Some(advice) = answer.code.as_deref().and_then(advice) {
        return denied(format!("{}; {advice}", answer.words()));
    }
    if matches!(answer.code.as_deref(), Some("ConditionalRequestConflict" | "OperationAborted")) {
        // Two came at once and neither has won.
        return Trouble::Passing(answer.words());
    }
    match (error, answer.status) {
        (Store::NotFound { .. }, _) => FilesError::NotFound { what }.into(),
        (Store::AlreadyExists { .. }, _) => FilesError::Taken { what }.into(),
        (Store::Precondition { .. } | Store::NotModified { .. }, _) => {
            FilesError::Changed { what, why: "it is not the version that was asked for any more".to_owned() }.into()
        }
        (Store::InvalidPath { source }, _) => FilesError::refused(what, source.to_string()).into(),
        (Store::NotSupported { .. } | Store::NotImplemented { .. }, _) | (_, Some(405 | 501)) => {
            FilesError::Unsupported { what, why: reason(error) }.into()
        }
        (Store::UnknownConfigurationKey { .. }, _) => denied(reason(error)),
        (Store::PermissionDenied { .. } | Store::Unauthenticated { .. }, _) | (_, Some(401 | 403)) => denied(format!(
            "{}; check the keys of this box and what they may do (a store whose keys may not list says the same of what is not there)",
            answer.words()
        )),
        (_, Some(408 | 425 | 429 | 500..)) => Trouble::Passing(answer.words()),
        (_, Some(300..=399)) => denied(format!("{}; check AWS_REGION and AWS_ENDPOINT_URL", answer.words())),
        (_, Some(_)) => denied(answer.words()),
        (_, None) if chain(error).any(|cause| cause.to_string().contains("without LOCATION")) => {
            denied("the bucket is in another region; set AWS_REGION to the bucket's".to_owned())
        }
        (_, None) if chain(error).any(|cause| is_of_metadata(&cause.to_string())) => denied(
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (GOOGLE_SERVICE_ACCOUNT, \
             AZURE_STORAGE_ACCOUNT_KEY) in the environment; this box has none of its own"
                .to_owned(),
        ),
        (_, None) => Trouble::Passing(reason(error)),
    }
}

/// A request to the service that gives a cloud's own boxes their credentials; there is none elsewhere.
fn is_of_metadata(text: &str) -> bool {
    text.contains("//169.254.169.254") || text.contains("//metadata.google.internal")
}

/// What to do about faults that are neither the object's nor pass by themselves.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "SignatureDoesNotMatch" => "the secret key is wrong: check AWS_SECRET_ACCESS_KEY",
        "InvalidAccessKeyId" => "the store does not know this key: check AWS_ACCESS_KEY_ID",
        "AuthenticationFailed" | "AuthorizationFailure" => {
            "check AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, and what they may do"
        }
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => "the session token is over: get new keys",
        "RequestTimeTooSkewed" | "RequestExpired" => "the clock of this box is wrong: set it, as with `timedatectl set-ntp true`",
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
            "set AWS_REGION to the region of the bucket"
        }
        "NoSuchBucket" | "ContainerNotFound" => "there is no such bucket: make it, or mend its name in --files",
        "QuotaExceeded" | "XMinioStorageFull" => "the store is full: make room in it",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: &str) -> object_store::Error {
        let text = format!("Server returned non-2xx status code: {status}");
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn an_answer_is_read_out_of_the_text_of_the_library() {
        let answer =
            Answer::of(&answered("400 Bad Request: <Error><Code>ExpiredToken</Code><Message>over\x1b[2J</Message></Error>"));
        assert_eq!(answer.status, Some(400));
        assert_eq!(answer.code.as_deref(), Some("ExpiredToken"));
        assert!(!answer.message.expect("a message").contains('\x1b'), "nothing of a store reaches the terminal as it is");
        let azure = "403 Forbidden: <Code>AuthenticationFailed</Code><Message>Server failed.\nRequestId:1\nTime:2</Message>";
        assert_eq!(Answer::of(&answered(azure)).message.as_deref(), Some("Server failed."));
    }

    #[test]
    fn who_is_at_fault_follows_from_the_answer() {
        let named = |is_ours| Named { address: "s3://b/k".to_owned(), is_ours };
        let of = |status: &str| trouble(&answered(status), &named(true));
        assert!(matches!(of("503 Service Unavailable: "), Trouble::Passing(_)));
        assert!(matches!(of("429 Too Many Requests: "), Trouble::Passing(_)));
        assert!(matches!(of("501 Not Implemented: "), Trouble::Lasting(FilesError::Unsupported { .. })));
        assert!(matches!(of("301 Moved Permanently: "), Trouble::Lasting(FilesError::Denied { .. })));
        let Trouble::Lasting(skewed) = of("403 Forbidden: <Code>RequestTimeTooSkewed</Code>") else { panic!("it does not pass") };
        assert!(skewed.to_string().contains("clock"), "{skewed}");
        let no_bucket = answered("404 Not Found: <Code>NoSuchBucket</Code>");
        assert!(matches!(trouble(&no_bucket, &named(true)), Trouble::Lasting(FilesError::Denied { .. })));
        assert!(matches!(trouble(&no_bucket, &named(false)), Trouble::Lasting(FilesError::NotFound { .. })));
    }
}
