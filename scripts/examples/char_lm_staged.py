"""Training in phases against training in one, at equal compute.

Command:
    python scripts/examples/char_lm_staged.py [FILE ...]
        [--report saved_models/char_lm_staged] [--output FOLDER] [--seeds 1]
        [--updates 240,80,40] [--layers 4] [--width 128] [--quick]

The paper begins with short rows and small windows, and doubles both, at half
the rate, in each further phase (Appendix B). Here the same model is trained so,
and, for as many multiply-adds, with the last phase's rows and windows all the
time, at the first phase's rate and at half of it. Both go through
`keras_longformer.pretrain.run`, as `keras-longformer pretrain --task char_lm`
does. Measured in bits per character on the last 5 % of the text: FILEs one
after another, or 3 MB of the sources of Python's own library.

Writes `char_lm_staged.md`, `.json` and `.png` into the folder `--report` after
each training. Started again with the same arguments, it goes on.

Time and memory: three trainings of five to ten minutes each, in one thread on
a busy machine.

Expected result: phases are ahead, most of all early on, as wide windows cost
most when there is least to see in them; the paper trains in no other way.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NAME = "char_lm_staged"
TOKENS = 2_048  # Of an update, in every phase.


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The model and the amounts; lengths are in characters."""

    num_layers: int = 4
    num_heads: int = 4
    hidden_dim: int = 128
    bottom: int = 8  # Windows of the first phase, at the bottom
    top: int = 64  # and at the top.
    length: int = 256
    peak: float = 2e-3
    updates: tuple[int, ...] = (240, 80, 40)
    parts: int = 12  # Measurements of a training.


QUICK = Sizes(
    num_layers=2, num_heads=2, hidden_dim=16, top=16, updates=(4, 2), parts=2
)


def multiply_adds(sizes: Sizes, windows: list[int]) -> int:
    """Returns those of one token, forward: products with weights, and within
    the windows with keys, with positions and with values."""
    width = sizes.hidden_dim
    dense = sizes.num_layers * 12 * width**2 + 256 * width
    band = sum(3 * (window // 2 + 1) * width for window in windows)
    return dense + band


def plans(sizes: Sizes) -> dict:
    """Returns the phases of each way to train, by its name.

    Each is a dict of `updates`, `batch_size`, `length`, `windows` and `peak`,
    as `pretrain.Settings` takes them, and `cost`, the multiply-adds of one
    token in each phase.
    """
    from keras_longformer.tasks.char_lm.configurations import growing_windows

    windows = growing_windows(sizes.bottom, sizes.top, sizes.num_layers)
    count = len(sizes.updates)
    each = [[w * 2**i for w in windows] for i in range(count)]
    lengths = [sizes.length * 2**i for i in range(count)]
    costs = [multiply_adds(sizes, one) for one in each]
    total = sum(n * cost for n, cost in zip(sizes.updates, costs))
    staged = {
        "updates": list(sizes.updates),
        "batch_size": [TOKENS // length for length in lengths],
        "length": sizes.length,
        "windows": windows,
        "peak": sizes.peak,
        "cost": costs,
    }
    single = {
        "updates": [round(total / costs[-1])],
        "batch_size": [TOKENS // lengths[-1]],
        "length": lengths[-1],
        "windows": each[-1],
        "cost": costs[-1:],
    }
    return {
        "phases": staged,
        "one phase": {**single, "peak": sizes.peak},
        "one phase, half the rate": {**single, "peak": sizes.peak / 2},
    }


def train(sizes: Sizes, plan: dict, text: str, output: str, seed: int) -> dict:
    """Trains and measures one model.

    Returns:
        Dict of `bits_per_character`, `characters`, `seconds` and `curve`: for
        each measurement the multiply-adds so far, and bits per character.
    """
    from keras_longformer import pretrain

    updates = plan["updates"]
    settings = pretrain.Settings(
        task="char_lm",
        train=text,
        output=output,
        num_layers=sizes.num_layers,
        num_heads=sizes.num_heads,
        hidden_dim=sizes.hidden_dim,
        max_sequence_length=plan["length"],
        window_size=plan["windows"],
        updates=updates,
        batch_size=plan["batch_size"],
        rows=min(plan["batch_size"]),
        peak=plan["peak"],
        dropout=0.0,  # No byte is seen often enough to be learned by heart.
        seed=seed,
        validate_every=max(sum(updates) // sizes.parts, 1),
        # All ways to train are measured in the last phase's rows.
        evaluation_length=sizes.length * 2 ** (len(sizes.updates) - 1),
    )
    measured = pretrain.run(settings)
    found = json.loads(pathlib.Path(output, "metrics.json").read_text("utf-8"))
    curve = []
    for one in found["history"]:
        left, work = one["update"], 0
        for count, cost in zip(updates, plan["cost"]):
            work += min(left, count) * cost * TOKENS
            left -= min(left, count)
        curve.append([work, one["bits_per_character"]])
    return {
        "bits_per_character": measured.bits_per_character,
        "characters": measured.tokens,
        "seconds": found["seconds"],
        "curve": curve,
    }


def run(
    sizes: Sizes, files: list[str], report: str, output: str, seeds: int
) -> dict:
    """Trains what has not been trained, writing the report after each.

    Returns:
        What the `.json` holds.

    Raises:
        ValueError: the `.json` is of other sizes or another text.
    """
    import char_lm_text

    text = char_lm_text.read(files)
    file = pathlib.Path(output, "text")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.train + text.held_out)
    done = {
        "sizes": json.loads(json.dumps(dataclasses.asdict(sizes))),
        "text": {"name": text.name, "bytes": file.stat().st_size},
        "plans": plans(sizes),
        "runs": {name: {} for name in plans(sizes)},
    }
    path = pathlib.Path(report, f"{NAME}.json")
    if path.is_file():
        old = json.loads(path.read_text("utf-8"))
        for part in ("sizes", "text", "plans"):
            if old[part] != done[part]:
                raise ValueError(
                    f"{path} has trainings of other {part}. Name another "
                    "--report, or take the file away."
                )
        done = old
    for seed in map(str, range(seeds)):
        for name, plan in done["plans"].items():
            if seed in done["runs"][name]:
                continue
            folder = os.path.join(output, f"{name.replace(' ', '-')}-{seed}")
            result = train(sizes, plan, str(file), folder, int(seed))
            done["runs"][name][seed] = result
            write(done, report)
    return done


def write(done: dict, folder: str) -> None:
    """Writes the page, the numbers and the picture, each whole or not."""
    from keras_longformer.training import pictures
    from keras_longformer.unfinished import write_text

    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    write_text(str(path / f"{NAME}.json"), json.dumps(done, indent=1) + "\n")
    pictures.save(
        lambda figure: draw(figure, done),
        "Training in phases, and in one, at equal compute",
        str(path / f"{NAME}.png"),
    )
    write_text(str(path / f"{NAME}.md"), page(done))


def page(done: dict) -> str:
    """Returns the page in Markdown."""
    rows = []
    for name, plan in done["plans"].items():
        runs = done["runs"][name].values()
        bits = [one["bits_per_character"] for one in runs]
        seconds = [one["seconds"] for one in runs]
        rows.append(
            f"| {name} | {' + '.join(map(str, plan['updates']))} | "
            f"{plan['length']} | {' '.join(map(str, plan['windows']))} | "
            f"{plan['peak']:g} | {' '.join(f'{x:.3f}' for x in bits)} | "
            f"{' '.join(f'{x:.0f}' for x in seconds)} |"
        )
    runs = [one for x in done["runs"].values() for one in x.values()]
    sizes = done["sizes"]
    return "\n".join(
        [
            "# Training in phases, and in one",
            "",
            "```bash",
            "python scripts/examples/char_lm_staged.py FILE ...",
            "```",
            "",
            "![Bits per character over multiply-adds](char_lm_staged.png)",
            "",
            "| training | updates | first length | first windows | first rate "
            "| bits / character | seconds |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"{sizes['num_layers']} layers of width {sizes['hidden_dim']}; "
            f"updates of {TOKENS:,} characters; equal multiply-adds, one "
            "number a seed. Each further phase doubles the length and the "
            "windows and halves the rate. The text is "
            f"{done['text']['name']}, {done['text']['bytes']:,} bytes, of "
            f"which {runs[0]['characters']:,} characters of the last 5 % are "
            "measured.",
            "",
        ]
    )


def draw(figure, done: dict) -> None:
    """Draws bits per character over multiply-adds."""
    from keras_longformer.training import pictures

    axes = figure.add_subplot()
    colors = (pictures.BLUE, pictures.RED, pictures.GREY)
    for color, (name, runs) in zip(colors, done["runs"].items()):
        for number, one in enumerate(runs.values()):
            work, bits = zip(*one["curve"][1:])
            axes.plot(
                [x / 1e12 for x in work],
                bits,
                "o-",
                color=color,
                ms=3,
                label=name if number == 0 else None,
            )
    axes.set_xlabel("multiply-adds of the forward pass, 10^12")
    axes.set_ylabel("bits per character")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=NAME,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE")
    for name in ("report", "output"):
        parser.add_argument(
            f"--{name}",
            default=f"saved_models/{NAME}",
            metavar="FOLDER",
            help="(default: %(default)s)",
        )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--updates", metavar="N,N,...")
    for name in ("layers", "width"):
        parser.add_argument(f"--{name}", type=int, metavar="NUMBER")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="everything tiny: to see that it works, not what it says",
    )
    given = parser.parse_args(arguments)
    if given.seeds < 1:
        parser.error("--seeds must be 1 or more")
    if given.updates:
        try:
            given.updates = tuple(map(int, given.updates.split(",")))
        except ValueError:
            parser.error("--updates takes numbers, such as 240,80,40")
    return given


def main(arguments: list[str] | None = None) -> None:
    given = parse_arguments(arguments)
    changes = {
        "num_layers": given.layers,
        "hidden_dim": given.width,
        "updates": given.updates,
    }
    sizes = dataclasses.replace(
        QUICK if given.quick else Sizes(),
        **{name: x for name, x in changes.items() if x},
    )
    try:
        done = run(sizes, given.files, given.report, given.output, given.seeds)
    except (OSError, ValueError) as error:
        sys.exit(f"{NAME}: {error}")
    print(page(done))


if __name__ == "__main__":
    main()
