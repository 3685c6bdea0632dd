"""The models that are compared, their training and their accuracy."""

import dataclasses
import tempfile

import keras
import numpy as np
import tensorflow as tf

import keras_longformer as klf
from retrieval_qa import data

WINDOW_SIZE = 8
INITIALIZER_WIDTH = 768  # RoBERTa's, which its deviation of 0.02 is for.


@dataclasses.dataclass
class Settings:
    """What is trained and asked.

    Attributes:
        longest: int, tokens of the longest contexts that are asked about.
        cut_at: int, tokens that the truncated model reads.
        trained_length: int, tokens that the models are trained with.
        stages: lengths of contexts, and updates on them, one after another.
        batch_size: int.
        rate: float, the learning rate.
        asked: int, questions at each length.
    """

    longest: int = 4096
    cut_at: int = 512
    trained_length: int = 256
    stages: tuple = ((59, 700), (251, 300))
    batch_size: int = 64
    rate: float = 3e-3
    asked: int = 192


def make_preprocessor(sequence_length):
    return klf.LongformerQuestionAnsweringPreprocessor(
        data.make_tokenizer(),
        sequence_length=sequence_length,
        max_question_length=1,
        pad_to="longest",
    )


def make_task(settings, has_global):
    """Two layers of width 32; each token sees 4 on either side of it."""
    width = 32
    backbone = klf.LongformerBackbone(
        vocabulary_size=data.make_tokenizer().vocabulary_size(),
        num_layers=2,
        num_heads=2,
        hidden_dim=width,
        intermediate_dim=2 * width,
        window_size=WINDOW_SIZE,
        max_sequence_length=settings.trained_length,
        max_global_tokens=2 if has_global else 0,
        dropout=0.0,
        attention_dropout=0.0,
        pooler=False,
    )
    for weight in backbone.weights:
        if weight.path.endswith(("kernel", "embeddings")):
            weight.assign(weight * np.sqrt(INITIALIZER_WIDTH / width))
    return klf.LongformerQuestionAnswering(backbone)


def make_dataset(settings, preprocessor, count, length, seed, has_global):
    """Batches of inputs and targets."""
    x, y, _ = data.make_examples(count, length, seed)

    def prepare(x, y):
        inputs, targets = preprocessor(x, y)
        if not has_global:
            del inputs["global_mask"]
        return inputs, targets

    # About as many tokens at once, whatever the length.
    at_once = settings.batch_size * settings.trained_length
    at_once = max(1, at_once // max(length, settings.trained_length))
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(at_once)
    return dataset.map(prepare).prefetch(2)


def train(settings, has_global, seed):
    """Returns a trained task, made long, and the last stage's loss."""
    keras.utils.set_random_seed(seed)
    task = make_task(settings, has_global)
    preprocessor = make_preprocessor(settings.trained_length)
    total = sum(updates for _, updates in settings.stages)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        total - total // 20,
        warmup_target=settings.rate,
        warmup_steps=total // 20,
    )
    task.compile(optimizer=keras.optimizers.Adam(rate, global_clipnorm=1.0))
    for length, updates in settings.stages:
        dataset = make_dataset(
            settings,
            preprocessor,
            updates * settings.batch_size,
            length,
            seed,
            has_global,
        )
        history = task.fit(dataset, verbose=2).history
    with tempfile.TemporaryDirectory() as preset:
        task.save_to_preset(preset)
        long_task = klf.LongformerQuestionAnswering.from_preset(
            preset, max_sequence_length=settings.longest
        )
    return long_task, history["loss"][-1]


def ask(settings, task, sequence_length, length, seed):
    """Returns distances `(asked,)` and whether each answer was right.

    Args:
        settings: the `Settings`.
        task: a trained one.
        sequence_length: int, the most tokens that it reads.
        length: int, the tokens of the contexts.
        seed: int.
    """
    has_global = task.backbone.max_global_tokens > 0
    preprocessor = make_preprocessor(sequence_length)
    _, y, distances = data.make_examples(settings.asked, length, seed)
    dataset = make_dataset(
        settings, preprocessor, settings.asked, length, seed, has_global
    )
    places = []
    for inputs, _ in dataset:
        start, end = np.moveaxis(task.predict_on_batch(inputs), -1, 0)
        # Answers are two tokens long; the best of those is given.
        places += np.argmax(start[:, :-1] + end[:, 1:], axis=1).tolist()
    want = np.array(y["start"]) + data.BEFORE_CONTEXT
    return distances, np.array(places) == want
