//! The corpus that fuzzing has gathered, run through every target.

use std::path::Path;

#[test]
fn the_corpus_breaks_no_promise() {
    let corpus = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../fuzzing/corpus");
    for (name, target) in fuzzing::TARGETS {
        let folder = corpus.join(name);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut count = 0;
        for entry in entries {
            let path = entry.expect("an entry").path();
            target(&std::fs::read(&path).expect("a file"));
            count += 1;
        }
        assert!(count > 5, "the corpus of {name} is missing");
    }
}
