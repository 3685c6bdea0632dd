"""One process at a time may write into a folder."""

import contextlib
import datetime
import json
import os
import pathlib
import socket
import sys
from collections.abc import Iterator


class BusyError(ValueError):
    """Another process is writing there."""


@contextlib.contextmanager
def owned(path: str) -> Iterator[None]:
    """Holds a lock file, which says who writes and is removed at the end.

    The lock of a process of this host that is gone is taken over, and that is
    said on stderr.

    Args:
        path: str, the lock file; its folder is made if it is not there.

    Raises:
        BusyError: another process has it. It says which, on which host, since
            when.
    """
    file = pathlib.Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    mine = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "began": _began(os.getpid()),
        "since": datetime.datetime.now().isoformat(" ", "seconds"),
    }
    while True:
        try:
            descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            _take_over(file)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump(mine, opened)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _take_over(file):
    """Removes the lock of a process that is gone, or raises."""
    try:
        owner = json.loads(file.read_text("utf-8"))
        pid, host, since = (owner[name] for name in ("pid", "host", "since"))
    except FileNotFoundError:
        return  # Its owner has just ended.
    except (ValueError, KeyError, TypeError) as error:
        raise BusyError(
            f"'{file}' is no lock that can be read ({error}). If nothing "
            "writes into its folder, delete it."
        ) from error
    if host != socket.gethostname() or _is_there(pid, owner.get("began")):
        raise BusyError(
            f"'{file.parent}' is being written to by process {pid} on {host}, "
            f"since {since}. Wait for it, or name another output. If that "
            f"process is gone, delete '{file}'."
        )
    print(
        f"Taking over '{file.parent}' from process {pid}, which has been "
        f"writing there since {since} and is gone.",
        file=sys.stderr,
        flush=True,
    )
    file.unlink(missing_ok=True)


def _is_there(pid, began):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It is there, and another user's.
    # Its number may be another process's by now.
    return began is None or began == _began(pid)


def _began(pid):
    """When a process began, in the system's own count; `None` if unknown."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # After the name, which stands in parentheses and may hold any character.
    return int(stat.rpartition(")")[2].split()[19])
