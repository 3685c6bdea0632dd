"""The front door: a name that comes or goes is a decision, made here."""

import subprocess
import sys

import keras_longformer

NAMES = """
BeamSearch
LongformerAttention
LongformerBackbone
LongformerByteTokenizer
LongformerCharLM
LongformerCharLMPreprocessor
LongformerDecoderBackbone
LongformerEmbedder
LongformerEmbedderPreprocessor
LongformerMaskedLM
LongformerMaskedLMPreprocessor
LongformerMultipleChoice
LongformerMultipleChoicePreprocessor
LongformerQuestionAnswering
LongformerQuestionAnsweringPreprocessor
LongformerSentencePieceTokenizer
LongformerSeq2SeqBackbone
LongformerSeq2SeqLM
LongformerSeq2SeqLMPreprocessor
LongformerTextClassifier
LongformerTextClassifierPreprocessor
LongformerTokenClassifier
LongformerTokenClassifierPreprocessor
LongformerTokenizer
LongformerWordPieceTokenizer
ModelGardenCheckpoint
attention_map
export_saved_model
receptive_field
save_hugging_face
save_model_garden
verify_saved_model
window_attention
""".split()


def public_names():
    """Classes and functions; folders of the package are no names of its."""
    return sorted(
        name
        for name in dir(keras_longformer)
        if not name.startswith("_")
        and callable(getattr(keras_longformer, name))
    )


def test_names():
    assert public_names() == NAMES


def test_each_says_what_it_is():
    for name in NAMES:
        assert getattr(keras_longformer, name).__doc__, name


def test_keras_hub_may_come_after():
    program = """
import subprocess
import sys

import keras_longformer
import keras_hub
import keras
name = "keras_longformer>LongformerBackbone"
assert keras.saving.get_registered_object(name) is not None
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not run.returncode, run.stderr
