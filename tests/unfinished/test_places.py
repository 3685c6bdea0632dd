"""What dead writers leave is cleared; what living ones write is not."""

import errno
import logging
import os
import subprocess
import sys
import tempfile
import time

import pytest

from keras_longformer import unfinished
from keras_longformer.unfinished import places

# Writes a file of 1,000 bytes in a place and says so; then what is asked for.
WRITER = """
import os, signal, sys, time
from keras_longformer.unfinished import place
with place(sys.argv[1]) as new:
    with open(os.path.join(new, "weights"), "wb") as file:
        file.write(bytes(1000))
    print(new, flush=True)
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


def start(folder, what):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def killed(folder):
    """The path that a process wrote at which was killed then."""
    process = start(folder, "die")
    new = process.communicate()[0].strip()
    assert process.returncode == -9 and os.listdir(new) == ["weights"]
    return new


def test_nothing_is_left_of_who_ends(tmp_path):
    with unfinished.place(tmp_path) as new:
        assert os.listdir(new) == []
        assert os.path.dirname(os.path.dirname(new)) == str(tmp_path)
    with pytest.raises(KeyError), unfinished.place(tmp_path):
        raise KeyError
    assert not os.listdir(tmp_path)


def test_what_the_dead_left_is_cleared_and_said(tmp_path, caplog):
    left = [killed(tmp_path), killed(tmp_path)]
    # Each clears what the one before left.
    assert not os.path.exists(left[0])
    with unfinished.place(tmp_path):
        assert not os.path.exists(left[1])
        assert len(os.listdir(tmp_path)) == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert os.path.dirname(left[1]) in record.getMessage()
    assert "0.0 MB" in record.getMessage()
    assert "is gone" in record.getMessage()


def test_what_the_living_write_stays(tmp_path, caplog):
    process = start(tmp_path, "wait")
    new = process.stdout.readline().strip()
    try:
        with unfinished.place(tmp_path), unfinished.place(tmp_path):
            assert os.listdir(new) == ["weights"]
            assert len(os.listdir(tmp_path)) == 3
        assert not caplog.records
    finally:
        process.communicate("")
    assert process.returncode == 0 and not os.listdir(tmp_path)


def test_another_host_is_given_a_day(tmp_path, monkeypatch):
    left = killed(tmp_path)
    monkeypatch.setattr(places.socket, "gethostname", lambda: "elsewhere")
    with unfinished.place(tmp_path):
        assert os.path.exists(left)
    long_ago = time.time() - 25 * 3600
    folder = os.path.dirname(left)
    for path in (os.path.join(folder, "lock"), os.path.join(left, "weights")):
        os.utime(path, (long_ago, long_ago))
    with unfinished.place(tmp_path):
        assert not os.path.exists(folder)


def test_killed_before_it_had_a_lock(tmp_path):
    (tmp_path / ".unfinished-early").mkdir()
    with unfinished.place(tmp_path):
        assert len(os.listdir(tmp_path)) == 1


def test_links_are_not_followed(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kept").write_text("kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".unfinished-link").symlink_to(mine)
    inside = folder / ".unfinished-real"
    inside.mkdir()
    (inside / "new").symlink_to(mine)
    with unfinished.place(folder):
        pass
    assert (mine / "kept").read_text() == "kept"
    assert not inside.exists()


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):  # root may.

        def refuse(**options):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(PermissionError, match=f"there: .*'{tmp_path}'"):
        with unfinished.place(tmp_path):
            pass


def test_no_folder(tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError, match=f"there: .*'{missing}'"):
        with unfinished.place(missing):
            pass
