"""Processes that train together on this machine, and end in any case."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest


def free_ports(count):
    """Numbers of ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def cluster_config(ports, index):
    """The `TF_CONFIG` of one of the workers."""
    workers = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": workers}, "task": task})


@contextlib.contextmanager
def started(commands, folder):
    """Starts Python with `(arguments, TF_CONFIG or None)` of each.

    Whatever happens, all of them, and what they started, are killed at the
    end.
    """
    processes = []
    try:
        for number, (arguments, config) in enumerate(commands):
            environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
            environment.pop("TF_CONFIG", None)
            if config is not None:
                environment["TF_CONFIG"] = config
            log = open(folder / f"process-{number}.log", "w")
            with log:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, *arguments],
                        env=environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        yield processes
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ended(processes, folder, seconds):
    """Returns the exit codes; fails with the logs after so many seconds."""
    end = time.monotonic() + seconds
    try:
        return [p.wait(max(0.1, end - time.monotonic())) for p in processes]
    except subprocess.TimeoutExpired:
        pytest.fail(f"not done in {seconds} s\n{logs(folder)}")


def logs(folder):
    """The last lines of what the processes printed."""
    return "\n".join(
        f"--- {path.name}\n{path.read_text()[-3000:]}"
        for path in sorted(folder.glob("process-*.log"))
    )
