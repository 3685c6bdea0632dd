"""Long documents in, texts about them out."""

from keras_longformer.tasks.summarization.model import (
    LongformerSeq2SeqLM as LongformerSeq2SeqLM,
)
from keras_longformer.tasks.summarization.preprocessor import (
    LongformerSeq2SeqLMPreprocessor as LongformerSeq2SeqLMPreprocessor,
)
from keras_longformer.tasks.summarization.search import BeamSearch as BeamSearch
