"""Form fields -> the request bodies that the OpenAPI page shows."""

from typing import Any

DESCRIPTION = (
    "A photo and a speech clip become a video of that person speaking, marked as synthetic. "
    'Errors are {"error": {"code", "message"}}, the message one line that says what to do.'
)


def _body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_FILE = {"type": "string", "format": "binary"}
_CONSENT = {"type": "string", "enum": ["true"], "description": "The person in the photo agreed."}
BODIES = {
    "videos": _body(
        {
            "photo": {**_FILE, "description": "A picture with a face; left out where identity is given."},
            "speech": {**_FILE, "description": "Sound, or a video with sound."},
            "captions": {
                **_FILE,
                "description": "Captions, .srt or .vtt; the option captions_as says how they are shown.",
            },
            "identity": {"type": "string", "description": "Id from POST /v1/identities, in place of a photo."},
            "options": {"type": "string", "description": "JSON object, see GET /v1/options.", "default": "{}"},
            "consent": _CONSENT,
        },
        ["speech", "consent"],
    ),
    "offer": _body(
        {
            "sdp": {"type": "string", "description": "The offer, with all candidates in it."},
            "photo": {**_FILE, "description": "A picture with a face; left out where identity is given."},
            "identity": {"type": "string"},
            "options": {"type": "string", "default": "{}"},
            "consent": _CONSENT,
        },
        ["sdp", "consent"],
    ),
    "verify": _body({"file": {**_FILE, "description": "A video, or a picture such as a screenshot."}}, ["file"]),
    "identities": _body(
        {"photo": {"type": "array", "items": _FILE}, "name": {"type": "string"}, "consent": _CONSENT},
        ["photo", "consent"],
    ),
}
