"""The encoder, and the presets that it opens."""

from keras_longformer.models.backbone import (
    LongformerBackbone as LongformerBackbone,
)
from keras_longformer.tokenizers import GraphTokenizer

# KerasHub finds the tokenizer of a preset by its backbone's class. The preset
# says of which kind it is.
GraphTokenizer.backbone_cls = LongformerBackbone
