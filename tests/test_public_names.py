"""The front door: what users may import, and that it is explained."""

import pytest

import keras_longformer as klf

# One more or less is a decision, and a line of CHANGELOG.md.
PUBLIC_NAMES = [
    "LongformerAttention",
    "LongformerBackbone",
    "LongformerEmbedder",
    "LongformerEmbedderPreprocessor",
    "LongformerMaskedLM",
    "LongformerMaskedLMPreprocessor",
    "LongformerMultipleChoice",
    "LongformerMultipleChoicePreprocessor",
    "LongformerQuestionAnswering",
    "LongformerQuestionAnsweringPreprocessor",
    "LongformerTextClassifier",
    "LongformerTextClassifierPreprocessor",
    "LongformerTokenClassifier",
    "LongformerTokenClassifierPreprocessor",
    "LongformerTokenizer",
    "export_saved_model",
    "save_hugging_face",
    "verify_saved_model",
    "window_attention",
]


def test_public_names():
    assert sorted(klf.__all__) == PUBLIC_NAMES
    assert set(PUBLIC_NAMES) <= set(dir(klf))


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_has_an_example(name):
    """tests/test_examples.py runs it."""
    _, _, example = getattr(klf, name).__doc__.partition("Example:\n")
    assert "```python\n" in example
