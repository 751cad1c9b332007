//! Columns of a table, of which those that matter least go where there is no room.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Row, Table};

use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::text::fit;

#[derive(Debug, Clone, Copy)]
pub struct Column<K> {
    /// What it tells.
    pub key: K,
    pub name: &'static str,
    /// Columns of the screen that it needs, the gap behind it included.
    pub needs: u16,
    /// Its share of the room that is left over; 0 = it stays as it is.
    pub grows: u16,
    /// When it comes: those of 0 are always there, lower numbers before higher ones.
    pub comes: u8,
}

/// A column that is there, with its width without the gap.
#[derive(Debug, Clone, Copy)]
pub struct Placed<K> {
    /// What it tells.
    pub key: K,
    pub name: &'static str,
    pub width: u16,
}

/// The columns that have room in this width, and how the table is laid out without spacing.
pub fn place<K: Copy>(all: &[Column<K>], width: u16) -> (Vec<Placed<K>>, Vec<Constraint>) {
    let needs = |shown: u8| all.iter().filter(|column| column.comes <= shown).map(|column| column.needs).sum::<u16>();
    let most = all.iter().map(|column| column.comes).max().unwrap_or(0);
    // Without a gap behind the last one.
    let shown = (1..=most).take_while(|shown| needs(*shown) <= width + 1).last().unwrap_or(0);
    let there: Vec<&Column<K>> = all.iter().filter(|column| column.comes <= shown).collect();
    let spare = width.saturating_sub(needs(shown));
    let shares: u16 = there.iter().map(|column| column.grows).sum();
    let share = |column: &Column<K>| (spare * column.grows).checked_div(shares).unwrap_or(0);
    let mut lengths: Vec<u16> = there.iter().map(|column| column.needs + share(column)).collect();
    // What rounding has left goes to the last one that grows.
    let rest = width.saturating_sub(lengths.iter().sum());
    if let Some(at) = there.iter().rposition(|column| column.grows > 0) {
        lengths[at] += rest;
    }
    let constraints: Vec<Constraint> = lengths.into_iter().map(Constraint::Length).collect();
    let areas = Layout::horizontal(&constraints).split(Rect::new(0, 0, width, 1));
    let last = there.len().saturating_sub(1);
    let placed = there.iter().zip(areas.iter()).enumerate().map(|(at, (column, area))| Placed {
        key: column.key,
        name: column.name,
        width: area.width.saturating_sub(u16::from(at < last)),
    });
    (placed.collect(), constraints)
}

/// The table of a pane: the heads of its columns, its rows, and the selected one marked where the pane has the keys.
pub fn table<'a, K>(
    (columns, constraints): &(Vec<Placed<K>>, Vec<Constraint>),
    rows: impl Iterator<Item = Row<'a>>,
    is_focused: bool,
    theme: &Theme,
) -> Table<'a> {
    let head = Row::new(columns.iter().map(|column| fit(column.name, column.width.into(), theme.symbols)));
    Table::new(rows, constraints).column_spacing(0).header(head.style(theme.style(Role::Dim))).row_highlight_style(if is_focused {
        theme.selection()
    } else {
        theme.style(Role::Text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Column<char>; 4] = [
        Column { key: 'a', name: "A", needs: 5, grows: 0, comes: 0 },
        Column { key: 'b', name: "B", needs: 10, grows: 0, comes: 2 },
        Column { key: 'c', name: "C", needs: 6, grows: 1, comes: 0 },
        Column { key: 'd', name: "D", needs: 4, grows: 0, comes: 1 },
    ];

    fn shown(width: u16) -> (String, Vec<u16>) {
        let (placed, _) = place(&ALL, width);
        (placed.iter().map(|column| column.key).collect(), placed.iter().map(|column| column.width).collect())
    }

    #[test]
    fn what_matters_least_goes_first_and_the_rest_of_the_room_is_used() {
        assert_eq!(shown(40), ("abcd".to_owned(), vec![4, 9, 20, 4]));
        assert_eq!(shown(20), ("acd".to_owned(), vec![4, 10, 4]));
        assert_eq!(shown(12), ("ac".to_owned(), vec![4, 7]));
    }
}
