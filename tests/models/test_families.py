"""Encoders of other families, against transformers' own models of them.

In a process of its own: see tests/own_process.py. Made long, with a window
that covers the input, they compute what the dense encoder does.
"""

import numpy as np
import pytest

import keras_longformer as klf
from tests.golden.reading import assert_near

pytestmark = pytest.mark.own_process

SIZES = {
    "vocab_size": 61,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 37,
    "type_vocab_size": 2,
    "initializer_range": 0.2,
}
BERT = {"max_position_embeddings": 41, "pad_token_id": 0}
ROBERTA = {"max_position_embeddings": 43, "pad_token_id": 1}
ELECTRA = {**BERT, "embedding_size": 24}
FAMILIES = {
    "bert": ("Bert", BERT),
    "bert_gelu_new": ("Bert", {**BERT, "hidden_act": "gelu_new"}),
    "bert_fast_relu": ("Bert", {**BERT, "hidden_act": "relu"}),
    "electra": ("Electra", ELECTRA),
    "roberta": ("Roberta", {**ROBERTA, "layer_norm_eps": 1e-5}),
    "xlm_roberta": ("XLMRoberta", ROBERTA),
    "camembert": ("Camembert", ROBERTA),
}
HEADS = {
    "ForMaskedLM": klf.LongformerMaskedLM,
    "ForSequenceClassification": klf.LongformerTextClassifier,
    "ForTokenClassification": klf.LongformerTokenClassifier,
    "ForQuestionAnswering": klf.LongformerQuestionAnswering,
    "ForMultipleChoice": klf.LongformerMultipleChoice,
}
LONG = {"max_sequence_length": 96, "window_size": 80}


def make(name, head, folder, **more):
    """Saves a random model of theirs, and returns it."""
    import torch
    import transformers

    prefix, config = FAMILIES[name]
    torch.manual_seed(3)
    # A summary by tanh is what our multiple choice has.
    config = {**SIZES, **config, "summary_activation": "tanh", **more}
    cls = getattr(transformers, f"{prefix}{head}")
    model = cls(cls.config_class(**config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    model.save_pretrained(folder)
    return model


def make_inputs(config, choices=False):
    rng = np.random.default_rng(5)
    ids = rng.integers(5, SIZES["vocab_size"], (3, 37))
    real = np.ones(ids.shape, bool)
    real[1, 20:] = real[2, 3:] = False
    ids[~real] = config.pad_token_id
    types = rng.integers(0, 2, ids.shape) * real
    inputs = {
        "token_ids": ids.astype("int32"),
        "padding_mask": real,
        "token_type_ids": types.astype("int32"),
    }
    return {k: x[None] for k, x in inputs.items()} if choices else inputs


def theirs_of(model, inputs):
    import torch

    names = {"token_ids": "input_ids", "padding_mask": "attention_mask"}
    with torch.no_grad():
        return model(
            **{
                names.get(name, name): torch.tensor(x.astype("int64"))
                for name, x in inputs.items()
            }
        )


def answer(model, inputs):
    if isinstance(model, klf.LongformerMaskedLM):
        n = inputs["token_ids"].shape[1]
        positions = np.tile(np.arange(n), (len(inputs["token_ids"]), 1))
        return model({**inputs, "mask_positions": positions.astype("int32")})
    if isinstance(model, klf.LongformerQuestionAnswering):
        return model({**inputs, "span_mask": inputs["padding_mask"]})
    return model(inputs)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_encoder(name, tmp_path):
    theirs = make(name, "Model", tmp_path)
    backbone = klf.LongformerBackbone.from_preset(str(tmp_path), **LONG)
    inputs = make_inputs(theirs.config)
    want = theirs_of(theirs, inputs)
    # The global projections are copies: it changes nothing.
    inputs["global_mask"] = np.zeros_like(inputs["padding_mask"])
    inputs["global_mask"][:, [0, 2]] = True
    got = backbone(inputs)
    real = inputs["padding_mask"]
    if not backbone.pooler:
        got = {"sequence_output": got}
    assert_near(got["sequence_output"], want.last_hidden_state.numpy(), real)
    assert backbone.pooler is (name != "electra")
    if backbone.pooler:
        assert_near(got["pooled_output"], want.pooler_output.numpy())


@pytest.mark.parametrize(
    "name, head",
    [
        pytest.param(
            name,
            head,
            marks=()
            if name == "bert_gelu_new" or head == "ForMaskedLM"
            else pytest.mark.slow,
        )
        for name in ("bert_gelu_new", "electra", "roberta")
        for head in HEADS
    ],
)
def test_heads(name, head, tmp_path):
    labels = {}
    if "Classification" in head:
        labels = {"id2label": {0: "no", 1: "yes", 2: "or"}}
    theirs = make(name, head, tmp_path, **labels)
    options = {"preprocessor": None, "max_global_tokens": None, **LONG}
    task = HEADS[head].from_preset(str(tmp_path), **options)
    if labels:
        assert task.class_names == ["no", "yes", "or"]
    inputs = make_inputs(theirs.config, choices=head == "ForMultipleChoice")
    want = theirs_of(theirs, inputs)
    got, real = answer(task, inputs), ...
    if head == "ForQuestionAnswering":
        logits = (want.start_logits.numpy(), want.end_logits.numpy())
        want, real = np.stack(logits, -1), inputs["padding_mask"]
    else:
        want = want.logits.numpy()
        if head in ("ForMaskedLM", "ForTokenClassification"):
            real = inputs["padding_mask"]
    assert_near(got, want, real)


@pytest.mark.parametrize("head", ["Model", "ForSequenceClassification"])
def test_a_bert_is_written_as_a_longformer(head, tmp_path):
    """With one row more in front of the positions, for the padding's id."""
    import transformers

    theirs = make("bert_gelu_new", head, tmp_path / "bert")
    cls = HEADS.get(head, klf.LongformerBackbone)
    more = {} if head == "Model" else {"preprocessor": None}
    ours = cls.from_preset(str(tmp_path / "bert"), **LONG, **more)
    klf.save_hugging_face(ours, tmp_path / "long")
    cls = getattr(transformers, f"Longformer{head}")
    written, info = cls.from_pretrained(
        tmp_path / "long", output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert written.config.max_position_embeddings == 97
    inputs = make_inputs(theirs.config)
    want, got = theirs_of(theirs, inputs), theirs_of(written.eval(), inputs)
    if head == "Model":
        real = inputs["padding_mask"]
        want, got = want.last_hidden_state, got.last_hidden_state
        assert_near(got[real], want.numpy()[real])
    else:
        assert_near(got.logits, want.logits.numpy())
    again = klf.LongformerBackbone.from_preset(str(tmp_path / "long"))
    assert again.activation == "gelu_approximate"
    assert again.pad_token_id == 0


def test_berts_heads_share_a_name(tmp_path, caplog):
    """The architecture tells whose `classifier` it is."""
    theirs = make("bert", "ForSequenceClassification", tmp_path)
    options = {"preprocessor": None, **LONG}
    path = str(tmp_path)
    with pytest.raises(ValueError, match="no classifier for a LongformerToken"):
        klf.LongformerTokenClassifier.from_preset(path, **options)
    caplog.clear()
    choices = klf.LongformerMultipleChoice.from_preset(path, **options)
    assert "classifier/bias, classifier/kernel of" in caplog.text
    pooler = theirs.bert.pooler.dense.weight.detach().numpy().T
    np.testing.assert_array_equal(choices.pooled_dense.kernel, pooler)
    # A new classifier keeps the pooler, as theirs does.
    fresh = klf.LongformerTextClassifier.from_preset(
        path, num_classes=5, **options
    )
    np.testing.assert_array_equal(fresh.pooled_dense.kernel, pooler)
    theirs = make("bert", "ForTokenClassification", tmp_path)
    with pytest.raises(ValueError, match="no classifier for a LongformerText"):
        klf.LongformerTextClassifier.from_preset(path, **options)


def test_what_a_longformer_has_no_head_for(tmp_path):
    options = {"preprocessor": None, **LONG}
    path = str(tmp_path)
    make("electra", "ForSequenceClassification", path, classifier_dropout=0.3)
    electra = klf.LongformerTextClassifier.from_preset(path, **options)
    assert electra.pooled_activation == "gelu"
    assert electra.dropout == 0.3 and electra.backbone.dropout == 0.1
    with pytest.raises(ValueError, match="pooled_activation='gelu'"):
        klf.save_hugging_face(electra, tmp_path / "new")
    make("bert_gelu_new", "ForMaskedLM", path)
    masked_lm = klf.LongformerMaskedLM.from_preset(path, **options)
    assert masked_lm.activation == "gelu_approximate"
    with pytest.raises(ValueError, match="activation='gelu_approximate'"):
        klf.save_hugging_face(masked_lm, tmp_path / "new")
    masked_lm.save_to_preset(tmp_path / "preset")
    again = klf.LongformerMaskedLM.from_preset(str(tmp_path / "preset"))
    inputs = make_inputs(masked_lm.backbone)
    assert_near(answer(again, inputs), np.asarray(answer(masked_lm, inputs)))
    make("electra", "ForMultipleChoice", path, summary_activation="gelu")
    with pytest.raises(ValueError, match="pooler ends in gelu, and that"):
        klf.LongformerMultipleChoice.from_preset(path, **options)
    make("bert", "ForMaskedLM", path, tie_word_embeddings=False)
    with pytest.raises(ValueError, match=r"\(tie_word_embeddings=False\)"):
        klf.LongformerMaskedLM.from_preset(path, **options)
    klf.LongformerTextClassifier.from_preset(path, num_classes=2, **options)
