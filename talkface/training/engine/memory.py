"""Running out of memory -> one line that says which numbers to change."""

from collections.abc import Iterator
from contextlib import contextmanager

from talkface.errors import TalkfaceError


@contextmanager
def oom_hint(batch_name: str, batch_size: int, accumulate: int) -> Iterator[None]:
    """Inside, running out of memory becomes advice.

    Args:
        batch_name: what the batch's size is called in the settings.
        batch_size: as it is now.
        accumulate: batches per step, as it is now.

    Raises:
        TalkfaceError: memory ran out.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if not any(sign in str(error) for sign in ("out of memory", "can't allocate memory")):
            raise
        raise TalkfaceError(
            f"out of memory: lower {batch_name} (now {batch_size}) and raise accumulate (now {accumulate}) by the same"
            " factor"
        ) from error
