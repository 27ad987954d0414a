"""Photos -> people who are kept: routes that enrol, list and forget them."""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

from talkface.checkpoints.identity import save_identity
from talkface.serve.docs import BODIES
from talkface.serve.forms import check_consent, read_form, save_part, text_of
from talkface.serve.replies import Refusal
from talkface.serve.server import server_of


def add_identities(app: FastAPI) -> None:
    """Add `/v1/identities`."""

    @app.post("/v1/identities", status_code=201, tags=["people"], openapi_extra=BODIES["identities"])
    async def enroll(request: Request) -> dict[str, Any]:
        """Keep a person, whose id stands for a photo then. Faces are biometric data: delete what is not needed."""
        server = server_of(request)
        async with read_form(request) as form, server.temporary_folder() as folder:
            check_consent(form)
            name = " ".join(text_of(form, "name", "unnamed").split())[:80]
            plain: list[Path] = []
            warnings: list[str] = []
            for index, upload in enumerate(form.getlist("photo")):
                await save_part(upload, folder / "photo.upload")
                task = replace(server.task(folder, "photo"), plain=f"{index}.png")
                warnings += (await server.read(task)).warnings
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
        return {"identities": server_of(request).store.identities()}

    @app.delete("/v1/identities/{identity_id}", tags=["people"])
    async def forget(request: Request, identity_id: str) -> dict[str, Any]:
        """Delete a person for good; their videos stay until they expire."""
        server = server_of(request)
        if not server.store.forget_identity(identity_id):
            raise Refusal(404, "not_found", "there is no such person: see GET /v1/identities")
        server.studio.identity_file(identity_id).unlink(missing_ok=True)
        return {"id": identity_id, "state": "deleted"}
