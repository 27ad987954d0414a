"""The public door: what `import talkface` offers, and that it opens without the heavy parts."""

import subprocess
import sys

import pytest

import talkface

# adding one is a decision, not a side effect
PUBLIC_NAMES = [
    *(
        "AnimateOptions",
        "Animator",
        "BatchOptions",
        "Identity",
        "ReenactOptions",
        "Waveform",
        "__version__",
        "animate",
        "batch",
    ),
    *("errors", "list_models", "load_animator", "reenact"),
]


def test_public_names_are_the_agreed_ones():
    assert sorted(talkface.__all__) == PUBLIC_NAMES


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_every_public_name_resolves_and_is_documented(name: str):
    value = getattr(talkface, name)
    if name == "__version__":
        assert value.count(".") >= 2
    else:
        assert value.__doc__, f"talkface.{name} has no docstring"


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError):
        _ = talkface.no_such_name


def test_dir_lists_the_public_names():
    assert set(PUBLIC_NAMES) <= set(dir(talkface))


def test_the_door_opens_without_torch():
    program = "import sys, talkface; talkface.__version__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
