"""Error -> HTTP status, code and one line; counts -> text that Prometheus reads."""

from collections import Counter
from collections.abc import Mapping

from starlette.responses import JSONResponse

from talkface import errors

CODES: dict[type[errors.TalkfaceError], tuple[int, str]] = {
    errors.NoFaceError: (422, "no_face"),
    errors.PassingError: (507, "try_again"),
    errors.MediaError: (422, "bad_media"),
    errors.ConfigError: (422, "bad_option"),
    errors.CheckpointError: (422, "bad_identity"),
    errors.MissingExtraError: (501, "not_installed"),
}


class Refusal(Exception):
    """A request that is not served.

    Attributes:
        status: of HTTP.
        code: one word for programs.
        message: one line for people, that says what to do.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def code_of(error: errors.TalkfaceError) -> str:
    """Code of one of our errors."""
    return refusal_of(error).code


def refusal_of(error: errors.TalkfaceError | Refusal) -> Refusal:
    """One of our errors as a refusal, which itself stays as it is."""
    if isinstance(error, Refusal):
        return error
    status, code = next((found for kind, found in CODES.items() if isinstance(error, kind)), (422, "refused"))
    return Refusal(status, code, str(error))


def error_reply(refusal: Refusal) -> JSONResponse:
    """`{"error": {"code", "message"}}`."""
    content = {"error": {"code": refusal.code, "message": refusal.message}}
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
    headers |= {"Retry-After": "10"} if refusal.status in (429, 503) else {}
    return JSONResponse(content, refusal.status, headers)


class Metrics:
    """Counters of this process."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()

    def text(self, jobs: Mapping[str, int], values: Mapping[str, tuple[str, str, float]]) -> str:
        """Prometheus' text format.

        Args:
            jobs: count by state.
            values: name -> type, help and value.
        """
        lines = [
            "# HELP talkface_requests_total Requests by method and status.",
            "# TYPE talkface_requests_total counter",
        ]
        lines += [
            f'talkface_requests_total{{method="{method}",status="{status}"}} {count}'
            for (method, status), count in sorted(self.requests.items())
        ]
        lines += ["# HELP talkface_jobs Jobs by state.", "# TYPE talkface_jobs gauge"]
        states = ("queued", "running", "done", "failed", "cancelled")
        lines += [f'talkface_jobs{{state="{state}"}} {jobs.get(state, 0)}' for state in states]
        for name, (kind, text, value) in values.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
