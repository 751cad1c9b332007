//! The stored queue of the modelled world, as a store would keep it.

use std::path::PathBuf;

use super::World;
use crate::domain::event::{Event, EventKind};
use crate::domain::job::{JobId, RANK_STEP, Rank};
use crate::domain::state::Backlog;
use crate::engine::port::{Arrived, Input, Page, ScanId, StoredJob};

impl World {
    pub(super) fn arrive(&mut self, scan: ScanId, preset: &str, found: Vec<usize>, is_front: bool) -> Input {
        let mut arrived = Arrived::default();
        let first = self.stored.values().map(|job| job.rank).min().unwrap_or(0) - RANK_STEP * found.len() as Rank;
        for (index, ahead) in found.into_iter().zip(0..) {
            let id = JobId(self.stored.len() as u64 + 1);
            self.index_of.insert(id, index);
            let rank = if is_front { first + RANK_STEP * ahead } else { self.last_rank + RANK_STEP };
            self.last_rank = self.last_rank.max(rank);
            let size = self.jobs[index].size;
            let job = StoredJob {
                id,
                input: self.input_of(index),
                size,
                output: PathBuf::from(format!("/out/{index}.mp4")),
                preset: preset.to_owned(),
                definition: None,
                rank,
                attempts: 0,
                allowed: false,
                deaths: 0,
            };
            self.stored.insert(id, job);
            self.untold.insert((rank, id));
            arrived.jobs += 1;
            arrived.bytes += size;
        }
        arrived.last_rank = self.last_rank;
        Input::Found(scan, arrived)
    }

    pub(super) fn put_back(&mut self, scan: ScanId, jobs: Vec<(JobId, Rank)>) -> Input {
        let mut arrived = Arrived::default();
        for (id, rank) in jobs {
            let Some(job) = self.stored.get_mut(&id).filter(|_| self.removed.remove(&id)) else { continue };
            job.rank = rank;
            self.last_rank = self.last_rank.max(rank);
            self.untold.insert((rank, id));
            arrived.jobs += 1;
            arrived.bytes += job.size;
        }
        arrived.last_rank = self.last_rank;
        Input::Found(scan, arrived)
    }

    pub(super) fn page(&mut self, limit: usize) -> Input {
        let told: Vec<(Rank, JobId)> = self.untold.iter().take(limit).copied().collect();
        for place in &told {
            self.untold.remove(place);
        }
        let jobs = told.iter().filter_map(|(_, id)| self.stored.get(id).cloned()).collect();
        let sizes = self.untold.iter().filter_map(|(_, id)| self.stored.get(id)).map(|job| job.size);
        let backlog = Backlog { jobs: self.untold.len() as u64, bytes: sizes.sum() };
        Input::Paged(Page { jobs, backlog, last_rank: self.last_rank, interrupted: 0 })
    }

    /// What a store would keep of an event.
    pub(super) fn keep(&mut self, event: &Event) {
        match &event.kind {
            EventKind::JobAdmitted { job, .. } => {
                self.admitted.insert(*job, event.seq);
            }
            EventKind::JobMoved { job, rank } | EventKind::JobRetried { job, rank } => {
                if let Some(stored) = self.stored.get_mut(job) {
                    stored.rank = *rank;
                    self.last_rank = self.last_rank.max(*rank);
                }
            }
            EventKind::JobRemoved { job, .. } => {
                self.removed.insert(*job);
            }
            EventKind::JobParked { job } => {
                if let Some(stored) = self.stored.get(job) {
                    self.untold.insert((stored.rank, *job));
                }
            }
            _ => {}
        }
    }
}
