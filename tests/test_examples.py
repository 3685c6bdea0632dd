"""Every example of the README and of a public docstring runs.

Each is run by itself, in an empty folder. What it takes for given, such as a
tokenizer or texts, is in `GIVEN`; `REPLACED` makes its sizes small and puts a
small RoBERTa where its path says that one is.
"""

import functools
import importlib.util
import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

import keras_longformer as klf
import keras_longformer.client.client
from keras_longformer import models
from keras_longformer import training
from keras_longformer import weights
from tests import examples
from tests.tasks import small

EXAMPLES = examples.all_examples()
GOLDEN = pathlib.Path(__file__).parent / "golden"

# What an example needs and the tests need not have. Without it, the example
# runs up to the line that asks for it.
NEEDS = {
    # Its classes load what was written; tests/models/test_transformers.py
    # compares their numbers.
    "weights.hugging_face.save_hugging_face": "transformers",
}

REPLACED = {
    "max_sequence_length=4096": "max_sequence_length=128",
    "window_size=512": "window_size=8",
    "31414": "214",  # An id that the small vocabulary has.
    "path/to/roberta-base": "{roberta}",
    "localhost:8501": "{server}",
}

pytestmark = [
    pytest.mark.filterwarnings(small.SHUFFLE),
    # A head that the checkpoint does not have.
    pytest.mark.filterwarnings("ignore:.*newly made:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*has no pooler:UserWarning"),
    # Keras says so after any dataset whose length it does not know.
    pytest.mark.filterwarnings("ignore:Your input ran out:UserWarning"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning"),
]


def question_windows():
    return klf.LongformerQuestionAnsweringPreprocessor(
        small.shared_tokenizer(),
        sequence_length=64,
        pad_to="sequence_length",
    )


def dataset(example):
    if "training_windows" not in example.source:
        pairs = (small.TEXTS, small.LABELS)
        return tf.data.Dataset.from_tensor_slices(pairs)
    questions = {"question": ["who?"] * 6, "context": small.CONTEXTS}
    answers = tf.ragged.constant(small.ANSWERS["text"], tf.string)
    starts = tf.ragged.constant(small.ANSWERS["start"], tf.int32)
    rows = (questions, {"text": answers, "start": starts})
    return tf.data.Dataset.from_tensor_slices(rows).batch(2)


@functools.cache
def classifier():
    return small.make_classifier()


def mask(*true):
    return np.isin(np.arange(37), true)[None].repeat(2, 0)


# Functions of the example, for what must not be made in vain.
GIVEN = {
    # Modules and public names that are not at the front door.
    "keras": lambda _: keras,
    "keras_longformer": lambda _: klf,
    "klf": lambda _: klf,
    "np": lambda _: np,
    "tf": lambda _: tf,
    "LongformerBackbone": lambda _: models.LongformerBackbone,
    "ServingClient": lambda _: keras_longformer.client.client.ServingClient,
    "TrainingStates": lambda _: training.TrainingStates,
    "WarmupPolynomialDecay": lambda _: training.WarmupPolynomialDecay,
    "assign": lambda _: weights.assign,
    "load_preset": lambda _: weights.load_preset,
    # Tensors.
    "x": lambda _: tf.random.normal([2, 37, 24]),
    "padding_mask": lambda _: mask(*range(31)),
    "global_mask": lambda _: mask(0, 5),
    # Texts.
    "texts": lambda _: ["a good text", "a bad text"],
    "long_texts": lambda _: ["a good text " * 30, "a bad text " * 30],
    "questions": lambda _: ["who?", "why?"],
    "documents": lambda _: ["It was Ada.", "For it is good."],
    "train_texts": lambda _: small.TEXTS,
    "train_labels": lambda _: small.LABELS,
    "dataset": dataset,
    # Models, and what belongs to them.
    "tokenizer": lambda _: small.shared_tokenizer(),
    "preprocessor": lambda _: question_windows(),
    "classifier": lambda _: classifier(),
    "model": lambda _: classifier(),
    "task": lambda _: small.make_question_answering(),
    "step": lambda _: 7,
}
GIVEN |= {name: lambda _, name=name: getattr(klf, name) for name in klf.__all__}


@pytest.fixture(scope="session")
def roberta(tmp_path_factory):
    """A folder with what `roberta-base` has: an encoder of one layer with a
    pooler, a masked language model's head and a tokenizer."""
    folder = tmp_path_factory.mktemp("roberta")
    tokenizer = small.shared_tokenizer()
    config = (GOLDEN / "roberta-masked_lm" / "config.json").read_text("utf-8")
    config = json.loads(config)
    masked_lm, encoder = (
        safetensors.numpy.load_file(GOLDEN / name / "model.safetensors")
        for name in ("roberta-masked_lm", "roberta-base")
    )
    arrays = masked_lm | {
        f"roberta.{name}": encoder[name]
        for name in ("pooler.dense.weight", "pooler.dense.bias")
    }
    arrays = {k: x for k, x in arrays.items() if ".layer.1." not in k}
    config["num_hidden_layers"] = 1
    sizes = {
        config["vocab_size"]: tokenizer.vocabulary_size(),
        config["max_position_embeddings"]: 2 + 64,
    }
    for name, array in arrays.items():
        if size := sizes.get(array.shape[0]):
            rows = np.arange(size) % len(array)
            arrays[name] = np.ascontiguousarray(array[rows])
    config["vocab_size"], config["max_position_embeddings"] = sizes.values()
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")
    tokenizer.save_assets(str(folder))
    (folder / "vocabulary.json").rename(folder / "vocab.json")
    return folder


@pytest.fixture
def run(roberta, request, tmp_path, monkeypatch):
    """A function that runs an example and returns its names."""
    monkeypatch.chdir(tmp_path)

    def run(example):
        source = example.source
        for old, new in REPLACED.items():
            source = source.replace(old, new)
        source = source.replace("{roberta}", str(roberta))
        if "{server}" in source:
            address = request.getfixturevalue("address")
            source = source.replace("{server}", address)
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(roberta / name, tmp_path)
        if "verify_saved_model" in source:
            reviews = request.getfixturevalue("reviews")
            shutil.copytree(reviews.path, "saved_models/reviews")
        names = {
            name: GIVEN[name](example)
            for name in example.given
            if name in GIVEN
        }
        if module := NEEDS.get(example.name):
            if importlib.util.find_spec(module):
                names[module] = importlib.import_module(module)
        # To trace each model's training and tokenizer takes most of the time,
        # and other tests do; only an export has to.
        tf.config.run_functions_eagerly("export_saved_model" not in source)
        try:
            exec(compile(source, example.name, "exec"), names)
        finally:
            tf.config.run_functions_eagerly(False)
        return names

    return run


@pytest.fixture(scope="session")
def address(reviews):
    """Of a server of the model `reviews`."""
    pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    from tests.serving.checks import serving

    with serving(reviews, "reviews") as ports:
        yield ports["rest"]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_example(example, run):
    module = NEEDS.get(example.name)
    if module and not importlib.util.find_spec(module):
        with pytest.raises(NameError, match=f"'{module}' is not defined"):
            run(example)
        return
    names = run(example)
    if "client" in names:
        names["client"].close()


def test_every_block_is_an_example():
    """None is in a private docstring, or fenced in a way of its own."""
    files = [examples.README, *examples.source_files()]
    count = sum(file.read_text("utf-8").count("```py") for file in files)
    assert count == len(EXAMPLES) > 25
    names = [example.name for example in EXAMPLES]
    assert len(set(names)) == len(names)


def test_nothing_is_given_or_replaced_in_vain():
    given = set().union(*(example.given for example in EXAMPLES))
    assert set(GIVEN) - set(klf.__all__) <= given
    sources = "\n".join(example.source for example in EXAMPLES)
    for old in REPLACED:
        assert old in sources, old
    assert set(NEEDS) <= {example.name for example in EXAMPLES}
