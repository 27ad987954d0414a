"""Jobs of debug size on drawn clips, and comparisons of their weights, for the tests of several jobs."""

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from talkface.audio.augment import VoiceAugmentation
from talkface.config import RunConfig
from talkface.data.samplers.headmotion import HeadBatchConfig
from talkface.data.samplers.speech import BatchConfig
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.pose import move_head
from talkface.models.audio2landmark import Audio2LandmarkConfig
from talkface.models.fewshot import FewshotConfig
from talkface.models.headmotion import HeadmotionConfig
from talkface.models.hybrid import HybridConfig
from talkface.models.mouth import MouthConfig
from talkface.models.spade_config import SpadeConfig
from talkface.models.vgnet import VgnetConfig
from talkface.training.jobs.audio2landmark import train_audio2landmark
from talkface.training.jobs.audio2landmark_config import (
    Audio2LandmarkTraining,
    PhoneConfig,
    SpeechDataConfig,
    SpeechOptimConfig,
)
from talkface.training.jobs.content import ContentConfig
from talkface.training.jobs.fewshot import train_fewshot
from talkface.training.jobs.fewshot_config import (
    FewshotDataConfig,
    FewshotLossConfig,
    FewshotOptimConfig,
    FewshotTraining,
)
from talkface.training.jobs.headmotion import train_headmotion
from talkface.training.jobs.headmotion_config import HeadmotionOptimConfig, HeadmotionTraining
from talkface.training.jobs.hybrid import train_renderer
from talkface.training.jobs.hybrid_config import RendererConfig, RendererDataConfig, RendererLossConfig
from talkface.training.jobs.mouth import train_mouth
from talkface.training.jobs.mouth_config import MouthDataConfig, MouthOptimConfig, MouthTraining
from talkface.training.jobs.offsets import OffsetConfig
from talkface.training.jobs.spade import train_spade
from talkface.training.jobs.spade_config import SpadeDataConfig, SpadeLossConfig, SpadeOptimConfig, SpadeTraining
from talkface.training.jobs.vgnet import train_vgnet
from talkface.training.jobs.vgnet_config import VgnetDataConfig, VgnetLossConfig, VgnetOptimConfig, VgnetTraining
from talkface.types import HeadPose
from tests.drawn import PHOTOS, varied_clip

FEWSHOT = FewshotConfig(
    size=32,
    embedding=8,
    embedder="D8,D8,A,D8",
    generator="D8,I,D8,I,BA8,U8,A,U8",
    discriminator="D8,D8,A,D8,B8",
)
VGNET = VgnetConfig(size=32, reach=1.2, width=8, blocks=1, norm="group", dropout=0.2)
SPADE = SpadeConfig(
    size=16,
    sketch="lines",
    shots=2,
    width=4,
    depth=2,
    adaptive_layers=1,
    combined_layers=1,
    fc_layers=1,
    flow_width=4,
    flow_depth=1,
    flow_blocks=1,
)
PIXELS = ContentConfig(perceptual=("none",), pixel=20.0)
HEADMOTION = HeadmotionConfig(block=4, past=6, before=4, after=4, hidden=24, components=8, mixtures=2)


def small_fewshot(folder: Path, steps: int = 4, **loss) -> FewshotTraining:
    content = ContentConfig(perceptual=("tiny",), pixel=1.0)
    return FewshotTraining(
        model=FEWSHOT,
        data=FewshotDataConfig(held_out_every=3, shots=2),
        loss=FewshotLossConfig(content=content, **loss),
        optim=FewshotOptimConfig(rate=2e-3),
        run=small_run(folder, steps, batch_size=3),
    )


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(module.state_dict())


def changed(before: dict[str, torch.Tensor], module: torch.nn.Module) -> set[str]:
    return {name for name, tensor in module.state_dict().items() if not torch.equal(before[name], tensor)}


def compare(ours, theirs) -> None:
    """Equal, bit for bit, all the way down."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            compare(ours[key], theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs, strict=True):
            compare(*pair)
    elif isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
    else:
        assert ours == theirs


def small_run(folder: Path, steps: int, **more: float) -> RunConfig:
    """A few steps on the CPU, scored at their end."""
    usual = {"batch_size": 2, "save_every": 2, "log_every": 1}
    return RunConfig(out=str(folder), steps=steps, device="cpu", eval_every=steps, **(usual | more))  # type: ignore[arg-type]


def small_hybrid(folder: Path, steps: int) -> RendererConfig:
    return RendererConfig(
        model=HybridConfig(patch=32, channels=(8, 8, 8), depth=1, embedding=8),
        data=RendererDataConfig(held_out_every=3, shots=2, several_every=2),
        loss=RendererLossConfig(adversarial_from=steps - 2),
        run=small_run(folder, steps, batch_size=4, save_every=steps // 2, log_every=2),
    )


def small_vgnet(folder: Path, steps: int = 4, **loss) -> VgnetTraining:
    return VgnetTraining(
        model=VGNET,
        data=VgnetDataConfig(held_out_every=3, frames=4, closed=0.5, mirror=0.5, tint=0.1),
        loss=VgnetLossConfig(**loss),
        optim=VgnetOptimConfig(rate=2e-3, discriminator_rate=2e-3),
        run=small_run(folder, steps),
    )


def small_spade(folder: Path, steps: int = 4, model: SpadeConfig = SPADE, **loss) -> SpadeTraining:
    return SpadeTraining(
        model=model,
        data=SpadeDataConfig(held_out_every=4, mirror=0.5, tint=0.1),
        loss=SpadeLossConfig(**({"content": PIXELS} | loss)),
        optim=SpadeOptimConfig(rate=2e-3),
        run=small_run(folder, steps, ema=0.5),
    )


def small_mouth(folder: Path, steps: int, **data: object) -> MouthTraining:
    return MouthTraining(
        model=MouthConfig(widths=(8, 8, 8), depth=1),
        data=MouthDataConfig(held_out_every=3, donors=2, **data),  # type: ignore[arg-type]
        optim=MouthOptimConfig(rate=2e-3, warm_up=2),
        run=small_run(folder, steps, batch_size=3, log_every=2, ema=0.5),
    )


@dataclass
class Nodder:
    """A clip whose head goes down while there is sound, filmed by crops that follow it."""

    key: str
    speaker: str
    landmarks: np.ndarray
    crops: np.ndarray
    audio: np.ndarray


def nodders(count: int, frames: int = 75) -> list[Nodder]:
    rng = np.random.default_rng(1)
    clips = []
    for index in range(count):
        loud = np.repeat(rng.random(frames // 15 + 1) < 0.5, 15)[:frames].astype(float)
        loud[:10] = 0
        pitch = -0.12 * np.convolve(loud, np.hanning(11) / np.hanning(11).sum(), mode="same")
        turn = np.stack([pitch, np.zeros(frames), np.zeros(frames)], 1).astype(np.float32)
        face = move_head(np.repeat(MEAN_FACE[None], frames, 0), HeadPose(turn, np.zeros((frames, 2), np.float32)))
        crops = np.zeros((frames, 2, 3), np.float32)
        crops[:, 0, 0] = crops[:, 1, 1] = 0.5
        crops[:, :, 2] = rng.normal(0, 20, (frames, 2))  # the crop wanders; the head does not
        points = 90 * face + 300
        points = np.einsum("tij,tnj->tni", crops[:, :, :2], points) + crops[:, None, :, 2]
        sound = 0.3 * np.repeat(loud, 640) * rng.standard_normal(frames * 640)
        clips.append(Nodder(f"c{index}", f"p{index % 6}", points.astype(np.float32), crops, sound.astype(np.float32)))
    return clips


def train_all(folder: Path, shards: Path, steps: int) -> None:
    """Every training, one after the other, without dropout, whose numbers each process has of its own.

    `shards` are for the speech network, the others have drawn clips.
    """
    run = RunConfig(steps=steps, batch_size=4, device="auto", threads=1, eval_every=9, save_every=1, log_every=1)

    def placed(name: str) -> RunConfig:
        return dataclasses.replace(run, out=str(folder / name))

    six = [varied_clip(name) for name in "abcdef"]
    # eight rows: a step with two photos has four
    hybrid = dataclasses.replace(placed("hybrid"), batch_size=8)
    train_renderer(dataclasses.replace(small_hybrid(folder, 3), run=hybrid), six[:3])
    train_mouth(dataclasses.replace(small_mouth(folder / "mouth", 3), run=placed("mouth")), PHOTOS)
    train_fewshot(dataclasses.replace(small_fewshot(folder / "fewshot"), run=placed("fewshot")), six)
    # rounding that a batch norm has made larger must not grow from step to step: it hardly moves
    for name, norm, rate in (("vgnet", "group", 2e-3), ("vgnet_batch_norm", "batch", 1e-5)):
        model = dataclasses.replace(VGNET, dropout=0.0, norm=norm, norm_bias=norm == "group")
        optim = VgnetOptimConfig(rate=rate, discriminator_rate=rate)
        train_vgnet(dataclasses.replace(small_vgnet(folder), model=model, optim=optim, run=placed(name)), six)
    train_spade(dataclasses.replace(small_spade(folder / "spade"), run=placed("spade")), six)
    head = HeadmotionTraining(
        model=dataclasses.replace(HEADMOTION, dropout=0.0),
        data=SpeechDataConfig(held_out_every=3),
        batch=HeadBatchConfig(blocks=5),
        optim=HeadmotionOptimConfig(rate=5e-3, warm_up=1, past_noise=0.0),
        run=placed("headmotion"),
    )
    train_headmotion(head, nodders(6))
    speech = small_speech(folder)
    train_audio2landmark(
        dataclasses.replace(
            speech,
            model=dataclasses.replace(speech.model, dropout=0.0),
            data=dataclasses.replace(speech.data, shards=str(shards)),
            run=placed("audio2landmark"),
        )
    )


def small_speech(folder: Path) -> Audio2LandmarkTraining:
    return Audio2LandmarkTraining(
        model=Audio2LandmarkConfig(num_mels=24, channels=16, hidden=16, components=3, phones=0, dropout=0.1),
        data=SpeechDataConfig(held_out_every=3),
        batch=BatchConfig(frames=24),
        augment=VoiceAugmentation(band_mask=3, time_mask=4),
        phones=PhoneConfig(steps=0),
        offsets=OffsetConfig(steps=3),
        optim=SpeechOptimConfig(warm_up=5, rate=5e-3),
        run=RunConfig(out=str(folder), steps=10, batch_size=6, device="cpu", ema=0.9, eval_every=5, save_every=5),
    )
