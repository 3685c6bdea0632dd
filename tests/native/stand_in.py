"""A compiler that writes anything at once: for tests about files."""

import pytest

from keras_longformer.native import cache
from keras_longformer.native import choice
from keras_longformer.native import library
from keras_longformer.native import source_files
from keras_longformer.native.source_files import TensorFlow

TENSORFLOW = TensorFlow("2.20.0", "/headers")

SCRIPT = """#!/bin/sh
[ "$1" = --version ] && {{ echo stand-in 1.0; exit; }}
echo "$@" >> {folder}/calls
while [ $# -gt 0 ]; do [ "$1" = -o ] && output="$2"; shift; done
[ -e {folder}/slow ] && sleep 0.3
[ -e {folder}/fails ] && {{ echo there is no such register; exit 1; }}
echo a library > "$output"
"""


class StandIn:
    """The compiler's folder, and what it was called for."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "stand-in"
        self.path.write_text(SCRIPT.format(folder=folder))
        self.path.chmod(0o755)

    def set(self, what, value=True):
        """Makes it `"slow"`, or one that `"fails"`."""
        path = self.folder / what
        path.touch() if value else path.unlink()

    @property
    def builds(self):
        """How many libraries it linked, or failed at from the beginning."""
        calls = self.folder / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return sum("-shared" in line for line in lines)


@pytest.fixture
def stand_in(monkeypatch, tmp_path_factory):
    """The `StandIn`, as the compiler of this process and those it starts."""
    compiler = StandIn(tmp_path_factory.mktemp("compiler"))
    monkeypatch.setenv("CXX", str(compiler.path))
    return compiler


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """Two folders for libraries: the package's, and the cache's."""
    package = tmp_path / "package" / "built"
    monkeypatch.setattr(cache, "PACKAGE_FOLDER", package)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    return [package, tmp_path / "cache" / "keras_longformer"]


@pytest.fixture
def new_process(monkeypatch, folders):
    """Nothing is decided or loaded yet; a function that sets that again.

    What is loaded is the library's path.
    """

    def begin():
        monkeypatch.setattr(choice, "_reason", None)
        monkeypatch.setattr(library, "_library", None)
        monkeypatch.setattr(library, "_stem_cache", [])

    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setattr(library, "_load", str)
    monkeypatch.setattr(source_files, "running_tensorflow", lambda: TENSORFLOW)
    monkeypatch.setattr("tensorflow.__version__", TENSORFLOW.version)
    begin()
    return begin


def libraries(folder):
    """The files of a folder, without the lock's."""
    found = folder.iterdir() if folder.is_dir() else []
    return sorted(path for path in found if path.name != ".lock")
