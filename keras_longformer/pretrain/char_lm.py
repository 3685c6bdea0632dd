"""Character language modelling in phases, as in the paper's section 4."""

import dataclasses
import hashlib
import itertools
import typing

import numpy as np

from keras_longformer.pretrain.measure import Measured
from keras_longformer.pretrain.objective import Data
from keras_longformer.pretrain.objective import Objective
from keras_longformer.pretrain.settings import SIZES
from keras_longformer.pretrain.settings import Settings
from keras_longformer.tasks.char_lm import LongformerCharLM
from keras_longformer.tasks.char_lm import configurations
from keras_longformer.tasks.char_lm.evaluation import SEQUENCE_LENGTH
from keras_longformer.training.distribution import worker_of
from keras_longformer.training.schedules import WarmupConstant
from keras_longformer.training.stream import StreamBatches
from keras_longformer.training.stream import read_stream

# text8 and enwik8 are so long, and of both the first 90 million characters are
# trained on, the next 5 million measured with, and the last 5 the test.
OFFICIAL = 100_000_000
HELD_OUT = 5_000_000
# Of a window's tokens, the part that is measured where nothing is said: the
# others are before them.
SCORED = 4


class Parts(typing.NamedTuple):
    """A text's ids: to train on, to measure with, and for the end or `None`."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray | None


class CharLM(Objective):
    """Predicts each byte from those before it."""

    title = "Character language model"
    measured = "bits_per_character"
    beta_2 = 0.999  # Keras', as the next: the paper names none.
    epsilon = 1e-7

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._parts = None

    def open(self) -> LongformerCharLM:
        settings = self.settings
        if settings.preset is not None:
            model = LongformerCharLM.from_preset(settings.preset)
            if model.preprocessor is None:
                raise ValueError(
                    f"'{settings.preset}' has no tokenizer beside the model."
                )
        else:
            name = settings.configuration or "char_small"
            model = LongformerCharLM.from_configuration(
                name, settings.alphabet, phase=0, **self._sizes(name)
            )
        self.tokenizer = model.preprocessor.tokenizer
        self._length = model.preprocessor.sequence_length
        self._windows = self._first_windows(model.backbone)
        return model

    def phases(self) -> list[Settings]:
        settings = self.settings
        plan = configurations.CONFIGURATIONS[
            settings.configuration or "char_small"
        ].phases
        given = {
            "length": settings.max_sequence_length,
            "rate": settings.peak,
            "batch_sizes": _as_tuple(settings.batch_size),
            "warmup_steps": settings.warmup,
        }
        if settings.preset is not None:
            given["length"] = given["length"] or self._length
        phases = configurations.staged_phases(
            self._windows,
            _as_tuple(settings.updates) or [phase.steps for phase in plan],
            **{name: x for name, x in given.items() if x is not None},
        )
        return [
            dataclasses.replace(
                settings,
                max_sequence_length=phase.length,
                window_size=phase.window_size,
                peak=phase.rate,
                batch_size=phase.batch_size,
                updates=phase.steps,
                warmup=phase.warmup_steps,
            )
            for phase in phases
        ]

    def in_phase(self, model, phase) -> LongformerCharLM:
        given = {"dropout": phase.dropout, "dtype": phase.dtype}
        options = {name: x for name, x in given.items() if x is not None}
        if phase.dropout is not None:
            options["attention_dropout"] = None
        backbone = model.backbone.with_windows(
            phase.window_size, rematerialize=phase.rematerialize, **options
        )
        # Without a preprocessor: it is for texts, and `fit` gets token ids.
        return LongformerCharLM(backbone)

    def data(self, model, phase, number) -> Data:
        parts = self._text()
        worker, workers = worker_of(model.distribute_strategy)
        batches = StreamBatches(
            parts.train,
            phase.max_sequence_length,
            phase.rows,
            seed=_seed(phase.seed, number),
            worker=worker,
            workers=workers,
        )
        return Data(
            train=batches,
            measure=lambda: self._measure(
                model, parts.validation, phase.validation_rows, phase
            ),
            tokens_per_row=phase.max_sequence_length,
            digest=self._digest,
            failure=lambda: None,
        )

    def schedule(self, phase, first_update):
        return WarmupConstant(
            phase.peak,
            phase.warmup,
            first_update,
            accumulation_steps=phase.accumulation_steps,
        )

    def tested(self, model) -> Measured | None:
        test = self._text().test
        if test is None:
            return None
        phase = dataclasses.replace(
            self.settings,
            evaluation_length=self.settings.evaluation_length
            or SEQUENCE_LENGTH,
            evaluation_stride=self.settings.evaluation_stride or 512,
        )
        return self._measure(model, test, None, phase)

    def finished(self, model: LongformerCharLM) -> LongformerCharLM:
        backbone = model.backbone
        if backbone.rematerialize:
            backbone = backbone.with_windows(
                backbone.window_size, rematerialize=False
            )
        length = self.phases()[-1].max_sequence_length
        preprocessor = LongformerCharLM.preprocessor_cls(
            self.tokenizer, sequence_length=length
        )
        return LongformerCharLM(backbone, preprocessor)

    def said(self, model):
        backbone = model.backbone
        yield (
            f"{model.count_params():,} weights, {backbone.num_layers} layers "
            f"of width {backbone.hidden_dim}, {backbone.num_heads} heads, "
            f"{model.dtype_policy.name}"
        )
        yield (
            f"dilation {backbone.dilation}; an output depends on "
            f"{backbone.receptive_field:,} tokens"
        )
        for number, phase in enumerate(self.phases(), 1):
            yield (
                f"phase {number}: {phase.updates:,} updates of "
                f"{phase.batch_size} rows of {phase.max_sequence_length:,} "
                f"tokens at {phase.peak:g}, windows {_runs(phase.window_size)}"
            )

    def _sizes(self, name):
        """Arguments of a new model's backbone, in place of a size's own."""
        settings = self.settings
        sizes = {n: getattr(settings, n) for n in SIZES if getattr(settings, n)}
        if sizes:
            sizes.setdefault("intermediate_dim", 4 * sizes["hidden_dim"])
            sizes["dilation"] = 1
            sizes["window_size"] = configurations.growing_windows(
                *configurations.WINDOWS, sizes["num_layers"]
            )
        if settings.gaps is not None:
            backbone = {**configurations.CONFIGURATIONS[name].backbone, **sizes}
            if len(settings.gaps) != backbone["num_layers"]:
                raise ValueError(
                    f"--gaps names one for each of {backbone['num_layers']} "
                    f"layers. Received: {len(settings.gaps)}."
                )
            sizes["dilation"] = configurations.two_dilated_heads(
                list(settings.gaps), backbone["num_heads"]
            )
        if settings.dropout is not None:
            sizes["dropout"] = settings.dropout
        return sizes

    def _first_windows(self, backbone):
        """The windows of the first phase, one for each layer."""
        given, layers = self.settings.window_size, backbone.num_layers
        if given is None:
            windows = backbone.window_size
            return windows if isinstance(windows, int) else list(windows)
        if isinstance(given, int) or len(given) == layers:
            return given if isinstance(given, int) else list(given)
        if len(given) != 2:
            raise ValueError(
                "--window-size is one for all layers, two for the bottom and "
                f"the top, or one for each of {layers}. Received: "
                f"{len(given)}."
            )
        return configurations.growing_windows(*given, layers)

    def _text(self) -> Parts:
        if self._parts is None:
            settings = self.settings
            parts = split(
                self._read(settings.train),
                validation=self._read(settings.validation),
                test=self._read(settings.test),
                wants_test=settings.test is not None,
                share=settings.validation_share,
            )
            self._parts = parts
            digest = hashlib.sha256()
            for part in parts:
                digest.update(
                    b"" if part is None else np.ascontiguousarray(part)
                )
            self._digest = digest.hexdigest()
        return self._parts

    def _read(self, files):
        if not files:
            return None
        return read_stream(
            files, self.tokenizer.byte_ids, self.tokenizer.end_token_id
        )

    def _measure(self, model, text, rows, phase) -> Measured:
        length = phase.evaluation_length or phase.max_sequence_length
        stride = phase.evaluation_stride or max(length // SCORED, 1)
        if rows is not None:
            text = text[: length + stride * (rows - 1) + 1]
        found = model.bits_per_character(
            text, sequence_length=length, stride=min(stride, length)
        )
        bits = found.bits_per_character
        return Measured(bits, bits, float(np.exp2(bits)), found.characters)


def split(
    text: np.ndarray,
    *,
    validation: np.ndarray | None = None,
    test: np.ndarray | None = None,
    wants_test: bool = False,
    share: float = 0.05,
) -> Parts:
    """Parts a text in what is trained on, measured with, and tested.

    Of text8 and enwik8, known by their 100,000,000 characters, these are the
    first 90, the next 5 and the last 5 million, as in all published numbers.

    Args:
        text: int `(k,)`.
        validation, test: other texts to take, or `None`.
        wants_test: bool, whether to hold a test out where none is given.
        share: float, the part of a text of another length that is held out
            for each of both, from its end.

    Raises:
        ValueError: a text too short to be parted.
    """
    count = len(text)
    official = count == OFFICIAL and validation is None and test is None
    size = HELD_OUT if official else round(share * count)
    if test is None and (wants_test or official):
        if wants_test:
            test = text[count - size :]
        text = text[: count - size]
    if validation is None:
        validation, text = text[len(text) - size :], text[: len(text) - size]
    for name, part in (("train on", text), ("measure with", validation)):
        if len(part) < 2:
            raise ValueError(
                f"Of {count:,} characters, {len(part)} are left to {name}. "
                "Take a longer text, or name another for --validation."
            )
    return Parts(text, validation, test)


def _as_tuple(value):
    if value is None or isinstance(value, tuple):
        return value
    return (value,)


def _seed(seed, number):
    """Another order in each phase."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _runs(windows):
    """Windows as text, those that come several times in a row said once."""
    if isinstance(windows, int):
        return f"{windows}"
    runs = [(size, len([*same])) for size, same in itertools.groupby(windows)]
    return ", ".join(
        f"{size} × {count}" if count > 1 else f"{size}" for size, count in runs
    )
