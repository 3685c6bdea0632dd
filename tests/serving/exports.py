"""Exports that the tests of this folder share."""

import dataclasses
import functools

import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.tasks import small

BUCKETS = [16, 32, 64]
BATCH_SIZES = [1, 4]
QUICK = {"batch_sizes": [1], "buckets": [32, 64]}  # Options of `export`.
ODD_TEXTS = [b"nul \0 byte", b"\xff\xfe broken \xc3", "", "</s>" * 9]
HOSTILE = "good " * 20 + "x" * 3000  # More bytes than `make_limited` reads.


@dataclasses.dataclass
class Export:
    model: object
    path: str  # The model's folder.
    folder: str  # Its first version's.

    @functools.cached_property
    def loaded(self):
        return tf.saved_model.load(self.folder)

    def signature(self, name):
        return self.loaded.signatures[name]


def export(model, path, **options):
    options = {"buckets": BUCKETS, "batch_sizes": BATCH_SIZES, **options}
    folder = klf.export_saved_model(model, str(path), **options)
    return Export(model, str(path), folder)


def make_limited():
    """A classifier whose texts have at most 2,000 bytes."""
    preprocessor = klf.LongformerTextClassifierPreprocessor(
        small.make_tokenizer(max_text_bytes=2000), sequence_length=64
    )
    return klf.LongformerTextClassifier(
        small.make_backbone(), num_classes=2, preprocessor=preprocessor
    )


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    """A classifier with names for its classes that reports bad texts."""
    return export(
        make_limited(),
        tmp_path_factory.mktemp("models") / "reviews",
        bad_texts="report",
        class_names=["bad", "good"],
        served_from="/models/reviews/",
    )


@pytest.fixture(scope="session")
def fill_mask(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "fill_mask"
    return export(small.make_masked_lm(), path)


@pytest.fixture(scope="session")
def embedder(tmp_path_factory):
    """A backbone alone, windows, and a signature for XLA."""
    path = tmp_path_factory.mktemp("models") / "embedder"
    return export(
        small.make_backbone(),
        path,
        preprocessor=make_limited().preprocessor,
        over_long="windows",
        xla=True,
    )


@pytest.fixture(scope="session")
def reviews_answers(reviews):
    call = reviews.signature("serving_default")
    outputs = call(text=tf.constant([*small.TEXTS, *ODD_TEXTS]))
    return {name: x.numpy() for name, x in outputs.items()}
