import pytest

from keras_longformer.weights import readers
from keras_longformer.weights.families import BERT
from keras_longformer.weights.families import FAMILIES
from keras_longformer.weights.families import LONGFORMER
from keras_longformer.weights.families import ROBERTA
from keras_longformer.weights.families import family_of
from keras_longformer.weights.families.config import class_names
from keras_longformer.weights.readers import read_json
from tests.weights.conftest import TASKS

ALL_HEADS = tuple(row for task in TASKS.values() for row in task.head_modules)


def to_keywords(config, source="config.json"):
    return family_of(config).to_keywords(config, source)


def test_longformer(golden):
    config = read_json(golden / "longformer-base" / "config.json")
    assert to_keywords(config) == {
        "vocabulary_size": 53,
        "num_layers": 2,
        "num_heads": 3,
        "hidden_dim": 24,
        "intermediate_dim": 37,
        "window_size": [4, 8],
        "max_sequence_length": 64,
        "num_token_types": 2,
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "layer_norm_epsilon": 1e-5,
        "pad_token_id": 1,
        "position_rule": "padding_offset",
        "activation": "gelu",
    }


def test_there_and_back(golden):
    for name in ("longformer-base", "roberta-base"):
        config = read_json(golden / name / "config.json")
        keywords = to_keywords(config)
        back = LONGFORMER.to_config(keywords, architecture="LongformerModel")
        assert to_keywords(back) == keywords
    assert back["attention_window"] == [512, 512]
    assert back["model_type"] == "longformer"


def test_positions_follow_the_padding_id(golden):
    config = read_json(golden / "roberta-base" / "config.json")
    keywords = to_keywords(config | {"pad_token_id": 3})
    assert ROBERTA.position_offset(keywords) == 4
    assert keywords["max_sequence_length"] == 18


@pytest.mark.parametrize(
    "change, match",
    [
        ({"model_type": "gpt9"}, r"'bert', .*model_type='gpt9'\.$"),
        (
            {"model_type": "roberta-prelayernorm"},
            "'roberta-prelayernorm', which normalises before",
        ),
        ({"model_type": "big_bird"}, "'big_bird', which has random"),
        ({"hidden_act": "mish"}, "hidden_act='mish', where only one of gelu,"),
        ({"hidden_act": "tanh"}, "hidden_act='tanh', where"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"is_decoder": True}, "is_decoder=True"),
        ({"add_cross_attention": True}, "add_cross_attention=True"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads="),
        ({"pad_token_id": None}, "pad_token_id=None, which is no number"),
        ({"num_hidden_layers": "2"}, "num_hidden_layers='2', which"),
        ({"hidden_size": 24.5}, "hidden_size=24.5, which"),
        ({"layer_norm_eps": True}, "layer_norm_eps=True, which"),
        ({"embedding_size": 12}, "embedding_size=12 with hidden_size=24"),
        ({"attention_mode": "tvm"}, "on one side of a token"),
        ({"attention_dilation": [1, 2]}, r"attention_dilation=\[1, 2\]"),
        ({"autoregressive": True}, "autoregressive=True"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"id2label": {"0": "a", "2": "b"}}, r"classes \[0, 2\], which"),
        ({"id2label": {"x": "a"}}, "do not name classes by number"),
    ],
)
def test_what_cannot_be_read(golden, change, match):
    config = read_json(golden / "roberta-base" / "config.json")
    with pytest.raises(ValueError, match=match):
        to_keywords(config | change)


def test_all_that_is_wrong_is_said_at_once(golden):
    config = read_json(golden / "roberta-base" / "config.json")
    del config["vocab_size"], config["max_position_embeddings"]
    config["hidden_act"] = "mish"
    match = r"(?s)'a/b' does.*vocab_size\n.*max_position.*\n.*hidden_act"
    with pytest.raises(ValueError, match=match):
        to_keywords(config, "a/b")


@pytest.mark.parametrize(
    "change, match",
    [
        ({"dilation": 2}, "dilation=2"),
        ({"dilation": [1, [1, 2, 1]]}, r"dilation=\[1, \[1, 2, 1\]\]"),
        ({"causal": True}, "causal=True"),
        ({"causal": [False, True]}, r"causal=\[False, True\]"),
    ],
)
def test_what_cannot_be_written(golden, change, match):
    config = read_json(golden / "longformer-base" / "config.json")
    keywords = to_keywords(config) | change
    with pytest.raises(ValueError, match=match):
        LONGFORMER.to_config(keywords, architecture="LongformerModel")


def test_labels(golden):
    config = read_json(golden / "longformer-base" / "config.json")
    config = LONGFORMER.to_config(
        to_keywords(config), architecture="X", num_labels=2
    )
    assert config["id2label"] == {"0": "LABEL_0", "1": "LABEL_1"}


def test_families_share_no_model_type():
    model_types = [name for family in FAMILIES for name in family.model_types]
    assert len(set(model_types)) == len(model_types)


def test_a_roberta_made_long_by_the_notebook(golden):
    """It is saved as `roberta`, with windows and global projections."""
    config = read_json(golden / "roberta-base" / "config.json")
    keywords = to_keywords(config | {"attention_window": [4, 6]})
    assert keywords["window_size"] == [4, 6]
    ours = {entry.ours for entry in ROBERTA.entries(1)}
    assert "layer_0/attention/global_query/kernel" in ours


def test_what_may_be_said_without_effect(golden, caplog):
    config = read_json(golden / "roberta-base" / "config.json")
    more = {
        "pad_token_id": 1,
        "attention_mode": "longformer",
        "attention_dilation": [1, 1],
        "autoregressive": False,
        "tie_word_embeddings": False,
        "embedding_size": 24,
        "pruned_heads": {},
        "torch_dtype": "float16",
        "ignore_attention_mask": False,
        "hidden_act": "gelu_python",
    }
    assert to_keywords(config | more) == to_keywords(config)
    assert not caplog.text


def test_keys_that_nobody_has_looked_at_are_logged(golden, caplog):
    config = read_json(golden / "roberta-base" / "config.json")
    to_keywords(config | {"use_alibi": True, "rope_theta": None}, "a/b")
    assert "'a/b' has keys that are not known" in caplog.text
    assert "use_alibi=True." in caplog.text and "rope" not in caplog.text


@pytest.mark.parametrize(
    "name", [name for family in FAMILIES for name in family.model_types]
)
def test_every_key_of_transformers_is_known(name, caplog):
    """Also of later versions: a new key must be looked at."""
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(name)
    said = config.to_dict() | {"embedding_size": config.hidden_size}
    family_of(said).to_keywords(said)
    assert not caplog.text


@pytest.mark.parametrize(
    "activation, ours",
    [
        ("gelu_new", "gelu_approximate"),
        ("gelu_pytorch_tanh", "gelu_approximate"),
        ("gelu_fast", "gelu_approximate"),
        ("relu", "relu"),
        ("swish", "silu"),
    ],
)
def test_activations_there_and_back(golden, activation, ours):
    config = read_json(golden / "longformer-base" / "config.json")
    keywords = to_keywords(config | {"hidden_act": activation})
    assert keywords["activation"] == ours
    back = LONGFORMER.to_config(keywords, architecture="LongformerModel")
    assert to_keywords(back) == keywords


LABELS = {"id2label": {"0": "no", "1": "yes"}}


@pytest.mark.parametrize(
    "config, names",
    [
        ({}, None),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, None),
        (LABELS, ["no", "yes"]),
        ({"label2id": {"yes": 1, "no": 0}}, ["no", "yes"]),
        ({"id2label": {}, "label2id": {"yes": 1, "no": 0}}, ["no", "yes"]),
        (
            {
                "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
                "label2id": {"yes": 1, "no": 0},
            },
            ["no", "yes"],
        ),
        ({**LABELS, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, ["no", "yes"]),
        ({"id2label": {str(i): f"c{i}" for i in (10, 2)}}, ["c2", "c10"]),
    ],
)
def test_names_of_classes(config, names):
    assert class_names(config) == names


def test_sizes_are_compared_before_anything_is_made(golden):
    arrays = readers.read_safetensors(
        str(golden / "roberta-base" / "model.safetensors")
    )
    config = read_json(golden / "roberta-base" / "config.json")
    ROBERTA.check_sizes(to_keywords(config), arrays, "a/b")
    wrong = {
        "num_hidden_layers": 10**9,
        "vocab_size": 10**12,
        "max_position_embeddings": 10**12,
        "type_vocab_size": 9,
        "intermediate_size": 10**12,
    }
    with pytest.raises(ValueError, match="'a/b' are not of one") as error:
        ROBERTA.check_sizes(to_keywords(config | wrong), arrays, "a/b")
    for name, value in wrong.items():
        assert f"{name}={value}, and" in str(error.value)


def test_heads_of_bert_have_names_of_their_own():
    rows = {theirs for _, theirs, _ in BERT.head_modules(ALL_HEADS)}
    assert rows == {
        "pooler.dense",
        "classifier",
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        "cls.predictions",
        "qa_outputs",
    }
