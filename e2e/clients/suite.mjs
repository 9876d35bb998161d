// What is checked through each TypeScript SDK, on each front, before each server.
//
// A script gives `connect(gateway, target, era)`: its SDK behind one set of names, with `heard`,
// what was told to it, and `answers`, what the person does with a form.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const LEGACY = "2025-11-25", MODERN = "2026-07-28";
export const ROOT = "file:///home/somebody/project";
const HERE = dirname(fileURLToPath(import.meta.url));
const CACHE = process.env.PORTCULLIS_CACHE ?? join(homedir(), ".cache", "portcullis");
const FIXTURES = ["fixture", "legacy", "modern"];
const WATCHED = "test://watched-resource", STATIC = "test://static-text", TEMPLATE = "test://template/{id}/data";
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
const SECONDS = 20;

/** A module of a judge. */
export const judge = (path) => import(pathToFileURL(join(CACHE, "node", "node_modules", "@modelcontextprotocol", path)));

export const within = (promise, what, seconds = SECONDS) => {
  let timer;
  const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error(`${what} did not happen within ${seconds} s`)), seconds * 1000); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/** What both SDKs share: what was heard, and what is answered. */
export class Person {
  heard = [];
  progress = [];
  waiting = [];
  answers = {};
  questions = [];

  hear(method, params) {
    // A stream that was closed may still carry something for a moment.
    const stream = params?._meta?.[SUBSCRIPTION];
    if (stream !== undefined && stream !== this.stream) return;
    this.heard.push({ method, params: params ?? {} });
    for (const look of this.waiting.splice(0)) look();
  }

  /** Waits for a notification, and takes it and those before it. */
  async waitToHear(method, matches = () => true, seconds = 3) {
    let over = false;
    const look = async () => {
      for (;;) {
        const at = this.heard.findIndex((n) => n.method === method && matches(n.params));
        if (at >= 0) return this.heard.splice(0, at + 1)[at].params;
        await new Promise((go) => this.waiting.push(go));
        if (over) return undefined;
      }
    };
    try {
      return await within(look(), method, seconds);
    } finally {
      over = true;
    }
  }

  /** Records what comes in, before the SDK does something about it. */
  tap(transport) {
    const inner = transport.onmessage;
    transport.onmessage = (message, ...more) => {
      if (message.method === "notifications/progress") this.progress.push(message.params);
      if (message.method === "notifications/subscriptions/acknowledged") this.stream = message.params._meta[SUBSCRIPTION];
      return inner.call(transport, message, ...more);
    };
  }

  fillIn(params) {
    this.questions.push(params.message);
    return this.answers[params.message] ?? { action: "accept", content: {} };
  }

  modelSays(params) {
    const content = params.messages[0].content;
    return { role: "assistant", model: "none", content: { type: "text", text: `the model was asked: ${(Array.isArray(content) ? content[0] : content).text}` } };
  }
}

const texts = (result) => result.content.map((c) => c.text ?? "").join(" ");
const names = (list) => list.map((entry) => entry.name);

async function fails(call) {
  let result;
  try {
    result = await call;
  } catch (error) {
    return error;
  }
  assert.fail(`expected an error, found ${JSON.stringify(result).slice(0, 300)}`);
}

const ownsUris = (leg) => leg.ownsUris;
const CHECKS = [];
const check = (name, run, { when = () => true, late = false } = {}) => CHECKS.push({ name, run, when, late });

check("the greeting names the revision, the server and what it can", async ({ peer, prefix }) => {
  const about = peer.about();
  assert.equal(about.protocolVersion, peer.era);
  for (const can of ["tools", "prompts", "resources", "completions", "logging"]) assert.ok(about.capabilities[can], can);
  assert.equal(about.serverInfo.name, prefix ? "portcullis" : "portcullis-fixture");
});

check("the list of tools has every tool once, over all its pages", async ({ peer, name, prefix }) => {
  const all = names(await peer.tools());
  assert.equal(new Set(all).size, all.length);
  for (const own of ["echo", "ask_held", "unknown_fields", "test_elicitation"]) assert.ok(all.includes(name(own)), own);
  if (prefix) assert.equal(all.filter((n) => n.startsWith("many__")).length, 600);
});

check("a tool's schema arrives as it is", async ({ peer, name }) => {
  const schema = (await peer.tools()).find((t) => t.name === name("json_schema_2020_12_tool")).inputSchema;
  assert.equal(schema.$defs.address.$anchor, "addressDef");
  assert.deepEqual(schema.then, { required: ["phone"] });
});

check("echo gives its message as text and its arguments as structured content", async ({ call }) => {
  const given = { message: 'ä "quoted" \u2028 \u{1F600}\n', deep: { list: [1, null, true, 1.5] } };
  const result = await call("echo", given);
  assert.deepEqual(result.content, [{ type: "text", text: given.message }]);
  assert.deepEqual(result.structuredContent, given);
});

check("thirty calls at once are each answered with their own answer", async ({ say }) => {
  const wanted = Array.from({ length: 30 }, (_, n) => `number ${n}`);
  assert.deepEqual(await Promise.all(wanted.map((message) => say("echo", { message }))), wanted);
});

check("a long text arrives whole", async ({ say }) => {
  assert.equal((await say("big", { bytes: 2_000_000 })).length, 2_000_000);
});

check("contents of every type arrive", async ({ call }) => {
  assert.deepEqual((await call("test_multiple_content_types")).content.map((c) => c.type), ["text", "image", "resource"]);
  assert.equal((await call("test_audio_content")).content[0].mimeType, "audio/wav");
});

// Both SDKs lose a step that comes in one read with the answer: what came in is what counts.
async function progressOf({ peer, say }, ...call) {
  const told = [];
  peer.progress.length = 0;
  const text = await say(...call, { onprogress: (p) => told.push(p.progress) });
  const came = peer.progress.map((p) => p.progress);
  // A modern call that is asked something is sent again, with another token, and the SDK counts the rounds as progress.
  if (peer.era === LEGACY) {
    assert.equal(new Set(peer.progress.map((p) => p.progressToken)).size, 1);
    assert.deepEqual(told, came.slice(0, told.length));
  }
  return { text, came };
}

check("progress is told while the call runs, in order", async (leg) => {
  const { text, came } = await progressOf(leg, "test_tool_with_progress", {});
  assert.equal(text, "Tool with progress completed.");
  assert.deepEqual(came, [0, 50, 100]);
});

check("resources are listed and read, text and binary", async ({ peer }) => {
  const uris = (await peer.resources()).map((r) => r.uri);
  for (const uri of [STATIC, WATCHED, "test://static-binary"]) assert.ok(uris.includes(uri), uri);
  assert.equal((await peer.read(STATIC)).contents[0].text, "This is the content of the static text resource.");
  assert.ok((await peer.read("test://static-binary")).contents[0].blob.startsWith("iVBOR"));
}, { when: ownsUris });

check("a resource of a template is read", async ({ peer }) => {
  assert.ok((await peer.templates()).some((t) => t.uriTemplate === TEMPLATE));
  assert.equal(JSON.parse((await peer.read("test://template/42/data")).contents[0].text).data, "Data for ID: 42");
}, { when: ownsUris });

check("a resource that does not exist is an error", async ({ peer }) => {
  const error = await fails(peer.read("test://no-such-resource"));
  // It has another code in each era; a caller gets its own, whatever the server speaks.
  const allowed = [peer.era === MODERN ? -32602 : -32002, ...(peer.renames ?? [])];
  assert.ok(allowed.includes(error.code), `${error.code}: ${error.message}`);
}, { when: ownsUris });

check("prompts are listed and got, with arguments and contents", async ({ peer, name }) => {
  const prompt = (await peer.prompts()).find((p) => p.name === name("test_prompt_with_arguments"));
  assert.deepEqual(names(prompt.arguments), ["arg1", "arg2"]);
  const got = await peer.prompt(prompt.name, { arg1: "one", arg2: "two" });
  assert.equal(got.messages[0].content.text, "Prompt with arguments: arg1='one', arg2='two'");
  assert.deepEqual((await peer.prompt(name("test_prompt_with_image"))).messages.map((m) => m.content.type), ["image", "text"]);
});

check("an argument of a prompt is completed", async ({ peer, name }) => {
  const ref = { type: "ref/prompt", name: name("test_prompt_with_arguments") };
  assert.deepEqual((await peer.complete(ref, "arg1", "test")).values, ["testing", "testValue1", "testValue2"]);
});

check("an argument of a template is completed, a hundred at most", async ({ peer }) => {
  const found = await peer.complete({ type: "ref/resource", uri: TEMPLATE }, "id", "");
  assert.deepEqual([found.values.length, found.hasMore, found.total], [100, true, 150]);
}, { when: ownsUris });

const UPDATED = "notifications/resources/updated";

async function watching(peer, wanted, run) {
  const stop = await peer.watch(wanted);
  try {
    await run();
  } finally {
    await stop();
  }
}

async function updates({ peer, say }) {
  await watching(peer, { uris: [WATCHED, STATIC] }, async () => {
    if (peer.era === LEGACY) await untilListening(peer, () => say("touch", { uri: STATIC }));
    await say("touch", { uri: WATCHED });
    assert.equal((await peer.waitToHear(UPDATED, (p) => p.uri !== STATIC)).uri, WATCHED);
  });
  await watching(peer, { uris: [STATIC] }, async () => {
    peer.heard.length = 0;
    await say("touch", { uri: WATCHED });
    await say("touch", { uri: STATIC });
    assert.equal((await peer.waitToHear(UPDATED)).uri, STATIC);
  });
}

/** Touches until the stream carries updates: SDKs do not say when theirs is open. */
async function untilListening(peer, touch) {
  for (let n = 0; n < 15; n++) {
    await touch();
    const heard = await peer.waitToHear(UPDATED, () => true, 0.2).catch(() => undefined);
    if (heard) {
      await touch();
      return peer.waitToHear(UPDATED);
    }
  }
  assert.fail("no update ever came");
}

async function comesAndGoes({ peer, call, name }, note, trigger, what, entries) {
  const listed = async () => names(await entries()).includes(name(what));
  await watching(peer, { lists: true }, async () => {
    peer.heard.length = 0;
    const before = await listed();
    await call(trigger);
    await peer.waitToHear(note);
    assert.equal(await listed(), !before);
    await call(trigger);
    await peer.waitToHear(note);
    assert.equal(await listed(), before);
  });
}

const toolsChange = (leg) => comesAndGoes(leg, "notifications/tools/list_changed", "test_trigger_tool_change", "dynamic_tool", () => leg.peer.tools());
const promptsChange = (leg) => comesAndGoes(leg, "notifications/prompts/list_changed", "test_trigger_prompt_change", "dynamic_prompt", () => leg.peer.prompts());
check("the update of a resource is told to who subscribed, and only while they do", updates, { when: ownsUris });
check("a change of the tools is told, and the list has changed", toolsChange);
check("a change of the prompts is told, and the list has changed", promptsChange);

check("a form is accepted with what was filled in", async ({ peer, say }) => {
  peer.answers["Who are you?"] = { action: "accept", content: { username: "Ann", email: "ann@example.com" } };
  const text = await say("test_elicitation", { message: "Who are you?" });
  assert.ok(text.startsWith("User response: action=accept"), text);
  assert.deepEqual(JSON.parse(text.split("content=")[1]), { username: "Ann", email: "ann@example.com" });
});

check("a form is declined", async ({ peer, say }) => {
  peer.answers["Really?"] = { action: "decline" };
  assert.match(await say("test_elicitation", { message: "Really?" }), /^User response: action=decline/);
});

check("a call that cannot be run again is held until its question is answered", async (leg) => {
  const { peer, say, label } = leg, message = `held ${label}`;
  peer.answers[message] = { action: "accept", content: { answer: "yes" } };
  const before = await counters(leg, "ask_held");
  assert.match(await say("ask_held", { key: "k", message }), /^User response: action=accept/);
  assert.equal(peer.questions.filter((q) => q === message).length, 1);
  const after = await counters(leg, "ask_held");
  assert.deepEqual([after.started - before.started, after.completed - before.completed], [1, 1]);
});

check("two questions in turn are answered each with its own answer", async ({ peer, say }) => {
  for (const n of ["First", "Second"]) peer.answers[`${n}?`] = { action: "accept", content: { answer: n.toLowerCase() } };
  assert.equal(await say("ask_twice"), "first=first, second=second");
});

check("several questions at once are all answered", async ({ peer, say }) => {
  peer.answers["What is your name?"] = { action: "accept", content: { name: "Bo" } };
  assert.equal(await say("test_input_required_result_multiple_inputs"), `the model was asked: Generate a greeting Bo, your roots are: ${ROOT}`);
});

check("the model of the client answers a prompt", async ({ say }) => {
  assert.equal(await say("test_sampling", { prompt: "two and two?" }), "LLM response: the model was asked: two and two?");
});

check("the roots of the client are listed", async ({ say }) => {
  assert.equal(await say("test_input_required_result_list_roots"), `The roots are: ${ROOT}`);
});

check("a prompt that asks is got", async ({ peer, name }) => {
  peer.answers["What context should the prompt use?"] = { action: "accept", content: { context: "tea" } };
  assert.equal((await peer.prompt(name("test_input_required_result_prompt"))).messages[0].content.text, "Use this context: tea");
});

check("a tool that fails answers with what to do", async ({ call }) => {
  const result = await call("fail");
  assert.equal(result.isError, true);
  assert.equal(texts(result), "This tool always fails. Call another one.");
});

check("an error object arrives with its code, message and data", async ({ call }) => {
  const error = await fails(call("error_object"));
  assert.equal(error.code, -31999);
  assert.ok(error.message.endsWith("an error of the fixture's own"), error.message);
  assert.deepEqual(error.data, { known: 1.5, "x-unknown": { deep: [null, "é"] } });
});

check("members that the SDK does not know arrive, so far as it keeps them", async ({ peer, call, name }) => {
  const result = await call("unknown_fields");
  assert.deepEqual(result.structuredContent["x-structured"], []);
  assert.deepEqual(result._meta["example.org/result"], { kept: 100 });
  assert.deepEqual(result.content[0]._meta, { "example.org/block": true });
  assert.deepEqual(result["x-result"], { b: 2, a: 1 });
  const tool = (await peer.tools()).find((t) => t.name === name("unknown_fields"));
  assert.deepEqual(tool._meta["example.org/tool"], { kept: 100 });
});

check("a tool that does not exist is an error that names it", async ({ call, name }) => {
  const error = await fails(call("no_such_tool"));
  assert.equal(error.code, -32602);
  assert.ok(error.message.includes(name("no_such_tool")), error.message);
});

// Without a session, calls of one caller meet several instances of a legacy child: none can be looked at from another.
check("a call that is given up is cancelled at the server", async (leg) => {
  const tool = "sleep_until_cancelled", before = await counters(leg, tool), given = new AbortController();
  const over = fails(leg.call(tool, {}, { signal: given.signal }));
  await counted(leg, tool, (now) => now.started > before.started);
  given.abort();
  await over;
  await counted(leg, tool, (now) => now.dropped > before.dropped);
  assert.equal(await leg.say("echo", { message: "still here" }), "still here");
}, { when: (leg) => leg.peer.era === LEGACY || leg.behind !== "legacy" });

check("log lines of the level that was set arrive, others do not", async ({ peer, say }) => {
  const lines = () => peer.heard.filter((n) => n.method === "notifications/message").map((n) => n.params.data);
  peer.heard.length = 0;
  await peer.level("info");
  await say("test_tool_with_logging");
  for (const line of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
    await peer.waitToHear("notifications/message", (p) => p.data === line);
  }
  await peer.level("error");
  await say("test_tool_with_logging");
  await say("echo", { message: "done" });
  assert.deepEqual(lines(), []);
}, { late: true });

check("updates and list changes still arrive after a log level was set", async (leg) => {
  await leg.peer.level("info");
  if (leg.ownsUris) await updates(leg);
  await toolsChange(leg);
}, { late: true });

async function counters({ call }, tool) {
  return (await call("counters")).structuredContent[tool] ?? { started: 0, dropped: 0, completed: 0 };
}

async function counted(leg, tool, matches) {
  for (const end = Date.now() + SECONDS * 1000; ;) {
    const now = await counters(leg, tool);
    if (matches(now)) return;
    assert.ok(Date.now() < end, `${tool} has ${JSON.stringify(now)}`);
    await new Promise((go) => setTimeout(go, 20));
  }
}

const OTHERS = [];
const other = (server, name, run) => OTHERS.push({ server, name, run });

other("time", "mcp-server-time tells the time, and refuses a timezone that does not exist", async ({ say, call }) => {
  assert.equal(JSON.parse(await say("get_current_time", { timezone: "UTC" })).timezone, "UTC");
  assert.equal((await call("get_current_time", { timezone: "Nowhere/Else" })).isError, true);
});

other("many", "the list of 600 tools is complete", async ({ peer, prefix, say }) => {
  assert.equal(names(await peer.tools()).filter((n) => n.startsWith(`${prefix}tool_`)).length, 600);
  assert.equal(await say("tool_599"), "tool_599");
});

other("everything", "server-everything lists, echoes and adds", async ({ peer, name, say }) => {
  const all = names(await peer.tools());
  for (const own of ["echo", "get-sum", "trigger-elicitation-request", "trigger-sampling-request", "get-roots-list"]) assert.ok(all.includes(name(own)), own);
  assert.equal(await say("echo", { message: "hi" }), "Echo: hi");
  assert.equal(await say("get-sum", { a: 2, b: 3 }), "The sum of 2 and 3 is 5.");
});

other("everything", "server-everything's structured content fits its schema", async ({ call }) => {
  const result = await call("get-structured-content", { location: "Chicago" });
  assert.deepEqual(Object.keys(result.structuredContent).sort(), ["conditions", "humidity", "temperature"]);
});

other("everything", "server-everything's long operation tells its progress", async (leg) => {
  const { text, came } = await progressOf(leg, "trigger-long-running-operation", { duration: 0.4, steps: 4 });
  assert.match(text, /completed/);
  assert.deepEqual(came, [1, 2, 3, 4]);
});

other("everything", "server-everything's resources, prompts and completions are there", async ({ peer, name }) => {
  assert.match((await peer.read("demo://resource/dynamic/text/1")).contents[0].text, /^Resource 1/);
  assert.match((await peer.prompt(name("args-prompt"), { city: "Rome" })).messages[0].content.text, /Rome/);
  assert.deepEqual((await peer.complete({ type: "ref/prompt", name: name("completable-prompt") }, "department", "E")).values, ["Engineering"]);
});

other("everything", "server-everything asks the person, the model and for the roots", async ({ peer, say }) => {
  peer.answers["Please provide inputs for the following fields:"] = { action: "accept", content: { name: "Ann", check: true } };
  assert.match(await say("trigger-elicitation-request"), /Ann/);
  assert.match(await say("trigger-sampling-request", { prompt: "what?" }), /the model was asked: Resource trigger-sampling-request context: what\?/);
  assert.ok((await say("get-roots-list")).includes(ROOT));
});

/** The gateway that the environment names, or one of our own. */
async function gateway() {
  const { PORTCULLIS_ADDRESS: address, PORTCULLIS_TOKEN: token, PORTCULLIS_CONFIG: config, PORTCULLIS_BIN: bin } = process.env;
  const fixture = join(bin ?? join(HERE, "..", "..", "target", "debug"), "fixture");
  if (address) return { address, token, config, fixture, close() {} };
  const own = spawn("python3", [join(HERE, "common.py")], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  const line = await within(new Promise((go) => own.stdout.on("data", (more) => (text += more).includes("\n") && go(text))), "the start of the gateway", 90);
  return { ...JSON.parse(line), close: () => own.stdin.end() };
}

export async function run(client, fronts, connect) {
  let passed = 0, failed = 0;
  const line = (error, leg, name) => {
    const text = [client, ...leg, name].join(" · ");
    error ? failed++ : passed++;
    const at = error?.stack?.match(/(suite|typescript\d)\.mjs:\d+/)?.[0];
    console.log(error ? `FAIL ${text}: ${`${error.message}`.replace(/\s+/g, " ").slice(0, 500)} (at ${at})` : `ok   ${text}`);
  };
  const house = await gateway();
  try {
    for (const [front, era] of fronts) {
      const joint = !front.includes("<server>");
      const servers = [...FIXTURES, "time", "everything", "many"];
      const one = async (target, servers) => {
        try {
          const peer = await within(connect(house, target, era), "the connection", 60);
          for (const late of [false, true]) {
            for (const behind of servers) await checks(line, peer, front, era, behind, joint, late);
          }
          await peer.close();
        } catch (error) {
          line(error, [front, era, servers.join(", ")], "the connection is made and closed");
        }
      };
      if (joint) await one(front, servers);
      else await Promise.all(servers.map((server) => one(front.replace("<server>", server), [server])));
    }
    for (const era of new Set(fronts.map(([, era]) => era))) await raw(line, house, era);
  } finally {
    house.close();
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

async function checks(line, peer, front, era, behind, joint, late) {
  const prefix = joint ? `${behind}__` : "", label = [front, era, behind];
  const name = (own) => prefix + own;
  const call = (own, given = {}, more) => peer.call(name(own), given, more);
  const say = async (...given) => texts(await call(...given));
  // Uris are not renamed: at a joint address the first server has them.
  const leg = { peer, label, behind, prefix, name, call, say, ownsUris: !joint || behind === FIXTURES[0] };
  const mine = FIXTURES.includes(behind) ? CHECKS.filter((c) => c.late === late && c.when(leg)) : OTHERS.filter((o) => o.server === behind && !late);
  for (const { name, run } of mine) {
    await within(run(leg), "the check", 2 * SECONDS).then(() => line(undefined, label, name), (error) => line(error, label, name));
  }
}

/** What the SDKs strip is checked without them: tools lose unknown members in both, errors too. */
async function raw(line, { address, token }, era) {
  const prefix = "io.modelcontextprotocol/";
  const meta = era === LEGACY ? {} : { _meta: { [`${prefix}protocolVersion`]: era, [`${prefix}clientInfo`]: { name: "raw", version: "1" }, [`${prefix}clientCapabilities`]: {} } };
  const ask = async (path, method, params) => {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json", Accept: "application/json, text/event-stream" };
    if (era === MODERN) Object.assign(headers, { "MCP-Protocol-Version": era, "Mcp-Method": method }, params.name && { "Mcp-Name": params.name });
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, ...meta } });
    const text = await (await fetch(address + path, { method: "POST", headers, body })).text();
    return text.startsWith("{") ? text : text.split("\n").findLast((l) => l.startsWith("data:")).slice(5);
  };
  for (const server of FIXTURES) {
    const label = ["/<server>/mcp", era, server], path = `/${server}/mcp`;
    const look = (name, run) => run().then(() => line(undefined, label, name), (error) => line(error, label, name));
    await look("raw: unknown members of an error arrive as they were written", async () => {
      const text = await ask(path, "tools/call", { name: "error_object", arguments: {} });
      assert.ok(/"known": ?1\.50/.test(text) && /"x-error": ?true/.test(text) && text.includes("\\u00e9"), text);
    });
    await look("raw: unknown members of a tool arrive as they were written", async () => {
      const text = await ask(path, "tools/list", {});
      assert.ok(/"x-annotation": ?1\.50/.test(text) && /"x-tool": ?\{"b": ?2, ?"a": ?\[1\.0, ?"\\u00e9"\]\}/.test(text), text.slice(-1500));
    });
  }
}
