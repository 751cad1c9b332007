//! `compare --json`: one object a line on stdout.

use std::io::Write as _;

use serde_json::{Map, Value};

use crate::domain::comparison::RunTag;
use crate::runtime::clock::Clock;

/// The JSON lines: those of the runs, each with the run it belongs to, and those of the comparison itself.
pub struct Stream {
    seq: u64,
    clock: Clock,
    /// Why nothing is written any more.
    lost: Option<std::io::Error>,
}

impl Stream {
    /// A stream on stdout.
    pub const fn new(clock: Clock) -> Self {
        Self { seq: 0, clock, lost: None }
    }

    /// Passes a line of a run on. `seq` goes on rising over all runs; the run's own number stands beside its tag.
    pub fn pass(&mut self, line: &str, tag: &RunTag) {
        let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(line) else { return };
        let mut tag = serde_json::to_value(tag).unwrap_or_default();
        tag["seq"] = object.remove("seq").unwrap_or_default();
        // The line itself stays as it is: only its head is another.
        let rest = line.split_once(',').filter(|(first, _)| first.starts_with("{\"seq\":")).map(|(_, rest)| rest.to_owned());
        let rest = rest.unwrap_or_else(|| Value::Object(object).to_string().split_off(1));
        self.seq += 1;
        self.write(&format!("{{\"seq\":{},\"run\":{tag},{rest}", self.seq));
    }

    /// Writes an event of the comparison.
    pub fn emit(&mut self, event: &str, fields: Map<String, Value>) {
        self.seq += 1;
        let (at, rest) = (self.clock.now().wall, Value::Object(fields).to_string().split_off(1));
        self.write(&format!("{{\"seq\":{},\"at\":\"{at}\",\"event\":\"{event}\",{rest}", self.seq));
    }

    /// Why not all of it could be written; a reader that went away is a reason too, since the result stands in the last line.
    pub const fn lost(&self) -> Option<&std::io::Error> {
        self.lost.as_ref()
    }

    fn write(&mut self, text: &str) {
        // The runs and the report are made all the same.
        if self.lost.is_none() {
            let mut out = std::io::stdout().lock();
            self.lost = writeln!(out, "{text}").and_then(|()| out.flush()).err();
        }
    }
}
