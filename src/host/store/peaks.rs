//! What memory finished jobs took, for the estimates of later ones.

use rusqlite::{Connection, params};

use crate::domain::units::Bytes;
use crate::engine::estimate::{KEPT as PEAKS_OF_ONE, Learned, RecipeKey};

pub(super) fn insert_peak(connection: &Connection, recipe: &RecipeKey, peak: Bytes) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO peaks (recipe, bytes) VALUES (?1, ?2)")?;
    insert.execute(params![recipe.as_str(), peak.0 as i64])?;
    let mut drop_older = connection.prepare_cached(
        "DELETE FROM peaks WHERE recipe = ?1
         AND id NOT IN (SELECT id FROM peaks WHERE recipe = ?1 ORDER BY id DESC LIMIT ?2)",
    )?;
    drop_older.execute(params![recipe.as_str(), PEAKS_OF_ONE as i64])?;
    Ok(())
}

pub(super) fn read_peaks(connection: &Connection) -> rusqlite::Result<Learned> {
    let mut query = connection.prepare_cached("SELECT recipe, bytes FROM peaks ORDER BY id")?;
    let mut rows = query.query([])?;
    let mut learned = Learned::default();
    while let Some(row) = rows.next()? {
        learned.remember(RecipeKey::from_text(row.get(0)?), Bytes(row.get::<_, i64>(1)?.max(0) as u64));
    }
    Ok(learned)
}
