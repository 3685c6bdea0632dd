"""A class for each word of a text."""

from keras_longformer.tasks.token_classification.model import (
    LongformerTokenClassifier as LongformerTokenClassifier,
)
from keras_longformer.tasks.token_classification.preprocessor import (
    LongformerTokenClassifierPreprocessor as LongformerTokenClassifierPreprocessor,
)
