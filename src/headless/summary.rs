//! The end of a run in a few lines.

use crate::domain::event::RunSummary;
use crate::domain::time::seconds_words;

/// The figures of a run as text: jobs, peak, time over the line, cleanups and what they freed.
pub fn render(summary: &RunSummary) -> String {
    under("plimsoll: the run is over", summary)
}

/// The same of a run that goes on and has done all it had to do.
pub fn render_so_far(summary: &RunSummary) -> String {
    under("plimsoll: nothing waits and nothing runs", summary)
}

fn under(title: &str, summary: &RunSummary) -> String {
    let counts = summary.jobs.words();
    let kills = if summary.oom_kills == 0 { String::new() } else { format!("\n  oom kills      {}", summary.oom_kills) };
    let futile = match summary.cleanups_without_gain {
        0 => String::new(),
        futile => format!(" ({futile} of them freed next to nothing)"),
    };
    let measured = summary.measured_seconds.map_or_else(String::new, |seconds| {
        format!(
            "\n\x20 measured       peaks and time over the line in the last {}; before the budget changed other memory was counted",
            seconds_words(seconds)
        )
    });
    let earlier = match summary.earlier_profiles.as_slice() {
        [] => String::new(),
        earlier => format!(" (before: {})", earlier.join(", ")),
    };
    let slots = summary.at_once.as_ref().map(|words| format!("\n\x20 at once        {words}")).unwrap_or_default();
    format!(
        "{title}\n\
         \x20 profile        {}{earlier}{slots}\n\
         \x20 jobs           {counts}\n\
         \x20 peak           {} of {} ({} cannot be dropped; {} with file cache)\n\
         \x20 budget         {}: {}\n\
         \x20 over the line  {}{measured}\n\
         \x20 cleanups       {}, freed {:.1} MB{futile}\n\
         \x20 took           {}{kills}\n",
        summary.profile,
        summary.peak_working_set_bytes.whole(),
        summary.budget_bytes.whole(),
        summary.peak_memory_bytes.whole(),
        summary.peak_usage_bytes.whole(),
        summary.budget_bytes,
        summary.budget_source,
        seconds_words(summary.seconds_over_high_water),
        summary.cleanups,
        summary.freed_bytes.as_mb(),
        seconds_words(summary.seconds),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::JobCounts;
    use crate::domain::units::Bytes;

    #[test]
    fn the_summary_tells_jobs_peak_time_over_the_line_and_bytes_freed() {
        let text = render(&RunSummary {
            profile: "balanced".to_owned(),
            budget_bytes: Bytes::mib(512),
            budget_source: "--budget".to_owned(),
            jobs: JobCounts { done: 9, rejected: 2, failed: 1, ..JobCounts::default() },
            peak_memory_bytes: Bytes::mib(400),
            peak_working_set_bytes: Bytes::mib(450),
            peak_usage_bytes: Bytes::mib(700),
            seconds: 41.25,
            seconds_over_high_water: 3.5,
            cleanups: 31,
            cleanups_without_gain: 12,
            freed_bytes: Bytes::mib(812),
            ..RunSummary::default()
        });
        for part in [
            "9 done, 1 failed, 2 rejected",
            "450 MB of 512 MB (400 MB cannot be dropped; 700 MB with file cache)",
            "3.5 s",
            "31, freed 812.0 MB (12 of them freed next to nothing)",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains("oom"), "{text}");
    }

    #[test]
    fn profiles_that_were_in_force_before_are_told_too() {
        let earlier_profiles = vec!["safe".to_owned(), "fast".to_owned()];
        let text = render(&RunSummary { profile: "balanced".to_owned(), earlier_profiles, ..RunSummary::default() });
        assert!(text.contains("profile        balanced (before: safe, fast)\n"), "{text}");
    }

    #[test]
    fn figures_of_a_part_of_the_run_say_so() {
        let whole = render(&RunSummary::default());
        assert!(!whole.contains("measured"), "{whole}");
        let part = render(&RunSummary { measured_seconds: Some(200.0), ..RunSummary::default() });
        assert!(part.contains("measured       peaks and time over the line in the last 3 min 20 s"), "{part}");
    }

    #[test]
    fn those_done_of_damaged_inputs_are_counted_beside_those_done() {
        let jobs = JobCounts { done: 38, damaged: 2, failed: 1, ..JobCounts::default() };
        assert_eq!(jobs.words(), "38 done (2 of them with damage), 1 failed");
        assert_eq!(JobCounts { done: 38, ..JobCounts::default() }.words(), "38 done");
    }
}
