"""Local folder <-> the same at a URL, file by file."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from talkface.scale.storage import Folder


@dataclass
class Mirror:
    """Keeps a copy of a local folder at a URL, so that another machine can go on from it.

    Attributes:
        local: the folder that is worked in.
        remote: its copy.
        left_out: sub-folders and suffixes of what is not worth copying.
    """

    local: Path
    remote: Folder
    left_out: tuple[str, ...] = ()
    _known: dict[str, tuple[int, int]] = field(default_factory=dict, repr=False)
    _pushed: float = field(default_factory=time.monotonic, repr=False)

    def pull(self) -> None:
        """Bring what is missing here; what is here stays."""
        self.local.mkdir(parents=True, exist_ok=True)
        for name in self.remote.sizes():
            if not (self.local / name).exists():
                self.remote.fetch(name, self.local / name)

    def push(self, every_s: float = 0.0) -> None:
        """Copy what is new or has changed, unless that was done less than `every_s` ago."""
        if time.monotonic() - self._pushed < every_s:
            return
        for name in sorted(Folder(str(self.local)).sizes()):
            path = self.local / name
            if name.split("/")[0] in self.left_out or path.suffix in self.left_out:
                continue
            stat = path.stat()
            state = (stat.st_size, stat.st_mtime_ns)
            if self._known.get(name) != state:
                self.remote.copy(path, name)
                self._known[name] = state
        self._pushed = time.monotonic()
