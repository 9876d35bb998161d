//! MCP on standard input and output: one message a line, both eras, nothing else on the output.
//! Ends when the input does.

use crate::duplex::{Duplex, Outgoing};
use bytes::{Bytes, BytesMut};
use gate::{Front, Guarded};
use mcp::{Era, ErrorObject, error::code, message};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// How the stdio front behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The longest line that is read, in bytes.
    pub line_limit: usize,
    /// The only era that is spoken, if it is one only.
    pub only: Option<Era>,
    /// How long calls under way may take after the input ended.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { line_limit: 4 * 1024 * 1024, only: None, grace: Duration::from_secs(5) }
    }
}

/// Serves one client until its input ends, or `end` resolves; then the calls under way finish.
pub async fn serve(
    guarded: Guarded,
    settings: Settings,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
    end: impl Future<Output = ()>,
) -> io::Result<()> {
    // The person's own machine: nobody is refused.
    let Ok(principal) = guarded.gate().admit(Front::Stdio, None) else {
        return Err(io::Error::other("stdio is not admitted"));
    };
    let (duplex, messages) = Duplex::new(guarded, principal, None, Front::Stdio, settings.only);
    let writer = tokio::spawn(write(messages, output));
    let read = tokio::select! {
        read = read(&duplex, settings, input) => read,
        () = end => Ok(()),
    };
    if read.is_ok() {
        duplex.drain(settings.grace).await;
    }
    duplex.close();
    // What still holds a sender is being aborted; the writer ends with the last of them.
    drop(duplex);
    let _ = tokio::time::timeout(Duration::from_secs(1), writer).await;
    read
}

async fn read(duplex: &Arc<Duplex>, settings: Settings, mut input: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    let mut searched = 0;
    // A line that is too long is skipped up to its end.
    let mut skipping = false;
    loop {
        while let Some(at) = buffer.get(searched..).and_then(|rest| rest.iter().position(|b| *b == b'\n')) {
            let line = buffer.split_to(searched + at + 1).freeze();
            searched = 0;
            if std::mem::take(&mut skipping) {
                continue;
            }
            take(duplex, line).await;
        }
        searched = buffer.len();
        if searched > settings.line_limit {
            if !skipping {
                let text = format!("a line of more than {} bytes", settings.line_limit);
                let error = ErrorObject::new(code::TOO_LARGE, &text);
                duplex.tell(&message::failure(None, &error)).await;
            }
            skipping = true;
            buffer.clear();
            searched = 0;
        }
        if input.read_buf(&mut buffer).await? == 0 {
            if !buffer.is_empty() && !skipping {
                take(duplex, buffer.split().freeze()).await;
            }
            return Ok(());
        }
    }
}

async fn take(duplex: &Arc<Duplex>, line: Bytes) {
    if line.iter().any(|b| !b.is_ascii_whitespace()) {
        // Nothing is waited for: the next line may be the answer to a question, or a cancellation, without
        // which nothing of the room would be given back. Whoever writes here is on their own machine.
        duplex.take(line, None).await;
    }
}

/// Writes what waits in one piece.
async fn write(mut messages: mpsc::Receiver<Outgoing>, mut output: impl AsyncWrite + Unpin) {
    let mut waiting = Vec::with_capacity(64);
    let mut text = BytesMut::new();
    while messages.recv_many(&mut waiting, 64).await > 0 {
        for message in waiting.drain(..) {
            text.extend_from_slice(&message.text);
            text.extend_from_slice(b"\n");
        }
        if output.write_all(&text).await.is_err() || output.flush().await.is_err() {
            // Nobody reads; the input will end as well.
            return;
        }
        text.clear();
        if text.capacity() > 1024 * 1024 {
            text = BytesMut::new();
        }
    }
}
