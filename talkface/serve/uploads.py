"""Foreign bytes -> a plain picture and plain sound, decoded in a process of its own that may not take long or much."""

import os
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from talkface.errors import MediaError, NoFaceError, PassingError, TalkfaceError, printable
from talkface.files.read import variable
from talkface.scale.memory import is_out_of_memory, limit_memory
from talkface.scale.workers import Died, LocalWorkers

PHOTO, SPEECH, CAPTIONS = "photo.png", "speech.wav", "captions.srt"  # what the worker makes, beside the upload


@dataclass(frozen=True)
class Task:
    """Upload to read.

    Attributes:
        folder: where the upload lies and the plain files go.
        kind: `photo`, `speech`, `captions`, or `file` for one whose marks are looked for.
        upload: name of the upload in the folder.
        max_pixels: of a photo.
        max_seconds: of speech.
        face: which face, 0 the largest; None the largest.
        limit_s: after which the process is ended.
    """

    folder: Path
    kind: str
    upload: str
    max_pixels: float
    max_seconds: float
    limit_s: float
    face: int | None = None
    plain: str = ""

    @property
    def out(self) -> Path:
        names = {"photo": PHOTO, "speech": SPEECH, "captions": CAPTIONS}
        return self.folder / (self.plain or names[self.kind])


@dataclass(frozen=True)
class Found:
    """Result of the worker.

    Attributes:
        facts: of a photo `size`, `faces`, `box`, `landmarks` and `reasons`; of speech `duration_s` and `loudness`; of
            captions `cues`; of a file what `media.mark.verify` says.
        warnings: remarks for the user.
        error: class and message of what was wrong.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: tuple[str, str] | None = None


class Reader:
    """One worker process that reads uploads one after the other; a dead one is replaced.

    It may take `memory_mb` more than its libraries do.
    """

    def __init__(self, memory_mb: float) -> None:
        self._memory_mb = memory_mb
        self._waiting: queue.Queue[tuple[Task, Future[Found]] | None] = queue.Queue()
        self._futures: dict[int, Future[Found]] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)
        self._thread.start()

    def read(self, task: Task) -> "Future[Found]":
        """Read an upload, after those that wait; the future never raises."""
        future: Future[Found] = Future()
        self._waiting.put((task, future))
        return future

    def close(self) -> None:
        """End the worker."""
        self._waiting.put(None)
        self._thread.join(timeout=10)

    def _next(self) -> Task | None:
        entry = self._waiting.get()
        if entry is None:
            self._closed = True
            return None
        task, future = entry
        self._futures[id(task)] = future
        return task

    def _run(self) -> None:
        while not self._closed:
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 - no process can start here: whoever waits gets the error
                for future in self._futures.values():
                    future.set_result(Found(error=("PassingError", f"uploads cannot be read: {error}")))
                self._futures.clear()

    def _work(self) -> None:
        workers = LocalWorkers(1, megabytes=0, prepare=partial(_prepare, self._memory_mb))
        function = partial(read_upload, memory_mb=self._memory_mb)
        for task, found in workers.run(self._next, function, limit_s=lambda task: task.limit_s):
            future = self._futures.pop(id(task))
            future.set_result(_explain(found) if isinstance(found, Died) else found)


def _explain(died: Died) -> Found:
    if died.after_s:
        return Found(error=("MediaError", f"reading it took more than {died.after_s:g} s: give a smaller file"))
    return Found(error=("PassingError", "the process that read it was ended, for lack of memory or by hand: try again"))


def raise_error(found: Found) -> None:
    """Raise what the worker found wrong, if anything."""
    kinds: dict[str, type[TalkfaceError]] = {"NoFaceError": NoFaceError, "PassingError": PassingError}
    if found.error is not None:
        raise kinds.get(found.error[0], MediaError)(found.error[1])


def _prepare(memory_mb: float) -> None:
    """Load the libraries, and count the worker's memory from here."""
    _detector()
    spare_mb = 512  # that other threads of a process may map besides
    limit_memory(memory_mb + spare_mb)


def read_upload(task: Task, memory_mb: float) -> Found:
    """Decode one upload, in the worker, which may take no more than `memory_mb`."""
    for name, value in (("pixels", task.max_pixels), ("seconds", task.max_seconds)):
        os.environ[variable(name)] = str(value)
    upload = task.folder / task.upload
    try:
        readers = {"photo": _read_photo, "speech": _read_speech, "captions": _read_captions, "file": _read_marks}
        found = readers[task.kind](upload, task)
        return Found(found.facts, tuple(_named(note, upload, task.kind) for note in found.warnings))
    except TalkfaceError as error:
        return Found(error=(type(error).__name__, _named(str(error), upload, task.kind)))
    except Exception as error:  # noqa: BLE001 - a fault in a decoder is the upload's, and must not end the worker
        if is_out_of_memory(error) or isinstance(error, ImportError):  # a library that finds no room says the latter
            return Found(error=("MediaError", f"the {task.kind} takes more than {memory_mb:.0f} MB to read"))
        return Found(error=("MediaError", f"the {task.kind} cannot be read ({type(error).__name__}): convert it first"))


def _named(text: str, upload: Path, kind: str) -> str:
    """A message without this machine's paths, and without the environment variables that are not the user's."""
    short = text.replace(printable(upload), f"the {kind}").replace(upload.name, f"the {kind}")
    return short.partition(" (set TALKFACE_")[0]


def _read_photo(upload: Path, task: Task) -> Found:
    import cv2
    import numpy as np

    from talkface.inference.photos import load_shots
    from talkface.landmarks.suitability import unsuited

    shots = load_shots(upload, _detector(), task.face)
    shot = shots.shots[0]
    height, width = shot.image.shape[:2]
    if width * height > task.max_pixels:
        raise MediaError(f"the photo has {width}x{height} pixels: expected at most {task.max_pixels / 1e6:g} million")
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(shot.image[..., ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done, "a picture in memory can be encoded"
    task.out.write_bytes(encoded.tobytes())
    low, high = shot.landmarks.min(0), shot.landmarks.max(0)
    facts = {
        "size": [width, height],
        "faces": shots.faces_found,
        "box": [round(float(value)) for value in (*low, *high)],
        "landmarks": np.round(shot.landmarks, 1).tolist(),
        "reasons": unsuited(shot.image, shot.landmarks),
    }
    return Found(facts, tuple(shots.notes))


def _read_speech(upload: Path, task: Task) -> Found:
    import wave

    import numpy as np

    from talkface.media.photo import is_photo
    from talkface.media.sample_rate import to_pcm16
    from talkface.media.speech import open_speech

    if is_photo(upload):
        raise MediaError("the speech is a picture: give sound, or a video with sound")
    sound = open_speech(upload)
    rate, channels = sound.mux_format()
    with wave.open(str(task.out), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        for block in sound.mux_blocks():
            file.writeframes(to_pcm16(block).tobytes())
    bars = 120  # of the picture of a sound's loudness
    parts = np.array_split(sound.loudness, min(bars, len(sound.loudness)))
    loudness = [round(float(part.max()), 4) for part in parts]
    return Found({"duration_s": round(sound.duration_s, 3), "loudness": loudness}, sound.notes)


def _read_captions(upload: Path, task: Task) -> Found:
    from talkface.files.read import read_text
    from talkface.media.captions import as_srt, parse_captions

    longest_captions = 1_000_000  # bytes
    if upload.stat().st_size > longest_captions:
        raise MediaError(f"the captions are longer than {longest_captions / 1e6:g} MB: send a .srt or .vtt file")
    cues = parse_captions(read_text(upload, "captions", MediaError), upload)
    task.out.write_text(as_srt(cues), encoding="utf-8")
    return Found({"cues": len(cues)})


def _read_marks(upload: Path, _: Task) -> Found:
    from talkface.media.mark.verify import verify_file

    return Found(verify_file(upload).plain())


@cache
def _detector() -> Any:
    import talkface.inference.photos
    import talkface.landmarks.suitability
    import talkface.media.mark.verify
    import talkface.media.speech  # noqa: F401 - now, not when memory is limited
    from talkface.landmarks.detect import load_detector

    return load_detector("dlib")
