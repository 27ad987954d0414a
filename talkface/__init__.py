"""Photo and speech -> a video of that person speaking.

speech ── audio ──► features ── models.audio2landmark ──► motion ─┐
photo ── landmarks.detect ──► shape ── landmarks.retarget ◄───────┘
  │                                        │
  └── inference.renderers.enroll ──► render ┴──► video.write

import talkface
talkface.animate("photo.jpg", "speech.wav", "speaking.mp4")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from talkface.checkpoints.registry import ModelInfo
    from talkface.inference.animate import AnimateResult
    from talkface.inference.animator import AnimateOptions, Animator
    from talkface.inference.batch.results import Outcome
    from talkface.inference.batch.run import BatchProgress
    from talkface.inference.photos import PhotoSource
    from talkface.inference.reenact import ReenactResult
    from talkface.types import LandmarkSequence, Waveform

__version__ = "0.1.0"
__all__ = ["__version__", "animate", "batch", "list_models", "load_animator", "reenact"]


def animate(
    photo: PhotoSource | Sequence[PhotoSource],
    speech: str | Path | Waveform | None,
    out: str | Path,
    *,
    renderer: str = "hybrid",
    fps: Fraction | str | float = 25,
    expression_scale: float = 1.0,
    head_motion: float = 1.0,
    blink: bool = True,
    blink_profile: str = "natural",
    still: bool = False,
    seed: int = 0,
    device: str = "auto",
    face: int | None = None,
    crop: bool = False,
    panel: bool = False,
    save_landmarks: str | Path | None = None,
    save_maps: str | Path | None = None,
    report: str | Path | None = None,
    landmarks: str | Path | LandmarkSequence | None = None,
    head_motion_from: str | Path | None = None,
    force: bool = False,
    audio2landmark: str | Path = "audio2landmark",
    headmotion: str | Path = "headmotion",
    renderer_weights: str | Path | None = None,
    detector: str = "dlib",
    animator: Animator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AnimateResult:
    """Write a video of the person in `photo` speaking `speech`.

    Args:
        photo: path, `[H, W, 3]` RGB uint8 array, Pillow image, folder, video, or a list of these, all of one person;
            the first is animated. Or an identity file, or the name of one.
        speech: any sound or video file that ffmpeg decodes, or `talkface.types.Waveform(samples, rate)` with `[S]`
            float32 samples in -1 to 1; None where `landmarks` drive.
        out: the .mp4 to write; H.264 and AAC, the photo's size, `round(duration * fps)` frames.
        renderer: `hybrid` (networks paint the mouth), `warp` (geometry only), `fewshot` or `vgnet` (of your own
            training).
        fps: frames per second: a number, or a ratio such as "30000/1001".
        expression_scale: factor on the mouth's motion.
        head_motion: 0 still to 1 natural.
        blink: whether the eyes blink.
        blink_profile: `natural`, or `rhythmic` as Chen et al. 2020 do.
        still: keep the head still, as a head motion of 0 does; eyes still blink.
        seed: of blinks and head motion; the same seed gives the same frames.
        device: `auto`, `cpu`, `cuda` or `mps`.
        face: which face where there are several, 0 the largest.
        crop: write only a square around the face.
        panel: write photo, landmark sketch, mask and result side by side.
        save_landmarks: also write the driving landmarks to this .npz.
        save_maps: also write attention, motion map and landmarks as PNG sequences, and a panel video, to this folder;
            of `hybrid` and `fewshot` the mask and the landmarks.
        report: also look at what was made and write it to this .json: measures with their usual ranges, warnings,
            settings, hashes and timings; costs a second or three, whatever the length.
        landmarks: .npz or .npy file of `[T, 68, 2]` pixel points, or `talkface.types.LandmarkSequence`, that drives
            the face instead of the speech.
        head_motion_from: video of a head whose turns and shifts, against its own usual pose, the photo's head follows
            instead of the speech, back and forth where it is shorter; mouth and blinks stay.
        force: overwrite `out`.
        audio2landmark: name or path of the speech network.
        headmotion: name or path of the network that moves the head with the speech, or `rhythm`: nods on the speech's
            beats and a slow drift, without a network.
        renderer_weights: name or path of the renderer's network.
        detector: `dlib` or `face-alignment`.
        animator: networks already loaded by `load_animator`; then renderer, device, weights and detector are its own.
        progress: called with (frames done, frames in all).

    Raises:
        TalkfaceError: anything wrong with the input, in one line that names the next step.
    """
    from talkface.inference.animate import OutputOptions, parse_fps
    from talkface.inference.animate import animate as write_video
    from talkface.inference.animator import AnimateOptions, check_animator
    from talkface.inference.animator import load_animator as load

    options = AnimateOptions(parse_fps(fps), expression_scale, head_motion, blink, still, seed, blink_profile)
    output = OutputOptions(crop, panel, save_landmarks, force, save_maps=save_maps)
    networks = check_animator(animator) or load(
        renderer,
        device,
        audio2landmark=audio2landmark,
        headmotion=headmotion,
        renderer_weights=renderer_weights,
        detector=detector,
    )
    if report is not None:
        _check_report(report, panel=panel, force=force)
    result = write_video(
        networks,
        photo,
        speech,
        out,
        options=options,
        output=output,
        face=face,
        landmarks=landmarks,
        head_motion_from=head_motion_from,
        progress=progress,
    )
    if report is not None:
        inputs = {"photo": photo, "speech": speech, "landmarks": landmarks, "head_motion_from": head_motion_from}
        weights = [] if animator is not None else [renderer_weights or renderer]
        weights += [audio2landmark] if animator is None and landmarks is None else []
        settings = {"renderer": renderer, "device": device, "face": face, "crop": crop, "detector": detector}
        settings["headmotion"] = str(headmotion)
        weights += [headmotion] if animator is None and str(headmotion) != "rhythm" else []
        settings["networks"] = "named below" if animator is None else "loaded by the caller"
        write_report(Path(report), result, options, networks, inputs, settings, weights)
    return result


def _check_report(report: str | Path, *, panel: bool, force: bool) -> None:
    """Refuse a report that could not be written, before the first frame is made."""
    from talkface.errors import ConfigError
    from talkface.inference.animate import REPORT_OF_PANEL, as_path
    from talkface.media.write import check_output

    if panel:
        raise ConfigError(REPORT_OF_PANEL)
    check_output(as_path(report, "report"), force=force, suffixes=(".json",))


def write_report(
    report: Path,
    result: AnimateResult,
    options: AnimateOptions,
    animator: Animator,
    inputs: Mapping[str, object],
    settings: Mapping[str, object],
    weights: Sequence[str | Path],
    shown_as: str = "",
) -> list[str]:
    """Measure what was made: here inference and evaluation meet, which do not know each other.

    Args:
        report: the .json to write.
        result: of `animate`.
        options: how the face moved.
        animator: what made it.
        inputs: photo, speech and landmarks, as given.
        settings: every other option.
        weights: names or paths of the networks.
        shown_as: what the report calls the video, where that is still to be moved.

    Returns:
        The report's warnings.
    """
    from dataclasses import asdict

    from talkface.checkpoints.registry import find_weights
    from talkface.errors import CheckpointError
    from talkface.evaluation.report.sidecar_file import Made, write_sidecar

    networks = {}
    for name in weights:
        try:
            networks[str(name)] = find_weights(name)
        except CheckpointError:  # a renderer without a network
            continue
    facts = {
        "frames": result.num_frames,
        "fps": str(result.fps),
        "duration_s": result.duration_s,
        "size": list(result.size),
        "faces_found": result.faces_found,
        "notes": result.notes,
    }
    files = {
        name: Path(value) if isinstance(value, str | Path) else None
        for name, value in inputs.items()
        if value is not None
    }
    used = {**asdict(options), "fps": str(options.fps), **settings}
    made = Made(__version__, result.path, result.shot, facts, files, used, networks, result.timings, shown_as)
    warnings: list[str] = write_sidecar(report, made, animator.detector)["warnings"]
    return warnings


def batch(
    rows: str | Path | Sequence[Mapping[str, object]],
    out: str | Path,
    *,
    workers: int = 0,
    ray: str | None = None,
    device: str = "auto",
    retry_failed: bool = False,
    progress: Callable[[BatchProgress], None] | None = None,
    **common: object,
) -> list[Outcome]:
    """Make many videos, resumable: what an earlier call finished with the same inputs is not made again.

    Call it below `if __name__ == "__main__":`, since it starts processes.

    Args:
        rows: a CSV or JSON lines file, or dictionaries, with `photo`, `speech` and any option of `animate`.
        out: folder of the videos, `results.jsonl` and `gallery.html`: a path, or a URL of fsspec.
        workers: processes of one thread each; 0 takes one per core.
        ray: None for processes of this machine; `local` for a Ray cluster started here; else a cluster's address.
        device: `auto`, `cpu`, `cuda` or `mps`.
        retry_failed: also try again what failed before; rows whose inputs changed are always tried.
        progress: called now and then with how far the batch is.
        common: options of `animate` for rows that do not set them themselves.

    Returns:
        One outcome per row, `failed` with a `reason` where it could not be made.

    Raises:
        TalkfaceError: the manifest or folder cannot be used; a bad row raises nothing.
    """
    from talkface.inference.batch.rows import make_rows, read_manifest
    from talkface.inference.batch.run import batch as make_videos
    from talkface.scale.cluster import open_workers

    given = read_manifest(Path(rows), common) if isinstance(rows, (str, Path)) else make_rows(rows, Path(), common)
    with open_workers(ray, workers) as places:
        return make_videos(
            given,
            out,
            workers=places,
            device=device,
            retry_failed=retry_failed,
            progress=progress,
            reporter=write_report,
        )


def load_animator(
    renderer: str = "hybrid",
    device: str = "auto",
    *,
    audio2landmark: str | Path = "audio2landmark",
    headmotion: str | Path = "headmotion",
    renderer_weights: str | Path | None = None,
    detector: str = "dlib",
) -> Animator:
    """Load the networks once; `Animator.frames(photo, speech)` streams frames, `animate(..., animator=...)` writes."""
    from talkface.inference.animator import load_animator as load

    return load(
        renderer,
        device,
        audio2landmark=audio2landmark,
        headmotion=headmotion,
        renderer_weights=renderer_weights,
        detector=detector,
    )


def reenact(
    photo: PhotoSource | Sequence[PhotoSource],
    driving: str | Path,
    out: str | Path,
    *,
    renderer: str = "hybrid",
    raw: bool = False,
    proportions: bool = False,
    smoothing: str = "lips",
    ani: str | Path | None = None,
    expression_scale: float = 1.0,
    head_motion: float = 1.0,
    fps: Fraction | str | float | None = None,
    sound: bool = True,
    device: str = "auto",
    face: int | None = None,
    crop: bool = False,
    panel: bool = False,
    force: bool = False,
    renderer_weights: str | Path | None = None,
    detector: str = "dlib",
    animator: Animator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ReenactResult:
    """Write a video of the person in `photo` doing what the face in `driving` does, frame for frame.

    Args:
        photo: as for `animate`.
        driving: video of the face that drives, or `FOLDER/X` of the demo files that `prepare --quintuple` writes; its
            motion is carried over, its shape is not.
        out: the .mp4 to write, of the photo's size and the driving video's length, frame rate and sound.
        renderer: `hybrid`, `warp`, `fewshot` or `vgnet`.
        raw: use the driver's landmarks as they are, face shape and all.
        proportions: use the driver's landmarks, each part rescaled to the photo's proportions.
        smoothing: of the driver's landmarks over time: `lips` (short windows for the lips), `hanning5` or `none`.
        ani: the photo's face drawn in the driver's poses (X_ani.mp4), where `driving` is FOLDER/X and the network was
            trained with `model.warp_ani`; it draws its own if not given.
        expression_scale: factor on what mouth and brows do.
        head_motion: factor on turns and shifts of the head, 0 to 1.
        fps: another frame rate than the driving video's.
        sound: keep the driving video's sound.
        device: `auto`, `cpu`, `cuda` or `mps`.
        face: which face of the photo, 0 the largest.
        crop: write only a square around the face.
        panel: write the driver, the landmark sketch and the result side by side.
        force: overwrite `out`.
        renderer_weights: name or path of the renderer's network.
        detector: `dlib` or `face-alignment`.
        animator: as for `animate`.
        progress: called with (frames done, frames in all), once through while tracking, once while writing.

    Raises:
        TalkfaceError: anything wrong with the input, in one line that names the next step.
    """
    from talkface.inference.animate import OutputOptions, as_path, parse_fps
    from talkface.inference.animator import check_animator
    from talkface.inference.animator import load_animator as load
    from talkface.inference.reenact import ReenactOptions
    from talkface.inference.reenact import reenact as write_video

    rate = None if fps is None else parse_fps(fps)
    drawn = None if ani is None else as_path(ani, "ani")
    options = ReenactOptions(raw, expression_scale, head_motion, rate, sound, proportions, smoothing, drawn)
    networks = check_animator(animator) or load(renderer, device, renderer_weights=renderer_weights, detector=detector)
    return write_video(
        networks,
        photo,
        as_path(driving, "driving"),
        as_path(out, "out"),
        options=options,
        output=OutputOptions(crop=crop, panel=panel, force=force),
        face=face,
        progress=progress,
    )


def list_models() -> list[ModelInfo]:
    """The networks that ship inside the package: name, kind, size, hash, number of parameters."""
    from talkface.checkpoints.registry import list_models as shipped

    return shipped()
