"""Every head, from texts, both ways: theirs opened by us, ours by them.

In a process of its own: see tests/own_process.py.
"""

import contextlib

import numpy as np
import pytest

import keras_longformer as klf
from tests.checkpoints import folders

pytestmark = pytest.mark.own_process

TOLERANCE = 2e-5
TEXTS = ["A good text about Ada.", "bad " * 40, "", "Ünïcödé 🤗 \n\n two"]
MASKED = ["a <mask> text of <mask>", "<mask>"]
WORDS = [["Ada", "Lovelace", "wrote"], ["Ünïcödé"], ["a"] * 20]
QUESTIONS = ["Who was it?", "why"]
CONTEXTS = ["It was Ada. " * 3, "Two and two is four."]
CHOICES = [["Ada", "Zoe", "none of them"], ["one", "two", "three"]]


def answer(model, **inputs):
    """Returns PyTorch's outputs for inputs that may be lists of lists."""
    import torch

    with torch.no_grad():
        return model(**{k: torch.tensor(v) for k, v in inputs.items()})


def classify(task, model, tokenizer):
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=64)
    return task.predict(TEXTS, verbose=0), answer(model, **inputs).logits


def fill(task, model, tokenizer):
    inputs = tokenizer(MASKED, padding=True)
    logits = answer(model, **inputs).logits.numpy()
    is_mask = np.asarray(inputs["input_ids"]) == tokenizer.mask_token_id
    ours = task.preprocessor.fill_mask_preprocess(MASKED)
    got = task.predict_packed(ours, verbose=0)
    return got[np.asarray(ours["mask_positions"]) > 0], logits[is_mask]


def tag(task, model, tokenizer):
    inputs = tokenizer(
        WORDS,
        is_split_into_words=True,
        padding=True,
        truncation=True,
        max_length=64,
    )
    logits = answer(model, **inputs).logits.numpy()
    want = []
    for i, words in enumerate(WORDS):
        index = inputs.word_ids(i)  # The first token speaks for the word.
        want += [logits[i, index.index(j)] for j in range(len(words))]
    return np.concatenate(task.predict_words(WORDS, verbose=0)), want


def find_spans(task, model, tokenizer):
    inputs = tokenizer(QUESTIONS, CONTEXTS, padding=True)
    outputs = answer(model, **inputs)
    want = np.stack([outputs.start_logits, outputs.end_logits], -1)
    x = {"question": QUESTIONS, "context": CONTEXTS}
    packed = task.preprocessor(x)
    got = task.predict_packed(packed, verbose=0)[:, : want.shape[1]]
    is_answer = np.asarray(packed["span_mask"])[:, : want.shape[1]]
    assert is_answer.sum() > 20
    return got[is_answer], want[is_answer]


def choose(task, model, tokenizer):
    first = [[context] * 3 for context in CONTEXTS]
    second = [
        [f"{question} {choice}" for choice in choices]
        for question, choices in zip(QUESTIONS, CHOICES, strict=True)
    ]
    inputs = tokenizer(sum(first, []), sum(second, []), padding=True)
    inputs = {k: np.reshape(v, (2, 3, -1)) for k, v in inputs.items()}
    got = task.predict(
        {"question": QUESTIONS, "context": CONTEXTS, "choices": CHOICES},
        verbose=0,
    )
    return got, answer(model, **inputs).logits


def embed(task, model, tokenizer):
    """`<s>`'s state, of the preprocessor's own global tokens."""
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=64)
    is_global = np.zeros_like(inputs["input_ids"])
    is_global[:, 0] = 1
    states = answer(
        model, **inputs, global_attention_mask=is_global
    ).last_hidden_state.numpy()
    mask = np.asarray(inputs["attention_mask"])[:, :, None]
    mean = (states * mask).sum(1) / mask.sum(1)
    want = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
    return task.predict(TEXTS, verbose=0), want


HEADS = {
    "ForSequenceClassification": (klf.LongformerTextClassifier, {}, classify),
    "ForMaskedLM": (klf.LongformerMaskedLM, {}, fill),
    "ForTokenClassification": (klf.LongformerTokenClassifier, {}, tag),
    "ForQuestionAnswering": (klf.LongformerQuestionAnswering, {}, find_spans),
    # Theirs are the tokens after the context, without `<s>`.
    "ForMultipleChoice": (
        klf.LongformerMultipleChoice,
        {"global_tokens": "second"},
        choose,
    ),
    "Model": (klf.LongformerEmbedder, {}, embed),
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    return folder, folders.byte_pair(folder)


@pytest.mark.parametrize("name", HEADS)
def test_both_ways(name, tokenizer, tmp_path):
    import transformers

    cls, options, compare = HEADS[name]
    files, size = tokenizer
    for path in files.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    labels = ["no", "yes", "maybe"] if "Classification" in name else ["a", "b"]
    theirs = folders.longformer(
        size,
        f"Longformer{name}",
        type_vocab_size=2,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    theirs.save_pretrained(tmp_path)
    ours = cls.from_preset(tmp_path, **options)
    if name == "ForSequenceClassification":
        assert ours.class_names == labels

    def open_tokenizer(folder):
        return transformers.AutoTokenizer.from_pretrained(
            folder, add_prefix_space=name == "ForTokenClassification"
        )

    got, want = compare(ours, theirs, open_tokenizer(tmp_path))
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE)
    assert np.ptp(np.asarray(want), axis=0).max() > 0.01  # They differ.

    again = tmp_path / "again"
    no_pooler = pytest.warns(UserWarning, match="has no pooler")
    with no_pooler if name == "Model" else contextlib.nullcontext():
        klf.save_hugging_face(ours, again)
    theirs, info = type(theirs).from_pretrained(again, output_loading_info=True)
    missing = [key for key in info.pop("missing_keys") if "pooler" not in key]
    assert not missing and not any(info.values())
    got, want = compare(ours, theirs.eval(), open_tokenizer(again))
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE)
