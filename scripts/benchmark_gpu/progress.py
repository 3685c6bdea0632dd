"""What is being done, how long it will take, and what went wrong."""

import time
import traceback


class Progress:
    """Prints steps with the time that is gone and that is left.

    Args:
        minutes: float, after which no further step begins.
    """

    def __init__(self, minutes):
        self.start = time.monotonic()
        self.limit = minutes * 60
        self.failures = []

    def left(self):
        """float, seconds until the limit."""
        return self.start + self.limit - time.monotonic()

    def steps(self, part, steps, share=1.0):
        """Yields the steps of a part until its share of the time is gone.

        Args:
            part: str.
            steps: list of (str, object): a title and what is yielded.
            share: float, how much of all time may be gone at the end.
        """
        began = time.monotonic()
        for number, (title, step) in enumerate(steps):
            now = time.monotonic()
            if now - self.start > share * self.limit:
                rest = [title for title, _ in steps[number:]]
                self.failed(part, f"not run, out of time: {', '.join(rest)}")
                return
            text = f"[{now - self.start:5.0f} s] {part} {number + 1}"
            text += f"/{len(steps)} {title}"
            if number:
                each = (now - began) / number
                text += f" (about {each * (len(steps) - number):.0f} s to go)"
            print(text, flush=True)
            yield step

    def failed(self, part, reason):
        self.failures.append((part, reason))
        print(f"FAILED {part}: {reason}", flush=True)

    def guard(self, part):
        """A context that notes an exception, and goes on."""
        return _Guard(self, part)


class _Guard:
    def __init__(self, progress, part):
        self.progress, self.part = progress, part

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None or not isinstance(error, Exception):
            return False  # Ctrl-C ends the run
        traceback.print_exception(kind, error, trace, limit=-6)
        text = " ".join(str(error).split())[:300]
        self.progress.failed(self.part, f"{kind.__name__}: {text}")
        return True
