//! A built-in MCP server over ZIM archives.
