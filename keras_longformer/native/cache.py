"""Where built libraries lie, and what makes it safe for several processes.

A library's name holds the digest of its own bytes, so that one that was cut
off, or changed, is known before anything of it runs. It appears by a rename.
Who builds holds a lock, which ends with the process.
"""

import contextlib
import errno
import hashlib
import os
import pathlib
import shutil
import time
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

VARIABLE = "KERAS_LONGFORMER_NATIVE_FOLDER"
PACKAGE_FOLDER = pathlib.Path(__file__).parent / "built"
UNFINISHED = ".build-"

# A build's files take 3 MB together, with g++ 12.
_BYTES_NEEDED = 32 * 2**20
_DIGITS = 16


class BusyError(RuntimeError):
    """Another process is building."""


def folders() -> list[pathlib.Path]:
    """Where libraries are looked for, and built in the first that can be.

    The folder that `KERAS_LONGFORMER_NATIVE_FOLDER` names, and no other; or
    that of the package, which pip fills, and `keras_longformer` in
    `$XDG_CACHE_HOME` or `~/.cache`.
    """
    if folder := os.environ.get(VARIABLE):
        return [pathlib.Path(folder)]
    found = [PACKAGE_FOLDER]
    if cache := os.environ.get("XDG_CACHE_HOME"):
        found.append(pathlib.Path(cache) / "keras_longformer")
    else:
        # `RuntimeError`: a user without a home.
        with contextlib.suppress(RuntimeError):
            home = pathlib.Path.home()
            found.append(home / ".cache" / "keras_longformer")
    return found


def digest(path: pathlib.Path) -> str:
    """The part of a library's name that stands for its bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]


def is_whole(path: pathlib.Path) -> bool:
    """Whether a library is what was written under its name."""
    try:
        return path.stem.rpartition("-")[2] == digest(path)
    except OSError:
        return False


def find(stem: str, places: list[pathlib.Path]) -> Iterator[pathlib.Path]:
    """Yields the libraries in folders, whole or damaged, the best first.

    Args:
        stem: the start of their names.
        places: folders, as they count. In each, the newest counts most.
    """
    for folder in places:
        # One that cannot be read, or is not there, has none.
        found = [
            (_modified(path), path) for path in folder.glob(f"{stem}-*.so")
        ]
        for _, path in sorted(found, reverse=True):
            yield path


def prepare(folder: pathlib.Path) -> None:
    """Makes a folder to build in.

    Raises:
        OSError: it cannot be made or written to, or its disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "it cannot be written to")
    if shutil.disk_usage(folder).free < _BYTES_NEEDED:
        raise OSError(errno.ENOSPC, "its disk is full")


def writable() -> tuple[pathlib.Path | None, dict[pathlib.Path, str]]:
    """The first of `folders()` to build in, and why not those before it."""
    problems = {}
    for folder in folders():
        try:
            prepare(folder)
        except OSError as error:
            problems[folder] = error.strerror or str(error)
        else:
            return folder, problems
    return None, problems


@contextlib.contextmanager
def locked(folder: pathlib.Path, seconds: float) -> Iterator[None]:
    """Is the only one that builds in a folder, and clears it before.

    Where the file system knows no locks, all may build: names and renames
    keep them apart.

    Args:
        folder: that `prepare` made.
        seconds: how long to wait for another process.

    Raises:
        BusyError: it has not ended by then.
        OSError: the lock's file cannot be made.
    """
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        mine = _lock(descriptor, folder, time.monotonic() + seconds)
        try:
            if mine:
                # Builders that live hold the lock: killed ones left these.
                for path in folder.glob(f"{UNFINISHED}*"):
                    shutil.rmtree(path, ignore_errors=True)
            yield
        finally:
            if mine:
                # Closing is not enough: a forked process has it open too.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def is_busy(folder: pathlib.Path) -> bool:
    """Whether a process is building in a folder."""
    try:
        with locked(folder, 0):
            return False
    except BusyError:
        return True


def _lock(descriptor, folder, end):
    """Returns whether there is a lock now; raises where it is another's."""
    if fcntl is None:
        return False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                raise BusyError(
                    f"Another process is building in {folder}."
                ) from None
            time.sleep(0.1)
        except OSError:
            return False


def _modified(path):
    try:
        return path.stat().st_mtime
    except OSError:  # Removed meanwhile.
        return 0.0
