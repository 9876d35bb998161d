//! `portcullis token new`: a token that cannot be guessed, and its hash for the settings.

use sha2::{Digest as _, Sha256};
use std::io::{IsTerminal as _, Write as _};

/// Prints a new token; on a terminal, also how to use it.
pub(crate) fn new() -> Result<(), String> {
    let random = mcp::seal::random::<32>().map_err(|e| e.to_string())?;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let token = hex(&random);
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{token}");
    if out.is_terminal() {
        let hash = hex(&Sha256::digest(token.as_bytes()));
        let _ = writeln!(
            std::io::stderr(),
            "\nGive the token to the caller. The settings need only its hash:\n\n  \
             \"auth\": {{ \"tokens\": [{{ \"name\": \"somebody\", \"sha256\": \"{hash}\" }}] }}"
        );
    }
    Ok(())
}
