"""What each seed of the lengthening trains and measures."""

import gc
import json
import os
import pathlib
import shutil
import time
from typing import NamedTuple

import keras
import masked_lms
import numpy as np
import quickstart_text
import small_models
import tensorflow as tf
from small_models import write as write

import keras_longformer as klf
from keras_longformer import pretrain
from keras_longformer.pretrain.measure import Measure
from keras_longformer.pretrain.measure import Measured
from keras_longformer.tasks.masked_lm.metrics import masked_blocks
from keras_longformer.training.corpus.prepare import prepare_corpus
from keras_longformer.training.corpus.records import Corpus
from keras_longformer.unfinished import whole_folder

HELD_OUT = 0.1  # Of each file, its last part.


class Made(NamedTuple):
    """What all seeds share.

    Attributes:
        tokenizer: trained on the training text.
        train, held_out: str, folders of corpora.
        blocks: int32 `(rows, columns)`, of the held-out text, to measure with.
        characters_per_token: float, theirs.
        facts: dict for JSON, what the report says of the text.
    """

    tokenizer: klf.LongformerTokenizer
    train: str
    held_out: str
    blocks: np.ndarray
    characters_per_token: float
    facts: dict


def read_texts(text: str, piece: int) -> tuple[list[str], list[str]]:
    """Returns texts to train on and to measure with, cut into pieces.

    Args:
        text: str, a folder of `.txt` files, or `"library"`.
        piece: int, characters.

    Raises:
        ValueError: there is no such folder, or no text in it.
    """
    if text == "library":
        sources = quickstart_text.read_sources()
        parts = [
            [source.text for source in quickstart_text.of_split(sources, split)]
            for split in ("train", "test")
        ]
    else:
        files = sorted(pathlib.Path(text).rglob("*.txt"))
        whole = [path.read_text("utf-8", "replace") for path in files]
        if not whole:
            raise ValueError(f"'{text}' is no folder with .txt files in it.")
        cuts = [int(len(each) * (1 - HELD_OUT)) for each in whole]
        parts = [
            [each[:cut] for each, cut in zip(whole, cuts, strict=True)],
            [each[cut:] for each, cut in zip(whole, cuts, strict=True)],
        ]
    train, held_out = (
        [
            each[begin : begin + piece]
            for each in texts
            for begin in range(0, len(each), piece)
        ]
        for texts in parts
    )
    return train, held_out


def prepare(settings, text: str, output: str) -> Made:
    """Reads the text, trains a tokenizer and makes corpora of tokens."""
    # Each of the models here is traced again, which TensorFlow warns of.
    tf.get_logger().setLevel("ERROR")
    train, held_out = read_texts(text, settings.piece)
    tokenizer = small_models.train_tokenizer(train, settings.vocabulary_size)
    folders = []
    os.makedirs(output, exist_ok=True)
    for name, texts in (("train", train), ("held-out", held_out)):
        path = os.path.join(output, f"{name}.jsonl")
        write(path, "".join(json.dumps({"text": x}) + "\n" for x in texts))
        corpus = os.path.join(output, f"corpus-{name}")
        shutil.rmtree(corpus, ignore_errors=True)
        prepare_corpus([path], tokenizer, corpus)
        folders.append(corpus)
    blocks, per_token = masked_lms.evaluation_blocks(
        held_out,
        tokenizer,
        columns=(settings.short_length - 2) * settings.length_factor,
        count=settings.evaluation_rows,
        seed=0,
    )
    facts = {
        "text": "library" if text == "library" else "charlm",
        "train_tokens": int(Corpus.open(folders[0]).lengths.sum()),
        "train_characters": sum(map(len, train)),
        "held_out_characters": sum(map(len, held_out)),
        "measured_tokens": int(blocks.size),
        "masked_tokens": blocks.shape[0] * int(np.ceil(0.15 * blocks.shape[1])),
        "characters_per_token": per_token,
    }
    if text != "library":
        facts["text"] = pathlib.Path(text).resolve().name
    return Made(tokenizer, *folders, blocks, per_token, facts)


def one_seed(
    settings, made: Made, folder: str, seed: int, short: tuple[str, int]
) -> dict:
    """Trains and measures all models of one seed, or those that are not done.

    Args:
        settings, made: what all seeds share.
        folder: the seed's.
        seed: int.
        short: the folder and the seed of the short model, which another seed
            may have trained.

    Returns:
        Dict of `bits`, bits a token by the model's name, `weights`, a short
        model's, `seconds`, and `short`, the seed of the short model.
    """
    path = pathlib.Path(folder, "measured.json")
    done = {"bits": {}, "weights": 0, "seconds": 0.0}
    if path.is_file():
        done = json.loads(path.read_text())
    done["short"] = short[1]
    os.makedirs(folder, exist_ok=True)
    begin = time.monotonic() - done["seconds"]

    def note(name, open_it, parts=1):
        if name in done["bits"]:
            return
        # Random positions are of the seed.
        keras.utils.set_random_seed(seed)
        model = open_it()
        done["bits"][name] = measured(model, made, parts).bits_per_token
        done["weights"] = done["weights"] or model.count_params()
        done["seconds"] = time.monotonic() - begin
        write(path, json.dumps(done, indent=1) + "\n")
        print(f"  {name:28}{done['bits'][name]:8.3f} bits", flush=True)
        gc.collect()

    roberta = train_short(settings, made, *short)
    factor = settings.length_factor
    note("short", lambda: open_model(roberta, settings, None), factor)
    for positions in ("random", "sinusoidal", "copy"):
        note(positions, lambda p=positions: open_model(roberta, settings, p))
    few, many = settings.long_updates

    def trained(updates, train_only="all"):
        return lambda: train_long(
            settings, made, folder, seed, roberta, updates, train_only
        )

    note(f"copy, {few} updates", trained(few))
    note(f"copy, {many} updates", trained(many))
    # What is due to more text alone.
    note(f"copy, {many} updates, in parts", trained(many), factor)
    note("copy, only positions", trained(many, "positions"))
    return done


def train_short(settings, made, folder, seed):
    """Trains a small RoBERTa; returns its folder."""
    os.makedirs(folder, exist_ok=True)
    roberta = os.path.join(folder, "roberta")
    if os.path.isdir(roberta):
        return roberta
    keras.utils.set_random_seed(seed)
    backbone = small_models.make_backbone(
        made.tokenizer,
        settings.hidden_dim,
        num_layers=settings.num_layers,
        num_heads=settings.num_heads,
        intermediate_dim=4 * settings.hidden_dim,
        window_size=2 * settings.short_length,  # All sees all.
        max_sequence_length=settings.short_length,
        max_global_tokens=0,
        dropout=0.0,
    )
    masked_lms.start_positions(backbone, seed)
    start = os.path.join(folder, "start")
    os.makedirs(start, exist_ok=True)
    klf.LongformerMaskedLM(
        backbone,
        preprocessor=klf.LongformerMaskedLMPreprocessor(
            made.tokenizer, sequence_length=settings.short_length
        ),
    ).save_to_preset(start)
    trained = train(
        settings,
        made,
        os.path.join(folder, "short"),
        seed,
        preset=start,
        updates=settings.short_updates,
        batch_size=settings.short_batch_size,
        peak=settings.short_peak,
        mask_selection_rate=settings.short_selection_rate,
    )
    model = klf.LongformerMaskedLM.from_preset(trained)
    with whole_folder(roberta) as new:
        masked_lms.save_as_roberta(model, new)
    return roberta


def train_long(settings, made, folder, seed, roberta, updates, train_only):
    """Trains it at its new length, from copied positions."""
    trained = train(
        settings,
        made,
        os.path.join(folder, f"{train_only}-{updates}"),
        seed + 1000,  # Other rows than the short model's.
        preset=roberta,
        max_sequence_length=settings.long_length,
        window_size=settings.window_size,
        updates=updates,
        batch_size=settings.long_batch_size,
        peak=settings.long_peak
        if train_only == "all"
        else settings.positions_peak,
        train_only=train_only,
    )
    return klf.LongformerMaskedLM.from_preset(trained, preprocessor=None)


def train(settings, made, output, seed, *, updates, batch_size, **options):
    """Runs one pretraining, or goes on with it; returns its preset."""
    preset = os.path.join(output, "model")
    if os.path.isdir(preset):
        return preset
    pretrain.run(
        pretrain.Settings(
            train=(made.train,),
            validation=(made.held_out,),
            validation_rows=batch_size,
            validate_every=updates,
            output=output,
            updates=updates,
            batch_size=batch_size,
            rows=batch_size,
            warmup=updates // 10,
            power=1.0,
            packing="crossing",
            dropout=0.0,
            save_minutes=2.0,
            keep_states=1,
            seed=seed,
            **options,
        )
    )
    shutil.rmtree(os.path.join(output, "state"), ignore_errors=True)
    return preset


def open_model(roberta: str, settings, positions: str | None):
    """Opens the RoBERTa, made long, or as it is for `positions=None`."""
    options = {
        "max_sequence_length": settings.long_length,
        "window_size": settings.window_size,
        "positions": positions,
    }
    if positions is None:  # Every token sees every other.
        options = {"window_size": 2 * settings.short_length}
    return klf.LongformerMaskedLM.from_preset(
        roberta, preprocessor=None, **options
    )


def measured(model, made: Made, parts: int) -> Measured:
    """Measures a model on the held-out blocks, whole or in parts."""
    data = masked_blocks(made.blocks, made.tokenizer, parts=parts, seed=0)
    batch_size = max(1, 4096 // data[0]["token_ids"].shape[1])
    batches = tf.data.Dataset.from_tensor_slices(data).batch(batch_size)
    return Measure(model, made.characters_per_token)(batches, len(batches))
