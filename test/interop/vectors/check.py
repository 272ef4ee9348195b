"""Checks the Python peer (examples/python/soc.py) against vectors.json. Prints failures; exits with 1 if there are any."""
import io, json, pathlib, sys

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parents[2] / "examples" / "python"))
import soc


def text_of(given):
    return given if isinstance(given, str) else given["before"] + given["fill"] * given["count"] + given["after"]


def bytes_of(vector):
    if "hex" in vector: return bytes.fromhex(vector["hex"])
    return text_of(vector.get("line", vector)).encode()


def read(vector):
    """Reads the line as a receiver does: out of a stream, between two others."""
    before = b"" if "first" in vector else b'{"type":"before"}\n'
    after = b"" if "last" in vector else b'\n{"type":"after"}\n'
    stream = io.BytesIO(before + bytes_of(vector) + after)
    if before: assert soc.parse(stream.readline())["type"] == "before"
    else: stream = io.BytesIO(stream.getvalue().removeprefix(b"\xef\xbb\xbf"))
    try:
        message = soc.parse(stream.readline())
    except (ValueError, RecursionError):
        return "invalid"
    finally:
        if after: assert soc.parse(stream.readline())["type"] == "after"
    return message if message is not None else "skipped"


def expected(vector):
    if "means" not in vector: return "invalid" if "invalid" in vector else "skipped"
    means = vector["means"]
    return {**means, **({"payload": json.loads(text_of(means["payload"]))} if "payload" in means else {})}


def got(vector):
    message = read(vector)
    return message if isinstance(message, str) else {k: message[k] for k in ("type", "id", "ts", "payload") if k in message}


vectors = json.loads((here / "vectors.json").read_text())
failed = [v["name"] for v in vectors if got(v) != expected(v)]
print(json.dumps({"checked": len(vectors), "failed": failed}))
sys.exit(1 if failed else 0)
