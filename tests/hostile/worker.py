"""A process that opens hostile folders, with a limit to its memory.

Reads a line of JSON, `[attempt, folder]`, and answers with one: what came of
it, how many seconds of CPU it took, and how much memory at the most.
"""

import json
import logging
import os
import pathlib
import resource
import sys
import time
import warnings

MOST_BYTES = 768 << 20  # Above what the process has when it begins.


def memory(name):
    status = pathlib.Path("/proc/self/status").read_text()
    line = next(x for x in status.splitlines() if x.startswith(name))
    return int(line.split()[1]) << 10


def attempt(do, folder):
    """Returns what came of it, in words and numbers."""
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    loggers = [logging.getLogger(n) for n in ("keras_longformer", "absl")]
    for logger in loggers:
        logger.addHandler(handler)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # Resets the peak.
    before, begin = memory("VmRSS"), time.process_time()
    result = {"digest": None, "error": None, "message": ""}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result["digest"] = do(folder)
        said += [str(w.message) for w in caught]
    except Exception as error:
        result["error"] = type(error).__name__
        result["message"] = str(error)
    for logger in loggers:
        logger.removeHandler(handler)
    return result | {
        "said": "\n".join(said),
        "seconds": time.process_time() - begin,
        "bytes": memory("VmHWM") - before,
    }


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print is no answer.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from tests.hostile.attempts import ATTEMPTS

    # Good ones first, so that what is loaded once is not counted.
    for line in sys.stdin:
        name, folder, limited = json.loads(line)
        if limited and resource.getrlimit(resource.RLIMIT_AS)[0] == -1:
            most = memory("VmSize") + MOST_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        answers.write(json.dumps(attempt(ATTEMPTS[name], folder)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
