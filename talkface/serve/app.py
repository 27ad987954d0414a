"""Options -> web application: page, REST, live streams."""

import asyncio
import contextlib
import json
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from talkface import __version__
from talkface.checkpoints.identity import save_identity
from talkface.errors import TalkfaceError, missing_package
from talkface.serve.docs import DESCRIPTION, ENROLL_BODY, OFFER_BODY, VIDEO_BODY
from talkface.serve.guard import Guard
from talkface.serve.live import Hello, add_live
from talkface.serve.options import read_options, user_schema
from talkface.serve.replies import Refusal, error_reply, refusal_of
from talkface.serve.server import Server
from talkface.serve.store import Job
from talkface.serve.uploads import SPEECH, Found, Task, raise_error

PAGE = Path(__file__).with_name("page.html")
LONGEST_FIELD = 65_536  # bytes of a form's field that is not a file
MOST_FILES = 8


def create_app(server: Server) -> FastAPI:
    """The application; it closes the server when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        server.studio.start()
        try:
            yield
        finally:
            for leave in list(server.leaving):
                await leave()
            await asyncio.to_thread(server.close)

    app = FastAPI(title="talkface", version=__version__, description=DESCRIPTION, lifespan=lifespan, redoc_url=None)
    app.state.server = server
    app.add_middleware(Guard, options=server.options, metrics=server.metrics)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(TalkfaceError, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(Exception, _fault)
    _add_pages(app)
    _add_videos(app)
    _add_jobs(app)
    _add_identities(app)
    add_live(app, server)
    _add_offers(app)
    return app


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, (Refusal, TalkfaceError))
    return error_reply(refusal_of(error))


async def _not_found(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: ("not_found", "there is nothing here: see /docs"), 405: ("wrong_method", "see /docs for the method")}
    code, message = words.get(error.status_code, ("bad_request", f"the request is malformed: {error.detail}"))
    return error_reply(Refusal(error.status_code, code, " ".join(message.split())))


async def _fault(_: Request, error: Exception) -> Response:
    return error_reply(Refusal(500, "fault", f"fault in talkface: {type(error).__name__}"))


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        """The page."""
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers={"Cache-Control": "no-cache"})

    @app.get("/healthz", tags=["server"])
    async def health(request: Request) -> dict[str, Any]:
        """Whether the server works, and what the page must know before it has a token."""
        options = _server(request).options
        return {"status": "ok", "version": __version__, "token": options.token is not None}

    @app.get("/metrics", tags=["server"], response_class=PlainTextResponse)
    async def metrics(request: Request) -> str:
        """Counters in Prometheus' text format."""
        server = _server(request)
        counts = server.studio.counts
        values = {
            "talkface_frames_total": ("counter", "Frames rendered for videos.", float(counts.frames)),
            "talkface_live_sessions": ("gauge", "Live sessions now.", float(server.live)),
            "talkface_render_seconds_total": ("counter", "Seconds spent on finished videos.", counts.seconds),
        }
        return server.metrics.text(server.store.counts(), values)

    @app.get("/v1/options", tags=["videos"])
    async def options(request: Request) -> dict[str, Any]:
        """JSON schema of the options of a video, and this server's limits."""
        set_ = _server(request).options
        names = ("max_upload_mb", "max_speech_s", "max_megapixels", "keep_hours")
        return {**user_schema(), "x-limits": {name: getattr(set_, name) for name in names}}


def _add_videos(app: FastAPI) -> None:
    @app.post("/v1/photos", tags=["videos"])
    async def check_photo(request: Request) -> JSONResponse:
        """Find the face in a photo and say how well it suits, without keeping it."""
        server = _server(request)
        async with _form(request) as form, server.temporary_folder() as folder:
            await _save(form, "photo", folder)
            found = await _read(server, server.task(folder, "photo", _face(form)))
            return JSONResponse({**found.facts, "warnings": list(found.warnings)})

    @app.post("/v1/videos", status_code=202, tags=["videos"], openapi_extra=VIDEO_BODY)
    async def make_video(request: Request) -> dict[str, Any]:
        """Ask for a video of a photo, or of an enrolled person, speaking; returns the job."""
        server = _server(request)
        if server.store.counts().get("queued", 0) >= server.options.max_jobs:
            raise Refusal(429, "queue_full", f"{server.options.max_jobs} videos wait already: try again later")
        async with _form(request) as form:
            return await _accept(server, form)


def _add_jobs(app: FastAPI) -> None:
    @app.get("/v1/jobs", tags=["videos"])
    async def jobs(request: Request) -> dict[str, Any]:
        """The newest 100 jobs."""
        server = _server(request)
        return {"jobs": [describe(server, job) for job in server.store.jobs()]}

    @app.get("/v1/jobs/{job_id}", tags=["videos"])
    async def job(request: Request, job_id: str) -> dict[str, Any]:
        """State, progress and warnings of a job."""
        server = _server(request)
        return describe(server, _job(server, job_id))

    @app.get("/v1/jobs/{job_id}/video", tags=["videos"], response_class=FileResponse)
    async def video(request: Request, job_id: str) -> Response:
        """The finished video; parts of it by Range."""
        server = _server(request)
        job = _job(server, job_id)
        if job.state != "done" or job.video is None:
            raise Refusal(409, "not_done", f"the video is not there: the job is {job.state}")
        path = server.studio.job_folder(job_id) / job.video
        return FileResponse(path, filename=f"talkface-{job_id[:8]}{path.suffix}")

    @app.get("/v1/jobs/{job_id}/preview", tags=["videos"])
    async def preview(request: Request, job_id: str) -> Response:
        """The latest frame as a small JPEG while the job runs; 204 where there is none."""
        server = _server(request)
        _job(server, job_id)
        image = server.studio.preview(job_id)
        return Response(status_code=204) if image is None else Response(image, media_type="image/jpeg")

    @app.delete("/v1/jobs/{job_id}", tags=["videos"])
    async def cancel(request: Request, job_id: str) -> dict[str, Any]:
        """Cancel a job that waits or runs; delete one that has ended, with its video."""
        server = _server(request)
        job = _job(server, job_id)
        if server.studio.cancel(job_id):
            return {"id": job_id, "state": "cancelled"}
        server.studio.delete(job.id)
        return {"id": job_id, "state": "deleted"}


def _add_identities(app: FastAPI) -> None:
    @app.post("/v1/identities", status_code=201, tags=["people"], openapi_extra=ENROLL_BODY)
    async def enroll(request: Request) -> dict[str, Any]:
        """Keep a person, whose id stands for a photo then. Faces are biometric data: delete what is not needed."""
        server = _server(request)
        async with _form(request) as form, server.temporary_folder() as folder:
            _check_consent(form)
            name = " ".join(_text(form, "name", "unnamed").split())[:80]
            plain: list[Path] = []
            warnings: list[str] = []
            for index, upload in enumerate(form.getlist("photo")):
                await _save_part(upload, folder / "photo.upload")
                task = replace(server.task(folder, "photo"), plain=f"{index}.png")
                warnings += (await _read(server, task)).warnings
                plain.append(task.out)
            if not plain:
                raise Refusal(422, "no_photo", "the request has no file called photo: send one or more")
            identity = await asyncio.to_thread(server.studio.animator.enroll, plain)
            key = secrets.token_urlsafe(12)
            await asyncio.to_thread(save_identity, server.studio.identity_file(key), identity)
            server.store.add_identity(key, name, warnings)
            return {"id": key, "name": name, "warnings": warnings}

    @app.get("/v1/identities", tags=["people"])
    async def identities(request: Request) -> dict[str, Any]:
        """All kept people."""
        return {"identities": _server(request).store.identities()}

    @app.delete("/v1/identities/{identity_id}", tags=["people"])
    async def forget(request: Request, identity_id: str) -> dict[str, Any]:
        """Delete a person for good; their videos stay until they expire."""
        server = _server(request)
        if not server.store.forget_identity(identity_id):
            raise Refusal(404, "not_found", "there is no such person: see GET /v1/identities")
        server.studio.identity_file(identity_id).unlink(missing_ok=True)
        return {"id": identity_id, "state": "deleted"}


def _add_offers(app: FastAPI) -> None:
    @app.post("/v1/live/offer", tags=["live"], openapi_extra=OFFER_BODY)
    async def offer(request: Request) -> dict[str, str]:
        """Answer a WebRTC offer: what its sound track says, the person in the photo says."""
        server = _server(request)
        try:
            from talkface.serve.webrtc import RATE, take_offer
        except ModuleNotFoundError as error:
            raise Refusal(501, "not_installed", missing_package(error.name or "aiortc")) from error
        async with _form(request) as form:
            _check_consent(form)
            upload = form.get("photo")
            photo = await upload.read() if isinstance(upload, UploadFile) else b""
            options, identity = _json(_text(form, "options", "{}")), _text(form, "identity", "") or None
            sdp = _text(form, "sdp", "")
        return await take_offer(server, sdp, Hello(RATE, "jpeg", len(photo), identity, options), photo)


async def _accept(server: Server, form: FormData) -> dict[str, Any]:
    """Check a whole request, and keep it as a job."""
    _check_consent(form)
    given = _json(_text(form, "options", "{}"))
    options = read_options(given)
    identity = _text(form, "identity", "") or None
    if identity is not None:
        server.check_person(identity)
    job = Job(secrets.token_urlsafe(12), options=given, identity=identity)
    folder = server.studio.job_folder(job.id)
    folder.mkdir(mode=0o700)
    try:
        facts: dict[str, Any] = {}
        for kind in ("speech",) if identity else ("photo", "speech"):
            await _save(form, kind, folder)
            found = await _read(server, server.task(folder, kind, options.face))
            (folder / f"{kind}.upload").unlink()
            job.warnings += found.warnings
            facts |= found.facts
        job.total = round(facts["duration_s"] * options.fps)
        assert (folder / SPEECH).is_file()
        server.store.add(job)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    server.studio.wake()
    return {
        **describe(server, job),
        "photo": {name: facts[name] for name in ("box", "reasons", "faces") if name in facts},
    }


def describe(server: Server, job: Job) -> dict[str, Any]:
    """A job as clients see it."""
    shown: dict[str, Any] = {
        "id": job.id,
        "state": job.state,
        "created": job.created,
        "progress": {"frames": job.frames, "total": job.total},
        "warnings": job.warnings,
        "options": job.options,
    }
    if job.state == "queued":
        shown["before"] = server.store.position(job.id)
    if job.error is not None:
        shown["error"] = {"code": job.code, "message": job.error}
    if job.state == "done":
        shown["video"] = f"/v1/jobs/{job.id}/video"
        shown["expires"] = (job.finished or time.time()) + server.options.keep_hours * 3600
    return shown


def _job(server: Server, job_id: str) -> Job:
    job = server.store.job(job_id)
    if job is None:
        raise Refusal(404, "not_found", "there is no such job, or it has expired")
    return job


@contextlib.asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    """The parts of a multipart request."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refusal(415, "not_multipart", "the request is not multipart/form-data: see /docs")
    try:
        async with request.form(max_files=MOST_FILES, max_fields=16, max_part_size=LONGEST_FIELD) as form:
            yield form
    except (UnicodeError, ValueError, KeyError, AssertionError) as error:
        raise Refusal(400, "bad_request", "the request is malformed: send multipart/form-data") from error


async def _save(form: FormData, kind: str, folder: Path) -> None:
    parts = form.getlist(kind)
    if len(parts) != 1 or not isinstance(parts[0], UploadFile):
        raise Refusal(422, f"no_{kind}", f"the request needs one file called {kind}")
    await _save_part(parts[0], folder / f"{kind}.upload")


async def _save_part(part: UploadFile | str, path: Path) -> None:
    if not isinstance(part, UploadFile):
        raise Refusal(422, "not_a_file", f"{path.stem} is text: send it as a file")
    if shutil.disk_usage(path.parent).free < (part.size or 0) * 4 + (16 << 20):
        raise Refusal(507, "try_again", "no space left on the server's disk: try later")

    def copy() -> None:
        with path.open("wb") as file:
            shutil.copyfileobj(part.file, file, 1 << 20)

    try:
        await asyncio.to_thread(copy)
    except OSError as error:
        raise Refusal(507, "try_again", "no space left on the server's disk: try later") from error


async def _read(server: Server, task: Task) -> Found:
    found = await asyncio.wrap_future(server.reader.read(task))
    raise_error(found)
    return found


def _text(form: FormData, name: str, default: str) -> str:
    value = form.get(name, default)
    if not isinstance(value, str) or "\0" in value:
        raise Refusal(422, "bad_option", f"{name} is a file: send it as text")
    return value


def _face(form: FormData) -> int | None:
    text = _text(form, "face", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 4):
        raise Refusal(422, "bad_option", f"invalid face {text[:20]!r}: count the photo's faces from 0, the largest")
    return int(text) if text else None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(
            422, "bad_option", 'the options are not JSON: expected an object such as {"still": true}'
        ) from None


def _check_consent(form: FormData) -> None:
    if _text(form, "consent", "").lower() not in ("true", "yes", "1", "on"):
        raise Refusal(422, "no_consent", "animate only people who agreed: say so with consent=true")
