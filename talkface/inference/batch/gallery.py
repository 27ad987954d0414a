"""Outcomes of a batch -> HTML pages beside the videos, with all they need but the videos inside."""

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from talkface.inference.batch.results import Outcome, load_thumbnail
from talkface.scale.storage import Folder

PAGE_ROWS = 400  # a page of as many thumbnails has 5 MB


def write_gallery(folder: Folder, outcomes: Mapping[int, Outcome], rows: int) -> None:
    """Write `gallery.html`, and `gallery_2.html` and so on where there are many rows; pages that say so stay.

    Args:
        folder: of the videos.
        outcomes: of the rows so far, by their number from 1.
        rows: in all; those without an outcome are counted as still to do.
    """
    pages = max(1, -(-rows // PAGE_ROWS))
    for page in range(1, pages + 1):
        numbers = range((page - 1) * PAGE_ROWS + 1, min(page * PAGE_ROWS, rows) + 1)
        found = [outcomes[number] for number in numbers if number in outcomes]
        shown = {"page": page, "pages": pages, "total": len(numbers), "rows": [_card(outcome) for outcome in found]}
        _write_page(folder, shown, [outcome.key if not outcome.failed else "" for outcome in found])
    while folder.read(page_name(pages + 1), 1):
        pages += 1
        folder.delete(page_name(pages))


def page_name(page: int) -> str:
    """File of a page of the gallery, counted from 1."""
    return "gallery.html" if page == 1 else f"gallery_{page}.html"


def _write_page(folder: Folder, shown: dict[str, Any], keys: list[str]) -> None:
    """Write a page unless the one that is there shows the same; thumbnails are read for those that are written."""
    digest = hashlib.sha256(json.dumps([shown, keys]).encode()).hexdigest()
    first_line = f"<!-- {digest} -->\n".encode()
    name = page_name(shown["page"])
    template = (files("talkface.inference.batch") / "gallery.html").read_text(encoding="utf-8")
    doctype, line_end, rest = template.partition("\n")
    head = f"{doctype}{line_end}".encode() + first_line
    if folder.read(name, len(head)) == head:
        return
    for card, key in zip(shown["rows"], keys, strict=True):
        card["thumbnail"] = load_thumbnail(folder, key) if key else ""
    data = json.dumps(shown, ensure_ascii=False)
    inside = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    data_mark = "/*ROWS*/null"  # the template holds it in place of the rows
    folder.write(name, head + rest.replace(data_mark, inside).encode("utf-8", "backslashreplace"))


def _card(outcome: Outcome) -> dict[str, Any]:
    """Row as the page shows it."""
    return {
        "row": outcome.row,
        "title": outcome.title or outcome.out or f"row {outcome.row}",
        "photo": _last(outcome.photo[0]) if outcome.photo else "",
        "speech": _last(outcome.speech),
        "out": outcome.out,
        "failed": outcome.failed,
        "reason": outcome.reason,
        "frames": outcome.num_frames,
        "seconds": outcome.duration_s,
        "size": outcome.size,
        "notes": outcome.notes,
    }


def _last(name: str) -> str:
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2]
