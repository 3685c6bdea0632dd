"""What the tokenizer gives besides ids, and how it is kept."""

import gc
import json

import keras
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.tokenizers.sentence_piece.layout import IdLayout

TEXTS = ["Hello  world ", " a ﬁnal ½ e\u0301a", "素早い x", "", " ", "☃☃ ☃…"]


def spans(tokenizer, text, **options):
    """Returns (token, what it stands for) of each."""
    found = tokenizer.tokenize_with_offsets(text, **options)
    return [
        (tokenizer.id_to_token(i), text[a:b])
        for i, a, b in zip(*(x.numpy().tolist() for x in found))
    ]


def test_offsets_are_of_the_text_as_it_was_given(xlm_roberta):
    for text in TEXTS:
        for token, part in spans(xlm_roberta, text):
            token = token.strip("▁")
            if token.isalpha() and token.isascii() and part.isascii():
                assert part.split() == [token]
    pieces = dict(spans(xlm_roberta, "a   ½…ﬁ e\u0301"))
    assert pieces["▁1"] == "   ½" and pieces["2"] == "½"
    assert spans(xlm_roberta, "☃ ☃☃") == [
        ("▁", "☃"),
        ("<unk>", "☃"),
        ("▁", " "),
        ("<unk>", "☃☃"),
    ]


def test_each_part_of_a_character_has_all_of_it(xlm_roberta):
    text = "½" * 20 + "㍿ x½"
    covered = [set() for _ in text]
    found = xlm_roberta.tokenize_with_offsets(text)
    for a, b in zip(found.starts.numpy(), found.ends.numpy()):
        for i in range(a, b):
            covered[i].add(int(a))
    halves = [i for i, c in enumerate(text) if c == "½"]
    ids = [xlm_roberta.id_to_token(i) for i in found.ids.numpy()]
    assert ids.count("2") == len(halves)
    assert all(covered)


def test_special_tokens_in_text(xlm_roberta, slow_xlm_roberta):
    text = "a  <mask> b</s>c <s>NOT"
    plain = xlm_roberta.tokenize(text).numpy()
    assert not {0, 2, xlm_roberta.mask_token_id} & set(plain)
    want = slow_xlm_roberta(text, add_special_tokens=False)["input_ids"]
    got = xlm_roberta.tokenize(text, special_tokens_in_text=True)
    assert got.numpy().tolist() == want
    assert (
        dict(spans(xlm_roberta, text, special_tokens_in_text=True))["<mask>"]
        == "  <mask>"
    )
    one = xlm_roberta.tokenize(text, special_tokens_in_text=["</s>"]).numpy()
    assert 2 in one and xlm_roberta.mask_token_id not in one
    with pytest.raises(ValueError, match="special_tokens_in_text"):
        xlm_roberta.tokenize(text, special_tokens_in_text="<s>")


def test_words(xlm_roberta):
    words = ["Hello", "", "ﬁn", " x"]
    got = xlm_roberta.tokenize_words(tf.constant(words)).to_list()
    assert got == xlm_roberta.tokenize(words).to_list()
    assert got[1] == []


def test_detokenize(xlm_roberta):
    ids = xlm_roberta.tokenize(["a ﬁne  text", ""])
    assert xlm_roberta.detokenize(ids).numpy().tolist() == [b"a fine text", b""]
    ids = [0, *xlm_roberta.tokenize("a b").numpy(), 2, 1]
    assert xlm_roberta.detokenize(ids) == b"<s> a b</s><pad>"
    assert xlm_roberta.detokenize(ids, skip_special_tokens=True) == b"a b"


def test_vocabulary(xlm_roberta, slow_xlm_roberta, camembert, slow_camembert):
    assert xlm_roberta.vocabulary == slow_xlm_roberta.get_vocab()
    assert camembert.vocabulary == slow_camembert.get_vocab()
    for ours, theirs in (
        (xlm_roberta, slow_xlm_roberta),
        (camembert, slow_camembert),
    ):
        assert ours.vocabulary_size() == len(theirs)
        assert ours.start_token_id == theirs.cls_token_id
        assert ours.end_token_id == theirs.sep_token_id
        assert ours.pad_token_id == theirs.pad_token_id
        assert ours.unk_token_id == theirs.unk_token_id
        assert ours.mask_token_id == theirs.mask_token_id
        rows, end = ours.row_template, theirs.sep_token_id
        assert (rows.start, rows.between, rows.end) == (
            (theirs.cls_token_id,),
            (end, end),
            (end,),
        )
    with pytest.raises(ValueError, match="not in the vocabulary"):
        xlm_roberta.token_to_id("no such piece")
    with pytest.raises(ValueError, match="No token has id"):
        xlm_roberta.id_to_token(10**6)


def test_config_and_assets(proto, tmp_path):
    tokenizer = klf.LongformerSentencePieceTokenizer(
        proto,
        "camembert",
        added_tokens=["[ENT]"],
        prepend_scheme="first",
        max_text_bytes=99,
    )
    assert tokenizer.token_to_id("[ENT]") == 1005
    config = json.loads(json.dumps(tokenizer.get_config()))
    again = klf.LongformerSentencePieceTokenizer.from_config(config)
    with pytest.raises(ValueError, match="has no model"):
        again.tokenize("a")
    tokenizer.save_assets(tmp_path)
    again.load_assets(tmp_path)
    texts = ["a [ENT]b ﬁ", *TEXTS]
    want = tokenizer.tokenize(texts).to_list()
    assert again.tokenize(texts).to_list() == want
    assert 1005 in want[0]
    with pytest.raises(ValueError, match="may not make the tokenizer read"):
        type(tokenizer).from_config({**config, "proto": "/etc/passwd"})
    with pytest.raises(tf.errors.InvalidArgumentError, match="SentencePiece"):
        tokenizer.tokenize("a" * 100)


def test_in_datasets_and_shapes(xlm_roberta):
    want = xlm_roberta.tokenize(TEXTS).to_list()
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2)
    rows = [r for x in dataset.map(xlm_roberta.tokenize) for r in x.to_list()]
    assert rows == want
    assert xlm_roberta.tokenize([TEXTS[:2], TEXTS[2:4]]).to_list() == [
        want[:2],
        want[2:4],
    ]
    assert xlm_roberta.tokenize([]).to_list() == []
    padded = klf.LongformerSentencePieceTokenizer(
        xlm_roberta.proto, sequence_length=5
    )
    assert padded.tokenize(TEXTS).shape == (6, 5)
    assert padded.tokenize("").numpy().tolist() == [1] * 5


@pytest.mark.parametrize(
    ("proto", "error", "words"),
    [
        (b"", ValueError, "not a SentencePiece model"),
        (b"version https://git-lfs", ValueError, "Git LFS pointer"),
        (3, TypeError, "must be the bytes"),
    ],
)
def test_bad_models(proto, error, words):
    with pytest.raises(error, match=words):
        klf.LongformerSentencePieceTokenizer(proto)


def test_bad_arguments(proto):
    make = klf.LongformerSentencePieceTokenizer
    with pytest.raises(ValueError, match="`layout` must be one of"):
        make(proto, "bert")
    with pytest.raises(ValueError, match="has no id"):
        make(proto, IdLayout())  # Its model has no <pad>.
    with pytest.raises(ValueError, match="prepend_scheme"):
        make(proto, prepend_scheme="last")
    with pytest.raises(ValueError, match="two ids each"):
        make(proto, IdLayout(head=("<s>", "<pad>", "</s>")))


def test_without_the_extra(proto, monkeypatch):
    import sys

    name = "tensorflow_text.python.ops.sentencepiece_tokenizer"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"keras_longformer\[text\]"):
        klf.LongformerSentencePieceTokenizer(proto)


def test_models_live_as_long_as_their_tokenizers(proto):
    make = klf.LongformerSentencePieceTokenizer
    first, second = make(proto), make(proto)
    want = first.tokenize(TEXTS).to_list()
    keras.utils.set_random_seed(0)  # Clears TensorFlow's caches.
    assert first.tokenize(TEXTS).to_list() == want
    handle = second._sentence_piece._model.resource_handle
    del second
    gc.collect()
    assert first.tokenize(TEXTS).to_list() == want
    with pytest.raises(tf.errors.NotFoundError):
        tf.raw_ops.DestroyResourceOp(resource=handle, ignore_lookup_error=False)


def test_registered():
    name = "keras_longformer>LongformerSentencePieceTokenizer"
    found = keras.saving.get_registered_object(name)
    assert found is klf.LongformerSentencePieceTokenizer
