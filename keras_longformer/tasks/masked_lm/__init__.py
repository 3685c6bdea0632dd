"""Masked tokens: pretraining, and filling in."""

from keras_longformer.tasks.masked_lm.model import (
    LongformerMaskedLM as LongformerMaskedLM,
)
from keras_longformer.tasks.masked_lm.preprocessor import (
    LongformerMaskedLMPreprocessor as LongformerMaskedLMPreprocessor,
)
