"""Which tiles of the scores a kernel walks, and how much of them is useful."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Problem:
    """One attention call: two-sided or causal, `g` global keys."""

    n: int
    b: int = 1
    h: int = 12
    d: int = 64
    reach: int = 256
    dilation: int = 1
    causal: bool = False
    g: int = 1

    @property
    def ahead(self):
        return 0 if self.causal else self.reach

    def pairs(self):
        """int, pairs of query and key that are seen in one head."""
        total = self.n * self.g
        for phase in range(min(self.dilation, self.n)):
            length = -(-(self.n - phase) // self.dilation)
            total += length
            for side in (self.reach, self.ahead):
                side = min(side, length - 1)
                total += length * side - side * (side + 1) // 2
        return total


@dataclasses.dataclass(frozen=True)
class Walk:
    """Counts over all heads and rows of the batch.

    Attributes:
        programs: int, thread blocks.
        inside: int, tiles that need no band mask.
        edge: int, tiles that do.
        groups: int, tiles of global keys.
        area: int, scores that are computed.
        useful: float, the share of `area` that is wanted.
    """

    programs: int
    inside: int
    edge: int
    groups: int
    area: int
    useful: float


def band(problem, tile, *, owner="query", group=16):
    """A kernel's walk, as `band_tiles` in its source bounds it.

    Args:
        problem: `Problem`.
        tile: has `own` and `met`, rows of the owner and of what it meets.
        owner: "query" (forward, gradient of the queries) or "key" (gradient
            of keys and values, whose walk is mirrored and has no global keys).
        group: int, the tile of global keys.
    """
    behind, ahead = problem.reach, problem.ahead
    if owner == "key":
        behind, ahead = ahead, behind
    block, step = tile.own, tile.met
    programs = inside = edge = 0
    for phase in range(problem.dilation):
        limit = -(-(problem.n - phase) // problem.dilation)
        if limit <= 0:
            continue
        first = np.arange(0, limit, block)
        low = np.maximum(first - behind, 0) // step * step
        high = np.minimum(first + block + ahead, limit)
        full = -(-np.maximum(first + block - 1 - behind, 0) // step) * step
        stop = np.minimum(first + ahead + 1, limit) // step * step
        full = np.minimum(np.maximum(full, low), np.maximum(high, low))
        stop = np.maximum(stop, full)
        all_tiles = -(-(full - low) // step) + (stop - full) // step
        all_tiles += np.maximum(-(-(high - stop) // step), 0)
        programs += len(first)
        inside += int(((stop - full) // step).sum())
        edge += int((all_tiles - (stop - full) // step).sum())
    groups = 0
    if owner == "query" and problem.g:
        groups = programs * -(-problem.g // group)
    area = (inside + edge) * block * step + groups * block * group
    pairs = problem.pairs() - (problem.n * problem.g if owner == "key" else 0)
    times = problem.b * problem.h
    return Walk(
        *(x * times for x in (programs, inside, edge, groups, area)),
        useful=pairs / area,
    )


def flex(problem, block=128):
    """FlexAttention's walk: whole blocks of a block mask, global keys in it.

    With dilation no block is left out within the window and none is full: a
    block mask cannot gather the keys of one phase.
    """
    first = np.arange(0, problem.n, block)
    count = -(-problem.n // block)
    span = problem.reach * problem.dilation
    low = np.maximum(first - span, 0) // block
    last = np.minimum(first + block - 1, problem.n - 1)
    high = last if problem.causal else np.minimum(last + span, problem.n - 1)
    seen = high // block + 1 - low
    inside = np.zeros_like(seen)
    if problem.dilation == 1:
        full_low = -(-np.maximum(first + block - 1 - span, 0) // block)
        ahead = 0 if problem.causal else span
        full_high = np.minimum(first + ahead + 1, problem.n) // block
        inside = np.maximum(full_high - full_low, 0)
    groups = np.zeros_like(seen)
    if problem.g:  # the global tokens stand first
        blocks = -(-problem.g // block)
        groups = np.minimum(np.minimum(blocks, count), low)
    times = problem.b * problem.h
    area = int((seen + groups).sum()) * block * block
    return Walk(
        programs=len(first) * times,
        inside=int(inside.sum()) * times,
        edge=int((seen - inside + groups).sum()) * times,
        groups=0,
        area=area * times,
        useful=problem.pairs() / area,
    )
