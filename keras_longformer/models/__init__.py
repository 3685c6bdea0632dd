"""The encoder and its heads."""

from keras_longformer.models.backbone import (
    LongformerBackbone as LongformerBackbone,
)
from keras_longformer.models.masked_lm import (
    LongformerMaskedLM as LongformerMaskedLM,
)
from keras_longformer.models.text_classifier import (
    LongformerTextClassifier as LongformerTextClassifier,
)
