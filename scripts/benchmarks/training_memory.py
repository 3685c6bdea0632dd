"""Memory of a training step, for each token and layer.

    python scripts/benchmarks/training_memory.py [--width 768] [--dtype ...]

One step of AdamW in a fresh process for each of two lengths and two depths:
what grows with both is the activations, whatever TensorFlow, weights and
buffers take besides.
"""

import argparse
import json
import resource
import subprocess
import sys


def peak(sizes):
    """Returns the peak memory of one step, in bytes, of this process."""
    import keras
    import numpy as np

    import keras_longformer as klf

    keras.mixed_precision.set_dtype_policy(sizes["dtype"])
    n = sizes["tokens"]
    model = klf.LongformerMaskedLM(
        klf.LongformerBackbone(
            vocabulary_size=1000,
            num_layers=sizes["layers"],
            num_heads=sizes["width"] // 64,
            hidden_dim=sizes["width"],
            intermediate_dim=4 * sizes["width"],
            max_sequence_length=n,
            window_size=512,
            max_global_tokens=0,
            pooler=False,
            dropout=sizes["dropout"],
            rematerialize=sizes["rematerialize"],
        )
    )
    model.compile(keras.optimizers.AdamW(1e-4), jit_compile=False)
    ids = np.random.default_rng(0).integers(5, 1000, (1, n))
    x = {
        "token_ids": ids.astype("int32"),
        "padding_mask": np.ones((1, n), bool),
        "mask_positions": np.arange(8, dtype="int32")[None],
    }
    y = ids[:, :8]
    for _ in range(2):
        model.train_on_batch(x, y)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measured(sizes):
    """Returns `peak` of a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", json.dumps(sizes)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--dtype", default="float32")
    given = parser.parse_args()
    if given.one:
        print(peak(json.loads(given.one)))
        return
    lengths, depths = (2048, 4096), (2, 4)
    print("| | bytes for each token and layer |\n|---|---|")
    for dropout in (0.0, 0.1):
        for rematerialize in (False, True):
            sizes = {
                "width": given.width,
                "dtype": given.dtype,
                "dropout": dropout,
                "rematerialize": rematerialize,
            }
            (a, b), (c, d) = (
                [
                    measured({**sizes, "tokens": tokens, "layers": layers})
                    for layers in depths
                ]
                for tokens in lengths
            )
            grown = (d - c) - (b - a)
            each = grown / (lengths[1] - lengths[0]) / (depths[1] - depths[0])
            print(
                f"| dropout {dropout}, rematerialize={rematerialize} | "
                f"{each:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
