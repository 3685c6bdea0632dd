"""Character language modelling."""

from keras_longformer.tasks.char_lm.model import (
    LongformerCharLM as LongformerCharLM,
)
from keras_longformer.tasks.char_lm.preprocessor import (
    LongformerCharLMPreprocessor as LongformerCharLMPreprocessor,
)
