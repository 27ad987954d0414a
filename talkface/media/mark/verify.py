"""Video or picture of unknown origin -> which marks of a synthetic one it bears, and whether they hold."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from talkface.media.mark.manifest import Manifest, kind_of, read_manifest
from talkface.media.mark.search import Found, Luma, find_mark
from talkface.media.mark.tag import can_sign, is_mark, read_comment
from talkface.media.photo import is_photo, read_photo
from talkface.media.read import probe_video, read_frames
from talkface.media.seek import read_window
from talkface.types import Image

State = Literal["holds", "broken", "none", "unsought"]


@dataclass(frozen=True)
class Layer:
    """One of the three marks.

    Attributes:
        name: of the mark.
        state: whether it is there and holds.
        text: the same in words, with what it says.
    """

    name: str
    state: State
    text: str


@dataclass(frozen=True)
class Verdict:
    """Marks found in a file.

    Attributes:
        tag: the comment tag, where it says that the video is synthetic.
        mark: the invisible mark.
        manifest: the C2PA manifest.
        sought: whether a manifest was looked for, which needs the extra `provenance`.
    """

    tag: str | None
    mark: Found | None
    manifest: Manifest | None
    sought: bool

    @property
    def marked(self) -> bool:
        """Whether anything says that the file is synthetic."""
        return bool(self.tag or self.mark or (self.manifest is not None and self.manifest.synthetic))

    @property
    def layers(self) -> tuple["Layer", ...]:
        """Each of the three marks, in words."""
        tag = Layer("comment tag", "holds" if self.tag else "none", self.tag or "none")
        return tag, self._mark_layer(), self._signature_layer()

    def _mark_layer(self) -> "Layer":
        name, mark = "invisible mark", self.mark
        if mark is None:
            return Layer(name, "none", "none found")
        where = f", at {mark.scale:.2f} of the size" if abs(mark.scale - 1) > 0.02 else ""
        where += ", mirrored" if mark.mirrored else ""
        digits = 300 if mark.chance <= 0 else int(-math.log10(mark.chance))
        return Layer(name, "holds", f"{mark.payload.hex()}{where} (false alarm: at most 1 in 10^{digits})")

    def _signature_layer(self) -> "Layer":
        name, manifest = "C2PA signature", self.manifest
        if not self.sought:
            return Layer(name, "unsought", "not looked for (pip install 'talkface[provenance]')")
        if manifest is None:
            return Layer(name, "none", "none")
        known = {"trusted": "valid, by a trusted signer", "valid": "valid, but by an unknown signer"}
        state: State = "holds" if manifest.state in known else "broken"
        return Layer(name, state, f"{known.get(manifest.state, 'broken')}: {manifest.signer or 'nobody'}")

    @property
    def summary(self) -> str:
        """One line: marked, broken or without a mark."""
        if self.faults:
            return "; ".join(self.faults)
        if self.marked:
            return "synthetic, says the file itself"
        return "no mark of a synthetic video found (which proves nothing: marks can be removed)"

    @property
    def faults(self) -> list[str]:
        """Checks that failed, a line each; empty where all marks agree."""
        found = []
        if self.manifest is not None and self.manifest.state == "invalid":
            what = "the file was altered after it was signed" if self.manifest.altered else "the signature is broken"
            found.append(f"{what} ({', '.join(self.manifest.failures)})")
        named = None if self.manifest is None else self.manifest.details.get("invisible_mark")
        if named and self.mark is not None and named != self.mark.payload.hex():
            found.append(f"the signature names the invisible mark {named}, the pictures bear {self.mark.payload.hex()}")
        return found

    def plain(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        mark, manifest = self.mark, self.manifest
        return {
            "synthetic": self.marked,
            "summary": self.summary,
            "faults": self.faults,
            "layers": [vars(layer) for layer in self.layers],
            "comment_tag": self.tag,
            "invisible_mark": mark and {**vars(mark), "payload": mark.payload.hex()},
            "c2pa": manifest and {**vars(manifest), "failures": list(manifest.failures)},
            "c2pa_sought": self.sought,
        }


def verify_file(path: Path, trusted: bytes | None = None) -> Verdict:
    """Look for all three marks in a video or picture; that none is there proves nothing.

    Args:
        path: any video or picture.
        trusted: certificates of authorities as PEM, beside the local one.

    Raises:
        MediaError: neither a video nor a picture.
    """
    frames = list(_frames(path))
    comment = "" if is_photo(path) or kind_of(path) == "image/png" else read_comment(path)
    sought = can_sign()
    return Verdict(
        tag=comment if is_mark(comment) else None,
        mark=find_mark(frames),
        manifest=read_manifest(path, trusted) if sought else None,
        sought=sought,
    )


def _frames(path: Path) -> Iterator[Luma]:
    """Luma of a picture, or of a dozen frames spread over a video."""
    if is_photo(path) or kind_of(path) == "image/png":  # of an animated one, which ffmpeg takes for a photo, the first
        yield _luma(read_photo(path))
        return
    info = probe_video(path)
    duration_s = info.duration_s or 0.0
    short_s = 20.0  # videos up to here are decoded from end to end
    frames = 12  # in which the invisible mark is looked for, spread over the video
    if duration_s > short_s:
        for index in range(frames):
            start = Fraction(duration_s * (index + 0.5) / frames).limit_denominator(1000)
            yield from (_luma(image) for image in read_window(path, Fraction(25), start, 1))
        return
    step = max(1, int(duration_s * float(info.fps)) // frames)
    yield from (_luma(image) for image, _ in islice(read_frames(path), 0, frames * step, step))


def _luma(image: Image) -> Luma:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
