"""Folder of recordings -> band power of the noises in it."""

from pathlib import Path

import torch

from talkface.audio.features import MEL, Bands
from talkface.errors import MediaError
from talkface.media.speech import read_waveform
from talkface.types import SAMPLE_RATE, FloatArray


def load_noises(folder: Path, bands: Bands) -> list[FloatArray]:
    """Band power of every sound below `folder` (MUSAN's layout or any other), each of mean power 1.

    Raises:
        MediaError: no such folder, or no sound in it that can be read.
    """
    if not folder.is_dir():
        raise MediaError(f"augment.noise_folder {folder} is not a folder: give one with recordings of noise")
    found = []
    sounds = (".wav", ".flac", ".mp3", ".ogg", ".m4a")
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in sounds):
        samples = read_waveform(path).samples[: 120 * SAMPLE_RATE]  # two minutes of one recording
        power = bands(torch.from_numpy(samples[None]))[0].numpy()
        if len(power) and power.mean() > MEL.silent_power:
            found.append(power / power.mean())
    if not found:
        raise MediaError(f"no noise in {folder}: expected {', '.join(sounds)} files that are not silent")
    return found
