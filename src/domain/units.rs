//! Sizes as plimsoll counts them: bytes, with `MB` and `GB` meaning 1024² and 1024³.
//!
//! Knows nothing of where a size comes from.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// 1024 bytes.
pub const KIB: u64 = 1024;
/// 1024² bytes, what files, flags and screens call `MB`.
pub const MIB: u64 = 1024 * KIB;
/// 1024³ bytes, what files, flags and screens call `GB`.
pub const GIB: u64 = 1024 * MIB;

/// A number of bytes. Arithmetic saturates: a gauge may be wrong for a moment, never a panic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// No bytes at all.
    pub const ZERO: Self = Self(0);

    /// `n` times 1024² bytes.
    pub const fn mib(n: u64) -> Self {
        Self(n.saturating_mul(MIB))
    }

    /// `n` times 1024³ bytes.
    pub const fn gib(n: u64) -> Self {
        Self(n.saturating_mul(GIB))
    }

    /// The size in MB (1024²), as the log lines print it.
    pub fn as_mb(self) -> f64 {
        self.0 as f64 / MIB as f64
    }

    /// It is printed as 0.0 MB.
    pub const fn is_next_to_nothing(self) -> bool {
        self.0 < MIB / 20
    }

    /// This size times `factor`, rounded to the nearest byte; negative factors give zero.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor.max(0.0)).round() as u64)
    }

    /// This size as a share of `whole`; 0 when `whole` is zero.
    pub fn share_of(self, whole: Self) -> f64 {
        if whole.0 == 0 { 0.0 } else { self.0 as f64 / whole.0 as f64 }
    }

    /// Difference that stops at zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whole MB with its unit: `1312 MB`; below 1 MB in KB or bytes: `12 KB`, `0 B`.
    pub fn whole(self) -> String {
        match self.0 {
            0..KIB => format!("{} B", self.0),
            KIB..MIB => format!("{} KB", self.0 / KIB),
            _ => format!("{} MB", self.0.saturating_add(MIB / 2) / MIB),
        }
    }

    /// Short form for narrow columns, at most five characters: `148M`, `1.5G`, `12K`, `0`.
    pub fn short(self) -> String {
        match self.0 {
            0 => "0".to_owned(),
            1..KIB => format!("{}B", self.0),
            KIB..MIB => format!("{}K", self.0 / KIB),
            _ => {
                let mb = self.0.saturating_add(MIB / 2) / MIB;
                if mb < 10_000 { format!("{mb}M") } else { format!("{:.1}G", self.0 as f64 / GIB as f64) }
            }
        }
    }
}

impl fmt::Display for Bytes {
    /// The largest unit that keeps the number readable: `200 MB`, `1.5 GB`, `900 KB`, `12 B`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            0..MIB => self.whole(),
            MIB..GIB => trimmed(self.as_mb(), "MB"),
            _ => trimmed(self.0 as f64 / GIB as f64, "GB"),
        };
        f.pad(&text)
    }
}

fn trimmed(value: f64, unit: &str) -> String {
    let one_decimal = format!("{value:.1}");
    let number = one_decimal.strip_suffix(".0").unwrap_or(&one_decimal);
    format!("{number} {unit}")
}

impl Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Bytes {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeError(String);

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a size; write a number with B, KB, MB or GB, such as 200MB or 1.5GB", self.0)
    }
}

impl std::error::Error for SizeError {}

impl FromStr for Bytes {
    type Err = SizeError;

    /// Reads `200MB`, `1.5 GB`, `64MiB`, `2g` or a bare number of bytes; letter case does not matter.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError(text.to_owned());
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => KIB,
            "m" | "mb" | "mib" => MIB,
            "g" | "gb" | "gib" => GIB,
            "t" | "tb" | "tib" => GIB * KIB,
            _ => return Err(error()),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(unit).map(Self).ok_or_else(error);
        }
        let number: f64 = number.parse().map_err(|_| error())?;
        let bytes = number * unit as f64;
        if bytes.is_finite() && bytes < u64::MAX as f64 { Ok(Self(bytes.round() as u64)) } else { Err(error()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_1024_based_units() {
        for (text, bytes) in
            [("200MB", 200 * MIB), ("1.5GB", GIB + GIB / 2), ("64 MiB", 64 * MIB), ("2g", 2 * GIB), ("1024", 1024), ("0", 0)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "MB", "-1MB", "12 parsecs", "1.2.3MB", "nan", "99999999999TB", "1e3"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_print_in_the_largest_readable_unit() {
        assert_eq!(Bytes::mib(200).to_string(), "200 MB");
        assert_eq!(Bytes(GIB + GIB / 2).to_string(), "1.5 GB");
        assert_eq!(Bytes(12).to_string(), "12 B");
        assert_eq!(Bytes::mib(148).short(), "148M");
        assert_eq!(Bytes::gib(20).short(), "20.0G");
        assert_eq!(Bytes::mib(1312).whole(), "1312 MB");
    }
}
