"""Options -> web application: page, REST, live streams."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from talkface import __version__
from talkface.errors import TalkfaceError
from talkface.serve.docs import DESCRIPTION
from talkface.serve.guard import Guard
from talkface.serve.identities import add_identities
from talkface.serve.live import add_live
from talkface.serve.offers import add_offers
from talkface.serve.options import user_schema
from talkface.serve.replies import Refusal, error_reply, refusal_of
from talkface.serve.server import Server, server_of
from talkface.serve.verify import add_verify
from talkface.serve.videos import add_jobs, add_videos


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
    add_videos(app)
    add_jobs(app)
    add_identities(app)
    add_verify(app)
    add_live(app, server)
    add_offers(app)
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


def _add_pages(app: FastAPI) -> None:
    file = Path(__file__).with_name("page.html")

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        """The page."""
        return HTMLResponse(file.read_text(encoding="utf-8"), headers={"Cache-Control": "no-cache"})

    @app.get("/healthz", tags=["server"])
    async def health(request: Request) -> dict[str, Any]:
        """Whether the server works, and what the page must know before it has a token."""
        options = server_of(request).options
        return {"status": "ok", "version": __version__, "token": options.token is not None}

    @app.get("/metrics", tags=["server"], response_class=PlainTextResponse)
    async def metrics(request: Request) -> str:
        """Counters in Prometheus' text format."""
        server = server_of(request)
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
        set_ = server_of(request).options
        names = ("max_upload_mb", "max_speech_s", "max_megapixels", "keep_hours")
        return {**user_schema(), "x-limits": {name: getattr(set_, name) for name in names}}
