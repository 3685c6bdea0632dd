"""Building and loading: cache, errors, several processes."""

import subprocess
import sys

import pytest

from keras_longformer.native import build
from keras_longformer.native import library
from keras_longformer.native import source_files
from tests.native.kernel import compiler as compiler
from tests.native.kernel import kernel as kernel

pytestmark = pytest.mark.native


@pytest.fixture
def small_sources(monkeypatch, tmp_path):
    """One small source instead of the kernel: these tests are about files."""
    folder = tmp_path / "src"
    folder.mkdir()
    source = folder / "ffi.cc"
    source.write_text('extern "C" int answer() { return 42; }\n')
    monkeypatch.setattr(source_files, "FOLDER", folder)
    monkeypatch.setattr(source_files, "kernel_sources", dict)
    return source


def test_builds_once(compiler, small_sources, tmp_path, capsys):
    first = build.build(tmp_path / "out")
    assert "Compiling" in capsys.readouterr().out
    assert build.build(tmp_path / "out") == first
    assert "Already built" in capsys.readouterr().out
    # Nothing is left of the build but its result.
    assert list((tmp_path / "out").iterdir()) == [first]


def test_builds_anew_for_other_sources(compiler, small_sources, tmp_path):
    first = build.build(tmp_path / "out")
    small_sources.write_text(small_sources.read_text() + "// changed\n")
    assert build.build(tmp_path / "out") != first


def test_compiler_output_is_shown(compiler, small_sources, tmp_path):
    small_sources.write_text("int f() { return unheard_of; }\n")
    with pytest.raises(RuntimeError, match="(?s)command.*ffi.cc.*unheard_of"):
        build.build(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(RuntimeError, match=r"looked for g\+\+, clang\+\+"):
        build.find_compiler()


def test_missing_library_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_LONGFORMER_NATIVE", str(tmp_path))
    with pytest.raises(RuntimeError, match=source_files.COMMAND):
        library.find()
    monkeypatch.setattr(library, "_library", None)
    assert not library.available()


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_LONGFORMER_NATIVE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert source_files.cache_folder() == tmp_path / "keras_longformer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (
        source_files.cache_folder() == tmp_path / ".cache" / "keras_longformer"
    )


def test_two_processes_build_at_once(compiler, tmp_path):
    """Both end well, and what either loads is whole."""
    program = (
        "import pathlib, sys\n"
        "from keras_longformer.native import build, source_files\n"
        "source_files.FOLDER = pathlib.Path(sys.argv[1])\n"
        "build.compile_sources({'one.cc': ()}, "
        "pathlib.Path(sys.argv[2]) / 'one.so')\n"
    )
    (tmp_path / "one.cc").write_text('extern "C" int one() { return 1; }\n')
    arguments = [tmp_path, tmp_path / "out"]
    command = [sys.executable, "-c", program, *arguments]
    processes = [
        subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one.so"]


def test_no_gpu_kernel():
    assert not library.available("GPU")


def test_unknown_instructions(kernel):
    with pytest.raises(ValueError, match="'portable', 'avx2' or 'avx512'"):
        library.choose_instructions("sse9")
