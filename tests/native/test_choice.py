"""What a process does where nobody asked for the kernel."""

import os
import subprocess
import sys
import time

import pytest

from keras_longformer.native import build
from keras_longformer.native import cache
from keras_longformer.native import choice
from keras_longformer.native import library
from keras_longformer.native import source_files
from tests.native.stand_in import TENSORFLOW
from tests.native.stand_in import folders as folders
from tests.native.stand_in import libraries
from tests.native.stand_in import new_process as new_process
from tests.native.stand_in import stand_in as stand_in


def wait_for_library(folder):
    end = time.monotonic() + 60
    while not list(folder.glob("*.so")):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_built_in_the_background(new_process, stand_in, folders, caplog):
    """For the next process: what this one has decided stays."""
    stand_in.set("slow")
    assert "not built yet" in choice.reason_against()
    assert not list(folders[0].glob("*.so"))  # It does not wait.
    (record,) = caplog.records
    line = record.getMessage()
    assert str(folders[0]) in line and "\n" not in line
    assert "KERAS_LONGFORMER_NATIVE=wait" in line and "=off" in line
    wait_for_library(folders[0])
    assert "not built yet" in choice.reason_against()
    assert choice.prepare() == choice.reason_against()
    new_process()
    assert choice.reason_against() is None
    assert library.load() == str(libraries(folders[0])[0])
    assert len(caplog.records) == stand_in.builds == 1


def test_built_by_another_process(new_process, stand_in, folders, caplog):
    cache.prepare(folders[0])
    with cache.locked(folders[0], 0):
        assert choice.reason_against()
    assert "by another process" in caplog.text
    assert not stand_in.builds


PROGRAM = """
from keras_longformer.native import choice, library, source_files
found = source_files.TensorFlow("2.20.0", "/headers")
source_files.running_tensorflow = lambda: found
library._stem_cache.append(source_files.library_stem(found.version))
print(choice.reason_against())
"""


def test_the_build_outlives_its_process(stand_in, tmp_path):
    """And its process does not wait for it, nor for its streams."""
    stand_in.set("slow")
    environment = {
        **os.environ,
        choice.VARIABLE: "background",
        cache.VARIABLE: str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not built yet" in done.stdout
    assert "in the background" in done.stderr
    assert not list(tmp_path.glob("*.so"))
    wait_for_library(tmp_path)
    assert stand_in.builds == 1


def test_waiting(new_process, stand_in, folders, monkeypatch, capsys):
    monkeypatch.setenv(choice.VARIABLE, "wait")
    assert choice.reason_against() is None
    assert library.load() == str(libraries(folders[0])[0])
    assert "Compiling" in capsys.readouterr().out


def test_trainings_wait(new_process, stand_in, capsys, caplog):
    """Without being told to."""
    assert choice.prepare() is None
    assert "Built" in capsys.readouterr().out
    assert not caplog.records


@pytest.mark.parametrize("name", ["off", "built"])
@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_built(
    new_process, stand_in, monkeypatch, name, there, caplog
):
    if there:
        build.build(None, TENSORFLOW)
    monkeypatch.setenv(choice.VARIABLE, name)
    taken = choice.prepare() is None
    assert taken == (there and name == "built")
    assert stand_in.builds == there
    assert not caplog.records


def test_other_values(new_process, monkeypatch):
    monkeypatch.setenv(choice.VARIABLE, "/a/folder")
    with pytest.raises(ValueError, match="off.*'/a/folder'.*_FOLDER"):
        choice.reason_against()


def test_leave(new_process, stand_in):
    choice.leave()
    assert "switched off" in choice.prepare()
    assert not stand_in.builds


@pytest.mark.parametrize("ask", [choice.reason_against, choice.prepare])
def test_missing_compiler_is_said_once(
    new_process, ask, monkeypatch, tmp_path, caplog
):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "No C++ compiler" in ask()
    assert "No C++ compiler" in ask()
    (record,) = caplog.records
    line = record.getMessage()
    assert "\n" not in line and f"{choice.VARIABLE}=off" in line


@pytest.mark.parametrize("ask", [choice.reason_against, choice.prepare])
def test_a_failing_compiler_is_not_tried_again(
    new_process, stand_in, ask, caplog
):
    stand_in.set("fails")
    with pytest.raises(build.CompilerError):
        build.build(None, TENSORFLOW)
    stand_in.set("fails", False)
    assert "compiler failed" in ask()
    assert ".failed" in caplog.text and source_files.COMMAND in caplog.text
    assert not stand_in.builds


@pytest.mark.parametrize("ask", [choice.reason_against, choice.prepare])
def test_no_folder(new_process, stand_in, folders, ask, caplog):
    for folder in folders:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text("")
    assert "no folder to build" in ask()
    assert cache.VARIABLE in caplog.text


def test_a_damaged_library_is_said_and_built_anew(
    new_process, stand_in, folders, caplog
):
    path = build.build(None, TENSORFLOW)
    path.write_bytes(path.read_bytes()[:-1])
    assert choice.prepare() is None
    assert f"passes over {path}: damaged" in caplog.text
    assert cache.is_whole(path)


def test_of_another_tensorflow(new_process, stand_in, monkeypatch):
    """Never loaded."""
    build.build(None, TENSORFLOW._replace(version="2.21.0"))
    monkeypatch.setenv(choice.VARIABLE, "built")
    assert choice.reason_against() == "it is not built"


def test_one_that_xla_refuses(new_process, stand_in, monkeypatch, caplog):
    def refuse(path):
        raise RuntimeError(f"XLA refuses {path}")

    monkeypatch.setattr(library, "_load", refuse)
    build.build(None, TENSORFLOW)
    assert "XLA refuses" in choice.reason_against()
    assert stand_in.builds == len(caplog.records) == 1


def test_inside_another_application(new_process, stand_in, monkeypatch):
    """Whose executable would start the application again."""
    monkeypatch.setattr(sys, "executable", "/usr/bin/application")
    assert source_files.COMMAND in choice.reason_against()
    assert not stand_in.builds
