//! The courses of finished jobs, for forecasts.

use std::path::Path;

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::peaks::read_peaks;
use super::peek;
use crate::domain::curve::JobCurve;
use crate::domain::units::Bytes;
use crate::engine::estimate::Learned;

/// Courses kept of one recipe, and over all.
const KEPT_OF_ONE: i64 = 12;
const KEPT: i64 = 2048;

pub(super) fn insert_curve(connection: &Connection, curve: &JobCurve) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO curves (recipe, media_ms, frames, cpu_ms, wall_ms, peak, points) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    insert.execute(params![
        curve.recipe,
        curve.media_ms as i64,
        curve.frames as i64,
        curve.cpu_ms as i64,
        curve.wall_ms as i64,
        curve.peak.0 as i64,
        curve.packed()
    ])?;
    let mut drop_older = connection.prepare_cached(
        "DELETE FROM curves WHERE recipe = ?1
         AND id NOT IN (SELECT id FROM curves WHERE recipe = ?1 ORDER BY id DESC LIMIT ?2)",
    )?;
    drop_older.execute(params![curve.recipe, KEPT_OF_ONE])?;
    connection.prepare_cached("DELETE FROM curves WHERE id <= (SELECT max(id) FROM curves) - ?1")?.execute([KEPT])?;
    Ok(())
}

/// What finished jobs have taught.
#[derive(Debug, Default)]
pub struct Lessons {
    /// The peaks of their recipes.
    pub learned: Learned,
    /// Their courses, oldest first.
    pub curves: Vec<JobCurve>,
}

/// Reads what is kept in a state folder, which another plimsoll may be at work in; nothing where there is no record
/// yet.
pub fn lessons(state_dir: &Path) -> Result<Lessons, StoreError> {
    peek(state_dir, |connection| Ok(Lessons { learned: read_peaks(connection)?, curves: read_curves(connection)? }))
}

fn read_curves(connection: &Connection) -> rusqlite::Result<Vec<JobCurve>> {
    let mut query = connection.prepare("SELECT recipe, media_ms, frames, cpu_ms, wall_ms, peak, points FROM curves ORDER BY id")?;
    let number = |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at).map(|value| value.max(0) as u64);
    let rows = query.query_map([], |row| {
        let mut curve = JobCurve {
            recipe: row.get(0)?,
            media_ms: number(row, 1)?,
            frames: number(row, 2)?,
            cpu_ms: number(row, 3)?,
            wall_ms: number(row, 4)?,
            peak: Bytes(number(row, 5)?),
            points: Vec::new(),
        };
        curve.unpack(&row.get::<_, Vec<u8>>(6)?);
        Ok(curve)
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::curve::Point;
    use crate::host::store::FILE_NAME;

    #[test]
    fn of_one_recipe_the_last_courses_are_kept_and_read_back_whole() {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(crate::host::store::schema::TABLES).expect("made");
        let curve = |number: u64| JobCurve {
            recipe: "h264 -> libx264".to_owned(),
            media_ms: number,
            frames: 75,
            cpu_ms: 2000,
            wall_ms: 1500,
            peak: Bytes::mib(200),
            points: vec![Point { done: 100, held: 900 }, Point { done: 1000, held: 1000 }],
        };
        for number in 0..20 {
            insert_curve(&connection, &curve(number)).expect("written");
        }
        let kept = read_curves(&connection).expect("read");
        assert_eq!(kept, (20 - KEPT_OF_ONE as u64..20).map(curve).collect::<Vec<_>>());
    }

    #[test]
    fn a_folder_without_a_record_has_taught_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let lessons = lessons(folder.path()).expect("no error");
        assert!(lessons.curves.is_empty() && lessons.learned.is_empty());
        assert!(!folder.path().join(FILE_NAME).exists(), "and none was made");
    }
}
