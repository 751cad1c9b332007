//! A plan: how a queue would run in each of several ways, which of them is to be advised, and why.
//!
//! Facts and what follows from them. Knows nothing of how they are foretold, and nothing of how they are shown.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::profile::Profile;
use super::time::seconds_words;
use super::units::Bytes;

/// With fewer finished jobs of its kind a job's forecast is a guess.
pub const SURE_FROM: usize = 3;
/// A way that crosses the line more often than this is not advised.
pub const SELDOM: f64 = 0.05;
/// Two ways of which one finishes later by no more than this share, or these seconds, finish about the same.
const AS_QUICK: f64 = 0.05;
const AS_QUICK_SECONDS: f64 = 2.0;
/// The same in words.
pub const AS_QUICK_WORDS: &str = "5 % or 2 s";
/// A peak that is lower by no more than this share is not worth a switch.
const AS_LOW: f64 = 0.03;

/// What is to be expected of one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// What it is called.
    pub name: String,
    /// Slots and largest file: `2/200`.
    pub short: String,
    /// Memory to use at most.
    pub budget: Bytes,
    /// The load line.
    pub high_water: Bytes,
    /// Median of the peak of memory that the kernel cannot drop.
    pub peak_p50: Bytes,
    /// The peak that 19 of 20 runs stay under.
    pub peak_p95: Bytes,
    /// Share of runs that are over the line at some time, 0 to 1.
    pub crosses: f64,
    /// It is over the line now, whatever is switched to: what runs goes on.
    #[serde(default)]
    pub crossed_now: bool,
    /// Share of runs in which a job is lost for want of memory, or killed by the kernel.
    pub out_of_memory: f64,
    /// Median of the time to the end of the queue, in seconds.
    pub finish_p50: f64,
    /// The time that 19 of 20 runs need at most, in seconds.
    pub finish_p95: f64,
    /// Jobs rejected: for their size, since they never fit, or for what they are.
    pub rejected: u64,
    /// Median number of waits for memory.
    pub holds: u64,
}

impl Forecast {
    /// As it is from now on, where so much is held that the kernel cannot drop, and so much counts against the line.
    #[must_use]
    pub fn from_now(mut self, (held, counted): (Bytes, Bytes)) -> Self {
        (self.peak_p50, self.peak_p95) = (self.peak_p50.max(held), self.peak_p95.max(held));
        if counted > Bytes::ZERO && counted >= self.high_water {
            (self.crossed_now, self.crosses) = (true, 1.0);
        }
        self
    }
}

/// How a way differs from the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Not at all.
    None,
    /// Another profile.
    Profile,
    /// The same profile with other slots.
    Slots,
    /// The same profile with large jobs one at a time.
    Large,
    /// The same profile, and so many threads in every preset: the outputs hold other bytes.
    Threads(u32),
    /// The same profile under a larger or smaller budget.
    Budget,
}

impl Change {
    /// The word for it that programs read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Profile => "profile",
            Self::Slots => "slots",
            Self::Large => "large",
            Self::Threads(_) => "threads",
            Self::Budget => "budget",
        }
    }

    /// It can be switched to while jobs run: the same budget, the same bytes.
    pub const fn is_a_switch(self) -> bool {
        !matches!(self, Self::Threads(_) | Self::Budget)
    }
}

/// A way to run the queue, and what is to be expected of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// How it differs from the one in force.
    pub change: Change,
    /// Its profile. That of a variation has a name of its own, under which it can be used and kept.
    pub profile: Profile,
    /// Jobs of whose kind fewer than [`SURE_FROM`] have finished here, in this way to run them.
    pub guesses: usize,
    /// What is to be expected.
    pub forecast: Forecast,
}

impl Way {
    /// What it is called where there is little room: `2/200`, `4/500 fast`, `2/200, 1 thread`, `2/200, 4 GB`.
    pub fn label(&self) -> String {
        let short = &self.forecast.short;
        match self.change {
            Change::None => format!("now: {short}"),
            Change::Profile => format!("{short} {}", self.profile.name),
            Change::Slots => short.clone(),
            Change::Large => match self.profile.large {
                Some(rule) => format!("{short}, one {}", rule.from),
                None => short.clone(),
            },
            Change::Threads(1) => format!("{short}, 1 thread"),
            Change::Threads(threads) => format!("{short}, {threads} threads"),
            Change::Budget => format!("{short}, budget {}", self.forecast.budget),
        }
    }

    /// It keeps under the line as far as that can be foretold.
    pub fn keeps_under(&self) -> bool {
        self.forecast.crosses <= SELDOM && self.forecast.out_of_memory == 0.0
    }

    /// It ends sooner than `other`, or later by no more than does not count.
    fn is_as_quick_as(&self, other: &Self) -> bool {
        let (own, other) = (self.forecast.finish_p50, other.forecast.finish_p50);
        own <= (other * (1.0 + AS_QUICK)).max(other + AS_QUICK_SECONDS)
    }
}

/// A kind of job: jobs of one kind are expected to take alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kind {
    /// What is made of what, in words.
    pub what: String,
    /// Jobs of the queue of this kind.
    pub jobs: usize,
    /// Finished jobs of this kind that are known.
    pub finished: usize,
    /// Lowest and highest peak of those; without any, what the memory model expects, if it can.
    pub peaks: Option<(Bytes, Bytes)>,
    /// Processor seconds for a second of media, the median of those; `None` without any.
    pub cpu: Option<f64>,
}

/// How a queue would run in several ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Jobs foretold.
    pub jobs: usize,
    /// Σ size of their inputs.
    pub bytes: Bytes,
    /// Files that would be rejected for what they are.
    pub skipped: usize,
    /// Jobs of the queue that were not looked at, for there are too many.
    pub left_out: u64,
    /// Jobs that wait and are done already: their outputs stand, made of these inputs.
    #[serde(default)]
    pub done: usize,
    /// Finished jobs that it rests on.
    pub learned_from: usize,
    /// Jobs of whose kind fewer than [`SURE_FROM`] have finished here.
    pub guesses: usize,
    /// Memory that may be used at most.
    pub budget: Bytes,
    /// Who says so.
    pub budget_source: String,
    /// Memory there is.
    pub available: Bytes,
    /// Processors.
    pub cores: usize,
    /// Runs of each way in virtual time.
    pub runs: u32,
    /// The same seed gives the same plan.
    pub seed: u64,
    /// The kinds of job, the most frequent first.
    pub kinds: Vec<Kind>,
    /// The ways; the one in force first.
    pub ways: Vec<Way>,
}

impl Plan {
    /// Adds files that would be rejected for what they are: a run rejects them in every way, so each way counts them too.
    #[must_use]
    pub fn with_skipped(mut self, files: usize) -> Self {
        self.skipped += files;
        for way in &mut self.ways {
            way.forecast.rejected += files as u64;
        }
        self
    }

    pub fn now(&self) -> Option<&Way> {
        self.ways.first()
    }

    /// It keeps under the line, and rejects no more than now.
    fn is_sound(&self, way: &Way) -> bool {
        self.now().is_some_and(|now| way.forecast.rejected <= now.forecast.rejected) && way.keeps_under()
    }

    /// The way to advise among those that can be switched to: that rejects no more than now, hardly ever crosses the line,
    /// and ends first; of those as quick, the one with the lowest peak. The one in force, if it is about as good.
    pub fn best(&self) -> Option<&Way> {
        let now = self.now()?;
        let fits = |way: &&Way| way.change.is_a_switch() && self.is_sound(way);
        let first = quickest(self.ways.iter().filter(fits))?;
        let as_quick = |way: &&Way| fits(way) && way.is_as_quick_as(first);
        let best = self.ways.iter().filter(as_quick).min_by_key(|way| way.forecast.peak_p95)?;
        let is_as_low = best.forecast.peak_p95 >= now.forecast.peak_p95.scale(1.0 - AS_LOW);
        Some(if is_as_low && as_quick(&now) { now } else { best })
    }

    /// The advice in words, with its reason. It says of which ways it speaks: what cannot be switched to is never advised, and
    /// told where it would do better.
    pub fn advice(&self) -> String {
        let Some(now) = self.now() else { return String::new() };
        let no_switches = || self.ways.iter().filter(|way| !way.change.is_a_switch() && self.is_sound(way));
        let Some(best) = self.best() else {
            if now.forecast.crossed_now {
                return "over the line now, and no switch changes that: what runs goes on; it falls as jobs end".to_owned();
            }
            let would = quickest(no_switches()).map_or_else(
                || "it takes a larger budget, or smaller pictures".to_owned(),
                |way| format!("{} would", way.forecast.name),
            );
            return format!("nothing that can be switched to keeps under the line without rejecting more; {would}");
        };
        let finish = |way: &Way| seconds_words(way.forecast.finish_p50);
        if best.forecast.name == now.forecast.name {
            let sooner = quickest(no_switches().filter(|way| !now.is_as_quick_as(way)));
            let sooner = sooner.map_or_else(String::new, |way| {
                format!("; {} would ({} -> {}), and is no switch", way.forecast.name, finish(now), finish(way))
            });
            let name = now.forecast.name.trim_start_matches("now: ");
            return format!(
                "stay with {name}: nothing to switch to that keeps under the line and rejects no more ends sooner by more \
                 than {AS_QUICK_WORDS}{sooner}"
            );
        }
        let gain = now.forecast.finish_p50 - best.forecast.finish_p50;
        let ends = if now.is_as_quick_as(best) && best.is_as_quick_as(now) {
            "about the same finish".to_owned()
        } else {
            format!("ends {} {}", seconds_words(gain.abs()), if gain > 0.0 { "sooner" } else { "later" })
        };
        let (peak, now_peak) = (best.forecast.peak_p95, now.forecast.peak_p95);
        let memory = match peak.cmp(&now_peak) {
            Ordering::Less => format!("a peak {} lower", (now_peak - peak).whole()),
            Ordering::Equal => "the same peak".to_owned(),
            Ordering::Greater => format!("a peak {} higher, under the line", (peak - now_peak).whole()),
        };
        format!("{}: {ends} ({} -> {}), {memory}", best.forecast.name, finish(now), finish(best))
    }

    /// Where to go should the way in force, or the one advised, still be over the line: the profile with the next fewer
    /// slots.
    pub fn step_down(&self) -> Option<&Way> {
        // What decides its slots itself has as many as there are processors, or fewer.
        let slots = self.best().or(self.now())?.profile.max_concurrent.fixed().unwrap_or(self.cores as u32);
        let fixed = |way: &&Way| way.profile.max_concurrent.fixed();
        let fewer = |way: &&Way| way.change == Change::Profile && fixed(way).is_some_and(|other| other < slots);
        // Of several alike the first: shipped profiles stand before copies of them.
        self.ways.iter().rev().filter(fewer).max_by_key(fixed)
    }

    /// Why a way cannot be switched to, and what to do instead; `None` = it can.
    pub fn obstacle(&self, way: &Way) -> Option<String> {
        match way.change {
            Change::Threads(threads) => Some(format!(
                "no switch: other threads make other bytes; for new outputs give a preset of your own `threads: {threads}`, and \
                 {} slots",
                way.profile.max_concurrent
            )),
            Change::Budget if way.forecast.budget > self.available => Some(format!(
                "no switch: there are {} here; it takes a machine or container with {}",
                self.available, way.forecast.budget
            )),
            // Marks in bytes never grow by themselves.
            Change::Budget if self.now().is_some_and(|now| now.profile.memory != way.profile.memory) => Some(format!(
                "no switch: the marks are meant for {}; it takes a profile of your own with `budget: {}` and `high_water: {}`",
                self.budget,
                written(way.forecast.budget),
                written(way.forecast.high_water)
            )),
            Change::Budget => Some(format!(
                "no switch: the budget is {}; start plimsoll with --budget {}",
                self.budget,
                written(way.forecast.budget)
            )),
            Change::None | Change::Profile | Change::Slots | Change::Large => None,
        }
    }
}

/// The way that ends first.
fn quickest<'w>(ways: impl Iterator<Item = &'w Way>) -> Option<&'w Way> {
    ways.min_by(|one, other| one.forecast.finish_p50.total_cmp(&other.forecast.finish_p50))
}

/// A size as profiles and options take it: `4GB`.
fn written(bytes: Bytes) -> String {
    bytes.to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::profile::{GUIDE_MARKS, GuideWords};
    use super::*;

    fn way(change: Change, slots: u32, (peak, crosses, finish, rejected): (u64, f64, f64, u64)) -> Way {
        let profile = Profile {
            name: format!("p{slots}"),
            title: String::new(),
            max_concurrent: slots.into(),
            max_file_size: Bytes::mib(200),
            large: None,
            memory: GUIDE_MARKS,
            scratch_limit: None,
            env: BTreeMap::new(),
            guide: GuideWords::default(),
        };
        let name = if change == Change::None { format!("now: p{slots}") } else { format!("{change:?} p{slots}") };
        let forecast = Forecast {
            name,
            short: profile.short(),
            budget: Bytes::gib(if change == Change::Budget { 4 } else { 2 }),
            high_water: Bytes::mib(1536),
            peak_p50: Bytes::mib(peak),
            peak_p95: Bytes::mib(peak),
            crosses,
            crossed_now: false,
            out_of_memory: 0.0,
            finish_p50: finish,
            finish_p95: finish,
            rejected,
            holds: 0,
        };
        Way { change, profile, guesses: 0, forecast }
    }

    fn plan(ways: Vec<Way>) -> Plan {
        Plan {
            jobs: 3,
            bytes: Bytes::mib(9),
            skipped: 0,
            left_out: 0,
            done: 0,
            learned_from: 4,
            guesses: 0,
            budget: Bytes::gib(2),
            budget_source: "machine".to_owned(),
            available: Bytes::gib(2),
            cores: 2,
            runs: 60,
            seed: 7,
            kinds: Vec::new(),
            ways,
        }
    }

    #[test]
    fn the_quickest_way_under_the_line_is_advised_and_of_those_as_quick_the_lowest() {
        let plan = plan(vec![
            way(Change::None, 2, (1200, 0.0, 100.0, 0)),
            way(Change::Profile, 4, (1900, 0.4, 60.0, 0)),
            way(Change::Profile, 1, (600, 0.0, 150.0, 2)),
            way(Change::Slots, 3, (1400, 0.05, 80.0, 0)),
            way(Change::Slots, 5, (1300, 0.0, 81.0, 0)),
        ]);
        assert_eq!(plan.best().map(|way| way.profile.max_concurrent), Some(5.into()));
        assert_eq!(plan.advice(), "Slots p5: ends 19.0 s sooner (1 min 40 s -> 1 min 21 s), a peak 100 MB higher, under the line");
        assert_eq!(plan.step_down().map(|way| way.profile.max_concurrent), Some(4.into()));
    }

    #[test]
    fn for_next_to_nothing_no_switch_is_advised() {
        let of = |peak, finish| {
            let ways = vec![way(Change::None, 2, (1000, 0.0, 100.0, 0)), way(Change::Large, 2, (peak, 0.0, finish, 0))];
            plan(ways).best().map(|way| way.change)
        };
        assert_eq!(of(980, 99.0), Some(Change::None));
        assert_eq!(of(960, 99.0), Some(Change::Large), "less memory");
        assert_eq!(of(1200, 90.0), Some(Change::Large), "sooner");
    }

    #[test]
    fn what_makes_other_bytes_or_needs_another_budget_is_never_advised_and_says_what_to_do_instead() {
        let plan = plan(vec![
            way(Change::None, 2, (1200, 0.0, 100.0, 0)),
            way(Change::Threads(1), 2, (500, 0.0, 50.0, 0)),
            way(Change::Budget, 2, (400, 0.0, 40.0, 0)),
        ]);
        assert_eq!(plan.best().map(|way| way.change), Some(Change::None));
        assert!(plan.advice().starts_with("stay with p2: "), "{}", plan.advice());
        let told: Vec<String> = plan.ways.iter().filter_map(|way| plan.obstacle(way)).collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("`threads: 1`") && told[0].contains("other bytes"), "{told:?}");
        assert!(told[1].contains("there are 2 GB here") && told[1].contains("with 4 GB"), "{told:?}");
    }

    #[test]
    fn the_advice_says_nothing_that_the_figures_of_the_table_do_not() {
        let of = |now: (u64, f64), change, other: (u64, f64)| {
            plan(vec![way(Change::None, 2, (now.0, 0.0, now.1, 0)), way(change, 1, (other.0, 0.0, other.1, 0))]).advice()
        };
        let close = of((1000, 16.0), Change::Large, (800, 17.4));
        assert_eq!(close, "Large p1: about the same finish (16.0 s -> 17.4 s), a peak 200 MB lower");
        // It is no switch, and ends sooner by more than does not count.
        let smaller = of((1000, 45.4), Change::Budget, (600, 43.0));
        assert!(smaller.starts_with("stay with p2: nothing to switch to that keeps under the line"), "{smaller}");
        assert!(smaller.ends_with("more than 5 % or 2 s; Budget p1 would (45.4 s -> 43.0 s), and is no switch"), "{smaller}");
        assert_eq!(AS_QUICK_WORDS, format!("{} % or {AS_QUICK_SECONDS} s", AS_QUICK * 100.0));
        let as_quick = of((1000, 45.0), Change::Budget, (600, 43.0));
        assert!(as_quick.ends_with("ends sooner by more than 5 % or 2 s"), "{as_quick}");
    }

    #[test]
    fn files_that_are_rejected_for_what_they_are_count_in_every_way_and_change_no_advice() {
        let ways = vec![way(Change::None, 2, (1200, 0.0, 100.0, 1)), way(Change::Profile, 4, (1300, 0.0, 60.0, 0))];
        let without = plan(ways);
        let with = without.clone().with_skipped(2);
        let rejected = |plan: &Plan| plan.ways.iter().map(|way| way.forecast.rejected).collect::<Vec<_>>();
        assert_eq!((rejected(&without), rejected(&with), with.skipped), (vec![1, 0], vec![3, 2], 2));
        assert_eq!(with.advice(), without.advice());
    }

    #[test]
    fn with_nothing_under_the_line_no_way_is_advised() {
        let plan = plan(vec![way(Change::None, 2, (1900, 1.0, 100.0, 0)), way(Change::Profile, 1, (600, 0.0, 150.0, 2))]);
        assert_eq!(plan.best(), None);
        assert_eq!(
            plan.advice(),
            "nothing that can be switched to keeps under the line without rejecting more; it takes a larger budget, or smaller pictures"
        );
        let larger = way(Change::Budget, 2, (1900, 0.0, 90.0, 0));
        assert!(self::plan([plan.ways, vec![larger]].concat()).advice().ends_with("rejecting more; Budget p2 would"));
    }
}
