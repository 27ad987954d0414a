"""Every reader of foreign files: how to make a sound file for it, and how to read one and check the outcome."""

import json
import wave
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from fuzz_kinds import Reader, write_shards, write_video
from fuzz_more import MORE
from PIL import Image as Pillow

from talkface.checkpoints.convert.caffe import read_caffemodel
from talkface.checkpoints.convert.vgg import convert_rename
from talkface.checkpoints.format import Checkpoint, load_checkpoint, save_checkpoint
from talkface.checkpoints.identity import StoredIdentity, load_identity, save_identity
from talkface.config import RunConfig, load_config, to_dict
from talkface.data.datasets import ClipDataset
from talkface.data.interop.importers import hdf5_rows, read_features, read_landmarks
from talkface.data.interop.quintuple import read_demo_list
from talkface.data.prepare.manifest import Record, read_manifest, write_manifest
from talkface.data.prepare.shards import index_path
from talkface.data.sources.cremad import find_cremad_clips
from talkface.data.sources.folder import find_folder_clips
from talkface.data.sources.grid import read_align
from talkface.data.sources.lrw import find_lrw_clips
from talkface.evaluation.pair_manifest import read_pairs
from talkface.files.read import read_table
from talkface.inference.batch.rows import read_manifest as read_rows
from talkface.inference.driving import load_landmarks, save_landmarks
from talkface.inference.subject import load_heads
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.media.mark.tag import read_comment
from talkface.media.photo import is_photo, read_photo
from talkface.media.read import is_video, probe_video, read_frames
from talkface.media.speech import open_speech
from talkface.models.headmotion import HeadmotionConfig, build_headmotion, config_dict
from talkface.training.engine.run_folder import RunLog, check_resumable, save_config
from talkface.types import Shot

h5py = pytest.importorskip("h5py")

POINTS = (62 * MEAN_FACE + [100, 80]).astype(np.float32)
FRAMES_READ = 40  # of a damaged video, which may claim any number


def _photo(kind: str, mode: str = "RGB") -> Reader:
    def make(path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
        picture = Pillow.fromarray(noise)
        exif = Pillow.Exif()
        exif[0x0112] = 6
        more = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}
        (picture if mode == "RGB" else picture.convert("L").convert(mode)).save(path, format=kind, **more)

    return Reader("photo.jpg", "bytes", make, _read_photo)


def _read_photo(path: Path) -> None:
    if is_photo(path):
        image = read_photo(path)
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size
    else:
        read_photo(path)


def _video(container: str, codec: str = "mpeg4", sound: str | None = "aac") -> Reader:
    return Reader("video.mp4", "bytes", lambda path: write_video(path, container, codec, sound), _read_video)


def _read_video(path: Path) -> None:
    if is_video(path):
        info = probe_video(path)
        assert min(info.size) > 0
        last = -1.0
        for image, time_s in islice(read_frames(path, Fraction(25)), FRAMES_READ):
            assert image.dtype == np.uint8 and image.ndim == 3 and time_s > last
            last = time_s
    read_comment(path)


def _write_wav(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((9000 * np.sin(np.arange(4000) / 9)).astype("<i2").tobytes())


def _write_sound(path: Path, container: str, codec: str) -> None:
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=48_000)
        form = stream.codec_context.codec.audio_formats[0].name
        stream.layout, stream.format = "mono", form
        resampler = av.AudioResampler(format=form, layout="mono", rate=48_000, frame_size=960)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), format="s16", layout="mono")
        tone.sample_rate = 48_000
        for frame in [*resampler.resample(tone), *resampler.resample(None)]:
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def _read_sound(path: Path) -> None:
    sound = open_speech(path)
    samples = sound.waveform().samples
    assert np.isfinite(samples).all() and np.abs(samples).max(initial=0) <= 1.0
    assert len(samples) == round(sound.duration_s * 16_000)
    sound.mux_format()


def _sound(container: str, codec: str) -> Reader:
    return Reader("speech.wav", "bytes", lambda path: _write_sound(path, container, codec), _read_sound)


def _read_driver(path: Path) -> None:
    sequence, photo = load_landmarks(path)
    assert np.isfinite(sequence.points).all() and 1 <= sequence.fps <= 1000
    assert photo is None or (photo.shape == (68, 2) and np.isfinite(photo).all())


def _write_checkpoint(path: Path) -> None:
    save_checkpoint(path, Checkpoint("debug", {"width": 3, "names": ["a"]}, {"w": torch.ones(4, 3)}, {"data": "x"}))


def _read_checkpoint(path: Path) -> None:
    kept = load_checkpoint(path)
    assert all(torch.isfinite(tensor.float()).all() for tensor in kept.tensors.values())


def _write_head(path: Path) -> None:
    network = build_headmotion(config_dict(HeadmotionConfig()))
    save_checkpoint(path, Checkpoint("headmotion", config_dict(network.config), network.state_dict()))


def _write_identity(path: Path) -> None:
    shot = Shot(np.full((60, 80, 3), 90, np.uint8), POINTS / 4)
    save_identity(path, StoredIdentity((shot, shot)))


def _read_identity(path: Path) -> None:
    person = load_identity(path)
    assert person.shots and all(np.isfinite(shot.landmarks).all() for shot in person.shots)


def _read_shards(folder: Path) -> None:
    clips = ClipDataset(folder)
    for index in range(len(clips)):
        clip = clips[index]
        assert clip.landmarks.shape[1:] == (68, 2) and 0 <= clip.fps <= 1000
        assert np.abs(clip.audio).max(initial=0) <= 1.01
        if clip.has_images:
            assert clip.image(len(clip) - 1).ndim == 3


def _make_tar(path: Path) -> None:
    write_shards(path.parent)
    index_path(path).unlink()


def _read_tar(path: Path) -> None:
    index_path(path).unlink(missing_ok=True)
    _read_shards(path.parent)


def _write_records(path: Path) -> None:
    record = Record("a", "a.mp4", "0" * 64, (3, 4), "ada", "train", sync_lag=0.5)
    write_manifest(path.parent, [record, Record("b", "b.mp4", "", (0, 0), "bob", "val", "no_face", "none")])


def _read_records(path: Path) -> None:
    for key, record in read_manifest(path.parent).items():
        assert key == record.key and isinstance(record.source_stat, tuple)


def _write_run(path: Path) -> None:
    save_config(path.parent, {"kind": "x", "run": to_dict(RunConfig())}, resumed=False)
    (path.parent / "state.pt").write_bytes(b"x")


def _write_log(path: Path) -> None:
    path.write_text("step,name,value\n" + "".join(f"{step},loss,{1 / step:.4f}\n" for step in range(1, 9)))


def _read_log(path: Path) -> None:
    RunLog(path.parent, 5).close()
    columns, rows = read_table(path, "log", AssertionError)  # type: ignore[arg-type]
    assert columns == ["step", "name", "value"] and all(int(row["step"]) <= 5 for row in rows)


def _write_table(path: Path) -> None:
    (path.parent / "a.mp4").write_bytes(b"x")
    path.write_text("file,speaker,split,licence\na.mp4,ada,train,CC0\nb.mp4,bob,val,CC0\n")


def _read_folder(path: Path) -> None:
    for clip in find_folder_clips(path.parent, path, {}):
        assert clip.video.resolve().is_relative_to(path.parent.resolve())


def _write_rows(path: Path) -> None:
    rows = [{"photo": "a.jpg", "speech": "b.wav", "out": "c.mp4", "fps": 25, "still": True}, {"photo": ["a.jpg", "b"]}]
    path.write_text("\n".join(map(json.dumps, rows)))


def _read_rows(path: Path) -> None:
    assert all(row.fault or row.out for row in read_rows(path))


def _write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["flmark"] = np.full((2, 5, 136), 0.5, np.float32)
        file["MelFeatures"] = np.zeros((2, 5, 128), np.float32)


def _read_hdf5(path: Path) -> None:
    for row in islice(hdf5_rows(path), 3):
        assert np.isfinite(read_landmarks(path, row)).all()
        read_features(path, row)


def _read_points(path: Path) -> None:
    assert np.isfinite(read_landmarks(path)).all()


def _write_lrw(path: Path) -> None:
    path.write_text("Disk reference: 1\nChannel: x\nDuration: 0.53 seconds\n")
    clip = path.parent / "ABOUT" / "train" / "ABOUT_00001.mp4"
    clip.parent.mkdir(parents=True, exist_ok=True)
    clip.write_bytes(b"x")


def _read_lrw(path: Path) -> None:
    (path.parent / "ABOUT" / "train" / "ABOUT_00001.txt").write_bytes(path.read_bytes())
    assert len(list(find_lrw_clips(path.parent))) == 1


def _write_actors(path: Path) -> None:
    (path.parent / "VideoFlash").mkdir(exist_ok=True)
    (path.parent / "VideoFlash" / "1001_IEO_NEU_XX.flv").write_bytes(b"x" * 2000)
    path.write_text("ActorID,Age,Sex\n1001,51,Male\n")


def _read_actors(path: Path) -> None:
    assert len(list(find_cremad_clips(path.parent))) == 1


def _read_align(path: Path) -> None:
    for _, start, end in read_align(path.read_text(encoding="utf-8-sig", errors="replace")):
        assert 0 <= start < 1e9 and 0 <= end < 1e9


def _write_pth(path: Path) -> None:
    torch.save({"features.0.weight": torch.ones(4, 3), "features.0.bias": torch.ones(4)}, path)


def _write_caffe(path: Path) -> None:
    shape = b"\x3a\x04\x0a\x02\x02\x03"
    data = b"\x2a\x18" + np.arange(6, dtype="<f4").tobytes()
    blob = shape + data
    layer = b"\x0a\x07conv1_1" + b"\x3a" + bytes([len(blob)]) + blob
    path.write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)


def _write_list(path: Path) -> None:
    np.save(path, np.array([["a", "0", "9", "w"]], np.str_))


def _make_index(path: Path) -> None:
    write_shards(path.parent)


def _read_run(path: Path) -> None:
    check_resumable(path.parent, {"kind": "x", "run": to_dict(RunConfig())})


def _text(name: str, content: str, read: Callable[[Path], object], kind: str = "text") -> Reader:
    return Reader(name, kind, lambda path: path.write_text(content), read)


READERS: dict[str, Reader] = {
    "jpeg": _photo("JPEG"),
    "png": _photo("PNG"),
    "png16": _photo("PNG", "I;16"),
    "webp": _photo("WEBP"),
    "gif": _photo("GIF"),
    "bmp": _photo("BMP"),
    "tiff": _photo("TIFF"),
    "mp4": _video("mp4"),
    "mkv": _video("matroska"),
    "avi": _video("avi"),
    "animation": _video("gif", "gif", None),
    "wav": Reader("speech.wav", "bytes", _write_wav, _read_sound),
    "flac": _sound("flac", "flac"),
    "ogg": _sound("ogg", "libopus"),
    "mp4_sound": Reader("speech.mp4", "bytes", lambda path: write_video(path, "mp4", "mpeg4", "aac"), _read_sound),
    "driver_npz": Reader(
        "l.npz", "zip", lambda p: save_landmarks(p, np.stack([POINTS] * 3), Fraction(25), POINTS), _read_driver
    ),
    "driver_npy": Reader("l.npy", "head", lambda p: np.save(p, np.stack([POINTS] * 3)), _read_driver),
    "points_npy": Reader("l.npy", "head", lambda p: np.save(p, np.stack([POINTS] * 3)), _read_points),
    "demo_list": Reader("x_demo.npy", "head", _write_list, read_demo_list),
    "hdf5": Reader("a.h5", "bytes", _write_hdf5, _read_hdf5),
    "checkpoint": Reader("a.safetensors", "safetensors", _write_checkpoint, _read_checkpoint),
    "headmotion": Reader("h.safetensors", "safetensors", _write_head, load_heads),
    "identity": Reader("i.safetensors", "safetensors", _write_identity, _read_identity),
    "pth": Reader("v.pth", "zip", _write_pth, lambda path: convert_rename(path, path.with_name("out.pth"))),
    "caffemodel": Reader("v.caffemodel", "bytes", _write_caffe, lambda path: list(read_caffemodel(path))),
    "shard": Reader("shard-00000.tar", "bytes", _make_tar, _read_tar),
    "index": Reader("shard-00000.index.json", "json", _make_index, lambda path: _read_shards(path.parent)),
    "manifest": Reader("manifest.jsonl", "json", _write_records, _read_records),
    "settings": _text("a.yaml", "out: runs/a\nsteps: 10\nbf16: false\n", lambda path: load_config(RunConfig, path)),
    "run_config": Reader("config.yaml", "text", _write_run, _read_run),
    "log": Reader("log.csv", "text", _write_log, _read_log),
    "table": Reader("t.csv", "text", _write_table, _read_folder),
    "pairs_csv": _text("p.csv", "fake,real,clip\na.mp4,b.mp4,x\n", read_pairs),
    "pairs_jsonl": _text("p.jsonl", '{"fake": "a.mp4", "real": "b.mp4"}\n', read_pairs, "json"),
    "batch_csv": _text("m.csv", "photo,speech,out,fps\na.jpg,b.wav,c.mp4,25\nd.jpg,e.wav,,30\n", _read_rows),
    "batch_jsonl": Reader("m.jsonl", "json", _write_rows, _read_rows),
    "align": _text("a.align", "0 19250 sil\n19250 25000 bin\n", _read_align),
    "lrw": Reader("side.txt", "text", _write_lrw, _read_lrw),
    "actors": Reader("VideoDemographics.csv", "text", _write_actors, _read_actors),
    **MORE,
}
