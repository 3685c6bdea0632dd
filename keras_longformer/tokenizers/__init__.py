"""Text to token ids and back, in the graph."""

from keras_longformer.tokenizers.byte_pair.tokenizer import (
    LongformerTokenizer as LongformerTokenizer,
)
