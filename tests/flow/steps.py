"""Commands of the pages, run in this process with settings behind them that shrink them."""

from collections.abc import Callable
from pathlib import Path

from talkface.__main__ import run
from talkface.testing.clips import write_talking_clip

DRAWN_S = 0.64
ONE_PROCESS = ["--workers", "1"]
TWO_STEPS = ["run.steps=2", "run.batch_size=2", "run.eval_every=2", "run.save_every=2", "run.bf16=false"]
NO_STAGES = ["range.steps=0", "offsets.steps=0", "phones.steps=0"]


def run_all(commands: list[list[str]], shrink: Callable[[list[str]], list[str]]) -> None:
    """Run commands one after the other in this process, each with its settings behind it."""
    for words in commands:
        quiet, settings = [] if words[0] == "models" else ["--quiet"], shrink(words)
        if words[0] == "train":
            settings = [word for setting in settings for word in ("--set", setting)]
        assert run([*words, *settings, *quiet]) == 0, " ".join(words)


def drawn(path: Path, seed: int) -> None:
    """A drawn person who talks, under a name that says nothing of the container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_talking_clip(path.with_suffix(".avi"), seed, DRAWN_S)
    path.with_suffix(".avi").rename(path)
