"""Makes a RoBERTa 8 times longer: the paper's Table 5, in small.

Command:
    python scripts/examples/lengthening.py [--text FOLDER]
        [--output saved_models/lengthening] [--report FOLDER] [--seeds 3]
        [--updates 2400] [--long-updates 20,80] [--layers 3] [--width 128]
        [--one-short-model] [--quick]

For each seed: trains a small RoBERTa on rows of 128 tokens of real text; makes
it read 1,024 with a window of 128, with random, sinusoidal and copied
positions; trains the copied one for some and for more updates at the new
length; and trains nothing but its positions. Training is
`keras_longformer.pretrain.run`, as `keras-longformer pretrain` does it. All are
measured on the same held-out text and the same masked tokens, in bits.

The text is the sources of Python's own library, of each package some files
held out; or, with `--text`, all `.txt` below a folder, of each file its last
tenth held out. Prose, such as ../shared/data/charlm, takes a small model many
more updates before it predicts more than the commonest words.

Writes `table5.md`, `.json` and `.png` into `--report`, by default the output
folder, after every seed. Started again with the same arguments, it goes on
where it stopped.

Time and memory, on a busy machine: 24 minutes of CPU time for a short model and
five more for each seed, 2 GiB.

Expected result, from the paper: random positions far worse than copied, copied
ones nearly as good as the short model, updates better than it, and positions
alone in between.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes and amounts; lengths are in tokens."""

    vocabulary_size: int = 2048
    num_layers: int = 3
    num_heads: int = 4
    hidden_dim: int = 128
    short_length: int = 128
    length_factor: int = 8
    # More masked tokens than RoBERTa's 15 % teach a small model faster; longer
    # rows, and what is measured, have 15 %.
    short_selection_rate: float = 0.3
    short_updates: int = 2400
    short_batch_size: int = 16
    short_peak: float = 2e-3  # The highest learning rate.
    long_updates: tuple[int, ...] = (20, 80)
    long_batch_size: int = 8
    long_peak: float = 5e-4
    positions_peak: float = 5e-3
    evaluation_rows: int = 48
    piece: int = 20_000  # Characters of a document that a file is cut into.

    @property
    def long_length(self) -> int:
        """What the long model reads."""
        return self.short_length * self.length_factor

    @property
    def window_size(self) -> int:
        """As the paper has it, a window as wide as the short model's text."""
        return self.short_length


# To see that everything works; its numbers say nothing.
QUICK = Settings(
    vocabulary_size=400,
    num_layers=1,
    num_heads=2,
    hidden_dim=16,
    short_length=16,
    short_updates=4,
    long_updates=(1, 2),
    evaluation_rows=2,
    piece=2_000,
)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="lengthening",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--text",
        metavar="FOLDER",
        default="library",
        help="of .txt files (default: Python's library)",
    )
    parser.add_argument(
        "--output",
        default="saved_models/lengthening",
        metavar="FOLDER",
        help="for models and what is measured (default: %(default)s)",
    )
    parser.add_argument("--report", metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--one-short-model",
        action="store_true",
        help="all seeds make the first seed's short model longer, which takes "
        "most of the time to train; what differs is what comes after",
    )
    parser.add_argument("--updates", type=int, metavar="NUMBER")
    parser.add_argument("--long-updates", type=numbers, metavar="FEW,MANY")
    parser.add_argument("--layers", type=int, metavar="NUMBER")
    parser.add_argument("--width", type=int, metavar="NUMBER")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="everything tiny: to see that it works, not what it can do",
    )
    given = parser.parse_args(arguments)
    if given.seeds < 1:
        parser.error("--seeds must be 1 or more")
    return given


def settings_of(given: argparse.Namespace) -> Settings:
    changes = {
        "short_updates": given.updates,
        "long_updates": given.long_updates,
        "num_layers": given.layers,
        "hidden_dim": given.width,
    }
    return dataclasses.replace(
        QUICK if given.quick else Settings(),
        **{name: x for name, x in changes.items() if x is not None},
    )


def run(
    settings: Settings,
    text: str,
    output: str,
    report: str,
    seeds: int,
    one_short_model: bool = False,
):
    """Does all seeds that are not done, writing the report after each.

    Returns:
        `lengthening_report.Results`.
    """
    # TensorFlow takes seconds to import, and `--help` does not need it.
    import lengthening_report
    import lengthening_steps

    os.makedirs(report, exist_ok=True)
    made = lengthening_steps.prepare(settings, text, output)
    key = json.dumps([dataclasses.asdict(settings), made.facts], indent=1)
    path = pathlib.Path(output, "settings.json")
    if not path.is_file() or path.read_text() != key:
        for folder in pathlib.Path(output).glob("seed-*"):
            shutil.rmtree(folder)
        lengthening_steps.write(path, key)
    done = []
    for seed in range(seeds):
        print(f"\nSeed {seed}", flush=True)
        folder = os.path.join(output, f"seed-{seed}")
        short = 0 if one_short_model else seed
        done.append(
            lengthening_steps.one_seed(
                settings,
                made,
                folder,
                seed,
                (os.path.join(output, f"seed-{short}"), short),
            )
        )
        results = lengthening_report.Results(settings, made.facts, done)
        lengthening_report.write(results, report)
    return results


def main(arguments: list[str] | None = None) -> None:
    given = parse_arguments(arguments)
    try:
        results = run(
            settings_of(given),
            given.text,
            given.output,
            given.report or given.output,
            given.seeds,
            given.one_short_model,
        )
    except (OSError, ValueError) as error:
        sys.exit(f"lengthening: {error}")
    import lengthening_report

    print(f"\n{lengthening_report.table(results)}\n")
    for true, claim in lengthening_report.expectations(results):
        print(f"{'    as expected' if true else 'NOT AS EXPECTED'}  {claim}")


if __name__ == "__main__":
    main()
