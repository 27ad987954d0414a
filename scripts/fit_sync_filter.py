"""Prepared talking clips -> a filter as `talkface/data/prepare/sync.py` stores it, beside the scores of the stored one.

    python scripts/fit_sync_filter.py FOLDER

FOLDER holds shards of `talkface prepare`, whose offsets are corrected; the rest of each offset is measured with the
filter so far and taken out, round by round. Scores are of speakers held out, each fifth of them in turn. The shards'
offsets were corrected with the stored filter: a lag found within one frame of the shift favours that one, a change
found within one frame of the shift does not.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.prepare.preprocess import SAMPLES_PER_FRAME
from talkface.data.prepare.sync import FILTER, filter_rows, measure_offset, shift_samples
from talkface.types import FloatArray

FOLDS = 5
PER_SPEAKER = 8  # clips at most: one speaker's hundreds must not outweigh all others
ROUNDS = 4
RIDGE = 3.0  # penalty on the squared weights, per frame of a standardised opening
SHIFTS = (-5, -3, 3, 5)  # frames by which held-out sounds are made late


def main(folder: Path) -> None:
    """Fit on all speakers for the filter, on four fifths for the scores of the others; print."""
    clips = talking(ClipDataset(folder, speech=True))
    fitted = fit(clips)
    lines = ["[" + ", ".join(f"{weight:.0f}" for weight in row) + "]," for row in 1000 * fitted]
    alike = np.corrcoef(fitted.ravel(), FILTER.ravel())[0, 1]
    lines += ["/ 1000", f"correlation of its weights with the stored ones: {alike:.3f}"]
    speakers = sorted({clip.speaker for clip in clips})
    scores: dict[str, list[dict[str, float]]] = {"stored": [], "fitted": []}
    for fold in range(FOLDS):
        apart = set(speakers[fold::FOLDS])
        weights = fit([clip for clip in clips if clip.speaker not in apart])
        for clip in clips:
            if clip.speaker in apart:
                scores["stored"].append(score(clip, FILTER))
                scores["fitted"].append(score(clip, weights))
    lines.append(f"{len(clips)} clips of {len(speakers)} speakers, held out:")
    for name, found in scores.items():
        lines.append(f"{name}  " + "  ".join(f"{key} {np.mean([each[key] for each in found]):.3f}" for key in found[0]))
    sys.stdout.write("\n".join(lines) + "\n")


def talking(clips: Sequence[PreparedClip]) -> list[PreparedClip]:
    """The first few clips of each speaker at 25 frames/s with a face throughout and an offset that can be measured."""
    found: dict[str, list[PreparedClip]] = {}
    for clip in clips:
        few = found.setdefault(clip.speaker, [])
        if len(few) < PER_SPEAKER and clip.fps == 25 and np.isfinite(clip.landmarks).all():
            few += [clip] if filter_rows(clip.audio, clip.landmarks) is not None else []
    return [clip for few in found.values() for clip in few]


def fit(clips: Sequence[PreparedClip], rounds: int = ROUNDS) -> FloatArray:
    """`[9, 16]` weights by ridge regression of the mouth's opening, refitted to the offsets that the last one measures.

    The first round takes the clips as they were prepared. Moving all clips alike changes nothing for the fit, so the
    median offset of the clips is left as it was prepared.
    """
    lags = np.zeros(len(clips))
    for place in range(rounds):
        pairs = [filter_rows(clip.audio, clip.landmarks, lag) for clip, lag in zip(clips, lags, strict=True)]
        rows = np.concatenate([pair[0] for pair in pairs if pair is not None])
        rows = rows - rows.mean(0)
        opening = np.concatenate([pair[1] for pair in pairs if pair is not None])
        moment = rows.T @ rows + RIDGE * len(rows) * np.eye(rows.shape[1])
        weights = np.linalg.solve(moment, rows.T @ opening).reshape(FILTER.shape)
        if place < rounds - 1:
            found = [measure_offset(clip.audio, clip.landmarks, weights) for clip in clips]
            lags = np.array([0.0 if each is None else each.lag for each in found])
            lags -= np.median(lags)
    return weights


def score(clip: PreparedClip, weights: FloatArray) -> dict[str, float]:
    """Correlation at lag 0, and shares of known shifts found within one frame.

    `shift` compares the lag of the moved sound with the shift, `change` its difference from that of the sound as it is.
    """
    pair, as_is = filter_rows(clip.audio, clip.landmarks), measure_offset(clip.audio, clip.landmarks, weights)
    assert pair is not None and as_is is not None, "see `talking`"
    lags = []
    for late in SHIFTS:
        moved = shift_samples(clip.audio, -late * SAMPLES_PER_FRAME, len(clip.audio))
        found = measure_offset(moved, clip.landmarks, weights)
        lags.append(np.nan if found is None else found.lag + late)
    return {
        "correlation": float(np.corrcoef(pair[0] @ weights.ravel(), pair[1])[0, 1]),
        "shift": float(np.mean(np.abs(lags) <= 1)),
        "change": float(np.mean(np.abs(np.array(lags) - as_is.lag) <= 1)),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
