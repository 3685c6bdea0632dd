import pytest

from keras_longformer.weights.families import FAMILIES
from keras_longformer.weights.families import LONGFORMER
from keras_longformer.weights.families import ROBERTA
from keras_longformer.weights.families import family_of
from keras_longformer.weights.readers import read_json


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
        ({"model_type": "bert"}, r"'roberta', .*model_type='bert'"),
        ({"hidden_act": "relu"}, "hidden_act='relu', where only 'gelu'"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"is_decoder": True}, "is_decoder=True"),
    ],
)
def test_what_cannot_be_read(golden, change, match):
    config = read_json(golden / "roberta-base" / "config.json")
    with pytest.raises(ValueError, match=match):
        to_keywords(config | change)


def test_all_that_is_wrong_is_said_at_once(golden):
    config = read_json(golden / "roberta-base" / "config.json")
    del config["vocab_size"], config["max_position_embeddings"]
    config["hidden_act"] = "relu"
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
        ({"position_rule": "absolute"}, "position_rule=absolute"),
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
