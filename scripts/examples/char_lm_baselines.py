"""What compressors make of the text of the character models here.

Command:
    python scripts/examples/char_lm_baselines.py [FILE ...] [--order 5]
        [--most-held-out 50000] [--report FOLDER]

Bits per character of held-out text, the same as
`scripts/examples/char_lm_ablation.py` measures: the last 5 % of FILEs one after
another, or of 3 MB of the sources of Python's own library; of a longer end the
first `--most-held-out` bytes (0: all). The text to train on is known to the
compressors too:

    xz, held-out alone    `xz -9e` of the held-out text
    xz                    of both texts, less that of the text to train on
    PPM, method C and D   prediction by partial matching of order 5, trained on
                          the one text; it goes on learning on the other

A character model does not learn while it is measured. With `--report` writes
`char_lm_baselines.md` and `.json` there.

Time and memory: half a minute and 200 MiB for 3 MB, one core.

Expected result: PPM needs clearly less than xz, which needs clearly less with
the first text than without.
"""

import argparse
import json
import lzma
import os
import pathlib
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import prediction_by_matching

NAME = "char_lm_baselines"


def xz(text: bytes) -> int:
    """Returns the bytes that `xz -9e` makes of a text."""
    return len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))


def measure(text, order: int) -> dict:
    """Measures all compressors.

    Args:
        text: a `char_lm_text.Text`.
        order: int, of PPM.

    Returns:
        Bits per character and CPU-seconds, by the compressor's name.
    """
    train, held_out = text.train, text.held_out
    results = {}

    def add(start, bits):
        seconds = time.process_time() - start
        for name, count in bits.items():
            results[name] = {
                "bits_per_character": count / len(held_out),
                "cpu_seconds": seconds,
            }

    start = time.process_time()
    add(start, {"xz -9e, held-out alone": 8 * xz(held_out)})
    start = time.process_time()
    add(start, {"xz -9e": 8 * (xz(train + held_out) - xz(train))})
    start = time.process_time()
    model = prediction_by_matching.PartialMatching(order)
    model.train(train)
    costs = model.bits(held_out).items()
    add(start, {f"PPM-{m}, order {order}": cost for m, cost in costs})
    return results


def table(results: dict) -> str:
    """Returns the table in Markdown."""
    lines = ["| compressor | bits / character |", "| --- | --- |"]
    for name, result in results.items():
        lines.append(f"| {name} | {result['bits_per_character']:.3f} |")
    return "\n".join(lines)


def page(content: dict) -> str:
    """Returns the report in Markdown."""
    text, order = content["text"], content["order"]
    return f"""# Compressors on the text of the character models

```bash
python scripts/examples/char_lm_baselines.py FILE ...
```

{table(content["results"])}

The text is {text["name"]}: {text["train_bytes"]:,} bytes, which compressors know
too, and {text["held_out_bytes"]:,} of the last 5 %, which are measured. xz is `xz -9e`
of both texts less that of the first. PPM has contexts of up to {order} bytes,
exclusion, escapes by method C or D, and goes on learning on the held-out text, as a
character model does not.
"""  # noqa: E501


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=NAME,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument(
        "--most-held-out", type=int, default=50_000, metavar="BYTES"
    )
    parser.add_argument("--report", metavar="FOLDER", type=pathlib.Path)
    given = parser.parse_args(arguments)
    if given.order < 0 or given.most_held_out < 0:
        parser.error("--order and --most-held-out must not be negative")
    return given


def main(arguments: list[str] | None = None) -> None:
    given = parse_arguments(arguments)
    # TensorFlow, behind it, takes seconds to import, and `--help` needs none.
    import char_lm_text

    try:
        text = char_lm_text.read(given.files, given.most_held_out or None)
    except (OSError, ValueError) as error:
        sys.exit(f"{NAME}: {error}")
    results = measure(text, given.order)
    print(
        f"{text.name}: {len(text.train):,} bytes, and {len(text.held_out):,} "
        f"held out\n\n{table(results)}"
    )
    if given.report is None:
        return
    content = {
        "text": {
            "name": text.name,
            "train_bytes": len(text.train),
            "held_out_bytes": len(text.held_out),
        },
        "order": given.order,
        "results": results,
    }
    given.report.mkdir(parents=True, exist_ok=True)
    written = json.dumps(content, indent=1) + "\n"
    (given.report / f"{NAME}.json").write_text(written, "utf-8")
    (given.report / f"{NAME}.md").write_text(page(content), "utf-8")


if __name__ == "__main__":
    main()
