"""Photos and speech -> a table of what each mark survives, for docs/provenance.md.

    python scripts/marks_table.py --speech speech.wav photo.jpg ...

Animates every photo for six seconds, does to the video what happens to videos, and asks `verify` each time.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg

import talkface
from talkface.media.mark.verify import Verdict, verify_file
from talkface.media.read import read_frames
from talkface.media.speech import open_speech
from talkface.types import SAMPLE_RATE, Waveform

H264 = ("-c:v", "libx264", "-preset", "veryfast")
HALF, EVEN = "scale=trunc(iw/4)*2:trunc(ih/4)*2", "trunc(iw*0.4)*2:trunc(ih*0.4)*2"
CHANGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "as written": (".mp4", ()),
    "copied to another mp4 by ffmpeg": (".mp4", ("-c", "copy")),
    "copied, without metadata (`-map_metadata -1`)": (".mp4", ("-c", "copy", "-map_metadata", "-1")),
    "copied to .ts": (".ts", ("-c", "copy")),
    "encoded again, crf 23": (".mp4", (*H264, "-crf", "23")),
    "encoded again, crf 28": (".mp4", (*H264, "-crf", "28")),
    "VP9 in WebM": (".webm", ("-c:v", "libvpx-vp9", "-crf", "33", "-b:v", "0", "-cpu-used", "6", "-an")),
    "scaled to 50 %": (".mp4", (*H264, "-crf", "23", "-vf", HALF)),
    "scaled to 50 %, crf 28": (".mp4", (*H264, "-crf", "28", "-vf", HALF)),
    "20 % of width and height cut off": (".mp4", (*H264, "-crf", "23", "-vf", f"crop={EVEN}:iw*0.13:ih*0.06")),
    "a cut of 5 s": (".mp4", (*H264, "-crf", "23", "-ss", "0.6", "-t", "5")),
    "30 to 25 frames/s": (".mp4", (*H264, "-crf", "23", "-r", "25")),
    "mirrored": (".mp4", (*H264, "-crf", "23", "-vf", "hflip")),
    "one frame as PNG": (".png", ("-frames:v", "1", "-update", "1")),
    "one frame after crf 23, as JPEG": (".jpg", ("-frames:v", "1", "-update", "1", "-q:v", "4")),
}


def change(source: Path, folder: Path, name: str) -> Path:
    """A changed copy of the video; the frame of the last row is taken from the copy at crf 23."""
    suffix, words = CHANGES[name]
    if not words:
        return source
    if suffix == ".jpg":
        source = change(source, folder, "encoded again, crf 23")
    at = ("-ss", "2") if suffix in (".png", ".jpg") else ()
    target = folder / f"{abs(hash(name))}{suffix}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *at, "-i", str(source), *words, str(target)]
    subprocess.run(command, check=True, timeout=300)
    return target


def cells(verdicts: list[Verdict]) -> list[str]:
    """Counts of the videos that have their signature, invisible mark and tag."""
    signed = sum(verdict.manifest is not None and verdict.manifest.state != "invalid" for verdict in verdicts)
    counts = (
        signed,
        sum(verdict.mark is not None for verdict in verdicts),
        sum(verdict.tag is not None for verdict in verdicts),
    )
    return [f"{count} of {len(verdicts)}" for count in counts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--speech", required=True)
    parser.add_argument("--renderer", default="warp")
    given = parser.parse_args()
    speech = open_speech(given.speech).waveform()
    short = Waveform(speech.samples[: 6 * SAMPLE_RATE])
    animator = talkface.Animator.from_pretrained(given.renderer)
    found: dict[str, list[Verdict]] = {name: [] for name in CHANGES}
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "video.mp4"
        for photo in given.photos:
            talkface.animate(photo, short, video, fps=30, force=True, animator=animator)
            payload = verify_file(video).mark
            for name, verdicts in found.items():
                verdict = verify_file(change(video, Path(folder), name))
                assert verdict.mark is None or payload is None or verdict.mark.payload == payload.payload, name
                verdicts.append(verdict)
            size = "x".join(map(str, next(iter(read_frames(video)))[0].shape[1::-1]))
            sys.stderr.write(
                f"{photo}: {size}, mark lost by {[name for name, all_ in found.items() if all_[-1].mark is None]}\n"
            )
    sys.stdout.write(
        "| what happened to the video | C2PA signature | invisible mark | comment tag |\n|---|---|---|---|\n"
    )
    for name, verdicts in found.items():
        sys.stdout.write(f"| {name} | {' | '.join(cells(verdicts))} |\n")


if __name__ == "__main__":
    main()
