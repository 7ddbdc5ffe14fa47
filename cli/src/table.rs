//! Text tables. A column is as wide as its widest cell; two spaces separate columns.
//!
//! Heads and states have colours. Where standard output is no terminal, [`crate::entry`] takes them away.

use std::fmt::Write as _;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Style};

use crate::output::Output;

/// The column whose words have colours.
const STATE: &str = "STATE";

/// A table. An empty cell is printed as `-`, so that every row has the same number of words.
#[derive(Clone, Debug)]
pub struct Table<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[String; N]>,
    /// Heads of the columns that only the wide form has.
    wide: &'static [&'static str],
}

// === impl Table ===

impl<const N: usize> Table<N> {
    /// A table with this head.
    pub fn new(head: [&'static str; N]) -> Self {
        Self { head, rows: Vec::new(), wide: &[] }
    }

    /// Shows these columns only with `-o wide`.
    #[must_use]
    pub fn only_wide(self, wide: &'static [&'static str]) -> Self {
        Self { wide, ..self }
    }

    /// Adds a row.
    pub fn push(&mut self, row: [String; N]) {
        self.rows.push(row.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }));
    }

    /// The text of the table.
    pub fn print(&self, output: Output) -> String {
        let shown = self.head.map(|head| output == Output::Wide || !self.wide.contains(&head));
        let mut widths = self.head.map(|head| head.chars().count());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let last = shown.iter().rposition(|shown| *shown);
        let line = |cells: [&str; N], style: &dyn Fn(&str, &str) -> Style| {
            let mut line = String::new();
            let columns = self.head.iter().zip(cells).zip(widths).zip(shown).enumerate();
            for (index, (((head, cell), width), _)) in columns.filter(|(_, (_, shown))| *shown) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                let style = style(head, cell);
                // Writing to a String cannot fail.
                let _ = write!(line, "{style}{cell}{style:#}");
                if Some(index) != last {
                    line.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
                }
            }
            line + "\n"
        };
        let head = line(self.head, &|_, _| Style::new().bold());
        let rows = self.rows.iter().map(|row| {
            line(row.each_ref().map(String::as_str), &|head, cell| match head {
                STATE => of_state(cell),
                _ => Style::new(),
            })
        });
        std::iter::once(head).chain(rows).collect()
    }
}

/// How long ago something began, in the largest unit that still tells two of them apart.
pub fn age_of(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Green: as it should be. Yellow: it will change by itself. Red: somebody should look.
fn of_state(state: &str) -> Style {
    let colour = match state {
        "held" | "owned" | "participant" => AnsiColor::Green,
        "waiting" | "resting" | "draining" | "free" => AnsiColor::Yellow,
        "ended" | "dropped" => AnsiColor::Red,
        _ => return Style::new(),
    };
    colour.on_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new(["A", "NODE", "BC"]).only_wide(&["NODE"]);
        table.push(["long".into(), "n".into(), String::new()]);
        table
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_line_up_and_nothing_trails() {
        assert_eq!(plain(&table().print(Output::Table)), "A     BC\nlong  -\n");
        assert_eq!(plain(&table().print(Output::Wide)), "A     NODE  BC\nlong  n     -\n");
    }

    #[test]
    fn an_age_is_short() {
        let ages = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(Duration::from_secs);
        assert_eq!(ages.map(age_of), ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }

    #[test]
    fn the_state_has_a_colour_and_the_other_columns_have_none() {
        let mut table = Table::new(["STATE", "POD"]);
        table.push(["held".into(), "held".into()]);
        let text = table.print(Output::Table);
        assert_eq!(text.lines().last(), Some("\u{1b}[32mheld\u{1b}[0m   held"));
    }
}
