//! Why a request to a child gave no result, before it is known which server that was.

use mcp::ErrorObject;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It answered with an error.
    #[error("it answered with an error: {}", .0.message())]
    Answered(ErrorObject),
    /// It died, or was stopped.
    #[error("{reason}")]
    Died {
        reason: Arc<str>,
        /// Whether the request was written, so that it may have been carried out.
        written: bool,
    },
    /// Its answer was longer than a line may be.
    #[error("its answer has {0} bytes, which is more than a line may have")]
    TooLong(usize),
    /// It does not know this method.
    #[error("its revision of the protocol does not have this method")]
    Unknown,
}
