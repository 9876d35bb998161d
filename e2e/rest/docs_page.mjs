// The docs page in Chromium, as a person uses it: a token, a call that fails, one that works.
//
// Screenshots go to $PORTCULLIS_CACHE/screenshots, to be looked at. CHROMIUM says which browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const CACHE = process.env.PORTCULLIS_CACHE ?? join(homedir(), ".cache", "portcullis");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const SCREENSHOTS = join(CACHE, "screenshots");
const SECONDS = 15;
const { chromium } = (await import(pathToFileURL(join(CACHE, "node", "node_modules", "playwright-core", "index.js")))).default;

const begun = performance.now();
const failures = [];
let passed = 0;
const gaps = JSON.parse(readFileSync(join(HERE, "known-gaps.json"))).filter((gap) => gap.script === "docs page");

const line = (name, why) => {
  if (why === undefined) {
    passed += 1;
    console.log(`ok   docs page · ${name}`);
  } else {
    failures.push(`docs page · ${name}: ${why}`);
    const isKnown = gaps.some((gap) => new RegExp(gap.check).test(failures.at(-1)));
    console.log(`${isKnown ? "gap " : "FAIL"} ${failures.at(-1)}`);
  }
};

const check = async (name, run) => {
  try {
    await run();
    line(name);
  } catch (error) {
    const at = /docs_page\.mjs:\d+/.exec(error.stack ?? "")?.[0] ?? "";
    line(name, `${String(error.message).replaceAll(/\x1b\[\d+m/g, "").replaceAll(/\s+/g, " ").slice(0, 700)} (at ${at})`);
  }
};

/** The sum. A line of known-gaps.json that fits nothing any more is a failure. */
const end = () => {
  const known = new Set();
  let stale = 0;
  for (const gap of gaps) {
    const found = failures.filter((failure) => new RegExp(gap.check).test(failure));
    found.forEach((failure) => known.add(failure));
    if (found.length === 0) {
      stale += 1;
      console.log(`FAIL known-gaps.json: '${gap.check}' fits nothing any more`);
    }
    console.log(`${found.length} checks fail for a known reason: ${gap.because}`);
  }
  const failed = failures.length - known.size + stale;
  console.log(`docs page took ${Math.round((performance.now() - begun) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
};

/** Gateways of our own, as common.py starts them. They end when their input does. */
const gateways = async () => {
  const python = spawn("python3", [join(HERE, "common.py")], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => python.once("exit", resolve));
  const where = await new Promise((resolve, reject) => {
    createInterface(python.stdout).once("line", (text) => resolve(JSON.parse(text)));
    python.once("exit", (code) => reject(new Error(`the gateways did not start (${code})`)));
  });
  return { ...where, close: () => { python.stdin.end(); return ended; } };
};

/** A tab that notes all that leaves it and all that goes wrong in it. */
class Tab {
  requests = [];
  problems = [];
  violations = [];

  static async open(browser, address, path) {
    const tab = new Tab();
    tab.address = address;
    tab.context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
    tab.page = await tab.context.newPage();
    tab.page.setDefaultTimeout(SECONDS * 1000);
    await tab.page.exposeFunction("noteViolation", (what) => tab.violations.push(what));
    await tab.page.addInitScript(() => document.addEventListener("securitypolicyviolation", (e) => window.noteViolation(`${e.violatedDirective} ${e.blockedURI}`)));
    tab.context.on("request", (request) => tab.requests.push(request));
    tab.page.on("pageerror", (error) => tab.problems.push(`uncaught: ${error.message}`));
    tab.page.on("console", (message) => {
      // The browser notes every answer that is none of success; those that are wanted are checked by themselves.
      const wanted = /^Failed to load resource: the server responded with a status of (401|403|422)/.test(message.text());
      if (["error", "warning"].includes(message.type()) && !wanted) tab.problems.push(`${message.type()}: ${message.text()}`);
    });
    tab.page.on("requestfailed", (request) => tab.problems.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
    tab.answer = await tab.page.goto(address + path, { waitUntil: "networkidle" });
    return tab;
  }

  get form() { return this.page.locator("#who"); }
  get tools() { return this.page.locator(".opblock"); }
  shot(name) { return this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true }); }

  async enter(token) {
    await this.page.locator("#token").fill(token);
    await this.page.getByRole("button", { name: "Show the tools" }).click();
  }

  /** Opens an operation, sends a body with Execute, and reads what the page shows of the answer. */
  async execute(path, body) {
    const block = this.page.locator(".opblock", { has: this.page.locator(`[data-path="${path}"]`) });
    const text = block.locator("textarea.body-param__text");
    if (!(await text.isVisible())) await block.locator(".opblock-summary-control").click();
    await text.fill(body);
    const answered = this.page.waitForResponse((response) => response.request().method() === "POST");
    await block.locator("button.execute").click();
    await answered;
    const shown = block.locator(".live-responses-table .response");
    await shown.locator(".response-col_status", { hasText: String((await answered).status()) }).waitFor();
    return { status: (await shown.locator(".response-col_status").innerText()).trim(), body: await shown.locator(".response-col_description").innerText(), request: (await answered).request() };
  }
}

const judge = async (browser, name, { address, path, prefix, token, count }) => {
  const title = (what) => `${name}: ${what}`;
  const tab = await Tab.open(browser, address, path);
  const shot = (what) => tab.shot(`${name.replaceAll(/[^a-z]+/g, "-")}-${what}`);
  await check(title("the page opens without a token"), async () => {
    assert.equal(tab.answer.status(), 200);
    const policy = tab.answer.headers()["content-security-policy"];
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /https?:|\*|unsafe-eval|script-src[^;]*unsafe-inline/);
  });
  if (token) {
    await check(title("it asks for a token and shows no tool before"), async () => {
      await tab.form.waitFor({ state: "visible" });
      assert.equal(await tab.tools.count(), 0);
      assert.doesNotMatch(await tab.page.content(), /get_current_time|convert_time|\btime\b.*server/i);
      assert.equal(await tab.page.evaluate(() => document.activeElement.id), "token");
      await shot("1-asks");
    });
    await check(title("a wrong token is told"), async () => {
      await tab.enter("wrong");
      await tab.page.getByText("This token is not known here.").waitFor();
      assert.equal(await tab.tools.count(), 0);
      await shot("2-wrong-token");
    });
    await check(title("the right one shows the tools"), async () => {
      await tab.enter(token);
      await tab.tools.first().waitFor();
      assert.equal(await tab.form.isVisible(), false);
      assert.equal(await tab.tools.count(), count);
      await shot("3-tools");
    });
  } else {
    await check(title("it shows the tools and asks for nothing"), async () => {
      await tab.tools.first().waitFor();
      assert.equal(await tab.form.isVisible(), false);
      assert.equal(await tab.tools.count(), count);
      await shot("3-tools");
    });
  }
  const operation = `${prefix}/get_current_time`;
  await check(title("a call with a missing field fails: 422 and why"), async () => {
    const { status, body } = await tab.execute(operation, "{}");
    assert.match(status, /^422/);
    assert.match(body, /Field required/);
    assert.match(body, /"timezone"/);
    await shot("4-call-fails");
  });
  await check(title("a call that works: 200 and the time"), async () => {
    const { status, body, request } = await tab.execute(operation, '{"timezone": "Europe/Berlin"}');
    assert.match(status, /^200/);
    assert.match(body, /"timezone": "Europe\/Berlin"/);
    assert.match(body, /"datetime": "20\d\d-/);
    assert.equal(request.headers().authorization, token && `Bearer ${token}`);
    await shot("5-call-works");
  });
  await check(title("nothing leaves the gateway's origin"), async () => {
    const elsewhere = tab.requests.map((request) => request.url()).filter((url) => !url.startsWith(`${address}/`) && !url.startsWith("data:"));
    assert.deepEqual(elsewhere, []);
    assert.ok(tab.requests.length >= 6, `only ${tab.requests.length} requests were seen`);
  });
  await check(title("the token is kept nowhere and is in no address"), async () => {
    const kept = await tab.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    assert.equal(kept, JSON.stringify([{}, {}, "", tab.page.url()]));
    assert.ok(!token || tab.requests.every((request) => !request.url().includes(token)));
  });
  await check(title("no error in the console, no violation of its policy"), async () => {
    assert.deepEqual([...tab.violations, ...tab.problems], []);
  });
  await tab.context.close();
};

mkdirSync(SCREENSHOTS, { recursive: true });
const where = await gateways();
// As root, Chromium has no sandbox to run in; it sees nothing but our own page here.
const browser = await chromium.launch({ executablePath: CHROMIUM, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
try {
  const { serve, strict, open, token, tools } = where;
  await judge(browser, "serve, all servers", { address: serve, path: "/docs", prefix: "/time", token, count: tools.time + tools.everything });
  await judge(browser, "serve, one server", { address: serve, path: "/time/docs", prefix: "", token, count: tools.time });
  for (const path of ["/docs/", "/time/docs/"]) {
    await check(`serve: ${path} is the page as well`, async () => {
      const tab = await Tab.open(browser, serve, path);
      await tab.form.waitFor({ state: "visible", timeout: 3000 });
      assert.deepEqual([...tab.violations, ...tab.problems], []);
    });
  }
  await judge(browser, "openapi, with a key", { address: strict, path: "/docs", prefix: "", token, count: tools.time });
  await judge(browser, "openapi, without a key", { address: open, path: "/docs", prefix: "", count: tools.time });
} finally {
  await browser.close();
  await where.close();
}
end();
