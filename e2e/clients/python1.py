"""The Python SDK 1.x as a client of every front of the legacy era."""

import contextlib
import os
import sys
from pathlib import Path

from common import CACHE

PYTHON = CACHE / "py1" / "bin" / "python"
if Path(sys.prefix) != PYTHON.parent.parent:
    os.execv(PYTHON, [str(PYTHON), *sys.argv])

import asyncio  # noqa: E402

import httpx  # noqa: E402
import mcp  # noqa: E402
from common import LEGACY, stdio_command  # noqa: E402
from mcp import types  # noqa: E402
from mcp.client.sse import sse_client  # noqa: E402
from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402
from mcp.shared.exceptions import McpError  # noqa: E402
from suite import ROOT, Peer, RpcError, run, wait_until_listening  # noqa: E402

FRONTS = [("/mcp", LEGACY), ("/<server>/mcp", LEGACY), ("/<server>/sse", LEGACY), ("stdio", LEGACY)]


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class Session(Peer):
    keeps_unknown = True
    # It never tells a server that a call was given up.
    can_cancel = False

    async def open(self, stack, read, write):
        questions = {} if self.shy else {
            "sampling_callback": self.on_sampling, "elicitation_callback": self.on_elicitation, "list_roots_callback": self.on_roots,
        }
        self.session = await stack.enter_async_context(mcp.ClientSession(read, write, message_handler=self.on_message, **questions))
        self.greeting = await self.session.initialize()

    async def on_message(self, message):
        if isinstance(message, types.ServerNotification):
            await self.hear(message.root.method, plain(message.root).get("params"))

    async def on_sampling(self, _context, params):
        content = types.TextContent(type="text", text=self.model_says(params.messages[0].content.text))
        return types.CreateMessageResult(role="assistant", content=content, model="none")

    async def on_elicitation(self, _context, params):
        return types.ElicitResult(**self.fill_in(params.message))

    async def on_roots(self, _context):
        return types.ListRootsResult(roots=[types.Root(uri=ROOT)])

    def about(self):
        return plain(self.greeting)

    async def sent(self, request):
        try:
            return plain(await request)
        except McpError as error:
            raise RpcError(error.error.code, error.error.message, error.error.data) from None

    async def pages(self, ask, key):
        found, cursor = [], None
        while True:
            page = await self.sent(ask(params=types.PaginatedRequestParams(cursor=cursor)))
            found += page[key]
            if not (cursor := page.get("nextCursor")):
                return found

    def tools(self):
        return self.pages(self.session.list_tools, "tools")

    def resources(self):
        return self.pages(self.session.list_resources, "resources")

    def templates(self):
        return self.pages(self.session.list_resource_templates, "resourceTemplates")

    def prompts(self):
        return self.pages(self.session.list_prompts, "prompts")

    def call(self, name, arguments, progress=None):
        return self.sent(self.session.call_tool(name, arguments, progress_callback=progress))

    def read(self, uri):
        return self.sent(self.session.read_resource(uri))

    def prompt(self, name, arguments):
        return self.sent(self.session.get_prompt(name, arguments))

    async def complete(self, ref, name, value):
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        return (await self.sent(self.session.complete(kind(**ref), {"name": name, "value": value})))["completion"]

    @contextlib.asynccontextmanager
    async def level(self, level):
        await self.session.set_logging_level(level)
        yield

    async def keep_level(self, level):
        await self.session.set_logging_level(level)

    @contextlib.asynccontextmanager
    async def watching(self, uris=(), lists=False, listening=None):
        for uri in uris:
            await self.sent(self.session.subscribe_resource(uri))
        if listening:
            await wait_until_listening(self, listening)
        yield
        for uri in uris:
            await self.sent(self.session.unsubscribe_resource(uri))


@contextlib.asynccontextmanager
async def connect(address, token, config, target, era, shy):
    async with contextlib.AsyncExitStack() as stack:
        headers = {"Authorization": f"Bearer {token}"}
        if target == "stdio":
            command, *args = stdio_command(config)
            quiet = stack.enter_context(open(os.devnull, "w"))
            streams = stdio_client(StdioServerParameters(command=command, args=args), errlog=quiet)
        elif target.endswith("/sse"):
            streams = sse_client(address + target, headers=headers)
        else:
            client = await stack.enter_async_context(httpx.AsyncClient(headers=headers, timeout=60))
            streams = streamable_http_client(address + target, http_client=client)
        read, write, *_ = await stack.enter_async_context(streams)
        peer = Session(era, shy)
        await peer.open(stack, read, write)
        yield peer


if __name__ == "__main__":
    asyncio.run(run("python 1.30.0", FRONTS, connect))
