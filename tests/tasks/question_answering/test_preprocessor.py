"""Questions and contexts to inputs, answers to tokens and back."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.tasks.question_answering.answers import find_answers
from keras_longformer.tasks.question_answering.answers import text_of_tokens
from keras_longformer.tasks.question_answering.preprocessor import (
    LongformerQuestionAnsweringPreprocessor,
)
from tests.tasks import small

X = {"question": small.QUESTIONS, "context": small.CONTEXTS}


def make(**config):
    return LongformerQuestionAnsweringPreprocessor(
        small.shared_tokenizer(), **{"sequence_length": 64, **config}
    )


@pytest.fixture(scope="module")
def preprocessor():
    return make(long_questions="truncate")


@pytest.fixture(scope="module")
def packed(preprocessor):
    x, y = preprocessor(X, small.ANSWERS)
    return {name: value.numpy() for name, value in x.items()}, y.numpy()


def detokenized(preprocessor, ids):
    return preprocessor.tokenizer.detokenize(ids).numpy().decode()


def test_rows(preprocessor, packed):
    x, _ = packed
    assert {name: a.dtype for name, a in x.items()} == {
        "token_ids": np.int32,
        "padding_mask": bool,
        "global_mask": bool,
        "span_mask": bool,
    }
    assert preprocessor.question_limit == 16
    tokenize = preprocessor.tokenizer.tokenize
    for i, (question, context) in enumerate(
        zip(small.QUESTIONS, small.CONTEXTS, strict=True)
    ):
        question = tokenize(question).numpy().tolist()[:16]
        context = tokenize(context).numpy().tolist()[: 60 - len(question)]
        row = [0, *question, 2, 2, *context, 2]
        ids = x["token_ids"][i]
        assert ids.tolist() == row + [1] * (64 - len(row))
        assert x["padding_mask"][i].sum() == len(row)
        assert np.flatnonzero(x["global_mask"][i]).tolist() == [
            *range(len(question) + 1)
        ]
        start = len(question) + 3
        assert np.flatnonzero(x["span_mask"][i]).tolist() == [
            0,
            *range(start, start + len(context)),
        ]


def test_targets(preprocessor, packed):
    x, y = packed
    assert y.dtype == bool and y.shape == (6, 64, 2)
    marked = []
    for ids, row in zip(x["token_ids"], y, strict=True):
        first, last = (np.flatnonzero(column) for column in row.T)
        marked.append(
            [
                detokenized(preprocessor, ids[i : j + 1])
                for i, j in zip(first, last, strict=True)
            ]
        )
    none = ["<s>"]
    assert marked == [
        ["Ada Lovelace"],
        none,  # cut off
        none,
        ["Ada", "Ada"],
        none,
        ["the"],
    ]
    _, first = make(long_questions="truncate", answers="first")(
        X, small.ANSWERS
    )
    assert first.numpy().sum(1).tolist() == [[1, 1]] * 6
    np.testing.assert_array_equal(first[3, :10], y[3, :10])


def test_forms_of_inputs_and_answers(preprocessor, packed):
    x, y = packed
    padded = {
        "text": np.array(
            [[*a, *[""] * (2 - len(a))] for a in small.ANSWERS["text"]]
        ),
        "start": np.array(
            [[*a, *[-1] * (2 - len(a))] for a in small.ANSWERS["start"]]
        ),
    }
    pair = small.QUESTIONS, small.CONTEXTS
    weights = np.ones(6, "float32")
    got = preprocessor(x=pair, y=padded, sample_weight=weights)
    np.testing.assert_array_equal(got[0]["token_ids"], x["token_ids"])
    np.testing.assert_array_equal(got[1], y)
    np.testing.assert_array_equal(got[2], weights)
    ragged = {
        "text": tf.ragged.constant(small.ANSWERS["text"]),
        "start": tf.ragged.constant(small.ANSWERS["start"], tf.int32),
    }
    data = tf.data.Dataset.from_tensor_slices((X, ragged)).batch(6)
    for got_x, got_y in data.map(preprocessor):
        np.testing.assert_array_equal(got_y, y)
        for name in x:
            np.testing.assert_array_equal(got_x[name], x[name])
    # One question, one answer.
    one = {"question": small.QUESTIONS[0], "context": small.CONTEXTS[0]}
    got_x, got_y = preprocessor(one, {"text": "Ada Lovelace", "start": 31})
    np.testing.assert_array_equal(got_y, y[0])
    np.testing.assert_array_equal(got_x["span_mask"], x["span_mask"][0])
    one_each = {"text": ["answer", "bad"], "start": [21, 11]}
    _, got_y = preprocessor(x=tuple(a[:2] for a in pair), y=one_each)
    assert got_y.numpy().sum(1).tolist() == [[1, 1], [1, 1]]


def test_answers_that_are_cut_off_are_counted(preprocessor):
    counts = preprocessor.count_answers(X, small.ANSWERS)
    assert counts == {
        "questions": 6,
        "without_answer": 2,
        "questions_cut_off": 1,
        "answers": 5,
        "answers_cut_off": 1,
    }
    counts = preprocessor.count_answers(X, small.ANSWERS, windows=True)
    assert counts["answers_cut_off"] == counts["questions_cut_off"] == 0
    skipping = make(long_questions="truncate", lost_answers="skip")
    _, _, weights = skipping(X, small.ANSWERS)
    assert weights.numpy().tolist() == [1, 0, 1, 1, 1, 1]
    _, _, weights = skipping(X, small.ANSWERS, tf.range(6))
    assert weights.numpy().tolist() == [0, 0, 2, 3, 4, 5]


def test_training_windows(preprocessor):
    """Each window has its own answers: the cut-off one is in some."""
    x, y, weights = preprocessor.training_windows(X, small.ANSWERS, stride=9)
    _, windows = preprocessor.windows(X, stride=9)
    of = windows.text_index.numpy()
    assert len(of) == len(x["token_ids"]) == len(y) == len(weights)
    answers = set()
    for ids, row in zip(x["token_ids"].numpy(), y.numpy(), strict=True):
        first, last = (np.flatnonzero(column) for column in row.T)
        for i, j in zip(first, last, strict=True):
            answers.add(detokenized(preprocessor, ids[i : j + 1]))
    assert answers == {"<s>", "Ada Lovelace", "🙂🙂 Zoë", "Ada", "the"}
    rows = y.numpy()[of == 1]
    assert 0 < (~rows[:, 0, 0]).sum() < len(rows)


@pytest.mark.parametrize(
    "y, match",
    [
        (
            {"text": ["Ada"], "start": [5]},
            "'Ada' does not stand at character 5",
        ),
        ({"text": ["Ada"], "start": [99]}, "question 0 of the batch"),
        # The byte where it starts, and not the character.
        ({"text": [["Ä", "b"]], "start": [[0, 2]]}, "'b' does not stand"),
        ({"text": [["a", "b"]], "start": [[0]]}, 'one "start" for each'),
    ],
)
def test_offsets_that_do_not_fit(preprocessor, y, match):
    x = {"question": ["q"], "context": ["Äb a a a"]}
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        preprocessor(x, y)


def test_errors(preprocessor):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Text 1 of"):
        make()(X)
    for x in (["a", "b"], ("a",), {"question": "a"}):
        with pytest.raises(ValueError, match="lone tuple"):
            preprocessor(x=x)
    with pytest.raises(ValueError, match="one context for each question"):
        preprocessor(x=("a", ["b"]))
    with pytest.raises(ValueError, match='a dict of "text"'):
        preprocessor(X, {"text": small.ANSWERS["text"]})
    for config, match in (
        ({"long_questions": "drop"}, "`long_questions` must be one of"),
        ({"answers": "last"}, "`answers` must be one of"),
        ({"lost_answers": "drop"}, "`lost_answers` must be one of"),
        ({"max_question_length": 60}, "must leave room for a context"),
        ({"max_question_length": 0}, "must leave room"),
    ):
        with pytest.raises(ValueError, match=match):
            make(**config)


def test_config():
    preprocessor = make(max_question_length=9, answers="first")
    again = type(preprocessor).from_config(preprocessor.get_config())
    for name in ("max_question_length", "answers", "sequence_length", "pad_to"):
        assert getattr(again, name) == getattr(preprocessor, name)
    assert make().question_limit == 16
    assert make(sequence_length=4096).question_limit == 64
    assert make(sequence_length=None).question_limit == 64


def round_trip(tokenizer, contexts, answers):
    """The texts and offsets of the tokens of answers, `(b, a)` each."""
    contexts = tf.constant(contexts)
    tokens = tokenizer.tokenize_with_offsets(contexts)
    found = find_answers(answers, contexts, tokens)
    texts, starts, ends = text_of_tokens(contexts, tokens, *found)
    return found, texts.numpy(), starts.numpy(), ends.numpy()


def test_characters_of_tokens():
    """Emoji of several tokens, blanks of all kinds, and broken UTF-8."""
    contexts = [
        "日本語 🙂🙂 Zoë's\u3000naïve  answer \u00a0 end",
        b"\xff\xfe broken \xc3 b\xc3\xa4d",
        "",
    ]
    answers = {
        "text": [["🙂", "naïve", "  answer ", "語 🙂🙂 Zoë"], ["bäd"], []],
        "start": [[5, 13, 18, 2], [12], []],
    }
    found, texts, starts, ends = round_trip(
        small.shared_tokenizer(), contexts, answers
    )
    assert [t.decode() for t in texts[0]] == [
        "🙂",
        "naïve",
        "answer",
        "語 🙂🙂 Zoë",
    ]
    assert starts[0].tolist() == [5, 13, 20, 2]
    assert ends[0].tolist() == [6, 18, 26, 10]
    assert texts[1].tolist() == ["bäd".encode(), b"", b"", b""]
    assert [starts[1, 0], ends[1, 0]] == [12, 15]
    assert (found.first.numpy()[2] == -1).all() and set(texts[2]) == {b""}


def test_xquad(roberta, shared_data):
    """Every gold answer, from its tokens in the whole article.

    13 of 1,190 end within a token ("19.3%" before ")", which is one with it):
    their tokens are the fewest that hold them.
    """
    path = shared_data / "qa" / "xquad.en.json"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    contexts, answers = [], {"text": [], "start": []}
    for article in articles:
        context, texts, starts = "", [], []
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                for answer in question["answers"]:
                    texts.append(answer["text"])
                    starts.append(len(context) + answer["answer_start"])
            context += paragraph["context"] + "\n\n"
        contexts.append(context)
        answers["text"].append(texts)
        answers["start"].append(starts)
    found, texts, starts, ends = round_trip(roberta, contexts, answers)
    exact = inside = 0
    tokens = roberta.tokenize_with_offsets(contexts)
    for i, context in enumerate(contexts):
        for j, (text, start) in enumerate(
            zip(answers["text"][i], answers["start"][i], strict=True)
        ):
            got = texts[i, j].decode()
            assert context[starts[i, j] : ends[i, j]] == got
            if got == text.strip():
                exact += 1
                continue
            inside += 1
            assert text.strip() in got
            # Without its first or last token it would not be whole.
            first, last = found.first[i, j], found.last[i, j]
            assert tokens.starts[i, last] < start + len(text)
            assert tokens.ends[i, first] > start
    assert (exact, inside) == (1177, 13)
