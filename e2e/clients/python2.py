"""The Python SDK 2.x as a client of every front, in both eras."""

import contextlib
import os
import sys
import warnings
from pathlib import Path

from common import CACHE

PYTHON = CACHE / "py2" / "bin" / "python"
if Path(sys.prefix) != PYTHON.parent.parent:
    os.execv(PYTHON, [str(PYTHON), *sys.argv])

import asyncio  # noqa: E402

import httpx2  # noqa: E402
import mcp_types as types  # noqa: E402
from common import LEGACY, MODERN, stdio_command  # noqa: E402
from mcp import Client, MCPError  # noqa: E402
from mcp.client.sse import sse_client  # noqa: E402
from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402
from mcp.shared.exceptions import MCPDeprecationWarning  # noqa: E402
from suite import ROOT, Peer, RpcError, run, wait_until_listening  # noqa: E402

# The legacy era is what we are here for.
warnings.simplefilter("ignore", MCPDeprecationWarning)
FRONTS = [("/mcp", LEGACY), ("/<server>/mcp", LEGACY), ("/<server>/sse", LEGACY), ("stdio", LEGACY), ("/mcp", MODERN), ("/<server>/mcp", MODERN), ("stdio", MODERN)]


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class Connection(Peer):
    keeps_unknown = False
    can_cancel = True
    log_level = None
    stream = None

    def open(self, transport):
        questions = {} if self.shy else {
            "sampling_callback": self.on_sampling, "elicitation_callback": self.on_elicitation, "list_roots_callback": self.on_roots,
        }
        mode = "legacy" if self.era == LEGACY else "auto"
        self.client = Client(transport, mode=mode, message_handler=self.on_message, cache=None, **questions)
        return self.client

    async def on_message(self, message):
        if not isinstance(message, types.ServerNotification):
            return
        params = plain(message).get("params") or {}
        # A stream that was closed may still carry something for a moment.
        stream = params.get("_meta", {}).get("io.modelcontextprotocol/subscriptionId")
        if stream is None or (self.stream and stream == self.stream.subscription_id):
            await self.hear(message.method, params)

    async def on_sampling(self, _context, params):
        content = types.TextContent(type="text", text=self.model_says(params.messages[0].content.text))
        return types.CreateMessageResult(role="assistant", content=content, model="none")

    async def on_elicitation(self, _context, params):
        return types.ElicitResult(**self.fill_in(params.message))

    async def on_roots(self, _context):
        return types.ListRootsResult(roots=[types.Root(uri=ROOT)])

    def about(self):
        info, capabilities = plain(self.client.server_info), plain(self.client.server_capabilities)
        return {"protocolVersion": self.client.protocol_version, "serverInfo": info, "capabilities": capabilities}

    async def sent(self, request):
        try:
            return plain(await request)
        except MCPError as error:
            raise RpcError(error.code, error.message, error.data) from None

    async def pages(self, ask, key):
        found, cursor = [], None
        while True:
            page = await self.sent(ask(cursor=cursor))
            found += page[key]
            if not (cursor := page.get("nextCursor")):
                return found

    def tools(self):
        return self.pages(self.client.list_tools, "tools")

    def resources(self):
        return self.pages(self.client.list_resources, "resources")

    def templates(self):
        return self.pages(self.client.list_resource_templates, "resourceTemplates")

    def prompts(self):
        return self.pages(self.client.list_prompts, "prompts")

    def call(self, name, arguments, progress=None):
        wanted = {"io.modelcontextprotocol/logLevel": self.log_level} if self.log_level else None
        return self.sent(self.client.call_tool(name, arguments, progress_callback=progress, meta=wanted))

    def read(self, uri):
        return self.sent(self.client.read_resource(uri))

    def prompt(self, name, arguments):
        return self.sent(self.client.get_prompt(name, arguments))

    async def complete(self, ref, name, value):
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        return (await self.sent(self.client.complete(kind(**ref), {"name": name, "value": value})))["completion"]

    async def keep_level(self, level):
        if self.era == LEGACY:
            await self.client.set_logging_level(level)
        else:
            self.log_level = level

    @contextlib.asynccontextmanager
    async def level(self, level):
        await self.keep_level(level)
        yield
        self.log_level = None

    @contextlib.asynccontextmanager
    async def watching(self, uris=(), lists=False, listening=None):
        if self.era == LEGACY:
            for uri in uris:
                await self.sent(self.client.subscribe_resource(uri))
            if listening:
                await wait_until_listening(self, listening)
            yield
            for uri in uris:
                await self.sent(self.client.unsubscribe_resource(uri))
            return
        # A stream that was acknowledged is open: nothing needs to be waited for.
        wanted = {"tools_list_changed": lists, "prompts_list_changed": lists, "resource_subscriptions": uris}
        async with self.client.listen(**wanted) as self.stream:
            assert sorted(self.stream.honored.resource_subscriptions or []) == sorted(uris), self.stream.honored
            yield


@contextlib.asynccontextmanager
async def connect(address, token, config, target, era, shy):
    async with contextlib.AsyncExitStack() as stack:
        headers = {"Authorization": f"Bearer {token}"}
        if target == "stdio":
            command, *args = stdio_command(config)
            quiet = stack.enter_context(open(os.devnull, "w"))
            transport = stdio_client(StdioServerParameters(command=command, args=args), errlog=quiet)
        elif target.endswith("/sse"):
            transport = sse_client(address + target, headers=headers)
        else:
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=60))
            transport = streamable_http_client(address + target, http_client=http)
        peer = Connection(era, shy)
        await stack.enter_async_context(peer.open(transport))
        yield peer


if __name__ == "__main__":
    asyncio.run(run("python 2.3.0", FRONTS, connect))
