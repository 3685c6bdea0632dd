"""Vectors of texts."""

from keras_longformer.tasks.embedding.model import (
    LongformerEmbedder as LongformerEmbedder,
)
from keras_longformer.tasks.embedding.preprocessor import (
    LongformerEmbedderPreprocessor as LongformerEmbedderPreprocessor,
)
