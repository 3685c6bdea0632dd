"""What every framework's module does with the calls it has prepared."""

import dataclasses
import time
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Call:
    """A prepared computation.

    Attributes:
        run: starts it and returns its results.
        wait: returns once the results that it is given are there.
        to_numpy: the first result as a float64 array `(b, n, h, d)`.
    """

    run: Callable
    wait: Callable
    to_numpy: Callable | None = None


class Calls:
    """Prepared calls by name."""

    def __init__(self):
        self.by_name = {}

    def clear(self):
        self.by_name.clear()

    def first(self, name):
        """Runs once, which compiles; returns seconds."""
        start = time.perf_counter()
        call = self.by_name[name]
        call.wait(call.run())
        return time.perf_counter() - start

    def seconds(self, name, repeats):
        """Seconds of one call, of `repeats` that are started in a row."""
        call = self.by_name[name]
        call.wait(call.run())  # nothing is under way when the clock starts
        start = time.perf_counter()
        for _ in range(repeats):
            results = call.run()
        call.wait(results)
        return (time.perf_counter() - start) / repeats
