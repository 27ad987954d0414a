"""README's longer blocks run in order as they stand: their files are small, settings behind a command shrink it.

Renderer and speech network are the shipped ones; corpora are drawn, the VGG is one of the real layers with made-up
numbers, and what is trained here is of debug size and paints nothing to look at.
"""

import csv
import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from talkface.checkpoints.format import load_checkpoint
from talkface.media.mark.tag import verify_mark
from talkface.media.read import probe_video
from tests.caffe_files import write_vgg
from tests.flow.steps import NO_STAGES, ONE_PROCESS, TWO_STEPS, drawn, run_all
from tests.pages import ROOT, WEIGHTS, code_blocks, commands_in

pytestmark = [
    pytest.mark.flow,
    pytest.mark.skipif(not (WEIGHTS / "hybrid.safetensors").exists(), reason="needs the shipped networks"),
]
SMALL_HYBRID = ["model.patch=32", "model.channels=[8,8,8]", "model.depth=1", "model.embedding=8"]


def block_with(words: str) -> list[list[str]]:
    """Commands of the last shell block of the README's pages that has these words, without the leading `talkface`."""
    *_, block = [inside for inside in code_blocks("sh") if words in inside]
    return [shlex.split(command)[1:] for command in commands_in(block)]


def gallery_of_two(desk: Path) -> None:
    """demo/gallery.csv with the first and the last row of the real one, whose photos and speech are the small ones."""
    with (ROOT / "demo" / "gallery.csv").open(newline="") as handle:
        reader = csv.DictReader(handle)
        rows = list(reader)
    with _made(desk / "demo" / "gallery.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, reader.fieldnames or [])
        writer.writeheader()
        writer.writerows((rows[0], rows[-1]))
    for row in (rows[0], rows[-1]):
        shutil.copy(desk / "photo.jpg", _made(desk / "demo" / row["photo"]))
        shutil.copy(desk / "speech.wav", _made(desk / "demo" / row["speech"]))


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_a_video_drives_a_person_is_kept_and_batches_are_measured(desk: Path):
    commands = block_with("talkface reenact")
    drawn(desk / "driving.mp4", 1)
    shutil.copy(desk / "driving.mp4", desk / "real.mp4")
    gallery_of_two(desk)
    (desk / "pairs.csv").write_text("fake,real,photo,speaker,system\nout.mp4,real.mp4,photo.jpg,ada,hybrid\n")
    assert [words[0] for words in commands] == ["reenact", "enroll", "batch", "batch", "evaluate", "evaluate"]
    run_all(commands, lambda words: ONE_PROCESS if words[0] == "batch" else [])

    assert verify_mark(desk / "out.mp4")
    assert probe_video(desk / "out.mp4").size == (260, 260), "no panel: evaluate would measure the driver inside it"
    assert load_checkpoint(desk / "ada.safetensors")
    for folder in ("gallery", "all"):
        outcomes = [json.loads(line) for line in (desk / "out" / folder / "results.jsonl").read_text().splitlines()]
        assert len(outcomes) == 2
        assert (desk / "out" / folder / "gallery.html").is_file()
        assert all(verify_mark(path) for path in (desk / "out" / folder).glob("*.mp4"))
        assert len(list((desk / "out" / folder).glob("*.mp4"))) == 2
    for folder in ("evaluate_video", "evaluate_set"):
        rows = list(csv.DictReader((desk / "runs" / folder / "scores.csv").read_text().splitlines()))
        assert len(rows) == 3, "made, photo only, real"
        assert (desk / "runs" / folder / "report.html").is_file()


def test_networks_are_trained_from_a_folder_and_a_table(desk: Path):
    rows = ["file,split,identity"]
    for seed, split in enumerate(("train", "train", "train", "test")):
        drawn(desk / "clips" / f"person{seed}" / "hello.mp4", seed)
        rows.append(f"person{seed}/hello.mp4,{split},person{seed}")
    (desk / "clips.csv").write_text("\n".join(rows) + "\n")
    commands = block_with("talkface prepare folder")
    assert [words[0] for words in commands] == ["prepare", "train", "train", "animate"]

    def shrink(words: list[str]) -> list[str]:
        if words[0] == "prepare":
            return [*ONE_PROCESS, "--sync", "keep"]  # a drawn face's buzz is not speech
        if words[0] == "animate":
            return []
        return [*TWO_STEPS, *(NO_STAGES if "audio2landmark" in words[1] else [*SMALL_HYBRID, "data.held_out_every=2"])]

    run_all(commands, shrink)
    manifest = (desk / "shards" / "manifest.jsonl").read_text()
    assert [f"person{seed}" in manifest for seed in range(4)] == [True, True, True, False]
    for name, kind in (("audio2landmark_base", "audio2landmark"), ("hybrid", "hybrid")):
        assert load_checkpoint(desk / "runs" / name / "best.safetensors", kind).provenance["steps"] == 2
        assert (desk / "runs" / name / "log.csv").is_file()
    assert verify_mark(desk / "mine.mp4")


def test_a_network_is_meta_trained_and_becomes_one_person(desk: Path):
    for person in ("id00012", "id00015", "id00018"):
        drawn(desk / "vox" / "dev" / "mp4" / person / "21Uxsk56VDQ" / "00001.mp4", int(person[2:]))
    write_vgg("caffe_vgg19", desk / "VGG_ILSVRC_19_layers.caffemodel", old=True)
    commands = block_with("talkface enroll --finetune")
    assert [words[0] for words in commands] == ["prepare", "models", "train", "enroll", "animate"]
    small = yaml.safe_load((ROOT / "configs" / "renderer" / "fewshot_debug.yaml").read_text())["model"]
    shrunk = [f"model.{name}={small[name]}" for name in small if not name.startswith("crop")]
    shrunk += ["data.held_out_every=2", "data.shots=2", "data.workers=0", "optim.accumulate=1"]
    settings = {
        "prepare": ONE_PROCESS,
        "train": [*shrunk, *TWO_STEPS, "loss.content.perceptual=[caffe_vgg19]"],
        "enroll": ["--set", "steps=2"],
    }
    run_all(commands, lambda words: settings.get(words[0], []))

    assert load_checkpoint(desk / "runs" / "caffe_vgg19.safetensors", "caffe_vgg19")
    assert load_checkpoint(desk / "runs" / "fewshot_voxceleb" / "best.safetensors", "fewshot").provenance["steps"] == 2
    assert load_checkpoint(desk / "runs" / "ada.safetensors")
    assert verify_mark(desk / "out.mp4")
    assert probe_video(desk / "out.mp4").has_sound
