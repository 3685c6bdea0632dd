"""Compares the kernels with the definition in float64, case by case.

A kernel may be off by twice what a plain implementation in the same precision
is, plus one unit in the last place of the case's largest result (where the
plain one happens to be exact, as for one token).
"""

import definition
import numpy as np

from keras_longformer.native import cases

DTYPES = ("bfloat16", "float16", "float32")


def all_cases():
    """Dict by name: sizes as models have them, and the shared table."""
    large = (
        cases.Case(
            "model", n=2051, window_size=512, h=2, d=64, g=1,
            global_count=(1, 1), key_mask="right",
        ),
        cases.Case(
            "model-causal", n=1027, window_size=256, h=2, d=64, g=20,
            global_count=(20, 3), causal=True, key_mask="some",
        ),
        cases.Case(
            "model-dilation", n=1539, window_size=128, h=2, d=64, g=70,
            global_count=(70, 65), dilation=(1, 3), key_mask="some",
        ),
        cases.Case("head-32", n=515, window_size=128, d=32, g=2),
        cases.Case("head-128", n=515, window_size=128, d=128, g=2),
        cases.Case("head-80", n=515, window_size=128, d=80, g=2),
        cases.Case("head-256", n=259, window_size=64, d=256, g=2),
    )  # fmt: skip
    supported = [
        case for case in cases.CASES if not case.segments and not case.positions
    ]
    return {case.name: case for case in (*large, *supported)}


def plan(names=None, largest_n=None, dtypes=DTYPES):
    """List of (case's name, dtype).

    Cases in float32 run in every dtype, others in their own. float64 is not
    offered by the kernels.
    """
    planned = []
    for name, case in all_cases().items():
        if names and name not in names:
            continue
        if case.dtype == "float64" or (largest_n and case.n > largest_n):
            continue
        own = dtypes if case.dtype == "float32" else (case.dtype,)
        planned += [(name, dtype) for dtype in own]
    unknown = set(names or ()) - set(all_cases())
    if unknown:
        raise ValueError(f"There are no cases {', '.join(sorted(unknown))}.")
    return planned


def compare(name, dtype, run_case):
    """Runs a case, and says how far it is off.

    Args:
        name: str, the case's.
        dtype: str.
        run_case: function of the case, its inputs, the output's gradient
            (float64 arrays that the dtype holds exactly, and bool ones) and
            the dtype; returns a dict of arrays, "output" and gradients by
            input.

    Returns:
        Dict: "worst", the largest error as a share of what is allowed, which
        must not exceed 1; "of", in which array; "error", there; "plain", that
        of the plain implementation.
    """
    case = all_cases()[name]
    rounded = definition.ARITHMETIC[dtype].rounded
    inputs = {
        key: rounded(x).astype("float64") if key in definition.FLOATS else x
        for key, x in case.inputs(seed=0).items()
        if isinstance(x, np.ndarray)
    }
    shape = inputs["query"].shape
    upstream = np.random.default_rng(1).standard_normal(shape)
    upstream = rounded(upstream).astype("float64")
    got = run_case(case, inputs, upstream, dtype)
    want = definition.attention(case, inputs, upstream, "float64")
    plain = definition.attention(case, inputs, upstream, dtype)
    size = max(abs(x).max(initial=0) for x in want.values())
    unit = definition.EPSILON[dtype] * size
    worst = {"worst": 0.0, "of": "output", "error": 0.0, "plain": 0.0}
    for key, values in want.items():
        if not values.size:
            continue
        if got[key].shape != values.shape:
            raise ValueError(f"{key} is {got[key].shape}, not {values.shape}.")
        # NaN is as wrong as can be.
        error = float(np.nan_to_num(abs(got[key] - values), nan=np.inf).max())
        own = float(abs(plain[key] - values).max())
        share = float(error / (2 * own + unit)) if error else 0.0
        if share > worst["worst"]:
            worst = {"worst": share, "of": key, "error": error, "plain": own}
    return worst
