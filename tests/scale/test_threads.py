import os
import subprocess
import sys

import cv2
import pytest
import torch

from talkface.scale.threads import limit_threads


def threads() -> tuple[int, int]:
    return cv2.getNumThreads(), torch.get_num_threads()


def test_threads_are_limited_inside_only() -> None:
    before = threads()
    with limit_threads(3):
        assert threads() == (3, 3)
        with limit_threads(0):
            assert threads() == (3, 3)
        with limit_threads(1, opencv=False):
            assert threads() == (3, 1)
        assert threads() == (3, 3)
    with pytest.raises(ValueError, match="stop"), limit_threads(2):
        raise ValueError("stop")
    assert threads() == before


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="no such scheduling here")
@pytest.mark.parametrize("policy", ["SCHED_OTHER", "SCHED_FIFO"])
def test_a_real_time_process_keeps_all_its_cores(policy: str) -> None:
    program = f"""
import os, sys
from talkface.scale.threads import core_numbers, keep_to_core
try:
    os.sched_setscheduler(0, os.{policy}, os.sched_param(os.sched_get_priority_min(os.{policy})))
except PermissionError:
    sys.exit(77)
before = core_numbers()
keep_to_core(before[0])
print(core_numbers() == (before if "{policy}" == "SCHED_FIFO" else before[:1]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 77:
        pytest.skip("only root may ask for real time")
    assert done.stdout.strip() == "True", done.stderr
