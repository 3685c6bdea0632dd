"""A request to stop, as schedulers send it before they take a machine."""

import signal
import threading
import types


class StopRequest:
    """Notes SIGTERM instead of dying of it, so that a run can save first.

    Where it is entered in another thread than the main one, which alone gets
    signals, it notes nothing. A second SIGTERM kills, as it does elsewhere.

    Attributes:
        received: bool, whether the request has come.

    Example:
    ```python
    steps = iter(range(3))
    with StopRequest() as request:
        while not request.received and next(steps, None) is not None:
            pass  # One step of the work.
    ```
    """

    # The exit status of a process that SIGTERM ends, as shells have it.
    STATUS = 128 + signal.SIGTERM

    def __init__(self):
        self.received = False
        self._before = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_):
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        self.received = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
