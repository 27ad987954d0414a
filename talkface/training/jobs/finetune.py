"""Few-shot network + a few shots of one person -> an identity with a generator of that person's own.

FSTH's fine-tuning (Zakharov et al. 2019, section 3.3): the adaptive layers' parameters psi' start at P times the mean
embedding, w' at w0 plus that embedding; both become parameters of their own before the optimisers are built, then
generator and discriminator go on learning on these shots alone, without the match term.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from talkface.checkpoints.fewshot import FewshotNetworks
from talkface.checkpoints.identity import FewshotPart, StoredIdentity
from talkface.config import to_dict
from talkface.data.samplers.shot_pictures import picture_map, shot_pictures, unsigned
from talkface.errors import ConfigError
from talkface.geometry.affine import transform
from talkface.landmarks.describe import describe
from talkface.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from talkface.models.perceptual import KINDS
from talkface.training.engine.loop import Ema, step_generator
from talkface.training.engine.memory import oom_hint
from talkface.training.engine.step import check_finite, seeded, step_on
from talkface.training.jobs.content import ContentConfig, ContentLoss
from talkface.types import FloatArray, Image, Shot


@dataclass(frozen=True)
class FinetuneLimits:
    """Steps and shots of fine-tuning to one person, and what to do where it diverges."""

    fewest_steps: int = 125  # for one photo, and for
    most_steps: int = 230
    many_shots: int = 30  # photos or more (authors' later code)
    scored_shots: int = 8
    shown_shots: int = 4
    advice: str = "fine-tune with a lower rate"


FINETUNE = FinetuneLimits()


@dataclass(frozen=True)
class FinetuneConfig:
    """Settings of fine-tuning; `from_training` takes those that are not set from the network's own meta-training."""

    steps: int = 0  # 0: by the number of photos, 125 for one to 230 for thirty
    batch_size: int = 4  # shots per step, all of them where there are fewer
    accumulate: int = 1  # batches per step: less memory for the same gradient
    rate: float = 5e-5  # of generator and psi'
    discriminator_rate: float = 2e-4  # of V, w', b
    beta1: float = 0.0
    content: ContentConfig = field(default_factory=ContentConfig)
    adversarial: float = 1.0
    feature_matching: float = 10.0
    feature_matching_over: str = "sum"  # layers: sum | mean
    bf16: bool = False  # autocast; faster on GPUs and on CPUs that multiply bfloat16 in hardware
    ema: float = 0.972  # decay of the averaged generator that is kept
    preview_every: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("batch_size", 1), ("accumulate", 1), ("preview_every", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"invalid {name} {getattr(self, name)}: expected {least} or more")


@dataclass(frozen=True)
class FinetuneProgress:
    """Progress reported after every step.

    Attributes:
        step: steps done.
        steps: in all.
        terms: loss terms by name.
        preview: rows of shot, sketch-driven picture before and now, every so many steps.
    """

    step: int
    steps: int
    terms: dict[str, float]
    preview: Image | None


def steps_for(num_shots: int) -> int:
    """Steps that a number of shots is worth: 125 for one, 230 for thirty or more, evenly between."""
    share = min(max(num_shots - 1, 0) / (FINETUNE.many_shots - 1), 1.0)
    return round(FINETUNE.fewest_steps + share * (FINETUNE.most_steps - FINETUNE.fewest_steps))


def training_settings(provenance: dict[str, Any]) -> dict[str, Any]:
    """Settings of `FinetuneConfig` that a few-shot checkpoint was meta-trained with: losses and rates go together.

    Paths of perceptual networks are left out: which files are opened is for the user to say, not for a checkpoint.
    """
    trained = _mapping(provenance, "config")
    loss, optim = dict(_mapping(trained, "loss")), _mapping(trained, "optim")
    content = _mapping(loss, "content")
    if content:
        loss["content"] = {name: value for name, value in content.items() if name not in KINDS}
    names = ("content", "adversarial", "feature_matching", "feature_matching_over")
    found = {name: loss[name] for name in names if name in loss}
    if loss and "feature_matching_over" not in loss:
        found["feature_matching_over"] = "mean"  # which was the only way before the setting
    found |= {name: optim[name] for name in ("rate", "discriminator_rate", "beta1") if name in optim}
    run = _mapping(trained, "run")
    return found | ({"bf16": run["bf16"]} if "bf16" in run else {})


def _mapping(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a checkpoint's settings; empty where it is none."""
    part = values.get(name)
    return part if isinstance(part, Mapping) else {}


class Finetuning:
    """One person's generator, discriminator, psi', w', and their optimisers.

    Attributes:
        adain_params: `[1, L]` psi', a parameter.
        steps: how many there will be.
    """

    def __init__(
        self,
        networks: FewshotNetworks,
        network_hash: str,
        shots: Sequence[Shot],
        config: FinetuneConfig,
        device: torch.device,
    ) -> None:
        """Embed the shots and build everything; `networks` are changed from here on.

        Raises:
            CheckpointError: missing weights of a perceptual network.
        """
        self.config, self.device, self.shots = config, device, tuple(shots)
        self.network_hash = network_hash
        self.model = model = networks.config
        for network in networks.by_name().values():
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator, self.discriminator = networks.generator, networks.discriminator
        images, sketches = shot_pictures(shots, model.crop, model.crop_side, model.size, model.sketch)
        self.images, self.sketches = images.to(device), sketches.to(device)
        self.content = ContentLoss(config.content).to(device)
        self.steps = config.steps or steps_for(len(shots))
        embedder = networks.embedder.eval()
        with torch.no_grad():
            parts = [
                embedder(each, sketch)
                for each, sketch in zip(
                    self.images.split(config.batch_size), self.sketches.split(config.batch_size), strict=True
                )
            ]
            self.embedding = torch.cat(parts).mean(0)
            adain_params = self.generator.adain_params(self.embedding[None])
            own = self.discriminator.common + self.embedding
        self.adain_params = nn.Parameter(adain_params.clone())
        self.discriminator.common = nn.Parameter(own.clone())
        self.generator.projection.requires_grad_(False)
        self.learners = _Person(self.generator, self.adain_params)
        self.ema = Ema(self.learners, config.ema)
        betas = (config.beta1, 0.999)
        mine = [parameter for parameter in self.learners.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(mine, config.rate, betas=betas)
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), config.discriminator_rate, betas=betas
        )
        self._before = self.generate()

    def step(self, step: int) -> dict[str, float]:
        """One update of generator and psi', one of discriminator and w', on shots drawn by (seed, step).

        Raises:
            DivergedError: a loss term or a gradient is not finite.
        """
        config = self.config
        rng = step_generator(config.seed, step)
        size = min(config.batch_size, len(self.shots))
        batches = [torch.from_numpy(rng.permutation(len(self.shots))[:size]) for _ in range(config.accumulate)]
        with seeded(config.seed, step), oom_hint("batch_size", config.batch_size, config.accumulate):
            terms, fakes = self._generator_step(batches, step)
            terms |= self._discriminator_step(batches, fakes, step) if config.adversarial > 0 else {}
        return terms

    def run(self, report: Callable[[FinetuneProgress], None] = lambda _: None) -> None:
        """All steps."""
        for step in range(self.steps):
            terms = self.step(step)
            done = step + 1
            shown = done % self.config.preview_every == 0 or done == self.steps
            report(FinetuneProgress(done, self.steps, terms, self.preview() if shown else None))

    @torch.no_grad()
    def generate(self) -> np.ndarray:
        """The averaged generator's pictures of the shots' own landmarks, `[K, S, S, 3]` uint8."""
        person: Any = self.ema.network
        parts = [person.generator(part, person.adain_params) for part in self.sketches.split(self.config.batch_size)]
        return unsigned(torch.cat(parts))

    def preview(self) -> Image:
        """Rows: shots, pictures generated before fine-tuning, pictures generated now."""
        rows = (unsigned(self.images), self._before, self.generate())
        return np.concatenate([np.concatenate(list(row[: FINETUNE.shown_shots]), 1) for row in rows])

    def identity_scores(self) -> tuple[float, float]:
        """Mean descriptor distance of generated pictures to the shots, before fine-tuning and now; lower is closer."""
        return self._distance(self._before), self._distance(self.generate())

    def _distance(self, pictures: np.ndarray) -> float:
        model = self.model
        distances = []
        for shot, picture in list(zip(self.shots, pictures, strict=True))[: FINETUNE.scored_shots]:
            to_picture = picture_map(shot.landmarks, model.crop, model.crop_side, model.size)
            points = transform(to_picture, np.asarray(shot.landmarks, np.float64))
            distances.append(_apart(describe(shot.image, shot.landmarks), describe(picture, points)))
        return float(np.mean(distances))

    def identity(self, provenance: dict[str, Any]) -> StoredIdentity:
        """Result that is kept: shots, embedding, psi' and the averaged generator, whose projection psi' replaces."""
        person: Any = self.ema.network
        tensors = {k: v.cpu() for k, v in person.generator.state_dict().items() if not k.startswith("projection.")}
        part = FewshotPart(
            self.network_hash, to_dict(self.model), self.embedding.cpu(), person.adain_params.detach()[0].cpu(), tensors
        )
        before, after = self.identity_scores()
        return StoredIdentity(
            self.shots,
            part,
            {**provenance, "finetune": to_dict(self.config), "steps": self.steps},
            {"identity_distance_before": before, "identity_distance_after": after},
        )

    def _generator_step(self, batches: Sequence[Tensor], step: int) -> tuple[dict[str, float], list[Tensor]]:
        """Content, adversarial and feature matching terms, and the fakes; the discriminator stays as it is."""
        discriminator = self.discriminator.requires_grad_(False).eval()
        self.learners.train()
        logged: dict[str, float] = {}
        fakes: list[Tensor] = []
        losses = self._generator_losses(batches, step, logged, fakes)
        step_on(losses, self.optimizer, self.learners, step, advice=FINETUNE.advice)
        self.ema.update(self.learners)
        discriminator.requires_grad_(True)
        return logged, fakes

    def _generator_losses(
        self, batches: Sequence[Tensor], step: int, logged: dict[str, float], fakes: list[Tensor]
    ) -> Iterator[Tensor]:
        """The share of every batch in the loss; adds the terms to `logged`, the pictures to `fakes`."""
        for batch in batches:
            real, sketch = self.images[batch], self.sketches[batch]
            with self._autocast():
                fake = self.generator(sketch, self.adain_params)
                terms = {"g/content": self.content(fake, real)} | self._judged_terms(fake, real, sketch)
            for name, value in check_finite(terms, step, FINETUNE.advice).items():
                logged[name] = logged.get(name, 0.0) + value / len(batches)
            fakes.append(fake.detach())
            yield sum(terms.values(), torch.zeros((), device=self.device)) / len(batches)

    def _judged_terms(self, fake: Tensor, real: Tensor, sketch: Tensor) -> dict[str, Tensor]:
        """Discriminator's score of a fake, and the difference of its features from the real picture's."""
        config = self.config
        if config.adversarial <= 0:
            return {}
        score, fake_features = self.discriminator(fake, sketch)
        with torch.no_grad():
            _, real_features = self.discriminator(real, sketch)
        return {
            "g/adversarial": config.adversarial * hinge_generator(score),
            "g/feature_matching": config.feature_matching
            * feature_matching(fake_features, real_features, config.feature_matching_over),
        }

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16)

    def _discriminator_step(self, batches: Sequence[Tensor], fakes: Sequence[Tensor], step: int) -> dict[str, float]:
        """Hinge on the shots and on the fakes of them."""
        self.discriminator.train()
        logged = {"d/hinge": 0.0}
        losses = self._discriminator_losses(batches, fakes, step, logged)
        step_on(losses, self.discriminator_optimizer, self.discriminator, step, advice=FINETUNE.advice)
        return logged

    def _discriminator_losses(
        self, batches: Sequence[Tensor], fakes: Sequence[Tensor], step: int, logged: dict[str, float]
    ) -> Iterator[Tensor]:
        """The share of every batch in the hinge, which is added to `logged`."""
        for batch, fake in zip(batches, fakes, strict=True):
            real, sketch = self.images[batch], self.sketches[batch]
            with self._autocast():
                scores, _ = self.discriminator(torch.cat([fake, real]), torch.cat([sketch, sketch]))
            hinge = hinge_discriminator(*scores.chunk(2)) / len(batches)
            logged["d/hinge"] += check_finite({"d/hinge": hinge}, step, FINETUNE.advice)["d/hinge"]
            yield hinge


class _Person(nn.Module):
    """Generator and psi' under one roof, for one average and one list of parameters."""

    def __init__(self, generator: nn.Module, adain_params: nn.Parameter) -> None:
        super().__init__()
        self.generator = generator
        self.adain_params = adain_params


def _apart(first: FloatArray, second: FloatArray) -> float:
    return float(np.linalg.norm(np.asarray(first, np.float64) - second))
