"""Made footage and real footage -> one row of scores, with the curves behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from talkface.evaluation.bench import Alignment, Bench, UserNetworks
from talkface.evaluation.footage import FPS, Footage, common_length, compared_crops, sound_of
from talkface.evaluation.lip_sync import lip_sync_scores
from talkface.evaluation.rows import Row
from talkface.geometry.affine import transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.describe import describe
from talkface.metrics.blinks import find_blinks
from talkface.metrics.cpbd import cpbd
from talkface.metrics.face_id import cosine, descriptor_distance
from talkface.metrics.flicker import Flicker, Seam, jitter
from talkface.metrics.head import beat_alignment, head_diversity, motion_beats, speech_onsets
from talkface.metrics.image import FACE_CROP, mean_squared_error, psnr_of, ssim
from talkface.metrics.lag import best_lag, pearson
from talkface.metrics.landmark import f_lmd, lip_distance_series, lmd, lmd_normalised, lvd, opening_series, std_ratio
from talkface.metrics.sharpness import drift, sharpness
from talkface.metrics.stats import finite_mean
from talkface.metrics.sync import opening_energy_lag
from talkface.metrics.syncnet import SyncNet
from talkface.types import FloatArray, Image, Shot, Waveform


@dataclass(frozen=True)
class CompareSettings:
    """Frames between looks of the slow measures."""

    max_lag: int = 5  # frames to either side
    sampled_every: int = 5  # frames between two looks of the slow measures: CPBD, seam, LPIPS, FID
    described_every: int = 10  # frames between two identity descriptors


COMPARE = CompareSettings()


@dataclass(frozen=True)
class PairRow(Row):
    """Scores of one video, with `scores` by the names of `measures.MEASURES`.

    Attributes:
        curves: `opening` and `sharpness`, `[T]` each, NaN where no face was found.
        alignment: `frame` or `face`, see `footage.compared_crops`.
    """

    curves: Mapping[str, FloatArray] = field(repr=False)
    alignment: Alignment


def compare(made: Footage, real: Footage, photo: Shot, bench: Bench) -> PairRow:
    """Every measure of a made video against the real one, over the frames that both cover; `photo` is the person."""
    length = common_length(made, real)
    to_made, to_real, taken = compared_crops(made, real, bench.alignment)
    landmarks = made.landmarks[:length]
    ours, theirs = transform(to_made, landmarks), transform(to_real, real.landmarks[:length])
    scores = _lip_scores(ours, theirs)
    speech = sound_of([made, real])
    pixels = _PixelScores(made.name, photo, bench.networks)
    pairs = zip(made.frames(), real.frames(), landmarks, strict=False)
    for image, target, points in bench.track(pairs, length, f"measuring {made.name}"):
        crops = cut_patch(image, to_made, FACE_CROP.compared_size), cut_patch(target, to_real, FACE_CROP.compared_size)
        pixels.add(Shot(image, points), *crops)
    scores |= pixels.scores() | _motion_scores(landmarks)
    if speech is not None:
        scores |= _voice_scores(made, length, speech, bench.networks.syncnet)
    curves = {"opening": opening_series(landmarks), "sharpness": np.array(pixels.sharpness)}
    return PairRow({"system": made.name}, scores, curves, taken)


def _lip_scores(ours: FloatArray, theirs: FloatArray) -> dict[str, float]:
    openings, real_openings = opening_series(ours), opening_series(theirs)
    shift = best_lag(openings, real_openings, COMPARE.max_lag)
    return {
        "opening_r": pearson(openings, real_openings),
        "opening_r_best": shift.r,
        "opening_lag": float(shift.lag),
        "opening_std": std_ratio(openings, real_openings),
        "lip_distance_r": pearson(lip_distance_series(ours), lip_distance_series(theirs)),
        "lmd_norm": lmd_normalised(ours, theirs),
        "lmd_mean": lmd(ours, theirs),
        "lmd_sum": lmd(ours, theirs, "sum"),
        "f_lmd": f_lmd(ours, theirs),
        "lvd": lvd(ours, theirs),
    }


def _motion_scores(landmarks: FloatArray) -> dict[str, float]:
    blinks = find_blinks(landmarks, FPS)
    return {
        "faceless": float(1 - np.isfinite(landmarks[:, 0, 0]).mean()),
        "blink_rate": blinks.rate,
        "blink_duration": blinks.duration_s,
        "head_diversity": head_diversity(landmarks),
        "jitter": jitter(landmarks),
    }


def _voice_scores(made: Footage, length: int, speech: Waveform, syncnet: SyncNet | None) -> dict[str, float]:
    landmarks = made.landmarks[:length]
    found = opening_energy_lag(opening_series(landmarks), speech, FPS)
    beats, onsets = motion_beats(landmarks, FPS), speech_onsets(speech, FPS, length)
    scores = {"energy_r": found.r, "energy_lag": float(found.lag), "beat_alignment": beat_alignment(beats, onsets, FPS)}
    return scores if syncnet is None else scores | lip_sync_scores(syncnet, made, length, speech)


class _PixelScores:
    """Frame pairs one by one -> scores of their pixels; holds numbers, no frames but the last three."""

    def __init__(self, system: str, photo: Shot, networks: UserNetworks) -> None:
        self._system, self._networks, self._photo = system, networks, photo
        self._dlib = describe(photo.image, photo.landmarks)
        self._arcface = networks.arcface.embed(photo.image, photo.landmarks) if networks.arcface else None
        self._flicker, self._seam = Flicker(), Seam(photo)
        self._found: dict[str, list[float]] = {}
        self.sharpness: list[float] = []

    def add(self, shot: Shot, crop: Image, real_crop: Image) -> None:
        """Take the next whole made frame with its landmarks (NaN without a face), and the crops to compare."""
        sampled = len(self.sharpness) % COMPARE.sampled_every == 0
        self._note("ssim", ssim(crop, real_crop))
        self._note("error", mean_squared_error(crop, real_crop))
        self._flicker.add(crop)
        if sampled:
            self._note("cpbd", cpbd(crop))
            if self._networks.lpips is not None:
                self._networks.lpips.add(crop, real_crop)
            if self._networks.fid is not None:
                self._networks.fid.add(self._system, crop, real_crop)
        if not np.isfinite(shot.landmarks).all():
            self.sharpness.append(float("nan"))
            return
        face, mouth = sharpness(shot.image, shot.landmarks)
        self.sharpness.append(face)
        self._note("mouth_sharpness", mouth)
        if sampled:
            self._seam.add(shot)
        if (len(self.sharpness) - 1) % COMPARE.described_every == 0 or "identity_distance" not in self._found:
            self._describe(shot)

    def _describe(self, shot: Shot) -> None:
        if shot.image is self._photo.image and "identity_distance" in self._found:
            return  # the same photo again
        descriptor = describe(shot.image, shot.landmarks)
        self._note("identity_distance", descriptor_distance(self._dlib, descriptor))
        self._note("csim_dlib", cosine(self._dlib, descriptor))
        if self._networks.arcface is not None and self._arcface is not None:
            embedding = self._networks.arcface.embed(shot.image, shot.landmarks)
            self._note("csim_arcface", cosine(self._arcface, embedding))

    def scores(self) -> dict[str, float]:
        """Means over the frames; PSNR of the mean squared error, so that equal frames do not make it infinite."""
        means = {name: finite_mean(values) for name, values in self._found.items()}
        error = means.pop("error")
        return {
            **means,
            "psnr": psnr_of(error),
            "sharpness": finite_mean(self.sharpness),
            "drift": drift(np.array(self.sharpness)),
            "seam": self._seam.height,
            "flicker": self._flicker.pixels,
            "brightness_flicker": self._flicker.brightness,
        } | ({"lpips": self._networks.lpips.result()} if self._networks.lpips is not None else {})

    def _note(self, name: str, value: float) -> None:
        self._found.setdefault(name, []).append(value)
