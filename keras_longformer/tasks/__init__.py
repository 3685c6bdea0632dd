"""What a Longformer is used for, one folder each."""

from keras_longformer.tasks.char_lm import LongformerCharLM as LongformerCharLM
from keras_longformer.tasks.char_lm import (
    LongformerCharLMPreprocessor as LongformerCharLMPreprocessor,
)
from keras_longformer.tasks.embedding import (
    LongformerEmbedder as LongformerEmbedder,
)
from keras_longformer.tasks.embedding import (
    LongformerEmbedderPreprocessor as LongformerEmbedderPreprocessor,
)
from keras_longformer.tasks.masked_lm import (
    LongformerMaskedLM as LongformerMaskedLM,
)
from keras_longformer.tasks.masked_lm import (
    LongformerMaskedLMPreprocessor as LongformerMaskedLMPreprocessor,
)
from keras_longformer.tasks.multiple_choice import (
    LongformerMultipleChoice as LongformerMultipleChoice,
)
from keras_longformer.tasks.multiple_choice import (
    LongformerMultipleChoicePreprocessor as LongformerMultipleChoicePreprocessor,
)
from keras_longformer.tasks.question_answering import (
    LongformerQuestionAnswering as LongformerQuestionAnswering,
)
from keras_longformer.tasks.question_answering import (
    LongformerQuestionAnsweringPreprocessor as LongformerQuestionAnsweringPreprocessor,
)
from keras_longformer.tasks.summarization import BeamSearch as BeamSearch
from keras_longformer.tasks.summarization import (
    LongformerSeq2SeqLM as LongformerSeq2SeqLM,
)
from keras_longformer.tasks.summarization import (
    LongformerSeq2SeqLMPreprocessor as LongformerSeq2SeqLMPreprocessor,
)
from keras_longformer.tasks.text_classification import (
    LongformerTextClassifier as LongformerTextClassifier,
)
from keras_longformer.tasks.text_classification import (
    LongformerTextClassifierPreprocessor as LongformerTextClassifierPreprocessor,
)
from keras_longformer.tasks.token_classification import (
    LongformerTokenClassifier as LongformerTokenClassifier,
)
from keras_longformer.tasks.token_classification import (
    LongformerTokenClassifierPreprocessor as LongformerTokenClassifierPreprocessor,
)
