"""Compiles the native kernel for this machine and this TensorFlow.

    python -m keras_longformer.native.build [--output FOLDER]

takes about ten seconds with g++ or clang++ (or what `CXX` names) and writes
one library into a cache of the user's, where `keras_longformer` finds it:
`$XDG_CACHE_HOME/keras_longformer`, else `~/.cache/keras_longformer`. With
`--output`, set `KERAS_LONGFORMER_NATIVE` to that folder where it is used.

A library is good for one state of the sources and one version of TensorFlow,
whose headers it is made with: XLA refuses one made with newer headers.
"""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from keras_longformer.native import source_files


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
        RuntimeError: the compiler failed. The message has its output.
    """
    compiler = compiler or find_compiler()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=".build-", dir=target.parent
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
    process = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if process.returncode:
        raise RuntimeError(
            f"The compiler failed with status {process.returncode}.\n"
            f"  command  {' '.join(command)}\n"
            f"  output\n{process.stdout.strip()}"
        )


def build(output: str | os.PathLike | None = None) -> pathlib.Path:
    """Builds the library unless it is there already.

    Args:
        output: folder, by default `source_files.cache_folder()`.

    Returns:
        The library's path.

    Raises:
        RuntimeError: no compiler, or the compiler failed.
    """
    import tensorflow as tf

    compiler = find_compiler()
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True
    ).stdout
    key = hashlib.sha256(f"{compiler} {version}".encode()).hexdigest()[:8]
    folder = pathlib.Path(output) if output else source_files.cache_folder()
    target = folder / f"{source_files.library_stem()}-{key}.so"
    if target.exists():
        print(f"Already built: {target}")
        return target
    title = version.splitlines()[0] if version else compiler
    print(f"Compiling the native kernel with {title} ...", flush=True)
    headers = f"-isystem{tf.sysconfig.get_include()}"
    abi = [f for f in tf.sysconfig.get_compile_flags() if f.startswith("-D")]
    compile_sources(
        {**source_files.kernel_sources(), "ffi.cc": (headers, *abi)},
        target,
        link_flags=("-shared", "-lpthread"),
        compiler=compiler,
    )
    print(f"Built: {target}")
    return target


def main() -> None:
    """Runs `build` with the command line's arguments."""
    parser = argparse.ArgumentParser(
        prog=source_files.COMMAND, description="Compiles the native kernel."
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        help="where to write the library "
        f"(default: {source_files.cache_folder()})",
    )
    try:
        build(parser.parse_args().output)
    except RuntimeError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
