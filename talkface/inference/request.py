"""User's settings of a video -> options, checked once, that flags, keywords and batch columns share."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from talkface.errors import ConfigError
from talkface.options import Device, Options, device_option, option
from talkface.types import DEFAULT_FPS, LandmarkSequence

Family = Literal["hybrid", "warp", "fewshot", "vgnet", "spade"]
HIGHEST_FPS = 240  # of a video that is written
REPORT_OF_PANEL = "a report measures the plain video: leave out the panel, or the report"


@dataclass(frozen=True, kw_only=True)
class DetectorOptions(Options):
    """Options that every verb has which looks for faces."""

    detector: Literal["dlib", "face-alignment"] = option("dlib", "Face and landmark detector.", group="Networks")


@dataclass(frozen=True, kw_only=True)
class FaceOptions(DetectorOptions):
    """Options that every verb has which finds a person in photos and writes a file."""

    face: int | None = option(None, "Which face, 0 the largest; the largest if not given.", group="Networks", low=0)
    device: Device = device_option()
    force: bool = option(False, "Overwrite the output.", short="f", per_row=False)


@dataclass(frozen=True, kw_only=True)
class RenderOptions(FaceOptions):
    """Options that every verb has which writes a rendered video."""

    expression_scale: float = option(1.0, "Factor on the motion of mouth and brows.", group="Motion", low=0, high=4)
    head_scale: float = option(
        1.0, "Head motion: 0 none, 1 natural or as driven.", group="Motion", low=0, high=1, old="head_motion"
    )
    gaze: tuple[float, float] = option(
        (0.0, 0.0), "Eyes look aside: X,Y with X 1 to the picture's right and Y 1 up.", group="Motion", low=-1, high=1
    )
    crop: bool = option(False, "Write only a square around the face.")
    panel: bool = option(False, "Write the source, the landmark sketch and the result side by side.")
    renderer: Family = option(
        "hybrid", "Network generates the mouth, geometry only, or a whole-face network.", group="Networks"
    )
    renderer_model: str | None = option(
        None,
        "Name or file of the renderer's network; its own default if not given.",
        group="Networks",
        old="renderer_weights",
    )
    set: tuple[str, ...] = option(
        (), "A number of the renderer, such as mouth.feather=1.5; repeat for more.", group="Networks"
    )
    format: Literal["mp4", "mov", "webm", "gif", "png"] | None = option(
        None, "Format of the video; its name's ending says so, too. gif and png (animated) are silent.", group="Picture"
    )
    alpha: bool = option(False, "Transparent background: mov (ProRes 4444), webm (VP9) or png.", group="Picture")
    background: str | None = option(None, "Picture or colour (a name or #rrggbb) behind the person.", group="Picture")
    aspect: str | None = option(None, "Cut to this aspect around the face, such as 9:16.", group="Picture")
    captions: Path | None = option(None, "Captions of this .srt or .vtt file.", group="Picture")
    captions_as: Literal["burnt", "track"] = option(
        "burnt", "Captions drawn into the picture, or a text track that a player shows.", group="Picture"
    )
    caption_font: Path | None = option(None, "Font (.ttf) of burnt captions; found if not given.", group="Picture")
    label: bool = option(False, "A visible label in a corner.", group="Picture")
    label_text: str = option("AI-generated", "What the label says.", group="Picture")
    label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = option(
        "bottom-right", "Where the label stands.", group="Picture"
    )
    label_opacity: float = option(0.8, "Opacity of the label.", group="Picture", low=0.1, high=1)
    sign: bool = option(True, "Sign the video with a C2PA manifest, where that is installed.", group="Provenance")
    consent: str | None = option(
        None, "Note in the signed manifest: what the person shown agreed to.", group="Provenance"
    )
    certificate: Path | None = option(
        None,
        "Sign with this certificate chain (PEM), with --key; one of this computer's own if not given.",
        group="Provenance",
    )
    key: Path | None = option(None, "Private key (PEM) of --certificate.", group="Provenance")
    time_stamp: str | None = option(
        None, "Address of a time-stamp service (RFC 3161) to ask; nobody is asked if not given.", group="Provenance"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_picture()
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("a certificate signs with its private key: give both --certificate and --key, or neither")

    def _check_picture(self) -> None:
        if self.aspect is not None and not re.fullmatch(r"[1-9]\d?:[1-9]\d?", self.aspect):
            raise ConfigError(f"invalid aspect {self.aspect!r}: expected width:height such as 9:16, 1:1 or 4:5")
        if self.aspect is not None and self.crop:
            raise ConfigError("crop cuts a square around the face and aspect another shape: leave one out")
        if self.alpha and self.background is not None:
            raise ConfigError("alpha leaves the background out and background replaces it: leave one out")
        if self.panel and (self.alpha or self.background is not None or self.aspect is not None):
            raise ConfigError("a panel shows the photo as it is: leave out the panel, or alpha, background and aspect")


@dataclass(frozen=True, kw_only=True)
class AnimateOptions(RenderOptions):
    """Options of `animate`; the defaults look natural."""

    fps: Fraction = option(DEFAULT_FPS, "Frames per second.", high=HIGHEST_FPS)
    blink: bool = option(True, "Blink.", group="Motion")
    blink_profile: Literal["natural", "rhythmic"] = option(
        "natural", "When and how the lids shut; rhythmic follows Chen et al. 2020.", group="Motion"
    )
    blink_rate: float = option(1.0, "Factor on how often blinks come.", group="Motion", low=0.1, high=4)
    brow_raise: float = option(0.0, "Brows held lower (-1) or higher (1).", group="Motion", low=-1, high=1)
    mouth_opening: float = option(1.0, "Factor on how far the mouth opens.", group="Motion", low=0, high=2)
    mouth_width: float = option(1.0, "Factor on how the mouth's corners move aside.", group="Motion", low=0, high=2)
    head_style: Literal["natural", "calm", "lively", "nodding"] = option(
        "natural", "How far and how fast the head moves with speech.", group="Motion"
    )
    still: bool = option(False, "Keep the head still; the eyes still blink.", group="Motion")
    seed: int = option(0, "Of blinks, brows and head motion: the same seed, the same frames.", group="Motion", low=0)
    landmarks: str | LandmarkSequence | None = option(
        None,
        "Drive by the landmarks of this .npz or .npy, or of FOLDER/X of demo files, not by speech.",
        group="Motion",
    )
    head_from: str | None = option(
        None,
        "Video whose head motion the head follows, back and forth, instead of the speech.",
        group="Motion",
        old="head_motion_from",
    )
    save_landmarks: Path | None = option(
        None, "Also write the driving landmarks to this .npz.", group="Further outputs", beside=".npz"
    )
    save_maps: Path | None = option(
        None,
        "Also write attention, motion map, landmarks (PNG) and a panel video to this folder.",
        group="Further outputs",
        beside=".maps",
    )
    report: Path | None = option(
        None,
        "Also measure the video and write measures and warnings to this .json; not with --panel.",
        group="Further outputs",
        beside=".json",
    )
    speech_model: str = option(
        "audio2landmark", "Name or file of the speech network.", group="Networks", old="audio2landmark"
    )
    head_model: str = option(
        "headmotion",
        "Name or file of the head-motion network; rhythm: nods on the beats, without a network.",
        group="Networks",
        old="headmotion",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.report is not None and self.panel:
            raise ConfigError(REPORT_OF_PANEL)
        if self.head_style != "natural" and self.head_from is not None:
            raise ConfigError("a head style is of motion from speech, and this head follows a video: leave one out")

    @property
    def head_amount(self) -> float:
        """`head_scale`, 0 where the head keeps `still`."""
        return 0.0 if self.still else self.head_scale


@dataclass(frozen=True, kw_only=True)
class EnrollOptions(FaceOptions):
    """Options of `enroll`."""

    model: str | None = option(
        None, "Few-shot network, by name or file; shots for hybrid and warp if not given.", short="m", old="weights w"
    )
    shots: int | None = option(None, "How many shots to use; all, 32 at most, if not given.", low=1)
    finetune: bool = option(False, "Also train the network's generator on these photos.")
    set: tuple[str, ...] = option(
        (), "With --finetune: a setting, as steps=200, batch_size=2, rate=1e-4, content.pixel=10; repeat for more."
    )
    previews: Path | None = option(None, "With --finetune: folder of preview pictures; the output's if not given.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.finetune and (self.set or self.previews):
            raise ConfigError("--set and --previews belong to --finetune: add it, or leave them out")
        if self.finetune and self.model is None:
            raise ConfigError("--finetune needs a few-shot network: give --model FILE from `talkface train`")


@dataclass(frozen=True, kw_only=True)
class ReenactOptions(RenderOptions):
    """Options of `reenact`: how the driver is followed."""

    fps: Fraction | None = option(None, "Frames per second; the driving video's if not given.", high=HIGHEST_FPS)
    raw: bool = option(False, "Use the driver's landmarks as they are, face shape included.", group="Motion")
    proportions: bool = option(
        False, "Use the driver's landmarks, each part rescaled to the photo's proportions.", group="Motion"
    )
    smoothing: Literal["lips", "hanning5", "none"] = option(
        "lips", "Smoothing of the driver's landmarks over time.", group="Motion"
    )
    sound: bool = option(True, "Keep the driving video's sound.")
    ani: Path | None = option(
        None,
        "X_ani.mp4 of the photo's face, for a driver FOLDER/X and a network with drawn_face or warp_ani.",
        group="Networks",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.raw and self.proportions:
            raise ConfigError("raw keeps the driver's proportions and proportions changes them: leave one out")
