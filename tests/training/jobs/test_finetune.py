"""Fine-tuning on the NASA portrait and darker copies: what learns, what it reaches, and what is said when it cannot."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import talkface.training.engine.memory as memory
from talkface.checkpoints.fewshot import build_fewshot
from talkface.checkpoints.format import Checkpoint, save_checkpoint
from talkface.checkpoints.identity import load_identity, save_identity
from talkface.config import to_dict
from talkface.errors import CheckpointError, DivergedError, TalkfaceError
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models.fewshot import FewshotConfig
from talkface.renderers.load import load_renderer
from talkface.training.jobs.content import ContentConfig
from talkface.training.jobs.fewshot import FewshotTraining
from talkface.training.jobs.finetune import FinetuneConfig, Finetuning, steps_for, training_settings
from talkface.types import Shot

SMALL = FewshotConfig(
    size=32, crop="face", embedding=8, embedder="D8,D8,D8", generator="D8,I,D8,I,BA8,U8,U8", discriminator="D8,D8,B8"
)
PIXELS = ContentConfig(perceptual=("none",), pixel=10.0)
CONFIG = FinetuneConfig(steps=12, content=PIXELS, rate=2e-3, ema=0.5)


@pytest.fixture
def shots(astronaut) -> list[Shot]:
    landmarks = (62 * MEAN_FACE + [222, 122]).astype(np.float32)
    return [
        Shot((astronaut * light).astype(np.uint8), landmarks + np.float32(i)) for i, light in enumerate((1, 0.9, 0.8))
    ]


def job(shots, config=CONFIG, seed=0) -> Finetuning:
    torch.manual_seed(seed)
    return Finetuning(build_fewshot(SMALL), "abc", shots, config, torch.device("cpu"))


def test_psi_and_w_start_where_the_paper_says_and_both_learn(shots):
    torch.manual_seed(0)
    networks = build_fewshot(SMALL)
    common = networks.discriminator.common.detach().clone()
    tuning = Finetuning(networks, "abc", shots, CONFIG, torch.device("cpu"))
    with torch.no_grad():
        started = networks.generator.adain_params(tuning.embedding[None])
    torch.testing.assert_close(tuning.adain_params.detach(), started)
    torch.testing.assert_close(tuning.discriminator.common.detach(), common + tuning.embedding)
    learnt = [id(p) for group in tuning.optimizer.param_groups for p in group["params"]]
    judged = [id(p) for group in tuning.discriminator_optimizer.param_groups for p in group["params"]]
    assert id(tuning.adain_params) in learnt and id(tuning.discriminator.common) in judged
    before = tuning.adain_params.detach().clone(), tuning.discriminator.common.detach().clone()
    projection = networks.generator.projection.weight.detach().clone()
    for step in range(3):
        tuning.step(step)
    assert (tuning.adain_params - before[0]).abs().max() > 1e-4
    assert (tuning.discriminator.common - before[1]).abs().max() > 1e-5
    torch.testing.assert_close(networks.generator.projection.weight, projection)  # psi' took its place


def test_the_generators_step_leaves_the_discriminator_alone_and_the_other_way_round(shots):
    tuning = job(shots)
    batch = [torch.arange(3)]
    judge = {name: tensor.clone() for name, tensor in tuning.discriminator.state_dict().items()}
    _, fakes = tuning._generator_step(batch, 0)
    assert all(torch.equal(judge[name], tensor) for name, tensor in tuning.discriminator.state_dict().items())
    network = {name: p.detach().clone() for name, p in tuning.learners.named_parameters()}
    tuning._discriminator_step(batch, fakes, 0)
    assert all(torch.equal(network[name], p) for name, p in tuning.learners.named_parameters())


def test_pictures_come_nearer_and_the_same_seed_gives_the_same(shots):
    def learnt(config: FinetuneConfig) -> tuple[float, float, np.ndarray]:
        tuning = job(shots, config)
        real = ((tuning.images + 1) * 127.5).movedim(1, -1).numpy()
        before = np.abs(tuning.generate() - real).mean()
        told = []
        tuning.run(told.append)
        assert [each.step for each in told] == list(range(1, 41)) and told[-1].preview is not None
        return before, np.abs(tuning.generate() - real).mean(), tuning.generate()

    gentle = replace(CONFIG, steps=40, rate=1e-3, adversarial=0.02, feature_matching=0.1)
    before, after, pictures = learnt(gentle)
    assert after < 0.6 * before
    np.testing.assert_array_equal(learnt(gentle)[2], pictures)


def test_the_identity_renders_without_the_network_it_came_from(tmp_path, shots):
    tuning = job(shots)
    tuning.run()
    save_identity(tmp_path / "p.safetensors", tuning.identity({"command": "finetune"}))
    stored = load_identity(tmp_path / "p.safetensors")
    assert {"identity_distance_before", "identity_distance_after"} <= stored.metrics.keys()
    renderer = load_renderer("fewshot", "cpu")
    generated = renderer.generate(renderer.enroll_stored(stored), shots[0].landmarks[None])[0]
    assert np.abs(generated.astype(int) - tuning.generate()[0]).mean() < 2  # kept in half precision


def test_a_term_that_is_not_finite_is_named_before_any_weight_moves(shots):
    tuning = job(shots)
    with torch.no_grad():
        tuning.adain_params[0, 0] = float("inf")
    before = {name: tensor.clone() for name, tensor in tuning.ema.network.state_dict().items()}
    with pytest.raises(DivergedError, match="g/content is nan at step 3: fine-tune with a lower rate"):
        tuning.step(2)
    assert all(torch.equal(before[name], tensor) for name, tensor in tuning.ema.network.state_dict().items())


def test_steps_follow_the_number_of_photos():
    assert [steps_for(count) for count in (1, 8, 30, 500)] == [125, 150, 230, 230]


def test_losses_and_rates_are_those_of_meta_training():
    trained = FewshotTraining()
    found = training_settings({"config": to_dict(trained)})
    assert found["rate"] == trained.optim.rate and found["content"]["version"] == "v1"
    assert found["bf16"] is False and "embedding_match" not in found and training_settings({}) == {}


def test_missing_perceptual_weights_are_named(shots):
    with pytest.raises(CheckpointError, match=r"no perceptual weights .*VGG_ILSVRC_19.*perceptual=\[none\]"):
        job(shots, FinetuneConfig())


def test_running_out_of_memory_says_what_to_change():
    said = r"lower batch_size \(now 4\) and raise accumulate \(now 1\)"
    with pytest.raises(TalkfaceError, match=said) as caught, memory.oom_hint("batch_size", 4, 1):
        torch.empty(1 << 60)
    assert "\n" not in str(caught.value)
    with pytest.raises(RuntimeError, match="size of tensor"), memory.oom_hint("batch_size", 4, 1):
        torch.zeros(2) + torch.zeros(3)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path, capsys):
    from talkface.__main__ import run

    save_checkpoint(tmp_path / "h.safetensors", Checkpoint("hybrid", {}, {"a": torch.zeros(1)}))
    (tmp_path / "a.png").touch()
    code = run(
        [
            "finetune",
            str(tmp_path / "a.png"),
            "-o",
            str(tmp_path / "p.safetensors"),
            "-w",
            str(tmp_path / "h.safetensors"),
        ]
    )
    assert code == 1 and "holds a network of kind hybrid, expected fewshot" in capsys.readouterr().err
