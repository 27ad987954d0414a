"""Outcomes of a batch -> one HTML page beside the videos, with all it needs but the videos inside."""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from talkface.inference.batch.results import Outcome
from talkface.scale.storage import Folder

GALLERY_NAME = "gallery.html"
TEMPLATE = "gallery.html"
DATA_MARK = "/*ROWS*/null"  # what the template holds in place of the rows


def write_gallery(folder: Folder, outcomes: Sequence[Outcome], rows: int) -> None:
    """Write `gallery.html`.

    Args:
        folder: of the videos.
        outcomes: of the rows so far, in their order.
        rows: in all; those without an outcome are counted as still to do.
    """
    template = (files("talkface.inference.batch") / TEMPLATE).read_text(encoding="utf-8")
    data = json.dumps({"total": rows, "rows": [_card(outcome) for outcome in outcomes]}, ensure_ascii=False)
    inside = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    folder.write(GALLERY_NAME, template.replace(DATA_MARK, inside).encode())


def _card(outcome: Outcome) -> dict[str, Any]:
    """What the page shows of a row."""
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
        "thumbnail": outcome.thumbnail,
    }


def _last(name: str) -> str:
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2]
