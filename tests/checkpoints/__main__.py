"""Compares every kind of checkpoint on many strings, and prints a table.

    python -m tests.checkpoints --strings 10000 > docs/checkpoints_measured.md

Takes about a quarter of an hour on two cores. `--kind` takes those whose name
has a part. Ends with status 1 if a kind is not as the table of kinds says.
"""

import argparse
import importlib.util
import os
import pathlib
import sys
import tempfile
import time
import traceback

for _name in ("triton", "torch"):  # Before TensorFlow, or it crashes.
    if importlib.util.find_spec(_name):
        importlib.import_module(_name)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

HEAD = """\
| kind | such as | different ids | hidden states |
|---|---|---|---|"""


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--strings", type=int, default=10_000, metavar="N")
    parser.add_argument("--kind", default="", metavar="PART")
    options = parser.parse_args(arguments)
    import keras_longformer as klf
    from tests.checkpoints import opened
    from tests.checkpoints.kinds import KINDS

    texts = opened.strings(options.strings)
    failed = 0
    print(HEAD, flush=True)
    for kind in KINDS:
        if options.kind not in kind.name:
            continue
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            model = kind.make(folder)
            try:
                if kind.refusal is None:
                    different, of = opened.compare_ids(kind, folder, texts)
                    states = opened.compare_states(folder, model)
                    said = f"{different} of {of:,} | {states:.1e}"
                    failed += different > 0 or states > 2e-5
                else:
                    klf.LongformerTextClassifier.from_preset(
                        name, num_classes=2
                    )
                    said, failed = "**not refused** | ", failed + 1
            except ValueError as error:
                text = str(error).replace(name, "folder").replace("\n", " ")
                said = f"refused: {text} | "
                if kind.refusal is None or kind.refusal not in text:
                    failed += 1
                    traceback.print_exc()
        print(f"| {kind.name} | {kind.like} | {said} |", flush=True)
        seconds = time.perf_counter() - start
        print(f"{kind.name}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
