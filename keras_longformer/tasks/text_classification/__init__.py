"""Classes, several labels or numbers of a text."""

from keras_longformer.tasks.text_classification.model import (
    LongformerTextClassifier as LongformerTextClassifier,
)
from keras_longformer.tasks.text_classification.preprocessor import (
    LongformerTextClassifierPreprocessor as LongformerTextClassifierPreprocessor,
)
