"""OpenAPI documents: valid, complete, and the same as last time.

Three servers stand behind the gateway: the time server, server-everything, and one that offers all
that a server should not. UPDATE_GOLDENS=1 writes the documents of the first two anew.
"""

import json
import math
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from urllib.parse import quote, unquote

from common import EVERYTHING, HERE, HOSTILE, TIME, TOKEN, DropIn, Report, Serve, ask, documents_are_there, equal, in_judges, tools, words

in_judges()

import hostile  # noqa: E402
from openapi_spec_validator import OpenAPIV31SpecValidator  # noqa: E402

SERVERS = {"time": TIME, "everything": EVERYTHING, "hostile": HOSTILE}
GOLDENS = HERE / "goldens"
# Keywords whose value is a schema, a list of schemas, or schemas by name.
ONE = {"items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else", "unevaluatedItems", "unevaluatedProperties", "contentSchema"}
LIST = {"oneOf", "anyOf", "allOf", "prefixItems"}
MAP = {"properties", "patternProperties", "dependentSchemas"}
# What means something only in the schema it came from.
LOCAL = {"$schema", "$id", "id", "$defs", "definitions", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary"}
# Annotations of hostile schemas that are not kept: the first two are none that OpenAPI allows, and the
# third nests too deep for readers of documents.
ANNOTATIONS = {"xml", "externalDocs", "x-deep"}


class Comparison:
    """A schema as a tool lists it beside the one in the document.

    A `hostile` schema may lose what no document can carry, if the document says so.
    """

    def __init__(self, listed, document, hostile=False):
        self.root, self.document, self.hostile = listed, document, hostile
        self.seen, self.problems, self.compared = set(), [], 0

    def resolve(self, schema, root):
        """Follows a chain of references. Nothing, if it does not lead to a schema of this document."""
        followed = set()
        while isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            reference = schema["$ref"]
            if not reference.startswith("#") or (reference[1:] and not reference.startswith("#/")) or reference in followed:
                return None
            followed.add(reference)
            target = root
            for step in reference[2:].split("/") if reference[1:] else []:
                step = unquote(step).replace("~1", "/").replace("~0", "~")
                try:
                    target = target[int(step)] if isinstance(target, list) else target[step]
                except (KeyError, IndexError, ValueError, TypeError):
                    return None
            beside = {k: v for k, v in schema.items() if k != "$ref"}
            schema = {**target, **beside} if isinstance(target, dict) and beside and not self.is_old() else target
        return schema

    def is_old(self):
        """Whether what stands beside a reference does not count."""
        return isinstance(self.root, dict) and "draft-0" in str(self.root.get("$schema", ""))

    def compare(self, listed, documented, at="#"):
        key = (id(listed), id(documented))
        if key in self.seen:
            return
        self.seen.add(key)
        found = self.resolve(documented, self.document)
        if found is None:
            self.problems.append(f"{at}: the document's reference leads to nothing: {documented}")
            return
        wanted = self.resolve(listed, self.root)
        if wanted is None:
            assert self.hostile, f"{at}: {listed} refers to nothing"
            return
        if isinstance(wanted, bool) or not isinstance(wanted, dict):
            allowed = [wanted, {"not": {}}] if wanted is False else [wanted, {}, {"type": "object"}]
            self.expect(at, "", found, allowed)
            return
        note = found.get("description", "") if isinstance(found, dict) else ""
        if self.hostile and "A reference that leads back to itself is left out." in note:
            return
        for keyword, value in (self.modern(wanted) if self.hostile else wanted).items():
            if keyword in LOCAL or (self.hostile and (keyword in ANNOTATIONS or f"`{keyword}` is left out" in note)):
                continue
            if self.hostile and (keyword.startswith("$") or (keyword not in found and refers(value) and keyword not in ONE | LIST | MAP)):
                continue
            if keyword == "description" and self.hostile:
                self.compared += 1
                if isinstance(value, str) and not note.startswith(carried(value)):
                    self.problems.append(f"{at}: the description is {note!r}")
            elif keyword not in found:
                self.problems.append(f"{at}: {keyword} is lost")
            elif keyword in ONE and isinstance(value, (dict, bool)):
                self.compare(value, found[keyword], f"{at}/{keyword}")
            elif keyword in LIST and isinstance(value, list):
                # A second reference in one schema becomes one more demand.
                more = keyword == "allOf" and "$dynamicRef" in wanted
                self.expect(at, f"the length of {keyword}", len(found[keyword]), [len(value) + more])
                for number, (one, other) in enumerate(zip(value, found[keyword])):
                    self.compare(one, other, f"{at}/{keyword}/{number}")
            elif keyword in MAP and isinstance(value, dict):
                for name in value:
                    if name in found[keyword]:
                        self.compare(value[name], found[keyword][name], f"{at}/{keyword}/{name}")
                    elif not self.hostile:
                        self.problems.append(f"{at}: {keyword}/{name} is lost")
            elif keyword == "discriminator" and self.hostile:
                self.expect(at, keyword, found[keyword]["propertyName"], [value["propertyName"]])
            else:
                self.expect(at, keyword, found[keyword], [value])
        # What the document demands beyond the tool's own schema would refuse calls that are right.
        added = set(found) - set(wanted) - {"description"} if isinstance(found, dict) and not self.hostile else ()
        self.problems += [f"{at}: {keyword} was added" for keyword in added]

    def expect(self, at, what, found, allowed):
        self.compared += 1
        # `1` and `1.0` and `true` are not the same here.
        if json.dumps(found, sort_keys=True) not in [json.dumps(carried(a), sort_keys=True) for a in allowed]:
            self.problems.append(f"{at}: {what} is {json.dumps(found)[:200]}, not {json.dumps(allowed[0])[:200]}")

    def modern(self, schema):
        """A schema in the spelling of 2020-12."""
        schema = dict(schema)
        for limit, flag in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")]:
            if isinstance(schema.get(flag), bool):
                if schema.pop(flag) and limit in schema:
                    schema[flag] = schema.pop(limit)
        if isinstance(schema.get("items"), list):
            if of_each := schema.pop("items"):
                schema["prefixItems"] = of_each
            if "additionalItems" in schema:
                schema["items"] = schema["additionalItems"]
        schema.pop("additionalItems", None)
        dependencies = schema.pop("dependencies", None)
        if isinstance(dependencies, dict):
            schema["dependentRequired"] = {k: v for k, v in dependencies.items() if isinstance(v, list)}
            schema["dependentSchemas"] = {k: v for k, v in dependencies.items() if not isinstance(v, list)}
        return schema


def refers(value):
    """Whether a value has what readers of documents take for a reference."""
    if isinstance(value, dict):
        return "$ref" in value or any(map(refers, value.values()))
    return isinstance(value, list) and any(map(refers, value))


def carried(value):
    """A value as a document can carry it: UTF-8 has no halves of pairs, and no number is larger than a float."""
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, float) and math.isinf(value):
        return math.copysign(sys.float_info.max, value)
    return [carried(v) for v in value] if isinstance(value, list) else value


def problems_of(document):
    """What the validator says. It takes its time, so it runs in a process of its own."""
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in OpenAPIV31SpecValidator(document).iter_errors()]


def bare(document):
    """A document without what says where it is served and who may call."""
    document = json.loads(json.dumps(document))
    document["info"] = document["servers"] = None
    document["components"].pop("securitySchemes", None)
    for name in ("Unauthorized", "Forbidden"):
        document["components"]["responses"].pop(name, None)
    for path in document["paths"].values():
        path["post"].pop("security", None)
        for status in ("401", "403"):
            path["post"]["responses"].pop(status, None)
    return json.dumps(document)


def check_valid(document, validating):
    equal(document["openapi"], "3.1.0")
    problems = validating.result()
    assert not problems, f"{len(problems)} problems: {problems[:3]}"
    ids = [operation["post"]["operationId"] for operation in document["paths"].values()]
    equal(len(set(ids)), len(ids))


def operation_of(document, tool, server=""):
    """The operation of a tool, by the path that it has to have."""
    segment = quote(tool, safe="-._~")
    for path in (f"{server}/{segment}", f"{server}/tools/{segment}"):
        if path in document["paths"]:
            return path, document["paths"][path]["post"]
    raise AssertionError(f"there is no path of {tool!r}")


def check_complete(document, listed, server="", is_hostile=False):
    """Each tool is there, with every keyword of its schemas."""
    equal(len([path for path in document["paths"] if path.startswith(f"{server}/")]), len(listed))
    problems, compared = [], 0
    for tool in listed:
        _, operation = operation_of(document, tool["name"], server)
        if "description" in tool:
            equal(operation["description"], tool["description"])
        sides = [("inputSchema", operation["requestBody"])]
        if "outputSchema" in tool:
            sides.append(("outputSchema", operation["responses"]["200"]))
        for side, place in sides:
            comparison = Comparison(tool.get(side), document, is_hostile)
            comparison.compare(tool.get(side), place["content"]["application/json"]["schema"])
            problems += [f"{tool['name']} {side} {problem}" for problem in comparison.problems]
            compared += comparison.compared
    assert not problems, f"{len(problems)} problems: {problems[:4]}"
    assert compared > 10, f"only {compared} values were compared"


def check_golden(name, document):
    """Compares with a file. Versions of servers are their own business."""
    document = {**document, "info": {**document["info"], "version": "x"}}
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    path = GOLDENS / f"{name}.json"
    if os.environ.get("UPDATE_GOLDENS"):
        path.write_text(text)
    golden = path.read_text() if path.exists() else ""
    if golden != text:
        pairs = enumerate(zip(golden.splitlines(), text.splitlines()), 1)
        first = next((f"line {n}: {old.strip()!r} became {new.strip()!r}" for n, (old, new) in pairs if old != new), "one is longer")
        raise AssertionError(f"it is not goldens/{name}.json ({first}); look at it and run with UPDATE_GOLDENS=1")


def check_answer(house, path, tool):
    """A route works: the tool is called, or the arguments are refused as FastAPI refuses them."""
    def run():
        for body in ({}, {"a": 1}, {"a": "x", "b": 5}, [1], b"", b"{"):
            answer = ask(house.address, "POST", path, body, key=TOKEN)
            if answer.status == 200:
                equal(answer.json, {"tool": tool, "arguments": body or {}})
                continue
            equal(answer.status, 422)
            for detail in answer.json["detail"]:
                assert {"type", "loc", "msg", "input"} <= set(detail) <= {"type", "loc", "msg", "input", "ctx"}, detail
                equal(detail["loc"][0], "body")
                assert isinstance(detail["msg"], str) and detail["msg"] and detail["type"], detail
    return run


def main():
    report = Report("documents")
    with ExitStack() as stack:
        serve = stack.enter_context(Serve(SERVERS))
        singles = {name: stack.enter_context(DropIn(command=words(server))) for name, server in SERVERS.items()}
        several = stack.enter_context(DropIn(servers=SERVERS))
        documents_are_there(serve, *(f"/{name}/openapi.json" for name in SERVERS), key=TOKEN)
        documents_are_there(several, *(f"/{name}/openapi.json" for name in SERVERS))
        for single in singles.values():
            documents_are_there(single, "/openapi.json")

        listed = {name: tools(serve.address, f"/{name}/mcp") for name in SERVERS}
        gateways = [("serve", serve, TOKEN), ("openapi --config", several, None)]
        sources = [(what, house, f"/{name}/openapi.json", key, name, "") for what, house, key in gateways for name in SERVERS]
        sources += [("openapi --", single, "/openapi.json", None, name, "") for name, single in singles.items()]
        sources += [(what, house, "/openapi.json", key, name, f"/{name}") for what, house, key in gateways for name in SERVERS]
        judging, judged, pool = {}, {}, stack.enter_context(ProcessPoolExecutor(2))
        for what, house, path, key, name, folder in sources:
            document = ask(house.address, "GET", path, key=key).json
            title = f"{what}{' ' + name if what == 'openapi --' else ''} {path}"
            if title not in judging:
                # Ten seconds for each document of a thousand references: once is enough if they are the same.
                same = bare(document)
                judging[title] = document, judged.get(same) or pool.submit(problems_of, document)
                judged[same] = judging[title][1]
            is_hostile = name == "hostile"
            report.check(f"{title} keeps all that the tools of {name} demand", lambda: check_complete(document, listed[name], folder, is_hostile))
            if what != "openapi --config" and not folder and not is_hostile:
                golden = name if what == "serve" else f"{name}-alone"
                report.check(f"{title} is what it was", lambda: check_golden(golden, document))

        document = ask(serve.address, "GET", "/hostile/openapi.json", key=TOKEN).json
        assert len(listed["hostile"]) == len(list(hostile.entries())) >= 100
        for tool in listed["hostile"]:
            name = tool["name"]
            path, _ = operation_of(document, name)
            shown = name if len(name) < 60 else f"{name[:20]}… ({len(name)} characters)"
            report.check(f"POST of the tool {shown!r} is answered 200 or 422", check_answer(serve, f"/hostile{path}", name))
            tools_path = f"/hostile/tools/{path.rsplit('/', 1)[1]}"
            if tools_path != f"/hostile{path}":
                report.check(f"POST below /tools/ of {shown!r} as well", check_answer(serve, tools_path, name))
        alone = singles["hostile"]
        for name in hostile.NAMES:
            path, _ = operation_of(document, name)
            report.check(f"POST of {name[:30]!r} at the root of a single server", check_answer(alone, path, name))
        for title, (document, validating) in judging.items():
            report.check(f"{title} passes openapi-spec-validator", lambda: check_valid(document, validating))
    report.end()


if __name__ == "__main__":
    main()
