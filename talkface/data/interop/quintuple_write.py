"""Prepared clips -> the files of "Rhythmic Head Motion": aligned video, 3-D landmarks, pose, animation, sound, list."""

import tempfile
import wave
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.interop.quintuple import LIST_ENDING, QUINTUPLE, Ending, Quintuple, read_quintuple, with_ending
from talkface.errors import DatasetError, TalkfaceError
from talkface.files.write import atomic_file
from talkface.geometry.draw_mesh import draw_mesh
from talkface.landmarks.mesh import FaceMesh
from talkface.landmarks.pose import front_frame, frontalise, upright_face, with_depth
from talkface.media.write import VideoWriter
from talkface.types import DEFAULT_FPS, SAMPLE_RATE, FloatArray, Image, Progress


def write_quintuple(prefix: Path, clip: PreparedClip) -> Quintuple:
    """Write the files of `FOLDER/X`, all of them or none.

    Depth is the mean face's, turned as the head is (`landmarks.pose.with_depth`); the pose brings each frame's stable
    points onto the mean face in the clip's usual place and size; the animation is the frontal frame's face as a light
    surface. X.wav is left out where the clip has no sound.

    Args:
        prefix: `FOLDER/X`; the folder is there.
        clip: 25 frames/s, 256x256.

    Returns:
        What was written, read back and checked.
    """
    landmarks = with_depth(clip.landmarks)
    front, rotation, shift = frontalise(landmarks, upright_face(clip.landmarks))
    pose = np.concatenate([rotation, shift], 1)
    with tempfile.TemporaryDirectory(prefix=f".{prefix.name}.", dir=prefix.parent) as folder:
        made = Path(folder) / prefix.name
        for ending, array in ((Ending.LANDMARKS, landmarks), (Ending.FRONT, front), (Ending.POSE, pose)):
            np.save(with_ending(made, ending), array)
        frames = (clip.image(index) for index in range(len(landmarks)))
        _write_video(with_ending(made, Ending.VIDEO), frames, synthetic=False)
        _write_video(with_ending(made, Ending.ANI), animation(clip, front_frame(pose)), synthetic=True)
        if len(clip.audio):
            _write_sound(with_ending(made, Ending.SOUND), clip.audio)
        with_ending(prefix, Ending.POSE).unlink(missing_ok=True)
        for ending in reversed(Ending):  # the pose last: by it a clip is found
            if with_ending(made, ending).is_file():
                with_ending(made, ending).replace(with_ending(prefix, ending))
    return read_quintuple(prefix)


def animation(clip: PreparedClip, photo: int) -> Iterable[Image]:
    """The face of frame `photo`, its expression kept, in every frame's pose: `[256, 256, 3]`, black around it."""
    picture, mesh = clip.image(photo), FaceMesh(clip.landmarks[photo])
    as_seen = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    for points in clip.landmarks:
        yield np.ascontiguousarray(
            draw_mesh(picture, mesh.places, mesh.toward(points), mesh.triangles, as_seen, QUINTUPLE.side)[..., :3]
        )


def write_quintuples(
    shards: Path, keys: Collection[str], out: Path, progress: Progress | None = None
) -> tuple[list[Path], list[str]]:
    """Write all prepared clips of `keys`, and a list of them; what is there already stays.

    Args:
        shards: what `talkface prepare` wrote.
        keys: which of its clips.
        out: folder; made if missing.
        progress: called after each clip.

    Returns:
        Prefixes of the clips, and for each one left out why.

    Raises:
        DatasetError: none could be written.
    """
    clips = ClipDataset(shards)
    wanted = [index for index, key in enumerate(clips.keys) if key in keys]
    out.mkdir(parents=True, exist_ok=True)
    rows, left_out = [], []
    metas = clips.metas
    lengths = [int(metas[index]["num_frames"]) for index in wanted]
    for done, index in enumerate(wanted, 1):
        clip = clips[index]
        reason = _unfit(clip)
        if reason:
            left_out.append(f"{clip.key}: {reason}")
        else:
            if not _is_there(out / clip.key, clip):
                write_quintuple(out / clip.key, clip)
            rows.append((clip.key, len(clip), str(clip.meta.get("transcript") or "")))
        if progress:
            progress(sum(lengths[:done]), sum(lengths))
    if not rows:
        raise DatasetError(f"no quintuple could be written ({left_out[0] if left_out else 'no clip was prepared'})")
    write_demo_list(out / f"talkface{LIST_ENDING}", rows)
    return [out / key for key, _, _ in rows], left_out


def write_demo_list(path: Path, rows: Sequence[tuple[str, int, str]]) -> None:
    """Write (name, frames, word) as a test list of whole clips that lie beside it."""
    with atomic_file(path) as part, part.open("wb") as file:
        np.save(file, np.array([(name + Ending.VIDEO, "0", str(frames), word) for name, frames, word in rows], np.str_))


def _unfit(clip: PreparedClip) -> str:
    """Why a clip cannot be written, empty where it can."""
    if not clip.has_images:
        return "it has landmarks only"
    if clip.fps != DEFAULT_FPS:
        return f"its frames are not 25 per second ({clip.fps:g})"
    if not np.isfinite(clip.landmarks).all():
        return "some frames show no face"
    height, width = clip.image(0).shape[:2]
    return (
        ""
        if (height, width) == (QUINTUPLE.side, QUINTUPLE.side)
        else f"its pictures are {width}x{height}, expected {QUINTUPLE.side}x{QUINTUPLE.side}"
    )


def _is_there(prefix: Path, clip: PreparedClip) -> bool:
    """Whether an earlier run wrote this very clip."""
    if not with_ending(prefix, Ending.POSE).is_file():
        return False
    try:
        found = read_quintuple(prefix)
    except TalkfaceError:
        return False
    return len(found) == len(clip) and bool(np.allclose(found.landmarks[..., :2], clip.landmarks, atol=1e-3))


def _write_video(path: Path, frames: Iterable[Image], *, synthetic: bool) -> None:
    with VideoWriter(path, (QUINTUPLE.side, QUINTUPLE.side), DEFAULT_FPS, synthetic=synthetic) as writer:
        for frame in frames:
            writer.write(frame)


def _write_sound(path: Path, samples: FloatArray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
