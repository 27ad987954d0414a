"""Using talkface needs no package of training, reports or clusters, and animating few of its own modules."""

import subprocess
import sys
from pathlib import Path

import pytest

import talkface

CLI = Path(talkface.__file__).with_name("cli")
ABSENT = ("torchaudio", "librosa", "matplotlib", "tensorboard", "accelerate", "skimage", "pandas", "ray")
OWN_MODULES = 70  # behind `talkface animate` where no video is signed, 12 of them rooms; signing takes three more

PROGRAM = """
import sys
from importlib.abc import MetaPathFinder
from talkface.__main__ import run

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == absent or name.startswith(absent + ".") for absent in {absent!r}):
            raise ImportError(name + " may not be imported")

sys.meta_path.insert(0, Refuse())
for words in {commands!r}:
    code = run(words)
    assert code == 0, (words, code)
    print(len([name for name in sys.modules if name.startswith("talkface")]), file=sys.stderr)
    print(*sorted(name for name in sys.modules if name.startswith("talkface")), file=sys.stderr)
"""


def counts(commands: list[list[str]], absent: tuple[str, ...] = ABSENT) -> list[int]:
    """Run commands in one process that lacks some packages; how many of our modules are imported after each."""
    program = PROGRAM.format(absent=absent, commands=commands)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stderr
    return [int(line) for line in ran.stderr.splitlines() if line.isdigit()]


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first second of the demo's sentence."""
    import wave

    from talkface.media.speech import read_waveform

    samples = read_waveform(CLI / "demo_speech.flac").samples[:16_000]
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def test_animate_imports_few_modules(speech: Path, tmp_path: Path) -> None:
    words = ["animate", str(CLI / "demo_photo.jpg"), str(speech), "-o", str(tmp_path / "out.mp4"), "--quiet"]
    slow_to_import = "scipy", "torch._prims"
    assert counts([words], (*ABSENT, "c2pa", *slow_to_import))[0] <= OWN_MODULES


@pytest.mark.parametrize("kind", ["vt", "grey-eye", "reenactment", "fewshot-authors"])
def test_networks_that_need_what_animate_leaves_out_of_torch_load(kind: str) -> None:
    program = f"""
from talkface.cli.animate import import_torch
import_torch()
import torch
from talkface.checkpoints.convert.fewshot import fewshot_config
from talkface.checkpoints.fewshot import build_fewshot, fewshot_checkpoint, load_fewshot
small = dict(size=32, padded=32, embedding=8, embedder="D8,A,D8", generator="D8,I,BA8,U4", discriminator="D8,D8,JN8")
networks = build_fewshot(fewshot_config({kind!r}, **small))
loaded = load_fewshot(fewshot_checkpoint(networks, {{}}))
for ours, stored in zip(loaded.by_name().values(), networks.by_name().values(), strict=True):
    assert all(torch.equal(one, other) for one, other in zip(ours.parameters(), stored.parameters(), strict=True))
torch.export.export(torch.nn.Conv2d(3, 4, 3), (torch.rand(1, 3, 8, 8),))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr


def test_what_uses_talkface_runs_where_the_packages_of_training_are_absent(speech: Path, tmp_path: Path) -> None:
    photo, out, person = str(CLI / "demo_photo.jpg"), str(tmp_path / "out.mp4"), str(tmp_path / "ada.safetensors")
    rhythm = ["--head-model", "rhythm", "--fps", "30"]
    counts(
        [
            ["animate", photo, str(speech), "-o", out, "--quiet", "--renderer", "warp", *rhythm],
            ["embed", photo, "-o", person, "--quiet"],
            ["reenact", person, out, "-o", str(tmp_path / "again.mp4"), "--quiet", "--renderer", "warp"],
            ["batch", photo, str(speech), "--out", str(tmp_path / "all"), "--quiet", "--set", "renderer=warp"],
            ["verify", out],
            ["doctor"],
        ]
    )
