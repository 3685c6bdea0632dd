"""Files and folders are there whole: the new, or what was there before."""

import errno
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from keras_longformer.unfinished import remove
from keras_longformer.unfinished import whole
from keras_longformer.unfinished import whole_file
from keras_longformer.unfinished import whole_folder
from keras_longformer.unfinished import write_text


def contents(folder):
    """File names to texts, also of files that are not finished."""
    return {
        str(path.relative_to(folder)): path.read_text("utf-8")
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file()
    }


def test_a_file_is_the_old_one_until_it_is_whole(tmp_path):
    path = tmp_path / "weights.h5"
    write_text(path, "old")
    with whole_file(path) as new:
        assert os.path.basename(new) == "weights.h5"
        with open(new, "w", encoding="utf-8") as file:
            file.write("new")
        assert path.read_text() == "old"
    assert contents(tmp_path) == {"weights.h5": "new"}
    with pytest.raises(KeyError), whole_file(path) as new:
        with open(new, "w", encoding="utf-8") as file:
            file.write("half")
        raise KeyError
    assert contents(tmp_path) == {"weights.h5": "new"}


def test_a_file_as_others_may_read_it(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file", "text")
        with whole_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    with whole_folder(folder) as new:
        assert not folder.exists()
        write(new, config="old", weights="old", notes="theirs")
        write(os.path.join(new, "assets"), vocabulary="old", more="theirs")
    folder.chmod(0o711)
    return folder


def write(folder, **texts):
    os.makedirs(folder, exist_ok=True)
    for name, text in texts.items():
        write_text(os.path.join(folder, name), text)


def write_again(folder, **options):
    with whole_folder(folder, **options) as new:
        write(new, config="new", weights="new", kept="new")
        write(os.path.join(new, "assets"), vocabulary="new")
        assert contents(folder)["config"] == "old"


NEW = {
    "config": "new",
    "weights": "new",
    "kept": "new",
    "assets/vocabulary": "new",
}
OTHERS = {"notes": "theirs", "assets/more": "theirs"}


def one_by_one(monkeypatch):
    monkeypatch.setattr(whole, "_MOST_LINKS", 0)


def without_exchange(monkeypatch):
    monkeypatch.setattr(whole, "_exchange", lambda first, second: False)


WAYS = [None, one_by_one, without_exchange]


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_that_is_there(folder, monkeypatch, way):
    if way is not None:
        way(monkeypatch)
    write_again(folder)
    assert contents(folder) == {**NEW, **OTHERS}
    assert os.listdir(folder.parent) == ["model"]
    assert folder.stat().st_mode & 0o777 == 0o711


@pytest.mark.parametrize("way", WAYS)
def test_some_files_stay(folder, monkeypatch, way):
    if way is not None:
        way(monkeypatch)
    write(folder, kept="theirs")
    write_again(folder, kept=["kept"])
    assert contents(folder) == {**NEW, **OTHERS, "kept": "theirs"}


def test_others_are_dropped(folder):
    write_again(folder, others="dropped")
    assert contents(folder) == NEW


def test_the_last_ones_are_last(folder, monkeypatch):
    order, replace = [], os.replace
    one_by_one(monkeypatch)

    def noted(source, target):
        order.append(os.path.basename(target))
        replace(source, target)

    with whole_folder(folder, last=["config"]) as new:
        write(new, config="new", weights="new", anything="new")
        monkeypatch.setattr(os, "replace", noted)
    assert order == ["anything", "weights", "config"]


def test_the_working_directory_stays_what_it_is(folder, monkeypatch):
    monkeypatch.chdir(folder)
    write_again(".")
    assert contents(".") == contents(folder) == {**NEW, **OTHERS}


@pytest.mark.parametrize("way", WAYS)
def test_a_failing_writer_changes_nothing(folder, monkeypatch, way):
    if way is not None:
        way(monkeypatch)
    before = contents(folder.parent)
    with pytest.raises(KeyError), whole_folder(folder) as new:
        write(new, config="new")
        raise KeyError
    assert contents(folder.parent) == before


def test_a_full_disk_changes_nothing(folder, monkeypatch):
    before = contents(folder.parent)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_again(folder)
    with pytest.raises(OSError, match="No space left"):
        write_text(folder / "config", "new")
    assert contents(folder.parent) == before


# Ends at the `n`th change of a name; says whether there was one.
KILLED = """
import os, signal, sys
from keras_longformer.unfinished import whole, whole_folder
folder, way, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
if way == "without_exchange":
    whole._exchange = lambda first, second: False
with whole_folder(folder) as new:
    for name in ("config", "weights"):
        with open(os.path.join(new, name), "w") as file:
            file.write("new")
    def counted(event, arguments):
        global count
        if event in ("os.rename", "os.rmdir", "os.remove", "os.link"):
            count -= 1
            if count < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(counted)
"""


@pytest.mark.parametrize("way", ["exchange", "without_exchange"])
def test_killed_while_names_change(folder, way):
    """After the next writer began, the old or the new is there whole."""
    found = set()
    for count in range(99):
        write(folder, config="old", weights="old")
        command = [sys.executable, "-c", KILLED, str(folder), way, str(count)]
        status = subprocess.run(command, check=False).returncode
        write_text(folder.parent / "other", "")  # The next writer.
        assert sorted(os.listdir(folder.parent)) == ["model", "other"]
        now = contents(folder)
        assert now.pop("config") == now["weights"]
        found.add(now.pop("weights"))
        assert now == {**OTHERS, "assets/vocabulary": "old"}
        if status == 0:
            break
    assert status == 0 and found == {"old", "new"}


def test_two_writers(tmp_path):
    """One of them is there whole, whoever was the last."""
    barrier, failed = threading.Barrier(4), []

    def run(text):
        try:
            for _ in range(10):
                with whole_folder(tmp_path / "model") as new:
                    write(new, config=text, weights=text)
                    barrier.wait()
        except Exception as error:
            failed.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=[x]) for x in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    now = contents(tmp_path)
    assert set(now) == {"model/config", "model/weights"}
    assert now["model/config"] == now["model/weights"]


def test_a_file_where_a_folder_shall_be(tmp_path):
    path = tmp_path / "model"
    path.write_text("text")
    with pytest.raises(NotADirectoryError, match=f"not a folder: '{path}'"):
        with whole_folder(path):
            pass


def test_remove(folder):
    remove(folder)
    assert os.listdir(folder.parent) == []
