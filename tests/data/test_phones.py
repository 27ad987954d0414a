"""Phone labels: classes follow the phones, synthetic voices say when."""

import ctypes.util
import shutil

import numpy as np
import pytest

from talkface.data.phones import ARPABET, CLASSES, PhoneRecogniser, ipa_classes, label_frames
from talkface.data.voices import synthesise
from talkface.data.voices_text import WORDS

has_synthesisers = pytest.mark.skipif(
    shutil.which("flite") is None or ctypes.util.find_library("espeak-ng") is None, reason="needs flite and espeak-ng"
)


@pytest.mark.parametrize(
    ("phone", "expected"),
    [("p", ("pbm",)), ("oʊ", ("o", "w")), ("dʒ", ("sh",)), ("iː", ("i",)), ("", ("sil",)), ("ˈf", ("fv",))],  # noqa: RUF001
)
def test_ipa(phone: str, expected: tuple[str, ...]) -> None:
    assert ipa_classes(phone) == expected


def test_every_phone_has_a_known_class() -> None:
    assert {name for names in ARPABET.values() for name in names} == set(CLASSES)


def test_a_diphthong_is_its_two_halves_in_turn() -> None:
    labels = label_frames([(0.0, 0.1, ("sil",)), (0.1, 0.3, ("a", "i"))], 35)
    names = [CLASSES[row.argmax()] if row.any() else None for row in labels]
    assert names == ["sil"] * 10 + ["a"] * 10 + ["i"] * 10 + [None] * 5


@has_synthesisers
def test_synthetic_voices_are_loud_when_their_labels_say_vowel() -> None:
    agreement = []
    for spoken in synthesise(12, np.random.default_rng(0)):
        frames = len(spoken.samples) // 160
        assert spoken.labels.shape == (frames, len(CLASSES)) and spoken.labels.any(0).sum() > 5
        loud = np.log(np.square(spoken.samples[: frames * 160].reshape(frames, 160)).mean(1) + 1e-5)
        vowels = spoken.labels[:, [CLASSES.index(name) for name in ("a", "e", "i", "o", "w", "ax")]].any(1)
        agreement.append([np.corrcoef(np.roll(vowels, shift), loud)[0, 1] for shift in (-10, 0, 10)])
    early, right, late = np.mean(agreement, 0)
    assert right > 0.4 and right > early + 0.2 and right > late + 0.2


@has_synthesisers
def test_pocketsphinx_hears_what_flite_says() -> None:
    pytest.importorskip("pocketsphinx")
    spoken = list(synthesise(8, np.random.default_rng(1)))[1::2]
    recogniser = PhoneRecogniser()
    right = [(recogniser.label(item.samples) * item.labels).sum() / item.labels.any(1).sum() for item in spoken]
    assert np.mean(right) > 0.25  # chance is below 0.1; the robot's voice is not what the model was trained on


def test_words_cover_the_language() -> None:
    assert len(WORDS) == len(set(WORDS)) > 600
