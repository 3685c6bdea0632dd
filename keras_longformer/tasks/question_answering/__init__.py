"""Answers to questions, as spans of long texts."""

from keras_longformer.tasks.question_answering.model import (
    LongformerQuestionAnswering as LongformerQuestionAnswering,
)
from keras_longformer.tasks.question_answering.preprocessor import (
    LongformerQuestionAnsweringPreprocessor as LongformerQuestionAnsweringPreprocessor,
)
