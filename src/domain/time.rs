//! Two kinds of time: a monotonic one that durations are taken from, and the wall clock that people read.
//!
//! Nothing here reads a clock; `runtime::clock` and the simulation hand both in.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Time since the run began; never goes back, not even when the wall clock is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub Duration);

impl Mono {
    /// The moment the run began.
    pub const START: Self = Self(Duration::ZERO);

    /// `ms` milliseconds into the run.
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// Milliseconds into the run.
    pub const fn as_millis(self) -> u64 {
        self.0.as_millis() as u64
    }

    /// Time from `earlier` to here; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by))
    }
}

impl Serialize for Mono {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.as_millis())
    }
}

impl<'de> Deserialize<'de> for Mono {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from_millis)
    }
}

/// Wall-clock time: milliseconds since 1970-01-01 UTC. Written as RFC 3339 with milliseconds and `Z`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub i64);

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// For durations and order.
    pub mono: Mono,
    /// For people.
    pub wall: Wall,
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (Timestamp::MIN.as_millisecond(), Timestamp::MAX.as_millisecond());
        let time = Timestamp::from_millisecond(self.0.clamp(least, most)).map_err(|_| fmt::Error)?;
        write!(f, "{time:.3}")
    }
}

impl FromStr for Wall {
    type Err = String;

    /// Reads exactly the form that [`Wall`] prints: `2026-11-22T12:03:58.120Z`.
    fn from_str(text: &str) -> Result<Self, String> {
        let time = text.parse::<Timestamp>().ok().map(|time| Self(time.as_millisecond()));
        let exact = time.filter(|time| time.to_string() == text);
        exact.ok_or_else(|| format!("`{text}` is not a time such as 2026-11-22T12:03:58.120Z"))
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Reads a duration such as `90s`, `5m`, `1h30m`, `500ms` or a bare number of seconds; `0` means none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let read = match text.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => text.trim().parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok()),
    };
    read.ok_or_else(|| format!("`{text}` is not a duration; write a number with ms, s, m or h, such as 90s, 5m or 1h30m"))
}

/// Serde form of a duration that may be missing: seconds, with a fraction.
pub mod as_seconds_option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes seconds, or null.
    #[allow(clippy::ref_option)] // the signature serde's `with` asks for
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
    }

    /// Reads seconds; what is no duration is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }
}

/// A length of time as it is said: `41 s`, `3 min 20 s`, `18 min`, `2 h 05 min`, `3 d 4 h`. What does not matter beside the
/// rest is left out: parts of a second, seconds from ten minutes on, minutes from two days on.
pub fn span_words(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 if !seconds.is_multiple_of(60) => format!("{minutes} min {} s", seconds % 60),
        60..3600 => format!("{minutes} min"),
        3600..172_800 if minutes % 60 != 0 => format!("{hours} h {:02} min", minutes % 60),
        3600..172_800 => format!("{hours} h"),
        _ if hours % 24 != 0 => format!("{days} d {} h", hours % 24),
        _ => format!("{days} d"),
    }
}

/// As [`span_words`], for measured seconds: below a minute with a tenth, as `3.5 s`. What is no duration counts as zero.
pub fn seconds_words(seconds: f64) -> String {
    // What would round to 60.0 is a minute.
    if seconds < 59.95 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    span_words(Duration::try_from_secs_f64(seconds.round()).unwrap_or_default())
}

/// `00:41`, `1:02:33`, `12 d`: to the nearest second, and days from a hundred hours on.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.saturating_add(Duration::from_millis(500)).as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        1..100 => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{} d", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_prints_as_rfc_3339_and_reads_back() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_349_038_120, "2026-11-22T12:03:58.120Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Wall(ms).to_string(), text);
            assert_eq!(text.parse(), Ok(Wall(ms)));
        }
    }

    #[test]
    fn other_time_forms_are_refused() {
        for text in ["", "2026-11-22", "2026-13-22T12:03:58.120Z", "2026-11-22 12:03:58.120Z", "2026-11-22T12:03:58.120+1"] {
            assert!(text.parse::<Wall>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_told_as_they_are_said() {
        for (seconds, told) in [
            (0, "0 s"),
            (41, "41 s"),
            (60, "1 min"),
            (200, "3 min 20 s"),
            (600, "10 min"),
            (1119, "18 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (7530, "2 h 05 min"),
            (90_000, "25 h"),
            (172_800, "2 d"),
            (273_600, "3 d 4 h"),
        ] {
            assert_eq!(span_words(Duration::from_secs(seconds)), told);
        }
        for (seconds, told) in [(3.54, "3.5 s"), (59.94, "59.9 s"), (59.97, "1 min"), (7499.0, "2 h 04 min"), (f64::NAN, "0 s")] {
            assert_eq!(seconds_words(seconds), told);
        }
    }

    #[test]
    fn durations_are_read_with_units() {
        for (text, ms) in
            [("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("500ms", 500), ("2", 2000), ("0", 0), ("1.5s", 1500)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "m", "-1s", "5 parsecs", "1h30", "9e99h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
