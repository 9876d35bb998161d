//! Writes a document for every hostile schema, and one for all of them, into a folder, for other
//! people's validators to judge:
//!
//! ```text
//! cargo run -p openapi --example hostile -- FOLDER
//! ```

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::expect_used)]

#[path = "../tests/hostile/mod.rs"]
mod hostile;

use openapi::{Document, Info};
use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("the folder to write to"));
    std::fs::create_dir_all(&folder).unwrap();
    let info = || Info { title: "Hostile".into(), version: "1".into(), description: "Schemas".into() };
    let tools: Vec<_> = hostile::schemas().iter().map(|(name, schema)| hostile::tool(name, schema)).collect();
    let mut all = Document::new(info()).secured();
    all.server("hostile", "All", &tools);
    std::fs::write(folder.join("all.json"), all.render()).unwrap();
    for (number, tool) in tools.iter().enumerate() {
        let mut one = Document::new(info()).served_at("/hostile");
        one.tools([tool]);
        std::fs::write(folder.join(format!("{number:02}.json")), one.render()).unwrap();
    }
    println!("{} documents", tools.len() + 1);
}
