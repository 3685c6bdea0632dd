"""The steps of the quickstart, each printing and noting what it measured."""

import gc
import json
import os
import pathlib
import subprocess
import sys
import time

import keras
import masked_lms
import numpy as np
import quickstart_report as report
import quickstart_text as text
import small_models
import tensorflow as tf

import keras_longformer as klf
from keras_longformer import weights
from keras_longformer.ops import settle_default
from keras_longformer.ops import taken
from keras_longformer.tasks.masked_lm.metrics import BitsPerCharacter
from keras_longformer.tasks.masked_lm.metrics import masked_blocks
from keras_longformer.training.progress import shown

# What a server does not have: `import` of them raises in the process that asks
# the SavedModel.
ANSWER = """
import json, sys
for name in ("keras_longformer", "keras_hub", "tensorflow_text", "tokenizers"):
    sys.modules[name] = None
import tensorflow as tf
texts = tf.constant(json.load(sys.stdin))
model = tf.saved_model.load(sys.argv[1])
outputs = model.signatures["serving_default"](text=texts)
print(json.dumps({k: v.numpy().tolist() for k, v in outputs.items()}))
"""
IMAGE = "tensorflow/serving:2.20.0"  # For TensorFlow 2.20.


def check_checkpoint(checkpoint):
    """Opens a checkpoint's configuration and tokenizer, before any work.

    Returns:
        The tokenizer, and the tokens that the checkpoint reads.

    Raises:
        ValueError: it is not a RoBERTa with a byte-level BPE.
        ImportError: a package that it needs is missing.
    """
    foreign = weights.open_foreign(checkpoint, load_weights=False)
    vocabulary, merges = weights.byte_pair_files(foreign.tokenizer_files)
    if vocabulary is None:
        raise ValueError(
            f"'{checkpoint}' has no vocab.json and merges.txt beside it."
        )
    tokenizer = klf.LongformerTokenizer(vocabulary, merges)
    return tokenizer, foreign.config["max_sequence_length"]


def run(settings, output, checkpoint=None, tokenizer=None):
    """Does everything, and writes the report.

    Args:
        settings: `quickstart.Settings`.
        output: str, the folder to write to.
        checkpoint: str, or `None` to train a small RoBERTa.
        tokenizer: the checkpoint's.

    Returns:
        `report.Results`.
    """
    keras.utils.set_random_seed(settings.seed)
    # Each of the models here is traced again, which TensorFlow warns of.
    tf.get_logger().setLevel("ERROR")
    os.makedirs(output, exist_ok=True)
    sources = text.read_sources()
    size = sum(len(source.text) for source in sources)
    print(
        f"Text: {len(sources)} files of Python's library, {size / 1e6:.1f} "
        f"million characters. Output: {output}"
    )
    # Builds the compiled kernel, the first time.
    settle_default()
    results = report.Results(num_steps=4 + (checkpoint is None))
    results.facts["checkpoint"] = f"the checkpoint `{checkpoint}`"
    if checkpoint is None:
        checkpoint = os.path.join(output, "roberta")
        results.facts["checkpoint"] = (
            f"a RoBERTa trained here, `{checkpoint}`, whose positions began as "
            "sines in a random basis"
        )
        with results.step("Training a small RoBERTa"):
            tokenizer = train_short(sources, settings, checkpoint)
    preset = os.path.join(output, "longformer")
    lengthen(checkpoint, sources, tokenizer, settings, preset, results)
    with results.step("Fine-tuning classifiers on long documents"):
        classifier, test = classify(
            preset, sources, tokenizer, settings, results
        )
    with results.step("Exporting, and asking it without the package"):
        folder = os.path.join(output, "classifier")
        serve(classifier, test, folder, settings, results)
    results.facts["load"] = os.getloadavg()[0]
    results.facts["attention"] = taken.sentence()
    report.write(results, settings, output)
    return results


# Step 1


def train_short(sources, settings, folder):
    """Trains a small RoBERTa, in Hugging Face's format; returns a tokenizer."""
    train = text.of_split(sources, "train")
    print(
        f"      vocabulary of {settings.vocabulary_size:,} tokens", flush=True
    )
    tokenizer = small_models.train_tokenizer(
        [source.text for source in train], settings.vocabulary_size
    )
    width = settings.hidden_dim
    backbone = small_models.make_backbone(
        tokenizer,
        width,
        num_layers=settings.num_layers,
        num_heads=settings.num_heads,
        intermediate_dim=4 * width,
        window_size=2 * settings.short_length,
        max_sequence_length=settings.short_length,
        max_global_tokens=0,
        dropout=0.0,  # No text is read often enough to be learnt by heart.
    )
    masked_lms.start_positions(backbone, settings.seed)
    model = klf.LongformerMaskedLM(
        backbone,
        preprocessor=klf.LongformerMaskedLMPreprocessor(
            tokenizer,
            sequence_length=settings.short_length,
            mask_selection_rate=settings.short_selection_rate,
            seed=0,
        ),
    )
    print(f"      RoBERTa of {model.count_params():,} weights", flush=True)
    texts = text.passages(train, 1000, 300, seed=0)
    tokens = tokenizer.tokenize(texts).flat_values.shape[0]
    per_token = sum(map(len, texts)) / tokens
    # A fifth more than is read, so that the shortest still fill their rows.
    texts = text.passages(
        train,
        int(1.2 * per_token * settings.short_length),
        settings.short_updates * settings.short_batch_size,
        settings.seed,
    )
    fit(
        model,
        texts,
        settings,
        settings.short_batch_size,
        settings.short_peak,
        lambda optimizer: compile_masked_lm(model, per_token, optimizer),
    )
    masked_lms.save_as_roberta(model, folder)
    return tokenizer


def fit(model, data, settings, batch_size, peak, compile_with):
    """Trains for one pass over raw strings, with Keras' `fit`.

    Args:
        model: of `data`, texts or texts and labels.
        data: as `tf.data.Dataset.from_tensor_slices` takes it.
        settings: `quickstart.Settings`.
        batch_size, peak: rows, and the highest learning rate.
        compile_with: function of an optimizer.

    Returns:
        The number of updates: all that there are batches for, or as many as
        fit into `settings.seconds_of_training`, at least one.
    """
    batches = tf.data.Dataset.from_tensor_slices(data).batch(
        batch_size, drop_remainder=True
    )
    if settings.seconds_of_training is not None:
        compile_with(keras.optimizers.SGD(0.0))
        model.fit(batches.take(1), shuffle=False, verbose=0)  # Traces.
        begin = time.perf_counter()
        model.fit(batches.take(1), shuffle=False, verbose=0)
        each = time.perf_counter() - begin
        batches = batches.take(max(1, int(settings.seconds_of_training / each)))
    steps = len(batches)
    compile_with(small_models.optimizer(peak, steps))
    model.fit(batches, shuffle=False, **shown(steps))
    return steps


def compile_masked_lm(model, characters_per_token, optimizer="sgd"):
    """Compiles a masked LM, to show bits beside the loss in nats."""
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[
            BitsPerCharacter(name="bits_per_token"),
            BitsPerCharacter(characters_per_token),
        ],
    )


# Steps 2 and 3


def evaluate(model, blocks, per_token, settings, parts):
    """Returns `bits_per_token` and `bits_per_character` on masked blocks."""
    preprocessor = model.preprocessor
    data = masked_blocks(
        blocks, preprocessor.tokenizer, parts=parts, seed=settings.seed
    )
    tokens = settings.long_length * settings.long_batch_size
    batch_size = max(1, min(tokens, 4096) // data[0]["token_ids"].shape[1])
    batches = tf.data.Dataset.from_tensor_slices(data).batch(batch_size)
    compile_masked_lm(model, per_token)
    model.preprocessor = None  # These are token ids.
    found = model.evaluate(batches, return_dict=True, verbose=0)
    model.preprocessor = preprocessor
    return {name: found[name] for name in found if name != "loss"}


def open_masked_lm(checkpoint, settings, positions):
    """Opens a checkpoint, made long, or as it is for `positions=None`."""
    if positions is None:  # Every token sees every other.
        return klf.LongformerMaskedLM.from_preset(
            checkpoint,
            max_sequence_length=settings.short_length,
            window_size=2 * settings.short_length,
        )
    model = klf.LongformerMaskedLM.from_preset(
        checkpoint,
        max_sequence_length=settings.long_length,
        window_size=settings.window_size,
        positions=positions,
        rematerialize=settings.rematerialize,
    )
    model.preprocessor = klf.LongformerMaskedLMPreprocessor(
        model.preprocessor.tokenizer,
        sequence_length=settings.long_length,
        mask_selection_rate=0.15,
        seed=0,
    )
    return model


def lengthen(checkpoint, sources, tokenizer, settings, folder, results):
    """Measures ways to make it long; saves the updated model."""
    texts = [source.text for source in text.of_split(sources, "test")]
    blocks, per_token = masked_lms.evaluation_blocks(
        texts,
        tokenizer,
        columns=(settings.short_length - 2) * settings.length_factor,
        count=settings.evaluation_rows,
        seed=settings.seed,
    )
    results.facts |= {
        "files": len(texts),
        "tokens": blocks.size,
        "masked": blocks.shape[0] * int(np.ceil(0.15 * blocks.shape[1])),
        "characters_per_token": per_token,
    }

    def measure(name, model, length, parts=1):
        bits = evaluate(model, blocks, per_token, settings, parts)
        results.rows.append(row := report.Row(name, length, **bits))
        print(
            f"      {name:28}{row.bits_per_token:7.3f} bits a token"
            f"{row.bits_per_character:7.3f} a character",
            flush=True,
        )

    short, long = settings.short_length, settings.long_length
    factor = settings.length_factor
    with results.step(f"Making it {factor} x longer"):
        for positions, name, length, parts in (
            (None, "short, as it was", short, factor),
            ("random", "long, random positions", long, 1),
            ("sinusoidal", "long, sinusoidal positions", long, 1),
            ("copy", "long, copied positions", long, 1),
        ):
            model = None  # One at a time in memory.
            gc.collect()
            model = open_masked_lm(checkpoint, settings, positions)
            measure(name, model, length, parts)
    with results.step(f"Updating it at {long:,} tokens"):
        train = text.passages(
            text.of_split(sources, "train"),
            int(1.2 * per_token * long),
            settings.long_updates * settings.long_batch_size,
            settings.seed + 1,
        )
        results.facts["long_updates"] = fit(
            model,
            train,
            settings,
            settings.long_batch_size,
            settings.long_peak,
            lambda optimizer: compile_masked_lm(model, per_token, optimizer),
        )
        measure("long, copied, then updated", model, long)
        model.save_to_preset(folder)
    model = None
    gc.collect()


# Step 4


def classify(preset, sources, tokenizer, settings, results):
    """Fine-tunes the classifier, long and truncated.

    Returns:
        The long classifier, and the test documents.
    """
    train, test = (
        text.make_documents(
            text.of_split(sources, split),
            count,
            tokenizer,
            results.facts["characters_per_token"],
            settings,
            settings.seed + i,
        )
        for i, (split, count) in enumerate(
            [
                ("train", settings.train_documents),
                ("test", settings.test_documents),
            ]
        )
    )
    results.facts |= {
        "test_documents": len(test.texts),
        "first_evidence": 1 + min(train.first_evidence, test.first_evidence),
    }
    batch_size = settings.classifier_batch_size

    def fine_tune(length, fact):
        keras.utils.set_random_seed(settings.seed)  # The same new head.
        print(f"      reading {length:,} tokens", flush=True)
        classifier = klf.LongformerTextClassifier.from_preset(
            preset,
            num_classes=len(settings.classes),
            max_sequence_length=length,
            window_size=settings.window_size,
            dropout=0.0,
        )
        results.facts[fact] = fit(
            classifier,
            (train.texts, train.labels),
            settings,
            batch_size,
            settings.classifier_peak,
            lambda optimizer: classifier.compile(
                optimizer=optimizer,
                loss=keras.losses.SparseCategoricalCrossentropy(
                    from_logits=True
                ),
                metrics=["accuracy"],
            ),
        )
        texts = tf.data.Dataset.from_tensor_slices(test.texts)
        logits = classifier.predict(texts.batch(batch_size))
        share = float(np.mean(np.argmax(logits, axis=-1) == test.labels))
        print(f"      accuracy {share:.1%}", flush=True)
        return classifier, share

    short, long = settings.short_length, settings.long_length
    _, truncated = fine_tune(short, "truncated_updates")
    gc.collect()
    classifier, whole = fine_tune(long, "classifier_updates")
    commonest = np.bincount(train.labels).argmax()
    results.accuracies = {
        f"long: reads {long:,} tokens": whole,
        f"truncated: reads {short:,}": truncated,
        "commonest class": float(np.mean(test.labels == commonest)),
    }
    return classifier, test


# Step 5


def serve(classifier, test, folder, settings, results):
    """Exports, and asks the SavedModel without this package."""
    version = klf.export_saved_model(classifier, folder)
    results.version = version
    manifest = json.loads(pathlib.Path(version, "manifest.json").read_text())
    results.facts["largest_difference"] = manifest["probe"][
        "largest_difference"
    ]
    chosen = [
        int(np.flatnonzero(test.labels == label)[0])
        for label in range(len(settings.classes))
    ]
    outputs = answer(version, [test.texts[i] for i in chosen])
    for i, index, probabilities in zip(
        chosen, outputs["class_index"], outputs["probabilities"], strict=True
    ):
        line = test.texts[i].strip().splitlines()[0][:40]
        line = line.replace("`", "'").replace("|", "/")
        label = settings.classes[test.labels[i]]
        said, probability = settings.classes[index], probabilities[index]
        results.answers.append((line, label, said, probability))
        print(
            f"      {line!r} ... ({len(test.texts[i]):,} characters) is of "
            f"{label}, the answer is {said} ({probability:.0%})",
            flush=True,
        )
    results.commands = commands(folder, "import asyncio")


def answer(version, texts):
    """Answers texts in a fresh process that imports TensorFlow alone.

    Returns:
        Dict of output to one value for each text.

    Raises:
        RuntimeError: the process failed.
    """
    process = subprocess.run(
        [sys.executable, "-c", ANSWER, version],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise RuntimeError(
            f"'{version}' could not be used in a process of its own.\n"
            + process.stderr
        )
    return json.loads(process.stdout.splitlines()[-1])


def commands(folder, example):
    """Returns the shell commands that serve a model and ask it.

    Args:
        folder: str, the model's folder, which holds its versions.
        example: str, text of the request; must hold no apostrophe.
    """
    folder = pathlib.Path(folder).resolve()
    note = ""
    if not tf.__version__.startswith("2.20."):
        note = (
            f"# Made with TensorFlow {tf.__version__}: take a server that is "
            "no older, where there is one.\n"
        )
    request = json.dumps({"instances": [{"text": example}]})
    return f"""\
{note}# with Docker
docker run --rm -p 8501:8501 -v "{folder}:/models/{folder.name}:ro" \\
    --entrypoint tensorflow_model_server {IMAGE} --rest_api_port=8501 \\
    --model_name={folder.name} --model_base_path=/models/{folder.name}
# or with the server's binary
tensorflow_model_server --rest_api_port=8501 \\
    --model_name={folder.name} --model_base_path="{folder}"
# and then
curl -d '{request}' \\
    http://localhost:8501/v1/models/{folder.name}:predict"""
