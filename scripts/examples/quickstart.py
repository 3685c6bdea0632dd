"""Makes a RoBERTa long, fine-tunes it on long documents and exports it.

Command:
    bash scripts/quickstart.sh [--venv FOLDER] [arguments below]
or, where the package is installed with its extra `quickstart`,
    python scripts/examples/quickstart.py
        [--checkpoint FOLDER_OR_HANDLE] [--output saved_models/quickstart]
        [--seed 0] [--minutes 1.5] [--quick]

Without a checkpoint it trains a small RoBERTa first, on the sources of
Python's own library, which every machine has. Then, with it or the checkpoint:
makes it 8 times longer, and measures masked language modelling with random,
sinusoidal and copied positions and after some updates, as the paper's Table 5;
fine-tunes a classifier on long documents whose class shows only deep inside,
against the same model truncated to its old length; exports it, and asks it in
a process that has TensorFlow only; writes `report.md` and `report.png`.

Time and memory: about 7 minutes and 3 GiB on 2 cores. With a checkpoint,
each training is cut to the updates that fit into 1.5 minutes, or `--minutes`:
on a CPU that is far too few for a roberta-base.

Expected result: copied positions nearly as good as the short model, random
ones far worse, updates better still; the long classifier far above the
truncated one, which is no better than guessing.

Running it again replaces the report and adds a version of the SavedModel.
"""

import argparse
import dataclasses
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EXPECTED = "about 7 minutes on 2 cores, and 3 GiB of memory"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes and amounts; lengths are in tokens."""

    seed: int = 0
    # The short model, and its training. More masked tokens than RoBERTa's 15 %
    # teach a small model faster; evaluation has 15 %.
    vocabulary_size: int = 2048
    num_layers: int = 3
    num_heads: int = 4
    hidden_dim: int = 128
    short_length: int = 128
    short_updates: int = 2400
    short_batch_size: int = 16
    short_peak: float = 2e-3  # The highest learning rate.
    short_selection_rate: float = 0.3
    # The long one, updates of it, and rows that are evaluated.
    length_factor: int = 8
    long_updates: int = 80
    long_batch_size: int = 8
    long_peak: float = 5e-4
    evaluation_rows: int = 48
    rematerialize: bool = False  # Less memory for more time.
    # The classifier: packages to tell apart, documents of all together.
    classes: tuple[str, ...] = ("asyncio", "email", "multiprocessing", "xml")
    train_documents: int = 1600
    test_documents: int = 240
    classifier_batch_size: int = 16
    classifier_peak: float = 1e-3
    # For each training; as many updates are made as fit. `None`: all.
    seconds_of_training: float | None = None

    @property
    def long_length(self) -> int:
        """What the long model reads."""
        return self.short_length * self.length_factor

    @property
    def window_size(self) -> int:
        """As the paper has it, a window as wide as the short model's text."""
        return self.short_length + self.short_length % 2

    def for_checkpoint(self, short_length: int) -> "Settings":
        """Returns the settings for a checkpoint that reads `short_length`.

        One row at a time, the paper's rates, and as many updates as fit into
        the time: roberta-base takes many seconds for each on a CPU.
        """
        return dataclasses.replace(
            self,
            short_length=short_length,
            long_batch_size=1,
            long_peak=3e-5,
            evaluation_rows=min(self.evaluation_rows, 4),
            test_documents=min(self.test_documents, 16),
            classifier_batch_size=1,
            classifier_peak=3e-5,
            rematerialize=True,
            seconds_of_training=self.seconds_of_training or 90,
        )


# Under a minute, to see that everything works; its numbers say nothing.
QUICK = Settings(
    vocabulary_size=400,
    num_layers=1,
    num_heads=2,
    hidden_dim=32,
    short_length=32,
    short_updates=20,
    long_updates=3,
    evaluation_rows=4,
    train_documents=32,
    test_documents=16,
)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="quickstart",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FOLDER_OR_HANDLE",
        help="a RoBERTa: a Hugging Face folder, an hf:// handle (needs "
        "huggingface-hub) or a KerasHub preset; by default a small one is "
        "trained first",
    )
    parser.add_argument(
        "--output",
        default="saved_models/quickstart",
        metavar="FOLDER",
        help="where all is written (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes",
        type=float,
        help="at most so many for each training (default: 1.5 with a "
        "checkpoint, otherwise no limit)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="everything tiny, in under a minute: to see that it works, not "
        "what it can do",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    # TensorFlow takes seconds to import, and `--help` does not need it.
    import quickstart_report as report
    import quickstart_steps as steps

    if options.checkpoint is None and not options.quick:
        print(f"Takes {EXPECTED}.")
    settings = dataclasses.replace(
        QUICK if options.quick else Settings(),
        seed=options.seed,
        seconds_of_training=options.minutes and 60 * options.minutes,
    )
    tokenizer = None
    if options.checkpoint is not None:
        try:
            tokenizer, length = steps.check_checkpoint(options.checkpoint)
        except (ImportError, OSError, ValueError) as error:
            sys.exit(f"quickstart: --checkpoint cannot be used.\n{error}")
        settings = settings.for_checkpoint(length)
    results = steps.run(settings, options.output, options.checkpoint, tokenizer)
    print(f"\n{report.masked_lm_table(results)}")
    print(f"\n{report.classifier_table(results)}\n")
    for true, claim in report.expectations(results):
        print(f"{'    as expected' if true else 'NOT AS EXPECTED'}  {claim}")
    print(f"\nTo serve it:\n\n{results.commands}\n")
    print(f"The report: {os.path.join(options.output, 'report.md')}")


if __name__ == "__main__":
    main()
