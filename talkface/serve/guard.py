"""Every request -> passed on, or refused: token, origin, size and patience."""

import asyncio
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from talkface.serve.options import ServeOptions
from talkface.serve.replies import Metrics, Refusal, error_reply

SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, options: ServeOptions, metrics: Metrics) -> None:
        self._app, self._options, self._metrics = app, options, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE", "OPTIONS") else "other"
        begun = False

        async def counted(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._metrics.requests[method, message["status"]] += 1
                message = {**message, "headers": [*message.get("headers", []), *SAFE_HEADERS]}
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._limited(scope, receive), counted)
        except Refusal as refusal:
            if not begun:
                await error_reply(refusal)(scope, receive, counted)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_origin(Headers(scope=scope), local=self._options.is_local)
        except Refusal:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "another origin"})
            return
        await self._app(scope, receive, send)  # which asks for the token in the first message

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        check_origin(headers, local=self._options.is_local)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most:
            raise self._too_large()
        public = ("/", "/healthz", "/favicon.ico")  # served without a token: the page asks for it
        if scope["path"] not in public:
            word, _, given = headers.get("authorization", "").partition(" ")
            check_token(self._options.token, given if word.lower() == "bearer" else "")

    @property
    def _most(self) -> int:
        return int(self._options.max_upload_mb * 1e6)

    def _too_large(self) -> Refusal:
        return Refusal(413, "too_large", f"the request is larger than {self._options.max_upload_mb:g} MB: send less")

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Client's messages, up to the size limit and while they keep coming."""
        began, count, whole = time.monotonic(), 0, False

        idle_s = 20.0  # that a client may take from one piece of a request to the next

        async def limited() -> Message:
            nonlocal count, whole
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), idle_s)
            except TimeoutError:
                raise Refusal(408, "too_slow", f"nothing came for {idle_s:.0f} s: send the request again") from None
            count += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if count > self._most:
                raise self._too_large()
            slowest, grace_s = 4_000.0, 30.0  # bytes per second that a client must send in the mean
            if not whole and time.monotonic() - began > grace_s + count / slowest:
                raise Refusal(408, "too_slow", "the request comes too slowly: send it again over a better connection")
            return message

        return limited


def check_token(wanted: str | None, given: Any) -> None:
    """Compare in constant time; raises `Refusal`."""
    if wanted is None:
        return
    text = given if isinstance(given, str) else ""
    if not hmac.compare_digest(text.encode("utf-8", "replace"), wanted.encode()):
        raise Refusal(401, "wrong_token", "the token is missing or wrong: send Authorization: Bearer TOKEN")


def check_origin(headers: Mapping[str, str], *, local: bool) -> None:
    """Refuse pages of other sites, and names that lead to this machine by somebody else's address book."""
    host = headers.get("host", "")
    local_names = ("localhost", "127.0.0.1", "[::1]", "::1", "testserver")
    if local and urlsplit(f"//{host}").hostname not in (*(name.strip("[]") for name in local_names), None):
        raise Refusal(421, "wrong_host", f"this server is called localhost and not {host[:60]!r}: use that name")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Refusal(403, "other_origin", "requests from pages of other sites are refused: use the server's own page")
