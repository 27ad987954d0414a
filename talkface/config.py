"""YAML file and dotted overrides -> one frozen dataclass, strictly checked."""

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from talkface.errors import ConfigError


@dataclass(frozen=True)
class RunConfig:
    """Settings shared by every training: output, duration, intervals."""

    out: str = "runs/unnamed"  # run folder; the same command resumes from it
    steps: int = 1000
    batch_size: int = 32  # of all processes together
    seed: int = 0
    device: str = "auto"  # auto | cpu | cuda | mps
    bf16: bool = False  # autocast; faster on CPUs with AVX-512 BF16 or AMX, and on GPUs
    threads: int = 0  # torch CPU threads; 0 leaves torch's own choice
    grad_clip: float = 1.0  # largest gradient norm
    ema: float = 0.999  # decay of the averaged weights that a snapshot holds; 0 switches it off
    log_every: int = 50  # steps between rows of the CSV and TensorBoard
    eval_every: int = 500  # steps between scores on held-out clips, a preview grid and a snapshot
    save_every: int = 500  # steps between states to resume from
    patience: int = 0  # evaluations without a better score before stopping; 0 never stops early
    quiet: bool = False  # no progress bars

    def __post_init__(self) -> None:
        """Raises `ConfigError` for a number that no run can have."""
        for name in ("steps", "batch_size", "log_every", "eval_every", "save_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"invalid run.{name} {getattr(self, name)}: expected 1 or more")
        for name in ("threads", "grad_clip", "patience"):
            if getattr(self, name) < 0:
                raise ConfigError(f"invalid run.{name} {getattr(self, name)}: expected 0 or more")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"invalid run.ema {self.ema}: expected 0 (off) to just below 1")


def load_config(schema: type[Any], path: Path | str | None = None, overrides: Sequence[str] = ()) -> Any:
    """Read `path`, apply `key.sub=value` overrides, check both against `schema`.

    Returns:
        An instance of `schema` (a frozen dataclass of dataclasses).

    Raises:
        ConfigError: the file is missing or no YAML mapping, a key is unknown (the nearest known one is named)
            or a value has the wrong type.
    """
    merged = OmegaConf.structured(schema)
    where = f" in {path}" if path else ""
    try:
        if path is not None:
            merged = OmegaConf.merge(merged, _read_yaml(Path(path), schema))
        if overrides:
            where = " of --set"
            given = OmegaConf.from_dotlist(_checked_overrides(overrides))
            _check_keys(OmegaConf.to_container(given), schema, "an override")
            merged = OmegaConf.merge(merged, given)
        return OmegaConf.to_object(merged)
    except (OmegaConfBaseException, YAMLError, ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        key = f" {error.full_key}" if isinstance(error, OmegaConfBaseException) and error.full_key else ""
        raise ConfigError(f"invalid setting{key}{where}: {reason}") from error


def to_dict(config: Any) -> dict[str, Any]:
    """Plain dict of a config dataclass, as saved in run folders and checkpoints."""
    return asdict(config)


def portable_dict(config: Any) -> dict[str, Any]:
    """The same without `run.out` and the shards of `data`: a place on one machine says nothing on another."""
    plain = to_dict(config)
    for section, name in (("run", "out"), ("data", "shards"), ("data", "talk_shards")):
        plain[section].pop(name, None)
    return plain


def read_kind(path: Path | str) -> str:
    """The `kind:` line of a config file, which says which schema it follows.

    Raises:
        ConfigError: no such file, no YAML, or no `kind`.
    """
    loaded = read_mapping(Path(path))
    if "kind" not in loaded:
        raise ConfigError(f"{path} has no `kind:` line: start from one of the files in configs/")
    return str(loaded["kind"])


def read_mapping(path: Path) -> dict[str, Any]:
    """Plain values of a YAML file of `key: value` lines.

    What OmegaConf would look up elsewhere, such as `${oc.env:HOME}`, is refused: a settings file is only read.

    Raises:
        ConfigError: no such file, too large, not YAML, no mapping, or a value that asks to be looked up.
    """
    if not path.is_file():
        raise ConfigError(f"no config file {path}: the shipped ones are in configs/")
    largest_file = 1_000_000  # bytes of a settings file
    if path.stat().st_size > largest_file:
        raise ConfigError(f"{path} has {path.stat().st_size} bytes, expected at most {largest_file} of settings")
    try:
        loaded = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except Exception as error:  # the YAML parser has its own tree of errors
        raise ConfigError(f"{path} is not valid YAML: {(str(error).splitlines() or [''])[0]}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} must hold `key: value` lines")
    _check_plain(loaded, str(path))
    return {str(key): value for key, value in loaded.items()}


def _check_plain(value: Any, where: str) -> None:
    """Refuse text that OmegaConf would resolve, in keys and values."""
    if isinstance(value, dict):
        for key, each in value.items():
            _check_plain(key, where)
            _check_plain(each, where)
    elif isinstance(value, list):
        for each in value:
            _check_plain(each, where)
    elif isinstance(value, str) and "${" in value:
        raise ConfigError(f"{where} holds {value[:60]!r}: write the value itself, nothing is looked up")


def _read_yaml(path: Path, schema: type[Any]) -> Any:
    loaded = read_mapping(path)
    _check_keys(loaded, schema, str(path))
    return OmegaConf.create(loaded)


def _checked_overrides(overrides: Sequence[str]) -> list[str]:
    for item in overrides:
        if "=" not in item:
            raise ConfigError(f"invalid override {item!r}: expected key.sub=value")
        _check_plain(item, "an override")
    return list(overrides)


def _check_keys(given: Any, schema: type[Any], where: str, prefix: str = "") -> None:
    """Raise on the first key that `schema` does not have, naming today's name of an old one, or the nearest it has."""
    fields = {field.name: field for field in dataclass_fields(schema)}
    for key, value in given.items():
        name = str(key)
        if name not in fields:
            renamed = getattr(schema, "renamed", {}).get(name)
            nearest = difflib.get_close_matches(name, fields, n=1)
            hint = f": did you mean {prefix}{nearest[0]}?" if nearest else f": known are {', '.join(fields)}"
            hint = f": it is called {prefix}{renamed} now" if renamed else hint
            raise ConfigError(f"unknown setting {prefix}{name} in {where}{hint}")
        kind = fields[name].type
        if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, dict):
            _check_keys(value, kind, where, f"{prefix}{name}.")
