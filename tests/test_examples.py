"""The Python of README.md, of docs/ and of docstrings runs as it is written.

Each block runs in a folder of its own, with the names that it may take for
granted, on a checkpoint of one layer in the place of RoBERTa's. Numbers of a
real model's size, and token ids of a real vocabulary, are made small.
"""

import ast
import importlib
import json
import pathlib
import re
import shutil
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.client.client import ServingClient
from keras_longformer.client.client import ServingError
from keras_longformer.weights.assign import assign
from tests.example_files import NOT_RUN
from tests.example_files import make_char_lm
from tests.example_files import make_files
from tests.example_files import make_small
from tests.paths import ROOT
from tests.tasks import small
from tests.tasks.table import make_summarizer
from tests.tokenizers.sentence_piece import conftest as sentence_piece
from tests.tokenizers.word_piece import vocabularies as word_piece
from tests.vocabularies import tiny_vocabulary

pytestmark = pytest.mark.filterwarnings(
    # Keras at the end of any dataset of unknown length, as windows make them.
    "ignore:Your input ran out of data:UserWarning",
)

SMALL = {
    "4096": "64",
    "1024": "64",
    "8192": "64",
    "512": "8",
    "31414, 232": "41, 42",
    "7592, 2088": "7, 8",
    "35378, 8999": "41, 42",
}
# The blocks that cannot run: what they raise here, and why.
CANNOT_RUN = {
    "keras_longformer/client/client.py ServingClient 0": (
        ServingError,
        "no server listens",
    ),
    "keras_longformer/training/corpus/prepare.py prepare_corpus 0": (
        FileNotFoundError,
        "there are no books",
    ),
}
# The blocks that import what may not follow TensorFlow.
OWN_PROCESS = {
    "keras_longformer/weights/hugging_face.py save_hugging_face 0",
}


# For `-m slow`: the tasks' own, of which README.md has each, and what other
# tests run in another form.
SLOW = re.compile(
    r"keras_longformer/tasks/\w+/model\.py Longformer\w+ 0"
    r"|docs/index\.md 0|docs/model_garden\.md [14]|docs/packing\.md 0"
    r"|docs/tasks\.md 1"
)


PAGES = [
    "README.md",
    *(
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "docs").glob("*.md"))
    ),
]
# Whose blocks go on where the one before ended.
TOGETHER = {"docs/attention.md", "docs/onnx.md"}


def blocks_of(text):
    found = re.findall(r"^( *)```python\n(.*?)^ *```", text, re.M | re.S)
    return [textwrap.dedent(block) for _, block in found]


def docstrings(path):
    """Yields `(name, docstring)` of a file and all that it defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield getattr(node, "name", ""), ast.get_docstring(node) or ""


def all_blocks():
    blocks = {}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        found = blocks_of(text)
        if page in TOGETHER:
            found = ["\n".join(found)]
        for i, block in enumerate(found):
            blocks[f"{page} {i}"] = block
    for path in sorted((ROOT / "keras_longformer").rglob("*.py")):
        for name, text in docstrings(path):
            for i, block in enumerate(blocks_of(text)):
                key = f"{path.relative_to(ROOT).as_posix()} {name} {i}"
                blocks[key] = block
    return blocks


ALL_BLOCKS = all_blocks()
BLOCKS = {k: v for k, v in ALL_BLOCKS.items() if not v.startswith(NOT_RUN)}
LEFT_OUT = {k: v for k, v in ALL_BLOCKS.items() if k not in BLOCKS}


def marked(name):
    marks = []
    if name in CANNOT_RUN:
        error, reason = CANNOT_RUN[name]
        marks = [pytest.mark.xfail(raises=error, reason=reason, strict=True)]
    if name in OWN_PROCESS:
        marks = [pytest.mark.own_process]
    if SLOW.fullmatch(name):
        marks = [*marks, pytest.mark.slow]
    return pytest.param(name, id=name, marks=marks)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A Hugging Face folder with weights and a tokenizer."""
    folder = tmp_path_factory.mktemp("hugging_face") / "roberta-base"
    klf.save_hugging_face(small.make_masked_lm(), folder)
    tokenizer = {
        path: path.read_bytes()
        for pattern in ("vocab*", "merges*", "*tokenizer*")
        for path in folder.glob(pattern)
    }
    shutil.rmtree(folder)
    # The encoder alone has a pooler, as RoBERTa's has.
    klf.save_hugging_face(small.make_backbone(pooler=True), folder)
    for path, content in tokenizer.items():
        path.write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def led(tmp_path_factory):
    """The same of an encoder with a decoder."""
    folder = tmp_path_factory.mktemp("hugging_face") / "led-base-16384"
    model = make_summarizer(max_decoder_sequence_length=256)
    klf.save_hugging_face(model, folder)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in zip(
        ("vocab.json", "merges.txt"), tokenizer_files(), strict=True
    ):
        pathlib.Path(name).write_text(content, encoding="utf-8")
    lines = "\n".join(word_piece.TINY)
    pathlib.Path("vocab.txt").write_text(lines, encoding="utf-8")
    return tmp_path


def tokenizer_files():
    vocabulary, merges = tiny_vocabulary()
    return json.dumps(vocabulary), "\n".join(["#version: 0.2", *merges])


def names_for(block):
    """What an example may take for granted, made only where it is used."""
    texts = [*small.TEXTS[:2]]

    def fitted():
        model = small.make_classifier()
        model.fit(texts, [0, 1], batch_size=1, verbose=0)
        return model

    def answering():
        return small.make_question_answering()

    makers = {
        "classifier": fitted,
        "model": fitted,
        "step": lambda: 3,
        "char_lm": make_char_lm,
        "text": lambda: "the whales are good and the text is long " * 4,
        "masked_lm": small.make_masked_lm,
        "texts": lambda: texts,
        "labels": lambda: np.array([0, 1]),
        "train_texts": lambda: texts,
        "train_labels": lambda: np.array([0, 1]),
        "questions": lambda: ["who?", "why?"],
        "documents": lambda: texts,
        "summaries": lambda: ["good", "whales"],
        "summarizer": lambda: make_summarizer(max_decoder_sequence_length=256),
        "long_texts": lambda: texts,
        "tokenizer": small.make_tokenizer,
        "task": answering,
        "x": lambda: np.ones([2, 16, 768], np.float32),
        "padding_mask": lambda: np.ones([2, 16], bool),
        "global_mask": lambda: np.arange(16)[None] == np.zeros([2, 1]),
        "transformers": lambda: pytest.importorskip("transformers"),
    }
    if "training_windows" in block:
        task = answering()
        # More windows than one batch has.
        data = (
            {"question": ["who?"] * 6, "context": texts * 3},
            {
                "text": tf.ragged.constant([["good"], []] * 3, tf.string),
                "start": tf.ragged.constant([[0], []] * 3, tf.int32),
            },
        )
        makers["task"] = lambda: task
        makers["preprocessor"] = lambda: task.preprocessor
        makers["dataset"] = lambda: tf.data.Dataset.from_tensor_slices(
            data
        ).batch(2)
    elif "dataset" in block:
        makers["dataset"] = lambda: tf.data.Dataset.from_tensor_slices(
            (texts, [0, 1])
        )
    return {
        name: make()
        for name, make in makers.items()
        if re.search(rf"\b{name}\b", block)
    }


def test_what_cannot_run_is_there():
    assert {*CANNOT_RUN, *OWN_PROCESS} <= set(BLOCKS)
    assert len(BLOCKS) > 40
    assert len(LEFT_OUT) < 6
    for name, block in LEFT_OUT.items():
        first, _, rest = block.partition("\n")
        assert len(first) > len(NOT_RUN) + 10, f"{name}: why is it not run?"
        compile(rest, name, "exec")


@pytest.mark.parametrize("name", [marked(name) for name in BLOCKS])
def test_runs(name, folder, checkpoint, request, capsys):
    block = make_small(name.partition(" ")[0], BLOCKS[name])
    for real, little in SMALL.items():
        block = re.sub(rf"\b{real}\b", little, block)
    block = block.replace("path/to/roberta-base", str(checkpoint))
    if "led-base" in block:
        led = str(request.getfixturevalue("led"))
        block = block.replace("path/to/led-base-16384", led)
    make_files(block)
    if "sentencepiece.bpe.model" in block:
        model = sentence_piece.train()
        pathlib.Path("sentencepiece.bpe.model").write_bytes(model)
    if "verify_saved_model" in block:
        reviews = request.getfixturevalue("reviews")
        shutil.copytree(reviews.path, folder / "saved_models" / "reviews")
    namespace = {"keras": keras, "np": np, "tf": tf, "klf": klf}
    namespace["assign"] = assign
    namespace |= {"keras_longformer": klf, "ServingClient": ServingClient}
    namespace |= {x: getattr(klf, x) for x in dir(klf) if x[0] != "_"}
    path = name.partition(" ")[0]
    if path.endswith(".py"):
        module = path.removesuffix(".py").replace("/", ".")
        module = importlib.import_module(module)
        namespace |= {k: v for k, v in vars(module).items() if k[:2] != "__"}
    namespace |= names_for(block)
    exec(compile(block, name, "exec"), namespace)
    # What a page says is printed.
    said = re.findall(r"^print\(.*\n((?:# .*\n)+)", block, re.M)
    said = "".join(said).replace("# ", "")
    assert said in capsys.readouterr().out
