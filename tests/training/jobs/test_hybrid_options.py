"""Every option of the hybrid renderer trains, loads back and renders; runs of frames and mouths are what they say."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from talkface.config import RunConfig
from talkface.losses.pixel import weighted_l1
from talkface.models.hybrid import Hybrid, HybridConfig, Previous
from talkface.renderers.load import load_renderer
from talkface.training.jobs.hybrid import RendererJob, train_renderer
from talkface.training.jobs.hybrid_config import RendererConfig, RendererDataConfig, RendererLossConfig, SequenceConfig
from talkface.training.jobs.hybrid_scores import signed_batch
from talkface.training.jobs.hybrid_terms import cut_mouth
from talkface.types import Shot
from tests.drawn import drawn_clip

CLIPS = [drawn_clip("a"), drawn_clip("b")]
CPU = torch.device("cpu")


def config_of(folder: Path, steps: int = 2, loss: dict[str, Any] | None = None, **options: Any) -> RendererConfig:
    return RendererConfig(
        model=HybridConfig(**{"patch": 32, "channels": (8, 8, 8), "depth": 1, "embedding": 8, **options}),
        data=RendererDataConfig(
            held_out_every=0, shots=2, several_every=2, worst=0.5, sequence=SequenceConfig(3, double_every=1)
        ),
        loss=RendererLossConfig(**{"adversarial_from": 1, **(loss or {})}),
        run=RunConfig(
            out=str(folder), steps=steps, batch_size=4, device="cpu", eval_every=steps, save_every=steps, log_every=1
        ),
    )


OPTIONS: list[dict[str, Any]] = [
    {"embed": "mean", "no_warp": True},
    {"embed": "slots", "learned_flow": "instead", "identity_spade": True},
    {"learned_flow": "residual", "drawn_face": True, "compose": "modulated", "hide_features": True},
    {"previous_frame": True, "pick": "nearest", "max_shots": 2, "drawn_face": True},
    {"region": "face", "scale": 2.2, "previous_frame": True, "learned_flow": "instead"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_train_load_back_and_render(options, tmp_path):
    scores = train_renderer(config_of(tmp_path / "run", **options), CLIPS)
    assert np.isfinite(list(scores.values())).all()
    names = {line.split(",")[1] for line in (tmp_path / "run" / "log.csv").read_text().splitlines()[1:]}
    assert ("train/g/flow_photometric" in names) is (options.get("learned_flow", "none") != "none")
    assert ("train/g/previous_flow_teacher" in names) is options.get("previous_frame", False)
    assert ("train/d/mouth_hinge" in names) is (options.get("region") == "face")
    renderer = load_renderer("hybrid", "cpu", tmp_path / "run" / "best.safetensors")
    clip = CLIPS[0]
    identity = renderer.enroll([Shot(clip.image(t), clip.landmarks[t]) for t in (0, 4, 8)])
    frames = [frame.image for frame in renderer.render(identity, clip.landmarks[5:7])]
    again = [frame.image for frame in renderer.render(identity, clip.landmarks[5:7])]
    assert len(frames) == 2 and all(frame.shape == (256, 256, 3) for frame in frames)
    assert np.array_equal(frames, again)  # a video that does not stream remembers nothing
    assert np.array_equal(frames[0][:8], clip.image(0)[:8])


def test_the_frame_before_is_carried_through_a_streaming_identity(tmp_path):
    train_renderer(config_of(tmp_path / "run", previous_frame=True), CLIPS)
    renderer = load_renderer("hybrid", "cpu", tmp_path / "run" / "best.safetensors")
    clip = CLIPS[0]
    identity = renderer.enroll([Shot(clip.image(0), clip.landmarks[0])])
    whole = [frame.image for frame in renderer.render(identity, clip.landmarks[4:9])]
    streaming = identity.streaming()
    blocks = [
        frame.image for part in (slice(4, 6), slice(6, 9)) for frame in renderer.render(streaming, clip.landmarks[part])
    ]
    assert np.array_equal(whole, blocks)
    alone = [frame.image for frame in renderer.render(identity, clip.landmarks[6:9])]
    assert not np.array_equal(whole[2], alone[0])


def test_runs_grow_by_schedule_and_only_with_the_frame_before(tmp_path):
    config = config_of(tmp_path, previous_frame=True)
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, sequence=SequenceConfig(frames=6, double_every=10))
    )
    assert [config.frames_at(step) for step in (0, 9, 10, 20, 30, 10_000)] == [1, 1, 2, 4, 6, 6]
    assert config_of(tmp_path).frames_at(10_000) == 1


def test_the_mouth_discriminator_sees_the_mouth(tmp_path):
    """The cut out of a face patch and sketch has the drawn lips in its middle."""
    job = RendererJob(config_of(tmp_path, region="face", scale=2.2, patch=64), CLIPS)
    batch = signed_batch(job.held_out, CPU)
    mouths = cut_mouth(batch.sketch, batch.mouth)
    assert mouths.shape[-2:] == (32, 32)
    lips = (mouths[:, 1] > 0).float()
    place = torch.arange(32.0)
    for axis in (1, 2):
        middle = (lips.mean(axis) * place).sum(1) / lips.mean(axis).sum(1)
        assert ((middle - 15.5).abs() < 2).all()
    assert (lips.mean((1, 2)) > 1.5 * (batch.sketch[:, 1] > 0).float().mean((1, 2))).all()


def test_a_learned_flow_beats_none_on_drawn_faces(tmp_path):
    """Taught by pictures and by the landmarks' flow, it warps unwarped photos towards the real frame."""
    options = {"learned_flow": "instead", "patch": 48}
    job = RendererJob(config_of(tmp_path, loss={"adversarial": 0}, **options), CLIPS)
    batch = signed_batch(job.held_out, CPU)

    def error(network: Hybrid) -> float:
        with torch.no_grad():
            references = network(batch.warped, batch.patches, batch.sketch).references[:, 0]
        return float(weighted_l1(references, batch.real, batch.inner_mouth + 0.1))

    unmoved = float(weighted_l1(batch.patches[:, 0, :3], batch.real, batch.inner_mouth + 0.1))
    for step in range(25):
        job.train_step(step)
    assert error(job.renderer) < 0.8 * unmoved


def test_a_network_may_see_a_previous_frame_at_any_time():
    network = Hybrid(HybridConfig(patch=32, channels=(8, 8, 8), depth=1, embedding=8, previous_frame=True))
    warped, patches, sketch = torch.rand(1, 1, 3, 32, 32), torch.rand(1, 1, 6, 32, 32), torch.rand(1, 3, 32, 32)
    first = network(warped, patches, sketch)
    second = network(warped, patches, sketch, previous=Previous(first.image, sketch))
    assert second.previous_flow.shape == (1, 2, 32, 32) and not torch.equal(first.image, second.image)
