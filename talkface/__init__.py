"""Photo and speech -> a video of that person speaking.

speech ── audio ──► features ── models.audio2landmark ──► motion ─┐
photo ── landmarks.detect ──► shape ── landmarks.retarget ◄───────┘
  │                                        │
  └── renderers.enroll ──► render ─────────┴──► media.write

import talkface
talkface.animate("photo.jpg", "speech.wav", "speaking.mp4")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from talkface import errors
    from talkface.checkpoints.format import list_models
    from talkface.checkpoints.identity import StoredIdentity as Identity
    from talkface.inference.animator import Animator
    from talkface.inference.batch.options import BatchOptions
    from talkface.inference.request import AnimateOptions, ReenactOptions
    from talkface.inference.verbs import animate, batch, load_animator, reenact
    from talkface.types import Waveform

__version__ = "0.1.0"
_PLACES = {  # public name -> module and its name there; a module is read when one of its names is asked for
    "AnimateOptions": ("talkface.inference.request", "AnimateOptions"),
    "Animator": ("talkface.inference.animator", "Animator"),
    "BatchOptions": ("talkface.inference.batch.options", "BatchOptions"),
    "Identity": ("talkface.checkpoints.identity", "StoredIdentity"),
    "ReenactOptions": ("talkface.inference.request", "ReenactOptions"),
    "Waveform": ("talkface.types", "Waveform"),
    "animate": ("talkface.inference.verbs", "animate"),
    "batch": ("talkface.inference.verbs", "batch"),
    "errors": ("talkface.errors", ""),
    "list_models": ("talkface.checkpoints.format", "list_models"),
    "load_animator": ("talkface.inference.verbs", "load_animator"),
    "reenact": ("talkface.inference.verbs", "reenact"),
}
__all__ = [
    "AnimateOptions",
    "Animator",
    "BatchOptions",
    "Identity",
    "ReenactOptions",
    "Waveform",
    "__version__",
    "animate",
    "batch",
    "errors",
    "list_models",
    "load_animator",
    "reenact",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'talkface' has no attribute {name!r}")
    module, inner = _PLACES[name]
    found = import_module(module)
    return getattr(found, inner) if inner else found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
