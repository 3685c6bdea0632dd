"""Which of several answers is right."""

from keras_longformer.tasks.multiple_choice.model import (
    LongformerMultipleChoice as LongformerMultipleChoice,
)
from keras_longformer.tasks.multiple_choice.preprocessor import (
    LongformerMultipleChoicePreprocessor as LongformerMultipleChoicePreprocessor,
)
