"""Model Garden's checkpoints, by golden files that its own code made."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file
from safetensors.numpy import save_file

import keras_longformer
from keras_longformer.weights import CONVERTER_QUIRKS
from keras_longformer.weights import ModelGardenCheckpoint
from keras_longformer.weights import open_foreign
from keras_longformer.weights import preset_kind
from keras_longformer.weights import save_model_garden
from keras_longformer.weights.object_graph import ObjectGraph
from keras_longformer.weights.object_graph import find_checkpoint
from tests.golden import reading
from tests.golden.reading import GOLDEN
from tests.golden.reading import TOLERANCE
from tests.golden.reading import assert_near
from tests.tasks import small

GARDEN = GOLDEN / "model_garden"
NUM_GLOBAL = {"longformer": 2, "converted": 1}
# A BERT's tokens see all others.
WINDOWS = {"pretrainer": 64, "classifier": 64}


def golden(case):
    """Returns our inputs for a case, and the arrays expected of it."""
    with np.load(f"{GARDEN}.npz") as file:
        arrays = {
            name.removeprefix(f"{case}/"): file[name]
            for name in file.files
            if name.startswith(f"{case}/")
        }
    token_ids = arrays.pop("input_word_ids")
    inputs = {
        "token_ids": token_ids,
        "padding_mask": arrays.pop("input_mask").astype(bool),
        "token_type_ids": arrays.pop("input_type_ids"),
        "global_mask": np.zeros(token_ids.shape, bool),
    }
    inputs["global_mask"][:, : NUM_GLOBAL.get(case, 0)] = True
    return inputs, arrays


def open_backbone(case, **options):
    window_size = {"window_size": WINDOWS[case]} if case in WINDOWS else {}
    return keras_longformer.LongformerBackbone.from_preset(
        str(GARDEN / case), **window_size, **options
    )


def call(model, inputs, **more):
    inputs = inputs | more
    return model({name: inputs[name] for name in model.input})


def arrays_of(prefix):
    """Returns all arrays of a checkpoint by their keys."""
    reader = tf.train.load_checkpoint(str(prefix))
    names = set(reader.get_variable_to_shape_map())
    names.remove("_CHECKPOINTABLE_OBJECT_GRAPH")
    return {name: reader.get_tensor(name) for name in names}


@pytest.mark.parametrize(
    "case", ["longformer", "no_global", "pretrainer", "classifier"]
)
def test_hidden_states_equal_model_gardens(case):
    inputs, want = golden(case)
    got = call(open_backbone(case), inputs)
    # Model Garden's BERTs give padding other numbers than our zero context.
    mask = inputs["padding_mask"] if case in WINDOWS else ...
    assert_near(got["sequence_output"], want["sequence_output"], mask)
    assert_near(got["pooled_output"], want["pooled_output"])


def test_a_trainers_parameters_are_read():
    config = open_backbone("longformer").get_config()
    assert config["window_size"] == [4, 6]
    assert config["dropout"] == 0.3
    assert config["attention_dropout"] == 0.2
    assert config["num_heads"] == 2
    assert config["position_rule"] == "absolute"
    assert config["layer_norm_epsilon"] == 1e-12
    assert config["activation"] == "gelu_approximate"


def test_a_masked_lms_head_comes_along():
    """Its embeddings stand in the file as a part of the head."""
    inputs, want = golden("pretrainer")
    model = keras_longformer.LongformerMaskedLM.from_preset(
        str(GARDEN / "pretrainer"), preprocessor=None, window_size=64
    )
    inputs["mask_positions"] = want["masked_lm_positions"]
    assert_near(call(model, inputs), want["mlm_logits"])


def test_a_classifiers_head_comes_along_with_the_encoders_pooler():
    inputs, want = golden("classifier")
    model = keras_longformer.LongformerTextClassifier.from_preset(
        str(GARDEN / "classifier"),
        preprocessor=None,
        window_size=64,
        max_global_tokens=None,
    )
    assert model.num_classes == 3
    assert_near(call(model, inputs), want["logits"])


def test_a_new_classifier_starts_from_the_encoders_pooler():
    model = keras_longformer.LongformerTextClassifier.from_preset(
        str(GARDEN / "pretrainer"),
        preprocessor=None,
        window_size=64,
        num_classes=4,
    )
    want = open_backbone("pretrainer").pooled_dense.kernel
    np.testing.assert_array_equal(model.pooled_dense.kernel, want)


def test_what_its_converter_made_is_what_it_runs():
    inputs, want = golden("converted")
    model = keras_longformer.LongformerBackbone.from_preset(
        str(GARDEN / "converted"), window_size=[4, 8]
    )
    got = call(model, inputs)
    assert_near(got["sequence_output"], want["sequence_output"])
    assert_near(got["pooled_output"], want["pooled_output"])


def converters_source(folder, **options):
    """Writes what the golden file was converted from: with one token type."""
    shutil.copytree(GOLDEN / "longformer-base", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"type_vocab_size": 1})
    )
    path = folder / "model.safetensors"
    arrays = load_file(path)
    name = "embeddings.token_type_embeddings.weight"
    save_file(arrays | {name: arrays[name][:1].copy()}, path)
    return keras_longformer.LongformerBackbone.from_preset(
        str(folder), **options
    )


@pytest.mark.parametrize("case", ["left_padding_unequal_global", "long"])
def test_its_converters_quirks_are_taken_back_exactly(case):
    """The numbers are those that Hugging Face's own model gave."""
    inputs, want = reading.read("longformer", case)
    model = keras_longformer.LongformerBackbone.from_preset(
        ModelGardenCheckpoint(
            GARDEN / "converted" / "longformer", quirks=CONVERTER_QUIRKS
        ),
        window_size=[4, 8],
    )
    assert model.num_token_types == 1
    got = call(model, inputs)
    assert_near(got["sequence_output"], want["sequence_output"])
    assert_near(got["pooled_output"], want["pooled_output"])


def test_written_with_all_quirks_it_is_what_the_converter_wrote(tmp_path):
    model = converters_source(tmp_path / "source")
    prefix = save_model_garden(model, tmp_path / "out", quirks=CONVERTER_QUIRKS)
    want = arrays_of(GARDEN / "converted" / "longformer")
    got = arrays_of(prefix)
    assert set(got) == set(want)
    for name, array in want.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


@pytest.mark.parametrize("case", ["longformer", "converted"])
def test_read_and_written_again_it_is_the_same_file(tmp_path, case):
    options = {} if case == "longformer" else {"window_size": [4, 8]}
    model = keras_longformer.LongformerBackbone.from_preset(
        str(GARDEN / case), **options
    )
    prefix = save_model_garden(model, tmp_path)
    got, want = arrays_of(prefix), arrays_of(find_checkpoint(GARDEN / case))
    assert set(got) == set(want)
    for name, array in want.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


def test_a_masked_lm_is_written_as_its_pretrainer_names_it(tmp_path):
    model = keras_longformer.LongformerMaskedLM.from_preset(
        str(GARDEN / "pretrainer"), preprocessor=None, window_size=64
    )
    prefix = save_model_garden(model, tmp_path)
    heads = {n for n in arrays_of(prefix) if n.startswith("masked_lm/")}
    want = arrays_of(find_checkpoint(GARDEN / "pretrainer"))
    assert heads == {
        name.removeprefix("model/")
        for name in want
        if name.startswith("model/masked_lm/") and "OPTIMIZER_SLOT" not in name
    }
    again = keras_longformer.LongformerMaskedLM.from_preset(
        str(tmp_path), preprocessor=None
    )
    for before, after in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_tokenizer_lies_beside_it(tmp_path):
    model = small.make_masked_lm()
    quirks = ["epsilon", "approximate_gelu"]
    prefix = save_model_garden(model, tmp_path, quirks=quirks)
    again = keras_longformer.LongformerMaskedLM.from_preset(
        ModelGardenCheckpoint(prefix, quirks=quirks)
    )
    for preset in (prefix, str(tmp_path)):
        reader = keras_longformer.LongformerMaskedLMPreprocessor.from_preset(
            preset
        )
        assert reader.sequence_length == model.backbone.max_sequence_length
        for tokenizer in (again.preprocessor.tokenizer, reader.tokenizer):
            np.testing.assert_array_equal(
                tokenizer(small.TEXTS[0]),
                model.preprocessor.tokenizer(small.TEXTS[0]),
            )


def test_positions_lose_the_rows_of_the_padding_only(tmp_path):
    """RoBERTa's positions become columns: equal with padding on the right."""
    model = keras_longformer.LongformerBackbone.from_preset(
        str(GOLDEN / "longformer-base"),
        layer_norm_epsilon=1e-12,
        activation="gelu_approximate",
    )
    save_model_garden(model, tmp_path)
    again = keras_longformer.LongformerBackbone.from_preset(str(tmp_path))
    assert again.max_sequence_length == model.max_sequence_length
    assert again.position_rule == "absolute"
    ids = np.array([[0, 7, 9, 2, 1, 1], [0, 5, 8, 11, 3, 2]])
    inputs = {
        "token_ids": ids,
        "padding_mask": ids != 1,
        "global_mask": np.arange(6) < np.array([[1], [1]]),
        "token_type_ids": np.zeros_like(ids),
    }
    got, want = call(again, inputs), call(model, inputs)
    mask = inputs["padding_mask"]
    assert_near(got["sequence_output"], want["sequence_output"].numpy(), mask)


def test_what_model_garden_cannot_do_is_refused_all_at_once(tmp_path):
    model = keras_longformer.LongformerBackbone.from_preset(
        str(GOLDEN / "longformer-base"), dilation=2, causal=True
    )
    with pytest.raises(ValueError) as error:
        save_model_garden(model, tmp_path, global_attention_size=0)
    for said in (
        "dilation=2",
        "causal=True",
        r"quirks=['epsilon']",
        r"quirks=['approximate_gelu']",
        "global_attention_size=0",
    ):
        assert said in str(error.value)
    assert not list(tmp_path.iterdir())


def test_heads_that_it_has_none_of_are_refused(tmp_path):
    model = keras_longformer.LongformerTextClassifier.from_preset(
        str(GARDEN / "classifier"), preprocessor=None, window_size=64
    )
    with pytest.raises(ValueError, match="write its `backbone`"):
        save_model_garden(model, tmp_path)


def test_a_longformers_windows_must_be_said():
    preset = str(GARDEN / "converted")
    assert preset_kind(preset) == "model_garden"
    with pytest.raises(ValueError, match="Name them: `window_size=512`"):
        open_foreign(preset)


def test_parameters_must_agree_with_the_arrays(tmp_path):
    shutil.copytree(GARDEN / "longformer", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "params.yaml"
    text = path.read_text().replace("intermediate_size: 7", "hidden_size: 12")
    path.write_text(text.replace("norm_first: false", "norm_first: true"))
    with pytest.raises(ValueError) as error:
        open_foreign(str(tmp_path))
    assert "hidden_size=12, and the arrays 6" in str(error.value)
    assert "norm_first=True" in str(error.value)


def test_an_encoder_with_a_berts_arrays_is_refused_by_its_type(tmp_path):
    shutil.copytree(GARDEN / "longformer", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "params.yaml"
    text = path.read_text().replace("type: any", "type: bigbird")
    path.write_text(text.replace(" any:", " bigbird:"))
    with pytest.raises(ValueError, match="of type 'bigbird'"):
        open_foreign(str(tmp_path))


# Of hidden states of real tokens, and of pooled outputs: at least, at most.
COSTS = {
    "epsilon": ((1e-5, 1e-3), (1e-5, 1e-3)),
    "approximate_gelu": ((1e-4, 1e-2), (1e-4, 1e-2)),
    "unshifted_positions": ((1, 10), (0.1, 2)),
    "untransposed_pooler": ((0, 0), (0.1, 2)),
    "global_key_bias": ((0, TOLERANCE), (0, TOLERANCE)),
    "repeated_token_type": ((0, 0), (0, 0)),
}


@pytest.mark.parametrize("quirk", COSTS)
def test_what_a_quirk_alone_costs(tmp_path, quirk):
    """The table of docs/model_garden.md."""
    model = converters_source(
        tmp_path / "source",
        layer_norm_epsilon=1e-5 if quirk == "epsilon" else 1e-12,
        activation=(
            "gelu" if quirk == "approximate_gelu" else "gelu_approximate"
        ),
    )
    prefix = save_model_garden(model, tmp_path / "out", quirks=[quirk])
    again = keras_longformer.LongformerBackbone.from_preset(prefix)
    inputs = {
        "token_ids": np.random.default_rng(0).integers(2, 53, (2, 40)),
        "padding_mask": np.arange(40) < np.array([[40], [30]]),
        "global_mask": np.tile(np.arange(40) < 1, (2, 1)),
        "token_type_ids": np.zeros((2, 40), "int32"),
    }
    inputs["token_ids"][~inputs["padding_mask"]] = 1
    before, after = call(model, inputs), call(again, inputs)
    mask = inputs["padding_mask"]
    for name, where, (least, most) in zip(
        ("sequence_output", "pooled_output"),
        (mask, ...),
        COSTS[quirk],
        strict=True,
    ):
        difference = np.asarray(before[name]) - np.asarray(after[name])
        assert least <= np.abs(difference[where]).max() <= most, name


def test_checkpoints_of_others_are_refused_by_what_they_hold(tmp_path):
    tf.train.Checkpoint(v=tf.Variable(1.0)).write(str(tmp_path / "other"))
    with pytest.raises(ValueError, match=r"Found: 0, among its objects .v"):
        open_foreign(str(tmp_path / "other.index"))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.get_variable("bert/embeddings/w", [2])
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "v1"))
    with pytest.raises(ValueError, match="without objects .bert/embeddings/w"):
        open_foreign(str(tmp_path / "v1"))
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(ValueError, match="several checkpoints: other.index"):
        open_foreign(str(tmp_path))


def test_a_file_cut_short_says_so(tmp_path):
    shutil.copytree(GARDEN / "longformer", tmp_path, dirs_exist_ok=True)
    data = tmp_path / "ckpt-5.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"lies in bytes \d+ to \d+ of 500"):
        open_backbone_at(tmp_path)


def open_backbone_at(folder):
    return keras_longformer.LongformerBackbone.from_preset(str(folder))


def test_an_older_functional_encoder_is_read_by_its_layers_numbers(tmp_path):
    """The same variables as `classifier`'s, without the named attributes."""
    graph = ObjectGraph(find_checkpoint(GARDEN / "classifier"))
    network = graph.walk(graph.root, "model/_network")

    copies = {}

    def copy(node):
        if node not in copies:
            array = graph.array(node)
            is_variable = array is not None
            copies[node] = (
                tf.Variable(np.asarray(array)) if is_variable else tf.Module()
            )
            for name, child in graph.children(node).items():
                if not name.startswith("layer-") and name not in NAMED:
                    setattr(copies[node], name, copy(child))
        return copies[node]

    tf.train.Checkpoint(model=copy(network)).write(str(tmp_path / "old"))
    inputs, want = golden("classifier")
    model = keras_longformer.LongformerBackbone.from_preset(
        str(tmp_path), window_size=64
    )
    got = call(model, inputs)
    assert_near(got["pooled_output"], want["pooled_output"])


NAMED = (
    "_embedding_layer",
    "_position_embedding_layer",
    "_type_embedding_layer",
    "_embedding_norm_layer",
    "_pooler_layer",
    "_transformer_layers",
)


def test_unknown_quirks_are_refused():
    with pytest.raises(ValueError, match="must be among .'unshifted_positions"):
        ModelGardenCheckpoint("x", quirks=["approximate"])
