// The TypeScript SDK v1 as a client of every front of the legacy era.

import { LEGACY, Person, ROOT, judge, run } from "./suite.mjs";

const { Client } = await judge("sdk/dist/esm/client/index.js");
const { StreamableHTTPClientTransport } = await judge("sdk/dist/esm/client/streamableHttp.js");
const { SSEClientTransport } = await judge("sdk/dist/esm/client/sse.js");
const { StdioClientTransport } = await judge("sdk/dist/esm/client/stdio.js");
const { CallToolResultSchema, CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } = await judge("sdk/dist/esm/types.js");

class Peer extends Person {
  era = LEGACY;

  async open(transport) {
    const capabilities = { sampling: {}, elicitation: {}, roots: {} };
    this.client = new Client({ name: "typescript1", version: "1" }, { capabilities });
    this.client.fallbackNotificationHandler = async ({ method, params }) => this.hear(method, params);
    this.client.setRequestHandler(ElicitRequestSchema, ({ params }) => this.fillIn(params));
    this.client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => this.modelSays(params));
    this.client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: ROOT }] }));
    this.transport = transport;
    // The transport is told the revision that was agreed on.
    const set = transport.setProtocolVersion?.bind(transport);
    transport.setProtocolVersion = (version) => { this.version = version; set?.(version); };
    await this.client.connect(transport);
    this.tap(transport);
    return this;
  }

  about() {
    return { protocolVersion: this.version, serverInfo: this.client.getServerVersion(), capabilities: this.client.getServerCapabilities() };
  }

  async pages(list, key) {
    const found = [];
    for (let cursor; ;) {
      const page = await list.call(this.client, { cursor });
      found.push(...page[key]);
      if (!(cursor = page.nextCursor)) return found;
    }
  }

  tools() { return this.pages(this.client.listTools, "tools"); }
  resources() { return this.pages(this.client.listResources, "resources"); }
  templates() { return this.pages(this.client.listResourceTemplates, "resourceTemplates"); }
  prompts() { return this.pages(this.client.listPrompts, "prompts"); }
  call(name, given, more) { return this.client.callTool({ name, arguments: given }, CallToolResultSchema, more); }
  read(uri) { return this.client.readResource({ uri }); }
  prompt(name, given) { return this.client.getPrompt({ name, arguments: given }); }
  async complete(ref, name, value) { return (await this.client.complete({ ref, argument: { name, value } })).completion; }
  level(level) { return this.client.setLoggingLevel(level); }

  async watch({ uris = [] }) {
    for (const uri of uris) await this.client.subscribeResource({ uri });
    return async () => { for (const uri of uris) await this.client.unsubscribeResource({ uri }); };
  }

  async close() {
    await this.transport.terminateSession?.();
    await this.client.close();
  }
}

const connect = ({ address, token, config, fixture }, target) => {
  if (target === "stdio") return new Peer().open(new StdioClientTransport({ command: fixture, args: ["serve", "--config", config, "--stdio"], stderr: "ignore" }));
  const Transport = target.endsWith("/sse") ? SSEClientTransport : StreamableHTTPClientTransport;
  return new Peer().open(new Transport(new URL(address + target), { requestInit: { headers: { Authorization: `Bearer ${token}` } } }));
};

await run("typescript 1.32.2", ["/mcp", "/<server>/mcp", "/<server>/sse", "stdio"].map((front) => [front, LEGACY]), connect);
