"""Options -> everything that requests share: jobs, networks, and the process that reads uploads."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request

from talkface.errors import MediaError
from talkface.files.read import LIMITS
from talkface.files.write import open_locked
from talkface.inference.animator import Animator
from talkface.scale.threads import usable_cores
from talkface.serve.options import ServeOptions
from talkface.serve.replies import Metrics, Refusal
from talkface.serve.store import Store
from talkface.serve.studio import Studio
from talkface.serve.uploads import Found, Reader, Task, raise_error


@dataclass
class Server:
    """Everything that requests share.

    Attributes:
        options: of the server.
        store: of jobs and people.
        studio: makes the videos.
        reader: of uploads.
        claim: file descriptor that holds the folder.
        metrics: counters.
        live: sessions now.
        leaving: what closes each WebRTC connection.
    """

    options: ServeOptions
    store: Store
    studio: Studio
    reader: Reader
    claim: int
    metrics: Metrics = field(default_factory=Metrics)
    live: int = 0
    leaving: "set[Callable[[], Coroutine[Any, Any, None]]]" = field(default_factory=set)

    def task(self, folder: Path, kind: str, face: int | None = None) -> Task:
        """Limits by which this server reads an upload."""
        limits = self.options
        return Task(
            folder,
            kind,
            f"{kind}.upload",
            max_pixels=limits.max_megapixels * 1e6,
            max_seconds=LIMITS["seconds"] if kind == "file" else limits.max_speech_s,  # files are read here and there
            limit_s=limits.decode_s,
            face=face,
        )

    async def read(self, task: Task) -> Found:
        """Content of an upload; raises our errors where it cannot be read."""
        found = await asyncio.wrap_future(self.reader.read(task))
        raise_error(found)
        return found

    def check_person(self, identity: str) -> None:
        """Raise `Refusal` where no kept person has this id."""
        if identity not in {row["id"] for row in self.store.identities()}:
            raise Refusal(404, "not_found", "there is no such person: see GET /v1/identities")

    @asynccontextmanager
    async def temporary_folder(self) -> AsyncIterator[Path]:
        """A folder for uploads that are read and not kept."""
        folder = self.studio.job_folder(f"tmp-{secrets.token_hex(8)}")
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def live_place(self) -> Iterator[None]:
        """Inside, one of the live sessions that this machine bears; raises `Refusal` where all are taken."""
        most = self.options.max_live or usable_cores()
        if self.live >= most:
            raise Refusal(503, "busy", f"{most} live sessions run already: try again later")
        self.live += 1
        try:
            yield
        finally:
            self.live -= 1

    def close(self) -> None:
        """End all work; jobs that wait or run go on with the next start."""
        self.studio.close()
        self.reader.close()
        self.store.close()
        os.close(self.claim)


def server_of(request: Request) -> Server:
    """State shared by the requests of an application."""
    server: Server = request.app.state.server
    return server


def open_server(options: ServeOptions, animator: Animator | None = None) -> Server:
    """Claim the folder, open the jobs and load the networks.

    Args:
        options: of the server.
        animator: networks that are loaded already.

    Raises:
        MediaError: another server uses the folder, or it cannot be used.
        CheckpointError, ConfigError: no such network or device.
    """
    place = options.place
    try:
        for folder in (place, place / "jobs", place / "identities"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.chmod(0o700)
        busy = MediaError(f"another server uses {place}: stop it, or give another --folder")
        claim = open_locked(place / "server.lock", busy)
    except OSError as error:
        raise MediaError(f"{place} cannot be used: {error.strerror}; give another --folder") from error
    networks = animator or Animator.from_pretrained(options.renderer, options.device)
    store = Store(place / "jobs.sqlite")
    return Server(options, store, Studio(store, place, networks, options.keep_hours), Reader(options.decode_mb), claim)
