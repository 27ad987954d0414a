"""The examples in demo/ load with the real packages and call what exists."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

DEMO = Path(__file__).resolve().parents[2] / "demo"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"demo_{name}", DEMO / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_gradio_page_makes_a_video(photo: bytes, speech: bytes, tmp_path: Path, animator: object) -> None:
    gradio = pytest.importorskip("gradio")
    import cv2

    app = load("app")
    assert len((DEMO / "app.py").read_text().splitlines()) <= 60 and isinstance(app.page, gradio.Interface)
    app.animator = animator
    (tmp_path / "s.wav").write_bytes(speech)
    image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    out, remarks = app.make(image, str(tmp_path / "s.wav"), True, 1.0, 0, True, lambda *_, **__: None)
    assert Path(out).read_bytes()[4:8] == b"ftyp" and isinstance(remarks, str)
    Path(out).unlink()
    for wrong in (
        (None, "x", True),
        (image, str(tmp_path / "s.wav"), False),
        (np.zeros((9, 9, 3), np.uint8), out, True),
    ):
        with pytest.raises(gradio.Error):
            app.make(wrong[0], wrong[1], True, 1.0, 0, wrong[2], lambda *_, **__: None)


@pytest.mark.parametrize("name", ["agent_livekit", "agent_pipecat"])
def test_examples_of_agents_load(name: str) -> None:
    pytest.importorskip("livekit.agents" if name == "agent_livekit" else "pipecat.pipeline.pipeline")
    module = load(name)
    assert len((DEMO / f"{name}.py").read_text().splitlines()) <= 40
    if name == "agent_pipecat":
        assert module.transport_params(320, 240).video_out_width == 320
