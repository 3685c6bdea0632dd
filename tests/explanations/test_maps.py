"""What a model looked at, against dense attention."""

import html.parser

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.explanations import AttentionMap
from keras_longformer.explanations import pictures
from keras_longformer.explanations.reading import Word
from tests.tasks import small
from tests.tasks.table import BY_NAME
from tests.tasks.table import KINDS


def dense(attention, x, is_global):
    """Probabilities of a layer by the paper, float64 `(h, n, n)`."""
    x = np.asarray(x[0], "float64")
    n = len(x)

    def project(name):
        part = getattr(attention, name)
        kernel = np.asarray(part.kernel, "float64")
        rows = np.einsum("nm,mhd->hnd", x, kernel)
        return rows + np.asarray(part.bias, "float64")[:, None]

    def softmax(query, key, seen):
        scores = np.einsum("hqd,hkd->hqk", query, key)
        scores = np.exp(scores / attention.key_dim**0.5) * seen
        return scores / scores.sum(-1, keepdims=True)

    steps = np.arange(n) - np.arange(n)[:, None]
    dilation = np.broadcast_to(attention.dilation, 3)[:, None, None]
    seen = abs(steps) <= attention.window_size // 2 * dilation
    seen &= steps % dilation == 0
    if attention.causal:
        seen &= steps <= 0
    seen |= is_global
    local = softmax(project("query"), project("key"), seen)
    rows = softmax(project("global_query"), project("global_key"), True)
    return np.where(is_global[:, None], rows, local)


@pytest.fixture(scope="module")
def task():
    """Two layers, one of them with gaps that differ from head to head."""
    return BY_NAME["question_answering"].scaled(
        window_size=[8, 6], dilation=[1, [1, 3, 2]], causal=[False, True]
    )


@pytest.fixture(scope="module")
def looked(task):
    text = {"question": small.QUESTIONS[0], "context": small.CONTEXTS[0]}
    return klf.attention_map(task, text)


def test_is_that_of_dense_attention(task, looked):
    n = len(looked.tokens)
    assert n > 40
    inputs = task.preprocessor(
        {"question": [small.QUESTIONS[0]], "context": [small.CONTEXTS[0]]}
    )
    token_ids = inputs["token_ids"][:, :n]
    is_global = inputs["global_mask"][:, :n]
    positions = np.flatnonzero(is_global[0])
    assert looked.global_positions.tolist() == positions.tolist()
    assert len(positions) > 2
    x = task.backbone.embeddings(token_ids)
    for i, block in enumerate(task.backbone.transformer_layers):
        want = dense(block.attention, x, np.asarray(is_global[0]))
        got = looked.layers[i]
        np.testing.assert_allclose(got.dense(), want, atol=1e-5)
        np.testing.assert_allclose(got.received(), want.mean(1), atol=1e-5)
        np.testing.assert_allclose(got.row(-1), want[:, -1], atol=1e-5)
        rows = np.arange(n) // 5
        ends = np.eye(rows[-1] + 1)[rows]
        want = np.einsum("hqk,qa,kc->hac", want, ends, ends)
        want /= ends.sum(0)[:, None]
        np.testing.assert_allclose(got.binned(5), want, atol=1e-5)
        x = block(x, global_mask=is_global)


def test_memory_is_linear(looked):
    n, g = len(looked.tokens), len(looked.global_positions)
    for scores, window in zip(looked.layers.values(), (8, 6), strict=True):
        assert scores.window.shape == (3, n, window + 1)
        assert scores.to_global.shape == (3, n, g)
        assert scores.from_global.shape == (3, g, n)
        total = scores.window.sum(-1) + scores.to_global.sum(-1)
        want = ~np.isin(np.arange(n), looked.global_positions)
        np.testing.assert_allclose(total, [want] * 3, atol=1e-5)
        np.testing.assert_allclose(scores.from_global.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_task(kind):
    task = kind.scaled()
    x = kind.x[0] if isinstance(kind.x, tuple) else kind.x
    if isinstance(x, dict):
        one = {name: column[0] for name, column in x.items()}
    else:
        one = x[0]
    looked = klf.attention_map(task, one, layers=[-1])
    assert isinstance(looked, AttentionMap)
    assert [*looked.layers] == [1]
    for source in (None, "all", 1):
        assert looked.shares(source).sum() == pytest.approx(1, abs=1e-4)
    assert "good" in {word.text for word in looked.words}
    assert looked.words[0].is_special
    assert looked.top_words(1)[0][2] > 0


def test_character_models():
    tokenizer = klf.LongformerByteTokenizer()
    backbone = klf.LongformerDecoderBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        window_size=4,
    )
    preprocessor = klf.LongformerCharLMPreprocessor(tokenizer)
    task = klf.LongformerCharLM(backbone, preprocessor)
    looked = klf.attention_map(task, "a text")
    assert "".join(looked.tokens) == "a text"
    rows = looked.layers[1].dense()
    assert not np.triu(rows, 1).any()
    np.testing.assert_allclose(rows.sum(-1), 1, atol=1e-5)
    assert klf.receptive_field(task).reach == [(2, 0), (4, 0)]
    looked = klf.attention_map(task, "Ünï 日")
    words = [word.text for word in looked.words]
    assert words == ["Ü", "n", "ï", "", "日"]
    with pytest.raises(ValueError, match="text is empty"):
        klf.attention_map(task, "")
    with pytest.raises(TypeError, match="reads one text"):
        klf.attention_map(task, ("a", "b"))


def test_what_predict_reads_or_refuses():
    task = small.make_classifier(pad_to="longest")
    assert klf.attention_map(task, b"a \xff good").top_words()
    task.preprocessor.sequence_length = 128
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        klf.attention_map(task, "a " * 200)
    assert caught.value.message.startswith("'embeddings' has positions for")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        task.predict_windows(["a " * 200])
    assert caught.value.message.startswith("'embeddings' has positions for")
    task = small.make_classifier(pad_to="longest", max_global_tokens=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="takes at most"):
        klf.attention_map(task, "a text")
    assert not klf.receptive_field(task).takes_globals


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.framed = [], "", 0

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        attributes = dict(attributes)
        self.framed += "global" in attributes.get("class", "").split()
        assert not {"src", "href", "onload"} & set(attributes)

    def handle_data(self, data):
        self.text += data


def test_pages_are_escaped_and_need_nothing_else(task, tmp_path):
    hostile = '<script>alert("1")</script> & $x$ text'
    looked = klf.attention_map(task, {"question": "who?", "context": hostile})
    looked.save_text(tmp_path / "text.html")
    page = Page()
    page.feed((tmp_path / "text.html").read_text("utf-8"))
    assert not {"script", "link", "img"} & set(page.tags)
    assert '<script>alert("1")</script>' in page.text.replace("\n", "")
    assert page.framed == 2  # <s> and the question
    looked.save_text(tmp_path / "text.png", source="all", heads=[0])
    looked.save_map(tmp_path / "map.png", layers=[1])
    names = {"text.html", "text.png", "map.png"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_long_words_are_drawn_as_far_as_there_is_room():
    word = Word("y" * 150, 0, 1, False)
    assert pictures._shown(word) == "y" * (pictures.COLUMNS - 1) + "…"


def test_says_what_cannot_be(task, looked, tmp_path):
    with pytest.raises(ValueError, match="has no preprocessor"):
        klf.attention_map(task.backbone, "text")
    with pytest.raises(ValueError, match="has 2 layers"):
        klf.attention_map(task, {"question": "?", "context": ""}, layers=[2])
    with pytest.raises(ValueError, match="has 1 rows"):
        klf.attention_map(task, {"question": "?", "context": ""}, row=1)
    with pytest.raises(ValueError, match="no layers"):
        looked.shares(layers=[7])
    for none in (looked.shares, lambda **x: looked.save_map("map.png", **x)):
        with pytest.raises(ValueError, match="no layers"):
            none(layers=[])
    np.testing.assert_array_equal(
        looked.shares(layers=1, heads=2), looked.shares(layers=[1], heads=[2])
    )
    with pytest.raises(ValueError, match="Bins are of"):
        looked.layers[0].binned(0)
    other = keras.Sequential([keras.layers.Dense(2)])
    with pytest.raises(TypeError, match="task or a backbone"):
        klf.receptive_field(other)
    with pytest.raises(TypeError, match="task or a backbone"):
        klf.attention_map(other, "a text")
    with pytest.raises(ValueError, match="has 3 heads"):
        looked.shares(heads=[3])
    with pytest.raises(ValueError, match="`source` must be"):
        looked.shares("most")
    with pytest.raises(IndexError, match="There are"):
        looked.shares(1000)
    with pytest.raises(ValueError, match=r"\.html or \.png"):
        looked.save_text(tmp_path / "text.pdf")
