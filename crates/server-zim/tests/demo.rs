//! The sample archive, read with `zim`.

use std::ops::ControlFlow;
use zim::{Memory, Options, TitleKind};

#[test]
fn the_sample_archive_is_small_whole_and_complete() {
    let bytes = server_zim::demo_archive();
    assert!(bytes.len() < 300_000, "{}", bytes.len());
    let archive = Options::new().open_source(Memory(bytes)).unwrap();
    assert!(archive.verify(|_, _| ControlFlow::Continue(())).unwrap());
    assert_eq!(archive.titles().unwrap().kind(), TitleKind::FrontArticles);
    assert!(archive.has_fulltext_index().unwrap() && archive.has_title_index().unwrap());
    let content = archive.path_range(b'C', "").unwrap();
    let paths: Vec<String> = archive.entries(content).map(|entry| entry.unwrap().path().into_owned()).collect();
    for path in
        ["ARCHITECTURE.html", "CONTRIBUTING.html", "README.html", "SECURITY.html", "index.html", "manual", "style.css"]
    {
        assert!(paths.iter().any(|p| p == path), "{path} is not among {paths:?}");
    }
    for entry in archive.entries(0..archive.len()) {
        let entry = entry.unwrap();
        assert!(!entry.resolve().unwrap().read().unwrap().is_empty(), "{entry:?}");
    }
    let names = archive.metadata_names().unwrap();
    for name in ["Counter", "Creator", "Date", "Description", "Language", "Name", "Publisher", "Title"] {
        assert!(names.iter().any(|n| n == name), "{name} is not among {names:?}");
    }
    let icon = archive.icon().unwrap().unwrap();
    assert_eq!(icon.mime_type(), Some("image/png"));
    assert!(archive.counter().unwrap().iter().any(|(mime, count)| mime == "text/html" && *count >= 5));
    assert_eq!(archive.main_page().unwrap().unwrap().resolve().unwrap().path(), "index.html");
}
