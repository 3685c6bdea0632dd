"""Text to token ids, and token ids packed into model inputs."""

from keras_longformer.text.preprocessors import LongformerMaskedLMPreprocessor
from keras_longformer.text.preprocessors import (
    LongformerTextClassifierPreprocessor,
)
from keras_longformer.text.tokenizer import LongformerTokenizer

__all__ = [
    "LongformerMaskedLMPreprocessor",
    "LongformerTextClassifierPreprocessor",
    "LongformerTokenizer",
]
