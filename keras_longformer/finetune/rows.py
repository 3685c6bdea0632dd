"""Rows written as they come, and gone on with where writing stopped."""

import csv
import io
import json
import pathlib
from collections.abc import Iterator

SUFFIXES = (".jsonl", ".ndjson", ".csv")


class RowFile:
    """A file of JSON lines or CSV that grows row by row.

    Args:
        path: str, whose ending says which of the two; its folder is made.
        resume: bool, whether to go on after the rows that are there: a last
            one that is not whole is dropped.

    Attributes:
        done: int, the rows that were there.
        bad: int, those of them that have an `error`.
        last: str, the `id` of the last one, or `None`.

    Raises:
        ValueError: another ending, or the file is there and `resume` false.
    """

    def __init__(self, path: str, resume: bool = False):
        self.path = pathlib.Path(path)
        suffix = self.path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(
                f"The output must end in one of {', '.join(SUFFIXES)}. "
                f"Received: '{path}'."
            )
        self.is_csv = suffix == ".csv"
        self.columns = None
        self.waiting = []  # Bad rows, before one says what the columns are.
        self.done = self.bad = 0
        self.last = None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            if not resume:
                raise ValueError(
                    f"'{path}' is there already. Go on with it (--resume), or "
                    "name another --output."
                )
            self._read()
        self.file = None  # Opened when there is something to write.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.waiting:
            self._write(self._as_csv(self.waiting))
        if self.file is not None:
            self.file.close()

    def write(self, rows: list[dict]) -> None:
        """Writes rows, and flushes.

        Args:
            rows: list of dicts with `id` and `error`, "" where there is none.
                In CSV the first row without one fixes the columns, and what
                is no str or number is JSON.

        Raises:
            ValueError: a row has what the columns of the CSV do not.
        """
        if not self.is_csv:
            lines = [json.dumps(row, ensure_ascii=False) for row in rows]
            return self._write("".join(f"{line}\n" for line in lines))
        if self.columns is None:
            rows = [*self.waiting, *rows]
            if all(row["error"] for row in rows):
                self.waiting = rows
                return None
            self.waiting = []
        return self._write(self._as_csv(rows))

    def _write(self, text):
        if self.file is None:
            self.file = open(self.path, "ab")
        self.file.write(text.encode("utf-8", "replace"))
        self.file.flush()

    def _as_csv(self, rows):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self.columns is None:
            names = dict.fromkeys(name for row in rows for name in row)
            self.columns = [*names]
            writer.writerow(self.columns)
        other = {name for row in rows for name in row} - {*self.columns}
        if other:
            raise ValueError(
                f"'{self.path}' has the columns {', '.join(self.columns)}, "
                f"and there are {', '.join(sorted(other))} too. Name another "
                "--output."
            )
        for row in rows:
            writer.writerow([_cell(row.get(name, "")) for name in self.columns])
        return text.getvalue()

    def _read(self):
        """Counts the rows that are whole, and cuts off what follows them."""
        whole = 0
        for size, record in _records(self.path, self.is_csv):
            row = self._row(record)
            if row is None:
                break
            whole += size
            if not row:
                continue
            self.done += 1
            self.last = row.get("id")
            self.bad += bool(row.get("error"))
        with open(self.path, "r+b") as file:
            file.truncate(whole)

    def _row(self, record):
        """A whole row; `{}` for the columns' names; `None` for a torn one."""
        text = record.decode("utf-8", "replace")
        if not self.is_csv:
            try:
                row = json.loads(text)
            except ValueError:
                return None
            return row if isinstance(row, dict) else None
        csv.field_size_limit(2**31 - 1)
        cells = next(csv.reader(io.StringIO(text, newline="")), [])
        if self.columns is None:
            self.columns = cells
            return {}
        if len(cells) != len(self.columns):
            return None
        return dict(zip(self.columns, cells))


def _records(path, is_csv) -> Iterator[tuple[int, bytes]]:
    """Yields whole records and their sizes: lines, or in CSV as many of them
    as have an even number of quotes, since those within a cell are doubled."""
    record = b""
    with open(path, "rb") as file:
        for line in file:
            record += line
            if not line.endswith(b"\n"):
                return
            if is_csv and record.count(b'"') % 2:
                continue
            yield len(record), record
            record = b""


def _cell(value):
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    return json.dumps(value, ensure_ascii=False)
