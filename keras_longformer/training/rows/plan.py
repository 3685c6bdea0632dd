"""Which parts of documents stand in which row, from lengths alone.

    documents    a a a a a a a   b b   c c c   d

    "documents"  [a a a a a] [a a b b d] [c c c . .]   short ones beside others
    "crossing"   [a a a a a] [a a / b b] [/ c c c /] [d . . . .]
    "none"       [a a a a a] [a a . . .] [b b . . .] [c c c . .] [d . . . .]

(Rows of five tokens, less their special ones; `/` is a separator, `.` is
padding.) No token is read for it, so that a million documents are planned in
a second, and how many rows there are is the same in whatever order documents
come.
"""

import bisect
import typing

import numpy as np


class RowPlan(typing.NamedTuple):
    """Rows of parts; a part is a run of tokens.

    Attributes:
        firsts: int64 `(rows + 1,)`, the first part of each row, and the
            number of parts.
        starts: int64 `(parts,)`, where each begins in an array of tokens.
        lengths: int64 `(parts,)`, how many tokens it has.
    """

    firsts: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.firsts) - 1

    def take(self, rows: np.ndarray) -> "RowPlan":
        """Returns the plan of some rows, int `(r,)`, in their order."""
        counts = np.diff(self.firsts)[rows]
        firsts = offsets_of(counts)
        parts = ranges_of(self.firsts[rows], counts)
        return RowPlan(firsts, self.starts[parts], self.lengths[parts])

    def row_tokens(self) -> np.ndarray:
        """Returns int64 `(rows,)`, how many tokens stand in each row."""
        return np.diff(offsets_of(self.lengths)[self.firsts])


def join_plans(plans: list[RowPlan], shifts: list[int]) -> RowPlan:
    """Returns the rows of all plans, one plan's after another's.

    Args:
        plans: list of `RowPlan`.
        shifts: list of int, where each one's tokens begin in the array that
            holds those of all.
    """
    counts = [np.diff(plan.firsts) for plan in plans]
    starts = [p.starts + shift for p, shift in zip(plans, shifts, strict=True)]
    return RowPlan(
        offsets_of(np.concatenate(counts)),
        np.concatenate(starts),
        np.concatenate([plan.lengths for plan in plans]),
    )


def cut_documents(
    lengths: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts documents into parts of `longest` tokens and what is left.

    Args:
        lengths: int `(documents,)`; one of no tokens has no part.
        longest: int, the most tokens of a part.

    Returns:
        `starts` and `lengths` of the parts in order, int64 `(parts,)`; the
        documents' tokens lie one after another.
    """
    lengths = lengths.astype(np.int64)
    counts = -(-lengths // longest)
    done = longest * ranges_of(np.zeros(len(counts), np.int64), counts)
    left = np.repeat(lengths, counts) - done
    first = np.repeat(offsets_of(lengths)[:-1], counts)
    return first + done, np.minimum(left, longest)


def pack_parts(
    lengths: np.ndarray, room: int, most: int | None = None
) -> np.ndarray:
    """Puts parts into as few rows as best fit finds, the longest first.

    Each part goes where it leaves the least room, or into a new row. Equal
    rows are filled at once, so that time grows with the number of different
    lengths, not of parts.

    Args:
        lengths: int `(parts,)`, none above `room`.
        room: int, how many tokens a row takes.
        most: int, the most parts of a row, or `None` for any number.

    Returns:
        int64 `(parts,)`, the row of each, from 0. Of parts of one length the
        first comes into the first place for it.
    """
    rows, sizes, count = [], [], 0
    for times, pattern in _patterns(lengths, room, most):
        own = np.arange(count, count + times)
        count += times
        while pattern:
            size, number, pattern = pattern
            rows.append(np.repeat(own, number))
            sizes.append(np.full(times * number, size))
    found = np.empty(len(lengths), np.int64)
    if rows:
        places = np.argsort(np.concatenate(sizes), kind="stable")
        by_length = np.argsort(lengths, kind="stable")
        found[by_length] = np.concatenate(rows)[places]
    return found


def count_rows(
    lengths: np.ndarray, room: int, most: int | None = None
) -> tuple[int, int]:
    """Returns how many rows `pack_parts` makes, and the most parts of one."""
    rows = parts = 0
    for times, pattern in _patterns(lengths, room, most):
        rows += times
        in_row = 0
        while pattern:
            _, number, pattern = pattern
            in_row += number
        parts = max(parts, in_row)
    return rows, parts


def plan_rows(
    starts: np.ndarray, lengths: np.ndarray, rows: np.ndarray
) -> RowPlan:
    """Returns the plan of parts `(parts,)`, each of which is in a row."""
    order = np.argsort(rows, kind="stable")
    counts = np.bincount(rows)
    return RowPlan(offsets_of(counts), starts[order], lengths[order])


def _patterns(lengths, room, most):
    """Fills rows by best fit, the longest parts first.

    Returns:
        List of `(times, pattern)`: so many rows are filled by `pattern`,
        which is `(length, number, pattern)`, or `()` for an empty row.
    """
    most = len(lengths) if most is None else most
    sizes, counts = np.unique(lengths, return_counts=True)
    rooms = []  # What is left in open rows, ascending.
    open_rows = {}  # From that to [(times, parts, pattern)].
    closed = []

    def put(left, times, parts, pattern):
        if parts >= most or left < sizes[0]:
            closed.append((times, pattern))
        elif left in open_rows:
            open_rows[left].append((times, parts, pattern))
        else:
            bisect.insort(rooms, left)
            open_rows[left] = [(times, parts, pattern)]

    for size, count in zip(sizes[::-1].tolist(), counts[::-1], strict=True):
        count = int(count)
        while count:
            at = bisect.bisect_left(rooms, size)
            is_new = at == len(rooms)
            if is_new:
                left, (times, parts, pattern) = room, (count, 0, ())
            else:
                left = rooms[at]
                times, parts, pattern = open_rows[left].pop()
                if not open_rows[left]:
                    del open_rows[left], rooms[at]
            fits = min(left // size, most - parts)
            # All rows that can be filled, or one that cannot.
            number = min(fits, count)
            filled = min(times, count // number)
            if filled < times and not is_new:
                put(left, times - filled, parts, pattern)
            put(
                left - number * size,
                filled,
                parts + number,
                (size, number, pattern),
            )
            count -= filled * number
    for groups in open_rows.values():
        closed += [(times, pattern) for times, _, pattern in groups]
    return closed


def offsets_of(counts):
    """Returns int64 `(c + 1,)`: what is before each, and all."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def ranges_of(starts, counts):
    """Returns `counts[i]` numbers from `starts[i]` on, for each i."""
    offsets = offsets_of(counts)
    return np.repeat(starts - offsets[:-1], counts) + np.arange(offsets[-1])
