"""Clips + settings -> a short key under which what was learnt from them may be kept and found again."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from talkface.config import to_dict
from talkface.data.samplers.speech import SpeechClip

FREE = ("out", "steps", "quiet", "threads", "device", "log_every", "eval_every", "save_every", "patience", "ema")
"""Settings of `run:` that do not change what is measured."""


def fingerprint(clips: Sequence[SpeechClip], config: Any) -> str:
    """16 hexadecimal digits that change with any clip's sound or landmarks and with any setting of `config`."""
    settings = to_dict(config)
    settings["run"] = {name: value for name, value in settings.get("run", {}).items() if name not in FREE}
    settings.pop("data", None)  # what it chose are the clips
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for clip in clips:
        digest.update(f"{clip.key}|{clip.speaker}".encode())
        for array in (clip.audio, clip.landmarks):
            digest.update(np.ascontiguousarray(array, np.float32).data)
    return digest.hexdigest()[:16]
