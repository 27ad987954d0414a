"""Jobs one by one -> videos, in the one thread that renders; identities and previews beside."""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from talkface.checkpoints.identity import load_identity
from talkface.errors import PassingError, TalkfaceError
from talkface.inference.animator import Animator
from talkface.inference.photos import PhotoSource
from talkface.inference.request import AnimateOptions
from talkface.renderers.base import Rendered
from talkface.serve.options import read_options
from talkface.serve.replies import code_of
from talkface.serve.store import Job, Store
from talkface.serve.uploads import CAPTIONS, PHOTO, SPEECH
from talkface.types import Image

FULL_DISK_S = 2.0  # after which the disk is looked at again


class Cancelled(Exception):
    """The user wants the video no longer."""


@dataclass
class Counts:
    """Rendering's part of the metrics."""

    frames: int = 0
    seconds: float = 0.0


class Studio:
    """The thread that makes videos; one set of networks, shared with live sessions."""

    def __init__(self, store: Store, folder: Path, animator: Animator, keep_hours: float) -> None:
        """Take where jobs are kept, and the networks.

        Args:
            store: of the jobs.
            folder: has a folder for each job, and one of identities.
            animator: makes the videos.
            keep_hours: after which what is finished is deleted.
        """
        self.store, self.folder, self.animator, self.counts = store, folder, animator, Counts()
        self._keep_s = keep_hours * 3600
        self._cancelled: set[str] = set()
        self._preview: tuple[str, float, Image | None] = ("", 0.0, None)
        self._wake, self._end = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="studio", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the frame in hand; the job waits for the next start."""
        self._end = True
        self._wake.set()
        self._thread.join(timeout=20)

    def job_folder(self, job_id: str) -> Path:
        """Where uploads and video of a job lie."""
        return self.folder / "jobs" / job_id

    def identity_file(self, identity_id: str) -> Path:
        """Where a kept person lies."""
        return self.folder / "identities" / f"{identity_id}.safetensors"

    def wake(self) -> None:
        """Say that there is a new job."""
        self._wake.set()

    def cancel(self, job_id: str) -> bool:
        """End a job; False where it has ended."""
        if self.store.update(job_id, only_in=("queued",), state="cancelled", finished=time.time()):
            return True
        if (job := self.store.job(job_id)) is not None and job.state == "running":
            self._cancelled.add(job_id)
            return True
        return False

    def preview(self, job_id: str) -> bytes | None:
        """The latest frame of the job in hand as a small JPEG."""
        name, _, image = self._preview
        if name != job_id or image is None:
            return None
        preview_side = 384  # pixels
        share = min(1.0, preview_side / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        return jpeg(np.asarray(small, np.uint8), 80)

    def delete(self, job_id: str) -> None:
        """Remove a job and all its files."""
        shutil.rmtree(self.job_folder(job_id), ignore_errors=True)
        self.store.forget(job_id)

    def _run(self) -> None:
        swept = 0.0
        least_free = 64 << 20  # bytes of disk below which no job is begun: they wait
        sweep_every_s = 30.0
        while not self._end:
            self._wake.clear()
            try:
                if time.monotonic() - swept > sweep_every_s:
                    swept = time.monotonic()
                    self._sweep()
                full = shutil.disk_usage(self.folder).free < least_free
                job = None if full else self.store.take()
            except TalkfaceError:  # the disk is full, which requests are answered with
                full, job = True, None
            if job is None:
                self._wake.wait(timeout=FULL_DISK_S if full else sweep_every_s)
            else:
                self._make(job)

    def _sweep(self) -> None:
        """Delete what was kept long enough, and what belongs to no job."""
        for job_id in self.store.finished_before(time.time() - self._keep_s):
            self.delete(job_id)
        for left in (self.folder / "jobs").iterdir():
            old = time.time() - left.stat().st_mtime > max(self._keep_s, 3600)
            if old and self.store.job(left.name) is None:
                shutil.rmtree(left, ignore_errors=True)

    def _make(self, job: Job) -> None:
        """One job from its uploads to its video, or to what went wrong."""
        most_tries = 3  # a job that ends the process so often is not begun again
        try:
            if job.tries > most_tries:
                raise PassingError(f"begun {most_tries} times, and each time the server ended: try a smaller photo")
            video = self._render(job)
            ended: dict[str, Any] = {"state": "done", "video": video, "finished": time.time()}
        except Cancelled:
            self._cancelled.discard(job.id)
            ended = {"state": "queued"} if self._end else {"state": "cancelled", "finished": time.time()}
        except PassingError as error:
            ended = {"state": "queued"} if job.tries < most_tries else self._failed(job, error)
        except TalkfaceError as error:
            ended = self._failed(job, error)
        except Exception as error:  # noqa: BLE001 - a fault in one job must not end the thread
            message = f"fault in talkface: {type(error).__name__}"
            ended = {"state": "failed", "code": "fault", "error": message, "finished": time.time()}
        self._preview = ("", 0.0, None)
        self._note(job.id, **ended)

    def _failed(self, job: Job, error: TalkfaceError) -> dict[str, Any]:
        """Record of a failed job, without the path of its folder."""
        message = str(error).replace(f"{self.job_folder(job.id)}/", "")
        return {"state": "failed", "code": code_of(error), "error": message, "finished": time.time()}

    def _note(self, job_id: str, **changes: Any) -> None:
        """Write how a job ended, as soon as the disk has room for it."""
        while True:
            try:
                self.store.update(job_id, **changes)
                return
            except TalkfaceError:
                if self._end:
                    return
                self._wake.wait(timeout=FULL_DISK_S)

    def _render(self, job: Job) -> str:
        folder = self.job_folder(job.id)
        captions = folder / CAPTIONS
        captions_file = captions if captions.is_file() else None
        options = replace(read_options(job.options), force=True, captions=captions_file)
        person: PhotoSource = folder / PHOTO
        if job.identity is not None:
            person = load_identity(self.identity_file(job.identity))
        clip = self.animator.animate(person, folder / SPEECH, options)
        self.store.update(job.id, total=len(clip))
        began, noted = time.monotonic(), 0.0

        preview_every_s = 0.4

        def progress(done: int, total: int) -> None:
            nonlocal noted
            self.counts.frames += 1
            if self._end or job.id in self._cancelled:
                raise Cancelled
            if time.monotonic() - noted > preview_every_s:
                noted = time.monotonic()
                with contextlib.suppress(PassingError):  # a full disk, on which the video may still find room
                    self.store.update(job.id, frames=done)

        def shown() -> Iterator[Rendered]:
            for frame in clip.render():
                if time.monotonic() - self._preview[1] > preview_every_s:
                    self._preview = (job.id, time.monotonic(), frame.image)
                yield frame

        result = replace(clip, render=shown).save(folder / f"video{suffix_of(options)}", progress=progress)
        self.counts.seconds += time.monotonic() - began
        self.store.update(job.id, frames=result.num_frames, total=result.num_frames)
        return result.path.name


def suffix_of(options: AnimateOptions) -> str:
    """Suffix of the file that these options ask for."""
    return f".{options.format or ('webm' if options.alpha else 'mp4')}"


def jpeg(image: Image, quality: int) -> bytes:
    """`[H, W, 3]` RGB -> JPEG."""
    done, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "a picture in memory can be encoded"
    return encoded.tobytes()
