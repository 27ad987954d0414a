"""Random sentences -> synthetic voices with the times of their own phones, from eSpeak NG and flite."""

import ctypes
import ctypes.util
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from talkface.data.phones import ARPABET, ipa_classes, label_frames
from talkface.data.voices_text import WORDS
from talkface.errors import MissingExtraError
from talkface.types import SAMPLE_RATE, FloatArray

ESPEAK_LANGUAGES = (
    "en-us",
    "en-us",
    "en-us",
    "en-gb",
    "en-gb-scotland",
    "de",
    "es",
    "fr-fr",
    "it",
    "pt",
    "nl",
    "sv",
    "pl",
)
ESPEAK_VARIANTS = """
Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen
adam anika antonio aunty belinda benjamin boris caleb david ed edward f1 f2 f3 f4 f5 grandma grandpa gustave
iven iven2 iven3 john kaukovalta klatt klatt2 klatt3 klatt4 linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel
miguel norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 steph3 travis victor zac
""".split()  # noqa: SIM905 - a list of 70 quoted words is no easier to read


@dataclass(frozen=True)
class Utterance:
    """One synthetic sentence.

    Attributes:
        samples: `[S]` float32 at 16 kHz.
        labels: `[S // 160, 16]` classes of `data.phones`.
    """

    samples: FloatArray
    labels: FloatArray


def synthesise(count: int, rng: np.random.Generator) -> Iterator[Utterance]:
    """`count` sentences of random words, by flite and eSpeak NG in turn, in random voices, pitches and speeds.

    Raises:
        MissingExtraError: flite or the eSpeak NG library is not installed.
    """
    espeak = _Espeak()
    if shutil.which("flite") is None:
        raise MissingExtraError("synthetic voices need flite: apt install flite espeak-ng, or set phones.synthetic=0")
    flite_voices = ("slt", "rms", "awb", "kal16")
    for index in range(count):
        text = " ".join(rng.choice(WORDS, rng.integers(5, 11)))
        if index % 2:
            voice = flite_voices[rng.integers(len(flite_voices))]
            yield _flite(text, voice, stretch=float(rng.uniform(0.8, 1.2)), pitch_hz=int(rng.uniform(90, 230)))
        else:
            language = ESPEAK_LANGUAGES[rng.integers(len(ESPEAK_LANGUAGES))]
            voice = f"{language}+{ESPEAK_VARIANTS[rng.integers(len(ESPEAK_VARIANTS))]}"
            speed, pitch, spread = (int(rng.uniform(low, high)) for low, high in ((130, 200), (20, 80), (20, 80)))
            spoken = espeak.speak(text, voice, speed, pitch, spread)
            if spoken is not None:
                yield spoken


def _flite(text: str, voice: str, stretch: float, pitch_hz: int) -> Utterance:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        command = ["flite", "-voice", voice, "-psdur", "--setf", f"duration_stretch={stretch}"]
        command += ["--setf", f"int_f0_target_mean={pitch_hz}", "-t", text, "-o", str(path)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        with wave.open(str(path)) as file:
            rate, raw = file.getframerate(), file.readframes(file.getnframes())
    samples = _to_16k(np.frombuffer(raw, np.int16).astype(np.float32) / 32768, rate)
    segments, start_s = [], 0.0
    for part in printed.split():
        phone, _, end = part.partition(":")
        segments.append((start_s, float(end), ARPABET.get(phone, ())))
        start_s = float(end)
    return Utterance(samples, label_frames(segments, len(samples) // 160))


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """`espeak_EVENT` of eSpeak NG's speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _EventId),
    )  # fmt: skip


class _Espeak:
    """eSpeak NG's shared library, which reports each phone with its sample."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            raise MissingExtraError(
                "synthetic voices need the eSpeak NG library: apt install espeak-ng flite, or set phones.synthetic=0"
            )
        self._library = ctypes.CDLL(name)
        synchronous, phone_events_in_ipa = 2, 1 | 2
        self._rate = self._library.espeak_Initialize(synchronous, 0, None, phone_events_in_ipa)
        self._sound: list[FloatArray] = []
        self._phones: list[tuple[int, str]] = []
        samples, events = ctypes.POINTER(ctypes.c_short), ctypes.POINTER(_Event)
        self._callback = ctypes.CFUNCTYPE(ctypes.c_int, samples, ctypes.c_int, events)(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._sound.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 32768)
        index = 0
        list_terminated, phoneme = 0, 7
        while events[index].type != list_terminated:
            if events[index].type == phoneme:
                phone = events[index].id.string.decode("utf-8", "ignore")
                self._phones.append((events[index].sample, phone))
            index += 1
        return 0

    def speak(self, text: str, voice: str, speed: int, pitch: int, spread: int) -> Utterance | None:
        """One sentence; None where this installation lacks the voice."""
        self._sound.clear()
        self._phones.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            return None
        for parameter, value in ((1, speed), (3, pitch), (4, spread)):  # espeakRATE, espeakPITCH, espeakRANGE
            self._library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode()
        utf8 = 1
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, utf8, None, None)
        self._library.espeak_Synchronize()
        if not self._sound:
            return None
        sound = np.concatenate(self._sound)
        starts = [sample / self._rate for sample, _ in self._phones]
        ends = [*starts[1:], len(sound) / self._rate]
        phones = [phone for _, phone in self._phones]
        segments = [(start, end, ipa_classes(phone)) for start, end, phone in zip(starts, ends, phones, strict=True)]
        samples = _to_16k(sound, self._rate)
        return Utterance(samples, label_frames(segments, len(samples) // 160))


def _to_16k(samples: FloatArray, rate: int) -> FloatArray:
    if rate == SAMPLE_RATE:
        return samples
    common = int(np.gcd(rate, SAMPLE_RATE))
    return np.asarray(resample_poly(samples, SAMPLE_RATE // common, rate // common), np.float32)
