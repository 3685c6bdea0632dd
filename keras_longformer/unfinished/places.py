"""Where a writer writes what is not finished.

```
reviews/.unfinished-k3v9x2/lock     held while the writer lives
reviews/.unfinished-k3v9x2/new/     what it writes, to be renamed
reviews/.unfinished-k3v9x2/old/     what was renamed to make room for it
```
"""

import contextlib
import datetime
import json
import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows: nothing is known of others, nothing cleared.
    fcntl = None

LOGGER = logging.getLogger("keras_longformer")
# A server that polls a folder for versions passes over names like this.
PREFIX = ".unfinished-"
LOCK, NEW, OLD = "lock", "new", "old"
# A file system may keep the locks of other hosts to itself: what they wrote
# into for so long is taken to be a living writer's.
_SECONDS_OF_OTHER_HOSTS = 24 * 3600


@contextlib.contextmanager
def place(folder: str | os.PathLike) -> Iterator[str]:
    """Makes an empty folder to write in, which is removed at the end.

    It lies in `folder`, so that what it holds can be renamed to there. What
    dead processes left in `folder` is cleared before.

    Args:
        folder: must be there.

    Yields:
        str, its path. It may be renamed itself.

    Raises:
        OSError: `folder` cannot be written to; the error names it.
    """
    folder = os.path.abspath(folder)
    clear(folder)
    made, descriptor = _make(folder)
    try:
        os.write(descriptor, json.dumps(_owner()).encode())
        new = os.path.join(made, NEW)
        os.mkdir(new)  # Unlike `made`, for all whom the umask lets.
        yield new
    finally:
        _remove(made)
        if fcntl is not None:
            # Closing is not enough: a forked process has it open too.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def clear(folder: str) -> None:
    """Removes what dead writers left in a folder, and logs what it was.

    What they had renamed to make room, and no more, gets its name back.
    """
    try:
        with os.scandir(folder) as entries:
            left = [
                entry.path
                for entry in entries
                if entry.name.startswith(PREFIX)
                and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:  # It is the writer who says what is wrong with it.
        return
    for path in left:
        _clear_one(path)


def _clear_one(path):
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(os.path.join(path, LOCK), flags, 0o600)
    except OSError:  # Gone by now, or another user's.
        return
    try:
        if _lock(descriptor) is not True:
            return
        owner = _read_owner(descriptor)
        newest, size = _newest_and_size(path)
        elsewhere = owner and owner["host"] != socket.gethostname()
        if elsewhere and time.time() - newest < _SECONDS_OF_OTHER_HOSTS:
            return
        _put_back(path)
        shutil.rmtree(path, ignore_errors=True)
        if owner and not os.path.exists(path):
            LOGGER.warning(
                "Cleared '%s', %.1f MB that process %s on %s, which began to "
                "write at %s and is gone, left unfinished.",
                path,
                size / 1e6,
                *(owner[name] for name in ("pid", "host", "since")),
            )
    finally:
        os.close(descriptor)


def _put_back(path):
    """Gives what was renamed to make room its name again, if that is free."""
    old, folder = os.path.join(path, OLD), os.path.dirname(path)
    if not os.path.isdir(old):
        return
    for name in os.listdir(old):
        target = os.path.join(folder, name)
        if not os.path.lexists(target):
            os.rename(os.path.join(old, name), target)
            LOGGER.warning(
                "Put '%s' back as it was: the process that replaced it ended "
                "before it was done.",
                target,
            )


def _make(folder):
    """Returns a new folder and the descriptor of its locked file."""
    while True:
        try:
            made = tempfile.mkdtemp(prefix=PREFIX, dir=folder)
        except OSError as error:
            raise type(error)(
                error.errno,
                f"Nothing can be written there: {error.strerror}",
                folder,
            ) from error
        path = os.path.join(made, LOCK)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # Cleared before it had a lock.
            continue
        except BaseException:
            os.rmdir(made)
            raise
        if _lock(descriptor) is not False and _is_file(descriptor, path):
            return made, descriptor
        os.close(descriptor)


def _lock(descriptor):
    """Whether the lock is ours now; `None` where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # This file system knows none.
        return None
    return True


def _is_file(descriptor, path):
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _remove(made):
    """Removes a place, its lock at the very end."""
    for name in (NEW, OLD):
        shutil.rmtree(os.path.join(made, name), ignore_errors=True)
    shutil.rmtree(made, ignore_errors=True)


def _owner():
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.datetime.now().isoformat(" ", "seconds"),
    }


def _read_owner(descriptor):
    """Who wrote, or `None` where it was killed before it said so."""
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        return {name: owner[name] for name in ("pid", "host", "since")}
    except (ValueError, KeyError, TypeError):
        return None


def _newest_and_size(folder):
    newest = size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                stat = os.lstat(os.path.join(path, name))
                newest = max(newest, stat.st_mtime)
                size += stat.st_size
    return newest, size
