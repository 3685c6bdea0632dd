"""Logits, weights and generated texts against transformers' LED and BART."""

import os

import numpy as np
import pytest

import keras_longformer as klf
from keras_longformer import weights
from keras_longformer.tasks.summarization.checkpoints import generation_of

pytestmark = pytest.mark.own_process

SIZES = {
    "vocab_size": 61,
    "d_model": 30,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 5,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 41,
    "init_std": 0.3,
}
WORDS = (
    "led.shared.weight",
    "led.encoder.embed_tokens.weight",
    "led.decoder.embed_tokens.weight",
    "lm_head.weight",
)


def scattered(make, config, seed, end=0.0):
    """A model with weights of any size, none of them what it starts as."""
    import torch

    torch.manual_seed(seed)
    model = make(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
        bias = model.final_logits_bias
        bias.copy_(torch.randn_like(bias) * 0.1)
        bias[0, 2] = end
        # Or each token would be likeliest after itself.
        norm = model.get_decoder().layers[-1].final_layer_norm
        norm.weight.normal_()
    return model.eval()


def make_led(seed=0, end=0.0, **config):
    from transformers import LEDConfig
    from transformers import LEDForConditionalGeneration

    config = {
        "attention_window": [4, 8],
        "max_encoder_position_embeddings": 48,
        "max_decoder_position_embeddings": 24,
        **config,
    }
    config = LEDConfig(**SIZES, **config)
    return scattered(LEDForConditionalGeneration, config, seed, end)


@pytest.fixture(scope="module")
def led():
    return make_led()


@pytest.fixture(scope="module")
def task(folder):
    return klf.LongformerSeq2SeqLM.from_preset(folder, preprocessor=None)


@pytest.fixture(scope="module")
def folder(led, tmp_path_factory):
    folder = tmp_path_factory.mktemp("led")
    led.save_pretrained(folder)
    return str(folder)


def rows(n=13, seed=0):
    """Token ids of three texts, two of them padded, and the start global."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(3, SIZES["vocab_size"], (3, n)).astype("int32")
    mask = np.arange(n) < np.array([[n], [n - 4], [n // 3]])
    return {
        "encoder_token_ids": np.where(mask, ids, 1).astype("int32"),
        "encoder_padding_mask": mask,
        "encoder_global_mask": np.tile(np.arange(n) < 1, (3, 1)),
    }


def decoder_rows(t=6):
    ids = np.random.default_rng(5).integers(3, SIZES["vocab_size"], (3, t))
    ids[:, 0] = 2
    return {"decoder_token_ids": ids.astype("int32")}


def their_logits(model, inputs):
    import torch

    names = {
        "encoder_token_ids": "input_ids",
        "encoder_padding_mask": "attention_mask",
        "encoder_global_mask": "global_attention_mask",
        "decoder_token_ids": "decoder_input_ids",
    }
    with torch.no_grad():
        outputs = model(
            **{
                names[name]: torch.tensor(x.astype("int64"))
                for name, x in inputs.items()
            }
        )
    return outputs.logits.numpy()


@pytest.mark.parametrize("dropped", [(), (1,), (0, 1)], ids=str)
def test_logits(led, task, dropped):
    masks = ("encoder_padding_mask", "encoder_global_mask")
    inputs = {**rows(), **decoder_rows()}
    for i in dropped:
        del inputs[masks[i]]
    want = their_logits(led, inputs)
    largest = np.abs(want).max()
    assert largest > 3
    # Of both sides: each lies up to 4e-6 of it from theirs in float64.
    np.testing.assert_allclose(task(inputs), want, rtol=0, atol=2e-5 * largest)


def test_loss(led, task):
    """A mean over the labels that are there, from inputs shifted by one."""
    import torch

    labels = np.array([[0, 7, 9, 2], [0, 8, 2, -100], [0, 2, -100, -100]])
    inputs = rows()
    with torch.no_grad():
        want = led(
            input_ids=torch.tensor(inputs["encoder_token_ids"]),
            attention_mask=torch.tensor(inputs["encoder_padding_mask"]).int(),
            global_attention_mask=torch.tensor(
                inputs["encoder_global_mask"]
            ).int(),
            labels=torch.tensor(labels),
        ).loss.item()
    before = np.concatenate([[[2]] * 3, labels[:, :-1]], 1)
    inputs["decoder_token_ids"] = np.where(before < 0, 1, before)
    logits = task({k: x.astype("int32") for k, x in inputs.items()})
    got = task.loss(
        np.maximum(labels, 0), logits, sample_weight=(labels >= 0) * 1.0
    )
    assert float(got) == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("kept", WORDS)
def test_any_of_the_tied_names(led, folder, kept, tmp_path):
    import shutil

    import torch

    shutil.copy(os.path.join(folder, "config.json"), tmp_path)
    arrays = {
        name: x
        for name, x in led.state_dict().items()
        if name not in WORDS or name == kept
    }
    torch.save(arrays, tmp_path / "pytorch_model.bin")
    found = weights.open_seq2seq(tmp_path).arrays
    np.testing.assert_array_equal(
        found["token_embedding/embeddings"], led.state_dict()[WORDS[0]]
    )
    # Of all four, which must agree.
    torch.save(led.state_dict(), tmp_path / "pytorch_model.bin")
    assert weights.open_seq2seq(tmp_path).arrays.keys() == found.keys()
    wrong = {**led.state_dict(), kept: led.state_dict()[kept] + 1}
    torch.save(wrong, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="must equal"):
        weights.open_seq2seq(tmp_path)


def test_written_and_read_by_theirs(led, task, tmp_path):
    import torch
    from transformers import LEDForConditionalGeneration
    from transformers import LEDModel

    bias = task.final_logits_bias.get_weights()
    task = klf.LongformerSeq2SeqLM(task.backbone, generation={"num_beams": 3})
    task.final_logits_bias.set_weights(bias)
    klf.save_hugging_face(task, tmp_path / "led")
    klf.save_hugging_face(task.backbone, tmp_path / "model")
    again = LEDForConditionalGeneration.from_pretrained(tmp_path / "led")
    assert again.generation_config.num_beams == 3
    for name, x in led.state_dict().items():
        assert torch.equal(x, again.state_dict()[name]), name
    bare = LEDModel.from_pretrained(tmp_path / "model")
    for name, x in bare.state_dict().items():
        assert torch.equal(x, led.led.state_dict()[name]), name
    ours = weights.open_seq2seq(tmp_path / "led")
    assert generation_of(ours) == {"num_beams": 3}
    assert ours.config["window_size"] == [4, 8]


def test_bart_made_long(tmp_path):
    """Equal while every token's window holds the whole text."""
    from transformers import BartConfig
    from transformers import BartForConditionalGeneration

    config = BartConfig(**SIZES, max_position_embeddings=24)
    bart = scattered(BartForConditionalGeneration, config, seed=1)
    bart.save_pretrained(tmp_path)
    task = klf.LongformerSeq2SeqLM.from_preset(
        tmp_path, preprocessor=None, window_size=16, max_sequence_length=60
    )
    assert task.generation["forced_eos_token_id"] == 2
    for n, is_equal in ((9, True), (10, False)):
        inputs = {**rows(n), **decoder_rows()}
        is_global = inputs.pop("encoder_global_mask")
        want = their_logits(bart, inputs)
        near = 2e-5 * np.abs(want).max()
        assert (np.abs(task(inputs) - want).max() < near) == is_equal
        # Global tokens have copies of the same projections.
        inputs["encoder_global_mask"] = is_global
        assert np.abs(task(inputs) - want).max() < near
    table = task.backbone.encoder_embeddings.position_embedding.embeddings
    theirs = bart.model.encoder.embed_positions.weight.detach().numpy()[2:]
    np.testing.assert_array_equal(table[:24], theirs)
    np.testing.assert_array_equal(table[24:48], theirs)
    np.testing.assert_array_equal(table[48:], theirs[:12])


SEARCHES = [
    {"num_beams": 4},
    {"num_beams": 2, "length_penalty": -1.0},
    {"num_beams": 1, "no_repeat_ngram_size": 2, "min_length": 6},
    {"num_beams": 3, "length_penalty": 2.0, "no_repeat_ngram_size": 3},
    {"num_beams": 4, "early_stopping": True, "min_length": 6},
    {
        "num_beams": 4,
        "early_stopping": "never",
        "length_penalty": 0.5,
        "forced_bos_token_id": 0,
        "forced_eos_token_id": 2,
        "no_repeat_ngram_size": 1,
    },
]


def their_ids(model, inputs, max_length, **search):
    import torch

    if search.get("num_beams") == 1:
        search.pop("length_penalty", None)
    with torch.no_grad():
        ids = model.generate(
            input_ids=torch.tensor(inputs["encoder_token_ids"]).long(),
            attention_mask=torch.tensor(inputs["encoder_padding_mask"]).long(),
            global_attention_mask=torch.tensor(
                inputs["encoder_global_mask"]
            ).long(),
            max_length=max_length,
            do_sample=False,
            **search,
        ).numpy()
    room = max_length - ids.shape[1]
    return np.pad(ids, ((0, 0), (0, room)), constant_values=1)


def our_ids(task, inputs, max_length):
    decoder = np.full((3, max_length), 1, np.int32)
    decoder[:, 0] = 2
    outputs = task.generate(
        {
            **inputs,
            "decoder_token_ids": decoder,
            "decoder_padding_mask": np.tile(np.arange(max_length) < 1, (3, 1)),
        },
        stop_token_ids=[2],
    )
    ids, mask = outputs["decoder_token_ids"], outputs["decoder_padding_mask"]
    return np.where(mask, ids, 1)


# How likely `</s>` is: texts that end early, and late.
@pytest.mark.parametrize(
    "end", [5.0, pytest.param(8.0, marks=pytest.mark.slow)]
)
def test_generates_as_theirs(end, tmp_path):
    model = make_led(seed=int(end), end=end)
    model.save_pretrained(tmp_path)
    task = klf.LongformerSeq2SeqLM.from_preset(tmp_path, preprocessor=None)
    lengths = set()
    for i, search in enumerate(SEARCHES):
        inputs = rows(seed=i)
        want = their_ids(model, inputs, 20, **search)
        # Eagerly: what is exported, and compiled, is tested beside.
        task.compile(sampler=klf.BeamSearch(**search), run_eagerly=True)
        np.testing.assert_array_equal(
            our_ids(task, inputs, 20), want, err_msg=str(search)
        )
        lengths |= {*(want != 1).sum(1)}
    assert len(lengths) > 2  # They end at several places.
    task.compile(sampler="greedy", run_eagerly=True)
    inputs = rows(seed=99)
    np.testing.assert_array_equal(
        our_ids(task, inputs, 20), their_ids(model, inputs, 20)
    )


def test_generates_as_theirs_once_trained(tmp_path):
    """A model that has learned to say what it reads, until it ends."""
    import torch

    model = make_led(seed=4).train()
    generator = np.random.default_rng(4)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        ids = generator.integers(3, 20, (8, 13))
        first = np.concatenate([np.zeros((8, 1), int), ids[:, :3]], 1)
        labels = np.concatenate([first, np.full((8, 1), 2)], 1)
        loss = model(
            input_ids=torch.tensor(ids), labels=torch.tensor(labels)
        ).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval().save_pretrained(tmp_path)
    task = klf.LongformerSeq2SeqLM.from_preset(tmp_path, preprocessor=None)
    for search in ({"num_beams": 1}, {"num_beams": 4}):
        task.compile(sampler=klf.BeamSearch(**search), run_eagerly=True)
        inputs = rows(seed=8)
        want = their_ids(model, inputs, 16, **search)
        assert (want[:, 5:] == 1).all() or (want == 2).sum() > 3
        np.testing.assert_array_equal(our_ids(task, inputs, 16), want)
