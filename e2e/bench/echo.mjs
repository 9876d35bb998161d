// The smallest stdio MCP server there can be, on Node. See crates/bench/src/bin/echo-child.rs.
import { createInterface } from "node:readline";

const schema = { type: "object", properties: { message: { type: "string" } } };
const results = {
  initialize: (params) => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "echo", version: "1" } }),
  "tools/list": () => ({ tools: [{ name: "echo", inputSchema: schema }] }),
  "tools/call": (params) => ({ content: [{ type: "text", text: params.arguments.message }] }),
  ping: () => ({}),
};
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const result = results[method];
  const answer = result ? { result: result(params) } : { error: { code: -32601, message: "method not found" } };
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, ...answer }) + "\n");
});
