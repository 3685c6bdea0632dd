"""Reads the golden files, and calls our models as they were called."""

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent
# Of hidden states and logits of order 1 to 10, through two layers, in float32.
TOLERANCE = 2e-5


def read(family, case):
    """Returns a case's inputs and the arrays that are expected of it."""
    with np.load(GOLDEN / f"{family}.npz") as file:
        arrays = {
            name.removeprefix(f"{case}/"): file[name]
            for name in file.files
            if name.startswith(f"{case}/")
        }
    token_ids = arrays.pop("token_ids")
    padding_mask = arrays.pop("padding_mask", np.ones(token_ids.shape, bool))
    inputs = {
        "token_ids": token_ids,
        "padding_mask": padding_mask,
        "global_mask": arrays.pop("global_mask"),
    }
    return inputs, arrays


def call(model, inputs, **more):
    """Calls a model on what it asks for; the token types are all 0."""
    inputs = inputs | more
    inputs["token_type_ids"] = np.zeros_like(inputs["token_ids"])
    return model({name: inputs[name] for name in model.input})


def masked_lm_logits(model, inputs):
    """Returns the logits of all positions."""
    b, n = inputs["token_ids"].shape
    return call(model, inputs, mask_positions=np.tile(np.arange(n), (b, 1)))


def first_is_global(inputs):
    """What transformers' classifier chooses where it is not told."""
    global_mask = np.zeros_like(inputs["global_mask"])
    global_mask[:, 0] = True
    return inputs | {"global_mask": global_mask}


def assert_near(got, want, mask=...):
    got = np.asarray(got)
    assert got.shape == want.shape
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got[mask], want[mask], rtol=0, atol=TOLERANCE)
