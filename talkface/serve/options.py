"""Settings of a server -> options of `talkface serve`; settings of its users -> a schema."""

import ipaddress
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from talkface.errors import ConfigError
from talkface.inference.request import AnimateOptions, Family
from talkface.options import Device, Options, current_name, device_option, json_schema, option, options_of

TOKEN = "TALKFACE_TOKEN"  # environment variable: the token that clients send
TEXTS = {"aspect": r"\d{1,2}:\d{1,2}", "background": "#[0-9a-fA-F]{6}", "label_text": r"[^\x00]{1,60}"}
"""Options of requests that are text -> what it must be; a background that is a picture would be a path."""


@dataclass(frozen=True, kw_only=True)
class ServeOptions(Options):
    """Options of `serve`."""

    host: str = option("127.0.0.1", "Address to listen on; any but this machine's own needs a token.")
    port: int = option(8000, "Port to listen on; 0 takes a free one.", low=0, high=65_535)
    folder: Path | None = option(None, "Where jobs are kept; ~/.talkface/serve if not given.")
    token: str | None = option(
        None, f"What clients must send, 16 characters or more; ${TOKEN} keeps it out of the list of processes."
    )
    max_upload_mb: float = option(64.0, "Largest request, photo and speech together.", group="Limits", low=0.001)
    max_speech_s: float = option(300.0, "Longest speech, seconds.", group="Limits", low=0.1)
    max_megapixels: float = option(16.0, "Largest photo, million pixels.", group="Limits", low=0.01)
    max_jobs: int = option(100, "Videos that may wait.", group="Limits", low=1)
    max_live: int = option(0, "Live sessions at once; 0: one per core.", group="Limits", low=0)
    keep_hours: float = option(24.0, "Hours after which videos and uploads are deleted.", group="Limits", low=0)
    decode_s: float = option(60.0, "Seconds that reading one upload may take.", group="Limits", low=0.1)
    decode_mb: float = option(2048.0, "Memory that reading one upload may take.", group="Limits", low=64)
    renderer: Literal[Family, "mouth", "mouth-free"] | Path = option(
        "hybrid", "Renderer family, or name or file of its network, or folder of networks.", group="Networks"
    )
    device: Device = device_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "token", self.token or os.environ.get(TOKEN) or None)
        if not self.is_local and not self.token:
            raise ConfigError(f"{self.host} can be reached from elsewhere: set ${TOKEN} to 16 characters or more")
        shortest_token = 16  # characters
        if self.token is not None and (len(self.token) < shortest_token or not self.token.isascii()):
            raise ConfigError(f"invalid token: expected {shortest_token} or more ASCII characters")

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine reach the server."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def place(self) -> Path:
        """Folder of jobs and identities."""
        return self.folder or Path.home() / ".talkface" / "serve"


def user_options(group: type[AnimateOptions] = AnimateOptions) -> tuple[str, ...]:
    """Options of a video that somebody elsewhere may set: numbers, switches, choices, and text that is not a path.

    Paths and names would reach into this machine's files, and the networks are the server's.
    """
    from talkface.inference.subject import NETWORKS  # with torch, not behind --help

    plain = (bool, int, float, tuple, Fraction)
    ours = ("sign",)  # a server signs what it makes
    return tuple(
        name
        for name, found in options_of(group).items()
        if (found.choices or found.kind in plain or name in TEXTS)
        and found.meta["per_row"]
        and name not in (*NETWORKS, *ours)
    )


def user_schema(group: type[AnimateOptions] = AnimateOptions) -> dict[str, Any]:
    """JSON schema of `user_options`."""
    schema, names = json_schema(group), user_options(group)
    return {**schema, "properties": {name: schema["properties"][name] for name in names}}


def read_options(given: object, group: type[AnimateOptions] = AnimateOptions) -> AnimateOptions:
    """Options from a request's JSON, of that class.

    Raises:
        ConfigError: not an object, an unknown option, one that is not for users, or a wrong value.
    """
    if not isinstance(given, dict):
        raise ConfigError('invalid options: expected a JSON object such as {"still": true}')
    for name in given:
        known, word = user_options(group), current_name(group, str(name))
        if word not in known:
            raise ConfigError(f"option {name!r} is not for requests: known are {', '.join(known)}")
        text, wanted = given[name], TEXTS.get(word)
        if wanted and text is not None and not (isinstance(text, str) and re.fullmatch(wanted, text)):
            raise ConfigError(f"invalid {name} {str(text)[:40]!r}: expected text like {wanted}")
    return group.from_mapping(given)
