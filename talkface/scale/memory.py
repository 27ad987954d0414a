"""Megabytes -> a process that can take no more, and errors of any library that mean just that."""

import contextlib
from pathlib import Path

from talkface.files.read import limit, variable


def worker_megabytes() -> float:
    """Memory that a worker may take beyond its libraries: `limit("worker_mb")`; 0, which is no limit, beside a GPU."""
    gpu = Path("/dev/nvidiactl")  # its libraries map address space without end, so no such limit can hold there
    return 0.0 if gpu.exists() else limit("worker_mb")


def limit_memory(megabytes: float) -> None:
    """Let this process map no more than so many megabytes of address space above what is mapped now.

    Call it once per process, when its libraries are loaded: a later call would count from what is mapped then. Where
    the system has no such limits, none is set.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        most = mapped + int(megabytes * 1e6)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def memory_mb(process: int | str = "self") -> dict[str, float]:
    """Memory of a process as Linux counts it: `VmRSS` resident now, `VmHWM` at most so far, `RssAnon` not of files.

    Raises:
        OSError: the process has ended, or this is another system.
    """
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM", "RssAnon") if name in fields}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no more memory, in the words of Python, OpenCV, torch, ffmpeg or C++."""
    text = str(error).lower()
    words = ("insufficient memory", "allocate memory", "out of memory", "bad_alloc", "bad allocation")
    return isinstance(error, MemoryError) or any(word in text for word in words)


def memory_advice() -> str:
    """One line on a task that took more than a worker may."""
    return f"it takes more memory than a worker may ({variable('worker_mb')}): give a smaller file, or fewer workers"
