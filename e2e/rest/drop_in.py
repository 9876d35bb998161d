"""mcpo's contract with its callers, as a table of checks against `portcullis openapi`.

What mcpo 0.0.20 answers, by request and status: routes and documents, keys and CORS, arguments,
results and errors, reload. Where mcpo has a defect, the check shows the right behaviour and the
comment says which defect it is.
"""

import base64
import json
import re
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin

from common import EVERYTHING, PORTCULLIS, PROBE, TIME, DropIn, Report, ask, documents_are_there, equal, mcp, wait_for, words

KEY = "top-secret"
FOREIGN = "http://evil.example"
MISSING = {"detail": "Missing or invalid Authorization header"}
WRONG = {"detail": "Invalid API key"}
NOT_FOUND = {"detail": "Not Found"}
ROOT_PATH, PREFIX = "/api/mcpo", "/tools"


def basic(password):
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def expect(house, method, path, status, body=None, *, sent=None, headers=None, key=None, **answered):
    """A check of one request: its status, its JSON, and headers of the answer (`_` for `-`, None for absent)."""
    def run():
        answer = ask(house.address, method, path, sent, key=key, headers=headers)
        equal(answer.status, status)
        if body is not None:
            equal(answer.json, body)
        for name, value in answered.items():
            equal((name, answer.headers.get(name.replace("_", "-"))), (name, value))
    return run


def document(house, path="/openapi.json", **how):
    answer = ask(house.address, "GET", path, **how)
    equal(answer.status, 200)
    return answer.json


# Documents and routes of a single command (1.4).

def single_command(report, stack):
    house = stack.enter_context(DropIn(command=words(PROBE)))
    documents_are_there(house, "/openapi.json")

    def check(name, run):
        report.check(f"a single command: {name}", run)

    def about():
        found = document(house)
        equal(found["openapi"], "3.1.0")
        equal((found["info"]["version"], found["info"]["description"]), ("7.8.9", "Ask me."))
        assert found["info"]["title"] in ("probe", "Probe"), found["info"]

    def operation():
        found = document(house)["paths"]["/error_own"]["post"]
        equal((found["summary"], found["operationId"]), ("Error Own", "tool_error_own_post"))
        # mcpo documents 200 and 422 only, though it answers more.
        assert {"200", "404", "422", "500", "502", "503"} <= set(found["responses"]), set(found["responses"])
        equal("security" in found, False)

    def kept():
        # mcpo drops titles, annotations, enumerations and constraints, and a default beside `required`.
        found = document(house)
        equal(found["paths"]["/typed"]["post"]["summary"], "A Title")
        equal(found["paths"]["/typed"]["post"]["x-mcp-annotations"], {"readOnlyHint": True})
        properties = found["components"]["schemas"]["typed_form_model"]["properties"]
        equal(properties["e"], {"type": "string", "enum": ["x", "y"]})
        equal(properties["s"], {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"})
        equal(properties["d"], {"type": "integer", "default": 7})

    check("the document says what the server says of itself", about)
    check("operations have mcpo's names", operation)
    check("what mcpo loses of a schema is there", kept)
    check("it listens on loopback without a key", lambda: equal(house.bound, "127.0.0.1"))
    check("it says why, and what to do", lambda: wait_for(lambda: any("--api-key" in line for line in house.log), "a line in the log"))
    check("GET / leads to the documents, where mcpo has 404", expect(house, "GET", "/", 307, location="docs"))
    check("GET of a tool is 405", expect(house, "GET", "/text", 405, {"detail": "Method Not Allowed"}, allow="POST"))
    check("PUT of a tool is 405", expect(house, "PUT", "/text", 405, {"detail": "Method Not Allowed"}, allow="POST"))
    check("POST of the document is 405", expect(house, "POST", "/openapi.json", 405, {"detail": "Method Not Allowed"}))
    check("an unknown tool is 404", expect(house, "POST", "/nobody", 404, NOT_FOUND, sent={}))
    check("GET of something unknown is 404", expect(house, "GET", "/nobody", 404, NOT_FOUND))
    check("/docs is a page", expect(house, "GET", "/docs", 200, content_type="text/html; charset=utf-8"))
    check("/redoc leads to the documents as well", lambda: assert_leads_to_docs(house))
    # mcpo has one or the other; here both work.
    check("/tools/<tool> works as well", expect(house, "POST", "/tools/text", 200, "plain words", sent={}))
    check("/mcp is there as well", lambda: equal(mcp(house.address, "/mcp", "tools/call", {"name": "text", "arguments": {}}, None)["content"][0]["text"], "plain words"))
    # Without a key, whoever can make a browser of this machine call must not get in. mcpo lets all of them.
    for path, method in [("/text", "POST"), ("/openapi.json", "GET"), ("/docs", "GET"), ("/mcp", "POST")]:
        check(f"without a key a foreign Host is refused at {path}", expect(house, method, path, 421, headers={"Host": "evil.example"}))
        check(f"without a key a foreign Origin is refused at {path}", expect(house, method, path, 403, headers={"Origin": FOREIGN}, access_control_allow_origin=None))
    for host in ("localhost", "localhost:1", "127.0.0.1", "[::1]:8000"):
        check(f"without a key the Host {host} is served", expect(house, "POST", "/text", 200, sent={}, headers={"Host": host}))
    preflight = {"Origin": FOREIGN, "Access-Control-Request-Method": "POST"}
    check("without a key a foreign preflight is refused", expect(house, "OPTIONS", "/text", 403, headers=preflight, access_control_allow_origin=None))
    check("without a key a page of this machine may call", expect(house, "POST", "/text", 200, sent={}, headers={"Origin": "http://localhost:3000"}, access_control_allow_origin="http://localhost:3000"))
    arguments(report, house)
    results(report, house)
    failures(report, house)


def assert_leads_to_docs(house):
    answer = ask(house.address, "GET", "/redoc")
    assert answer.status in (200, 301, 302, 307, 308), answer


# Arguments (1.6) and what is wrong with them, in FastAPI's words.

RIGHT = [
    ("what is given and nothing else", {"s": "ab"}, "mcpo puts defaults into the call"),
    ("null, where the schema allows it", {"s": "ab", "maybe": None}, "mcpo drops every null"),
    ("what the schema does not name", {"s": "ab", "extra": [1, {"x": None}]}, "mcpo drops it"),
    ("integers as integers", {"s": "ab", "n": 33}, "mcpo makes floats of them"),
    ("either form of oneOf", {"s": "ab", "either": 5}, ""),
    ("names with a dash or an underscore in front", {"s": "ab", "_under": "x", "with-dash": "y"}, ""),
    ("deep objects whole", {"s": "ab", "o": {"deep": "x", "more": 1}}, "mcpo drops keys that a nested model does not name"),
]
MISSING_FIELD = ("missing", ["body", "s"], "Field required")
OUT_OF_RANGE = "mcpo loses the limits"
INVALID = [
    ("a missing field", {}, MISSING_FIELD, ""),
    ("a wrong type", {"s": 5}, ("string_type", ["body", "s"], "Input should be a valid string"), ""),
    ("a text for an integer", {"s": "ab", "i": "one"}, ("int", ["body", "i"], "Input should be a valid integer"), ""),
    ("a number in quotes", {"s": "ab", "n": "1.5"}, ("float", ["body", "n"], "Input should be a valid number"), "mcpo coerces"),
    ("a text for a boolean", {"s": "ab", "b": "yes"}, ("bool", ["body", "b"], "Input should be a valid boolean"), "mcpo coerces"),
    ("null, where the schema does not allow it", {"s": "ab", "i": None}, ("int", ["body", "i"], "Input should be a valid integer"), ""),
    ("a wrong item", {"s": "ab", "l": [1, "x"]}, ("int", ["body", "l", 1], "Input should be a valid integer"), ""),
    ("a missing field of an inner object", {"s": "ab", "o": {}}, ("missing", ["body", "o", "deep"], "Field required"), ""),
    ("a value outside of an enumeration", {"s": "ab", "e": "z"}, ("enum", ["body", "e"], "Input should be 'x' or 'y'"), "mcpo loses enumerations"),
    ("what is no constant", {"s": "ab", "c": 1}, ("literal_error", ["body", "c"], "Input should be 'fixed'"), "mcpo loses constants"),
    ("a number too large", {"s": "ab", "i": 10}, ("less_than_equal", ["body", "i"], "Input should be less than or equal to 9"), OUT_OF_RANGE),
    ("a number too small", {"s": "ab", "i": -1}, ("greater_than_equal", ["body", "i"], "Input should be greater than or equal to 0"), OUT_OF_RANGE),
    ("a text too short", {"s": "a"}, ("string_too_short", ["body", "s"], "String should have at least 2 characters"), OUT_OF_RANGE),
    ("a text of another pattern", {"s": "AB"}, ("string_pattern_mismatch", ["body", "s"], "String should match pattern '^[a-z]+$'"), OUT_OF_RANGE),
    ("a list too short", {"s": "ab", "l": []}, ("too_short", ["body", "l"], "List should have at least 1 item after validation, not 0"), OUT_OF_RANGE),
    ("neither form of oneOf", {"s": "ab", "either": True}, ("value_error", ["body", "either"], "Value error"), "mcpo takes anything for oneOf"),
    ("no body", b"", ("missing", ["body"], "Field required"), ""),
    ("JSON that breaks off", b"{", ("json_invalid", ["body", 1], "JSON decode error"), ""),
    ("more than one value", b'{"s":"ab"} x', ("json_invalid", ["body", 11], "JSON decode error"), ""),
    ("a list as the body", [1], ("model_attributes_type", ["body"], "Input should be a valid dictionary or object to extract fields from"), ""),
    ("null as the body", b"null", ("", ["body"], ""), ""),
    ("one key twice", b'{"s":"ab","s":"cd"}', ("json_invalid", ["body"], "JSON decode error"), "mcpo takes the last one"),
    ("what is no UTF-8", b'{"s":"\xff"}', ("json_invalid", ["body", 6], "JSON decode error"), "mcpo answers 400 in another shape"),
]


def arguments(report, house):
    for what, sent, defect in RIGHT:
        report.check(f"arguments: the server gets {what}{said(defect)}", expect(house, "POST", "/typed", 200, sent, sent=sent))
    for what, sent, wrong, defect in INVALID:
        report.check(f"arguments: {what} is 422{said(defect)}", lambda: check_invalid(house, sent, *wrong))
    report.check("arguments: a tool without any takes no body", expect(house, "POST", "/text", 200, "plain words"))
    report.check("arguments: a tool without any takes an empty object", expect(house, "POST", "/text", 200, "plain words", sent={}))
    body = b'{"s":"ab"}'
    for kind in ("application/json", "application/json; charset=utf-8", "application/vnd.api+json", None):
        report.check(f"arguments: the Content-Type {kind} is taken", expect(house, "POST", "/typed", 200, {"s": "ab"}, sent=body, headers={"Content-Type": kind}))
    # mcpo has 422 for it, with the bytes in its answer.
    report.check("arguments: the Content-Type text/plain is refused", expect(house, "POST", "/typed", 415, sent=body, headers={"Content-Type": "text/plain"}))
    several = {"s": 5, "i": "x", "e": "z"}
    report.check("arguments: all that is wrong is said at once", lambda: equal(
        sorted(detail["loc"][1] for detail in ask(house.address, "POST", "/typed", several).json["detail"]), ["e", "i", "s"]))


def said(defect):
    return f" ({defect})" if defect else ""


def check_invalid(house, sent, kind, loc, message):
    answer = ask(house.address, "POST", "/typed", sent)
    equal(answer.status, 422)
    equal(len(answer.json["detail"]), 1)
    detail = answer.json["detail"][0]
    equal(detail["loc"], loc)
    assert detail["type"].startswith(kind) and detail["msg"].startswith(message), detail
    assert "input" in detail, detail


# Results and errors (1.7).

LINK = {"type": "resource_link", "uri": "probe://a", "name": "a", "mimeType": "text/plain"}
EMBEDDED = {"type": "resource", "resource": {"uri": "probe://b", "mimeType": "text/plain", "text": "kept"}}
RESULTS = [
    ("text", "plain words", ""),
    ("number", 123, ""),
    ("nothing", None, ""),
    ("object", {"b": 2, "a": 1.5}, ""),
    ("several", ["a", 1, None, {"x": None, "y": 1}], ""),
    ("empty", [], ""),
    ("image", ["Look:", "data:image/png;base64,iVBORw0KGgo="], ""),
    ("audio", "data:audio/wav;base64,iVBORw0KGgo=", "mcpo drops audio"),
    ("link", LINK, "mcpo drops links"),
    ("embedded", EMBEDDED, "mcpo has a sentence instead of the resource"),
    ("structured", {"n": 1, "none": None}, "mcpo never reads structured content, and drops null"),
    ("only_structured", {"n": 2}, "mcpo answers an empty list"),
]
# mcpo's own handler catches what it raises for isError, and answers a text of Python in its place.
FAILURES = [
    ("boom", 500, {"message": "boom"}, "mcpo wraps it in a text of Python"),
    ("silent_boom", 500, {"message": "Unknown tool execution error"}, "mcpo wraps it in a text of Python"),
    *((f"error_{name}", status, {"message": f"{name} went wrong", "data": {"why": f"error_{name}"}}, "")
      for name, status in [("parse", 400), ("request", 400), ("method", 404), ("params", 422), ("internal", 500), ("own", 500)]),
]


def results(report, house):
    for tool, value, defect in RESULTS:
        def run():
            answer = ask(house.address, "POST", f"/{tool}", {})
            equal((answer.status, answer.headers["Content-Type"]), (200, "application/json"))
            equal(answer.json, value)
        report.check(f"results: {tool}{said(defect)}", run)
    report.check("results: a number is written as the tool wrote it", lambda: equal(ask(house.address, "POST", "/object", {}).text, '{"b": 2, "a": 1.50}'))


def failures(report, house):
    for tool, status, detail, defect in FAILURES:
        report.check(f"errors: {tool} is {status}{said(defect)}", expect(house, "POST", f"/{tool}", status, {"detail": detail}, sent={}))

    def dies():
        before = ask(house.address, "POST", "/pid", {}).json
        answer = ask(house.address, "POST", "/die", {})
        # mcpo has 500 "Connection closed" here.
        assert answer.status == 502 and "not known whether" in answer.json["detail"]["message"], answer
        assert "Retry-After" not in answer.headers, answer.headers
        def is_back():
            answer = ask(house.address, "POST", "/pid", {})
            # A call may still reach a process that is about to be gone.
            assert answer.status in (200, 502) or (answer.status == 503 and int(answer.headers["Retry-After"]) >= 1), answer
            return answer.status == 200 and answer.json
        assert wait_for(is_back, "that the server is back") != before
    report.check("errors: a server that dies in a call is 502 without Retry-After, and back for later calls; 503 with Retry-After until then", dies)

    def dead():
        with DropIn(command=["/bin/false"]) as lost:
            answer = wait_for(lambda: (a := ask(lost.address, "POST", "/x", {})).status != 404 and a, "an answer of a dead server")
            equal(answer.status, 503)
            assert int(answer.headers["Retry-After"]) >= 1, answer.headers
            equal(document(lost)["paths"], {})
            equal(ask(lost.address, "GET", "/readyz").status, 503)
    report.check("errors: a command that dies at once is 503, with empty documents (mcpo ends, with the code 0)", dead)


# Keys (1.5).

def keys(report, stack):
    flags = ["--api-key", KEY]
    house = stack.enter_context(DropIn(*flags, command=words(PROBE)))
    documents_are_there(house, "/openapi.json")

    def check(name, run):
        report.check(f"with a key: {name}", run)

    check("it listens on all addresses", lambda: equal(house.bound, "0.0.0.0"))
    check("no key is 401", expect(house, "POST", "/text", 401, MISSING, sent={}, www_authenticate="Bearer"))
    check("a wrong key is 403", expect(house, "POST", "/text", 403, WRONG, sent={}, key="wrong"))
    check("a longer key is 403", expect(house, "POST", "/text", 403, WRONG, sent={}, key=KEY + "x"))
    check("the key lets in", expect(house, "POST", "/text", 200, "plain words", sent={}, key=KEY))
    check("the key lets in below /tools/", expect(house, "POST", "/tools/text", 200, "plain words", sent={}, key=KEY))
    check("`bearer` in lower case lets in", expect(house, "POST", "/text", 200, sent={}, headers={"Authorization": f"bearer {KEY}"}))
    check("Basic is 401 without --strict-auth", expect(house, "POST", "/text", 401, MISSING, sent={}, headers=basic(KEY)))
    check("the key without a scheme is 401", expect(house, "POST", "/text", 401, MISSING, sent={}, headers={"Authorization": KEY}))
    check("an unknown tool without a key is 401", expect(house, "POST", "/nobody", 401, MISSING, sent={}))
    check("an unknown tool with a key is 404", expect(house, "POST", "/nobody", 404, NOT_FOUND, sent={}, key=KEY))
    check("the document needs no key", expect(house, "GET", "/openapi.json", 200))
    check("the page needs no key", expect(house, "GET", "/docs", 200))
    check("/mcp needs the key", expect(house, "POST", "/mcp", 401, {"error": "unauthorized"}, sent={}))

    def secured():
        found = document(house)
        equal(found["components"]["securitySchemes"], {"HTTPBearer": {"type": "http", "scheme": "bearer"}})
        equal(found["paths"]["/text"]["post"]["security"], [{"HTTPBearer": []}])
        # mcpo does not document them.
        assert {"401", "403"} <= set(found["paths"]["/text"]["post"]["responses"])
    check("the document says that calls need it", secured)
    check("any Host may be named", expect(house, "POST", "/text", 200, sent={}, key=KEY, headers={"Host": "mcp.example:8443"}))
    check("any Host may be named for the document", expect(house, "GET", "/openapi.json", 200, headers={"Host": "mcp.example:8443"}))
    check("any Host does not count for MCP", expect(house, "POST", "/mcp", 421, sent={}, key=KEY, headers={"Host": "mcp.example"}))
    # mcpo allows every origin and its credentials at once, which no browser should be told.
    open_to_all = {"access_control_allow_origin": "*", "access_control_allow_credentials": None}
    for name, method, how in [("a call", "POST", {"sent": {}, "key": KEY}), ("the document", "GET", {})]:
        path = "/text" if method == "POST" else "/openapi.json"
        check(f"any page may read the answer to {name}, without credentials", expect(house, method, path, 200, headers={"Origin": FOREIGN}, **how, **open_to_all))
    check("any page may read a 401", expect(house, "POST", "/text", 401, sent={}, headers={"Origin": FOREIGN}, **open_to_all))
    preflight = {"Origin": FOREIGN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type,x-own"}

    def preflighted():
        answer = ask(house.address, "OPTIONS", "/text", headers=preflight)
        assert answer.status in (200, 204), answer
        equal(answer.headers["Access-Control-Allow-Origin"], "*")
        equal(answer.headers.get("Access-Control-Allow-Credentials"), None)
        allowed = answer.headers["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
        assert {"authorization", "content-type", "x-own"} <= set(allowed), allowed
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    check("a preflight needs no key", preflighted)
    # mcpo lets every OPTIONS pass.
    check("OPTIONS that is no preflight needs the key", expect(house, "OPTIONS", "/text", 401, MISSING))


def strict(report, stack):
    single = stack.enter_context(DropIn("--api-key", KEY, "--strict-auth", command=words(PROBE)))
    several = stack.enter_context(DropIn("--api-key", KEY, "--strict-auth", servers={"probe": PROBE}))
    documents_are_there(single, "/openapi.json", key=KEY)
    documents_are_there(several, "/probe/openapi.json", key=KEY)
    refused = {"www_authenticate": "Bearer, Basic"}
    for kind, house, folder in [("a command", single, ""), ("a file", several, "/probe")]:
        for what, method, path in [("a call", "POST", f"{folder}/text"), ("the document", "GET", f"{folder}/openapi.json"), ("the joint document", "GET", "/openapi.json")]:
            sent = {} if method == "POST" else None

            def check(name, status, body=None, headers=None, **more):
                report.check(f"--strict-auth, {kind}: {what} with {name} is {status}", expect(house, method, path, status, body, sent=sent, headers=headers, **more))  # noqa: B023
            check("nothing", 401, MISSING, **refused)
            check("the key", 200, headers=bearer(KEY))
            check("a wrong key", 403, WRONG, bearer("wrong"))
            # mcpo's Basic opens documents only: each tool wants Bearer once more.
            check("the key as a password", 200, headers=basic(KEY))
            check("a wrong password", 403, {"detail": "Invalid credentials"}, basic("wrong"))
            check("broken Basic", 401, {"detail": "Invalid Basic Authentication format"}, {"Authorization": "Basic !!!"})
            check("another scheme", 401, {"detail": "Unsupported authorization method"}, {"Authorization": "Digest x"})
        preflight = {"Origin": FOREIGN, "Access-Control-Request-Method": "POST"}
        report.check(f"--strict-auth, {kind}: a preflight passes", lambda: preflight_passes(house, f"{folder}/text", preflight))
        # The page holds nothing and asks for the key; mcpo refuses it to a browser that cannot send one.
        report.check(f"--strict-auth, {kind}: the page opens", expect(house, "GET", f"{folder}/docs", 200))
    report.check("--strict-auth without a key is refused", lambda: check_refused(["--strict-auth", "--", "x"], "--api-key"))


def preflight_passes(house, path, headers):
    answer = ask(house.address, "OPTIONS", path, headers=headers)
    assert answer.status in (200, 204) and answer.headers["Access-Control-Allow-Origin"] == "*", answer


def check_refused(arguments, *said):
    """A command line that ends at once, says why, and does not end as if all were well."""
    done = subprocess.run([PORTCULLIS, "openapi", "--port", "0", *arguments], capture_output=True, text=True, timeout=10)
    assert done.returncode not in (0, 101), done
    assert all(word in done.stderr for word in said), done.stderr


def cors(report, stack):
    ours, other = "https://chat.example", "https://other.example"
    flags = ["--cors-allow-origins", ours, "--cors-allow-origins", other]
    keyed = stack.enter_context(DropIn("--api-key", KEY, *flags, command=words(PROBE)))
    keyless = stack.enter_context(DropIn(*flags, command=words(PROBE)))
    for house in (keyed, keyless):
        documents_are_there(house, "/openapi.json")
    for kind, house, key in [("with a key", keyed, KEY), ("without a key", keyless, None)]:
        for origin in (ours, other):
            report.check(f"--cors-allow-origins, {kind}: {origin} may call", expect(
                house, "POST", "/text", 200, sent={}, key=key, headers={"Origin": origin}, access_control_allow_origin=origin, vary="Origin", access_control_allow_credentials=None))
        preflight = {"Origin": ours, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
        report.check(f"--cors-allow-origins, {kind}: a preflight of it passes", expect(house, "OPTIONS", "/text", 204, headers=preflight, access_control_allow_origin=ours))
        report.check(f"--cors-allow-origins, {kind}: a foreign page may not", expect(
            house, "POST", "/text", 403, sent={}, key=key, headers={"Origin": FOREIGN}, access_control_allow_origin=None))
    # A browser sends the Origin with every POST, also with those of the page at /docs.
    own = {"Host": "mcp.example:8000", "Origin": "http://mcp.example:8000"}
    report.check("--cors-allow-origins, with a key: the gateway's own page may call, whatever its host is called", expect(
        keyed, "POST", "/text", 200, sent={}, key=KEY, headers=own))


# Files of servers, prefixes and proxies (1.3, 1.4).

def files(report, stack):
    servers = {"probe": {**PROBE, "disabledTools": ["die", "boom"], "env": {"FROM": "file"}}, "other": {**PROBE, "disabled_tools": ["pid"]}, "time": TIME, "lost": {"command": "/bin/false"}}
    house = stack.enter_context(DropIn("--name", "My tools", "--description", "All of them.", "--version", "3.1", servers=servers))
    documents_are_there(house, "/probe/openapi.json", "/other/openapi.json", "/time/openapi.json")

    def check(name, run):
        report.check(f"a file of servers: {name}", run)

    def joint():
        found = document(house)
        equal(found["info"], {"title": "My tools", "description": "All of them.", "version": "3.1"})
        # mcpo's has no paths.
        assert {"/probe/text", "/other/text", "/time/convert_time"} <= set(found["paths"]), list(found["paths"])
        names = [path["post"]["operationId"] for path in found["paths"].values()]
        equal(len(names), len(set(names)))
    check("the joint document has the tools of all, with names of their own", joint)
    check("one server's document says where it is", lambda: equal(document(house, "/time/openapi.json")["servers"], [{"url": "/time"}]))
    check("a call", expect(house, "POST", "/probe/text", 200, "plain words", sent={}))
    check("a call below /tools/", expect(house, "POST", "/probe/tools/text", 200, "plain words", sent={}))
    check("/<server>/docs is a page", expect(house, "GET", "/time/docs", 200))
    check("/<server>/mcp is there as well", lambda: equal(len(mcp(house.address, "/time/mcp", "tools/list", {}, None)["tools"]), 2))
    check("the tools are not at the root", expect(house, "POST", "/text", 404, sent={}))
    check("a server without a path is 404", expect(house, "GET", "/time", 404, NOT_FOUND))
    check("an unknown server is 404", expect(house, "POST", "/nobody/text", 404, NOT_FOUND, sent={}))
    check("a disabled tool is 404", expect(house, "POST", "/probe/boom", 404, NOT_FOUND, sent={}))
    check("a disabled tool is in no document", lambda: equal([p for p in document(house)["paths"] if p in ("/probe/boom", "/probe/die", "/other/pid")], []))
    check("disabled_tools is the same word", expect(house, "POST", "/other/pid", 404, NOT_FOUND, sent={}))
    # mcpo has 404 for it, and never tries again; and one dead address can take others with it.
    check("a server that cannot start is 503 and harms no other", lambda: equal(
        [ask(house.address, "POST", path, {}).status for path in ("/lost/x", "/probe/text", "/time/get_current_time")], [503, 200, 422]))
    check("the document of a server that cannot start is empty", lambda: equal(document(house, "/lost/openapi.json")["paths"], {}))
    report.check("an empty file of servers is refused", lambda: check_config({"mcpServers": {}}, "mcpServers"))
    report.check("a server without a command is refused", lambda: check_config({"mcpServers": {"x": {}}}, "command"))
    report.check("a file that is not there is refused", lambda: check_refused(["--config", "/nowhere.json"], "/nowhere.json"))
    report.check("no command and no file is refused, with the usage", lambda: check_refused([], "--config"))
    report.check("nothing after -- is refused (mcpo ends with the code 0)", lambda: check_refused(["--"], "command"))


def check_config(settings, *said):
    house = DropIn(servers=settings["mcpServers"])
    try:
        check_refused(["--config", str(house.config)], *said)
    finally:
        house.folder.cleanup()


def proxies(report, stack):
    """--root-path, with a proxy that strips it and one that does not, and --path-prefix."""
    single = stack.enter_context(DropIn("--root-path", ROOT_PATH, command=words(PROBE)))
    several = stack.enter_context(DropIn("--root-path", ROOT_PATH, servers={"probe": PROBE}))
    both = stack.enter_context(DropIn("--root-path", ROOT_PATH, "--path-prefix", PREFIX, servers={"probe": PROBE, "time": TIME}))
    prefixed = stack.enter_context(DropIn("--path-prefix", "deep/er/", servers={"probe": PROBE}))
    documents_are_there(single, "/openapi.json")
    documents_are_there(several, "/probe/openapi.json")
    documents_are_there(both, f"{PREFIX}/probe/openapi.json", f"{PREFIX}/time/openapi.json")
    documents_are_there(prefixed, "/deep/er/probe/openapi.json")
    # mcpo's mounted servers answer only below the root path, so that a proxy that strips it breaks them.
    for way, before in [("stripped", ""), ("not stripped", ROOT_PATH)]:
        for kind, house, folder in [("a command", single, ""), ("a file", several, "/probe"), ("a file with a prefix", both, f"{PREFIX}/probe")]:
            name = f"--root-path, {kind}, {way}"
            report.check(f"{name}: a call", expect(house, "POST", f"{before}{folder}/text", 200, "plain words", sent={}))
            report.check(f"{name}: the page", expect(house, "GET", f"{before}{folder}/docs", 200))
            report.check(f"{name}: the document says the address in front of the proxy", lambda: equal(
                document(house, f"{before}{folder}/openapi.json")["servers"], [{"url": f"{ROOT_PATH}{folder}"}]))
            report.check(f"{name}: the joint document", expect(house, "GET", f"{before}/openapi.json", 200))
            report.check(f"{name}: files of the page are where it looks for them", lambda: check_assets(house, f"{before}{folder}/docs"))
    report.check("--root-path: what only begins like it is 404", expect(single, "POST", f"{ROOT_PATH}x/text", 404, sent={}))
    report.check("--path-prefix: it is normalised", expect(prefixed, "POST", "/deep/er/probe/text", 200, "plain words", sent={}))
    report.check("--path-prefix: nothing is served without it", expect(prefixed, "POST", "/probe/text", 404, sent={}))
    report.check("--path-prefix: files of the page are where it looks for them", lambda: check_assets(prefixed, "/deep/er/probe/docs"))
    report.check("--path-prefix: the document says it", lambda: equal(document(prefixed, "/deep/er/probe/openapi.json")["servers"], [{"url": "/deep/er/probe"}]))
    # Open WebUI appends paths to where it fetched the document, and does not look at `servers`.
    for name, house, base in [("--path-prefix", prefixed, ""), ("--root-path and --path-prefix", both, ROOT_PATH), ("--root-path", several, ROOT_PATH)]:
        report.check(f"{name}: paths of the joint document lead to tools from where it was fetched", lambda: check_paths_from(house, base))


def check_paths_from(house, base):
    path = next(path for path in document(house, f"{base}/openapi.json")["paths"] if path.endswith("/text"))
    answer = ask(house.address, "POST", f"{base}{path}", {})
    assert answer.status == 200, f"POST {base}{path}: {answer}"


def check_assets(house, page):
    """Follows the links of a page as a browser does."""
    links = re.findall(r'(?:src|href)="([^"]+)"', ask(house.address, "GET", page).text)
    assert len(links) >= 4, links
    for link in links:
        if "openapi.json" not in link:
            equal((link, ask(house.address, "GET", urljoin(page, link)).status), (link, 200))


# Variables (1.1).

def environment(report, stack):
    folder = Path(stack.enter_context(temporary()))
    file = folder / "variables"
    file.write_text("# a comment\n\nexport FROM_FILE=one\nQUOTED=\"two words\"\nSINGLE='three'\nBOTH=file\n")
    flags = ["--env", "FROM_FLAG=four", "-e", "WITH_EQUALS=a=b", "-e", "BOTH=flag", "--env-path", str(file)]
    house = stack.enter_context(DropIn(*flags, command=words(PROBE), env={"INHERITED": "five", "FROM_FLAG": "not this"}))
    servers = {"probe": {**PROBE, "env": {"BOTH": "server", "OWN": "six"}}, "other": PROBE}
    several = stack.enter_context(DropIn(*flags, servers=servers))
    documents_are_there(house, "/openapi.json")
    documents_are_there(several, "/probe/openapi.json", "/other/openapi.json")
    for name, value in [("FROM_FILE", "one"), ("QUOTED", "two words"), ("SINGLE", "three"), ("FROM_FLAG", "four"), ("WITH_EQUALS", "a=b"), ("INHERITED", "five"), ("BOTH", "flag")]:
        report.check(f"variables: {name} is {value!r} in the server", expect(house, "POST", "/environment", 200, value, sent={"name": name}))
    for server, name, value in [("probe", "BOTH", "server"), ("probe", "OWN", "six"), ("other", "BOTH", "flag"), ("other", "OWN", None)]:
        report.check(f"variables: {name} of the server {server} in a file is {value!r}", lambda: equal(ask(several.address, "POST", f"/{server}/environment", {"name": name}).json, value))
    # mcpo swallows it, and all variables after it.
    report.check("variables: one without = is refused", lambda: check_refused(["--env", "SECRET", "--", "x"], "--env"))
    report.check("variables: a file that is not there is refused", lambda: check_refused(["--env-path", "/nowhere", "--", "x"], "/nowhere"))


def temporary():
    return tempfile.TemporaryDirectory(prefix="portcullis-")


# Reload (1.8). In mcpo, servers that were there at the start are never taken out nor replaced.

def reload(report, stack):
    servers = {"stays": PROBE, "changes": {**PROBE, "env": {"V": "1"}}, "goes": PROBE}
    house = stack.enter_context(DropIn("--hot-reload", servers=servers))
    documents_are_there(house, *(f"/{name}/openapi.json" for name in servers))

    def pid(name):
        answer = ask(house.address, "POST", f"/{name}/pid", {})
        return answer.json if answer.status == 200 else None

    def variable(name):
        answer = ask(house.address, "POST", f"/{name}/environment", {"name": "V"})
        return answer.json if answer.status == 200 else answer.status
    before = {name: pid(name) for name in servers}

    def changed():
        house.write({"mcpServers": {"stays": PROBE, "changes": {**PROBE, "env": {"V": "2"}, "disabledTools": ["boom"]}, "comes": PROBE}})
        wait_for(lambda: pid("comes"), "the new server")
        wait_for(lambda: variable("changes") == "2", "the change")
        equal(ask(house.address, "POST", "/changes/boom", {}).status, 404)
        equal(ask(house.address, "POST", "/goes/text", {}).status, 404)
        equal(pid("stays"), before["stays"])
        found = document(house)["paths"]
        assert "/comes/text" in found and "/goes/text" not in found and "/changes/boom" not in found, list(found)
    report.check("--hot-reload: servers come, go and change; the others are not touched", changed)
    report.check("--hot-reload: no process of what is gone is left", lambda: [
        wait_for(lambda: not is_running(before[name]), f"the end of {name}") for name in ("goes", "changes")])

    def broken():
        house.config.write_text('{"mcpServers": {"stays": ')
        wait_for(lambda: any("not valid" in line for line in house.log), "a line in the log")
        equal((pid("stays"), variable("changes")), (before["stays"], "2"))
    report.check("--hot-reload: a broken file changes nothing and is reported", broken)

    def empty():
        seen = sum("not valid" in line for line in house.log)
        house.config.write_text('{"mcpServers": {}}')
        wait_for(lambda: sum("not valid" in line for line in house.log) > seen, "a line in the log")
        equal(pid("stays"), before["stays"])
    report.check("--hot-reload: a file without servers changes nothing", empty)

    def swapped():
        other = house.path / "other.json"
        other.write_text(json.dumps({"mcpServers": {"stays": PROBE, "third": PROBE}}))
        other.rename(house.config)
        wait_for(lambda: pid("third"), "the server of the renamed file")
        equal(pid("stays"), before["stays"])
    report.check("--hot-reload: a file that was renamed into place counts", swapped)

    def linked():
        for name in ("4", "5"):
            (house.path / name).mkdir()
            (house.path / name / "config.json").write_text(json.dumps({"mcpServers": {"stays": PROBE, f"number{name}": PROBE}}))
        for name in ("4", "5"):
            link = house.path / "link"
            link.symlink_to(house.path / name / "config.json")
            link.replace(house.config)
            wait_for(lambda: pid(f"number{name}"), "the server of the linked file")
        equal(pid("stays"), before["stays"])
    report.check("--hot-reload: a link that was swapped counts, as Kubernetes does it", linked)

    quiet = stack.enter_context(DropIn(servers={"probe": PROBE}))
    documents_are_there(quiet, "/probe/openapi.json")

    def unasked():
        quiet.write({"mcpServers": {"another": PROBE}})
        # There is nothing to wait for but time: two looks at the file and a half.
        time.sleep(1.2)
        equal(ask(quiet.address, "POST", "/another/text", {}).status, 404)
        equal(ask(quiet.address, "POST", "/probe/text", {}).status, 200)
    report.check("without --hot-reload a changed file changes nothing", unasked)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# As Open WebUI drives it.

VALUES = {"timezone": "Europe/Berlin", "source_timezone": "UTC", "target_timezone": "Asia/Tokyo", "time": "12:30", "data": "data:text/plain;base64,aGk=", "duration": 0.2, "steps": 2}


def open_webui(report, stack):
    link = Path(stack.enter_context(temporary())) / "mcpo"
    link.symlink_to(PORTCULLIS)
    # By its other name, and with mcpo's own order of arguments.
    single = stack.enter_context(DropIn("--host", "127.0.0.1", "--api-key", KEY, command=words(TIME), binary=(link,)))
    several = stack.enter_context(DropIn("--api-key", KEY, servers={"time": TIME, "everything": EVERYTHING}, binary=(link,)))
    documents_are_there(single, "/openapi.json")
    documents_are_there(several, "/time/openapi.json", "/everything/openapi.json")
    report.check("a link called mcpo is mcpo", lambda: equal(document(single)["info"]["title"], "mcp-time"))
    for kind, house, base in [("a command", single, ""), ("one server of a file", several, "/time"), ("another server of a file", several, "/everything"), ("all of a file", several, "")]:
        found = document(house, f"{base}/openapi.json")
        report.check(f"Open WebUI, {kind}: there are tools", lambda: equal(len(found["paths"]) >= 2, True))
        for path, methods in found["paths"].items():
            for method, operation in methods.items():
                report.check(f"Open WebUI, {kind}: {operation['operationId']}", lambda: check_tool_call(house, found, f"{base}{path}", method, operation))

    def at_once():
        begun = time.monotonic()
        slow = {"duration": 1, "steps": 1}
        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(lambda _: ask(several.address, "POST", "/everything/trigger-long-running-operation", slow, key=KEY).status, range(5)))
        equal(answers, [200] * 5)
        took = time.monotonic() - begun
        assert took < 4, f"{took:.1f} s"
    report.check("calls of one server run at once", at_once)

    def events():
        # mcpo takes no notice of Accept.
        answer = ask(several.address, "POST", "/everything/trigger-long-running-operation", {"duration": 0.6, "steps": 3}, key=KEY, headers={"Accept": "text/event-stream"})
        equal((answer.status, answer.headers["Content-Type"]), (200, "text/event-stream"))
        kinds = [line[6:].strip() for line in answer.text.splitlines() if line.startswith("event:")]
        assert kinds[-1] == "result" and kinds.count("progress") >= 1, answer
    report.check("Accept: text/event-stream gives progress as events", events)
    for accept in ("*/*", "application/json", "text/html, */*;q=0.8", "application/json, text/event-stream;q=0"):
        report.check(f"Accept: {accept} gives JSON", expect(
            several, "POST", "/everything/echo", 200, "Echo: x", sent={"message": "x"}, key=KEY, headers={"Accept": accept}, content_type="application/json"))


def check_tool_call(house, found, path, method, operation):
    """What Open WebUI makes of an operation for a model, and the model's call of it."""
    assert operation["operationId"] and (operation.get("description") or operation.get("summary"))
    schema = resolved(operation["requestBody"]["content"]["application/json"]["schema"], found)
    equal(schema["type"], "object")
    arguments = {name: value_of(name, resolved(inner, found)) for name, inner in schema.get("properties", {}).items()}
    answer = ask(house.address, method.upper(), path, arguments, key=KEY)
    assert answer.status == 200, f"{arguments}: {answer}"
    answer.json  # noqa: B018
    equal(ask(house.address, method.upper(), path, arguments).status, 401)


def resolved(schema, found):
    while "$ref" in schema:
        schema = found["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def value_of(name, schema):
    if name in VALUES:
        return VALUES[name]
    if "enum" in schema:
        return schema["enum"][0]
    return schema.get("default", {"string": "word", "number": 1, "integer": 1, "boolean": False}[schema["type"]])


def main():
    report = Report("drop-in")
    for part in (single_command, keys, strict, cors, files, proxies, environment, reload, open_webui):
        with ExitStack() as stack:
            part(report, stack)
    report.end()


if __name__ == "__main__":
    main()
