"""Published archives, whole and in parts -> the clips that unpacking them gives, and the same shards."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from talkface.__main__ import run
from talkface.data.prepare.manifest import read_manifest
from talkface.data.prepare.shards import find_shards
from talkface.data.sources.archives import JoinedFile, open_archives
from talkface.data.sources.registry import corpus_root, find_clips
from talkface.errors import DatasetError
from talkface.testing.clips import write_talking_clip
from talkface.types import Clip
from tests.data.published import LRS3_TEXT, LRW_TEXT, VOX2_TEXT, put, put_wave

SETTINGS = ["--set", "preprocess.size=64", "--sync", "keep", "--workers", "1", "-q"]


def packed(tree: Path, archive: Path, *, below: str = "", deflate: bool = False, parts: int = 0) -> None:
    """Files of `tree` below a folder of it as one archive, cut into parts as the corpora's homes do."""
    content = io.BytesIO()
    files = [path for path in sorted((tree / below).rglob("*")) if path.is_file()]
    if ".zip" in archive.name:
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as made:
            for path in files:
                made.write(path, path.relative_to(tree))
    else:
        with tarfile.open(fileobj=content, mode="w") as made:
            for path in files:
                made.add(path, f"./{path.relative_to(tree)}")
    whole = content.getvalue()
    archive.parent.mkdir(parents=True, exist_ok=True)
    if not parts:
        archive.write_bytes(whole)
        return
    size = -(-len(whole) // parts)
    for place in range(parts):
        name = f"{archive.name.removesuffix('.tar').removesuffix('.zip')}_parta{'abcdefgh'[place]}"
        (archive.parent / name).write_bytes(whole[place * size : (place + 1) * size])


def told(clips: list[Clip], root: Path) -> list[tuple[object, ...]]:
    """All of clips but which folder they are in."""
    shown = [(clip.video.relative_to(root), clip.audio.relative_to(root)) for clip in clips]
    rest = [(clip.key, clip.speaker, clip.split, clip.transcript, clip.info) for clip in clips]
    return [(*places, *others) for places, others in zip(shown, rest, strict=True)]


def lrw(tree: Path, downloads: Path) -> None:
    for word, split in (("ABOUT", "train"), ("ABOUT", "test"), ("THINK", "val")):
        put(tree / "lipread_mp4" / word / split / f"{word}_00001.mp4", 4000 * b"v")
        put(tree / "lipread_mp4" / word / split / f"{word}_00001.txt", LRW_TEXT)
    packed(tree, downloads / "lrw-v1.tar", parts=5)


def grid(tree: Path, downloads: Path) -> None:
    for speaker in ("s1", "s2", "s20"):
        put(tree / speaker / "bbaf2n.mpg")
        put(tree / "alignments" / speaker / "bbaf2n.align", "0 19250 sil\n19250 74500 bin\n")
        put_wave(tree / "audio_50k" / speaker / "bbaf2n.wav", 3.0, 50_000)
        packed(tree, downloads / f"{speaker}.zip", below=speaker, deflate=True)
    packed(tree, downloads / "alignments.zip", below="alignments", deflate=True)
    packed(tree, downloads / "audio_50k.tar", below="audio_50k")


def lrs3(tree: Path, downloads: Path) -> None:
    for part in ("pretrain", "trainval", "test"):
        put(tree / part / "a_-b" / "00001.mp4")
        put(tree / part / "a_-b" / "00001.txt", LRS3_TEXT)
        packed(tree, downloads / f"lrs3_{part}.zip", below=part, parts=3 if part == "pretrain" else 0)


def cremad(tree: Path, downloads: Path) -> None:
    put(tree / "VideoFlash" / "1001_DFA_ANG_XX.flv")
    put(tree / "VideoDemographics.csv", "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n")
    packed(tree, downloads / "CREMA-D-master.zip", deflate=True)


def voxceleb1(tree: Path, downloads: Path) -> None:
    for name in ("A.J._Buckley", "Eric_McCormack"):
        for frame in range(2):
            put(tree / "unzippedFaces" / name / "1.6" / "1zcIwhmdeo4" / f"000{frame}.jpg")
    packed(tree, downloads / "zippedFaces.zip")


def voxceleb2(tree: Path, downloads: Path) -> None:
    for part in ("dev", "test"):
        for person in ("id00012", "id00017"):
            put(tree / part / "mp4" / person / "21Uxsk56VDQ" / "00001.mp4")
            put(tree / part / "txt" / person / "21Uxsk56VDQ" / "00001.txt", VOX2_TEXT)
        for kind in ("mp4", "txt"):
            inside, below = (tree, f"{part}/{kind}") if part == "dev" else (tree / part, kind)
            packed(inside, downloads / f"vox2_{part}_{kind}.zip", below=below, parts=2 if kind == "mp4" else 0)


@pytest.mark.parametrize("make", [lrw, grid, lrs3, cremad, voxceleb1, voxceleb2])
def test_archives_hold_the_clips_that_unpacking_gives(make, tmp_path):
    tree, downloads = tmp_path / "tree", tmp_path / "downloads"
    make(tree, downloads)
    wanted = find_clips(make.__name__, tree)
    with corpus_root(make.__name__, downloads) as root:
        found = find_clips(make.__name__, root)
        for clip, plain in zip(found, wanted, strict=True):
            assert clip.video.read_bytes() == plain.video.read_bytes()
        for clip in (*found, *wanted):
            clip.info.pop("photos", None)
        assert told(found, downloads) == told(wanted, tree)
    with corpus_root(make.__name__, tree) as root:
        assert root == tree  # what is unpacked is read as it is


def test_real_layouts_are_read_from_archives(shared_data, tmp_path):
    folders = {"lrw": "derived_LRW", "grid": "GRID", "lrs3": "derived_LRS3", "voxceleb2": "derived_VoxCeleb2"}
    for name, folder in {**folders, "cremad": "derived_CREMA-D"}.items():
        tree = shared_data / "layouts" / folder
        packed(tree, tmp_path / name / "published.tar", parts=3)
        with corpus_root(name, tmp_path / name) as root:
            found = find_clips(name, root)
            assert told(found, tmp_path / name) == told(find_clips(name, tree), tree)
            assert found[0].video.read_bytes() == find_clips(name, tree)[0].video.read_bytes()


def test_shards_are_those_of_the_unpacked_corpus(tmp_path, capsys):
    tree, downloads = tmp_path / "tree", tmp_path / "downloads"
    for place, word in enumerate(("ABOUT", "THINK")):
        folder = tree / "lipread_mp4" / word / "train"
        folder.mkdir(parents=True)
        write_talking_clip(folder / f"{word}_00001.mkv", place, 1.2)
        put(folder / f"{word}_00001.txt", LRW_TEXT)
    packed(tree, downloads / "lrw-v1.tar", parts=4)
    for root, out in ((tree, "plain"), (downloads, "archived")):
        assert run(["prepare", "lrw", str(root), str(tmp_path / out), *SETTINGS]) == 0
    shards = [find_shards(tmp_path / out) for out in ("plain", "archived")]
    assert [path.read_bytes() for path in shards[0]] == [path.read_bytes() for path in shards[1]]
    before = [record.source_stat for record in read_manifest(tmp_path / "archived").values()]
    stamps = [path.stat().st_mtime_ns for path in shards[1]]
    assert run(["prepare", "lrw", str(downloads), str(tmp_path / "archived"), *SETTINGS]) == 0
    assert [record.source_stat for record in read_manifest(tmp_path / "archived").values()] == before
    assert [path.stat().st_mtime_ns for path in shards[1]] == stamps  # all was done
    assert not list(downloads.glob("lipread*"))


def test_a_missing_part_is_named(tmp_path):
    lrw(tmp_path / "tree", tmp_path / "downloads")
    (tmp_path / "downloads" / "lrw-v1_partac").unlink()
    with pytest.raises(DatasetError, match=r"parts of .*lrw-v1 are missing, aa ab ad ae are here"):
        open_archives(tmp_path / "downloads").__enter__()


def test_damaged_hostile_and_compressed_archives_are_refused(tmp_path):
    put(tmp_path / "cut" / "lrw.zip", b"PK\3\4 cut off")
    put(tmp_path / "empty" / "lrw.tar", b"\0" * 10240)
    put(tmp_path / "packed" / "lrw.tar.gz")
    put(tmp_path / "gzipped" / "lrw_partaa", gzip.compress(b"x"))
    (tmp_path / "outside").mkdir()
    with zipfile.ZipFile(tmp_path / "outside" / "lrw.zip", "w") as made:
        made.writestr("../../etc/passwd", "x")
    reasons = {
        "cut": "damaged",
        "empty": "holds no files",
        "packed": "unpack it",
        "gzipped": "unpack it",
        "outside": "outside its folder",
    }
    for folder, reason in reasons.items():
        with pytest.raises(DatasetError, match=reason):
            open_archives(tmp_path / folder).__enter__()


def test_a_tar_that_ends_early_is_refused_wherever_it_was_cut(tmp_path):
    lrw(tmp_path / "tree", tmp_path / "downloads")
    packed(tmp_path / "tree", tmp_path / "whole" / "lrw-v1.tar")
    content = (tmp_path / "whole" / "lrw-v1.tar").read_bytes()
    last = content.rindex(b"./lipread_mp4")  # where the header of the last file starts
    damaged = bytearray(content)
    damaged[last + 148] ^= 1  # its checksum
    for name, part in (
        ("in the header", content[: last + 100]),
        ("before the header", content[:last]),
        ("in the file", content[: last + 600]),
        ("damaged", bytes(damaged)),
    ):
        put(tmp_path / name / "lrw-v1.tar", part)
        with pytest.raises(DatasetError, match="damaged or cut short"):
            open_archives(tmp_path / name).__enter__()


def test_a_member_that_is_larger_than_it_says_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/bomb.mp4", b"\0" * 2_000_000)
    content = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(content.replace((2_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with open_archives(tmp_path) as root:
        assert root is not None
        with pytest.raises(DatasetError, match="damaged"):
            (root / "a" / "bomb.mp4").read_bytes()


def test_parts_are_read_as_one_file(tmp_path):
    names = [str(put(tmp_path / f"p{place}", bytes([place]) * 10)) for place in range(3)]
    with JoinedFile(names) as joined:
        assert joined.seek(-12, io.SEEK_END) == 18
        assert joined.read(4) == b"\1\1\2\2" and joined.read() == b"\2" * 8 and joined.read(1) == b""
