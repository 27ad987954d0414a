"""Every shipped YAML opens with its command and loads through the schema that its `kind:` names."""

import importlib
import pkgutil
import re
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import talkface
from talkface.config import load_config, read_kind, to_dict
from talkface.errors import ConfigError
from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "configs").rglob("*.yaml"))
ROOMS_WITH_SCHEMAS = ("talkface.training.", "talkface.data.", "talkface.cli.")


@pytest.fixture(scope="module")
def schemas() -> dict[str, list[type]]:
    """Config dataclasses by the default of their field `kind`."""
    found: dict[str, list[type]] = {}
    for info in pkgutil.walk_packages(talkface.__path__, "talkface."):
        if not info.name.startswith(ROOMS_WITH_SCHEMAS) or info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if isinstance(value, type) and is_dataclass(value) and value.__module__ == info.name:
                kinds = [field.default for field in fields(value) if field.name == "kind"]
                if kinds and isinstance(kinds[0], str):
                    found.setdefault(kinds[0], []).append(value)
    return found


def test_there_are_configs():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_config_loads_by_its_kind(path: Path, schemas: dict[str, list[type]]):
    kind = read_kind(path)
    assert len(schemas.get(kind, [])) == 1, (
        f"kind {kind} has the schemas {schemas.get(kind)}; known are {sorted(schemas)}"
    )
    config = load_config(schemas[kind][0], path)
    assert to_dict(config)["kind"] == kind


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_config_opens_with_its_command(path: Path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# talkface "), (
        "the first line must be `# talkface VERB ...`, the command that uses the file"
    )
    assert str(path.relative_to(ROOT)) in first, "the command must name this very file"


def test_a_run_goes_where_the_readme_looks_for_it():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    made = {_run_folder(path) for path in FILES}
    assert all(" " not in folder for folder in made)
    for folder in set(re.findall(r"(runs/\w+)/best\.safetensors", text)):
        assert folder in made or f"run.out={folder}" in text, folder


def _run_folder(path: Path) -> str:
    """`run.out` of a config, empty where it has none."""
    found = OmegaConf.to_container(OmegaConf.load(path))
    return str(found.get("run", {}).get("out", ""))


def test_only_the_richer_recipe_needs_an_extra():
    from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining

    speech = [path for path in FILES if read_kind(path) == "audio2landmark"]
    pretrained = [path.name for path in speech if load_config(Audio2LandmarkTraining, path).phones.steps]
    assert pretrained == ["shipped.yaml"], "the others must run with what pip install -e '.[train]' gives"


def test_the_speech_networks_first_command_needs_no_extra():
    """PocketSphinx, which labels phones, is one."""
    config = read_kind(ROOT / "configs/audio2landmark/base.yaml")
    assert config == "audio2landmark"
    assert OmegaConf.load(ROOT / "configs/audio2landmark/base.yaml").phones.steps == 0


def test_a_wrong_setting_is_named_with_where_it_was_given(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"invalid setting run.steps of --set: Value 'abc'"):
        load_config(Audio2LandmarkTraining, overrides=["run.steps=abc"])
    (tmp_path / "c.yaml").write_text("run: {steps: abc}\n")
    with pytest.raises(ConfigError, match=r"invalid setting run.steps in .*c.yaml: Value 'abc'"):
        load_config(Audio2LandmarkTraining, tmp_path / "c.yaml")


def test_an_earlier_name_of_a_setting_is_answered_with_todays():
    with pytest.raises(ConfigError, match=r"unknown setting optim.hurried.*: it is called optim.fast_share now"):
        load_config(Audio2LandmarkTraining, overrides=["optim.hurried=0.5"])
