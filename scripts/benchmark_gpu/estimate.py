"""What the kernels should take on an H200 and an A100, by counting.

    PYTHONPATH=scripts python -m benchmark_gpu.estimate RESOURCES.json FOLDER

writes gpu_estimate.md and, with matplotlib, gpu_estimate.png into the folder.
`RESOURCES.json` is what `python -m benchmark_gpu.compiled` wrote: instructions,
registers and memory of the compiled kernels. Takes seconds, needs no GPU.

Nothing here is measured. For each tile of scores there are five amounts of
work, each with a unit of a multiprocessor that does it: products, exponentials,
instructions to issue, shared memory to read, and bytes of second-level cache.
Two times follow: `overlapped`, where all units work at once and the busiest one
sets the pace, and `in turn`, where a tile's products and its other
instructions follow each other. The first cannot be beaten, the second is
what a kernel without specialized warps tends to.
"""

import dataclasses
import math

from benchmark_gpu import walk
from benchmark_gpu.gpus import EXPONENTIALS
from benchmark_gpu.gpus import REGISTERS
from benchmark_gpu.gpus import SHARED_RATE

# Of one kernel, from launch to launch: an assumption.
LAUNCH_SECONDS = 4e-6
# Cycles of one thread block before its first product and after its last:
# twice the latency of device memory, about 600 cycles each way: an assumption.
BLOCK_CYCLES = 1200
# Kernels that one pass launches; the last is the sum of partial sums.
LAUNCHES = {"forward": 1, "backward": 4}
PRODUCTS = {"forward": 2, "query_gradient": 3, "key_gradient": 4}
OWNER = {"forward": "query", "query_gradient": "query", "key_gradient": "key"}


@dataclasses.dataclass(frozen=True)
class Tile:
    own: int
    met: int
    warps: int
    stages: int

    def __str__(self):
        return f"{self.own} x {self.met}, {self.warps} w., {self.stages} st."


@dataclasses.dataclass(frozen=True)
class Compiled:
    """What the compiler made of a kernel with a tile, for one GPU."""

    kernel: str
    tile: Tile
    registers: int
    stack_bytes: int
    shared_bytes: int
    loops: tuple

    @classmethod
    def of(cls, row):
        return cls(
            row["kernel"],
            Tile(*row["tile"]),
            row["registers"],
            row["stack_bytes"],
            row["shared_bytes"],
            tuple(row["loops"]),
        )

    def resident(self, gpu):
        """int, thread blocks that one multiprocessor holds."""
        registers = -(-self.registers // 8) * 8 * 32 * self.tile.warps
        return min(
            REGISTERS // registers,
            gpu.shared_bytes // (self.shared_bytes + 1024),
        )

    def loop(self, kind):
        """The loop over "edge", "inside" or "group" tiles.

        The kernels' code has them in this order: whole tiles of global keys,
        the rest of them (not in "key_gradient"), edge, inside, edge.
        """
        index = {"edge": -3, "inside": -2, "group": 1}[kind]
        return self.loops[index]

    def whole(self):
        """bool, whether all loops were found as expected."""
        return len(self.loops) == (3 if self.kernel == "key_gradient" else 5)


def cycles(loop, compiled, gpu, d):
    """(overlapped, in turn) cycles of one multiprocessor for one tile."""
    warps = compiled.tile.warps
    # A wgmma instruction is counted once by each of the four warps it is of.
    together = 4 if gpu.capability >= 90 else 1
    products = loop["products"] * warps / together / gpu.matrix_operations
    shared = loop["operand_bytes"] * warps / together / SHARED_RATE
    products = max(products, shared)
    issue = loop["instructions"] * warps / 4
    exponentials = loop["exponentials"] * warps * 32 / EXPONENTIALS
    cache = 2 * compiled.tile.met * d * 2 * gpu.processors / gpu.cache_bytes
    overlapped = max(products, issue, exponentials, cache)
    return overlapped, products + max(issue, exponentials)


def kernel_seconds(compiled, problem, gpu):
    """(overlapped, in turn) seconds of one kernel, without its launch."""
    counts = walk.band(problem, compiled.tile, owner=OWNER[compiled.kernel])
    totals = [0.0, 0.0]
    for kind, count in (
        ("edge", counts.edge),
        ("inside", counts.inside),
        ("group", counts.groups),
    ):
        if count:
            each = cycles(compiled.loop(kind), compiled, gpu, problem.d)
            totals = [t + count * c for t, c in zip(totals, each)]
    # Blocks are dealt out whole, and one alone runs in turn.
    blocks = counts.programs
    rounds = math.ceil(blocks / gpu.processors) * gpu.processors / blocks
    own = BLOCK_CYCLES / max(1, compiled.resident(gpu))
    in_turn = (totals[1] / blocks + own) * blocks * rounds
    alone = totals[1] / blocks + BLOCK_CYCLES
    memory = traffic(compiled.kernel, problem) / gpu.memory_rate
    seconds = [x / gpu.processors / gpu.clock for x in (totals[0], in_turn)]
    return max(seconds[0], alone / gpu.clock, memory), max(seconds[1], memory)


def traffic(kernel, problem):
    """Bytes to and from device memory, each array once (2-byte elements)."""
    array = problem.b * problem.n * problem.h * problem.d * 2
    arrays = {"forward": 4, "query_gradient": 6, "key_gradient": 6}[kernel]
    return arrays * array + 2 * problem.b * problem.h * problem.n * 4


def pass_seconds(chosen, problem, gpu, passes):
    """(overlapped, in turn) seconds of "forward" or "backward".

    `chosen`: `Compiled` by kernel. The sums for the global keys are taken to
    read query, output's gradient once, at the memory's rate.
    """
    names = ["forward"]
    if passes == "backward":
        names = ["query_gradient", "key_gradient"]
    totals = [LAUNCHES[passes] * LAUNCH_SECONDS] * 2
    for name in names:
        each = kernel_seconds(chosen[name], problem, gpu)
        totals = [t + s for t, s in zip(totals, each)]
    if passes == "backward":
        array = problem.b * problem.n * problem.h * problem.d * 2
        totals = [t + 2 * array / gpu.memory_rate for t in totals]
    return tuple(totals)


def useful_operations(problem, passes):
    """As `timing.operations`: two products forward, five backward."""
    products = {"forward": 2, "backward": 5}[passes]
    each = 2 * problem.d * problem.b * problem.h * products
    return each * problem.pairs()


def best(rows, gpu, problem):
    """`{kernel: Compiled}`, the fastest by the product of both times."""
    chosen = {}
    for row in rows:
        compiled = Compiled.of(row)
        if row["gpu"] != gpu.name or compiled.kernel not in OWNER:
            continue
        if not compiled.whole() or not compiled.resident(gpu):
            continue
        seconds = math.prod(kernel_seconds(compiled, problem, gpu))
        kept = chosen.get(compiled.kernel)
        if kept is None or seconds < kept[0]:
            chosen[compiled.kernel] = seconds, compiled
    return {kernel: compiled for kernel, (_, compiled) in chosen.items()}


if __name__ == "__main__":
    from benchmark_gpu import estimate_report

    estimate_report.main()
