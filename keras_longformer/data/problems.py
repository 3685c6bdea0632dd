"""What is wrong with files of data: all of it at once, each with its place."""

import dataclasses
import json
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        place: str, the file and the line, or the path inside a JSON file.
        message: str.
    """

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class DataError(ValueError):
    """Data that cannot be used; `problems` is all that is wrong with it.

    Args:
        problems: sequence of `Problem`.
        shown: int, how many of them the message lists; the rest is counted.
    """

    def __init__(self, problems: Sequence[Problem], shown: int = SHOWN):
        self.problems = tuple(problems)
        lines = [f"  {problem}" for problem in self.problems[:shown]]
        rest = len(self.problems) - len(lines)
        if rest:
            lines.append(f"  ... and {rest:,} more")
        count = f"{len(self.problems):,} problem"
        count += "s" if len(self.problems) > 1 else ""
        super().__init__("\n".join([f"{count} in the data:", *lines]))


class Problems:
    """Collects what is wrong with one file.

    Args:
        path: str, the file, as messages shall name it.
    """

    def __init__(self, path: str):
        self.path = os.fspath(path)
        self.found = {}  # In order, each once.

    def add(self, place: int | str | None, message: str) -> None:
        """Notes a problem at a line (int), a path inside (str), or neither."""
        self.found[Problem(self.place(place), message)] = None

    def place(self, place: int | str | None) -> str:
        """Returns the file with a place in it, as messages name it."""
        if place is None:
            return self.path
        between = ":" if isinstance(place, int) else ", "
        return f"{self.path}{between}{place}"

    def raise_if_any(self) -> None:
        """Raises `DataError` with all that was noted."""
        if self.found:
            raise DataError(list(self.found))


def read_all(
    readers: Sequence[Callable[[], Sequence]], shown: int = SHOWN
) -> list[Sequence]:
    """Calls readers of several files, and raises what is wrong with them all.

    Args:
        readers: functions without arguments, one for each file.
        shown: int, how many problems the message lists.

    Returns:
        What each returned.

    Raises:
        DataError: the problems of all files.
    """
    results, problems = [], []
    for reader in readers:
        try:
            results.append(reader())
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems, shown)
    return results


def read_text(path: str) -> str:
    """Returns a file's text, without a byte order mark.

    Raises:
        DataError: every line that is not UTF-8, or an empty file.
        OSError: the file cannot be read.
    """
    problems = Problems(path)
    with open(path, "rb") as file:
        raw = file.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        for number, line in enumerate(raw.split(b"\n"), 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                wrong = line[error.start : error.end].hex(" ")
                problems.add(
                    number,
                    f"not UTF-8: byte {error.start + 1} of the line is "
                    f"{wrong}. Convert the file to UTF-8.",
                )
        problems.raise_if_any()
        raise
    if not text.strip():
        problems.add(None, "the file is empty.")
    problems.raise_if_any()
    return text


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yields numbers from 1 and lines without their ends.

    Only line feeds end lines: `str.splitlines` also splits at characters that
    may stand in texts, U+2028 or the form feed.
    """
    for number, line in enumerate(text.split("\n"), 1):
        yield number, line.removesuffix("\r")


def parse_json(text: str, problems: Problems, first_line: int = 1):
    """Returns what JSON says, or `None` and notes where it is broken.

    Args:
        text: str.
        problems: takes the note.
        first_line: int, the line of the file that `text` begins with.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        problems.add(
            first_line + error.lineno - 1,
            f"not JSON: {error.msg}, at column {error.colno}.",
        )
    except RecursionError:
        problems.add(first_line, "not JSON that can be read: nested too deep.")
    return None
