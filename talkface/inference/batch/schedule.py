"""Rows that are to be made -> which task comes next."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice

from talkface.inference.batch.plan import Todo
from talkface.inference.batch.rows import Row
from talkface.inference.batch.tasks import EnrollTask, Failure, RenderTask, SpeechTask, Task, TrackedSpeech
from talkface.inference.photos import Shots
from talkface.scale.storage import Folder


class Schedule:
    """Each photo's faces and each speech's motion once, then the rows that wait for both.

    Rows of one photo come one after the other, so that a worker keeps that person ready; what no further row needs is
    forgotten. What a step costs does not grow with the number of rows.
    """

    def __init__(self, todo: Sequence[Todo], folder: Folder, fail: Callable[[Row, str, Failure], None]) -> None:
        """Sort the rows.

        Args:
            todo: rows to make.
            folder: of the videos.
            fail: called with each row that fails because its photo or its speech did, its key and why.
        """
        order: dict[str, list[Todo]] = {}
        for task in todo:
            order.setdefault(task.shots_key, []).append(task)
        self._waiting = OrderedDict((item.key, item) for group in order.values() for item in group)
        self._needed_by: dict[str, list[str]] = {}
        for each in self._waiting.values():
            for key in filter(None, (each.shots_key, each.speech_key)):
                self._needed_by.setdefault(key, []).append(each.key)
        self._uses = Counter({key: len(rows) for key, rows in self._needed_by.items()})
        self._ready: dict[str, Shots | TrackedSpeech | Failure | None] = {"": None}  # None: being worked on
        self._folder = folder
        self._fail = fail

    def next_task(self) -> Task | None:
        """The next task whose inputs are there; None where rows wait for tasks in hand, or none is left."""
        look_ahead = 64  # rows looked at for one whose photo and speech are ready
        for task in islice(self._waiting.values(), look_ahead):
            row = task.placed
            if task.shots_key not in self._ready:
                self._ready[task.shots_key] = None
                return EnrollTask(task.shots_key, row.photos, row.options.face, row.options.detector)
            if task.speech_key not in self._ready:
                self._ready[task.speech_key] = None
                return SpeechTask(task.speech_key, row.speech, row.options.fps, task.networks)
            shots, tracked = self._ready[task.shots_key], self._ready[task.speech_key]
            if isinstance(shots, Shots) and (isinstance(tracked, TrackedSpeech) or not task.speech_key):
                self._release(self._waiting.pop(task.key))
                tracked = tracked if isinstance(tracked, TrackedSpeech) else None
                return RenderTask(task.key, row, shots, task.shots_key, tracked, task.networks, self._folder)
        return None

    def take(self, task: Task, result: Shots | TrackedSpeech | Failure) -> None:
        """Take what became of a photo or a speech; rows that wait for what failed fail with it."""
        self._ready[task.key] = result
        if not isinstance(result, Failure):
            return
        for key in self._needed_by[task.key]:
            todo = self._waiting.pop(key, None)
            if todo is not None:
                self._fail(todo.row, todo.key, result)
                self._release(todo)

    def _release(self, todo: Todo) -> None:
        """Forget what no row needs any more."""
        for key in filter(None, (todo.shots_key, todo.speech_key)):
            self._uses[key] -= 1
            if self._uses[key] <= 0:
                self._ready.pop(key, None)
