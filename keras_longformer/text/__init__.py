"""Text to token ids, and token ids packed into model inputs."""

from keras_longformer.text.choices import (
    LongformerMultipleChoicePreprocessor as LongformerMultipleChoicePreprocessor,
)
from keras_longformer.text.embedding import (
    LongformerEmbedderPreprocessor as LongformerEmbedderPreprocessor,
)
from keras_longformer.text.preprocessors import (
    LongformerMaskedLMPreprocessor as LongformerMaskedLMPreprocessor,
)
from keras_longformer.text.preprocessors import (
    LongformerTextClassifierPreprocessor as LongformerTextClassifierPreprocessor,
)
from keras_longformer.text.question_answering import (
    LongformerQuestionAnsweringPreprocessor as LongformerQuestionAnsweringPreprocessor,
)
from keras_longformer.text.token_labels import (
    LongformerTokenClassifierPreprocessor as LongformerTokenClassifierPreprocessor,
)
from keras_longformer.text.tokenizer import (
    LongformerTokenizer as LongformerTokenizer,
)
