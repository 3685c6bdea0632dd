"""Longformer for TensorFlow and Keras 3.

The public names are imported when one is first used: a client of a server, or
a command line, need not wait for TensorFlow. Keras then knows the classes by
the names that they have in files. Where Keras is there already, or is imported
next, they are too, so that `keras.saving.load_model` finds them.

Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150).
"""

import sys
import typing

__all__ = [
    "BeamSearch",
    "LongformerAttention",
    "LongformerBackbone",
    "LongformerByteTokenizer",
    "LongformerCharLM",
    "LongformerCharLMPreprocessor",
    "LongformerDecoderBackbone",
    "LongformerEmbedder",
    "LongformerEmbedderPreprocessor",
    "LongformerMaskedLM",
    "LongformerMaskedLMPreprocessor",
    "LongformerMultipleChoice",
    "LongformerMultipleChoicePreprocessor",
    "LongformerQuestionAnswering",
    "LongformerQuestionAnsweringPreprocessor",
    "LongformerSentencePieceTokenizer",
    "LongformerSeq2SeqBackbone",
    "LongformerSeq2SeqLM",
    "LongformerSeq2SeqLMPreprocessor",
    "LongformerTextClassifier",
    "LongformerTextClassifierPreprocessor",
    "LongformerTokenClassifier",
    "LongformerTokenClassifierPreprocessor",
    "LongformerTokenizer",
    "LongformerWordPieceTokenizer",
    "ModelGardenCheckpoint",
    "attention_map",
    "export_saved_model",
    "receptive_field",
    "save_hugging_face",
    "save_model_garden",
    "verify_saved_model",
    "window_attention",
]

if typing.TYPE_CHECKING or "keras" in sys.modules:
    from keras_longformer.front_door import *  # noqa: F403
else:
    from keras_longformer import late

    late.register_with_keras()

    def __getattr__(name: str):
        if name not in __all__:
            raise AttributeError(f"keras_longformer has no {name!r}")
        from keras_longformer import front_door

        found = {public: getattr(front_door, public) for public in __all__}
        globals().update(found)
        return found[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
