//! Names of files where there is little room: cut in the middle, so that what tells the parts of a series apart stays.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::domain::job::Job;
use crate::domain::text::file_name_text;
use crate::tui::terminal::theme::Symbols;

/// An ending longer than this is taken to be part of the name.
const LONGEST_ENDING: usize = 6;
/// Columns that the beginning of a name keeps beside what stands after it.
const LEAST_HEAD: usize = 3;

/// As much of a text's beginning as stands in `width` columns; no character is parted from its marks.
pub fn head(text: &str, width: usize) -> &str {
    let mut used = 0;
    let beyond = text.grapheme_indices(true).find(|(_, cluster)| {
        used += cluster.width();
        used > width
    });
    beyond.map_or(text, |(at, _)| &text[..at])
}

/// As much of a text's end as stands in `width` columns; no character is parted from its marks.
pub fn tail(text: &str, width: usize) -> &str {
    let mut used = 0;
    let beyond = text.grapheme_indices(true).rev().find(|(_, cluster)| {
        used += cluster.width();
        used > width
    });
    beyond.map_or(text, |(at, cluster)| &text[at + cluster.len()..])
}

/// The name of a job's input as the screen shows it: signs that only join letters are left out where they are no Latin
/// ones. They take no column and terminals do not agree on what they do; logs and JSON lines tell them.
pub fn input_name(job: &Job) -> String {
    let name = file_name_text(&job.input);
    if !name.contains(JOINERS[0]) && !name.contains(JOINERS[1]) {
        return name;
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name.as_str();
    while let Some(at) = JOINERS.iter().filter_map(|joiner| rest.find(joiner)).min() {
        let after = &rest[at + JOINERS[0].len()..];
        out.push_str(&rest[..at]);
        let joins = !out.chars().next_back().is_none_or(|c| c.is_ascii()) && !after.chars().next().is_none_or(|c| c.is_ascii());
        if !joins {
            out.push_str(&rest[at..at + JOINERS[0].len()]);
        }
        rest = after;
    }
    out + rest
}

/// The joiner and the non-joiner, as they are made safe to show.
const JOINERS: [&str; 2] = ["<U+200D>", "<U+200C>"];

/// A name in `width` columns. What is left out is left out of the middle: the ending stays, the number before it, and the
/// number of a part that stands further in front, as far as there is room.
pub fn fit_name<'a>(name: &'a str, width: usize, symbols: &Symbols) -> Cow<'a, str> {
    if name.len() <= width || name.width() <= width {
        return Cow::Borrowed(name);
    }
    let more = symbols.more;
    if width <= more.width() + 1 {
        return Cow::Borrowed(head(name, width));
    }
    let ending = ending(name);
    let stem = &name[..name.len() - ending.len()];
    let room = width - more.width();
    let number = number(stem);
    // All from the number on, where that is not too much.
    if let Some((from, _)) = number {
        let end = &name[from..];
        if end.width() + LEAST_HEAD <= room && end.width() * 3 <= room * 2 {
            // A little more than the number, where the beginning has enough.
            let end = tail(name, end.width().max(room / 3));
            return Cow::Owned(format!("{}{more}{end}", head(name, room - end.width())));
        }
    }
    let end = tail(name, (ending.width() + 1).max(room / 3).min(room));
    let begin = head(name, room - end.width());
    match number {
        // Neither part has it: it stands between two cuts.
        Some((from, to)) if to > begin.len() && from < name.len() - end.len() => {
            let number = &name[from..to];
            let others = number.width() + ending.width() + more.width() + LEAST_HEAD;
            if others <= room {
                let begin = head(name, room - others + LEAST_HEAD);
                return Cow::Owned(format!("{begin}{more}{number}{more}{ending}"));
            }
            Cow::Owned(format!("{begin}{more}{end}"))
        }
        _ => Cow::Owned(format!("{begin}{more}{end}")),
    }
}

/// `.mp4`; empty where what follows the last dot is no ending.
fn ending(name: &str) -> &str {
    let dot = name.rfind('.').filter(|dot| *dot > 0).unwrap_or(name.len());
    let ending = &name[dot..];
    let is_one = ending.len() <= LONGEST_ENDING && ending.chars().skip(1).all(|c| c.is_ascii_alphanumeric());
    if is_one { ending } else { "" }
}

/// Where the number stands that tells the parts of a series apart: `S01E07`, else the last number that is no size of a
/// picture (`1080p`), no codec (`x264`) and no depth (`10bit`).
fn number(stem: &str) -> Option<(usize, usize)> {
    let bytes = stem.as_bytes();
    let digits_from = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (mut at, mut last, mut before) = (0, None, None);
    while at < bytes.len() {
        let count = digits_from(at);
        if count == 0 {
            at += 1;
            continue;
        }
        let (from, to) = (at, at + count);
        at = to;
        let letter = |index: Option<usize>| index.and_then(|index| bytes.get(index)).map(u8::to_ascii_lowercase);
        let previous = letter(from.checked_sub(1));
        if let (Some(b'e'), Some((season, end))) = (previous, before)
            && end + 1 == from
            && letter(usize::checked_sub(season, 1)) == Some(b's')
        {
            return Some((season - 1, to));
        }
        before = Some((from, to));
        let is_codec = matches!(previous, Some(b'x' | b'h'));
        let is_size = count >= 3 && matches!(letter(Some(to)), Some(b'p' | b'i'));
        let is_depth = stem[to..].to_ascii_lowercase().starts_with("bit");
        if !is_codec && !is_size && !is_depth {
            last = Some((from, to));
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tui::terminal::theme::{ASCII, UNICODE};

    fn cut(name: &str, width: usize) -> String {
        fit_name(name, width, &UNICODE).into_owned()
    }

    #[test]
    fn number_and_ending_stay_when_a_name_is_cut() {
        let mut told = Vec::new();
        for (name, width, shown) in [
            ("lecture-04.mp4", 14, "lecture-04.mp4"),
            ("lecture-of-monday-04.mp4", 14, "lecture…04.mp4"),
            ("The.Very.Long.Series.S01E07.mkv", 18, "The.Ver…S01E07.mkv"),
            ("The.Very.Long.Series.S01E07.1080p.WEB.x264.mkv", 20, "The.Very…S01E07….mkv"),
            ("Aufnahme der Vorlesung Teil 12.mp4", 14, "Aufnahm…12.mp4"),
            ("a name of words alone.webm", 14, "a name …e.webm"),
            ("no ending at all in this one", 12, "no endin…one"),
            ("GOPR0001.MP4", 8, "GO…1.MP4"),
        ] {
            let cut = cut(name, width);
            assert!(cut.width() <= width, "{cut}");
            for kept in [ending(name), number(name).map_or("", |(from, to)| &name[from..to])] {
                assert!(cut.contains(kept) || width < 12, "{kept} is gone from {cut}");
            }
            told.push((cut, shown.to_owned()));
        }
        assert!(told.iter().all(|(cut, shown)| cut == shown), "{told:#?}");
        assert_eq!(fit_name("lecture-of-monday-04.mp4", 14, &ASCII), "lecture~04.mp4");
    }

    #[test]
    fn characters_are_not_parted_from_their_marks_and_wide_ones_take_two_columns() {
        assert_eq!(cut("日本語の動画ファイル名前とても長い名前です.mp4", 13), "日本語の….mp4");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}.mp4", 8), "e\u{301}e\u{301}…e\u{301}.mp4");
        assert_eq!(head("👩🏽‍🚀👩🏽‍🚀", 3), "👩🏽‍🚀");
        assert_eq!(tail("ไทยทดสอบ ที่", 2), " ที่");
    }

    #[test]
    fn the_number_of_a_part_is_told_from_other_numbers() {
        let found = |stem: &str| number(stem).map(|(from, to)| stem[from..to].to_owned());
        assert_eq!(found("show.s02e11.1080p.x265").as_deref(), Some("s02e11"));
        assert_eq!(found("talk 3 of 12.1080p.h264.10bit").as_deref(), Some("12"));
        assert_eq!(found("2024-05-01 14-03").as_deref(), Some("03"));
        assert_eq!(found("nothing here"), None);
        assert_eq!(found("1080p"), None);
    }

    proptest! {
        #[test]
        fn any_name_fits_any_width(name in "(\\PC|[0-9.]|👨‍👩‍👧|e\u{301}|日){0,40}", width in 0..60_usize) {
            let shown = cut(&name, width);
            prop_assert!(shown.width() <= width || name == shown, "{} takes {} of {}", shown, shown.width(), width);
            if name.width() <= width {
                prop_assert_eq!(&shown, &name);
            }
        }
    }
}
