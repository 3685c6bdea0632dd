"""Compiles the native kernel for this machine and this TensorFlow.

    python -m keras_longformer.native.build [--output FOLDER]

takes 20 seconds of CPU time with g++ or clang++ (or what `CXX` names) and
writes one library into the first of `cache.folders()` that can be written to.
With `--output`, set `KERAS_LONGFORMER_NATIVE_FOLDER` to that folder where it is
used.

A library is good for one state of the sources and one version of TensorFlow,
whose headers it is made with: XLA refuses one made with newer headers.
"""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Sequence

from keras_longformer.native import cache
from keras_longformer.native import source_files
from keras_longformer.native.source_files import TensorFlow

# Many times what the largest source takes: a compiler that hangs.
_MOST_SECONDS = 900
# Automatic builds leave alone for so long what a compiler failed at.
_SECONDS_AFTER_FAILURE = 24 * 60 * 60


class CompilerError(RuntimeError):
    """The compiler failed."""


def find_compiler() -> str:
    """The compiler's path: `CXX`, g++ or clang++, whichever is there first.

    Raises:
        RuntimeError: there is none.
    """
    names = [os.environ.get("CXX"), "g++", "clang++"]
    for name in filter(None, names):
        if path := shutil.which(name):
            return path
    raise RuntimeError(
        "No C++ compiler found: looked for "
        f"{', '.join(filter(None, names))}. Install g++ or clang++ (Debian, "
        "Ubuntu: `apt-get install g++`), or name one in the environment "
        "variable CXX. Without it `keras_longformer` uses TensorFlow's own ops."
    )


def kernel_sources(
    compiler: str, say: Callable[[str], None] = print
) -> dict[str, tuple[str, ...]]:
    """The kernels' sources that a compiler can take, and their flags.

    Args:
        compiler: path.
        say: takes a line where some are left out.
    """

    def knows(program, flags):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "probe.cc"
            source.write_text(program, encoding="utf-8")
            output = f"{folder}/probe.o"
            try:
                _call([compiler, *flags, "-c", str(source), "-o", output])
            except CompilerError:
                return False
        return True

    sources, left_out = source_files.kernel_sources(knows)
    if left_out:
        say(
            f"Left out {', '.join(left_out)}: {compiler} does not know such "
            "instructions. A newer one does (g++ 11, clang++ 12), and "
            "bfloat16 is faster with them."
        )
    return sources


def compile_sources(
    sources: dict[str, tuple[str, ...]],
    target: pathlib.Path,
    *,
    flags: tuple[str, ...] = (),
    link_flags: tuple[str, ...] = ("-shared",),
    compiler: str | None = None,
) -> None:
    """Compiles and links sources of the folder `src`.

    Args:
        sources: file names, and the flags of each.
        target: the file to write. It appears at once and whole, whatever
            other processes build at the same time.
        flags: for all sources, after the common ones.
        link_flags: for linking.
        compiler: path; `find_compiler()`'s by default.

    Raises:
        CompilerError: it failed. The message has its output.
    """
    compiler = compiler or find_compiler()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=cache.UNFINISHED, dir=target.parent
    ) as folder:

        def compile_one(name):
            object_file = os.path.join(folder, f"{name}.o")
            source = str(source_files.FOLDER / name)
            arguments = [*source_files.COMMON_FLAGS, *sources[name], *flags]
            _call([compiler, *arguments, "-c", source, "-o", object_file])
            return object_file

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_one, sources))
        linked = os.path.join(folder, target.name)
        # Flags once more: sanitizers are wanted at both stages.
        _call([compiler, *objects, *flags, *link_flags, "-o", linked])
        os.replace(linked, target)


def _call(command):
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_MOST_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerError(
            f"The compiler failed: {error}\n  command  {' '.join(command)}"
        ) from error
    if process.returncode:
        raise CompilerError(
            f"The compiler failed with status {process.returncode}.\n"
            f"  command  {' '.join(command)}\n"
            f"  output\n{process.stdout.strip()}"
        )
    return process.stdout


def build(
    output: str | os.PathLike | None = None,
    tensorflow: TensorFlow | None = None,
    *,
    say: Callable[[str], None] = print,
    seconds: float = _MOST_SECONDS,
) -> pathlib.Path:
    """Builds the library unless it is there already.

    Args:
        output: folder; by default the first of `cache.folders()` that can be
            written to.
        tensorflow: what to build for, by default what can be imported.
        say: takes lines about what is done.
        seconds: how long to wait for another process that builds there.

    Returns:
        The library's path.

    Raises:
        RuntimeError: no compiler, no folder, or
        CompilerError: the compiler failed, or
        BusyError: another process still builds.
    """
    compiler = find_compiler()
    tensorflow = tensorflow or source_files.running_tensorflow()
    version = _call([compiler, "--version"])
    stem = source_files.library_stem(tensorflow.version)
    stem = f"{stem}-{_key(compiler, version)}"
    folders = [pathlib.Path(output)] if output else cache.folders()
    for path in filter(cache.is_whole, cache.find(stem, folders)):
        say(f"Already built: {path}")
        return path
    title = version.splitlines()[0] if version else compiler
    problems = []
    for folder in folders:
        try:
            cache.prepare(folder)
            if cache.is_busy(folder):
                say(f"Waiting for another process that builds in {folder} ...")
            with cache.locked(folder, seconds):
                path = _remove_damaged(stem, folder)
                if path is None:
                    say(f"Compiling the native kernel with {title} ...")
                    path = _build(stem, folder, tensorflow, compiler, say)
        except OSError as error:
            problems.append(f"\n  {folder}: {error.strerror or error}")
            continue
        say(f"Built: {path}")
        return path
    raise RuntimeError(
        "There is no folder to build the native kernel in. Name one in the "
        f"environment variable {cache.VARIABLE}.{''.join(problems)}"
    )


def has_failed(tensorflow: TensorFlow) -> pathlib.Path | None:
    """The compiler's message where it failed at these sources in a day.

    Raises:
        RuntimeError: there is no compiler.
    """
    compiler = find_compiler()
    key = _key(compiler, _call([compiler, "--version"]))
    name = f"{source_files.library_stem(tensorflow.version)}-{key}.failed"
    for folder in cache.folders():
        try:
            age = time.time() - (folder / name).stat().st_mtime
        except OSError:
            continue
        if age < _SECONDS_AFTER_FAILURE:
            return folder / name
    return None


def _remove_damaged(stem, folder):
    """Returns the whole library of a folder, removes others of its name."""
    whole = None
    for path in cache.find(stem, [folder]):
        if not cache.is_whole(path):
            path.unlink(missing_ok=True)
        elif whole is None:
            whole = path
    return whole


def _build(stem, folder, tensorflow, compiler, say):
    """Compiles into a folder that is locked; returns the library's path."""
    failed = folder / f"{stem}.failed"
    with tempfile.TemporaryDirectory(
        prefix=cache.UNFINISHED, dir=folder
    ) as temporary:
        library = pathlib.Path(temporary) / "library.so"
        headers = f"-isystem{tensorflow.headers}"
        sources = kernel_sources(compiler, say)
        try:
            compile_sources(
                {**sources, "ffi.cc": (headers,)},
                library,
                link_flags=("-shared", "-lpthread"),
                compiler=compiler,
            )
        except CompilerError as error:
            failed.write_text(f"{error}\n", encoding="utf-8")
            raise
        path = folder / f"{stem}-{cache.digest(library)}.so"
        os.replace(library, path)
    failed.unlink(missing_ok=True)
    return path


def _key(compiler, version):
    """What tells apart libraries of one home on several machines."""
    libc = platform.libc_ver()
    key = hashlib.sha256(f"{compiler} {version} {libc}".encode())
    return key.hexdigest()[:8]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs `build` with the command line's arguments."""
    parser = argparse.ArgumentParser(
        prog=source_files.COMMAND, description="Compiles the native kernel."
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        help="where to write the library (default: the first of "
        f"{', '.join(map(str, cache.folders()))} that can be written to)",
    )
    # As `choice.py` starts it: version and headers of its TensorFlow.
    parser.add_argument("--background", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    tensorflow, seconds = None, _MOST_SECONDS
    if options.background:
        os.nice(10)
        tensorflow, seconds = TensorFlow(*options.background), 0
    try:
        build(options.output, tensorflow, seconds=seconds)
    except RuntimeError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
