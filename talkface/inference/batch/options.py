"""User's settings of a batch, and of work spread over processes or machines -> options, checked once."""

from dataclasses import dataclass

from talkface.options import Device, Options, device_option, option
from talkface.scale.cluster import EMBEDDED


@dataclass(frozen=True, kw_only=True)
class WorkerOptions(Options):
    """Options that every verb has which spreads its work."""

    workers: int | None = option(None, "Processes of one thread each; one per core if not given, or 0.", low=0)
    ray: str | None = option(
        None,
        "Work on a Ray cluster: its address, or one started on this machine where none is given.",
        lone=EMBEDDED,
    )


@dataclass(frozen=True, kw_only=True)
class BatchOptions(WorkerOptions):
    """Options of `batch`, beside those of `animate` that its rows do not set."""

    device: Device = device_option()
    retry_failed: bool = option(False, "Try again what failed; changed rows are always tried.")
    time_limit: float | None = option(
        None,
        "Seconds that one row may take at each stage, 0 for no limit; 15 minutes and 2 per second if not given.",
        low=0,
    )
    storage: tuple[str, ...] = option(
        (), "Kinds of address that rows may name, such as s3,gs; only paths on this disk if not given."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        kinds = (kind.strip() for word in self.storage for kind in word.split(","))
        object.__setattr__(self, "storage", tuple(filter(None, kinds)))
