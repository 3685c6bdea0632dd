"""The cases that every implementation of window attention runs.

In NumPy alone: tests take them to TensorFlow, and the check on a GPU
(scripts/benchmarks/gpu) to PyTorch and JAX, where TensorFlow may be missing.
Axis sizes are distinct primes, so that a swapped axis fails.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Case:
    """One set of arguments.

    Attributes:
        name: str, what is special about it.
        n, window_size, dilation, causal: as in `window_attention`.
        g: int, global keys; `None` for an argument that is not given.
        global_count: ints, how many of the `g` are there in each row.
        key_mask: `None`, "some", "none", "left" or "middle" (where padding is).
        dtype: str.
        segments: ints, the lengths of a row's documents, the last of them as
            long as is left; the second row is one shorter in the first. `None`
            for an argument that is not given.
        positions: bool, whether there are relative positions.
    """

    name: str
    n: int = 37
    window_size: int = 6
    dilation: int | tuple = 1
    causal: bool = False
    g: int | None = None
    global_count: tuple = (2, 0)
    key_mask: str | None = None
    dtype: str = "float32"
    segments: tuple | None = None
    positions: bool = False

    b: int = 2
    h: int = 3
    d: int = 5

    def __str__(self):
        return self.name

    def inputs(self, seed=0):
        """Dict of all arguments, tensors as arrays.

        Floats are in the case's dtype, or in float32 for bfloat16, which NumPy
        does not have.
        """
        rng = np.random.default_rng(seed)

        dtype = "float32" if self.dtype == "bfloat16" else self.dtype

        def normal(n):
            values = rng.normal(size=(self.b, n, self.h, self.d))
            return values.astype(dtype)

        inputs = dict(
            query=normal(self.n),
            key=normal(self.n),
            value=normal(self.n),
            window_size=self.window_size,
            dilation=self.dilation,
            causal=self.causal,
        )
        if self.key_mask:
            inputs["key_mask"] = self._key_mask(rng)
        if self.g is not None:
            count = np.array(self.global_count)[:, None]
            inputs["global_key"] = normal(self.g)
            inputs["global_value"] = normal(self.g)
            inputs["global_key_mask"] = np.arange(self.g) < count
        if self.segments:
            inputs["segment_ids"] = self._segment_ids()
            if self.g is not None:
                shape = (self.b, self.g)
                inputs["global_segment_ids"] = rng.integers(
                    0, len(self.segments) + 1, shape, np.int32
                )
        if self.positions:
            rows = self.window_size // (2 if self.causal else 1) + 1
            inputs["position_query"] = normal(self.n)
            values = rng.normal(size=(rows, self.h, self.d))
            inputs["position_key"] = values.astype(dtype)
        return inputs

    def _segment_ids(self):
        borders = np.cumsum(self.segments)
        position = np.arange(self.n, dtype=np.int32)[None]
        position = position + np.arange(self.b, dtype=np.int32)[:, None]
        return np.searchsorted(borders, position, "right").astype(np.int32)

    def _key_mask(self, rng):
        position = np.arange(self.n)[None].repeat(self.b, 0)
        third = max(self.n // 3, 1)
        return {
            "some": rng.random((self.b, self.n)) < 0.6,
            "none": np.zeros((self.b, self.n), bool),
            "right": position < np.array([[self.n], [third]]),
            "left": position >= np.array([[0], [third]]),
            "middle": abs(position - self.n // 2) > third // 2,
        }[self.key_mask]


LONG = 307  # more than a chunk and both its sides, and a multiple of nothing

CASES = [
    Case("plain"),
    Case("one-token", n=1),
    Case("shorter-than-reach", n=3, window_size=14),
    Case("n-is-window", n=6),
    Case("several-chunks", n=LONG, window_size=22),
    Case("chunks-smaller-than-window", n=601, window_size=386),
    Case("causal", causal=True),
    Case("causal-chunks", n=LONG, window_size=22, causal=True),
    Case("padding", key_mask="right"),
    Case("padding-left", key_mask="left"),
    Case("padding-middle", key_mask="middle"),
    Case("all-padding", key_mask="none"),
    Case("all-padding-chunks", n=LONG, key_mask="none"),
    Case("scattered-keys-chunks", n=LONG, window_size=22, key_mask="some"),
    Case("no-global", g=0, global_count=(0, 0)),
    Case("global", g=2, global_count=(2, 2)),
    Case("global-unequal", g=5, global_count=(5, 2), key_mask="some"),
    Case("global-one-row-none", g=3, global_count=(3, 0)),
    Case("global-all", g=37, global_count=(37, 37), key_mask="none"),
    Case("global-chunks", n=LONG, window_size=22, g=5, key_mask="some"),
    Case("global-causal", causal=True, g=2, key_mask="some"),
    Case("all-hidden", g=2, global_count=(0, 0), key_mask="none"),
    Case("dilation-2", dilation=2),
    Case("dilation-3", dilation=3, key_mask="right"),
    Case("dilation-4", dilation=4, g=2),
    Case("dilation-more-than-n", n=5, dilation=7),
    Case("dilation-causal", dilation=2, causal=True, key_mask="some"),
    Case("dilation-chunks", n=2 * LONG, window_size=22, dilation=3),
    Case("dilation-per-head", dilation=(1, 3, 1)),
    Case("dilation-per-head-mixed", dilation=(4, 1, 2), g=3, key_mask="some"),
    Case("dilation-per-head-causal", dilation=(1, 1, 2), causal=True),
    Case("segments", segments=(5, 1, 17)),
    Case("segments-global", segments=(20, 9), g=4, key_mask="right"),
    Case("segments-causal", segments=(5, 17), causal=True, key_mask="some"),
    Case("segments-dilation", segments=(5, 17), dilation=(2, 1, 3), g=2),
    Case("segments-chunks", n=LONG, window_size=22, segments=(100, 150), g=3),
    Case("segments-bfloat16", segments=(5, 17), g=2, dtype="bfloat16"),
    Case("positions", positions=True),
    Case("positions-one-token", positions=True, n=1),
    Case("positions-short", positions=True, n=3, window_size=14),
    Case("positions-causal", positions=True, causal=True, key_mask="right"),
    Case("positions-chunks", positions=True, n=LONG, window_size=22),
    Case("positions-wide", positions=True, n=401, window_size=386, causal=True),
    Case("positions-dilation", positions=True, dilation=3, key_mask="some"),
    Case(
        "positions-dilation-per-head",
        positions=True,
        dilation=(4, 1, 2),
        causal=True,
        key_mask="left",
    ),
    Case("positions-segments", positions=True, segments=(5, 17), dilation=2),
    Case("positions-all-padding", positions=True, key_mask="none"),
    Case("positions-bfloat16", positions=True, n=LONG, dtype="bfloat16"),
    Case("positions-float64", positions=True, n=LONG, dtype="float64"),
    Case("positions-float16", positions=True, dtype="float16"),
    Case("float64", dtype="float64", g=3, key_mask="some"),
    Case("float64-chunks", n=LONG, dtype="float64"),
    Case("bfloat16", dtype="bfloat16", g=3, key_mask="some"),
    Case("bfloat16-chunks", n=LONG, window_size=22, dtype="bfloat16"),
    Case("float16", dtype="float16", g=3, key_mask="some"),
    Case("float16-chunks", n=LONG, window_size=22, dtype="float16"),
]
