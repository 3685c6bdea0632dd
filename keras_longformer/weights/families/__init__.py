"""Families of encoders whose checkpoints can be read: their facts, as data.

family      what a family is, and what follows from it for any of them
roberta     RoBERTa, XLM-RoBERTa and CamemBERT
longformer  RoBERTa with windows and global projections
bert        BERT and ELECTRA: other positions, other heads
config      the keys of `config.json`: honoured, without effect, refused
sizes       what a config says, against the weights
seq2seq     what a family of encoders with decoders is
led         LED and BART, which are such
refused     encoders that no Longformer can be made of, and why
keras_hub   KerasHub's RoBERTa, whose presets are Keras objects
"""

from collections.abc import Mapping
from collections.abc import Sequence

from keras_longformer.weights.families.bert import BERT as BERT
from keras_longformer.weights.families.bert import ELECTRA as ELECTRA
from keras_longformer.weights.families.family import Family as Family
from keras_longformer.weights.families.led import BART as BART
from keras_longformer.weights.families.led import LED as LED
from keras_longformer.weights.families.longformer import (
    LONGFORMER as LONGFORMER,
)
from keras_longformer.weights.families.refused import REFUSED
from keras_longformer.weights.families.roberta import ROBERTA as ROBERTA

FAMILIES = (LONGFORMER, ROBERTA, BERT, ELECTRA)
SEQ2SEQ_FAMILIES = (LED, BART)


def family_of(
    config: Mapping,
    source: str = "config.json",
    families: Sequence[Family] = FAMILIES,
) -> Family:
    """Returns the family of a Hugging Face config.

    Args:
        config: mapping, what `config.json` says.
        source: str, the folder or file, for messages.
        families: those that it may be.

    Raises:
        ValueError: a `model_type` of no family, and why it is none.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        model_type = repr(model_type)
    for family in families:
        if model_type in family.model_types:
            return family
    known = tuple(name for family in families for name in family.model_types)
    why = REFUSED.get(model_type) if families is FAMILIES else None
    why = f", which {why}" if why else ""
    raise ValueError(
        f"'{source}' must be of a model_type in {known}. "
        f"Received: model_type={model_type!r}{why}."
    )
