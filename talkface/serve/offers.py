"""WebRTC offer of a request -> answer, where the extra `webrtc` is installed."""

from fastapi import FastAPI, Request
from starlette.datastructures import UploadFile

from talkface.errors import missing_package
from talkface.serve.docs import BODIES
from talkface.serve.forms import check_consent, json_of, read_form, text_of
from talkface.serve.live import Hello
from talkface.serve.replies import Refusal
from talkface.serve.server import server_of


def add_offers(app: FastAPI) -> None:
    """Add `/v1/live/offer`."""

    @app.post("/v1/live/offer", tags=["live"], openapi_extra=BODIES["offer"])
    async def offer(request: Request) -> dict[str, str]:
        """Answer a WebRTC offer: what its sound track says, the person in the photo says."""
        try:
            from talkface.serve.webrtc import RATE, take_offer
        except ModuleNotFoundError as error:
            raise Refusal(501, "not_installed", missing_package(error.name or "aiortc")) from error
        async with read_form(request) as form:
            check_consent(form)
            upload = form.get("photo")
            photo = await upload.read() if isinstance(upload, UploadFile) else b""
            options, identity = json_of(text_of(form, "options", "{}")), text_of(form, "identity", "") or None
            sdp = text_of(form, "sdp", "")
        return await take_offer(server_of(request), sdp, Hello(RATE, "jpeg", len(photo), identity, options), photo)
