"""The whole measurement against systems whose scores are known: one replays the real clip, one does so late."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from talkface.errors import DatasetError, NoFaceError
from talkface.evaluation.bench import Bench
from talkface.evaluation.clips import HeldOutClip, RealClip, crop_matrix, load_real_clip, read_test_clips
from talkface.evaluation.rows import Row
from talkface.evaluation.tables.default import clip_measures, score_clips
from talkface.evaluation.tables.portraits import (
    Portrait,
    identity_measures,
    load_portraits,
    silence_measure,
    stillness_measures,
)
from talkface.landmarks.detect import load_detector
from talkface.media.read import read_frames
from talkface.media.write import VideoWriter
from talkface.types import DEFAULT_FPS, Image, Shot, Waveform

pytestmark = pytest.mark.data


class Replay:
    """Writes the real clip's frames, `late` frames late; follows with the real most open frames."""

    def __init__(self, name: str, real: RealClip, late: int = 0) -> None:
        self.name, self._real, self._late = name, real, late

    def animate(self, photo: Image, speech: Waveform, out: Path, *, natural: bool) -> None:
        frames = [image for image, _ in read_frames(self._real.video)]
        frames = [frames[0]] * self._late + frames[: len(frames) - self._late]
        write(out, frames)

    def render(self, photo: Shot, landmarks: np.ndarray) -> Iterator[Image]:
        assert len(landmarks) == len(self._real.open_images)
        yield from self._real.open_images


class Freeze:
    """Writes the photo again and again, a little brighter away from the face where `leak` says so."""

    name = "warp"

    def __init__(self, leak: int = 0) -> None:
        self._leak = leak

    def animate(self, photo: Image, speech: Waveform, out: Path, *, natural: bool) -> None:
        write(out, [self._leaked(photo)] * round(speech.duration_s * 25))

    def render(self, photo: Shot, landmarks: np.ndarray) -> Iterator[Image]:
        yield from [self._leaked(photo.image)] * len(landmarks)

    def _leaked(self, photo: Image) -> Image:
        leaked = photo.copy()
        leaked[:8] = np.clip(leaked[:8].astype(int) + self._leak, 0, 255)
        return leaked


def write(out: Path, frames: list[Image]) -> None:
    height, width = frames[0].shape[:2]
    with VideoWriter(out, (width, height), DEFAULT_FPS, force=True) as writer:
        for frame in frames:
            writer.write(frame)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(load_detector(), tmp_path_factory.mktemp("bench"), 2.0)


@pytest.fixture(scope="module")
def clip(shared_data: Path) -> HeldOutClip:
    return next(each for each in read_test_clips(shared_data) if each.key == "grid_lbax4n")


@pytest.fixture(scope="module")
def real(clip: HeldOutClip, bench: Bench) -> RealClip:
    found = load_real_clip(clip, bench)
    assert found is not None
    return found


def test_test_clips_are_of_the_test_split_only(shared_data: Path, tmp_path: Path):
    clips = read_test_clips(shared_data)
    assert {each.group for each in clips} == {"people", "grid_s1"}
    assert len({each.person for each in clips if each.group == "people"}) >= 20
    assert all(each.path.is_file() for each in clips)
    with pytest.raises(DatasetError, match=r"manifest\.csv"):
        read_test_clips(tmp_path)


def test_a_real_clip_is_cropped_around_a_closed_mouth(real: RealClip):
    assert len(real.landmarks) == 50
    assert real.speech.duration_s == pytest.approx(2.0, abs=0.05)
    photo = real.photo
    assert photo.image.shape[0] == photo.image.shape[1] <= 512
    openings = real.openings
    assert openings[real.open_frames].min() > np.median(openings)
    own = float(np.linalg.norm(photo.landmarks[62] - photo.landmarks[66]))
    assert own / np.linalg.norm(photo.landmarks[36] - photo.landmarks[45]) <= np.percentile(openings, 10) + 1e-6


def test_a_prepared_clip_is_read_again_unchanged(real: RealClip, clip: HeldOutClip, bench: Bench):
    again = load_real_clip(clip, bench)
    assert again is not None
    np.testing.assert_array_equal(again.landmarks, real.landmarks)


def test_replaying_the_real_clip_scores_full_marks(real: RealClip, clip: HeldOutClip, bench: Bench):
    systems = [Replay("hybrid", real), Freeze()]
    scores = {each.system: each for each in score_clips([clip], systems, bench, natural=False)}
    replay, frozen = scores["hybrid"], scores["warp"]
    assert replay["r"] > 0.9
    assert (replay["lag"], replay["mouth_l1"], replay["ssim"]) == (0, 0.0, pytest.approx(1.0))
    assert replay["std"] == pytest.approx(1.0, abs=0.15)
    assert replay["p95"] == pytest.approx(1.0, abs=0.1)
    assert replay["sharpness"] == pytest.approx(1.0, abs=0.1)
    assert frozen["r"] < 0.5
    assert frozen["std"] < 0.2
    assert frozen["mouth_l1"] == pytest.approx(scores["photo only"]["mouth_l1"])
    assert scores["real"]["r"] > 0.9
    assert scores["real"]["ssim"] > 0.95
    measures = {measure.name: measure for measure in clip_measures(list(scores.values()), "hybrid")}
    assert measures["people_r"].verdict() == "pass"
    assert measures["mouth_l1_ratio"].scores["hybrid"].value == 0.0
    assert measures["mouth_l1_ratio"].scores["warp"].value == 1.0
    assert measures["ssim_gain"].verdict() == "pass"


def test_a_late_video_is_found_late(real: RealClip, clip: HeldOutClip, bench: Bench):
    scores = score_clips([clip], [Replay("late", real, late=2)], bench, natural=False)
    late = next(score for score in scores if score.system == "late")
    assert late["lag"] == 2
    assert late["r_best"] > 0.9 > late["r"]


def test_people_with_many_clips_count_once():
    labels = {"system": "hybrid", "group": "people"}
    scores = [Row(labels | {"clip": f"a{i}", "person": "a"}, {"r": 0.2}) for i in range(9)]
    scores.append(Row(labels | {"clip": "b", "person": "b"}, {"r": 0.8}))
    measures = {measure.name: measure for measure in clip_measures(scores, "hybrid")}
    assert measures["people_r"].scores["hybrid"].value == pytest.approx(0.5)
    assert measures["people_r"].scores["hybrid"].count == 2


def test_theval_compares_means_over_the_people():
    values = {"hybrid": (0.9, 1.3), "real": (0.5, 1.5)}
    scores = [
        Row({"system": system, "clip": person, "person": person, "group": "people"}, {"lip_dynamics": value})
        for system, pair in values.items()
        for person, value in zip("ab", pair, strict=True)
    ]
    row = next(row for row in clip_measures(scores, "hybrid") if row.name == "people_lip_dynamics")
    assert row.scores["hybrid"].value == pytest.approx(1.1) and row.scores["real"].value == 1
    assert row.verdict() == "pass"


def test_crop_stays_inside_the_picture_where_it_fits():
    face = np.random.default_rng(0).uniform(0, 100, (5, 68, 2)) + np.array([500.0, 10.0])
    matrix, size = crop_matrix(face, 640, 480)
    corner = -matrix[:, 2] / matrix[0, 0]
    assert (corner >= 0).all()
    assert corner[0] + size / matrix[0, 0] <= 640
    assert size % 2 == 0


def test_a_frozen_portrait_keeps_identity_silence_and_background(shared_data: Path, bench: Bench):
    portraits = load_portraits([shared_data / "portraits" / "lp_s0.jpg"], bench, 400)
    assert len(portraits) == 1
    assert max(portraits[0].shot.image.shape) == 400
    noise = Waveform(np.random.default_rng(0).normal(0, 0.1, 6400).astype(np.float32))
    mean, worst = identity_measures(portraits, [Freeze()], noise, bench, "warp")
    assert worst.scores["warp"].value < 0.15
    assert mean.verdict() == worst.verdict() == "pass"
    silent = silence_measure(portraits, [Freeze()], noise, bench, "warp")
    assert silent.scores["warp"].value == pytest.approx(portraits[0].opening, abs=0.02)
    rendered, encoded = stillness_measures(portraits, [Freeze()], noise, bench, "warp")
    assert rendered.scores["warp"].value == 0.0
    assert rendered.verdict() == encoded.verdict() == "pass"
    assert abs(encoded.scores["warp"].value) < 0.05


class Refuse(Freeze):
    """Finds every photo too small."""

    def animate(self, photo: Image, speech: Waveform, out: Path, *, natural: bool) -> None:
        raise NoFaceError("the face is too small: use a larger photo")


def test_a_refused_portrait_is_left_out(shared_data: Path, bench: Bench):
    portraits = load_portraits([shared_data / "portraits" / "lp_s0.jpg"], bench, 400)
    mean, worst = identity_measures(portraits, [Refuse()], Waveform(np.zeros(6400, np.float32)), bench, "warp")
    assert mean.scores["warp"].count == worst.scores["warp"].count == 0


def test_a_change_of_the_background_is_caught(shared_data: Path, bench: Bench):
    portraits: list[Portrait] = load_portraits([shared_data / "portraits" / "lp_s0.jpg"], bench, 400)
    noise = Waveform(np.random.default_rng(0).normal(0, 0.1, 6400).astype(np.float32))
    rendered, encoded = stillness_measures(portraits, [Freeze(leak=-60)], noise, bench, "warp")
    assert rendered.verdict() == encoded.verdict() == "FAIL"
