"""Rows become videos: each input is looked at once, what is done stays done, what is wrong is named."""

import errno
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from talkface.checkpoints.format import Checkpoint, file_hash, save_checkpoint
from talkface.inference.batch import tasks as batch_tasks
from talkface.inference.batch.options import BatchOptions
from talkface.inference.batch.rows import make_rows
from talkface.inference.batch.run import batch
from talkface.inference.batch.tasks import EnrollTask, RenderTask, SpeechTask, failure_of, work
from talkface.media.mark.tag import verify_mark
from talkface.models.vgnet import VgNet, VgnetConfig
from talkface.scale.workers import Died

soundfile = pytest.importorskip("soundfile")

pytestmark = pytest.mark.flow


class Here:
    """Works in this process, and remembers what it was asked to do."""

    def __init__(self, lose: str = "") -> None:
        self.tasks: list[object] = []
        self.lose = lose

    same_disk = True

    def run(self, next_task, function, on_wait=None, limit_s=None):
        while (task := next_task()) is not None:
            self.tasks.append(task)
            lost = isinstance(task, RenderTask) and task.row.out == self.lose
            yield task, Died() if lost else function(task)

    def count(self, kind: type) -> int:
        return sum(isinstance(task, kind) for task in self.tasks)


@pytest.fixture(scope="module")
def desk(tmp_path_factory, astronaut):
    """Two photos of a person, two sounds of 0.3 s, and bad files."""
    folder = tmp_path_factory.mktemp("desk")
    face = astronaut[:260, 100:360]
    Pillow.fromarray(face).save(folder / "ada.png")
    Pillow.fromarray(np.ascontiguousarray(face[:, ::-1])).save(folder / "bea.png")
    (folder / "empty.jpg").touch()
    Pillow.fromarray(np.full((80, 80, 3), 200, np.uint8)).save(folder / "wall.png")
    rng = np.random.default_rng(0)
    for name in ("x", "y"):
        soundfile.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(4800).astype(np.float32), 16_000)
    (folder / "text.wav").write_text("no sound")
    return folder


@pytest.fixture
def common(untrained: Path) -> dict[str, object]:
    return {"renderer": "warp", "speech_model": str(untrained)}


def pairs(*names: str) -> list[dict[str, object]]:
    return [dict(zip(("photo", "speech"), name.split("+"), strict=True)) for name in names]


def test_photos_and_speech_are_looked_at_once(desk, common, tmp_path):
    rows = make_rows(pairs("ada.png+x.wav", "bea.png+x.wav", "ada.png+y.wav", "bea.png+y.wav"), desk, common)
    here, seen = Here(), []
    outcomes = batch(rows, tmp_path, workers=here, progress=seen.append)
    assert here.count(EnrollTask) == 2 and here.count(SpeechTask) == 2 and here.count(RenderTask) == 4
    order = [task.row.photos for task in here.tasks if isinstance(task, RenderTask)]
    assert order == sorted(order), "one person after the other"
    assert [outcome.out for outcome in outcomes] == ["ada_x.mp4", "bea_x.mp4", "ada_y.mp4", "bea_y.mp4"]
    assert all(outcome.num_frames == 8 and outcome.size == (260, 260) and outcome.fps == "25" for outcome in outcomes)
    assert all(verify_mark(tmp_path / outcome.out) for outcome in outcomes)
    assert (seen[-1].rows, seen[-1].finished, seen[-1].failed, seen[-1].frames) == (4, 4, 0, 32)
    assert sorted(item.name for item in tmp_path.iterdir() if item.is_dir()) == [".rows"], "nothing half made is left"


def test_what_is_done_stays_done_and_what_changed_is_made_again(desk, common, tmp_path):
    given = pairs("ada.png+x.wav", "ada.png+y.wav", "bea.png+x.wav", "empty.jpg+x.wav")
    first = batch(make_rows(given, desk, common), tmp_path, workers=Here())
    stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.mp4")}
    results = (tmp_path / "results.jsonl").read_bytes()

    again = Here()
    assert batch(make_rows(given, desk, common), tmp_path, workers=again) == first and not again.tasks
    assert (tmp_path / "results.jsonl").read_bytes() == results

    (tmp_path / "ada_y.mp4").unlink()
    (tmp_path / "bea_x.mp4").write_bytes(b"cut short")
    given[0]["seed"] = 3
    changed = Here()
    batch(make_rows(given, desk, common), tmp_path, workers=changed)
    assert changed.count(RenderTask) == 3 and {path.name for path in tmp_path.glob("*.mp4")} == set(stamps)
    assert all(verify_mark(path) for path in tmp_path.glob("*.mp4"))


def test_the_content_of_a_photo_decides_not_its_date(desk, common, tmp_path):
    photo = tmp_path / "p.png"
    photo.write_bytes((desk / "ada.png").read_bytes())
    rows = make_rows([{"photo": str(photo), "speech": str(desk / "x.wav")}], desk, common)
    batch(rows, tmp_path / "out", workers=Here())
    photo.write_bytes(photo.read_bytes())
    same = Here()
    batch(rows, tmp_path / "out", workers=same)
    photo.write_bytes((desk / "bea.png").read_bytes())
    other = Here()
    batch(rows, tmp_path / "out", workers=other)
    assert same.count(RenderTask) == 0 and other.count(RenderTask) == 1


def test_bad_rows_are_named_and_stop_nothing(desk, common, tmp_path):
    given = pairs(
        "empty.jpg+x.wav", "ada.png+x.wav", "wall.png+x.wav", "ada.png+text.wav", "none.png+x.wav", "empty.jpg+y.wav"
    )
    given += [{"photo": "ada.png", "speech": "y.wav", "renderer_model": "nowhere", "renderer": "hybrid"}]
    given += [{"photo": "ada.png", "speech": "y.wav", "face": 4, "out": "four.mp4"}]
    here = Here()
    outcomes = batch(make_rows(given, desk, common), tmp_path, workers=here)
    reasons = [outcome.reason for outcome in outcomes]
    assert [bool(reason) for reason in reasons] == [True, False, True, True, True, True, True, True]
    wanted = ["empty.jpg is empty", "", "no face found in", "text.wav", "none.png", "empty.jpg", "nowhere", "--face 4"]
    assert all(word in reason for word, reason in zip(wanted, reasons, strict=True)), reasons
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == list(range(1, 9))
    assert [line["reason"] for line in lines] == reasons and "thumbnail" not in lines[1]
    assert here.count(EnrollTask) == 5, "one look at each photo, and one more for another face of it"


def test_failed_rows_are_tried_again_when_asked_or_changed(desk, common, tmp_path):
    photo = tmp_path / "later.png"
    rows = make_rows([{"photo": str(photo), "speech": str(desk / "x.wav")}, *pairs("empty.jpg+x.wav")], desk, common)
    batch(rows, tmp_path / "out", workers=Here())
    photo.write_bytes((desk / "ada.png").read_bytes())
    came = Here()
    assert [each.failed for each in batch(rows, tmp_path / "out", workers=came)] == [False, True]
    assert came.count(EnrollTask) == 1, "the empty photo is still empty"
    asked = Here()
    batch(rows, tmp_path / "out", BatchOptions(retry_failed=True), workers=asked)
    assert [task.photos for task in asked.tasks] == [rows[1].photos]


def test_a_lost_worker_fails_its_row_only(desk, common, tmp_path):
    rows = make_rows(pairs("ada.png+x.wav", "ada.png+y.wav"), desk, common)
    first, second = batch(rows, tmp_path, workers=Here(lose="ada_x.mp4"))
    assert "killed or crashed" in first.reason and not second.failed
    (again, _) = batch(rows, tmp_path, workers=Here())
    assert not again.failed and (tmp_path / "ada_x.mp4").is_file(), "nothing was wrong with it: it is tried again"


def test_a_row_that_hangs_is_ended_and_stays_failed(desk, common, tmp_path):
    rows = make_rows(pairs("ada.png+x.wav"), desk, common)

    class Late(Here):
        def run(self, next_task, function, on_wait=None, limit_s=None):
            for task, result in super().run(next_task, function):
                yield task, Died(limit_s(task)) if isinstance(task, RenderTask) else result

    (given,) = batch(rows, tmp_path, BatchOptions(time_limit=7), workers=Late())
    assert given.reason.startswith("not done after 7 s: give --time-limit")
    (default,) = batch(rows, tmp_path / "b", workers=Late())
    assert 900 < float(default.reason.split()[3]) < 1000, "15 minutes, and 2 for each second of speech"
    again = Here()
    batch(rows, tmp_path, workers=again)
    assert not again.tasks


def test_a_full_disk_leaves_rows_to_do(desk, common, tmp_path):
    """Its failure is that of a write on a full disk; then there is room."""
    rows = make_rows(pairs("ada.png+x.wav"), desk, common)

    class Full(Here):
        def run(self, next_task, function, on_wait=None, limit_s=None):
            for task, result in super().run(next_task, function):
                full = isinstance(task, RenderTask)
                yield task, failure_of(OSError(errno.ENOSPC, "No space left on device")) if full else result

    (outcome,) = batch(rows, tmp_path, workers=Full())
    assert outcome.failed and outcome.again
    (tmp_path / "ada_x.mp4").unlink()
    (again,) = batch(rows, tmp_path, workers=Here())
    assert not again.failed and (tmp_path / "ada_x.mp4").is_file()


def test_the_gallery_has_pages_and_a_page_that_says_so_already_stays(desk, common, tmp_path, monkeypatch):
    monkeypatch.setattr("talkface.inference.batch.gallery.PAGE_ROWS", 2)
    given = [*pairs("ada.png+x.wav", "wall.png+x.wav", "empty.jpg+x.wav"), *pairs("none.png+x.wav", "no.png+y.wav")]
    batch(make_rows(given, desk, common), tmp_path, workers=Here())
    pages = [tmp_path / name for name in ("gallery.html", "gallery_2.html", "gallery_3.html")]
    shown = [json.loads(page.read_text().split("const data = ")[1].split(";\n")[0]) for page in pages]
    assert [[row["row"] for row in page["rows"]] for page in shown] == [[1, 2], [3, 4], [5]]
    assert [page["total"] for page in shown] == [2, 2, 1] and shown[0]["rows"][0]["thumbnail"]
    stamps = [page.stat().st_mtime_ns for page in pages]
    given[2]["title"] = "another"
    batch(make_rows(given, desk, common), tmp_path, workers=Here())
    after = [page.stat().st_mtime_ns for page in pages]
    assert [was == now for was, now in zip(stamps, after, strict=True)] == [True, False, True]
    batch(make_rows(given[:2], desk, common), tmp_path, workers=Here())
    assert [page.exists() for page in pages] == [True, False, False]


def test_a_file_of_somebody_else_is_not_replaced(desk, common, tmp_path):
    (tmp_path / "ada_x.mp4").write_bytes(b"holiday")
    (outcome,) = batch(make_rows(pairs("ada.png+x.wav"), desk, common), tmp_path, workers=Here())
    assert "is of no batch" in outcome.reason and (tmp_path / "ada_x.mp4").read_bytes() == b"holiday"


def test_a_kill_before_the_video_has_its_name_leaves_a_row_to_do(desk, common, tmp_path, monkeypatch):
    """The record is written first, so only a whole video makes a row done."""
    rows = make_rows(pairs("ada.png+x.wav"), desk, common)
    real = batch_tasks.Folder.put

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch_tasks.Folder, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        batch(rows, tmp_path, workers=Here())
    monkeypatch.setattr(batch_tasks.Folder, "put", real)
    assert not list(tmp_path.glob("*.mp4"))
    (outcome,) = batch(rows, tmp_path, workers=Here())
    assert not outcome.failed and (tmp_path / "ada_x.mp4").stat().st_size == outcome.num_bytes


def test_landmarks_drive_and_are_saved(desk, common, tmp_path):
    given = {"photo": "ada.png", "speech": "x.wav", "out": "a.mp4", "save_landmarks": "points/a.npz", "still": True}
    batch(make_rows([given], desk, common), tmp_path, workers=Here())
    driven = {"photo": "ada.png", "landmarks": str(tmp_path / "points" / "a.npz"), "out": "b.mp4", "crop": True}
    (outcome,) = batch(make_rows([driven], desk, common), tmp_path, workers=Here())
    assert outcome.num_frames == 8 and outcome.size[0] == outcome.size[1] and outcome.size != (260, 260)


def test_vgnet_makes_rows_and_saves_its_maps(desk, common, tmp_path):
    network = VgNet(VgnetConfig(size=32, width=4, blocks=0, norm="group"))
    save_checkpoint(tmp_path / "v.safetensors", Checkpoint("vgnet", asdict(network.config), network.state_dict()))
    own = {"renderer": "vgnet", "renderer_model": str(tmp_path / "v.safetensors"), "save_maps": "true"}
    (outcome,) = batch(make_rows(pairs("ada.png+x.wav"), desk, {**common, **own}), tmp_path / "b", workers=Here())
    assert not outcome.failed, outcome.reason
    maps = tmp_path / "b" / "ada_x.maps"
    assert {path.name for path in maps.iterdir()} == {"attention", "motion", "landmarks", "panel.mp4"}
    assert len(list((maps / "attention").iterdir())) == outcome.num_frames


def test_a_row_is_measured_where_it_asks_for_a_report(desk, common, tmp_path):
    rows = make_rows(pairs("ada.png+x.wav", "bea.png+x.wav"), desk, {**common, "report": "true"})
    outcomes = batch(rows, tmp_path / "b", workers=Here())
    assert not any(outcome.failed for outcome in outcomes), [outcome.reason for outcome in outcomes]
    content = json.loads((tmp_path / "b" / "bea_x.json").read_text())
    assert content["video"]["path"] == str(tmp_path / "b" / "bea_x.mp4")
    assert content["video"]["sha256"] == file_hash(tmp_path / "b" / "bea_x.mp4")
    assert content["settings"]["renderer"] == "warp" and content["inputs"]["photo"]["path"] == str(desk / "bea.png")
    assert [f"warning: {line}" for line in content["warnings"]] == [
        note for note in outcomes[1].notes if note.startswith("warning")
    ]


def test_a_video_that_cannot_be_written_is_one_failed_row(desk, common, tmp_path):
    rows = make_rows(pairs("ada.png+x.wav", "ada.png+y.wav"), desk, common)
    broken = replace(rows[0], out="no.such.kind")
    first, second = batch([broken, rows[1]], tmp_path, workers=Here())
    assert first.failed and first.reason and not second.failed


def test_two_batches_do_not_share_a_folder(desk, common, tmp_path):
    rows = make_rows(pairs("ada.png+x.wav"), desk, common)

    class Second(Here):
        def run(self, next_task, function, on_wait=None, limit_s=None):
            with pytest.raises(Exception, match="another batch is writing"):
                batch(rows, tmp_path, workers=Here())
            return super().run(next_task, function, on_wait, limit_s)

    assert not batch(rows, tmp_path, workers=Second())[0].failed


def test_gallery_holds_every_row_and_no_markup_of_names(desk, common, tmp_path):
    given = [{**pairs("ada.png+x.wav")[0], "title": "</script><b>Ada"}, *pairs("wall.png+x.wav")]
    batch(make_rows(given, desk, common), tmp_path, workers=Here())
    page = (tmp_path / "gallery.html").read_text()
    assert page.count("</script>") == 1 and "<b>Ada" not in page
    inside = page.split("const data = ")[1].split(";\n")[0]
    rows = json.loads(inside)["rows"]
    assert [row["failed"] for row in rows] == [False, True] and "no face" in rows[1]["reason"]
    assert rows[0]["title"] == "</script><b>Ada" and rows[0]["thumbnail"] and rows[0]["out"] == "ada_x.mp4"


def test_work_never_raises(desk):
    failed = work(EnrollTask("k", (str(desk / "none.png"),), None, "no-such-detector"))
    assert "unknown landmark backend" in failed.reason


def test_inputs_and_videos_may_lie_at_urls(desk, common, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    place, common = f"memory://{tmp_path.name}", {**common, "sign": False}  # each signature has other bytes
    files = fsspec.filesystem("memory")
    for name in ("ada.png", "x.wav"):
        files.pipe_file(f"/{tmp_path.name}/in/{name}", (desk / name).read_bytes())
    given = [{"photo": f"{place}/in/{photo}", "speech": f"{place}/in/x.wav"} for photo in ("ada.png", "none.png")]
    first, second = batch(make_rows(given, desk, common, storage=["memory"]), f"{place}/out", workers=Here())
    assert first.out == "ada_x.mp4" and not first.failed and "no file memory://" in second.reason
    assert batch(make_rows(pairs("ada.png+x.wav"), desk, common), tmp_path, workers=Here())[0].num_bytes
    assert files.cat_file(f"/{tmp_path.name}/out/ada_x.mp4") == (tmp_path / "ada_x.mp4").read_bytes()
    assert b"ada_x.mp4" in files.cat_file(f"/{tmp_path.name}/out/gallery.html")
    again = Here()
    batch(make_rows(given, desk, common, storage=["memory"]), f"{place}/out", workers=again)
    assert not again.tasks
