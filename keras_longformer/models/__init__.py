"""The encoder, and the presets that it opens."""

from keras_longformer.models.backbone import (
    LongformerBackbone as LongformerBackbone,
)
from keras_longformer.tokenizers import LongformerTokenizer

# KerasHub finds the tokenizer of a preset by its backbone's class.
LongformerTokenizer.backbone_cls = LongformerBackbone
