"""Scores of speech networks against faces whose motion is known: oracles, late, large and deaf ones."""

import csv
import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from talkface.data.prepare.preprocess import SAMPLES_PER_FRAME
from talkface.errors import DatasetError
from talkface.evaluation.report.speech_plots import plot_openings, plot_speakers
from talkface.evaluation.report.speech_video import SPEECH_VIDEO, write_comparison
from talkface.evaluation.rows import Row
from talkface.evaluation.speech_clips import SpokenClips
from talkface.evaluation.tables.speech import (
    ALL,
    speaker_scores,
    speaker_table,
    speech_measures,
    write_speaker_csv,
)
from talkface.evaluation.tables.speech_scores import Baseline, ScoredClip, score_network, velocity_error
from talkface.media.read import probe_video, read_frames
from talkface.metrics.sync import long_pauses
from talkface.metrics.table import to_json_lines, write_csv
from talkface.testing.shards import DRAWN_FACES, draw_loudness, motion_of, sound_of, write_loud_mouth_shards
from talkface.types import Waveform

FPS = Fraction(25)
SPEAKERS = {"a0": "anna", "a1": "anna", "a2": "anna", "b0": "ben", "c0": "carl"}


class Oracle:
    """Knows how the faces open; answers `late` frames late, `size` times too large."""

    def __init__(self, late: int = 0, size: float = 1.0) -> None:
        self.late, self.size = late, size
        self.examples: list[np.ndarray] = []

    def predict(
        self,
        blocks: Iterable[Waveform],
        num_frames: int,
        level: float | None = None,
        *,
        fps: Fraction,
        example: np.ndarray | None = None,
    ) -> np.ndarray:
        assert fps == FPS and example is not None and example.shape == (68, 2)
        self.examples.append(example)
        samples = np.concatenate([block.samples for block in blocks])
        levels = np.sqrt(np.square(samples.reshape(-1, SAMPLES_PER_FRAME)).mean(1))
        levels = np.concatenate([np.zeros(self.late), levels, np.zeros(num_frames)])[:num_frames]
        return self.size * motion_of(levels)


def score_by_system(clips: SpokenClips, network: Oracle, index: int = 0) -> dict[str, Row]:
    scored = list(score_network(clips, network, "oracle"))[index]
    return {row.system: row for row in scored.rows}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loud")
    write_loud_mouth_shards(folder, SPEAKERS)
    return folder


@pytest.fixture(scope="module")
def clips(shards: Path) -> SpokenClips:
    return SpokenClips(shards, "test", (), ())


@pytest.fixture(scope="module")
def scored(clips: SpokenClips) -> list[ScoredClip]:
    return list(score_network(clips, Oracle(), "oracle"))


@pytest.fixture(scope="module")
def scores(scored: list[ScoredClip]) -> list[Row]:
    return [score for clip in scored for score in clip.rows]


def test_who_knows_the_rule_makes_no_error(scored: list[ScoredClip]):
    for clip in scored:
        by_system = {score.system: score for score in clip.rows}
        oracle = by_system["oracle"]
        assert oracle["r"] == pytest.approx(1, abs=1e-4) and oracle["lag"] == 0
        assert oracle["lmd"] < 1e-4 and oracle["lmd_sum"] < 0.01 and oracle["velocity"] < 1e-3
        assert oracle["std"] == pytest.approx(1, abs=1e-3)
        assert oracle["silence_opening"] == pytest.approx(DRAWN_FACES.closed_gap, abs=1e-4)
        assert by_system[Baseline.OTHER]["r"] < 0.7 and by_system[Baseline.OTHER]["lmd"] > 0.004
        assert by_system[Baseline.STATIC]["r"] == 0 and by_system[Baseline.STATIC]["std"] == pytest.approx(0, abs=1e-9)
        assert by_system[Baseline.SMOOTHED]["r"] > 0.9


def test_the_static_face_is_as_far_as_three_points_move(scored: list[ScoredClip]):
    """Points 65, 66, 67 sink by d = GAIN * loudness; centred, 3 of 20 miss by 17/20 d and 17 by 3/20 d."""
    clip = scored[0]
    levels = draw_loudness(0, 60)
    static = next(score for score in clip.rows if score.system == Baseline.STATIC)
    moved = DRAWN_FACES.gain * levels.mean()
    assert static["lmd"] == pytest.approx((3 * 17 / 20 + 17 * 3 / 20) / 20 * moved, rel=1e-3)
    speed = DRAWN_FACES.gain * np.abs(np.diff(levels)).mean() * 25
    assert static["velocity"] == pytest.approx((3 * 17 / 20 + 17 * 3 / 20) / 20 * speed, rel=1e-3)


def test_pixel_sum_is_of_atvgnets_crop_whatever_the_shards_hold(clips: SpokenClips, tmp_path: Path):
    """Its template has the outer eye corners about 73 px apart, so 20 points' pixels are some 20 * 73 of the mean."""
    write_loud_mouth_shards(tmp_path, SPEAKERS, unit=211.0)
    large = score_by_system(SpokenClips(tmp_path, "test", (), ()), Oracle())[Baseline.STATIC]
    usual = score_by_system(clips, Oracle())[Baseline.STATIC]
    assert large["lmd_sum"] == pytest.approx(usual["lmd_sum"], rel=1e-3)
    assert large["lmd"] == pytest.approx(usual["lmd"], rel=1e-3)
    assert 65 < usual["lmd_sum"] / (20 * usual["lmd"]) < 85


def test_a_late_and_large_mouth_is_found_late_and_large(clips: SpokenClips):
    late = score_by_system(clips, Oracle(late=2, size=1.5))["oracle"]
    assert late["lag"] == 2 and late["r_best"] == pytest.approx(1, abs=1e-3) and late["r"] < 0.9
    assert late["std"] == pytest.approx(1.5, abs=0.05)


def test_networks_get_a_closed_mouth_and_other_words_of_the_same_speaker(clips: SpokenClips):
    oracle = Oracle()
    list(score_network(clips, oracle, "oracle"))
    assert all(abs(face[66, 1] - face[62, 1] - DRAWN_FACES.closed_gap) < 1e-3 for face in oracle.examples)
    assert clips.speakers == ["anna"] * 3 + ["ben", "carl"]
    np.testing.assert_allclose(clips.other_sound(0).samples, clips[1].prepared.audio)
    np.testing.assert_allclose(clips.other_sound(2).samples, clips[0].prepared.audio)
    np.testing.assert_allclose(clips.other_sound(3).samples, clips[4].prepared.audio)
    np.testing.assert_allclose(clips.other_sound(4).samples, clips[0].prepared.audio)


def test_a_single_clip_gets_its_own_sound_turned_about(tmp_path: Path):
    write_loud_mouth_shards(tmp_path, {"only": "anna"})
    single = SpokenClips(tmp_path, "test", (), ())
    own = single[0].prepared.audio
    np.testing.assert_array_equal(single.other_sound(0).samples, np.roll(own, len(own) // 2))


def test_speakers_are_chosen_by_name(shards: Path):
    assert SpokenClips(shards, None, ("ben", "carl"), ()).speakers == ["ben", "carl"]
    assert SpokenClips(shards, "test", (), ("anna",)).speakers == ["ben", "carl"]
    with pytest.raises(DatasetError, match="did you mean 'anna'"):
        SpokenClips(shards, "test", ("ana",), ())


def test_pauses_last_a_fifth_of_a_second():
    levels = np.array([0.2] * 5 + [0] * 4 + [0.2] * 5 + [0] * 6 + [0.2] * 5)
    quiet = long_pauses(Waveform(sound_of(levels)), FPS, len(levels), 0.2)
    assert quiet[15:19].all() and not quiet[:14].any() and not quiet[21:].any()


def test_velocity_error_of_a_steady_drift_is_its_speed():
    still = np.zeros((10, 68, 2))
    drifting = still.copy()
    drifting[:, 48:58, 1] = 0.01 * np.arange(10)[:, None]  # half of the mouth: 0.005 each against the centre
    assert velocity_error(drifting, still, FPS) == pytest.approx(0.005 * 25)
    assert velocity_error(still + np.arange(10)[:, None, None], still, FPS) == pytest.approx(0, abs=1e-9)


def test_a_speaker_with_many_clips_counts_once(scores: list[Row]):
    measures = {measure.name: measure for measure in speech_measures(scores, "oracle")}
    assert measures["r"].scores["oracle"].count == 3
    assert measures["lmd_ratio"].scores["oracle"].value < 0.01
    assert measures["lmd_ratio"].scores[Baseline.OTHER].value > 0.3
    anna = [score for score in scores if score.person == "anna"]
    alone = {measure.name: measure for measure in speech_measures(anna, "oracle")}["lmd"].scores[Baseline.STATIC]
    assert alone.count == 3 and alone.low < alone.value < alone.high
    assert speaker_scores(scores, Baseline.STATIC, "lmd")["anna"] == alone
    assert speaker_table(scores, "oracle").row_count == 4


def test_every_score_is_written(scores: list[Row], tmp_path: Path):
    write_csv(tmp_path / "clips.csv", [row.cells() for row in scores])
    write_speaker_csv(tmp_path / "speakers.csv", scores)
    with (tmp_path / "clips.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 4 and float(rows[0]["lmd"]) < 1e-4
    assert {row["silence_opening"] for row in rows if row["system"] == Baseline.OTHER} == {""}
    with (tmp_path / "speakers.csv").open() as file:
        people = {(row["speaker"], row["system"]): row for row in csv.DictReader(file)}
    assert len(people) == 4 * 4
    assert people[ALL, "oracle"]["clips"] == "5" and float(people["anna", Baseline.STATIC]["lmd_ratio"]) == 1
    lines = [json.loads(line) for line in to_json_lines(speech_measures(scores, "oracle")).splitlines()]
    assert {"lmd_sum", "lmd", "lmd_ratio", "r", "velocity", "pause_opening", "silence_opening"} <= {
        line["name"] for line in lines
    }


def test_plots_show_something(scored: list[ScoredClip], scores: list[Row], tmp_path: Path):
    plot_openings(tmp_path / "openings.png", scored[:2], "oracle")
    rows = [("r", {system: speaker_scores(scores, system, "r") for system in ("oracle", Baseline.OTHER)})]
    plot_speakers(tmp_path / "speakers.png", rows, "oracle")
    for name in ("openings.png", "speakers.png"):
        picture = cv2.imread(str(tmp_path / name))
        reds = (picture[..., 2].astype(int) - picture[..., 0] > 100).sum()
        assert reds > 20, f"nothing red on {name}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["openings.png", "speakers.png"]


def test_labels_of_a_single_panel_fit_the_picture(scored: list[ScoredClip], tmp_path: Path):
    plot_openings(tmp_path / "openings.png", scored[:1], "oracle")
    picture = cv2.imread(str(tmp_path / "openings.png"))
    border = np.concatenate([picture[:4].reshape(-1, 3), picture[-4:].reshape(-1, 3), picture[:, :4].reshape(-1, 3)])
    assert (border > 250).all(), "nothing is cut off"


def test_the_video_has_three_panels_and_the_sound(scored: list[ScoredClip], tmp_path: Path):
    path = tmp_path / "real_and_predicted.mp4"
    write_comparison(path, scored[0], "oracle")
    info = probe_video(path)
    assert info.size == (3 * SPEECH_VIDEO.side, SPEECH_VIDEO.side + SPEECH_VIDEO.caption) and info.has_sound
    frames = [frame for frame, _ in read_frames(path)]
    assert len(frames) == 60
    real, predicted = (
        frames[30][: SPEECH_VIDEO.side, SPEECH_VIDEO.side : 2 * SPEECH_VIDEO.side],
        frames[30][: SPEECH_VIDEO.side, 2 * SPEECH_VIDEO.side :],
    )
    assert np.abs(real.astype(int) - predicted).mean() < 1.0 < real.mean()
