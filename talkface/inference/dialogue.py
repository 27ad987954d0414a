"""Photo of several people and what each says -> one video in which they speak in turn."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from talkface.errors import ConfigError, MediaError
from talkface.files.read import read_table, read_text
from talkface.inference.animator import Animator
from talkface.inference.clip import Clip
from talkface.inference.photos import PhotoSource, load_people
from talkface.inference.request import AnimateOptions
from talkface.inference.subject import Subject, Track
from talkface.media.decode import decode_sound, probe_sound
from talkface.media.speech import open_speech, read_waveform
from talkface.renderers.base import Rendered
from talkface.types import SAMPLE_RATE, FloatArray, Image, Waveform

FACE = re.compile(r"\d{1,3}")  # number of a face, 0 the largest
EDGE_S = 0.02  # over which a turn's sound fades in and out, so that cuts do not click


@dataclass(frozen=True)
class Turn:
    """When somebody speaks.

    Attributes:
        start_s: seconds from the start of the recording.
        end_s: the same.
        speaker: name, as the file has it.
    """

    start_s: float
    end_s: float
    speaker: str


def converse(animator: Animator, photo: PhotoSource, speeches: Mapping[int, Waveform], options: AnimateOptions) -> Clip:
    """Video of one photo whose faces speak, each its own speech; who is silent blinks and sways.

    Every face is rendered on the whole photo; as pixels that one does not move are the photo's own, all are laid over
    one another. Speeches are mixed in the sound track, shorter ones end in silence.

    Args:
        animator: networks.
        photo: of several people.
        speeches: by face, 0 the largest; 16 kHz.
        options: how they move; what cuts a single person out is refused.

    Raises:
        ConfigError: no speech, or options that are for one face.
        MediaError, NoFaceError: unusable photo or speech, or fewer faces than that.
    """
    for name in ("alpha", "background", "crop", "panel", "gaze", "save_maps", "report", "landmarks", "head_from"):
        if getattr(options, name) not in (None, False, (0.0, 0.0)):
            raise ConfigError(f"{name} is for one face: leave it out where several speak")
    if not speeches:
        raise ConfigError("nobody speaks: give at least one --speaker FACE=SPEECH")
    longest = max(len(speech.samples) for speech in speeches.values())
    padded = {face: _padded(speech.samples, longest) for face, speech in sorted(speeches.items())}
    people: list[tuple[Subject, Track]] = []
    found = load_people(photo, animator.detector, list(padded))
    for shots, samples in zip(found, padded.values(), strict=True):
        subject = animator.subject(shots)
        people.append((subject, animator.track_speech(open_speech(Waveform(samples)), options.fps, subject)))
    mixed = np.sum(list(padded.values()), 0)
    sound = open_speech(Waveform(np.clip(mixed, -1, 1).astype(np.float32)))
    first, track = people[0]
    own = first.shots.shots[0].image
    return Clip(
        len(track),
        options.fps,
        replace(first.shots, notes=list(dict.fromkeys(note for shots in found for note in shots.notes))),
        sound,
        options,
        render=lambda: _together(animator, people, own, options),
        points=lambda: animator.landmarks(first, track, options),
        networks=animator.network_files(),
    )


def _together(
    animator: Animator, people: Sequence[tuple[Subject, Track]], photo: Image, options: AnimateOptions
) -> Iterator[Rendered]:
    streams = [animator.render(subject, track, options) for subject, track in people]
    for frames in zip(*streams, strict=True):
        image = frames[0].image
        for frame in frames[1:]:
            moved = (frame.image != photo).any(-1, keepdims=True)
            image = np.where(moved, frame.image, image)
        yield Rendered(image, frames[0].landmarks)


def parse_speakers(words: Sequence[str]) -> dict[int, Waveform]:
    """`FACE=SPEECH` words -> speech by face.

    Raises:
        ConfigError: of another form, or a face that is given twice.
        MediaError: speech that cannot be read.
    """
    speeches: dict[int, Waveform] = {}
    for word in words:
        found = re.fullmatch(rf"({FACE.pattern})=(.+)", word)
        if found is None:
            raise ConfigError(f"invalid speaker {word!r}: expected FACE=SPEECH such as 0=a.wav, 0 the largest face")
        if int(found[1]) in speeches:
            raise ConfigError(f"speaker {found[1]} is given twice: join the two files, or leave one out")
        speeches[int(found[1])] = read_waveform(found[2])
    return speeches


def split_channels(path: Path) -> dict[int, Waveform]:
    """Left channel for face 0, right one for face 1.

    Raises:
        MediaError: not sound of two channels.
    """
    open_speech(path)  # says what is wrong with a file
    channels = probe_sound(path).channels
    if channels != 2:
        raise MediaError(f"{path} has {channels} channel{'s' * (channels != 1)}: a stereo dialogue has two")
    both = np.concatenate(list(decode_sound(path, SAMPLE_RATE, 2)))
    return {face: Waveform(np.ascontiguousarray(both[:, face])) for face in range(2)}


def read_turns(path: Path) -> list[Turn]:
    """Turns of an RTTM file, or of a CSV file with columns start, end and speaker.

    Raises:
        MediaError: neither, or a turn that ends before it starts.
    """
    turns = []
    try:
        if path.suffix.lower() == ".rttm":
            text = read_text(path, "turns", MediaError)
            words = [line.split() for line in text.splitlines() if line.startswith("SPEAKER")]
            turns = [Turn(float(word[3]), float(word[3]) + float(word[4]), word[7]) for word in words]
        else:
            _, rows = read_table(path, "turns", MediaError)
            turns = [Turn(float(row["start"]), float(row["end"]), row["speaker"]) for row in rows]
    except (KeyError, ValueError, IndexError) as error:
        raise MediaError(f"turns {path}: expected RTTM, or CSV with columns start, end, speaker") from error
    if not turns or any(not 0 <= turn.start_s < turn.end_s < float("inf") for turn in turns):
        raise MediaError(f"turns {path}: expected at least one turn, each ending after it starts")
    return turns


def split_turns(speech: Waveform, turns: Sequence[Turn]) -> dict[int, Waveform]:
    """Speech of each face, silent outside its turns.

    Speakers called by a number are that face; others are faces in the order in which they first speak.
    """
    names = list(dict.fromkeys(turn.speaker for turn in turns))
    numbered = all(FACE.fullmatch(name) for name in names)
    return {
        int(name) if numbered else place: Waveform(_during(speech, [turn for turn in turns if turn.speaker == name]))
        for place, name in enumerate(names)
    }


def _during(speech: Waveform, turns: Sequence[Turn]) -> FloatArray:
    time_s = np.arange(len(speech.samples)) / speech.rate
    share = np.zeros(len(time_s))
    for turn in turns:
        share = np.maximum(share, np.clip(np.minimum(time_s - turn.start_s, turn.end_s - time_s) / EDGE_S, 0, 1))
    return np.asarray(speech.samples * share, np.float32)


def _padded(samples: FloatArray, length: int) -> FloatArray:
    return np.pad(samples, (0, length - len(samples))).astype(np.float32)
