"""Where there is no Ray, or no cluster, one line says so; `--ray` may stand alone."""

import sys

import pytest
import typer
from typer.testing import CliRunner

from talkface.cli.options import with_options
from talkface.errors import ConfigError, MissingExtraError
from talkface.inference.batch.options import WorkerOptions
from talkface.scale.cluster import RayWorkers, open_workers
from talkface.scale.workers import Died, LocalWorkers


def test_without_an_address_there_is_no_ray():
    with open_workers(None, 3) as workers:
        assert isinstance(workers, LocalWorkers) and workers.count == 3


def test_absent_ray_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"talkface\[scale\]"), open_workers("local"):
        pass


def test_no_cluster_at_the_address():
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at '127.0.0.1:1'"), open_workers("127.0.0.1:1"):
        pass
    with pytest.raises(ConfigError, match="leave --workers out"), open_workers("auto", 2):
        pass


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["in"], "in None False"),
        (["in", "--ray"], "in local False"),
        (["--ray", "--quiet", "in"], "in local True"),
        (["in", "--ray", "auto"], "in auto False"),
        (["in", "--ray=ray://head:10001", "--quiet"], "in ray://head:10001 True"),
    ],
)
def test_address_of_the_option(words, expected):
    app = typer.Typer()

    @with_options(WorkerOptions)
    def show(name: str, quiet: bool = False, *, options: WorkerOptions) -> None:
        print(name, options.ray, quiet)

    show.add_to(app, "show")
    assert CliRunner().invoke(app, words).output.strip() == expected


def test_a_cluster_that_breaks_off_is_one_line_and_a_lost_machine_one_task():
    """Ray's error when its head was killed; `get` alone is needed of it here."""
    ray = pytest.importorskip("ray")

    class Broken:
        exceptions = ray.exceptions

        def get(self, reference: Exception) -> None:
            raise reference

    workers = RayWorkers(Broken())
    with pytest.raises(ConfigError, match=r"the Ray cluster broke off .*the same command again to resume"):
        workers._result(ray.exceptions.LocalRayletDiedError())
    assert isinstance(workers._result(ray.exceptions.WorkerCrashedError()), Died)
