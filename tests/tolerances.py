"""One table of tolerances, by dtype."""

import numpy as np

# Absolute and relative, against the definition in float64. bfloat16 keeps 8
# significant bits and float16 11; scores are rounded before the softmax.
TOLERANCES = {
    "float64": 1e-12,
    "float32": 5e-6,
    "bfloat16": 4e-2,
    "float16": 4e-3,
}


def assert_close(got, want, dtype="float32", factor=1):
    """Compares within the dtype's tolerance; `factor=2` for gradients."""
    got = np.asarray(got).astype("float64")
    want = np.asarray(want).astype("float64")
    assert got.shape == want.shape
    tolerance = factor * TOLERANCES[dtype]
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
