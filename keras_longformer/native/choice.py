"""Whether this process takes the kernel where no implementation is named.

It is decided once, when it is first asked, so that no graph changes in the
middle of a training: what another process has built since then is taken by the
next process. The environment variable `KERAS_LONGFORMER_NATIVE` says what is
done where the kernel is not built:

    background  a process beside this one builds it (the default)
    wait        this process builds it, and then takes it
    built       nothing
    off         nothing, and a kernel that is built is left alone
"""

import logging
import os
import subprocess
import sys
import threading

from keras_longformer.native import build
from keras_longformer.native import cache
from keras_longformer.native import library
from keras_longformer.native import source_files

VARIABLE = "KERAS_LONGFORMER_NATIVE"
MODES = ("background", "wait", "built", "off")

_logger = logging.getLogger("keras_longformer")
_lock = threading.Lock()
# What was decided: why not, or "" for taking it.
_reason = None


def mode() -> str:
    """What `KERAS_LONGFORMER_NATIVE` says.

    Raises:
        ValueError: it says none of the four.
    """
    name = os.environ.get(VARIABLE) or MODES[0]
    if name not in MODES:
        raise ValueError(
            f"The environment variable {VARIABLE} must be one of "
            f"{', '.join(MODES)}. Received: {name!r}. A folder with the "
            f"library goes into {cache.VARIABLE}."
        )
    return name


def reason_against() -> str | None:
    """Says why the kernel is not taken here, or `None` where it is.

    The first call decides, and may start a process that builds the kernel.

    Raises:
        ValueError: see `mode`.
    """
    return _decided(mode)


def prepare() -> str | None:
    """As `reason_against`, but waits for the kernel rather than do without.

    It prints what it builds. What was decided before stays.
    """

    def waiting():
        name = mode()
        return "wait" if name == "background" else name

    return _decided(waiting)


def leave() -> None:
    """Decides against the kernel, where nothing is decided yet."""
    _decided(lambda: "off")


def _decided(find_mode):
    global _reason
    if _reason is None:
        with _lock:
            if _reason is None:
                _reason = _decide(find_mode())
    return _reason or None


def _decide(name):
    if name == "off":
        return "it is switched off"
    try:
        library.load()
        return ""
    except library.NotBuiltError:
        if name == "built" or not sys.platform.startswith("linux"):
            return "it is not built"
        return _wait() if name == "wait" else _start()
    except RuntimeError as error:  # Built, and of no use here.
        return _say(str(error))


def _wait():
    """Builds and loads; returns why not, or ""."""
    try:
        if failed := build.has_failed(source_files.running_tensorflow()):
            return _say(_after_failure(failed))
        build.build(say=lambda line: print(line, flush=True))
        library.load()
    except RuntimeError as error:
        return _say(str(error))
    return ""


def _start():
    """Starts to build; returns why the kernel is not taken now."""
    tensorflow = source_files.running_tensorflow()
    try:
        failed = build.has_failed(tensorflow)
    except RuntimeError as error:  # No compiler.
        return _say(str(error))
    if failed:
        return _say(_after_failure(failed))
    folder, problems = cache.writable()
    if folder is None:
        told = "; ".join(f"{place}: {why}" for place, why in problems.items())
        return _say(
            f"there is no folder to build it in ({told}). Name one in the "
            f"environment variable {cache.VARIABLE}"
        )
    # An application with a Python inside it is no Python to start.
    if "python" not in os.path.basename(sys.executable or ""):
        return _say(f"it is not built: `{source_files.COMMAND}` does it")
    try:
        busy = cache.is_busy(folder)
        if not busy:
            _start_process(tensorflow, folder)
    except OSError as error:
        return _say(f"it cannot be built: {error}")
    _logger.warning(
        "keras_longformer's CPU kernel is %s in %s, which takes half a "
        "minute, once. This process computes attention without it, the next "
        "ones with it. %s=wait waits for it, =off switches it off.",
        "being built by another process" if busy else "built in the background",
        folder,
        VARIABLE,
    )
    return "it was not built yet when this process began"


def _start_process(tensorflow, folder):
    """Starts a process that nobody waits for: the shell leaves it alone."""
    command = [
        *(sys.executable, "-P", "-m", build.__name__),
        *("--background", tensorflow.version, tensorflow.headers),
        *("--output", str(folder)),
    ]
    subprocess.run(
        ["/bin/sh", "-c", '"$@" &', "sh", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _after_failure(path):
    return (
        f"the compiler failed at it: see {path}. `{source_files.COMMAND}` "
        "tries again, as does every process after a day"
    )


def _say(reason):
    """Says why there is no kernel, on one line; returns it."""
    line = " ".join(reason.split()).rstrip(".")
    _logger.warning(
        "keras_longformer computes attention without its CPU kernel, by "
        "TensorFlow's own operations: %s. (%s=off says nothing.)",
        line,
        VARIABLE,
    )
    return line
