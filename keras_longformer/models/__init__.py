"""The encoder and its heads."""

from keras_longformer.models.backbone import (
    LongformerBackbone as LongformerBackbone,
)
from keras_longformer.models.embedder import (
    LongformerEmbedder as LongformerEmbedder,
)
from keras_longformer.models.masked_lm import (
    LongformerMaskedLM as LongformerMaskedLM,
)
from keras_longformer.models.multiple_choice import (
    LongformerMultipleChoice as LongformerMultipleChoice,
)
from keras_longformer.models.question_answering import (
    LongformerQuestionAnswering as LongformerQuestionAnswering,
)
from keras_longformer.models.text_classifier import (
    LongformerTextClassifier as LongformerTextClassifier,
)
from keras_longformer.models.token_classifier import (
    LongformerTokenClassifier as LongformerTokenClassifier,
)
from keras_longformer.text import LongformerEmbedderPreprocessor
from keras_longformer.text import LongformerMaskedLMPreprocessor
from keras_longformer.text import LongformerMultipleChoicePreprocessor
from keras_longformer.text import LongformerQuestionAnsweringPreprocessor
from keras_longformer.text import LongformerTextClassifierPreprocessor
from keras_longformer.text import LongformerTokenClassifierPreprocessor
from keras_longformer.text import LongformerTokenizer

# KerasHub finds the classes of a preset by their backbone's.
for _cls in (
    LongformerTokenizer,
    LongformerEmbedderPreprocessor,
    LongformerMaskedLMPreprocessor,
    LongformerMultipleChoicePreprocessor,
    LongformerQuestionAnsweringPreprocessor,
    LongformerTextClassifierPreprocessor,
    LongformerTokenClassifierPreprocessor,
):
    _cls.backbone_cls = LongformerBackbone
del _cls
