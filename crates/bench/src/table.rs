//! Tables in Markdown: each row beside the first one of its group.
//!
//! The rows take turns, in several rounds: what else the machine does then meets all of them, and a
//! ratio is the median of what each round says.

use crate::load::{self, Figures, Target};
use std::fmt::Write as _;
use std::time::Duration;

/// What a table row is about.
pub struct Row {
    pub name: String,
    pub target: Target,
}

/// What came of one row with one number of clients, round by round.
#[derive(Default)]
pub struct Cell(Vec<Figures>);

const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(200);

impl Cell {
    fn rate(&self) -> f64 {
        median(self.0.iter().map(|round| round.rate))
    }

    fn micros(&self, of: fn(&Figures) -> Duration) -> f64 {
        median(self.0.iter().map(|round| of(round).as_secs_f64() * 1e6))
    }

    /// Its rate as a multiple of another one's.
    pub fn rate_to(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(own, other)| own.rate / other.rate))
    }

    /// Its p99 as a multiple of another one's.
    pub fn p99_to(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(own, other)| own.p99.as_secs_f64() / other.p99.as_secs_f64()))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Measures a group, about `seconds` for a row with each number of clients; gives its table, and the
/// cells of each row.
pub async fn group(title: &str, rows: &[Row], clients: &[usize], seconds: u64) -> (String, Vec<Vec<Cell>>) {
    let mut cells: Vec<Vec<Cell>> = rows.iter().map(|_| clients.iter().map(|_| Cell::default()).collect()).collect();
    let time = Duration::from_secs(seconds).div_f64(ROUNDS as f64);
    for (n, count) in clients.iter().enumerate() {
        for _ in 0..ROUNDS {
            for (row, cells) in rows.iter().zip(&mut cells) {
                cells[n].0.push(load::run(&row.target, *count, WARM_UP, time).await);
            }
        }
    }
    let mut table = format!(
        "\n**{title}**\n\n| | clients | calls/s | of the first | p50 µs | p99 µs |\n|---|---|---|---|---|---|\n"
    );
    for (row, own) in rows.iter().zip(&cells) {
        for ((count, cell), first) in clients.iter().zip(own).zip(&cells[0]) {
            let (rate, ratio) = (cell.rate(), cell.rate_to(first));
            let (p50, p99) = (cell.micros(|f| f.p50), cell.micros(|f| f.p99));
            let _ = writeln!(table, "| {} | {count} | {rate:.0} | {ratio:.2} | {p50:.0} | {p99:.0} |", row.name);
        }
    }
    eprintln!("{table}");
    (table, cells)
}
