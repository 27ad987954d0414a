import threading
from collections.abc import Iterator

import pytest
import torch

from talkface.renderers.base import one_thread
from talkface.scale.threads import limit_threads


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    with limit_threads(2, opencv=False):
        yield


def test_a_renderer_in_another_thread_leaves_this_ones_number_alone() -> None:
    assert torch.get_num_threads() == 2
    inside, done = threading.Event(), threading.Event()
    seen: list[int] = []

    def render() -> None:
        with one_thread(torch.device("cpu")):
            seen.append(torch.get_num_threads())
            inside.set()
            done.wait(60)
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=render)
    thread.start()
    assert inside.wait(60) and torch.get_num_threads() == 2
    with one_thread(torch.device("cpu")):
        done.set()
        thread.join()
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2 and seen == [1, 2]
    with one_thread(torch.device("meta")):
        assert torch.get_num_threads() == 2
