//! How calls come in: MCP over HTTP in both eras, the legacy HTTP+SSE transport, stdio, and the
//! pages of the process itself. Fronts know messages and connections; what may happen is decided
//! by the gate, which they reach only through [`gate::Guarded`].

mod admin;
mod duplex;
mod frame;
pub mod http;
mod modern;
mod session;
pub mod stdio;
