"""An array that is read when it is needed, and knows its shape before."""

from collections.abc import Callable

import numpy as np


class LazyArray:
    """Stands for an array of a file: `np.asarray(lazy)` reads it, each time.

    Args:
        read: a function without arguments that returns the array.
        shape: tuple of int, the array's.
    """

    def __init__(self, read: Callable[[], np.ndarray], shape: tuple[int, ...]):
        self._read = read
        self.shape = tuple(shape)

    def __array__(
        self, dtype: np.dtype | None = None, copy: bool | None = None
    ) -> np.ndarray:
        array = self._read()
        return array if dtype is None else array.astype(dtype, copy=False)

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> "LazyArray":
        """Returns what `change` makes of the array, not read either.

        `change` may transpose and split axes, which NumPy does without
        copying: it is tried on one number of the same shape.
        """
        shape = change(np.broadcast_to(np.float32(0), self.shape)).shape
        return LazyArray(lambda: change(self._read()), shape)
