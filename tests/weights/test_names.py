import numpy as np
import pytest

from keras_longformer.weights import names
from keras_longformer.weights import readers
from keras_longformer.weights.families import LONGFORMER
from tests.weights.conftest import TASKS


@pytest.mark.parametrize(
    "name, expected",
    [
        (
            "roberta.encoder.layer.3.attention.self.query.weight",
            ("encoder.layer.3.attention.self.query.weight", False),
        ),
        (
            "longformer/tf_longformer_model/longformer/encoder/layer_._3/"
            "attention/self/query_global/kernel:0",
            ("encoder.layer.3.attention.self.query_global.weight", True),
        ),
        (
            "embeddings.LayerNorm.gamma",
            ("embeddings.LayerNorm.weight", False),
        ),
        (
            "roberta/x/roberta/embeddings/LayerNorm/beta:0",
            ("embeddings.LayerNorm.bias", False),
        ),
        (
            "roberta/x/roberta/embeddings/position_embeddings/embeddings:0",
            ("embeddings.position_embeddings.weight", False),
        ),
        (
            "lm_head/tf_roberta_for_masked_lm/roberta/embeddings/"
            "word_embeddings/weight:0",
            ("embeddings.word_embeddings.weight", False),
        ),
        (
            "lm_head/tf_roberta_for_masked_lm/lm_head/layer_norm/gamma:0",
            ("lm_head.layer_norm.weight", False),
        ),
        (
            "classifier/x/classifier/out_proj/kernel:0",
            ("classifier.out_proj.weight", True),
        ),
        ("qa_outputs/x/qa_outputs/bias:0", ("qa_outputs.bias", False)),
        ("classifier.bias", ("classifier.bias", False)),
    ],
)
def test_spellings(name, expected):
    spelling = names.spell(name, LONGFORMER.prefixes)
    assert (spelling.name, spelling.is_transposed) == expected
    is_head = spelling.name.startswith(("lm_head", "classifier", "qa_outputs"))
    bare = "/" not in name and not name.startswith("roberta.")
    assert spelling.has_prefix is (not is_head and not bare)


def test_heads_of_any_name_are_spelled():
    name = "own_head/tf_x_for_y/own_head/dense/kernel:0"
    want = names.Spelling("own_head.dense.weight", False, True)
    assert names.spell(name, LONGFORMER.prefixes) == want


ALL_HEADS = tuple(row for task in TASKS.values() for row in task.head_modules)
HEADS = ["masked_lm", "classifier", "question_answering", "token_classifier"]


@pytest.mark.parametrize("head", [None, *HEADS])
def test_there_and_back_is_exact(arrays, modules_of, head):
    ours = arrays(head)
    theirs = LONGFORMER.to_theirs(
        ours,
        num_layers=2,
        head_modules=modules_of(head),
        prefix="longformer." if head else "",
    )
    assert all(array.flags.c_contiguous for array in theirs.values())
    back = rename(theirs, modules_of(head))
    assert set(back) == set(ours)
    for name, array in ours.items():
        np.testing.assert_array_equal(back[name], array)


def test_heads_are_split_in_pytorch_order(arrays):
    ours = arrays()
    theirs = LONGFORMER.to_theirs(ours, num_layers=2)
    x = np.random.default_rng(1).normal(size=15)
    linear = theirs["encoder.layer.1.attention.self.key.weight"] @ x
    linear += theirs["encoder.layer.1.attention.self.key.bias"]
    kernel = ours["layer_1/attention/key/kernel"]
    heads = np.einsum("m,mhd->hd", x, kernel)
    heads += ours["layer_1/attention/key/bias"]
    np.testing.assert_allclose(linear.reshape(3, 5), heads, atol=1e-6)
    output = theirs["encoder.layer.1.attention.output.dense.weight"] @ linear
    kernel = ours["layer_1/attention/attention_output/kernel"]
    np.testing.assert_allclose(
        output, np.einsum("hd,hdm->m", heads, kernel), atol=1e-5
    )


def test_h5_and_safetensors_are_the_same_weights(golden):
    for task in ("base", "masked_lm", "classifier"):
        folder = golden / f"longformer-{task}"
        h5, safe = (
            rename(arrays, ALL_HEADS)
            for arrays in (
                readers.read_h5(str(folder / "tf_model.h5")),
                readers.read_safetensors(str(folder / "model.safetensors")),
            )
        )
        assert set(h5) == set(safe)
        for name, array in h5.items():
            np.testing.assert_array_equal(array, safe[name])


def test_every_golden_name_is_known(golden):
    encoder = {entry.ours for entry in LONGFORMER.entries(2)}
    heads = {entry.ours for entry in names.entries(ALL_HEADS)}
    paths = [*golden.glob("*/*.h5"), *golden.glob("*/*.safetensors")]
    assert len(paths) > 10
    for path in paths:
        read = readers.read_h5
        if path.suffix == ".safetensors":
            read = readers.read_safetensors
        got = set(rename(read(str(path)), ALL_HEADS))
        assert got <= encoder | heads, path
        is_base = "base" in path.parent.name or "sharded" in path.parent.name
        assert bool(got & heads) is not is_base or "-0000" in path.name, path
        # Without a head's table, no more than the encoder, known or not.
        assert set(rename(read(str(path)))) == got & encoder, path


def rename(arrays, head_modules=()):
    return LONGFORMER.to_ours(
        arrays, num_layers=2, num_heads=3, head_modules=head_modules
    )


def test_buffers_are_dropped_and_strangers_kept():
    got = rename(
        {
            "roberta.embeddings.position_ids": np.arange(3)[None],
            "roberta.adapter.weight": np.zeros((2, 3)),
        }
    )
    assert set(got) == {"adapter.weight"}


def test_a_weight_stored_twice_must_be_equal():
    name = "{}/x/longformer/embeddings/word_embeddings/weight:0"
    both = {
        name.format(group): np.ones((2, 3))
        for group in ("longformer", "lm_head")
    }
    assert set(rename(both)) == {"embeddings/token_embedding/embeddings"}
    both[name.format("lm_head")] = np.zeros((2, 3))
    with pytest.raises(ValueError, match="word_embeddings.weight twice"):
        rename(both)


def test_a_tied_decoder_is_dropped_and_an_untied_one_refused():
    tied = {
        "roberta.embeddings.word_embeddings.weight": np.ones((4, 3)),
        "lm_head.decoder.weight": np.ones((4, 3)),
        "lm_head.decoder.bias": np.ones(4),
    }
    head = TASKS["masked_lm"].head_modules
    assert set(rename(tied, head)) == {
        "embeddings/token_embedding/embeddings",
        "lm_head/output_bias",
    }
    tied["lm_head.decoder.weight"] = np.zeros((4, 3))
    with pytest.raises(ValueError, match="lm_head.decoder.weight must equal"):
        rename(tied, head)
    # Who does not ask for the head need not care.
    assert set(rename(tied)) == {"embeddings/token_embedding/embeddings"}


def test_heads_that_do_not_divide_are_left_to_assign():
    name = "encoder.layer.0.attention.self.query.weight"
    (array,) = rename({name: np.zeros((4, 5))}).values()
    assert array.shape == (5, 4)


def test_no_foreign_name():
    with pytest.raises(ValueError, match="no weights like: layer_0/lora"):
        LONGFORMER.to_theirs({"layer_0/lora": np.zeros(1)}, num_layers=1)
