//! What is said on the wire: one JSON object a line, with one key that names it.
//!
//! A reader skips what it does not know, so that names and fields can be added. Nothing is ever renamed or removed within one
//! version of the protocol.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::look::Look;
use crate::domain::command::{Answer, Command};
use crate::domain::event::{Event, Seq};
use crate::domain::job::{Job, JobId};
use crate::domain::profile::Profile;
use crate::domain::refusal::Rejection;
use crate::domain::state::{HistoryPoint, LogRing, State};
use crate::domain::time::Wall;
use crate::runtime::link::{Attached, LookStep};

/// The versions of the protocol that this program speaks: the oldest and the newest.
pub const SPOKEN: Versions = Versions { min: 1, max: 1 };

/// Versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest that is understood.
    pub min: u32,
    pub max: u32,
}

impl Versions {
    /// The newest version that both speak.
    pub fn common(self, other: Self) -> Option<u32> {
        let newest = self.max.min(other.max);
        (newest >= self.min && newest >= other.min).then_some(newest)
    }
}

/// What a client says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientHello {
    pub protocol: Versions,
    /// Its plimsoll, for people.
    #[serde(default)]
    pub version: String,
    /// Chosen at random by the client, and kept when it connects again: its requests are counted within it.
    pub session: String,
    /// It wants all that is known, and every event after it. Scripts that only ask do not.
    #[serde(default)]
    pub follow: bool,
    /// A person sits at it: it is listed among the consoles.
    #[serde(default)]
    pub console: bool,
    /// It only looks: everything it might ask for is refused.
    #[serde(default)]
    pub view: bool,
    /// What it knows already, from before its line was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// Up to where a client knows what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The life of the server that told it.
    pub life: String,
    /// The last event that it has.
    pub seq: Seq,
}

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHello {
    pub protocol: Versions,
    /// Its plimsoll, for people.
    pub version: String,
    /// Which server: another one for each start. Numbers of events belong to one life.
    pub life: String,
    pub pid: u32,
    pub host: String,
    /// The folder whose queue it works on.
    #[serde(with = "crate::domain::text::as_text")]
    pub state_dir: PathBuf,
    /// When it was started.
    pub since: Wall,
    /// What it can do beside the protocol's first version.
    #[serde(default)]
    pub features: Vec<String>,
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientLine {
    /// The first line.
    Hello(ClientHello),
    /// A request to the engine. Sent again after a cut it is not done again, for ten minutes.
    Request {
        /// Its number within the session, rising.
        number: u64,
        /// What is asked.
        command: Command,
    },
    /// A question beside the stream of events.
    Look {
        /// Its number among the questions of this connection.
        number: u64,
        /// What is asked.
        look: Look,
    },
    /// The answer to that question is not wanted any more.
    GiveUp { number: u64 },
}

/// What a server says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerLine {
    /// The first line.
    Hello(ServerHello),
    /// It does not talk to this client; the last line.
    Refused(Refused),
    /// What a console offers.
    Facts(Box<Facts>),
    /// A snapshot begins: all but jobs, points and logs.
    Head(Box<State>),
    /// Jobs of the snapshot.
    Jobs(Vec<Job>),
    /// What has happened, as people are told it, oldest first.
    Story(Vec<Event>),
    /// Points of the memory history, oldest first.
    Points(Vec<HistoryPoint>),
    /// The latest lines of a log.
    Log {
        /// The job; null = the run.
        job: Option<JobId>,
        /// Its lines.
        ring: LogRing,
    },
    /// The snapshot is complete: events follow from here.
    End(Seq),
    /// The client knows all up to here: events follow from here.
    Resumed(Seq),
    /// A fact.
    Event(Box<Event>),
    /// What came of a request.
    Reply {
        number: u64,
        /// What came of it.
        result: Result<Answer, Rejection>,
    },
    /// How far a question is.
    Step {
        number: u64,
        /// How far.
        step: LookStep,
    },
    /// A piece of an answer, which is JSON: all pieces in a row are the answer.
    Piece { number: u64, text: String },
    /// The answer is complete, or there is none for this reason.
    Answered {
        number: u64,
        /// Why there is no answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Who is attached, whenever that changes.
    Consoles(Vec<Attached>),
    /// What somebody else has done.
    Did {
        /// Who.
        who: String,
        /// What, in words.
        what: String,
    },
    /// The server ends the conversation: the run is over.
    Bye,
}

/// Why a server does not talk to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The kind of reason.
    pub kind: RefusedKind,
    /// The reason and what to do, in words.
    pub why: String,
}

/// Kinds of reason for not talking to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedKind {
    /// The versions of the protocol do not fit.
    Versions,
    /// Another user, or a hello that is none.
    NotAllowed,
    /// Too many are connected.
    Busy,
}

/// What a console offers, and cannot know by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The profiles that the server's machine has.
    pub profiles: Vec<Profile>,
    /// Names of its presets.
    pub presets: Vec<String>,
    /// The folder that paths given without one start from.
    #[serde(with = "crate::domain::text::as_text")]
    pub folder: PathBuf,
    /// The folder of its user, for `~`.
    #[serde(with = "crate::domain::text::as_text_option", default)]
    pub home: Option<PathBuf>,
    /// Settings that a client cannot change: name and value.
    #[serde(default)]
    pub settings: Vec<(String, String)>,
    /// A comparison can be made there.
    #[serde(default)]
    pub compares: bool,
    /// What the run before did, in words.
    #[serde(default)]
    pub before: Option<String>,
    /// Consoles that are attached when this is told.
    #[serde(default)]
    pub consoles: u32,
}

/// How a received line came out.
#[derive(Debug)]
pub enum Read<T> {
    /// Understood.
    Line(T),
    /// A newer peer says something that is not known here: skipped.
    Unknown,
    /// A peer of another make says what is known here in another form: it would do so again.
    Strange(Value),
    /// No line of the protocol, as the first half of one is.
    Unreadable,
}

/// Reads a line. What has the form of one and another name, or a fact of another name, is skipped.
pub fn read<T: for<'de> Deserialize<'de>>(line: &str, names: &[&str]) -> Read<T> {
    if let Ok(line) = serde_json::from_str(line) {
        return Read::Line(line);
    }
    match serde_json::from_str(line) {
        // What needs no more than its name.
        Ok(Value::String(name)) if !names.contains(&name.as_str()) => Read::Unknown,
        Ok(Value::Object(named)) if is_unknown(&named, names) => Read::Unknown,
        Ok(said) => Read::Strange(said),
        Err(_) => Read::Unreadable,
    }
}

fn is_unknown(named: &Map<String, Value>, names: &[&str]) -> bool {
    let mut all = named.iter();
    let (Some((name, body)), None) = (all.next(), all.next()) else { return false };
    // A fact of another name has its number and its name all the same.
    let is_fact = name == "event" && body.get("seq").is_some_and(Value::is_u64) && body.get("event").is_some_and(Value::is_string);
    is_fact || !names.contains(&name.as_str())
}

/// The names of what a server says, of which each has one form.
pub const SERVER_NAMES: &[&str] = &[
    "hello", "refused", "facts", "head", "jobs", "story", "points", "log", "end", "resumed", "event", "reply", "step", "piece",
    "answered", "consoles", "did", "bye",
];
/// The names of what a client says.
pub const CLIENT_NAMES: &[&str] = &["hello", "request", "look", "give_up"];
