import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_longformer.weights import names
from keras_longformer.weights import readers
from keras_longformer.weights.families import BERT
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


def test_the_masked_lm_of_a_bert_in_hdf5():
    name = "mlm___cls/tf_bert_for_pre_training/mlm___cls/predictions/bias:0"
    want = names.Spelling("cls.predictions.bias", False, False)
    assert names.spell(name, BERT.prefixes) == want


ANCHOR = "embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    "before, head, want_before, want_head",
    [
        ("", "classifier.bias", "", "classifier.bias"),
        ("roberta.", "classifier.bias", "roberta.", "classifier.bias"),
        ("module.roberta.", "module.lm_head.x", "roberta.", "lm_head.x"),
        ("a.b.longformer.", "a.b.lm_head.x", "longformer.", "lm_head.x"),
        ("auto_model.", "fc.bias", "longformer.", "fc.bias"),
        ("encoder.", "encoder.pooler.x", "longformer.", "longformer.pooler.x"),
    ],
)
def test_outer_prefixes(before, head, want_before, want_head):
    layer = "encoder.layer.0.output.dense.weight"
    got = names.without_outer_prefix(
        [before + ANCHOR, before + layer, head], LONGFORMER.prefixes, ANCHOR
    )
    want = [want_before + ANCHOR, want_before + layer, want_head]
    assert list(got.values()) == want


def test_several_encoders():
    files = [f"{before}.{ANCHOR}" for before in ("query", "document")]
    with pytest.raises(ValueError, match="under document., query.. Save one"):
        names.without_outer_prefix(files, LONGFORMER.prefixes, ANCHOR)
    # One that has its usual name is meant.
    same = [*files, f"longformer.{ANCHOR}"]
    got = names.without_outer_prefix(same, LONGFORMER.prefixes, ANCHOR)
    assert list(got.values()) == same


def test_a_prefix_in_front_changes_no_array(golden):
    path = str(golden / "longformer-classifier" / "model.safetensors")
    arrays = readers.read_safetensors(path)
    prefixed = {f"module.{name}": arrays[name] for name in arrays}
    head = TASKS["classifier"].head_modules
    got, want = rename(prefixed, head), rename(arrays, head)
    assert set(got) == set(want)
    for name, array in want.items():
        np.testing.assert_array_equal(got[name], array)


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


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
def test_integers_are_no_weights(tmp_path, dtype):
    query = "encoder.layer.0.attention.self.query.weight"
    stored = {
        "embeddings.position_ids": np.arange(3)[None],
        query: np.ones((3, 3), dtype),
        "encoder.layer.1.output.dense.weight.absmax": np.ones(1, dtype),
    }
    path = str(tmp_path / "model.safetensors")
    save_file(stored, path)
    with pytest.raises(ValueError, match="is quantized") as error:
        rename(readers.read_safetensors(path))
    assert f"{query} ({dtype}), " in str(error.value)
    assert f"absmax ({dtype}). Save" in str(error.value)
    assert "position_ids" not in str(error.value)


def test_heads_that_do_not_divide_are_left_to_assign():
    name = "encoder.layer.0.attention.self.query.weight"
    (array,) = rename({name: np.zeros((4, 5))}).values()
    assert array.shape == (5, 4)


def test_no_foreign_name():
    with pytest.raises(ValueError, match="no weights like: layer_0/lora"):
        LONGFORMER.to_theirs({"layer_0/lora": np.zeros(1)}, num_layers=1)
