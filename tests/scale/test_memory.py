"""Memory of a process, as the system counts it."""

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
