"""Multipart request -> its parts: files on the disk, text, options, consent."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from talkface.serve.replies import Refusal


@contextlib.asynccontextmanager
async def read_form(request: Request) -> AsyncIterator[FormData]:
    """The parts of a multipart request."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refusal(415, "not_multipart", "the request is not multipart/form-data: see /docs")
    longest_field, most_files = 65_536, 8  # bytes of a form's field that is not a file
    try:
        form = await request.form(max_files=most_files, max_fields=16, max_part_size=longest_field)
    except (UnicodeError, ValueError, KeyError, AssertionError) as error:
        raise Refusal(400, "bad_request", "the request is malformed: send multipart/form-data") from error
    except OSError as error:
        raise disk_full() from error
    try:
        yield form
    finally:
        await form.close()


def disk_full() -> Refusal:
    """The answer where the server's disk has no room."""
    return Refusal(507, "try_again", "no space left on the server's disk: try later")


async def save_file(form: FormData, kind: str, folder: Path) -> None:
    """Keep the one file of this name as `KIND.upload`; raises `Refusal`."""
    parts = form.getlist(kind)
    if len(parts) != 1 or not isinstance(parts[0], UploadFile):
        raise Refusal(422, f"no_{kind}", f"the request needs one file called {kind}")
    await save_part(parts[0], folder / f"{kind}.upload")


async def save_part(part: UploadFile | str, path: Path) -> None:
    """Keep a file of a form; raises `Refusal`."""
    if not isinstance(part, UploadFile):
        raise Refusal(422, "not_a_file", f"{path.stem} is text: send it as a file")
    if shutil.disk_usage(path.parent).free < (part.size or 0) * 4 + (16 << 20):
        raise disk_full()

    def copy() -> None:
        with path.open("wb") as file:
            shutil.copyfileobj(part.file, file, 1 << 20)

    try:
        await asyncio.to_thread(copy)
    except OSError as error:
        raise disk_full() from error


def text_of(form: FormData, name: str, default: str) -> str:
    """A field that is not a file; raises `Refusal`."""
    value = form.get(name, default)
    if not isinstance(value, str) or "\0" in value:
        raise Refusal(422, "bad_option", f"{name} is a file: send it as text")
    return value


def face_of(form: FormData) -> int | None:
    """The field `face`; raises `Refusal`."""
    text = text_of(form, "face", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 4):
        raise Refusal(422, "bad_option", f"invalid face {text[:20]!r}: count the photo's faces from 0, the largest")
    return int(text) if text else None


def json_of(text: str) -> Any:
    """Parsed content of a JSON field; raises `Refusal`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(
            422, "bad_option", 'the options are not JSON: expected an object such as {"still": true}'
        ) from None


def check_consent(form: FormData) -> None:
    """Raise `Refusal` where nobody says that the person agreed."""
    if text_of(form, "consent", "").lower() not in ("true", "yes", "1", "on"):
        raise Refusal(422, "no_consent", "animate only people who agreed: say so with consent=true")
