// The TypeScript SDK v2 as a client of every front, in both eras.

import { LEGACY, MODERN, Person, ROOT, judge, run } from "./suite.mjs";

const { Client, StreamableHTTPClientTransport, SSEClientTransport } = await judge("client/dist/index.mjs");
const { StdioClientTransport } = await judge("client/dist/stdio.mjs");
const FRESH = { cacheMode: "refresh" };

class Peer extends Person {
  // It makes the modern code of the legacy "resource not found".
  renames = [-32602];

  constructor(era) {
    super();
    this.era = era;
  }

  async open(transport) {
    const capabilities = { sampling: {}, elicitation: { form: {} }, roots: {} };
    const versionNegotiation = { mode: this.era === MODERN ? "auto" : "legacy" };
    this.client = new Client({ name: "typescript2", version: "1" }, { capabilities, versionNegotiation });
    this.client.fallbackNotificationHandler = async ({ method, params }) => this.hear(method, params);
    this.client.setRequestHandler("elicitation/create", ({ params }) => this.fillIn(params));
    this.client.setRequestHandler("sampling/createMessage", ({ params }) => this.modelSays(params));
    this.client.setRequestHandler("roots/list", () => ({ roots: [{ uri: ROOT }] }));
    this.transport = transport;
    await this.client.connect(transport);
    this.tap(transport);
    return this;
  }

  about() {
    return { protocolVersion: this.client.getNegotiatedProtocolVersion(), serverInfo: this.client.getServerVersion(), capabilities: this.client.getServerCapabilities() };
  }

  // Without a cursor it reads all pages.
  async tools() { return (await this.client.listTools(undefined, FRESH)).tools; }
  async resources() { return (await this.client.listResources(undefined, FRESH)).resources; }
  async templates() { return (await this.client.listResourceTemplates(undefined, FRESH)).resourceTemplates; }
  async prompts() { return (await this.client.listPrompts(undefined, FRESH)).prompts; }

  call(name, given, more) {
    const _meta = this.wanted && { "io.modelcontextprotocol/logLevel": this.wanted };
    return this.client.callTool({ name, arguments: given, ...(_meta && { _meta }) }, more);
  }

  read(uri) { return this.client.readResource({ uri }, FRESH); }
  prompt(name, given) { return this.client.getPrompt({ name, arguments: given }); }
  async complete(ref, name, value) { return (await this.client.complete({ ref, argument: { name, value } })).completion; }

  async level(level) {
    if (this.era === MODERN) this.wanted = level;
    else await this.client.setLoggingLevel(level);
  }

  async watch({ uris = [], lists }) {
    if (this.era === MODERN) {
      const stream = await this.client.listen({ ...(lists && { toolsListChanged: true, promptsListChanged: true }), ...(uris.length && { resourceSubscriptions: uris }) });
      return () => stream.close();
    }
    for (const uri of uris) await this.client.subscribeResource({ uri });
    return async () => { for (const uri of uris) await this.client.unsubscribeResource({ uri }); };
  }

  async close() {
    if (this.era === LEGACY) await this.transport.terminateSession?.();
    await this.client.close();
  }
}

const connect = ({ address, token, config, fixture }, target, era) => {
  if (target === "stdio") return new Peer(era).open(new StdioClientTransport({ command: fixture, args: ["serve", "--config", config, "--stdio"], stderr: "ignore" }));
  const Transport = target.endsWith("/sse") ? SSEClientTransport : StreamableHTTPClientTransport;
  return new Peer(era).open(new Transport(new URL(address + target), { requestInit: { headers: { Authorization: `Bearer ${token}` } } }));
};

await run("typescript 2.4.0", [["/mcp", LEGACY], ["/<server>/mcp", LEGACY], ["/<server>/sse", LEGACY], ["stdio", LEGACY], ["/mcp", MODERN], ["/<server>/mcp", MODERN], ["stdio", MODERN]], connect);
