"""Checks that a converted checkpoint computes what its source computes."""

from collections.abc import Sequence

import numpy as np

from keras_longformer import weights
from keras_longformer.finetune.original import logits_of
from keras_longformer.finetune.original import open_encoder
from keras_longformer.finetune.original import per_layer
from keras_longformer.finetune.original import reference_of
from keras_longformer.finetune.original import states_of
from keras_longformer.finetune.original import window_option

# float32. Measured with the sizes of base and random weights three times as
# large as RoBERTa's: up to 9e-6, 1e-4 (a Longformer's own global projections)
# and 2e-5. What is wrong shows by far more.
TOLERANCES = {"hidden_states": 1e-4, "global_token": 1e-3, "logits": 1e-3}
MOST_COLUMNS = 32  # Tokens of a row whose logits are compared.


def check_verifiable(
    to: str, positions: str, quirks: Sequence[str] = ()
) -> None:
    """Raises `ValueError` for a conversion that changes numbers by intention.

    Args:
        to: str, the form that is written.
        positions: str, how new positions are made.
        quirks: of the form that is written.
    """
    if positions != "copy":
        raise ValueError(
            f"positions={positions!r} gives the model positions that its "
            "source never had, so its numbers are not the source's and cannot "
            "be verified. Verify with positions='copy', which is the same "
            "conversion but for them."
        )
    if to == "model_garden" and quirks:
        raise ValueError(
            f"quirks={tuple(quirks)} accepts that Model Garden computes other "
            "numbers, so they cannot be verified to be the source's. Leave "
            "out either; `largest_difference` says how far they are."
        )


def verify_conversion(
    before: str | weights.ModelGardenCheckpoint,
    after: str,
    *,
    window_size: int | list[int] | None = None,
) -> dict:
    """Compares a converted checkpoint with its source, as both are on disk.

    At lengths from 1 token to the longest at which both do the same: of a
    RoBERTa, which sees everything, half a window and the token itself; of a
    Longformer with the same windows, all that it reads. Rows hold random
    tokens, the second one is padded after its half. Compared are

    - hidden states, no token global,
    - hidden states, the first token global, where the converted model can
      have one: of a RoBERTa this shows that the global projections are copies,
    - a masked LM's logits, where the checkpoint has its head.

    The source is computed by transformers' PyTorch model in a process of its
    own, where that is installed and the checkpoint is Hugging Face's; by
    KerasHub's model where it is KerasHub's; otherwise by this package from the
    files as they were before lengthening: every token sees every other, dense.

    Args:
        before: str, or a checkpoint of Model Garden's.
        after: str, the folder that `convert` wrote.
        window_size: int or list of int, of checkpoints that do not say any.

    Returns:
        Dict of `against` (str, who computed the source), `covers` (str, why
        these lengths), `tolerances` (dict), `lengths`, a list of dicts of
        `tokens`, `hidden_states`, `global_token` and `logits`, the largest
        differences or `None`, and `equal`, whether all are within tolerance.

    Raises:
        ValueError: a checkpoint that cannot be read.
        RuntimeError: transformers cannot compute it.
    """
    new = open_encoder(after, **window_option(after, window_size))
    can_be_global = new.max_global_tokens != 0
    reference = reference_of(before, window_size)
    longest, covers = _longest(reference, new)
    lengths = _lengths(longest)
    rows = [_row(n, new.vocabulary_size, new.pad_token_id) for n in lengths]
    got = states_of(new, rows, can_be_global)
    new = None  # One at a time in memory.
    logits = logits_of(after, rows, **window_option(after, window_size))
    want = reference.compute(rows, bool(logits))
    got |= logits
    found = []
    for i, (n, row) in enumerate(zip(lengths, rows, strict=True)):
        one = {"tokens": n}
        for name in TOLERANCES:
            expected = _expected(want, name, i, not reference.window_sizes)
            one[name] = _difference(name, got.get(f"{name}/{i}"), expected, row)
        found.append(one)
    equal = all(
        one[name] is None or one[name] <= most  # Not so for NaN.
        for one in found
        for name, most in TOLERANCES.items()
    )
    return {
        "against": reference.said,
        "covers": covers,
        "tolerances": dict(TOLERANCES),
        "lengths": found,
        "equal": equal,
    }


def table(verified: dict) -> str:
    """Returns what `verify_conversion` found, for people."""
    titles = ["tokens", "hidden states", "with a global token", "logits"]
    names = ["tokens", *TOLERANCES]
    rows = [titles] + [
        [_said(one[name]) for name in names] for one in verified["lengths"]
    ]
    allowed = verified["tolerances"].values()
    rows.append(["allowed", *(f"{most:.0e}" for most in allowed)])
    widths = [len(title) for title in titles]
    lines = [
        "  ".join(x.rjust(width) for x, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(
        [
            f"Largest differences to the source, as {verified['against']} "
            "computes it:",
            *lines,
            verified["covers"],
        ]
    )


def _said(value):
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.1e}"


# What is compared


def _lengths(longest):
    """1, 4, 16, ..., and the longest."""
    lengths = [1]
    while 4 * lengths[-1] < longest:
        lengths.append(4 * lengths[-1])
    return sorted({*lengths, longest})


def _row(n, vocabulary_size, pad_token_id):
    """Two rows of random tokens, the second padded; of one token, one."""
    ids = np.random.default_rng(n).integers(0, vocabulary_size, (2, n))
    ids[ids == pad_token_id] = (pad_token_id + 1) % vocabulary_size
    is_real = np.ones((2, n), bool)
    is_real[1, (n + 1) // 2 :] = False
    ids[~is_real] = pad_token_id
    count = 1 if n == 1 else 2
    columns = np.linspace(0, n - 1, min(n, MOST_COLUMNS)).astype("int32")
    return {
        "token_ids": ids[:count].astype("int32"),
        "padding_mask": is_real[:count],
        "columns": columns,
    }


def _expected(want, name, i, sees_all):
    """The source's numbers, or `None`: a RoBERTa knows no global token, and
    computes with one what it computes without."""
    if name == "global_token" and sees_all:
        name = "hidden_states"
    return want.get(f"{name}/{i}")


def _difference(name, got, expected, row):
    """The largest at a real token, or `None` where one has no such output."""
    if got is None or expected is None:
        return None
    is_real = row["padding_mask"]
    if name == "logits":
        is_real = is_real[:, row["columns"]]
    return float(np.abs(got - expected)[is_real].max())


def _longest(reference, new):
    """The most tokens at which both do the same, and why."""
    both = {reference.max_sequence_length, new.max_sequence_length}
    windows = per_layer(new.window_size, new.num_layers)
    if reference.window_sizes == windows:
        return min(both), (
            "The windows are the source's, so these are all lengths that both "
            "read."
        )
    smallest = min(windows + reference.window_sizes)
    covered = smallest // 2 + 1
    return min(*both, covered), (
        f"A window of {smallest} tokens covers rows of up to {covered}, and "
        f"the source reads {reference.max_sequence_length}: longer rows are "
        "others by intention."
    )
