"""What is checked through each Python SDK, on each front, before each server.

A script gives a `Peer`: its SDK behind one set of names, with results as plain JSON. A peer can be
asked (it answers questions) or is shy (it declares no capabilities): they meet different instances
of a child.
"""

import asyncio
import contextlib
import itertools
import json
import time
from dataclasses import dataclass

from common import FIXTURES, LEGACY, MODERN, Http, Report, check_raw, equal, gateway, reason

SECONDS = 20
WATCHED, STATIC = "test://watched-resource", "test://static-text"
TEMPLATE = "test://template/{id}/data"
ROOT = "file:///home/somebody/project"


class RpcError(Exception):
    def __init__(self, code, message, data=None):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.data = code, message, data


class Peer:
    """One connection of an SDK. `answers` is what the person does with a form."""

    def __init__(self, era, shy):
        self.era, self.shy = era, shy
        self.heard, self.news = [], asyncio.Condition()
        self.questions, self.answers = [], {}

    async def hear(self, method, params):
        async with self.news:
            self.heard.append((method, params or {}))
            self.news.notify_all()

    async def wait_to_hear(self, method, matches=lambda params: True, what="", seconds=5):
        """Waits for a notification and takes it and those before it."""
        found = lambda: next((n for n, (m, p) in enumerate(self.heard) if m == method and matches(p)), None)  # noqa: E731
        async with self.news:
            try:
                await asyncio.wait_for(self.news.wait_for(lambda: found() is not None), seconds)
            except TimeoutError:
                raise AssertionError(f"no {method} {what} within {seconds} s; heard {self.heard}") from None
            at = found()
            params = self.heard[at][1]
            del self.heard[:at + 1]
            return params

    def fill_in(self, message):
        """The person's answer to a form, by its message."""
        self.questions.append(message)
        return self.answers.get(message, {"action": "accept", "content": {}})

    def model_says(self, prompt):
        self.questions.append(prompt)
        return f"the model was asked: {prompt}"

    async def texts(self, name, arguments=None, **more):
        result = await self.call(name, arguments or {}, **more)
        return " ".join(c.get("text", "") for c in result["content"])


@dataclass
class Leg:
    """A peer at a front, and what it calls the things of one server there."""
    peer: Peer
    front: str
    behind: str
    prefix: str
    owns_uris: bool
    report: Report

    @property
    def label(self):
        kind = f"{self.behind}, shy" if self.peer.shy else self.behind
        return (self.front, self.peer.era, kind)

    def name(self, own):
        return self.prefix + own

    async def call(self, own, arguments=None, **more):
        return await self.peer.call(self.name(own), arguments or {}, **more)

    async def say(self, own, arguments=None, **more):
        return await self.peer.texts(self.name(own), arguments, **more)

    async def check(self, name, run):
        start = time.monotonic()
        try:
            async with asyncio.timeout(2 * SECONDS):
                await run(self)
        except (Exception, asyncio.CancelledError) as error:
            self.report.line(False, self.label, name, reason(error))
        else:
            self.report.line(True, self.label, name, took=time.monotonic() - start)


CHECKS = []


def check(name, *, when=lambda leg: True, late=False):
    """`late` ones set the log level, which a legacy session keeps."""
    def add(run):
        CHECKS.append((name, when, late, run))
        return run
    return add


can_be_asked = lambda leg: not leg.peer.shy  # noqa: E731
is_shy = lambda leg: leg.peer.shy  # noqa: E731
owns_uris = lambda leg: leg.owns_uris  # noqa: E731


@check("the greeting names the revision, the server and what it can")
async def _(leg):
    about = leg.peer.about()
    equal(about["protocolVersion"], leg.peer.era)
    equal({"tools", "prompts", "resources", "completions", "logging"} - set(about["capabilities"]), set())
    equal(about["capabilities"]["resources"]["subscribe"], True)
    equal(about["serverInfo"]["name"], "portcullis" if leg.prefix else "portcullis-fixture")


@check("the list of tools has every tool once, over all its pages")
async def _(leg):
    tools = [t["name"] for t in await leg.peer.tools()]
    equal(len(tools), len(set(tools)))
    for own in ["echo", "slow", "ask_held", "unknown_fields", "touch", "test_elicitation", "json_schema_2020_12_tool"]:
        assert leg.name(own) in tools, f"{leg.name(own)} is not in {tools}"
    if leg.prefix:
        equal(len([t for t in tools if t.startswith("many__")]), 600)


@check("a tool's schema arrives as it is")
async def _(leg):
    tool = next(t for t in await leg.peer.tools() if t["name"] == leg.name("json_schema_2020_12_tool"))
    schema = tool["inputSchema"]
    equal(schema["$defs"]["address"]["$anchor"], "addressDef")
    equal(schema["if"], {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]})
    equal(schema["additionalProperties"], False)


@check("echo gives its message as text and its arguments as structured content")
async def _(leg):
    arguments = {"message": 'ä "quoted" \u2028 \U0001f600\n', "deep": {"list": [1, None, True, 1.5]}}
    result = await leg.call("echo", arguments)
    equal(result["content"], [{"type": "text", "text": arguments["message"]}])
    equal(result["structuredContent"], arguments)


@check("thirty calls at once are each answered with their own answer")
async def _(leg):
    say = lambda n: leg.say("echo", {"message": f"{leg.prefix} {n}"})  # noqa: E731
    equal(await asyncio.gather(*map(say, range(30))), [f"{leg.prefix} {n}" for n in range(30)])


@check("a long text arrives whole")
async def _(leg):
    # An event of the old transport may have 1 MiB in the SDK 2.x.
    size = 1_000_000 if leg.front == "/<server>/sse" else 2_000_000
    equal(len(await leg.say("big", {"bytes": size})), size)


@check("contents of every type arrive")
async def _(leg):
    result = await leg.call("test_multiple_content_types")
    equal([c["type"] for c in result["content"]], ["text", "image", "resource"])
    equal((await leg.call("test_audio_content"))["content"][0]["mimeType"], "audio/wav")


@check("progress is told while the call runs, in order")
async def _(leg):
    steps = []
    async def progress(done, total, _message):
        steps.append((done, total))
    text = await leg.say("test_tool_with_progress", progress=progress)
    equal(text, "Tool with progress completed.")
    equal(steps, [(0, 100), (50, 100), (100, 100)])


@check("resources are listed and read, text and binary", when=owns_uris)
async def _(leg):
    uris = [r["uri"] for r in await leg.peer.resources()]
    equal({STATIC, "test://static-binary", WATCHED} - set(uris), set())
    text = (await leg.peer.read(STATIC))["contents"][0]
    equal(text["text"], "This is the content of the static text resource.")
    equal(text["mimeType"], "text/plain")
    assert (await leg.peer.read("test://static-binary"))["contents"][0]["blob"].startswith("iVBOR")


@check("a resource of a template is read", when=owns_uris)
async def _(leg):
    templates = [t["uriTemplate"] for t in await leg.peer.templates()]
    assert TEMPLATE in templates, templates
    found = (await leg.peer.read("test://template/42/data"))["contents"][0]
    equal(json.loads(found["text"])["data"], "Data for ID: 42")


@check("a resource that does not exist is an error", when=owns_uris)
async def _(leg):
    error = await fails(leg.peer.read("test://no-such-resource"))
    # It has another code in each era; a caller gets its own, whatever the server speaks.
    equal(error.code, -32602 if leg.peer.era == MODERN else -32002)


@check("prompts are listed and got, with arguments and contents")
async def _(leg):
    prompts = {p["name"]: p for p in await leg.peer.prompts()}
    prompt = prompts[leg.name("test_prompt_with_arguments")]
    equal([a["name"] for a in prompt["arguments"]], ["arg1", "arg2"])
    got = await leg.peer.prompt(leg.name("test_prompt_with_arguments"), {"arg1": "one", "arg2": "two"})
    equal(got["messages"][0]["content"]["text"], "Prompt with arguments: arg1='one', arg2='two'")
    got = await leg.peer.prompt(leg.name("test_prompt_with_image"), {})
    equal([m["content"]["type"] for m in got["messages"]], ["image", "text"])


@check("an argument of a prompt is completed")
async def _(leg):
    ref = {"type": "ref/prompt", "name": leg.name("test_prompt_with_arguments")}
    equal((await leg.peer.complete(ref, "arg1", "test"))["values"], ["testing", "testValue1", "testValue2"])


@check("an argument of a template is completed, a hundred at most", when=owns_uris)
async def _(leg):
    found = await leg.peer.complete({"type": "ref/resource", "uri": TEMPLATE}, "id", "1")
    equal(found["values"][:3], ["1", "10", "11"])
    found = await leg.peer.complete({"type": "ref/resource", "uri": TEMPLATE}, "id", "")
    equal((len(found["values"]), found.get("hasMore"), found.get("total")), (100, True, 150))


@check("the update of a resource is told to who subscribed, and only while they do", when=owns_uris)
async def _(leg):
    await updates(leg)


async def updates(leg):
    updated = "notifications/resources/updated"
    async with leg.peer.watching(uris=[WATCHED, STATIC], listening=lambda: leg.say("touch", {"uri": STATIC})):
        await leg.say("touch", {"uri": WATCHED})
        equal((await leg.peer.wait_to_hear(updated, lambda p: p["uri"] != STATIC))["uri"], WATCHED)
    leg.peer.heard.clear()
    async with leg.peer.watching(uris=[STATIC], listening=lambda: leg.say("touch", {"uri": STATIC})):
        await leg.say("touch", {"uri": WATCHED})
        await leg.say("touch", {"uri": STATIC})
        equal((await leg.peer.wait_to_hear(updated))["uri"], STATIC)


@check("a change of the tools is told, and the list has changed")
async def _(leg):
    await comes_and_goes(leg, "notifications/tools/list_changed", "test_trigger_tool_change", "dynamic_tool", leg.peer.tools)


@check("a change of the prompts is told, and the list has changed")
async def _(leg):
    await comes_and_goes(leg, "notifications/prompts/list_changed", "test_trigger_prompt_change", "dynamic_prompt", leg.peer.prompts)


async def comes_and_goes(leg, note, trigger, name, entries):
    listed = lambda all: leg.name(name) in [e["name"] for e in all]  # noqa: E731
    async with leg.peer.watching(lists=True):
        leg.peer.heard.clear()
        before = listed(await entries())
        await leg.call(trigger)
        await leg.peer.wait_to_hear(note, what="when it came", seconds=3)
        equal(listed(await entries()), not before)
        await leg.call(trigger)
        await leg.peer.wait_to_hear(note, what="when it went", seconds=3)
        equal(listed(await entries()), before)


@check("a form is accepted with what was filled in", when=can_be_asked)
async def _(leg):
    leg.peer.answers["Who are you?"] = {"action": "accept", "content": {"username": "Ann", "email": "ann@example.com"}}
    text = await leg.say("test_elicitation", {"message": "Who are you?"})
    assert text.startswith("User response: action=accept"), text
    equal(json.loads(text.split("content=")[1]), {"username": "Ann", "email": "ann@example.com"})


@check("a form is declined", when=can_be_asked)
async def _(leg):
    leg.peer.answers["Really?"] = {"action": "decline"}
    text = await leg.say("test_elicitation", {"message": "Really?"})
    assert text.startswith("User response: action=decline"), text


@check("a call that cannot be run again is held until its question is answered", when=can_be_asked)
async def _(leg):
    message = f"held {leg.label}"
    leg.peer.answers[message] = {"action": "accept", "content": {"answer": "yes"}}
    before = await counters(leg, "ask_held")
    text = await leg.say("ask_held", {"key": "k", "message": message})
    equal(text.split("content=")[0], "User response: action=accept, ")
    equal(leg.peer.questions.count(message), 1)
    after = await counters(leg, "ask_held")
    equal(after["completed"] - before["completed"], 1)
    equal(after["started"] - before["started"], 1)


@check("two questions in turn are answered each with its own answer", when=can_be_asked)
async def _(leg):
    leg.peer.answers |= {f"{n}?": {"action": "accept", "content": {"answer": n.lower()}} for n in ("First", "Second")}
    equal(await leg.say("ask_twice"), "first=first, second=second")


@check("several questions at once are all answered", when=can_be_asked)
async def _(leg):
    leg.peer.answers["What is your name?"] = {"action": "accept", "content": {"name": "Bo"}}
    text = await leg.say("test_input_required_result_multiple_inputs")
    equal(text, f"the model was asked: Generate a greeting Bo, your roots are: {ROOT}")


@check("the model of the client answers a prompt", when=can_be_asked)
async def _(leg):
    equal(await leg.say("test_sampling", {"prompt": "two and two?"}), "LLM response: the model was asked: two and two?")


@check("the roots of the client are listed", when=can_be_asked)
async def _(leg):
    equal(await leg.say("test_input_required_result_list_roots"), f"The roots are: {ROOT}")


@check("a prompt that asks is got", when=can_be_asked)
async def _(leg):
    leg.peer.answers["What context should the prompt use?"] = {"action": "accept", "content": {"context": "tea"}}
    got = await leg.peer.prompt(leg.name("test_input_required_result_prompt"), {})
    equal(got["messages"][0]["content"]["text"], "Use this context: tea")


@check("progress is told before a question", when=can_be_asked)
async def _(leg):
    leg.peer.answers["What is your name?"] = {"action": "accept", "content": {"name": "Bo"}}
    said = []
    async def progress(_done, _total, message):
        said.append(message)
    text = await leg.say("test_streaming_elicitation", progress=progress)
    assert text.startswith("Elicitation completed: action=accept"), text
    equal(said[:1], ["about to ask"])


@check("a tool that must ask who cannot be asked fails, and says so", when=is_shy)
async def _(leg):
    error = await fails(leg.call("test_elicitation", {"message": "Anybody?"}))
    assert "elicitation" in error.message.lower() or "elicitation" in str(error.data), error


@check("a tool that fails answers with what to do")
async def _(leg):
    result = await leg.call("fail")
    equal(result["isError"], True)
    equal(result["content"][0]["text"], "This tool always fails. Call another one.")


@check("an error object arrives with its code, message and data")
async def _(leg):
    error = await fails(leg.call("error_object"))
    equal((error.code, error.message), (-31999, "an error of the fixture's own"))
    equal(error.data, {"known": 1.5, "x-unknown": {"deep": [None, "é"]}})


@check("members that the SDK does not know arrive, so far as it keeps them")
async def _(leg):
    result = await leg.call("unknown_fields")
    equal(result["structuredContent"], {"known": 1.0, "large": 12345678901234567890123, "x-structured": []})
    equal(result["_meta"]["example.org/result"], {"kept": 100.0})
    equal(result["content"][0]["_meta"], {"example.org/block": True})
    tool = next(t for t in await leg.peer.tools() if t["name"] == leg.name("unknown_fields"))
    equal(tool["_meta"]["example.org/tool"], {"kept": 100.0})
    equal(tool["annotations"]["readOnlyHint"], True)
    if leg.peer.keeps_unknown:
        equal(result["x-result"], {"b": 2, "a": 1})
        equal(result["content"][0]["x-block"], {"deep": [1.5, None]})
        equal(tool["x-tool"], {"b": 2, "a": [1.0, "é"]})


@check("a tool that does not exist is an error that names it")
async def _(leg):
    error = await fails(leg.call("no_such_tool"))
    equal(error.code, -32602)
    assert leg.name("no_such_tool") in error.message, error


# Without a session, calls of one caller that can be asked meet several instances of a legacy child: none can be looked
# at from another.
def can_cancel(leg):
    return leg.peer.can_cancel and (leg.peer.era == LEGACY or leg.behind != "legacy" or leg.peer.shy)


@check("a call that is given up is cancelled at the server", when=can_cancel)
async def _(leg):
    before = await counters(leg, "sleep_until_cancelled")
    call = asyncio.create_task(leg.call("sleep_until_cancelled"))
    try:
        await counted(leg, "sleep_until_cancelled", lambda now: now["started"] > before["started"])
    finally:
        call.cancel()
    with contextlib.suppress(asyncio.CancelledError, RpcError):
        await call
    await counted(leg, "sleep_until_cancelled", lambda now: now["dropped"] > before["dropped"])
    equal(await leg.say("echo", {"message": "still here"}), "still here")


@check("log lines of the level that was set arrive, others do not", late=True)
async def _(leg):
    lines = lambda: [p["data"] for m, p in leg.peer.heard if m == "notifications/message"]  # noqa: E731
    leg.peer.heard.clear()
    async with leg.peer.level("info"):
        await leg.say("test_tool_with_logging")
        await leg.peer.wait_to_hear("notifications/message", lambda p: p["data"] == "Tool execution started")
        await leg.peer.wait_to_hear("notifications/message", lambda p: p["data"] == "Tool processing data")
        await leg.peer.wait_to_hear("notifications/message", lambda p: p["data"] == "Tool execution completed")
    async with leg.peer.level("error"):
        await leg.say("test_tool_with_logging")
        # What comes after them on the same way came without them.
        await leg.say("echo", {"message": "done"})
        equal(lines(), [])


@check("updates and list changes still arrive after a log level was set", late=True)
async def _(leg):
    await leg.peer.keep_level("info")
    if leg.owns_uris:
        await updates(leg)
    await comes_and_goes(leg, "notifications/tools/list_changed", "test_trigger_tool_change", "dynamic_tool", leg.peer.tools)


async def counters(leg, tool):
    counts = (await leg.call("counters"))["structuredContent"]
    return counts.get(tool, {"started": 0, "dropped": 0, "completed": 0})


async def counted(leg, tool, matches):
    deadline = time.monotonic() + SECONDS
    while not matches(now := await counters(leg, tool)):
        assert time.monotonic() < deadline, f"{tool} has {now}"
        await asyncio.sleep(0.02)


async def fails(call):
    try:
        result = await call
    except RpcError as error:
        return error
    raise AssertionError(f"expected an error, found {json.dumps(result)[:300]}")


OTHERS = []


def other(server, name, *, when=lambda leg: True):
    def add(run):
        OTHERS.append((server, name, when, run))
        return run
    return add


@other("many", "the list of 600 tools is complete")
async def _(leg):
    tools = [t["name"] for t in await leg.peer.tools() if t["name"].startswith(leg.prefix)]
    equal(tools, [leg.name(f"tool_{n:03}") for n in range(600)])
    equal(await leg.say("tool_599"), "tool_599")


@other("time", "mcp-server-time tells the time")
async def _(leg):
    names = [t["name"] for t in await leg.peer.tools() if t["name"].startswith(leg.prefix)]
    equal(sorted(names), [leg.name("convert_time"), leg.name("get_current_time")])
    equal(json.loads(await leg.say("get_current_time", {"timezone": "UTC"}))["timezone"], "UTC")


@other("time", "mcp-server-time refuses a timezone that does not exist")
async def _(leg):
    result = await leg.call("get_current_time", {"timezone": "Nowhere/Else"})
    equal(result["isError"], True)


@other("everything", "server-everything lists, echoes and adds")
async def _(leg):
    names = [t["name"] for t in await leg.peer.tools()]
    assert {leg.name("echo"), leg.name("get-sum")} <= set(names), names
    equal(await leg.say("echo", {"message": "hi"}), "Echo: hi")
    equal(await leg.say("get-sum", {"a": 2, "b": 3}), "The sum of 2 and 3 is 5.")


@other("everything", "server-everything's structured content fits its schema")
async def _(leg):
    result = await leg.call("get-structured-content", {"location": "Chicago"})
    equal(set(result["structuredContent"]), {"temperature", "conditions", "humidity"})


@other("everything", "server-everything's long operation tells its progress")
async def _(leg):
    steps = []
    async def progress(done, total, _message):
        steps.append((done, total))
    text = await leg.say("trigger-long-running-operation", {"duration": 0.4, "steps": 4}, progress=progress)
    assert "completed" in text, text
    equal(steps, [(n, 4) for n in (1, 2, 3, 4)])


@other("everything", "server-everything's resources, prompts and completions are there")
async def _(leg):
    found = await leg.peer.read("demo://resource/dynamic/text/1")
    assert found["contents"][0]["text"].startswith("Resource 1"), found
    name = leg.name("args-prompt")
    got = await leg.peer.prompt(name, {"city": "Rome"})
    assert "Rome" in got["messages"][0]["content"]["text"], got
    ref = {"type": "ref/prompt", "name": leg.name("completable-prompt")}
    assert (await leg.peer.complete(ref, "department", "E"))["values"] == ["Engineering"]


@other("everything", "server-everything asks the person", when=can_be_asked)
async def _(leg):
    message = "Please provide inputs for the following fields:"
    leg.peer.answers[message] = {"action": "accept", "content": {"name": "Ann", "check": True}}
    text = await leg.say("trigger-elicitation-request")
    assert "Ann" in text, text


@other("everything", "server-everything asks the model", when=can_be_asked)
async def _(leg):
    text = await leg.say("trigger-sampling-request", {"prompt": "what?"})
    assert "the model was asked: Resource trigger-sampling-request context: what?" in text, text


@other("everything", "server-everything lists the roots", when=can_be_asked)
async def _(leg):
    text = await leg.say("get-roots-list")
    assert ROOT in text, text


@other("everything", "server-everything's tools that need capabilities are listed for who has them", when=can_be_asked)
async def _(leg):
    names = {t["name"] for t in await leg.peer.tools()}
    wanted = {leg.name(n) for n in ("trigger-elicitation-request", "trigger-sampling-request", "get-roots-list")}
    equal(wanted - names, set())


async def run_leg(leg, late):
    """The checks of one server at one front."""
    if leg.behind in FIXTURES:
        for name, when, is_late, run in CHECKS:
            if when(leg) and is_late == late:
                await leg.check(name, run)
    elif not late:
        for server, name, when, run in OTHERS:
            if server == leg.behind and when(leg):
                await leg.check(name, run)


SERVERS = [*FIXTURES, "time", "everything", "many"]


async def run_front(report, connect, front, era, shy):
    """Every server at one kind of address."""
    async def one(front, servers, target):
        try:
            async with connect(target, era, shy) as peer:
                joint = target in ("/mcp", "stdio")
                for late, server in itertools.product((False, True), servers):
                    # Uris are not renamed: at a joint address the first server has them.
                    owns = not joint or server == FIXTURES[0]
                    await run_leg(Leg(peer, front, server, f"{server}__" if joint else "", owns, report), late)
        except Exception as error:
            report.line(False, (front, era, ", ".join(servers)), "the connection is made and closed", reason(error))
    if front in ("/mcp", "stdio"):
        await one(front, SERVERS, front)
    else:
        await asyncio.gather(*(one(front, [s], front.replace("<server>", s)) for s in SERVERS))


async def run(client, fronts, connect):
    """`fronts` are pairs of a front and an era; `connect` opens a peer."""
    report = Report(client)
    with gateway() as (address, token, config):
        opened = lambda target, era, shy: connect(address, token, config, target, era, shy)  # noqa: E731
        for front, era in fronts:
            # What a shy peer meets is an instance of its own, not a front of its own.
            for shy in (False, True) if front in ("/mcp", "/<server>/mcp") else (False,):
                await run_front(report, opened, front, era, shy)
        check_raw(report, address, token, config, sorted({era for _, era in fronts}))
    report.end()


async def wait_until_listening(peer, listening):
    """Touches until the stream carries updates: SDKs do not say when theirs is open."""
    for _ in range(15):
        await listening()
        with contextlib.suppress(AssertionError):
            await peer.wait_to_hear("notifications/resources/updated", seconds=0.2)
            break
    else:
        raise AssertionError("no update ever came")
    # Those that were on their way come before whatever comes next.
    await listening()
    await peer.wait_to_hear("notifications/resources/updated")
