"""Commands that users of the systems before talkface type today: README's table has each of them, and all run.

The commands run in the table's order in one folder, on drawn people, with settings behind them that shrink them; each
one's result is looked for where the next row, or the user, would look.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image as Pillow

from talkface.checkpoints.format import load_checkpoint
from talkface.data.datasets import ClipDataset
from talkface.data.interop.quintuple_write import write_quintuple
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.media.mark.tag import verify_mark
from talkface.testing.shards import LOWER_LIP, write_loud_mouth_shards
from tests.caffe_files import write_vgg
from tests.flow.steps import NO_STAGES, ONE_PROCESS, TWO_STEPS, drawn, run_all
from tests.pages import ROOT, TEXT, WEIGHTS

HEADER = "| seed command | talkface |"
pytestmark = [
    pytest.mark.flow,
    pytest.mark.skipif(not (WEIGHTS / "hybrid.safetensors").exists(), reason="needs the shipped networks"),
]
SEEDS = {
    "ATVGnet": "demo.py atnet.py vgnet.py atnet_test.py vgnet_test.py",
    "Rhythmic Head Motion": "train_g8.sh test_demo.sh test_demo_ani.py",
    "Few-shot, vincent-thevenin": "train.py embedder_inference.py finetuning_training.py webcam_inference.py",
    "Few-shot, grey-eye": "run.py",
    "Face Reenactment": "meta_train.py finetune.py clean_data.py extract_frames.py sample_frame.py extract_landmark.py "
    "convert_model.py",
}
SYNCED = ["--sync", "keep"]  # a drawn face's buzz is not speech


def table_rows() -> list[tuple[list[str], list[list[str]]]]:
    """Rows of README's table: the seeds' scripts, and the words of each `talkface` command without that word."""
    lines = TEXT.split(HEADER)[1].strip().splitlines()[1:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        seeds, ours = line.strip("|").split("|")
        commands = re.findall(r"`talkface ([^`]+)`", ours)
        rows.append(
            ([words.split()[0] for words in re.findall(r"`([^`]+)`", seeds)], [shlex.split(c) for c in commands])
        )
    return rows


@pytest.mark.parametrize("system", SEEDS)
def test_every_seed_command_has_a_counterpart(system: str):
    named = {seed for seeds, commands in table_rows() if commands for seed in seeds}
    assert set(SEEDS[system].split()) - named == set()


def debug_model(config: str) -> list[str]:
    """The networks of a debug configuration, as settings of a larger one."""
    model = yaml.safe_load((ROOT / "configs" / f"{config}.yaml").read_text())["model"]
    return [f"model.{name}={value}" for name, value in model.items() if not name.startswith("crop")]


def shrink(words: list[str]) -> list[str]:
    """Arguments that make one of the table's commands small."""
    verb, *rest = words
    if verb == "prepare":
        return [*ONE_PROCESS, *SYNCED]
    if verb == "enroll" and "--finetune" in rest:
        return ["--set", "steps=1"]
    if verb == "evaluate":
        smaller = {"audio2landmark": ["--plots", "1", "--videos", "0"], "renderer": ["--people", "1", "--targets", "1"]}
        return smaller.get(rest[0], ["--plots", "1"])
    if "--camera" in words:
        return ["--camera", "driving.mp4", "--no-window", "--seconds", "0.3"]
    if verb != "train":
        return []
    config = Path(rest[0])
    kind = config.parent.name if config.stem == "base" else config.stem.split("_")[0]
    return (
        TWO_STEPS
        + {
            "atnet": [*NO_STAGES, "atnet.channels=4", "atnet.wide=16", "atnet.hidden=8"],
            "headmotion": [*debug_model("headmotion/debug"), "batch.blocks=4", "data.held_out_every=0"],
            "vgnet": [*debug_model("renderer/vgnet_debug"), "data.frames=4", "data.workers=0", "data.held_out_every=0"],
            "spade": [
                *(*debug_model("renderer/spade_debug"), "data.workers=0", "data.held_out_every=2"),
                *("loss.content.perceptual=[none]", "loss.content.pixel=1.0"),
            ],
            "fewshot": [
                *(*debug_model("renderer/fewshot_debug"), "data.shots=2", "data.workers=0", "data.held_out_every=2"),
                *("optim.accumulate=1", "loss.content.perceptual=[none]", "loss.content.pixel=1.0"),
            ],
        }[kind]
    )


class Footage:
    """A mean face whose mouth opens, in plain pictures: what demo files are written from."""

    landmarks = np.repeat((75 * MEAN_FACE + 128)[None], 6, 0).astype(np.float32)
    audio = np.full(6 * 640, 0.1, np.float32)

    def __init__(self) -> None:
        self.landmarks[:, LOWER_LIP, 1] += np.arange(6)[:, None]

    def image(self, index: int) -> np.ndarray:
        return np.full((256, 256, 3), 90, np.uint8)


@pytest.fixture
def corpora(desk: Path, astronaut: np.ndarray) -> Path:
    """The working folder with corpora in their published layouts, prepared shards and demo files."""
    write_loud_mouth_shards(desk / "shards", {"a0": "anna", "b0": "ben"}, frames=40, unit=22.0, split="train")
    write_loud_mouth_shards(desk / "test", {"c0": "carl"}, frames=40, unit=22.0)
    for file in (desk / "test").iterdir():
        file.rename(desk / "shards" / file.name.replace("00000", "00001"))
    (desk / "demos").mkdir()
    write_quintuple(desk / "demos" / "ada", Footage())
    for person in (0, 1):
        drawn(desk / "vox2" / "dev" / "mp4" / f"id0001{person}" / "21Uxsk56VDQ" / "00001.mp4", person)
    (desk / "driving.mp4").symlink_to(desk / "vox2" / "dev" / "mp4" / "id00010" / "21Uxsk56VDQ" / "00001.mp4")
    frames = desk / "vox1" / "unzippedFaces" / "Aaron_Eckhart" / "1.6" / "5r0dWxy17C8"
    frames.mkdir(parents=True)
    for index in range(2):
        Pillow.fromarray(astronaut[:256, 94 + index : 350 + index]).save(frames / f"000{index}.jpg", quality=95)
    write_vgg("caffe_vgg19", desk / "VGG_ILSVRC_19_layers.caffemodel", old=True)
    return desk


def test_every_counterpart_runs_in_the_tables_order(corpora: Path):
    for _, commands in table_rows():
        run_all(commands, shrink)
        for words in commands:
            for out in (word.removeprefix("run.out=") for word in words if word.startswith("run.out=")):
                assert load_checkpoint(corpora / out / "best.safetensors").provenance["steps"] == 2
    assert load_checkpoint(corpora / "ada.safetensors").kind == "identity"
    assert load_checkpoint(corpora / "runs" / "tuned.safetensors").kind == "identity"
    assert load_checkpoint(corpora / "runs" / "vgg19.safetensors").kind == "caffe_vgg19"
    for video in ("demo.mp4", "ada.mp4", "live.mp4"):
        assert verify_mark(corpora / video)
    assert len(ClipDataset(corpora / "shards_vox2")) == 2 and len(ClipDataset(corpora / "shards_vox1")) == 1
    assert (corpora / "runs" / "evaluate_audio2landmark" / "speakers.csv").is_file()
    assert "vgnet, 1" in (corpora / "runs" / "evaluate_renderer" / "scores.csv").read_text()
