"""Families of encoders whose checkpoints can be read: their facts, as data.

family      what a family is, and what follows from it for any of them
roberta     RoBERTa, XLM-RoBERTa and CamemBERT
longformer  RoBERTa with windows and global projections
keras_hub   KerasHub's RoBERTa, whose presets are Keras objects
"""

from collections.abc import Mapping

from keras_longformer.weights.families.family import Family as Family
from keras_longformer.weights.families.longformer import (
    LONGFORMER as LONGFORMER,
)
from keras_longformer.weights.families.roberta import ROBERTA as ROBERTA

FAMILIES = (LONGFORMER, ROBERTA)


def family_of(config: Mapping, source: str = "config.json") -> Family:
    """Returns the family of a Hugging Face config.

    Args:
        config: mapping, what `config.json` says.
        source: str, the folder or file, for messages.

    Raises:
        ValueError: a `model_type` of no family.
    """
    model_type = config.get("model_type")
    for family in FAMILIES:
        if model_type in family.model_types:
            return family
    known = tuple(name for family in FAMILIES for name in family.model_types)
    raise ValueError(
        f"'{source}' must be of a model_type in {known}. "
        f"Received: model_type={model_type!r}."
    )
