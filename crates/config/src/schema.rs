//! The file, described for editors.

/// The JSON Schema (draft 2020-12) of a settings file: every key with its meaning, its default and the
/// form of its value. TOML becomes the same tree, so it holds for TOML too.
///
/// It accepts whatever [`crate::parse`] accepts, except `null` where nobody would write it, and refuses
/// what is wrong with one value or one key. What needs more than that is left to `parse`: names that
/// are defined twice or nowhere, what `${env:…}` and `${file:…}` bring in, a misspelt section in a file
/// of another client. The reader does not use it; tests hold them together.
pub const fn schema() -> &'static str {
    include_str!("../schema.json")
}
