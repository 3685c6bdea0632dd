"""Writes files and folders whole or not at all."""

import contextlib
import ctypes
import os
import shutil
import stat
from collections.abc import Collection
from collections.abc import Iterator

from keras_longformer.unfinished.places import OLD
from keras_longformer.unfinished.places import PREFIX
from keras_longformer.unfinished.places import place

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fs.h
# Others' files in a folder, which are linked into the new one, to that many.
_MOST_LINKS = 1000


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[str]:
    """Yields the path of a file to write, which becomes `path` at the end.

    Args:
        path: in a folder that is there. The yielded one has its name, in
            another folder. A link is replaced, not followed.

    Raises:
        OSError: the folder cannot be written to.

    Example:
    ```python
    with whole_file("metrics.json") as unfinished:
        with open(unfinished, "w", encoding="utf-8") as file:
            file.write("{}")
    ```
    """
    path = os.path.abspath(path)
    if _is_unfinished(path):
        yield path
        return
    folder, name = os.path.split(path)
    with place(folder) as new:
        yield os.path.join(new, name)
        to_disk(new)
        os.replace(os.path.join(new, name), path)


@contextlib.contextmanager
def whole_folder(
    path: str | os.PathLike,
    *,
    last: Collection[str] = (),
    kept: Collection[str] = (),
    others: str = "kept",
) -> Iterator[str]:
    """Yields a folder to write in, whose files are in `path` at the end.

    A new folder appears by a rename. One that is there is exchanged for the
    new one at once, other files in it linked to there; where it is a mount
    point, another user's, the working directory, or has very many files, they
    are replaced one by one.

    Args:
        path: with the folders above it made if it is not there.
        last: names of files that say what the others are: replaced after
            them.
        kept: names of files that stay as they are if they are there.
        others: `"kept"` or, where the folder is exchanged, `"dropped"`: what
            becomes of files that are there and not written anew.

    Raises:
        OSError: it cannot be written to.
    """
    path = os.path.realpath(path)
    if _is_unfinished(path):
        os.makedirs(path, exist_ok=True)
        yield path
        return
    parent = os.path.dirname(path)
    os.makedirs(parent, exist_ok=True)
    at_once = _can_be_renamed(path)
    with place(parent if at_once else path) as new:
        yield new
        for name in kept:
            if os.path.exists(os.path.join(path, name)):
                _unlink(os.path.join(new, name))
        to_disk(new)
        if at_once:
            _take_its_place(new, path, others)
        else:
            _replace_files(new, path, last)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a file in UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file, whole or not at all."""
    with whole_file(path) as unfinished, open(unfinished, "wb") as file:
        file.write(content)


def remove(path: str | os.PathLike) -> None:
    """Removes a folder: at no time is half of it there under its name."""
    folder, name = os.path.split(os.path.abspath(path))
    with place(folder) as new:
        os.rename(path, os.path.join(new, name))


def to_disk(folder: str | os.PathLike) -> None:
    """Waits until a folder's files are on the disk, not in memory alone."""
    for path, _, names in os.walk(folder):
        for name in names:
            _sync(os.path.join(path, name))
        with contextlib.suppress(OSError):  # Some systems cannot.
            _sync(path)


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_unfinished(path):
    """Whether it lies where nothing is finished anyway."""
    return any(part.startswith(PREFIX) for part in path.split(os.sep))


def _can_be_renamed(path):
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return True
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(20, "It is a file, not a folder", path)
    above = os.stat(os.path.dirname(path))
    return (
        found.st_dev == above.st_dev
        and (not hasattr(os, "geteuid") or found.st_uid == os.geteuid())
        and os.access(os.path.dirname(path), os.W_OK | os.X_OK)
        and os.access(path, os.W_OK)
        and not _is_worked_in(path)
        and _count(path) <= _MOST_LINKS
    )


def _is_worked_in(path):
    try:
        return f"{os.getcwd()}/".startswith(f"{path}/")
    except FileNotFoundError:  # It was removed.
        return False


def _count(path):
    count = 0
    for _, folders, files in os.walk(path):
        count += len(folders) + len(files)
        if count > _MOST_LINKS:
            break
    return count


def _take_its_place(new, path, others):
    if not os.path.lexists(path):
        try:
            return os.rename(new, path)
        except OSError:  # Another process was faster.
            if not os.path.isdir(path):
                raise
    os.chmod(new, stat.S_IMODE(os.stat(path).st_mode))
    if others == "kept":
        _link_others(path, new)
    if not _exchange(new, path):
        old = os.path.join(os.path.dirname(new), OLD)
        os.makedirs(old, exist_ok=True)
        os.rename(path, os.path.join(old, os.path.basename(path)))
        os.rename(new, path)
    return None


def _link_others(source, target):
    """Gives a new folder what it lacks of an old one."""
    with os.scandir(source) as entries:
        for entry in entries:
            other = os.path.join(target, entry.name)
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name.startswith(PREFIX):
                continue  # A place is its owner's.
            if is_folder:
                os.makedirs(other, exist_ok=True)
                _link_others(entry.path, other)
            elif not os.path.lexists(other):
                _link(entry.path, other)


def _link(path, other):
    try:
        os.link(path, other, follow_symlinks=False)
    except OSError:
        shutil.copy2(path, other, follow_symlinks=False)


def _exchange(first, second):
    """Swaps the names of two folders; `False` where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    names = os.fsencode(first), os.fsencode(second)
    return not renameat2(
        _AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE
    )


def _replace_files(new, path, last):
    files = [
        os.path.relpath(os.path.join(folder, name), new)
        for folder, _, names in os.walk(new)
        for name in names
    ]
    for name in sorted(files, key=lambda name: (name in last, name)):
        target = os.path.join(path, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(os.path.join(new, name), target)


def _unlink(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
