"""How a character model's windows and dilation matter: Table 4 in small.

Command:
    python scripts/examples/char_lm_ablation.py [FILE ...]
        [--report saved_models/char_lm_ablation] [--seeds 3] [--steps 600]
        [--layers 6] [--width 64] [--windows 8,64] [--length 512]
        [--most-held-out 50000] [--quick]

Trains small character language models that differ in nothing but their
windows: increasing from the bottom layer to the top, all of their mean, or
decreasing; and the increasing ones once more with dilation on two heads of the
upper layers. Each seed gives all of them the same first weights and the same
batches, and so many updates as the others. They are measured in bits per
character on the last 5 % of the text: FILEs one after another, or, where none
is given, 3 MB of the sources of Python's own library.

Writes `char_lm_ablation.md`, `.json` and `.png` into the folder `--report`
after each training. Started again with the same arguments, it goes on: what is
in the `.json` is not trained again.

Time and memory: 12 trainings, in all about half an hour and 1 GiB on one core:
    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

Expected result, from the paper's 150,000 updates on text8: increasing 1.21,
fixed 1.23, decreasing 1.24; with dilation on two heads 1.20. Differences so
small may not show in trainings so short: the page says which came true in each
seed.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NAME = "char_lm_ablation"
INCREASING, FIXED, DECREASING, DILATED = (
    "increasing",
    "fixed",
    "decreasing",
    "increasing, dilated",
)
VARIANTS = (INCREASING, FIXED, DECREASING, DILATED)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes and amounts; lengths are in characters."""

    num_layers: int = 6
    num_heads: int = 4
    hidden_dim: int = 64
    bottom: int = 8  # The smallest window,
    top: int = 64  # and the largest.
    length: int = 512
    batch_size: int = 2
    steps: int = 600
    parts: int = 20  # Of a training; a mean loss is kept of each.
    peak: float = 3e-3  # The highest learning rate.
    most_held_out: int = 50_000


# To see that everything works; its numbers say nothing.
QUICK = Settings(
    num_layers=2,
    hidden_dim=16,
    bottom=4,
    top=8,
    length=32,
    steps=4,
    parts=2,
    most_held_out=200,
)


def layers_of(settings: Settings, variant: str) -> dict:
    """Returns the windows and dilations of a variant, for each layer.

    Raises:
        ValueError: windows whose mean is no even number, so that fixed ones
            of the same mean cannot be.
    """
    from keras_longformer.tasks.char_lm.configurations import growing_windows
    from keras_longformer.tasks.char_lm.configurations import two_dilated_heads

    count = settings.num_layers
    increasing = growing_windows(settings.bottom, settings.top, count)
    mean, rest = divmod(sum(increasing), count)
    if rest or mean % 2:
        raise ValueError(
            "The mean of the increasing windows must be an even number, for "
            f"all variants to have it. Received: {increasing}, their mean "
            f"{sum(increasing) / count:.2f}. Try other --windows or --layers."
        )
    windows = {FIXED: [mean] * count, DECREASING: increasing[::-1]}
    # The paper's: none in the lower half, then gaps of 1, 2 and 3.
    half = count // 2
    gaps = [0] * (count - half) + [1 + 3 * i // half for i in range(half)]
    if variant != DILATED:
        gaps = [0] * count
    return {
        "window_size": windows.get(variant, increasing),
        "dilation": two_dilated_heads(gaps, settings.num_heads),
    }


def train(settings: Settings, text, variant: str, seed: int) -> dict:
    """Trains one model and measures it.

    Args:
        settings: the `Settings`.
        text: a `char_lm_text.Text`.
        variant: one of `VARIANTS`.
        seed: int.

    Returns:
        Dict of what was measured, for the `.json`.
    """
    import keras
    import numpy as np
    import small_models

    import keras_longformer as klf
    from keras_longformer.tasks.char_lm.model import adamw
    from keras_longformer.training.schedules import WarmupPolynomialDecay
    from keras_longformer.training.stream import StreamBatches

    start = time.process_time()
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    backbone = klf.LongformerDecoderBackbone(
        vocabulary_size=256,
        num_layers=settings.num_layers,
        num_heads=settings.num_heads,
        hidden_dim=settings.hidden_dim,
        intermediate_dim=4 * settings.hidden_dim,
        dropout=0.0,  # No byte is seen often enough to be learned by heart.
        **layers_of(settings, variant),
    )
    small_models.widen(backbone)
    model = klf.LongformerCharLM(backbone)
    rate = WarmupPolynomialDecay(
        settings.peak,
        total_steps=settings.steps,
        warmup_steps=settings.steps // 10,
        power=1.0,
    )
    model.compile(optimizer=adamw(rate))
    train_ids, held_out_ids = (
        np.frombuffer(part, np.uint8) for part in (text.train, text.held_out)
    )
    batches = StreamBatches(
        train_ids, settings.length, settings.batch_size, seed=seed
    )
    history = model.fit(
        batches.dataset(),
        epochs=settings.parts,
        steps_per_epoch=settings.steps // settings.parts,
        verbose=0,
    ).history
    measured = model.bits_per_character(
        held_out_ids,
        sequence_length=settings.length,
        stride=settings.length // 2,
        batch_size=4,
    )
    return {
        "bits_per_character": measured.bits_per_character,
        "characters": measured.characters,
        "training_bits": history["bits_per_character"],
        "receptive_field": backbone.receptive_field,
        "weights": int(backbone.count_params()),
        "cpu_seconds": time.process_time() - start,
    }


def run(settings: Settings, files: list[str], report: str, seeds: int) -> dict:
    """Trains what has not been trained, writing the report after each.

    Returns:
        What the `.json` holds.

    Raises:
        ValueError: the `.json` is of other settings or another text.
    """
    # TensorFlow takes seconds to import, and `--help` does not need it.
    import char_lm_ablation_report
    import char_lm_text

    variants = {name: layers_of(settings, name) for name in VARIANTS}
    text = char_lm_text.read(files, settings.most_held_out)
    done = {
        "settings": dataclasses.asdict(settings),
        "text": {
            "name": text.name,
            "train_bytes": len(text.train),
            "held_out_bytes": len(text.held_out),
        },
        "variants": variants,
        "runs": {name: {} for name in VARIANTS},
    }
    path = pathlib.Path(report, f"{NAME}.json")
    if path.is_file():
        old = json.loads(path.read_text("utf-8"))
        for part in ("settings", "text", "variants"):
            if old[part] != done[part]:
                raise ValueError(
                    f"{path} has trainings of other {part}. Name another "
                    "--report, or take the file away.\n"
                    f"  there  {old[part]}\n  now    {done[part]}"
                )
        done = old
    for seed in map(str, range(seeds)):
        for name in VARIANTS:
            if seed in done["runs"][name]:
                continue
            result = train(settings, text, name, int(seed))
            done["runs"][name][seed] = result
            char_lm_ablation_report.write(done, report)
            print(
                f"seed {seed}  {name:19}  "
                f"{result['bits_per_character']:.4f} bits per character, "
                f"{result['cpu_seconds']:.0f} CPU-seconds",
                flush=True,
            )
    return done


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=NAME,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument(
        "--report",
        default=f"saved_models/{NAME}",
        metavar="FOLDER",
        help="(default: %(default)s)",
    )
    parser.add_argument("--seeds", type=int, default=3)
    for name in ("steps", "layers", "width", "length", "most-held-out"):
        parser.add_argument(f"--{name}", type=int, metavar="NUMBER")
    parser.add_argument("--windows", metavar="SMALLEST,LARGEST")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="everything tiny: to see that it works, not what it says",
    )
    given = parser.parse_args(arguments)
    if given.seeds < 1:
        parser.error("--seeds must be 1 or more")
    return given


def settings_of(given: argparse.Namespace) -> Settings:
    """Returns what the arguments say, checked.

    Raises:
        ValueError: windows that are no two numbers, or too few steps.
    """
    changes = {
        "num_layers": given.layers,
        "hidden_dim": given.width,
        "length": given.length,
        "steps": given.steps,
        "most_held_out": given.most_held_out,
    }
    if given.windows:
        try:
            changes["bottom"], changes["top"] = map(
                int, given.windows.split(",")
            )
        except ValueError:
            raise ValueError(
                "--windows takes the smallest and the largest, such as 8,64. "
                f"Received: {given.windows}"
            ) from None
    settings = dataclasses.replace(
        QUICK if given.quick else Settings(),
        **{name: x for name, x in changes.items() if x is not None},
    )
    if settings.steps < 1 or settings.steps % settings.parts:
        raise ValueError(
            f"--steps must be a multiple of {settings.parts}, the parts of "
            f"which the loss is kept. Received: {settings.steps}"
        )
    return settings


def main(arguments: list[str] | None = None) -> None:
    given = parse_arguments(arguments)
    try:
        done = run(settings_of(given), given.files, given.report, given.seeds)
    except (OSError, ValueError) as error:
        sys.exit(f"{NAME}: {error}")
    import char_lm_ablation_report

    print(f"\n{char_lm_ablation_report.table(done)}\n")
    for true, claim in char_lm_ablation_report.expectations(done):
        print(f"{'    as expected' if true else 'NOT AS EXPECTED'}  {claim}")


if __name__ == "__main__":
    main()
