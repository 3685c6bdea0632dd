"""A file's answers beside its model's, at lengths where something changes."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_longformer.ops.chunked import CHUNK_SIZE

# The largest difference, of outputs up to 1; of larger ones, relative to the
# largest. Measured were 4e-6 at 12 layers: what is wrong is off by far more.
TOLERANCE = 1e-4
# Of a model in 16 bits, which the file computes in 32.
TOLERANCE_OF_16_BITS = 1e-1
# Logits beyond are those of what cannot be chosen.
_EXCLUDED = 1e8

Arrays = Mapping[str, np.ndarray]
Run = Callable[[Arrays], Arrays]


class Example(NamedTuple):
    """Inputs of one call."""

    batch: int
    length: int
    inputs: dict[str, np.ndarray]


def lengths_of(
    windows: Iterable[tuple[int, int, bool]], longest: int | None
) -> list[int]:
    """Returns the lengths to compare at, ascending.

    One token; as many as a window reaches; the most that are one chunk, one
    fewer and one more; some chunks; and the longest.

    Args:
        windows: `(window_size, dilation, causal)` of all layers and heads.
        longest: int, the most tokens that the model reads, or `None`.
    """
    found = {1, 2}
    edges = set()
    for window_size, dilation, causal in windows:
        reach = window_size // 2
        found |= {reach, reach + 1}
        edges.add(dilation * (CHUNK_SIZE + (reach if causal else window_size)))
    for edge in {min(edges), max(edges)} if edges else ():
        found |= {edge - 1, edge, edge + 1, edge + CHUNK_SIZE + 3}
    if longest is None:
        return sorted(n for n in found if n > 0)
    return sorted({n for n in found if 0 < n <= longest} | {longest})


def examples_of(lengths: list[int], make: Callable) -> list[Example]:
    """Returns an example of each length: of one, two and three rows.

    Args:
        lengths: ints; the last, and longest, is of one row.
        make: function of the numbers of rows and tokens and a generator of
            random numbers, to inputs.
    """
    generator = np.random.default_rng(0)
    examples = []
    for number, length in enumerate(lengths):
        batch = 1 if length == lengths[-1] else (2, 3, 1)[number % 3]
        inputs = make(batch, length, generator)
        examples.append(Example(batch, length, inputs))
    return examples


def difference(got: Arrays, want: Arrays) -> float:
    """Returns the largest of all outputs; of NaN and other shapes, infinity.

    Args:
        got: the file's outputs by name.
        want: the model's.
    """
    if set(got) != set(want):
        return np.inf
    largest = 0.0
    for name, right in want.items():
        right = np.asarray(right, "float64")
        if got[name].shape != right.shape:
            return np.inf
        if not right.size:
            continue
        size = np.where(np.abs(right) < _EXCLUDED, np.abs(right), 0)
        scale = max(1.0, size.max())
        distance = np.abs(got[name].astype("float64") - right) / scale
        largest = max(largest, np.nan_to_num(distance, nan=np.inf).max())
    return float(largest)


def largest_difference(
    run: Run,
    examples: Sequence[Example],
    wanted: Sequence[Arrays],
    allowed: float,
    what: str,
) -> float:
    """Compares a file with its model.

    Args:
        run: the file in its runtime.
        examples: what to compare at.
        wanted: the model's outputs for each.
        allowed: float, the most.
        what: str, the file's runtime, for the message.

    Returns:
        float, the largest of `difference`.

    Raises:
        RuntimeError: it is more than `allowed`, and where.
    """
    found = {
        (example.batch, example.length): difference(run(example.inputs), want)
        for example, want in zip(examples, wanted, strict=True)
    }
    largest = max(found.values())
    if not largest <= allowed:
        wrong = ", ".join(
            f"{distance:.3g} at {batch} x {length}"
            for (batch, length), distance in found.items()
            if not distance <= allowed
        )
        raise RuntimeError(
            f"In {what} the exported model differs from the model itself by "
            f"more than {allowed:g}: by {wrong} (rows x tokens). Nothing was "
            "exported."
        )
    return largest
