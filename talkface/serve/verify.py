"""Video or picture of a request -> which marks of a synthetic one it bears."""

from typing import Any

from fastapi import FastAPI, Request

from talkface.serve.docs import BODIES
from talkface.serve.forms import read_form, save_file
from talkface.serve.server import server_of


def add_verify(app: FastAPI) -> None:
    """Add `/v1/verify`."""

    @app.post("/v1/verify", tags=["marks"], openapi_extra=BODIES["verify"])
    async def verify(request: Request) -> dict[str, Any]:
        """Look for C2PA signature, invisible mark and comment tag, as `talkface verify` does; nothing is kept."""
        server = server_of(request)
        async with read_form(request) as form, server.temporary_folder() as folder:
            await save_file(form, "file", folder)
            return (await server.read(server.task(folder, "file"))).facts
