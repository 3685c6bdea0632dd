"""Small arrays in our names, and a model that is only its variables."""

import contextlib
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_longformer.tasks.masked_lm.model import LongformerMaskedLM
from keras_longformer.tasks.question_answering.model import (
    LongformerQuestionAnswering,
)
from keras_longformer.tasks.text_classification.model import (
    LongformerTextClassifier,
)
from keras_longformer.tasks.token_classification.model import (
    LongformerTokenClassifier,
)
from keras_longformer.weights import names
from keras_longformer.weights.families import LONGFORMER

GOLDEN = Path(__file__).parent.parent / "golden"

CONFIG = {
    "vocabulary_size": 19,
    "num_layers": 2,
    "num_heads": 3,
    "hidden_dim": 15,
    "intermediate_dim": 17,
    "window_size": [4, 6],
    "dilation": 1,
    "max_sequence_length": 11,
    "num_token_types": 2,
    "dropout": 0.1,
    "attention_dropout": None,
    "layer_norm_epsilon": 1e-5,
    "pad_token_id": 1,
    "pooler": True,
}

TASKS = {
    "masked_lm": LongformerMaskedLM,
    "classifier": LongformerTextClassifier,
    "question_answering": LongformerQuestionAnswering,
    "token_classifier": LongformerTokenClassifier,
}


def head_modules(head):
    """Returns the table of a kind of head, by its name in the tests."""
    return TASKS[head].head_modules if head else ()


class ModelOfVariables:
    """What `assign` and the writer need of a backbone, and nothing else."""

    name = "model_of_variables"
    written_as = LONGFORMER
    num_layers = CONFIG["num_layers"]
    hidden_dim = CONFIG["hidden_dim"]

    def __init__(self, arrays, **config):
        self.weights = []
        self._config = CONFIG | config
        for path, array in arrays.items():
            *scopes, leaf = path.split("/")
            with contextlib.ExitStack() as stack:
                for scope in scopes:
                    stack.enter_context(keras.name_scope(scope))
                variable = keras.Variable(np.zeros_like(array), name=leaf)
            self.weights.append(variable)

    def get_config(self):
        return self._config

    def value(self, path):
        (found,) = [w for w in self.weights if w.path == path]
        return np.asarray(found.value)

    def _flatten_layers(self):
        return []


class TaskOfVariables(ModelOfVariables):
    """What they need of a task."""

    def __init__(self, head, arrays, **config):
        super().__init__(arrays, **config)
        self.hugging_face_class = TASKS[head].hugging_face_class
        self.head_modules = TASKS[head].head_modules
        self.has_labels = head in ("classifier", "token_classifier")

    def hugging_face_config(self):
        return {"num_labels": 7} if self.has_labels else {}


def shape_of(name):
    """Returns the shape that our weight `name` has under `CONFIG`."""
    m, f, h = 15, 17, 3
    d = m // h
    module, leaf = name.rsplit("/", 1)
    of_module = {
        "token_embedding": (19, m),
        "position_embedding": (13, m),
        "token_type_embedding": (2, m),
        "intermediate": (m, f),
        "output": (f, m),
        "attention_output": (h, d, m),
        "logits": (m, 7),
        "qa_outputs": (m, 2),
        "classifier": (m, 7),
    }
    last = module.split("/")[-1]
    if name == "lm_head/output_bias":
        return (19,)
    if last.removeprefix("global_") in ("query", "key", "value"):
        return (m, h, d) if leaf == "kernel" else (h, d)
    shape = of_module.get(last, (m, m))
    if leaf in ("gamma", "beta"):
        return (m,)
    return shape[-1:] if leaf == "bias" else shape


def our_arrays(head=None, seed=0):
    """Returns random arrays of an encoder and one kind of head."""
    rng = np.random.default_rng(seed)
    chosen = LONGFORMER.entries(CONFIG["num_layers"])
    chosen += names.entries(head_modules(head))
    return {
        entry.ours: rng.normal(size=shape_of(entry.ours)).astype(np.float32)
        for entry in chosen
    }


@pytest.fixture
def golden():
    return GOLDEN


@pytest.fixture
def arrays():
    return our_arrays


@pytest.fixture
def model_of():
    return ModelOfVariables


@pytest.fixture
def task_of():
    return TaskOfVariables


@pytest.fixture
def modules_of():
    return head_modules
