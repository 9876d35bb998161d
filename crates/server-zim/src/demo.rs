//! The sample archive of `portcullis demo`.

/// A small real archive: the manual pages of this project, with a full-text index, written by the reference
/// writer. `demo/make.py` makes it anew.
pub fn demo_archive() -> &'static [u8] {
    include_bytes!("../demo/portcullis.zim")
}
