//! The sums of a sample brought in line with its parts, and narrowed to what is ours where the budget is smaller than what there is.

use crate::domain::memory::MemorySample;
use crate::domain::units::Bytes;

/// File cache of our own files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OurCache {
    /// Of files that no running job needs any more.
    pub(super) finished: Bytes,
    /// Of files that running jobs are streaming through.
    pub(super) streaming: Bytes,
}

/// What others hold, where our own share is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// Processes that are known to live on our budget.
    pub(super) guests: Bytes,
    /// What all others may hold beside our budget.
    pub(super) spare: Bytes,
}

/// Turns the sums of the container or machine into those of plimsoll alone.
///
/// *hard* = console + jobs + scratch + what others hold beyond the `spare` memory that the smaller budget leaves to them.
/// *working set* = hard + cached files of ended jobs: nothing needs them, so they are ours until they are dropped, and
/// dropping them shows. *usage* = that + cached files that running jobs stream through: the kernel reclaims those at no
/// cost as they pass, and they say nothing of how near the line is.
pub(super) fn narrow_to_own(sample: &mut MemorySample, others: Others, cache: OurCache) {
    let ours = sample.console + sample.jobs_total() + sample.scratch;
    let foreign = sample.hard - ours - others.guests;
    sample.hard = ours + others.guests + (foreign - others.spare);
    sample.working_set = sample.hard + cache.finished;
    sample.usage = sample.working_set + cache.streaming;
    sample.file_cache = cache.finished + cache.streaming;
}

/// No sum is less than the parts of it that were read: plimsoll's own memory and that of its jobs. The kernel's counters of
/// a group can be seconds old, and a job may have grown since they were read. Attached consoles are left out, because they may run in
/// another group, and so are files on a tmpfs, because their sizes are a second old.
pub(super) fn cover_parts(sample: &mut MemorySample, own: Bytes) {
    sample.hard = sample.hard.max(own + sample.jobs_total());
    sample.working_set = sample.working_set.max(sample.hard);
    sample.usage = sample.usage.max(sample.working_set);
}
