"""A person is embedded or fine-tuned, kept by path or name, and animated: the commands as a user gives them."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scipy.io import wavfile

import talkface
from talkface.__main__ import run
from talkface.checkpoints.fewshot import build_fewshot, fewshot_checkpoint
from talkface.checkpoints.format import save_checkpoint
from talkface.checkpoints.identity import load_identity
from talkface.config import to_dict
from talkface.inference.enroll import stranger_notes
from talkface.landmarks.detect import load_detector
from talkface.media.mark.tag import verify_mark
from talkface.media.read import read_frames, read_photo
from talkface.models.fewshot import FewshotConfig
from talkface.training.jobs.content import ContentConfig
from talkface.training.jobs.fewshot_config import FewshotLossConfig, FewshotTraining
from talkface.types import Shot

pytestmark = pytest.mark.flow

SMALL = FewshotConfig(
    size=32, crop="face", embedding=8, embedder="D8,D8,D8", generator="D8,I,D8,I,BA8,U8,U8", discriminator="D8,D8,B8"
)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained few-shot network with the settings of a meta-training that needed no downloads."""
    trained = FewshotTraining(model=SMALL, loss=FewshotLossConfig(content=ContentConfig(("none",), pixel=5.0)))
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("few") / "few.safetensors"
    save_checkpoint(path, fewshot_checkpoint(build_fewshot(SMALL), {"config": to_dict(trained)}))
    return path


@pytest.fixture
def folder(tmp_path: Path, face: np.ndarray, hum, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two photos of one person and speech, in the current folder; names are kept in `people`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALKFACE_IDENTITIES", str(tmp_path / "people"))
    (tmp_path / "photos").mkdir()
    for index in range(2):
        Pillow.fromarray((face * (1 - 0.1 * index)).astype(np.uint8)).save(tmp_path / "photos" / f"{index}.png")
    wavfile.write(tmp_path / "hum.wav", 16_000, hum.samples)
    return tmp_path


def say(words: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert run(words.split()) == code
    said = capsys.readouterr()
    if code:
        assert re.fullmatch(r"error: [^\n]*\n", said.err), said.err
    return said.err if code else said.out


def test_a_person_is_kept_by_name_and_speaks(folder, few, untrained, capsys):
    said = say("enroll photos -o ada", capsys)
    assert "2 shots, shots only" in said and (folder / "people" / "ada.safetensors").is_file()
    say(f"animate ada hum.wav -o one.mp4 --renderer warp --fps 5 --speech-model {untrained}", capsys)
    say(f"animate photos hum.wav -o two.mp4 --renderer warp --fps 5 --speech-model {untrained}", capsys)
    frames = [[image for image, _ in read_frames(Path(name))] for name in ("one.mp4", "two.mp4")]
    np.testing.assert_array_equal(*frames)
    assert "exists" in say("enroll photos -o ada", capsys, 1)
    assert "is an identity file already" in say("enroll ada -o bob", capsys, 1)
    assert "no file bob.safetensors" in say("animate bob.safetensors hum.wav -o x.mp4", capsys, 1)


def test_an_embedded_person_is_painted_by_the_network_that_embedded_it(folder, few, untrained, capsys):
    assert "2 shots, embedded by network" in say(f"enroll photos -o p.safetensors -m {few}", capsys)
    made = f"hum.wav -o o.mp4 --renderer fewshot --fps 5 --speech-model {untrained}"
    say(f"animate p.safetensors {made} --renderer-model {few}", capsys)
    assert verify_mark("o.mp4")
    assert "not fine-tuned, by network" in say(f"animate p.safetensors {made} --force", capsys, 1)
    assert "renderer fewshot ships no network" in say(f"animate photos {made} --force", capsys, 1)
    said = say(f"animate photos {made} --force --renderer-model p.safetensors", capsys, 1)
    assert "p.safetensors holds a network" in said and "expected fewshot" in said


def test_a_fine_tuned_person_needs_nothing_else_and_reenacts(folder, few, untrained, capsys):
    said = say(f"enroll --finetune photos -o p.safetensors -m {few} --set steps=4 --set batch_size=2", capsys)
    assert re.search(r"descriptor distance to the shots [\d.]+ before, [\d.]+ after 4 steps", said)
    assert load_identity("p.safetensors").provenance["finetune"]["content"]["pixel"] == 5.0
    assert Pillow.open("p_preview.png").size == (64, 96)
    say(f"animate p.safetensors hum.wav -o o.mp4 --renderer fewshot --fps 5 --speech-model {untrained}", capsys)
    warped = f"animate p.safetensors hum.wav -o o.mp4 -f --renderer warp --fps 5 --speech-model {untrained}"
    assert "note: p.safetensors has a generator of its own: --renderer fewshot uses it" in say(warped, capsys)
    result = talkface.reenact("p.safetensors", "o.mp4", "r.mp4", renderer="fewshot")
    assert result.num_frames == 3 and result.size == (300, 300)


def test_mistakes_are_said_in_one_line(folder, few, capsys, face):
    assert "8 shots asked for, but only 2 usable" in say("enroll photos -o p.safetensors --shots 8", capsys, 1)
    Pillow.fromarray(np.zeros((90, 90, 3), np.uint8)).save("black.png")
    assert "no face found in black.png" in say(f"enroll --finetune black.png -o p.safetensors -m {few}", capsys, 1)
    assert "unknown setting step:" in say(f"enroll --finetune photos -o p.safetensors -m {few} --set step=3", capsys, 1)
    missing = "--set content.perceptual=[caffe_vgg19]"
    said = say(f"enroll --finetune photos -o p.safetensors -m {few} {missing}", capsys, 1)
    assert "caffe_vgg19.safetensors" in said and "VGG_ILSVRC_19_layers" in said and "[none]" in said
    assert "must end in .safetensors" in say(f"enroll --finetune photos -o p.pt -m {few}", capsys, 1)
    assert sorted(path.name for path in folder.iterdir()) == ["black.png", "hum.wav", "photos"]


def test_an_interrupted_fine_tuning_leaves_no_identity(folder, few):
    words = ["enroll", "--finetune", "photos/0.png", "-o", "p.safetensors", "-m", str(few)]
    words += ["--set", "steps=100000", "--set", "preview_every=1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "talkface", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell lets it be ignored
    )
    until = time.monotonic() + 120
    while not Path("p_preview.png").is_file() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT) and said == "error: interrupted\n"
    assert not list(folder.glob("*.safetensors*"))


@pytest.mark.data
def test_two_people_among_the_photos_are_noticed(shared_data):
    detector = load_detector()
    shots = []
    for name in ("obama_official.jpg", "obama_speaking.jpg", "biden_official.jpg"):
        image = read_photo(shared_data / "portraits" / name)
        step = max(1, max(image.shape) // 700)
        image = np.ascontiguousarray(image[::step, ::step])
        shots.append(Shot(image, detector.detect(image)[0].landmarks))
    named = stranger_notes(shots, ["a.jpg", "b.jpg", "c.jpg"])
    assert len(named) == 1 and named[0].startswith("c.jpg seems to show somebody else than ")
    notes = stranger_notes(shots)
    assert len(notes) == 1 and notes[0].startswith("shot 3 of 3 seems to show somebody else than shot")
    assert float(re.search(r"are ([\d.]+) apart", notes[0]).group(1)) > 0.6
    assert stranger_notes(shots[:2]) == [] == stranger_notes(shots[:1])
