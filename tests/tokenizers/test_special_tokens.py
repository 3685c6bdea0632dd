"""Added tokens are found where Hugging Face's `tokenizers` finds them."""

import dataclasses

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from keras_longformer.tokenizers.characters import CharacterClasses
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import check_tokens
from keras_longformer.tokenizers.special_tokens import cut_texts
from keras_longformer.tokenizers.special_tokens import join_pieces

ALPHABETS = ("ab ", "<a> /", "aé_ \u00a0\n", "ab😀1 ", "a\u0301-\u200d\t")


def reference(tokens):
    """Their tokenizer, for which all ordinary text is one unknown word."""
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.models.WordLevel({"?": 0}, "?")
    made = tokenizers.Tokenizer(model)
    for token in tokens:
        flags = dataclasses.asdict(token)
        content, special = flags.pop("content"), flags.pop("special")
        del flags["id"]
        theirs = tokenizers.AddedToken(content, **flags)
        add = made.add_special_tokens if special else made.add_tokens
        add([theirs])
    return made


def found(texts, tokens):
    """Rows of (id or 0, (start, end)), as `reference` encodes."""
    cut = cut_texts(tf.constant(texts, tf.string), tokens, CharacterClasses())
    ids = tf.maximum(cut.special_ids, 0)
    values = [x.numpy().tolist() for x in (ids, cut.starts, cut.ends)]
    pieces = [(i, (s, e)) for i, s, e in zip(*values, strict=True)]
    splits = cut.row_splits.numpy()
    return [pieces[a:b] for a, b in zip(splits, splits[1:], strict=False)]


@strategies.composite
def tokens_and_texts(draw):
    alphabet = draw(strategies.sampled_from(ALPHABETS))
    text = strategies.text(alphabet, max_size=30)
    contents = draw(
        strategies.lists(
            strategies.text(alphabet, min_size=1, max_size=4),
            min_size=1,
            max_size=8,
            unique=True,
        )
    )
    flags = strategies.lists(strategies.booleans(), min_size=5, max_size=5)
    tokens = [AddedToken(c, 0, *draw(flags)) for c in contents]
    return tokens, draw(strategies.lists(text, max_size=40))


@settings(max_examples=25, deadline=None)
@given(tokens_and_texts())
def test_found_as_by_tokenizers(case):
    tokens, texts = case
    if check_tokens(tokens):
        return
    theirs = reference(tokens)
    tokens = [
        dataclasses.replace(t, id=theirs.token_to_id(t.content)) for t in tokens
    ]
    wanted = [theirs.encode(text) for text in texts]
    wanted = [[*zip(x.ids, x.offsets, strict=True)] for x in wanted]
    assert found(texts, tokens) == wanted


def test_many_tokens_in_a_graph():
    """Also where one token begins with another, and none stands in a text."""
    tokens = [AddedToken(f"[{i}]" * 2, 10 + i) for i in range(300)]
    tokens += [AddedToken("[7]", 1), AddedToken("[", 2)]
    texts = ["x [7][7] [7] [7", "", "[299][299][1][2]", "nothing"]
    theirs = reference(tokens)
    tokens = [
        dataclasses.replace(t, id=theirs.token_to_id(t.content)) for t in tokens
    ]
    cut = tf.function(lambda texts: cut_texts(texts, tokens, classes))
    classes = CharacterClasses()
    got = tf.maximum(cut(tf.constant(texts)).special_ids, 0)
    wanted = [i for text in texts for i in theirs.encode(text).ids]
    assert got.numpy().tolist() == wanted


def test_pieces_are_put_together():
    tokens = [AddedToken("[E]", 99)]
    texts = ["ab[E]c", "", "[E]", "abc"]
    cut = cut_texts(tf.constant(texts), tokens, CharacterClasses())
    ordinary = tf.boolean_mask(cut.pieces, cut.special_ids < 0)
    assert ordinary.numpy().tolist() == [b"ab", b"c", b"abc"]
    ids = tf.strings.unicode_decode(ordinary, "UTF-8")
    joined = join_pieces(cut, ids, cut.special_ids)
    assert joined.to_list() == [[97, 98, 99, 99], [], [99], [97, 98, 99]]
    sizes = cut.ends - cut.starts
    assert join_pieces(cut, ids, sizes).to_list()[2] == [3]


def test_what_cannot_be_found_exactly():
    problems = check_tokens(
        [
            AddedToken("", 1),
            AddedToken(" a", 2),
            AddedToken("b", 3, rstrip=True),
        ]
    )
    assert len(problems) == 2
    assert "'' (id 1) is empty" in problems[0]
    assert "' a' begins with whitespace" in problems[1]
