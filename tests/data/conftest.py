"""A small drawn corpus and its shards, made once."""

from pathlib import Path

import pytest

from talkface.data.prepare.preprocess import PreprocessConfig
from talkface.data.prepare.run import PrepareConfig, prepare
from talkface.data.sources.folder import find_folder_clips
from talkface.testing.clips import write_talking_clip

SMALL = PrepareConfig(workers=1, preprocess=PreprocessConfig(size=96, sync="keep"))


@pytest.fixture(scope="session")
def small() -> PrepareConfig:
    """Settings of the prepared corpus."""
    return SMALL


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Two drawn speakers, two clips of 1.6 s each."""
    root = tmp_path_factory.mktemp("corpus")
    for speaker in range(2):
        (root / f"speaker{speaker}").mkdir()
        for clip in range(2):
            write_talking_clip(root / f"speaker{speaker}/clip{clip}.mkv", 100 * speaker + clip, 1.6, speaker=speaker)
    return root


@pytest.fixture(scope="session")
def shards(corpus, tmp_path_factory) -> Path:
    """The corpus, prepared."""
    out = tmp_path_factory.mktemp("shards")
    prepare(find_folder_clips(corpus, None, {}), out, SMALL)
    return out
