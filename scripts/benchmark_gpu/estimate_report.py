"""Writes `docs/gpu_estimate.md` and its picture; see `estimate.py`."""

import argparse
import json
import pathlib

from benchmark_gpu import estimate
from benchmark_gpu import package
from benchmark_gpu import results
from benchmark_gpu import walk
from benchmark_gpu.gpus import GPUS
from benchmark_gpu.report import table
from benchmark_gpu.settings import LENGTHS
from benchmark_gpu.settings import Settings

PASSES = ("forward", "backward")
# Tiles are chosen at this length.
TUNED = walk.Problem(n=16384, b=2)
DENSE = walk.Problem(n=16384, b=1, reach=16384, g=0)


def problem(n):
    return walk.Problem(**Settings().problem(n))


def walks():
    """How much of what is computed is wanted, for tiles and FlexAttention."""
    rows = []
    for window, dilation in ((512, 1), (512, 4), (256, 1), (64, 1)):
        asked = walk.Problem(n=16384, reach=window // 2, dilation=dilation)
        row = [window, dilation]
        for own, met in ((64, 32), (64, 64), (128, 32), (128, 64), (128, 128)):
            tile = estimate.Tile(own, met, 4, 2)
            row.append(f"{100 * walk.band(asked, tile).useful:.0f} %")
        row.append(f"{100 * walk.flex(asked).useful:.0f} %")
        rows.append(row)
    header = ["window", "dilation", "64 x 32", "64 x 64", "128 x 32"]
    header += ["128 x 64", "128 x 128", "FlexAttention"]
    return table(header, rows)


def _range(low, high, digits=3):
    return f"{low:.{digits}f} - {high:.{digits}f}"


def _percent(work, gpu, low, high):
    slow, fast = (100 * work / x / gpu.matrix_rate for x in (high, low))
    return f"{slow:.0f} - {fast:.0f} %"


def tiles(rows):
    """All compiled tiles: what they take, and which is recommended."""
    lines = []
    for gpu in GPUS:
        chosen = estimate.best(rows, gpu, TUNED)
        for row in rows:
            compiled = estimate.Compiled.of(row)
            if row["gpu"] != gpu.name or not compiled.whole():
                continue
            low, high = estimate.kernel_seconds(compiled, TUNED, gpu)
            scores = compiled.tile.own * compiled.tile.met
            each = [
                compiled.loop(kind)["instructions"]
                * (compiled.tile.warps * 32 / scores)
                for kind in ("inside", "edge")
            ]
            lines.append(
                [gpu.name, compiled.kernel, compiled.tile]
                + [compiled.registers, compiled.stack_bytes]
                + [compiled.resident(gpu), f"{each[0]:.1f}, {each[1]:.1f}"]
                + [_range(1e3 * low, 1e3 * high)]
                + ["**yes**" if chosen[compiled.kernel] == compiled else ""]
            )
    header = ["GPU", "kernel", "tile (own x met)", "registers"]
    header += ["spilled bytes", "blocks on one multiprocessor"]
    header += ["instructions a score, inside and edge", "ms"]
    return table([*header, "recommended"], lines)


def times(rows):
    """Every length, with the recommended tiles."""
    lines = []
    for gpu in GPUS:
        chosen = estimate.best(rows, gpu, TUNED)
        if chosen.keys() != estimate.OWNER.keys():
            continue
        for n in LENGTHS:
            asked = problem(n)
            line = [gpu.name, n, asked.b]
            for passes in PASSES:
                low, high = estimate.pass_seconds(chosen, asked, gpu, passes)
                work = estimate.useful_operations(asked, passes)
                line.append(_range(1e3 * low, 1e3 * high))
                line.append(_percent(work, gpu, low, high))
            lines.append(
                line + [f"{flex_ratio(chosen['forward'], asked, gpu):.2f}"]
            )
    header = ["GPU", "n", "b", "forward, ms", "of matrix rate"]
    header += [
        "backward, ms",
        "of matrix rate",
        "FlexAttention's walk, forward",
    ]
    return table(header, lines)


def flex_ratio(compiled, asked, gpu):
    """Its walk over ours, were its instructions for a score the same."""

    def total(counts, factor):
        sums = 0.0
        for kind, count in (
            ("edge", counts.edge),
            ("inside", counts.inside),
            ("group", counts.groups),
        ):
            if count:
                each = estimate.cycles(
                    compiled.loop(kind), compiled, gpu, asked.d
                )
                sums += count * factor * each[1]
        return sums

    tile = compiled.tile
    ours = total(walk.band(asked, tile), 1)
    return total(walk.flex(asked), 128 * 128 / tile.own / tile.met) / ours


def dense(rows):
    """Dense attention by the same counting, TFLOP/s forward."""
    lines = []
    for gpu in GPUS:
        chosen = estimate.best(rows, gpu, TUNED)
        low, high = estimate.kernel_seconds(chosen["forward"], DENSE, gpu)
        work = estimate.useful_operations(DENSE, "forward")
        lines.append(
            [gpu.name, _range(work / high / 1e12, work / low / 1e12, 0)]
            + [_percent(work, gpu, low, high)]
        )
    return table(["GPU", "TFLOP/s", "of matrix rate"], lines)


def draw(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4), sharey=True)
    for axis, passes in zip(axes, PASSES):
        for gpu, color in zip(GPUS, ("tab:red", "tab:blue")):
            chosen = estimate.best(rows, gpu, TUNED)
            if chosen.keys() != estimate.OWNER.keys():
                continue
            both = [
                [
                    1e9 * seconds / (n * problem(n).b)
                    for seconds in estimate.pass_seconds(
                        chosen, problem(n), gpu, passes
                    )
                ]
                for n in LENGTHS
            ]
            low, high = zip(*both)
            axis.fill_between(
                LENGTHS, low, high, color=color, alpha=0.3, label=gpu.name
            )
        axis.set(xscale="log", yscale="log", xlabel="sequence length")
        ticks = [2, 5, 10, 20, 50]
        axis.set_yticks(ticks, map(str, ticks))
        axis.set_ylim(2, 50)
        axis.set_xticks(LENGTHS, [str(n) for n in LENGTHS], fontsize=6)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        axis.set_title(f"{passes}: ns a token", fontsize=10)
    axes[0].legend(fontsize=8)
    figure.suptitle(
        "Estimate, not measured: all units at once ... in turn", fontsize=11
    )
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main():
    parser = argparse.ArgumentParser(
        description=estimate.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("resources", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    stored = json.loads(options.resources.read_text(encoding="utf-8"))
    rows = stored["kernels"]
    template = pathlib.Path(__file__).with_name("estimate.md")
    text = template.read_text(encoding="utf-8")
    for mark, lines in (
        ("{walks}", walks()),
        ("{tiles}", tiles(rows)),
        ("{times}", times(rows)),
        ("{dense}", dense(rows)),
        ("{triton}", [stored["triton"]]),
    ):
        text = text.replace(mark, "\n".join(lines))
    results.write(options.folder / "gpu_estimate.md", text)
    if package.installed("matplotlib"):
        draw(rows, options.folder / "gpu_estimate.png")
