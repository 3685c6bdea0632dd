"""One framework in a process of its own, which the others cannot disturb.

TensorFlow and Triton bring compilers that do not get along in one process, a
wrong address in a kernel makes every later call of a process fail, and a hung
compiler hangs it. So the process that plans and writes imports none of them: it
asks workers, and starts a new one in the place of one that has died.
"""

import importlib
import json
import os
import select
import subprocess
import sys
import traceback

from benchmark_gpu.package import ROOT


class WorkerError(RuntimeError):
    """What went wrong in the worker, in one line."""


class Worker:
    """Calls functions of `benchmark_gpu.on_<framework>` in a process.

    Args:
        framework: "torch", "jax" or "tensorflow".
        python: path of the interpreter to run it with.
        device: "gpu" or "cpu".
    """

    def __init__(self, framework, python=sys.executable, device="gpu"):
        self.framework, self.python, self.device = framework, python, device
        self.process = None

    def ask(self, function, timeout_seconds=600, **arguments):
        """What the function returns: numbers, texts, lists and dicts.

        Raises:
            WorkerError: it raised, died or took too long.
        """
        if self.process is not None and self.process.poll() is not None:
            self.close()
        if self.process is None:
            self._start()
        message = json.dumps([function, arguments]) + "\n"
        try:
            self.requests.write(message)
            self.requests.flush()
        except BrokenPipeError:
            raise WorkerError(self._end("died")) from None
        ready, _, _ = select.select([self.answers], [], [], timeout_seconds)
        if not ready:
            raise WorkerError(self._end(f"no answer in {timeout_seconds} s"))
        line = self.answers.readline()
        if not line:
            raise WorkerError(self._end("died"))
        answer, error = json.loads(line)
        if error:
            raise WorkerError(f"{self.framework} {function}: {error}")
        return answer

    def close(self):
        if self.process is not None:
            self._end("")

    def _start(self):
        requests, to_worker = os.pipe()
        from_worker, answers = os.pipe()
        environment = os.environ | {
            "PYTHONPATH": str(ROOT / "scripts"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        if self.device == "cpu":
            environment["TRITON_INTERPRET"] = "1"
            environment["CUDA_VISIBLE_DEVICES"] = "-1"
        self.process = subprocess.Popen(
            [
                *(self.python, "-m", "benchmark_gpu.worker"),
                *(self.framework, self.device, str(requests), str(answers)),
            ],
            pass_fds=(requests, answers),
            stdout=sys.stderr,
            env=environment,
        )
        os.close(requests)
        os.close(answers)
        self.requests = os.fdopen(to_worker, "w")
        self.answers = os.fdopen(from_worker)

    def _end(self, reason):
        """Ends the process; returns the reason with its exit code."""
        self.process.kill()
        code = self.process.wait()
        self.process = None
        self.answers.close()
        try:
            self.requests.close()
        except BrokenPipeError:
            pass
        return f"{self.framework}: {reason} (exit code {code})"


def main():
    framework, device, requests, answers = sys.argv[1:]
    with (
        os.fdopen(int(requests)) as requests,
        os.fdopen(int(answers), "w") as answers,
    ):
        module = None
        for line in requests:
            function, arguments = json.loads(line)
            try:
                if module is None:
                    name = f"benchmark_gpu.on_{framework}"
                    module = importlib.import_module(name)
                    module.start(device)
                answer = [getattr(module, function)(**arguments), None]
            except Exception as error:  # told to who asked
                traceback.print_exc(limit=-8)
                text = " ".join(str(error).split())[:400]
                answer = [None, f"{type(error).__name__}: {text}"]
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
