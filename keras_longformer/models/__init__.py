"""The encoder, the decoder, and the presets that they open."""

from keras_longformer.models.backbone import (
    LongformerBackbone as LongformerBackbone,
)
from keras_longformer.models.decoder import (
    LongformerDecoderBackbone as LongformerDecoderBackbone,
)
from keras_longformer.models.seq2seq import (
    LongformerSeq2SeqBackbone as LongformerSeq2SeqBackbone,
)
from keras_longformer.tokenizers import GraphTokenizer
from keras_longformer.tokenizers import LongformerByteTokenizer

# KerasHub finds the tokenizer of a preset by its backbone's class. The preset
# says of which kind it is.
GraphTokenizer.backbone_cls = LongformerBackbone
LongformerByteTokenizer.backbone_cls = LongformerDecoderBackbone
