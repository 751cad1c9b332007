//! What came of a command that changes something: one line for each thing that was done, or with `--json` one object.

use color_eyre::eyre::Result;
use serde_json::{Map, Value, json};

use super::{NO_SERVER, REFUSED, VERSIONS};
use crate::cli::{Busy, Unavailable, Usage, write_out};
use crate::domain::command::Answer;
use crate::domain::comparison::under_way::END_IT;
use crate::domain::job::JobId;
use crate::domain::refusal::{Refusal, Rejection};

/// The fields that every such object has, in the order in which they are told; some commands have more.
pub const FIELDS: [&str; 5] = ["command", "jobs", "refused", "later", "error"];

/// What fails where no engine has refused anything: the codes of `error`.
pub const FAILURES: [&str; 6] = ["no_server", "versions", "another_user", "busy", "usage", "failed"];

/// What is told.
pub struct Told {
    json: bool,
    command: &'static str,
    jobs: Vec<JobId>,
    refused: Vec<Value>,
    later: Option<String>,
    error: Option<Value>,
    more: Map<String, Value>,
}

/// The fields that some commands have besides, as they are until more is known: whatever goes wrong, whoever reads the answer finds
/// them.
fn further(command: &str) -> Map<String, Value> {
    let fields = match command {
        "add" => json!({ "batch": null, "batches": [], "known": 0 }),
        "profile" => json!({ "profile": null }),
        "stop" => json!({ "pid": null, "kept": null }),
        _ => json!({}),
    };
    fields.as_object().cloned().unwrap_or_default()
}

/// Does what a command is for, and tells what came of it; the exit status.
pub fn telling(command: &'static str, json: bool, work: impl FnOnce(&mut Told) -> Result<()>) -> Result<u8> {
    let (jobs, refused, more) = (Vec::new(), Vec::new(), further(command));
    let mut told = Told { json, command, jobs, refused, later: None, error: None, more };
    match work(&mut told) {
        Ok(()) => told.end(),
        Err(error) => {
            told.error = Some(error_json(&error));
            if json {
                told.end()?;
            }
            // What is wrong is said for people too, and decides the exit status.
            Err(error)
        }
    }
}

/// What failed, as an object: its code and the words.
pub fn error_json(error: &color_eyre::Report) -> Value {
    json!({ "code": failure(error), "why": error.to_string() })
}

fn failure(error: &color_eyre::Report) -> &'static str {
    match error.downcast_ref::<Unavailable>().map(|unavailable| unavailable.status) {
        Some(NO_SERVER) => "no_server",
        Some(VERSIONS) => "versions",
        Some(REFUSED) => "another_user",
        _ if error.is::<Busy>() => "busy",
        _ if error.is::<Usage>() => "usage",
        _ => "failed",
    }
}

impl Told {
    /// Something was done with a job.
    pub fn did(&mut self, job: JobId, done: &str, answer: &Answer) -> Result<()> {
        self.jobs.push(job);
        self.later = answer.later.clone().or(self.later.take());
        self.line(&format!("{done} #{job}{}", later(answer.later.as_ref())))
    }

    /// It could not be done with a job.
    pub fn refuse(&mut self, job: JobId, why: &Rejection) {
        self.refused.push(json!({ "job": job, "code": why.code, "why": why.why }));
        crate::cli::write_stderr(&format!("plimsoll: #{job}: {why}\n"));
    }

    /// A path could not be taken.
    pub fn refuse_path(&mut self, why: &Rejection) {
        self.refused.push(json!({ "job": null, "code": why.code, "why": why.why }));
        crate::cli::write_stderr(&format!("plimsoll: {why}\n"));
    }

    /// The answer to what was asked of the whole queue.
    pub fn answer(&mut self, answer: Result<Answer, Rejection>, done: &str) -> Result<()> {
        match answer {
            Ok(answer) => {
                self.later.clone_from(&answer.later);
                self.line(&format!("{done}{}", later(answer.later.as_ref())))
            }
            Err(why) => {
                self.error = Some(json!({ "code": why.code, "why": why.why }));
                crate::cli::write_stderr(&format!("plimsoll: {why}\n"));
                Ok(())
            }
        }
    }

    /// These jobs, all of them.
    pub fn jobs(&mut self, jobs: Vec<JobId>, later: Option<String>) {
        (self.jobs, self.later) = (jobs, later);
    }

    /// A further field.
    pub fn more(&mut self, field: &str, value: Value) {
        self.more.insert(field.to_owned(), value);
    }

    /// A line for people.
    pub fn line(&self, text: &str) -> Result<()> {
        if self.json { Ok(()) } else { write_out(format!("{text}\n").as_bytes()).map(drop) }
    }

    /// It can only have been done in part.
    pub const fn is_refused(&self) -> bool {
        !self.refused.is_empty() || self.error.is_some()
    }

    fn end(self) -> Result<u8> {
        let status = u8::from(self.is_refused());
        if self.json {
            let mut object = self.more;
            let fields = [json!(self.command), json!(self.jobs), json!(self.refused), json!(self.later), json!(self.error)];
            object.extend(FIELDS.map(ToOwned::to_owned).into_iter().zip(fields));
            write_out(format!("{}\n", Value::Object(object)).as_bytes())?;
        }
        Ok(status)
    }
}

/// What was asked for begins later: after what, and how to have it now.
pub fn later(later: Option<&String>) -> String {
    later.map_or_else(String::new, |later| format!("; {later}; {END_IT}"))
}

/// All codes that a refusal or an error may have.
pub fn codes() -> std::collections::BTreeSet<&'static str> {
    Refusal::ALL.iter().map(|code| code.as_str()).chain(FAILURES).collect()
}
