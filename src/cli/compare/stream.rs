//! `compare --json`: one object a line on stdout.

use std::io::Write as _;

use serde_json::{Map, Value};

use crate::domain::comparison::RunTag;
use crate::runtime::clock::Clock;

/// The JSON lines: those of the runs, each with the run it belongs to, and those of the comparison itself.
pub struct Stream {
    seq: u64,
    clock: Clock,
    /// Somebody reads.
    open: bool,
}

impl Stream {
    /// A stream on stdout.
    pub const fn new(clock: Clock) -> Self {
        Self { seq: 0, clock, open: true }
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

    /// Tells a fact of the comparison.
    pub fn tell(&mut self, event: &str, fields: Map<String, Value>) {
        self.seq += 1;
        let (at, rest) = (self.clock.now().wall, Value::Object(fields).to_string().split_off(1));
        self.write(&format!("{{\"seq\":{},\"at\":\"{at}\",\"event\":\"{event}\",{rest}", self.seq));
    }

    fn write(&mut self, text: &str) {
        // A reader that has gone (`| head`) has read enough; the report is made all the same.
        self.open = self.open && writeln!(std::io::stdout().lock(), "{text}").is_ok();
    }
}
