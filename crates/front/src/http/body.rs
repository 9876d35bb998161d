//! Bodies: read within limits, written whole or as a stream.

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The body of a response.
pub(super) enum Body {
    /// All of it.
    Full(Option<Bytes>),
    /// Server-sent events as they come. Dropping it tells that the client is gone.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Body {
    /// No body.
    pub(super) const fn empty() -> Self {
        Self::Full(None)
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Full(Some(bytes.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Stream(stream) => stream.as_mut().poll_next(cx).map(|next| next.map(|b| Ok(Frame::data(b)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadBody {
    TooLarge,
    TooSlow,
    /// The client broke off.
    Broken,
}

/// Reads a body of at most `limit` bytes within `deadline`.
pub(crate) async fn read(mut body: Incoming, limit: usize, deadline: Duration) -> Result<Bytes, BadBody> {
    let hint = body.size_hint();
    if hint.lower() > limit as u64 {
        if hint.lower() <= MOST_DISCARDED {
            discard(body).await;
        }
        return Err(BadBody::TooLarge);
    }
    let body_ref = &mut body;
    let reading = async {
        let mut first: Option<Bytes> = None;
        let mut all = BytesMut::new();
        while let Some(frame) = body_ref.frame().await {
            let Ok(data) = frame.map_err(|_| BadBody::Broken)?.into_data() else { continue };
            if all.len() + first.as_ref().map_or(0, Bytes::len) + data.len() > limit {
                return Err(BadBody::TooLarge);
            }
            // Most bodies come in one piece, which is then used as it is.
            match first.take() {
                None if all.is_empty() => first = Some(data),
                before => {
                    all.extend_from_slice(&before.unwrap_or_default());
                    all.extend_from_slice(&data);
                }
            }
        }
        Ok(first.unwrap_or_else(|| all.freeze()))
    };
    let read = tokio::time::timeout(deadline, reading).await.map_err(|_| BadBody::TooSlow)?;
    if read == Err(BadBody::TooLarge) {
        discard(body).await;
    }
    read
}

/// How much of a body that is too large is read all the same, and how long.
const MOST_DISCARDED: u64 = 64 * 1024 * 1024;
const DISCARDING: Duration = Duration::from_secs(5);

/// Reads on without keeping anything: a client that writes all before it reads would otherwise find
/// its connection reset, and never learn why.
async fn discard(mut body: Incoming) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len) as u64;
            if read > MOST_DISCARDED {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARDING, reading).await;
}
