//! Tables in Markdown: each row beside the first one of its group.

use crate::load::{self, Target};
use std::fmt::Write as _;
use std::time::Duration;

/// What a table row is about.
pub struct Row {
    pub name: String,
    pub target: Target,
}

/// The rate and the p99 of a row at each number of clients.
pub type Cells = Vec<(f64, Duration)>;

/// Measures a group; gives its table, and the figures of each row.
pub async fn group(title: &str, rows: &[Row], clients: &[usize], seconds: u64) -> (String, Vec<Cells>) {
    let mut table = format!(
        "\n**{title}**\n\n| | clients | calls/s | of the first | p50 µs | p99 µs |\n|---|---|---|---|---|---|\n"
    );
    let mut all: Vec<Cells> = Vec::new();
    for row in rows {
        let mut cells = Cells::new();
        for (n, count) in clients.iter().enumerate() {
            let (warm_up, time) = (Duration::from_millis(500), Duration::from_secs(seconds));
            let figures = load::run(&row.target, *count, warm_up, time).await;
            let ratio = figures.rate / all.first().map_or(figures.rate, |first| first[n].0);
            let (p50, p99) = (figures.p50.as_micros(), figures.p99.as_micros());
            let line = format!("| {} | {count} | {:.0} | {ratio:.2} | {p50} | {p99} |", row.name, figures.rate);
            eprintln!("{title}: {line}");
            let _ = writeln!(table, "{line}");
            cells.push((figures.rate, figures.p99));
        }
        all.push(cells);
    }
    (table, all)
}
