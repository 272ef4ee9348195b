"""The wire of sentinel-ipc in Python, with the standard library alone: messages as lines, and who the peer is."""
import json, re, socket, struct, time
from itertools import accumulate

MAX_BYTES, MAX_DEPTH, MAX_TS = 2**20 - 1, 256, 2**53 - 1


class Object(dict):
    """A JSON object that remembers each of its names, also those that occur twice."""

    def __init__(self, members):
        super().__init__(members)
        self.folded = [name.casefold() for name, _ in members]


def refuse(why):
    raise ValueError(why)


def parse(line):
    """Returns the message in the bytes of a line, None for an empty one; raises ValueError for anything else."""
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if len(line) > MAX_BYTES: refuse("too large")
    if not line: return None
    text = line.decode()
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    if max(accumulate((c in "[{") - (c in "]}") for c in outside), default=0) > MAX_DEPTH: refuse("too deep")
    message = json.loads(text, object_pairs_hook=Object, parse_constant=refuse)
    if not isinstance(message, Object): refuse("not an object")
    for key in ("type", "id", "ts", "payload"):  # two parsers must not read one line differently
        if message.folded.count(key) != (key in message): refuse(f"ambiguous key {key}")
    if not isinstance(message.get("type"), str) or message["type"] == "": refuse("no type")
    if not isinstance(message.setdefault("id", ""), str): refuse("the id is not a string")
    if type(message.setdefault("ts", 0)) is not int or abs(message["ts"]) > MAX_TS: refuse("ts is not an integer")
    return message


def line(kind, payload, id=""):
    message = {"type": kind, **({"id": id} if id else {}), "ts": int(time.time()), "payload": payload}
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def peer(connection):
    """The process, user and group at the other end, as the kernel knows them (Linux: unix(7), SO_PEERCRED)."""
    return struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
