"""Networks as ONNX: ONNX Runtime gives what torch gives, at other lengths than the example's, too."""

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.__main__ import run
from talkface.checkpoints.export import export_onnx
from talkface.checkpoints.format import load_weights
from talkface.checkpoints.load import load_audio2landmark
from talkface.errors import CheckpointError, MediaError

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("name", ["audio2landmark", "headmotion", "mouth", "mouth-free"])
def test_outputs_are_those_of_torch(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch.jit.TracerWarning)
        assert run(["models", "export", name, str(out)]) == 0
    assert f"{name}.onnx: ONNX Runtime's outputs differ from torch's by at most" in capsys.readouterr().out
    before = out.read_bytes()
    assert run(["models", "export", name, str(out)]) == 1 and out.read_bytes() == before
    example = subprocess.run(
        [sys.executable, Path(__file__).parents[2] / "demo/onnx_example.py", out], capture_output=True, text=True
    )
    assert example.returncode == 0 and example.stdout.rstrip().endswith(" ms"), example.stderr


def test_speech_of_any_length(tmp_path: Path) -> None:
    checkpoint = load_weights("audio2landmark")
    export_onnx(checkpoint, tmp_path / "speech.onnx")
    network = load_audio2landmark(checkpoint)
    features = network.features(torch.rand(1, 4 * 37, network.mel.num_mels))
    session = onnxruntime.InferenceSession(tmp_path / "speech.onnx", providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {"features": features.numpy()})
    with torch.no_grad():
        expected = network.motion(network(features)) * network.scale
    assert given.shape == (1, 37, 68, 2)
    np.testing.assert_allclose(given, expected.numpy(), atol=1e-6)


def test_what_has_no_onnx_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="hybrid network has no ONNX form"):
        export_onnx(replace(load_weights("mouth"), kind="hybrid"), tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
    assert run(["models", "export", "mouth", str(tmp_path / "x.pt")]) == 1
    (tmp_path / "x.onnx").touch()
    with pytest.raises(MediaError):
        export_onnx(load_weights("headmotion"), tmp_path / "x.onnx")
