"""Speech -> which of 16 classes of sounds is heard every 10 ms."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from talkface.errors import MissingExtraError
from talkface.types import FloatArray

CLASSES = ("sil", "pbm", "fv", "th", "tdnl", "kg", "sz", "sh", "r", "w", "o", "a", "e", "i", "ax", "h")
"""Sounds that look alike on the lips share a class, those that sound alike but look different do not."""

_ARPABET = (
    "pau sil|sil sil|+noise+ sil|+spn+ sil|p pbm|b pbm|m pbm|em ax pbm|f fv|v fv|th th|dh th|t tdnl|d tdnl|n tdnl"
    "|l tdnl|dx tdnl|el ax tdnl|en ax tdnl|k kg|g kg|ng kg|s sz|z sz|sh sh|zh sh|ch sh|jh sh|r r|er r|axr r|w w|uw w"
    "|uh w|ao o|ow o w|oy o i|aa a|ah a|ay a i|aw a w|ae e|eh e|ey e i|iy i|ih i|y i|ax ax|hh h"
)
ARPABET = {entry.split()[0]: tuple(entry.split()[1:]) for entry in _ARPABET.split("|")}
"""CMU phones -> the class, or the two classes in turn of a diphthong."""

IPA = {
    sign: name
    for name, signs in {
        "pbm": "pbmɓβɸ", "fv": "fvʋɱ", "th": "θð", "tdnl": "tdnlɾɲʎɭɳʈɖɫ", "kg": "kgɡŋxɣqχcɟ", "sz": "sz",  # noqa: RUF001 - they are IPA
        "sh": "ʃʒɕʑʂʐç", "r": "rɹʁɚɝɜʀɻɐ", "w": "wuʊyʏɥʉ", "o": "oɔøœɒɵ", "a": "aɑʌäɶ", "e": "eɛæ", "i": "iɪjɨɯ",  # noqa: RUF001 - they are IPA
        "ax": "əɘᵻ", "h": "hɦʔ",  # noqa: RUF001 - they are IPA
    }.items()
    for sign in signs
}  # fmt: skip
_RATE = 100  # labels per second


def ipa_classes(phone: str) -> tuple[str, ...]:
    """Classes of one phone as eSpeak writes it, in turn; empty for signs that are not known."""
    plain = re.sub("[ˈˌː̃ʲʰ̩͡ˑ0-9-]", "", phone)
    if not plain:
        return ("sil",)
    plain = plain.replace("tʃ", "ʃ").replace("dʒ", "ʒ").replace("ts", "s")
    return tuple(IPA[sign] for sign in plain if sign in IPA)


def label_frames(segments: Sequence[tuple[float, float, tuple[str, ...]]], num_frames: int) -> FloatArray:
    """(start, end in seconds, classes in turn) -> `[num_frames, 16]` 1 where a class is heard, 0 elsewhere."""
    labels = np.zeros((num_frames, len(CLASSES)), np.float32)
    for start_s, end_s, names in segments:
        edges = np.linspace(start_s, end_s, len(names) + 1)
        for first, last, name in zip(edges[:-1], edges[1:], names, strict=True):
            labels[round(first * _RATE) : round(last * _RATE), CLASSES.index(name)] = 1
    return labels


class PhoneRecogniser:
    """PocketSphinx' free phone loop with the English model that its package carries (BSD licence)."""

    def __init__(self) -> None:
        """Load the model.

        Raises:
            MissingExtraError: pocketsphinx is not installed.
        """
        try:
            import pocketsphinx
        except ImportError as error:
            raise MissingExtraError(
                "phone labels need pocketsphinx: pip install 'talkface[phones]', or train with phones.steps=0"
            ) from error
        model = Path(pocketsphinx.get_model_path()) / "en-us"
        self._decoder: Any = pocketsphinx.Decoder(
            hmm=str(model / "en-us"), allphone=str(model / "en-us-phone.lm.bin"), lw=2.0, beam=1e-10, pbeam=1e-10,
            loglevel="FATAL",
        )  # fmt: skip

    def label(self, samples: FloatArray) -> FloatArray:
        """`[S]` at 16 kHz -> `[S // 160, 16]` labels."""
        loud = samples / max(float(np.abs(samples).max()), 1e-6) * 0.8
        self._decoder.start_utt()
        self._decoder.process_raw((loud * 32767).astype(np.int16).tobytes(), full_utt=True)
        self._decoder.end_utt()
        segments = [
            (part.start_frame / _RATE, (part.end_frame + 1) / _RATE, ARPABET.get(part.word.lower(), ("sil",)))
            for part in self._decoder.seg()
        ]
        return label_frames(segments, len(samples) // 160)
