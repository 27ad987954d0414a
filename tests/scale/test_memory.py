"""Memory of a process, as the system counts it."""

import subprocess
import sys
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest

from talkface.scale.memory import memory_mb


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads /proc, which Linux has")
def test_memory_grows_by_what_is_written_to():
    before = memory_mb()
    with mmap(-1, 64 << 20) as held:  # pages of its own, where an array may get freed ones
        np.frombuffer(held, np.uint8)[:] = 1
        after = memory_mb()
    assert 50 < after["VmRSS"] - before["VmRSS"] < 200
    assert after["VmHWM"] >= after["VmRSS"] - 1 and after["RssAnon"] < after["VmRSS"]
    with pytest.raises(OSError, match="status"):
        memory_mb(2**22 + 1)  # above the largest process number


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory is limited on Linux only")
def test_a_limited_process_gets_what_it_may_take_and_no_more():
    program = (
        "from talkface.scale.memory import limit_memory\n"
        "limit_memory(100)\n"
        "held = bytearray(50_000_000)\n"
        "try:\n    more = bytearray(60_000_000)\nexcept MemoryError:\n    print('no more')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "no more\n"
