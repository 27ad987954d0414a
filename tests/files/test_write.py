"""Files appear whole or not at all, under their own name, and no link laid beside them is followed."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from talkface.errors import ConfigError, MediaError, PassingError, TalkfaceError, printable
from talkface.files.table import safe_cell, write_table
from talkface.files.write import (
    PART_FILES,
    append_file,
    atomic_file,
    atomic_files,
    atomic_write,
    file_lock,
    fitting_name,
    hidden_name,
    inside,
    sweep,
)


def test_content_replaces_what_was_there_and_leaves_nothing_else(tmp_path: Path):
    target = tmp_path / "a.json"
    atomic_write(target, "one")
    atomic_write(target, b"two")
    assert target.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_inside_keeps_the_old_content(tmp_path: Path):
    target = tmp_path / "a.json"
    atomic_write(target, "one")
    with pytest.raises(KeyError), atomic_file(target) as part:
        part.write_text("half")
        raise KeyError("x")
    assert target.read_text() == "one"
    assert list(tmp_path.iterdir()) == [target]


def test_rights_are_those_of_the_umask_or_the_owner_alone(tmp_path: Path):
    before = os.umask(0o022)
    try:
        atomic_write(tmp_path / "open", "x")
        atomic_write(tmp_path / "closed", "x", private=True)
        with atomic_file(tmp_path / "replaced", private=True) as part:  # as a library that renames its own file over it
            part.unlink()
            part.write_text("x")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("open", "closed", "replaced")]
    assert modes == [0o644, 0o600, 0o600]


def test_a_link_at_the_final_name_is_replaced_not_followed(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "out").symlink_to(victim)
    atomic_write(tmp_path / "out", "new")
    assert victim.read_text() == "mine"
    assert (tmp_path / "out").read_text() == "new"


def test_a_link_at_the_name_of_a_growing_file_is_refused(tmp_path: Path):
    append_file(tmp_path / "log", "a\n")
    append_file(tmp_path / "log", b"b\n", sync=True)
    assert (tmp_path / "log").read_text() == "a\nb\n"
    (tmp_path / "link").symlink_to(tmp_path / "log")
    with pytest.raises(MediaError, match=r"link cannot be written: Too many levels of symbolic links"):
        append_file(tmp_path / "link", "c\n")
    (tmp_path / "dangling").symlink_to(tmp_path / "new")
    with pytest.raises(MediaError, match="cannot be written"):
        append_file(tmp_path / "dangling", "c\n")
    assert (tmp_path / "log").read_text() == "a\nb\n" and not (tmp_path / "new").exists()


def test_exclusive_writing_never_replaces_what_came_in_between(tmp_path: Path):
    target = tmp_path / "a.mp4"
    with pytest.raises(MediaError, match="exists"), atomic_file(target, exclusive=True) as part:
        part.write_text("second")
        target.write_text("first")
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]
    atomic_write(tmp_path / "b.mp4", "x", exclusive=True)
    assert (tmp_path / "b.mp4").read_text() == "x"


def test_of_many_writers_of_one_new_file_one_succeeds(tmp_path: Path):
    target, begun = tmp_path / "a.mp4", threading.Barrier(8)
    said: list[str] = []

    def write(number: int) -> None:
        try:
            with atomic_file(target, exclusive=True) as part:
                part.write_text(str(number))
                begun.wait(10)
        except MediaError as error:
            said.append(str(error))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(said) == 7 and all("exists: give another name" in line for line in said)
    assert target.read_text() in "01234567" and list(tmp_path.iterdir()) == [target]


def test_files_that_belong_together_are_all_there_or_none(tmp_path: Path):
    first, second = tmp_path / "a.mp4", tmp_path / "b.json"
    with atomic_files([first, second]) as parts:
        for part in parts:
            part.write_text("x")
    assert sorted(tmp_path.iterdir()) == [first, second]
    first.unlink()
    with pytest.raises(MediaError, match=r"b\.json exists"), atomic_files([first, second], exclusive=True) as parts:
        parts[0].write_text("y")
    assert list(tmp_path.iterdir()) == [second] and second.read_text() == "x"


def test_errors_about_temporary_files_name_the_final_ones(tmp_path: Path):
    target = tmp_path / "b.json"
    with pytest.raises(MediaError) as told, atomic_files([tmp_path / "a.mp4", target]) as (_, part):
        raise MediaError(f"{part} cannot be written: no such luck")
    assert str(told.value) == f"{target} cannot be written: no such luck"
    with pytest.raises(PassingError, match=r"disk of .*b\.json"), atomic_files([tmp_path / "a", target]) as (_, part):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part))
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from talkface.files.write import atomic_file
with atomic_file(Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept_and_what_somebody_works_on_is_not(tmp_path: Path):
    target = tmp_path / "a.mp4"
    assert subprocess.run([sys.executable, "-c", KILLED, str(target)], timeout=60).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    (tmp_path / "notes.part.mp4").touch()
    sweep(target)
    assert left.exists(), "too new to be sure"
    with atomic_file(target) as part:
        long_ago = time.time() - 2 * PART_FILES.left_after_s
        for path in tmp_path.iterdir():
            os.utime(path, (long_ago, long_ago))
        sweep(target)
        assert part.exists() and not left.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "notes.part.mp4"]


@pytest.mark.parametrize("name", ["a.mp4", "x" * 251 + ".mp4", "月" * 83 + ".mp4", "b.part"])
def test_hidden_files_on_the_way_to_hidden_files_are_swept_too(tmp_path: Path, name: str):
    target = tmp_path / name
    first = hidden_name(target)
    ours = [first, hidden_name(first), hidden_name(hidden_name(first)), hidden_name(first.with_suffix(".srt"))]
    kept = [tmp_path / ".other.mp4", hidden_name(tmp_path / f"z{name}"[:200]), tmp_path / f".{name[:9]}.part.mp4"]
    long_ago = time.time() - 2 * PART_FILES.left_after_s
    for path in (*ours, *kept):
        path.touch()
        os.utime(path, (long_ago, long_ago))
    sweep(target)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize("name", ["x" * 251 + ".mp4", "月" * 83 + ".mp4", ".mp4", "a"])
def test_the_hidden_name_fits_and_keeps_the_suffix(tmp_path: Path, name: str):
    hidden = hidden_name(tmp_path / name)
    assert len(os.fsencode(hidden.name)) <= 255
    assert hidden.name.startswith(".")
    assert hidden.suffix == (tmp_path / name).suffix or not (tmp_path / name).suffix
    atomic_write(tmp_path / name, "x")
    assert (tmp_path / name).read_text() == "x"


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path):
    with pytest.raises(MediaError, match=r"no space left on the disk of .*a\.bin"), atomic_file(tmp_path / "a.bin"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_what_the_disk_refuses_a_library_in_rust_is_one_line(tmp_path: Path):
    """Its errors have no number, and it may have given the room back when they come."""
    tensors = {"weight": np.zeros(100_000, np.float32)}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(MediaError, match=r"a\.safetensors cannot be written: File too large"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with atomic_file(tmp_path / "a.safetensors") as part:
                save_file(tensors, part)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(PassingError, match=r"no space left on the disk of .*a\.bin"), atomic_file(tmp_path / "a.bin"):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_one_line(tmp_path: Path):
    with pytest.raises(MediaError, match="cannot be written: No such file or directory"):
        atomic_write(tmp_path / "none" / "a", "x")


@pytest.mark.parametrize("name", ["sub/x.mp4", "../x.mp4", "sub/../../x", ".", "a/.."])
def test_names_that_lead_out_of_a_folder_are_refused(tmp_path: Path, name: str):
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (folder / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="leads out of"):
        inside(folder, name, ConfigError)
    (folder / "real").mkdir()
    assert inside(folder, "real/x.mp4") == folder / "real" / "x.mp4"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_lock_is_held_once_and_let_go(tmp_path: Path, kind: str):
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    busy = ConfigError("busy")
    with file_lock(path, busy):
        seen: list[BaseException] = []

        def second() -> None:
            try:
                with file_lock(path, busy):
                    pass
            except ConfigError as error:
                seen.append(error)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert seen == [busy]
    with file_lock(path, busy):
        pass


def test_a_lock_follows_no_link_and_truncates_nothing(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".lock").symlink_to(victim)
    with pytest.raises(OSError), file_lock(tmp_path / ".lock", ConfigError("busy")):
        pass
    with file_lock(victim, ConfigError("busy")):
        pass
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(1)", "\t=1"])
def test_cells_that_a_spreadsheet_would_run_are_quoted(cell: str):
    assert safe_cell(cell) == f"'{cell}"


def test_numbers_in_a_table_stay_numbers(tmp_path: Path):
    write_table(tmp_path / "t.csv", ["clip", "value"], [["=x", -1.5], ["a", "-2"]])
    assert (tmp_path / "t.csv").read_bytes() == b"clip,value\n'=x,-1.5\na,-2\n"


def test_errors_are_one_line_without_control_characters():
    shown = str(TalkfaceError("a\x1b[31mred\nnext\u202ecod\udc80 月 é"))
    assert shown == r"a\x1b[31mred next\u202ecod\udc80 月 é"
    assert printable("a\nb") == r"a\nb"


def test_default_names_fit_every_file_system() -> None:
    for stem in ("月" * 45 + "_" + "声" * 38, "x" * 300, "short"):
        name = fitting_name(stem, "_2.mp4")
        assert len(name.encode()) <= 255 and name.endswith("_2.mp4")
    assert fitting_name("short", ".mp4") == "short.mp4"
