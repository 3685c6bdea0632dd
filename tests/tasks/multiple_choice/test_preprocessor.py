"""Questions with choices as rows."""

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.tasks import small

QUESTIONS = {
    "question": ["q r", "s"],
    "context": ["u v w", "xyz " * 30],
    "choices": [["a", "", "bcd"], ["e"]],
}


def make(**config):
    return klf.LongformerMultipleChoicePreprocessor(
        small.shared_tokenizer(), **{"sequence_length": 24, **config}
    )


def text(ids, mask=None):
    """Tokens in letters; those that the mask marks alone."""
    tokenizer = small.shared_tokenizer()
    ids = np.asarray(ids)
    if mask is not None:
        ids = ids[np.asarray(mask)]
    return tokenizer.detokenize(ids).numpy().decode()


def test_choices():
    x, y = make()(QUESTIONS, [1, 0])
    assert y.numpy().tolist() == [1, 0]
    assert x["token_ids"].shape == (2, 2, 24)
    row, mask = x["token_ids"][0, 1], x["padding_mask"][0, 1]
    assert text(row, mask) == "<s>u v w</s></s>q r bcd</s>"
    marked = x["global_mask"][0, 1]
    assert text(row, marked) == "<s>q r bcd</s>"
    assert not x["padding_mask"][1, 1].numpy().any()
    assert not x["global_mask"][1, 1].numpy().any()
    # The context is cut off, the question is not.
    row, mask = x["token_ids"][1, 0], x["padding_mask"][1, 0]
    assert text(row, mask).endswith("</s></s>s e</s>")
    assert mask.numpy().all()


@pytest.mark.parametrize(
    "global_tokens, want",
    [("question", "<s>q r a</s>"), ("second", "q r a</s>"), ("none", "")],
)
def test_global_tokens(global_tokens, want):
    x = make(global_tokens=global_tokens)(QUESTIONS)
    assert text(x["token_ids"][0, 0], x["global_mask"][0, 0]) == want


def test_one_of_question_and_context():
    for name in ("question", "context"):
        x = make()({name: ["t"], "choices": [["a"]]})
        row, mask = x["token_ids"][0, 0], x["padding_mask"][0, 0]
        assert text(row, mask) == "<s>t</s></s>a</s>"
        assert text(row, x["global_mask"][0, 0]) == "<s>a</s>"


def test_candidates_in_windows():
    x = make(scoring="candidates")(QUESTIONS)
    row, mask = x["token_ids"][0, 0], x["padding_mask"][0, 0]
    want = "<s>q r</s></s>a</s></s>bcd</s></s>u v w</s>"
    assert text(row, mask) == want
    assert text(row, x["global_mask"][0, 0]) == "<s>q r</s></s>a</s></s>bcd</s>"
    positions = x["candidate_positions"].numpy()
    ids = x["token_ids"].numpy()
    assert positions.shape == (2, 2) and positions[1, 1] == 0
    for text_index, choices in enumerate((["a", "bcd"], ["e"])):
        for position, choice in zip(positions[text_index], choices):
            there = x["padding_mask"][text_index].numpy().any(-1)
            for window in ids[text_index, there]:
                behind = window[position : position + 1 + len(choice)]
                assert text(behind) == f"</s>{choice}"
    # Every token of the document is in a window.
    there = x["padding_mask"][1].numpy()
    assert there.any(-1).sum() > 3
    last = ids[1][there.any(-1)][-1]
    assert text(last[last != 1]).endswith("xyz </s>")
    assert not x["padding_mask"][0, 1:].numpy().any()
    few = make(scoring="candidates", max_windows=2)(QUESTIONS)
    assert few["token_ids"].shape[:2] == (2, 2)


def test_documents_and_marks():
    x = make(scoring="candidates", marks=("<unk>", "<pad>", "<mask>", None))(
        {
            "question": ["q", "r"],
            "context": [["d", "f", "g"], ["h"]],
            "choices": [["a", "b"], ["c"]],
        }
    )
    row, mask = x["token_ids"][0, 0], x["padding_mask"][0, 0]
    want = "<s><unk>q<pad><mask>a<mask>b</s>d</s></s>f</s></s>g</s>"
    assert text(row, mask) == want
    assert x["candidate_positions"].numpy().tolist() == [[4, 6], [4, 0]]


def test_in_a_graph_and_config():
    preprocessor = make(
        scoring="candidates", marks=(None, None, "<mask>", None)
    )
    again = type(preprocessor).from_config(
        {**preprocessor.get_config(), "tokenizer": preprocessor.tokenizer}
    )
    assert again.get_config() == preprocessor.get_config()
    questions = {
        **QUESTIONS,
        "choices": tf.ragged.constant(QUESTIONS["choices"]),
    }
    data = tf.data.Dataset.from_tensor_slices(questions).batch(2)
    want = preprocessor(QUESTIONS)
    got = next(iter(data.map(again)))
    tf.nest.map_structure(np.testing.assert_array_equal, got, want)


def test_errors():
    for config, match in (
        ({"scoring": "all"}, "`scoring` must be one of"),
        ({"global_tokens": "all"}, "`global_tokens` must be one of"),
        (
            {"scoring": "candidates", "global_tokens": "second"},
            "`global_tokens` must be one of",
        ),
        ({"marks": (None, None, None, None)}, "third of `marks`"),
        (
            {"scoring": "candidates", "sequence_length": None},
            "are of `sequence_length`",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            make(**config)
    with pytest.raises(TypeError, match="are a dict of"):
        make()(["a"])
    with pytest.raises(ValueError, match="Received: \\['choices'\\]"):
        make()({"choices": [["a"]]})
    with pytest.raises(ValueError, match="`\\(b, choices\\)`"):
        make()({"question": ["a"], "choices": ["b"]})
    with pytest.raises(ValueError, match="one of them only"):
        make(scoring="candidates")({"question": ["a"], "choices": [["b"]]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="no room for"):
        make(scoring="candidates")({**QUESTIONS, "question": ["x" * 30, ""]})
