"""What `from_preset` of the backbone and of the tasks have in common."""

import inspect
import logging

from keras_longformer import weights

LOGGER = logging.getLogger("keras_longformer")

# What a checkpoint may hold and a model of ours may not have.
_HEADS = (
    "lm_head/*",
    "pooled_dense/*",
    "logits/*",
    "qa_outputs/*",
    "classifier/*",
    "pooler/*",
)


def open_foreign(
    preset,
    load_weights=True,
    *,
    max_sequence_length=None,
    window_size=None,
    positions="copy",
):
    """Opens a preset of Hugging Face's, or a RoBERTa of KerasHub's.

    Returns:
        A `weights.Preset` whose `config` is the backbone's keywords, or `None`
        where KerasHub's own loader opens the preset.
    """
    return weights.load_preset(
        preset,
        max_sequence_length=max_sequence_length,
        window_size=window_size,
        positions=positions,
        load_weights=load_weights,
    )


def assign(model, preset, fresh=("pooler/*",)):
    """Assigns a preset's arrays, and says which weights it does not have.

    Args:
        model: the backbone or task.
        preset: the `weights.Preset`.
        fresh: patterns of weights that a preset need not have.

    Raises:
        ValueError: all weights and arrays that do not fit.
    """
    assigned = weights.assign(
        model,
        preset.arrays,
        source=preset.source,
        may_be_fresh=fresh,
        may_be_unused=_HEADS,
    )
    if assigned.fresh:
        LOGGER.warning(
            "'%s' has no weights for %s of %s: they start from random "
            "numbers, so train the model before you use it.",
            preset.source,
            ", ".join(assigned.fresh),
            type(model).__name__,
        )


def lengthen(backbone, max_sequence_length, positions="copy"):
    """Gives a backbone another number of positions.

    Args:
        backbone: a `LongformerBackbone`.
        max_sequence_length: int, or `None` for no change.
        positions: `"copy"`, `"sinusoidal"` or `"random"`.

    Returns:
        The backbone itself, or a new one with its weights.
    """
    if max_sequence_length in (None, backbone.max_sequence_length):
        return backbone
    arrays = {v.path: v.numpy() for v in backbone.weights}
    arrays = weights.make_long(
        arrays,
        max_sequence_length=max_sequence_length,
        positions=positions,
        position_offset=backbone.pad_token_id + 1,
    )
    config = backbone.get_config()
    config["max_sequence_length"] = max_sequence_length
    longer = type(backbone).from_config(config)
    weights.assign(longer, arrays, source=backbone.name)
    return longer


def split_keywords(backbone_cls, keywords):
    """Takes the backbone's keywords out of a task's.

    Returns:
        Two dicts: the backbone's, those of `from_preset` included, and the
        rest.
    """
    own = {"max_sequence_length", "window_size", "positions"}
    for name, parameter in inspect.signature(
        backbone_cls.__init__
    ).parameters.items():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            own.add(name)
    return (
        {name: value for name, value in keywords.items() if name in own},
        {name: value for name, value in keywords.items() if name not in own},
    )
