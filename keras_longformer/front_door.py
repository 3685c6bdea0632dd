"""Every public name, from where it lives."""

from keras_longformer.explanations import attention_map as attention_map
from keras_longformer.explanations import receptive_field as receptive_field
from keras_longformer.layers import LongformerAttention as LongformerAttention
from keras_longformer.models import LongformerBackbone as LongformerBackbone
from keras_longformer.models import (
    LongformerDecoderBackbone as LongformerDecoderBackbone,
)
from keras_longformer.models import (
    LongformerSeq2SeqBackbone as LongformerSeq2SeqBackbone,
)
from keras_longformer.ops import window_attention as window_attention
from keras_longformer.serving import export_saved_model as export_saved_model
from keras_longformer.serving import verify_saved_model as verify_saved_model
from keras_longformer.tasks import BeamSearch as BeamSearch
from keras_longformer.tasks import LongformerCharLM as LongformerCharLM
from keras_longformer.tasks import (
    LongformerCharLMPreprocessor as LongformerCharLMPreprocessor,
)
from keras_longformer.tasks import LongformerEmbedder as LongformerEmbedder
from keras_longformer.tasks import (
    LongformerEmbedderPreprocessor as LongformerEmbedderPreprocessor,
)
from keras_longformer.tasks import LongformerMaskedLM as LongformerMaskedLM
from keras_longformer.tasks import (
    LongformerMaskedLMPreprocessor as LongformerMaskedLMPreprocessor,
)
from keras_longformer.tasks import (
    LongformerMultipleChoice as LongformerMultipleChoice,
)
from keras_longformer.tasks import (
    LongformerMultipleChoicePreprocessor as LongformerMultipleChoicePreprocessor,
)
from keras_longformer.tasks import (
    LongformerQuestionAnswering as LongformerQuestionAnswering,
)
from keras_longformer.tasks import (
    LongformerQuestionAnsweringPreprocessor as LongformerQuestionAnsweringPreprocessor,
)
from keras_longformer.tasks import LongformerSeq2SeqLM as LongformerSeq2SeqLM
from keras_longformer.tasks import (
    LongformerSeq2SeqLMPreprocessor as LongformerSeq2SeqLMPreprocessor,
)
from keras_longformer.tasks import (
    LongformerTextClassifier as LongformerTextClassifier,
)
from keras_longformer.tasks import (
    LongformerTextClassifierPreprocessor as LongformerTextClassifierPreprocessor,
)
from keras_longformer.tasks import (
    LongformerTokenClassifier as LongformerTokenClassifier,
)
from keras_longformer.tasks import (
    LongformerTokenClassifierPreprocessor as LongformerTokenClassifierPreprocessor,
)
from keras_longformer.tokenizers import (
    LongformerByteTokenizer as LongformerByteTokenizer,
)
from keras_longformer.tokenizers import (
    LongformerSentencePieceTokenizer as LongformerSentencePieceTokenizer,
)
from keras_longformer.tokenizers import (
    LongformerTokenizer as LongformerTokenizer,
)
from keras_longformer.tokenizers import (
    LongformerWordPieceTokenizer as LongformerWordPieceTokenizer,
)
from keras_longformer.weights import (
    ModelGardenCheckpoint as ModelGardenCheckpoint,
)
from keras_longformer.weights import save_hugging_face as save_hugging_face
from keras_longformer.weights import save_model_garden as save_model_garden
