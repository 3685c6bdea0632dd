"""Building, with a compiler and with one that writes anything."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from keras_longformer.native import build
from keras_longformer.native import cache
from keras_longformer.native import library
from keras_longformer.native import source_files
from tests.native.kernel import compiler as compiler
from tests.native.kernel import kernel as kernel
from tests.native.kernel import older_compiler as older_compiler
from tests.native.stand_in import TENSORFLOW
from tests.native.stand_in import folders as folders
from tests.native.stand_in import libraries
from tests.native.stand_in import stand_in as stand_in


@pytest.fixture
def small_sources(monkeypatch, tmp_path):
    """One small source instead of the kernel: these tests are about files."""
    folder = tmp_path / "src"
    folder.mkdir()
    source = folder / "ffi.cc"
    source.write_text('extern "C" int answer() { return 42; }\n')
    monkeypatch.setattr(source_files, "FOLDER", folder)
    monkeypatch.setattr(source_files, "kernel_sources", lambda _: ({}, []))
    return source


def make(output=None, tensorflow=TENSORFLOW):
    return build.build(output, tensorflow)


@pytest.mark.native
def test_builds_once(compiler, small_sources, tmp_path, capsys):
    first = make(tmp_path / "out")
    assert "Compiling" in capsys.readouterr().out
    assert make(tmp_path / "out") == first
    assert "Already built" in capsys.readouterr().out
    # Nothing is left of the build but its result.
    assert libraries(tmp_path / "out") == [first]
    assert cache.is_whole(first)


def test_builds_anew_for_others(stand_in, small_sources, tmp_path):
    """Other sources, another TensorFlow, another compiler."""
    out = tmp_path / "out"
    first = make(out)
    newer = make(out, TENSORFLOW._replace(version="2.21.0"))
    small_sources.write_text(small_sources.read_text() + "// changed\n")
    changed = make(out)
    stand_in.path.write_text(stand_in.path.read_text().replace("1.0", "1.1"))
    other_compiler = make(out)
    made = {first, newer, changed, other_compiler}
    assert len(made) == stand_in.builds == 4
    stem = source_files.library_stem("2.21.0")
    assert not list(cache.find(stem, [out]))  # Those were other sources.
    stem = source_files.library_stem(TENSORFLOW.version)
    assert set(cache.find(stem, [out])) == {changed, other_compiler}


@pytest.mark.native
def test_compiler_output_is_shown(compiler, small_sources, tmp_path):
    small_sources.write_text("int f() { return unheard_of; }\n")
    with pytest.raises(RuntimeError, match="(?s)command.*ffi.cc.*unheard_of"):
        make(tmp_path / "out")
    (told,) = libraries(tmp_path / "out")
    assert "unheard_of" in told.read_text()


@pytest.mark.native
@pytest.mark.parametrize(
    "refused, left_out",
    [
        ("-mnone", []),
        ("-mamx-bf16", ["amx"]),
        ("-mavx512bf16", ["avx512_bf16", "amx"]),
    ],
)
def test_leaves_out_what_a_compiler_does_not_know(
    older_compiler, refused, left_out, capsys
):
    """The rest is built, and asks for none of it."""
    sources = build.kernel_sources(older_compiler(refused))
    absent = [f"band_attention_{name}.cc" for name in left_out]
    assert not set(absent) & set(sources)
    everything = set(os.listdir(source_files.FOLDER))
    assert set(sources) | set(absent) | {"ffi.cc", "self_test.cc"} == {
        name for name in everything if name.endswith(".cc")
    }
    for name in ("AVX512_BF16", "AMX"):
        macro = f"-DKLF_HAS_{name}"
        here = macro in sources["processor.cc"]
        assert here == (name.lower() not in left_out)
    said = capsys.readouterr().out
    assert all(name in said for name in absent)
    assert bool(said) == bool(left_out)


def test_a_failure_is_remembered(stand_in, folders):
    """For automatic builds; the command tries again."""
    assert build.has_failed(TENSORFLOW) is None
    stand_in.set("fails")
    with pytest.raises(build.CompilerError, match="no such register"):
        make()
    told = build.has_failed(TENSORFLOW)
    assert "no such register" in told.read_text()
    long_ago = time.time() - 100_000
    os.utime(told, (long_ago, long_ago))
    assert build.has_failed(TENSORFLOW) is None
    stand_in.set("fails", False)
    path = make()
    assert libraries(folders[0]) == [path]


def test_missing_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(RuntimeError, match=r"looked for g\+\+, clang\+\+"):
        build.find_compiler()


def test_a_compiler_that_cannot_run(monkeypatch, tmp_path):
    compiler = tmp_path / "g++"
    compiler.write_bytes(b"\x7fELF of another machine")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(build.CompilerError, match="The compiler failed"):
        make(tmp_path / "out")


# Where libraries go


def test_cache_folders(monkeypatch, folders, tmp_path):
    assert cache.folders() == folders
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / ".cache" / "keras_longformer"
    assert cache.folders() == [folders[0], home]
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "named"))
    assert cache.folders() == [tmp_path / "named"]


def read_only(folder, monkeypatch):
    folder.parent.mkdir(parents=True)
    folder.write_text("")  # Root may write to any folder, but not to a file.


def not_ours(folder, monkeypatch):
    folder.mkdir(parents=True)
    asked = os.access
    monkeypatch.setattr(
        os, "access", lambda path, how: path != folder and asked(path, how)
    )


def full(folder, monkeypatch):
    usage = shutil.disk_usage
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda path: usage(path)._replace(free=path != folder and 2**40),
    )


@pytest.mark.parametrize("bad", [read_only, not_ours, full])
def test_goes_on_to_the_next_folder(stand_in, folders, bad, monkeypatch):
    bad(folders[0], monkeypatch)
    path = make()
    assert path.parent == folders[1]
    assert make() == path  # It is found there.
    assert cache.writable()[0] == folders[1]


def test_no_folder(stand_in, folders, monkeypatch):
    for folder in folders:
        read_only(folder, monkeypatch)
    assert not list(cache.find("any", folders))
    with pytest.raises(RuntimeError, match=cache.VARIABLE) as info:
        make()
    assert all(str(folder) in str(info.value) for folder in folders)
    assert not stand_in.builds


def test_full_while_linking(stand_in, folders, monkeypatch):
    replace = os.replace

    def refuse(source, target):
        if os.path.dirname(target) == str(folders[0]):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    assert make().parent == folders[1]
    assert libraries(folders[0]) == []


# Damage, and several processes


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_damaged_library_is_built_anew(stand_in, folders, damage):
    path = make()
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[:-1], "changed": whole[:-1] + b"?", "empty": b""}[damage]
    )
    assert not cache.is_whole(path)
    assert make() == path
    assert path.read_bytes() == whole
    assert stand_in.builds == 2


PROGRAM = """
import pathlib, sys
from keras_longformer.native import build
from keras_longformer.native.source_files import TensorFlow
build.build(sys.argv[1], TensorFlow("2.20.0", "/headers"))
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_several_processes_build_once(stand_in, tmp_path):
    stand_in.set("slow")
    processes = [start(tmp_path / "out") for _ in range(4)]
    last_lines = {x.communicate()[0].splitlines()[-1] for x in processes}
    assert [process.returncode for process in processes] == [0] * 4
    (path,) = libraries(tmp_path / "out")
    assert {line.partition(": ")[2] for line in last_lines} == {str(path)}
    assert stand_in.builds == 1


def test_what_a_killed_build_left_is_cleared(stand_in, tmp_path):
    out = tmp_path / "out"
    stand_in.set("slow")
    process = start(out)
    while not list(out.glob(f"{cache.UNFINISHED}*")):
        assert process.poll() is None
        time.sleep(0.01)
    assert cache.is_busy(out)
    with pytest.raises(cache.BusyError, match="Another process"):
        build.build(out, TENSORFLOW, seconds=0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    stand_in.set("slow", False)
    path = make(out)
    assert libraries(out) == [path]


def test_two_targets_at_once(stand_in, tmp_path):
    """Without a lock, as on some network file systems: names keep apart."""
    with cache.locked(tmp_path, 0):
        build.compile_sources({"ffi.cc": ()}, tmp_path / "one.so")
        build.compile_sources({"ffi.cc": ()}, tmp_path / "one.so")
    assert libraries(tmp_path) == [tmp_path / "one.so"]


# Loading


def test_missing_library_names_the_command(folders, monkeypatch):
    monkeypatch.setattr(library, "_library", None)
    with pytest.raises(library.NotBuiltError, match=source_files.COMMAND):
        library.load()
    assert not library.available()


def test_passes_over_what_cannot_be_loaded(
    stand_in, folders, monkeypatch, caplog
):
    """Such as a library of a machine with another libc."""
    stem = source_files.library_stem(TENSORFLOW.version)
    monkeypatch.setattr(library, "_library", None)
    monkeypatch.setattr(library, "_stem_cache", [stem])
    path = make()
    with pytest.raises(library.NotBuiltError):
        library.load()
    assert f"passes over {path}" in caplog.text
    other = folders[1] / f"{path.stem}.so"
    cache.prepare(folders[1])
    shutil.copy(path, other)
    monkeypatch.setattr(library, "_load", lambda x: _refuse(x, path))
    assert library.load() == other


def _refuse(path, refused):
    if path == refused:
        raise OSError(f"{path}: file too short")
    return path


def test_no_gpu_kernel():
    assert not library.available("GPU")


@pytest.mark.native
def test_unknown_instructions(kernel):
    with pytest.raises(ValueError, match="portable, .*, amx.*'sse9'"):
        library.choose_instructions("sse9")
