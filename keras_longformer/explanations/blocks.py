"""The layers of a model that read its texts."""

import keras


def backbone_of(model: keras.Model) -> keras.Model:
    """Returns a task's backbone, or the backbone that it is.

    Raises:
        TypeError: a model of another kind.
    """
    backbone = getattr(model, "backbone", model)
    names = ("encoder_layers", "transformer_layers")
    blocks = [getattr(backbone, name, None) for name in names]
    blocks = [block for several in blocks for block in several or ()]
    if not blocks or not hasattr(blocks[0], "attention_scores"):
        raise TypeError(
            "Give a task or a backbone of keras_longformer's. Received: "
            f"'{getattr(model, 'name', model)}' ({type(model).__name__})."
        )
    return backbone


def blocks_of(backbone: keras.Model) -> list:
    """Returns the layers that read the text, in their order."""
    if hasattr(backbone, "encoder_layers"):
        return backbone.encoder_layers
    return backbone.transformer_layers


def takes_globals(backbone: keras.Model) -> bool:
    """Whether tokens can be global: not in models with relative positions,
    nor in those that have room for none."""
    return any(
        not block.relative_positions and block.max_global_tokens != 0
        for block in blocks_of(backbone)
    )
