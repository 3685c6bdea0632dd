"""A short masked LM of our own, and what becomes of it when it is long."""

import json
import pathlib
import time

import keras
import numpy as np
import safetensors.numpy
import tensorflow as tf

import keras_longformer
from keras_longformer.tasks.masked_lm.metrics import BitsPerCharacter
from keras_longformer.tasks.masked_lm.metrics import masked_blocks
from keras_longformer.training.schedules import WarmupPolynomialDecay
from keras_longformer.weights.lengthen import sinusoids
from quickstart.settings import Settings

ROBERTA_WIDTH = 768  # That of roberta-base, for which its 0.02 was chosen.


def new_short_model(
    settings: Settings, tokenizer: keras_longformer.LongformerTokenizer
) -> keras_longformer.LongformerMaskedLM:
    """Returns a small RoBERTa with random weights: its window is its length.

    A narrow model that sees a million times less text than RoBERTa needs a
    better start. Its weights are as much larger as its width is smaller, and
    its positions start as sines, in a random basis, so that the computed ones
    it is later given are as foreign to it as they are to any RoBERTa.
    """
    width = settings.hidden_dim
    backbone = keras_longformer.LongformerBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=settings.num_layers,
        num_heads=settings.num_heads,
        hidden_dim=width,
        intermediate_dim=4 * width,
        window_size=2 * settings.short_length,
        max_sequence_length=settings.short_length,
        max_global_tokens=0,
        dropout=0.0,  # No text is read often enough to be learnt by heart.
        pooler=False,
    )
    scale = np.sqrt(ROBERTA_WIDTH / width)
    for weight in backbone.weights:
        if weight.path.endswith(("kernel", "token_embedding/embeddings")):
            weight.assign(weight * scale)
    positions = backbone.embeddings.position_embedding.embeddings
    generator = np.random.default_rng(settings.seed)
    basis, _ = np.linalg.qr(generator.normal(size=(width, width)))
    sines = sinusoids(*positions.shape) @ basis
    sines *= 0.02 * scale / np.sqrt(np.mean(np.square(sines)))
    positions.assign(sines)
    return keras_longformer.LongformerMaskedLM(
        backbone,
        preprocessor=preprocessor(
            tokenizer, settings.short_length, settings.short_selection_rate
        ),
    )


def preprocessor(
    tokenizer: keras_longformer.LongformerTokenizer,
    length: int,
    selection_rate: float = 0.15,
    seed: int = 0,
) -> keras_longformer.LongformerMaskedLMPreprocessor:
    """Returns a masker that cuts and pads texts to `length` tokens."""
    return keras_longformer.LongformerMaskedLMPreprocessor(
        tokenizer,
        sequence_length=length,
        mask_selection_rate=selection_rate,
        seed=seed,
    )


def save_as_roberta(
    model: keras_longformer.LongformerMaskedLM, folder: str
) -> None:
    """Writes a short model as Hugging Face writes a RoBERTa.

    A RoBERTa has no window and no projections for global tokens, so that
    going on from this folder is what going on from any RoBERTa is.
    """
    keras_longformer.save_hugging_face(model, folder)
    folder = pathlib.Path(folder)
    arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    arrays = {
        name.replace("longformer.", "roberta.", 1): array
        for name, array in arrays.items()
        if "_global." not in name
    }
    temporary = folder / "model.safetensors.tmp"
    safetensors.numpy.save_file(arrays, temporary, metadata={"format": "pt"})
    temporary.chmod(0o644)  # `save_file` lets only the owner read.
    temporary.replace(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    del config["attention_window"]
    config["model_type"] = "roberta"
    config["architectures"] = ["RobertaForMaskedLM"]
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer["tokenizer_class"] = "RobertaTokenizer"
    (folder / "tokenizer_config.json").write_text(
        json.dumps(tokenizer, indent=2) + "\n"
    )


def open_long(
    checkpoint: str, settings: Settings, positions: str = "copy"
) -> keras_longformer.LongformerMaskedLM:
    """Opens a checkpoint, made long."""
    model = keras_longformer.LongformerMaskedLM.from_preset(
        checkpoint,
        max_sequence_length=settings.long_length,
        window_size=settings.window_size,
        positions=positions,
        rematerialize=settings.rematerialize,
    )
    model.preprocessor = preprocessor(
        model.preprocessor.tokenizer, settings.long_length
    )
    return model


def open_short(
    checkpoint: str, settings: Settings
) -> keras_longformer.LongformerMaskedLM:
    """Opens a checkpoint at its own length: every token sees every other."""
    return keras_longformer.LongformerMaskedLM.from_preset(
        checkpoint,
        max_sequence_length=settings.short_length,
        window_size=2 * settings.short_length,
    )


def evaluation_blocks(
    texts: list[str],
    tokenizer: keras_longformer.LongformerTokenizer,
    settings: Settings,
) -> tuple[np.ndarray, float]:
    """Cuts files into rows that the short model reads in whole parts.

    Returns:
        int32 `(rows, tokens)`, rows drawn from all files, and the characters
        that one of their tokens has on average.
    """
    columns = (settings.short_length - 2) * settings.length_factor
    rows = []
    for text in texts:
        ids = tokenizer.tokenize(text).numpy()
        whole = len(ids) // columns * columns
        rows.extend(ids[:whole].reshape(-1, columns))
    generator = np.random.default_rng(settings.seed)
    chosen = generator.permutation(len(rows))[: settings.evaluation_rows]
    blocks = np.stack([rows[i] for i in chosen])
    characters = sum(
        len(text.decode("utf-8", "replace"))
        for text in tokenizer.detokenize(blocks).numpy()
    )
    return blocks, characters / blocks.size


def evaluate(
    model: keras_longformer.LongformerMaskedLM,
    blocks: np.ndarray,
    characters_per_token: float,
    settings: Settings,
    parts: int = 1,
) -> dict[str, float]:
    """Returns `bits_per_token` and `bits_per_character` on masked blocks."""
    texts_to_ids = model.preprocessor
    x, y, weights = masked_blocks(
        blocks, texts_to_ids.tokenizer, parts=parts, seed=settings.seed
    )
    tokens = settings.long_length * settings.long_batch_size
    batch_size = max(1, min(tokens, 4096) // x["token_ids"].shape[1])
    batches = tf.data.Dataset.from_tensor_slices((x, y, weights))
    compile_model(model, characters_per_token)
    model.preprocessor = None  # These are token ids.
    results = model.evaluate(
        batches.batch(batch_size), return_dict=True, verbose=0
    )
    model.preprocessor = texts_to_ids
    return {name: results[name] for name in results if name != "loss"}


def compile_model(
    model: keras_longformer.LongformerMaskedLM,
    characters_per_token: float,
    optimizer: keras.optimizers.Optimizer | str = "sgd",
) -> None:
    """Compiles a masked LM, to show bits beside the loss in nats."""
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[
            BitsPerCharacter(name="bits_per_token"),
            BitsPerCharacter(characters_per_token),
        ],
    )


def train(
    model: keras_longformer.LongformerMaskedLM,
    texts: list[str],
    *,
    batch_size: int,
    peak: float,
    characters_per_token: float,
    seconds: float | None = None,
) -> int:
    """Trains for one pass over raw strings, with Keras' `fit`.

    Returns:
        The number of updates: all that `texts` has batches for, or fewer
        where they would take more than `seconds`.
    """
    batches = batched(texts, batch_size)
    if seconds is not None:
        compile_model(model, characters_per_token, keras.optimizers.SGD(0.0))
        batches = batches.take(updates_within(model, batches, seconds))
    steps = len(batches)
    compile_model(model, characters_per_token, optimizer(peak, steps))
    model.fit(batches, shuffle=False)
    return steps


def batched(data, batch_size: int) -> tf.data.Dataset:
    """Returns whole batches of texts, or of texts and labels."""
    return tf.data.Dataset.from_tensor_slices(data).batch(
        batch_size, drop_remainder=True
    )


def optimizer(peak: float, steps: int) -> keras.optimizers.Optimizer:
    """Returns AdamW as RoBERTa was trained with, warm for a tenth."""
    return keras.optimizers.AdamW(
        WarmupPolynomialDecay(
            peak, total_steps=steps, warmup_steps=steps // 10, power=1.0
        ),
        beta_2=0.98,
        weight_decay=0.01,
        global_clipnorm=1.0,
    )


def updates_within(
    model: keras.Model, batches: tf.data.Dataset, seconds: float
) -> int:
    """Measures how many updates fit, at least one.

    The model must be compiled with a rate of 0: two updates are made.
    """
    model.fit(batches.take(1), shuffle=False, verbose=0)  # Traces.
    begin = time.perf_counter()
    model.fit(batches.take(1), shuffle=False, verbose=0)
    each = time.perf_counter() - begin
    return max(1, min(len(batches), int(seconds / each)))
