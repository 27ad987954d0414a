"""Photo and speech of a request -> job -> video: the routes that ask for it, follow it and fetch it."""

import secrets
import shutil
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.datastructures import FormData

from talkface.serve.docs import BODIES
from talkface.serve.forms import check_consent, face_of, json_of, read_form, save_file, text_of
from talkface.serve.options import read_options
from talkface.serve.replies import Refusal
from talkface.serve.server import Server, server_of
from talkface.serve.store import Job
from talkface.serve.uploads import SPEECH


def add_videos(app: FastAPI) -> None:
    """Add `/v1/photos` and `/v1/videos`."""

    @app.post("/v1/photos", tags=["videos"])
    async def check_photo(request: Request) -> JSONResponse:
        """Find the face in a photo and say how well it suits, without keeping it."""
        server = server_of(request)
        async with read_form(request) as form, server.temporary_folder() as folder:
            await save_file(form, "photo", folder)
            found = await server.read(server.task(folder, "photo", face_of(form)))
            return JSONResponse({**found.facts, "warnings": list(found.warnings)})

    @app.post("/v1/videos", status_code=202, tags=["videos"], openapi_extra=BODIES["videos"])
    async def make_video(request: Request) -> dict[str, Any]:
        """Ask for a video of a photo, or of an enrolled person, speaking; returns the job."""
        server = server_of(request)
        if server.store.counts().get("queued", 0) >= server.options.max_jobs:
            raise Refusal(429, "queue_full", f"{server.options.max_jobs} videos wait already: try again later")
        async with read_form(request) as form:
            return await _accept(server, form)


def add_jobs(app: FastAPI) -> None:
    """Add `/v1/jobs`."""

    @app.get("/v1/jobs", tags=["videos"])
    async def jobs(request: Request) -> dict[str, Any]:
        """The newest 100 jobs."""
        server = server_of(request)
        return {"jobs": [describe(server, job) for job in server.store.jobs()]}

    @app.get("/v1/jobs/{job_id}", tags=["videos"])
    async def job(request: Request, job_id: str) -> dict[str, Any]:
        """State, progress and warnings of a job."""
        server = server_of(request)
        return describe(server, _job(server, job_id))

    @app.get("/v1/jobs/{job_id}/video", tags=["videos"], response_class=FileResponse)
    async def video(request: Request, job_id: str) -> Response:
        """The finished video; parts of it by Range."""
        server = server_of(request)
        job = _job(server, job_id)
        if job.state != "done" or job.video is None:
            raise Refusal(409, "not_done", f"the video is not there: the job is {job.state}")
        path = server.studio.job_folder(job_id) / job.video
        return FileResponse(path, filename=f"talkface-{job_id[:8]}{path.suffix}")

    @app.get("/v1/jobs/{job_id}/preview", tags=["videos"])
    async def preview(request: Request, job_id: str) -> Response:
        """The latest frame as a small JPEG while the job runs; 204 where there is none."""
        server = server_of(request)
        _job(server, job_id)
        image = server.studio.preview(job_id)
        return Response(status_code=204) if image is None else Response(image, media_type="image/jpeg")

    @app.delete("/v1/jobs/{job_id}", tags=["videos"])
    async def cancel(request: Request, job_id: str) -> dict[str, Any]:
        """Cancel a job that waits or runs; delete one that has ended, with its video."""
        server = server_of(request)
        job = _job(server, job_id)
        if server.studio.cancel(job_id):
            return {"id": job_id, "state": "cancelled"}
        server.studio.delete(job.id)
        return {"id": job_id, "state": "deleted"}


async def _accept(server: Server, form: FormData) -> dict[str, Any]:
    """Check a whole request, and keep it as a job."""
    check_consent(form)
    given = json_of(text_of(form, "options", "{}"))
    options = read_options(given)
    identity = text_of(form, "identity", "") or None
    if identity is not None:
        server.check_person(identity)
    job = Job(secrets.token_urlsafe(12), options=given, identity=identity)
    folder = server.studio.job_folder(job.id)
    folder.mkdir(mode=0o700)
    try:
        facts: dict[str, Any] = {}
        kinds = ("speech",) if identity else ("photo", "speech")
        for kind in (*kinds, *(["captions"] if "captions" in form else [])):
            await save_file(form, kind, folder)
            found = await server.read(server.task(folder, kind, options.face))
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
