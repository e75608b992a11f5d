"""Whether docs/asyncapi.yaml says what realtime does, by what clients and the service have said in realtime's tests.

    asyncapi.py TRANSCRIPT    lines of JSON, as services/realtime/tests/it/transcript.rs writes them

Both ways: whatever was said is described, and whatever is described was said. A schema of what the service sends allows fields that
it does not have, as clients must; here none is allowed.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
# What a command is refused with that is not written as the document says.
BAD = {"malformed_request", "invalid_input"}
UNKNOWN = "no_such_field"
DEPTH = 100

formats = jsonschema.FormatChecker(["uuid"])


@formats.checks("date-time")
def is_time(value):
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value) is not None


class Document:
    def __init__(self, path):
        self.text = yaml.safe_load(path.read_text())
        close(self.text["components"]["schemas"])
        self.seen = set()
        operations = self.text["operations"].values()
        self.replies = {}
        for operation in operations:
            if operation["action"] == "receive":
                (command,) = map(name, operation["messages"])
                self.replies[command] = [name(message) for message in operation["reply"]["messages"]]
        self.pushes = [name(message) for one in operations if one["action"] == "send" for message in one["messages"]]

    def at(self, pointer):
        """What stands there, and where that is, behind references."""
        found = self.text
        for part in pointer.strip("/").split("/"):
            found = found[part]
        if isinstance(found, dict) and "$ref" in found:
            return self.at(found["$ref"].lstrip("#"))
        return found, pointer

    def errors(self, message, value):
        """Why the value is not this message; noted as seen if it is."""
        schema = {"$ref": f"#/components/schemas/{self.schema(message)}", "components": self.text["components"]}
        found = [f"{error.json_path}: {error.message}" for error in jsonschema.Draft7Validator(schema, format_checker=formats).iter_errors(value)]
        if not found:
            self.note(f"/components/schemas/{self.schema(message)}", value)
        return found

    def schema(self, message):
        return name(self.text["components"]["messages"][message]["payload"])

    def note(self, pointer, value):
        schema, pointer = self.at(pointer)
        if isinstance(value, dict):
            for field in schema.get("properties", {}):
                if field in value:
                    self.seen.add(f"{pointer}/properties/{field}")
                    self.note(f"{pointer}/properties/{field}", value[field])
        elif isinstance(value, list) and "items" in schema:
            for item in value:
                self.note(f"{pointer}/items", item)
        elif "enum" in schema:
            self.seen.add(f"{pointer} {value}")

    def described(self, pointer):
        """All fields at and below a schema."""
        schema, pointer = self.at(pointer)
        for field in schema.get("properties", {}):
            yield f"{pointer}/properties/{field}"
            yield from self.described(f"{pointer}/properties/{field}")
        if "items" in schema:
            yield from self.described(f"{pointer}/items")

    def enum(self, message, path):
        """The values that a field of a message may have."""
        schema, pointer = self.at(f"/components/schemas/{self.schema(message)}")
        for field in path:
            schema, pointer = self.at(f"{pointer}/properties/{field}")
        return set(schema["enum"]), pointer


def place(waiting, id):
    """Where among the commands that wait the one with this id is; without one, the first."""
    for at, text in enumerate(waiting):
        if id is not None and re.search(rf'"id":\s*{id}\b', text):
            return at
    return 0


def depth(value):
    """How many objects and lists lie within each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def name(reference):
    return reference["$ref"].rsplit("/", 1)[1]


def close(schema):
    """Allows no fields that are not listed."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        for inner in schema.values():
            close(inner)


class Comparison:
    def __init__(self, document):
        self.document = document
        self.wrong = []
        self.codes = set()
        self.probed = set()
        self.counts = defaultdict(int)

    def expect(self, holds, words):
        if not holds and words not in self.wrong:
            self.wrong.append(words)

    def connection(self, lines):
        """What was said over one connection. What is published is answered later than what comes behind it."""
        waiting, goodbye = [], None
        for line in lines:
            if "client" in line:
                waiting.append(line["client"])
            elif "server" in line:
                text = json.loads(line["server"])
                if "result" in text or "problem" in text:
                    self.expect(waiting, f"an answer to nothing: {text}")
                    self.answered(waiting.pop(place(waiting, text.get("id"))), text)
                else:
                    self.pushed(text)
                    goodbye = text.get("disconnect", {}).get("code")
            elif "closed" in line and line["closed"] >= 4000:
                codes = self.document.text["components"]["messages"]["disconnect"]["x-close-codes"]
                self.expect(codes.get(goodbye) == line["closed"], f"closed with {line['closed']} after {goodbye}")
                self.expect(line["reason"] == goodbye, f"closed for {line['reason']} after {goodbye}")
            elif "refused" in line:
                known = self.document.text["channels"]["realtime"]["x-handshake-refusals"]
                self.expect(line["refused"] in known, f"a handshake was answered with {line['refused']}")

    def answered(self, text, answer):
        try:
            command = json.loads(text)
        # What is nested too deeply is no JSON for Python either.
        except (ValueError, RecursionError):
            command = None
        named = [key for key in command if key in self.document.replies] if isinstance(command, dict) else []
        code = answer.get("problem", {}).get("code")
        if code:
            self.codes.add(code)
            self.said("refused", answer)
            if UNKNOWN in text:
                self.probe(command, answer)
        if code in BAD:
            # A schema cannot say this, and docs/realtime.md does.
            too_long = any(error["code"] == "too_long" for error in answer["problem"].get("errors", []))
            beyond = too_long or "\\u0000" in text or depth(command) > DEPTH
            if len(named) == 1 and not beyond:
                errors = self.document.errors(named[0], command)
                self.expect(errors, f"described, and refused with {code} ({answer['problem'].get('detail')}): {text[:200]}")
            return
        # What is refused for another reason may be wrong besides.
        if code:
            return
        if len(named) != 1:
            self.expect(False, f"done, and no command that is described: {text[:200]}")
            return
        errors = self.document.errors(named[0], command)
        self.expect(not errors, f"done, and not described: {text[:200]}: {errors}")
        self.counts[named[0]] += 1
        (reply,) = [reply for reply in self.document.replies[named[0]] if reply != "refused"]
        self.said(reply, answer)

    def said(self, message, text):
        errors = self.document.errors(message, text)
        self.expect(not errors, f"not as {message} is described: {json.dumps(text)[:300]}: {errors}")
        self.counts[message] += 1

    def pushed(self, text):
        for message in self.document.pushes:
            if not self.document.errors(message, text):
                self.counts[message] += 1
                return
        self.expect(False, f"sent, and not described: {json.dumps(text)[:300]}: {[self.document.errors(one, text) for one in self.document.pushes]}")

    def probe(self, command, answer):
        """A refusal for a field that is not known names those that are."""
        listed = re.match(rf"unknown field `{UNKNOWN}`, (.*)", answer["problem"].get("detail", ""))
        if not listed:
            return
        found = {part for part in listed[1].split("`")[1::2]}
        path, inner = [], command
        while UNKNOWN not in inner:
            ((field, inner),) = [(key, value) for key, value in inner.items() if key != "id"]
            path.append(field)
        self.probed.add(tuple(path))
        if not path:
            described = {"id", *self.document.replies}
        else:
            pointer = f"/components/schemas/{self.document.schema(path[0])}"
            for field in path:
                _, pointer = self.document.at(pointer)
                pointer = f"{pointer}/properties/{field}"
            described = set(self.document.at(pointer)[0].get("properties", {}))
        self.expect(found == described, f"{'.'.join(path) or 'a command'} takes {sorted(found)}, and {sorted(described)} are described")

    def objects(self, pointer, path):
        """The paths of all objects of a command that have fields."""
        schema, pointer = self.document.at(pointer)
        if schema.get("type") == "object":
            yield tuple(path)
            for field in schema["properties"]:
                if field != "id":
                    yield from self.objects(f"{pointer}/properties/{field}", [*path, field])

    def all_of_it(self, head):
        """That nothing is described which does not occur."""
        document = self.document
        for message in [*document.text["components"]["messages"]]:
            self.expect(self.counts[message], f"the message {message} is described, and was never sent")
            for field in document.described(f"/components/schemas/{document.schema(message)}"):
                self.expect(field in document.seen, f"described, and never sent: {field}")
        wanted = {()} | {path for command in document.replies for path in self.objects(f"/components/schemas/{document.schema(command)}", []) if path}
        self.expect(self.probed == wanted, f"these objects were looked at: {sorted(self.probed)}; these are described: {sorted(wanted)}")

        own, shared = ({code["code"]: code["status"] for code in head[which]} for which in ("codes", "shared_codes"))
        handshake = {code: int(status) for status, codes in document.text["channels"]["realtime"]["x-handshake-refusals"].items() for code in codes}
        codes, _ = document.enum("refused", ["problem", "code"])
        for code, status in handshake.items():
            self.expect({**own, **shared}.get(code) == status, f"a handshake is refused with {status} {code}, which is no code of the service")
        self.expect(codes <= set(own) | set(shared), f"these are no codes: {sorted(codes - set(own) - set(shared))}")
        self.expect(set(own) <= codes | set(handshake), f"codes of the service that are not described: {sorted(set(own) - codes - set(handshake))}")
        self.expect(codes & set(own) <= self.codes, f"described, and no command was refused with: {sorted(codes & set(own) - self.codes)}")

        reasons = {reason["name"]: reason["code"] for reason in head["close_reasons"]}
        described = document.text["components"]["messages"]["disconnect"]["x-close-codes"]
        self.expect(reasons == described, f"connections are closed for {reasons}, and {described} are described")
        self.expect(document.enum("disconnect", ["disconnect", "code"])[0] == set(reasons), "the reasons of a disconnect are others than its codes")
        guide = dict(re.findall(r"(?m)^\| (4\d{3}) \| `(\w+)` \|", (ROOT / "docs/realtime.md").read_text()))
        self.expect({name: int(code) for code, name in guide.items()} == reasons, f"docs/realtime.md lists {guide}")
        for message, path in [("unsubscribed", ["unsubscribed", "code"]), ("disconnect", ["disconnect", "code"])]:
            values, pointer = document.enum(message, path)
            never = sorted(value for value in values if f"{pointer} {value}" not in document.seen)
            # A client that does not read may see the connection's end alone.
            self.expect(set(never) <= {"slow_consumer"}, f"described, and no {message} had the code {never}")


def main():
    comparison = Comparison(Document(ROOT / "docs/asyncapi.yaml"))
    heads, connections = [], defaultdict(list)
    for line in Path(sys.argv[1]).read_text().splitlines():
        line = json.loads(line)
        if "codes" in line:
            heads.append(line)
        else:
            connections[(len(heads), line["connection"])].append(line["what"])
    if not heads:
        sys.exit(f"{sys.argv[1]} is empty: were realtime's tests run with STOA_TEST_TRANSCRIPT?")
    for lines in connections.values():
        comparison.connection(lines)
    comparison.all_of_it(heads[-1])
    if comparison.wrong:
        sys.exit("docs/asyncapi.yaml and realtime differ:\n" + "\n".join(f"- {words}" for words in comparison.wrong))
    said = sum(len(lines) for lines in connections.values())
    print(f"docs/asyncapi.yaml: {said} texts over {len(connections)} connections are as it says, and all that it says occurs")


if __name__ == "__main__":
    main()
