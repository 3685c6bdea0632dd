"""Keras layers: the attention, the transformer block and the embeddings."""

from keras_longformer.layers.attention import (
    LongformerAttention as LongformerAttention,
)
from keras_longformer.layers.block import LongformerBlock as LongformerBlock
from keras_longformer.layers.decoder_block import DecoderBlock as DecoderBlock
from keras_longformer.layers.embeddings import (
    LongformerEmbeddings as LongformerEmbeddings,
)
from keras_longformer.layers.layer_norm import LayerNorm as LayerNorm
from keras_longformer.layers.positioned import (
    PositionedEmbeddings as PositionedEmbeddings,
)
