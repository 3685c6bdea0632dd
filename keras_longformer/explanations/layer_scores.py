"""The attention of one layer over one text, in memory linear in its length."""

import dataclasses
from collections.abc import Iterator

import numpy as np


@dataclasses.dataclass(frozen=True)
class LayerScores:
    """Probabilities of one layer's attention.

    Every row sums to 1: a token's of `window` and `to_global` together, a
    global token's of `from_global` over all tokens.

    Attributes:
        window: float32 `(h, n, window_size + 1)`, those that token `i` gives
            to token `i + dilation * (j - window_size // 2)`; 0 for global
            keys, which stand in `to_global`, and in the rows of global tokens.
        to_global: float32 `(h, n, g)`, those that it gives to global tokens;
            0 in the rows of global tokens.
        from_global: float32 `(h, g, n)`, those that global tokens give.
        global_positions: int32 `(g,)`, where they stand.
        dilation: tuple of int, the step of each head's window.
    """

    window: np.ndarray
    to_global: np.ndarray
    from_global: np.ndarray
    global_positions: np.ndarray
    dilation: tuple[int, ...]

    @property
    def num_heads(self) -> int:
        """How many heads."""
        return self.window.shape[0]

    @property
    def num_tokens(self) -> int:
        """How many tokens."""
        return self.window.shape[1]

    def row(self, position: int) -> np.ndarray:
        """Returns float32 `(h, n)`, what one token looks at."""
        n = self.num_tokens
        if not -n <= position < n:
            raise IndexError(
                f"There are {n} tokens. Received: position={position}."
            )
        position %= n
        found = np.zeros([self.num_heads, n], np.float32)
        at = np.flatnonzero(self.global_positions == position)
        if len(at):
            found[:] = self.from_global[:, at[0]]
            return found
        for heads, step in self._groups():
            key = position + step * self._steps()
            inside = (key >= 0) & (key < n)
            there = self.window[heads, position][:, inside]
            found[np.array(heads)[:, None], key[inside]] = there
        found[:, self.global_positions] += self.to_global[:, position]
        return found

    def dense(self) -> np.ndarray:
        """Returns float32 `(h, n, n)`: queries, then keys. For short texts."""
        rows = [self.row(position) for position in range(self.num_tokens)]
        return np.stack(rows, axis=1)

    def received(self) -> np.ndarray:
        """Returns float32 `(h, n)`, what each token gets from all, in the
        mean."""
        return self.binned(1, whole=self.num_tokens)[:, 0]

    def binned(self, size: int, *, whole: int | None = None) -> np.ndarray:
        """Returns the matrix of queries and keys in bins, without making it.

        Args:
            size: int, tokens of a bin.
            whole: int, the tokens of a bin of queries, if another one.

        Returns:
            float32 `(h, queries, keys)`, of each bin of queries the mean of
            what goes to a bin of keys: rows sum to 1.

        Raises:
            ValueError: a size that is not positive.
        """
        if size < 1 or (whole is not None and whole < 1):
            raise ValueError(
                "Bins are of one token or more. Received: "
                f"size={size}, whole={whole}."
            )
        n = self.num_tokens
        query = np.arange(n) // (whole or size)
        key = np.arange(n) // size
        rows, columns = query[-1] + 1, key[-1] + 1
        found = np.zeros([self.num_heads, rows, columns])
        of = self.global_positions
        for heads, step in self._groups():
            for column, offset in enumerate(step * self._steps()):
                first, last = max(0, -offset), min(n, n - offset)
                if first >= last:
                    continue
                at = query[first:last], key[first + offset : last + offset]
                for head in heads:
                    values = self.window[head, first:last, column]
                    np.add.at(found[head], at, values)
        for head in range(self.num_heads):
            to_global, from_global = (
                self.to_global[head],
                self.from_global[head],
            )
            np.add.at(found[head], (query[:, None], key[of]), to_global)
            np.add.at(found[head], (query[of][:, None], key), from_global)
        counts = np.bincount(query, minlength=rows)
        return (found / counts[:, None]).astype(np.float32)

    def _steps(self) -> np.ndarray:
        reach = self.window.shape[2] // 2
        return np.arange(-reach, reach + 1)

    def _groups(self) -> Iterator[tuple[list[int], int]]:
        """Yields the heads of each dilation."""
        for step in sorted(set(self.dilation)):
            own = [i for i, other in enumerate(self.dilation) if other == step]
            yield own, step
