"""Text to token ids, and token ids packed into model inputs."""

from keras_longformer.text.preprocessors import (
    LongformerMaskedLMPreprocessor as LongformerMaskedLMPreprocessor,
)
from keras_longformer.text.preprocessors import (
    LongformerTextClassifierPreprocessor as LongformerTextClassifierPreprocessor,
)
from keras_longformer.text.question_answering import (
    LongformerQuestionAnsweringPreprocessor as LongformerQuestionAnsweringPreprocessor,
)
from keras_longformer.text.tokenizer import (
    LongformerTokenizer as LongformerTokenizer,
)
