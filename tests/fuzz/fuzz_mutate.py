"""Bytes of a sound file + random numbers -> bytes of a damaged or hostile one, for fuzzing readers."""

import io
import json
import random
import re
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

SPECIAL = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\x7f",
    b"\x1b[31m",
)
WORDS = (
    *("nan", "NaN", "inf", "-inf", "1e999", "-1", "0", "9" * 400, "1e-400", "2147483648", "-9223372036854775809"),
    *("", "²", "../../etc/passwd", "/dev/zero", "a\0b", "\udcff", "${oc.env:HOME}", "=1+1", "\x1b[31m", "[" * 3000),
    *("{}", "[]", "null", "true", '"', "'", ",", ";", "\n", "x" * 5000, "://", "::", "%d", "1/0", "0x10", "1.2.3"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1.5, -0.0, 1e300, "", "x", "a\0b", "\x1b[31m", "../x"),
    *([], {}, [[]], [None], {"a": 1}, [1] * 1000, "9" * 5000, "NaN", float("nan"), float("inf")),
)


def mutate(content: bytes, kind: str, rng: random.Random) -> bytes:
    """Damage a file once or a few times.

    Args:
        content: a sound file.
        kind: what its structure is: `bytes`, `text`, `json` (one object, or one per line), `zip` or `safetensors`;
            half of the edits respect it, so that they reach what lies behind the first check.
        rng: the same state gives the same bytes.
    """
    most_edits = 4
    for _ in range(rng.randint(1, most_edits)):
        edit = STRUCTURED.get(kind) if rng.random() < 0.5 else None
        content = (edit or _edit_bytes)(content, rng)
    return content


def _edit_bytes(content: bytes, rng: random.Random) -> bytes:
    at, end = sorted(rng.randint(0, len(content)) for _ in range(2))
    end = min(end, at + rng.choice((1, 4, 16, 256, 1 << 20)))
    return rng.choice(
        (
            lambda: content[:at],
            lambda: content[:at] + rng.choice(SPECIAL) + content[end:],
            lambda: content[:at] + rng.randbytes(min(end - at, 64)) + content[end:],
            lambda: content[:end] + content[at:],
            lambda: content[:at] + content[end:],
            lambda: content[:at] + bytes(b ^ 1 << rng.randint(0, 7) for b in content[at : at + 1]) + content[at + 1 :],
            lambda: content[:at] + content[at:end][::-1] + content[end:],
        )
    )()


def _edit_text(content: bytes, rng: random.Random) -> bytes:
    word = rng.choice(WORDS).encode("utf-8", "surrogateescape")
    found = list(re.finditer(rb"-?[0-9]+(\.[0-9]+)?", content))
    if found and rng.random() < 0.6:
        place = rng.choice(found)
        return content[: place.start()] + word + content[place.end() :]
    at = rng.randint(0, len(content))
    return content[:at] + word + content[at + rng.randint(0, 8) :]


def _edit_json(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    number = rng.randrange(len(lines))
    try:
        values = json.loads(lines[number])
    except (ValueError, RecursionError):
        return _edit_text(content, rng)
    lines[number] = json.dumps(_edit_value(values, rng)).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _edit_value(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(sorted(value, key=str))
        if rng.random() < 0.2:
            return {key: each for key, each in value.items() if key != name}
        return {**value, name: _edit_value(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], _edit_value(value[at], rng), *value[at + 1 :]]
    return rng.choice(VALUES)


def _edit_zip(content: bytes, rng: random.Random) -> bytes:
    """Damage one member and pack again, sound sums and all."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            members = {info.filename: packed.read(info) for info in packed.infolist()}
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError, RuntimeError):
        return _edit_bytes(content, rng)
    if not members:
        return content
    name = rng.choice(sorted(members))
    edit: Callable[[bytes, random.Random], bytes] = rng.choice((_edit_bytes, _edit_text, _edit_head))
    members[name] = edit(members[name], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for key, data in members.items():
            packed.writestr(key, data)
    return out.getvalue()


def _edit_head(content: bytes, rng: random.Random) -> bytes:
    head = 128
    return _edit_text(content[:head], rng) + content[head:]


def _edit_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Damage the header's values, the text inside its metadata, or a tensor, and set the length right."""
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        inner = json.loads(header["__metadata__"]["talkface"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return _edit_bytes(content, rng)
    if rng.random() < 0.7:
        header["__metadata__"]["talkface"] = json.dumps(_edit_value(inner, rng))
    else:
        header = _edit_value(header, rng)
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


STRUCTURED: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "text": _edit_text,
    "json": _edit_json,
    "zip": _edit_zip,
    "safetensors": _edit_safetensors,
    "head": _edit_head,
}
