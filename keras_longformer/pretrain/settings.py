"""What a pretraining is told, with the paper's values as defaults."""

import dataclasses

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "bfloat16")
TRAINED = ("all", "positions")
SIZES = ("num_layers", "num_heads", "hidden_dim", "intermediate_dim")


# What the tasks take where nothing is given; of the character language model
# the phases of `tasks.char_lm.configurations`.
DEFAULTS = {
    "masked_lm": {
        "updates": 65_000,
        "batch_size": 64,
        "peak": 3e-5,
        "clip_norm": 1.0,
    },
    "char_lm": {"clip_norm": 0.25},
}
# Settings that one task has and others have not.
OWN = {
    "masked_lm": (
        *("tokenizer", "positions", "train_only", "power", "packing"),
        *("document_global", "whole_words", "mask_selection_rate"),
        *("text_field", "processes"),
    ),
    "char_lm": (
        *("configuration", "alphabet", "gaps", "test"),
        *("evaluation_length", "evaluation_stride"),
    ),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """One pretraining, or one of its phases.

    Attributes:
        train: tuple of str, text files, or one folder of a corpus.
        output: str, the folder to write to.
        task: str, what is learned: "masked_lm" or "char_lm".
        validation: tuple of str, as `train`, to measure with; none for a part
            of the documents of `train`.
        validation_share: float, that part.
        validation_rows: int, the most rows to measure with, or `None` for all.
        text_field: str, of files that have fields.
        test: tuple of str, files to measure with once, at the end; an empty
            one holds a part of `train` out; `None` for no test. Of "char_lm".
        preset: str, the model to start from, or `None` for a new one of
            `num_layers`, `num_heads`, `hidden_dim`, `intermediate_dim` (4
            times the width by default) and the `tokenizer` of a folder.
        configuration: str, a size of the paper's, "char_small" or
            "char_large". Of "char_lm", as the next two.
        alphabet: str, as for `LongformerByteTokenizer`.
        gaps: tuple of int, one for each layer: the tokens between two keys of
            the two dilated heads.
        max_sequence_length, window_size: int, or `None` for the preset's (a
            new masked LM's: 4,096 and 512). `window_size` may be a tuple with
            one for each layer; a character LM's, of the bottom and the top.
            Of several phases, the first's.
        positions: str, how new positions are made, as for `from_preset`.
        train_only: str, `"all"`, or `"positions"`: the position embeddings,
            with all other weights frozen.
        updates, batch_size: ints; of a character LM, tuples with one for each
            phase.
        peak, warmup, power, weight_decay, clip_norm: of the training. `warmup`
            is in updates: a masked LM's 500 by default, or a tenth of fewer
            than 5,000; a `clip_norm` of 0 does not clip. Of several phases,
            `peak` is the first's.
        rows: int, rows that go through the model at once; gradients of
            `batch_size // rows` are accumulated.
        packing, document_global, whole_words, mask_selection_rate: of the
            rows, as for `PretrainingBatches`.
        dropout: float, or `None` for the preset's.
        rematerialize: bool.
        dtype: str, one of `PRECISIONS`, or `None` for the preset's.
        validate_every: int, updates between two measurements.
        evaluation_length, evaluation_stride: int, of the windows in which a
            character LM is measured.
        save_minutes: float, between two states.
        keep_states: int.
        minutes: float, after which training pauses, or `None`.
        processes: int, that make tokens of texts.
        seed: int.
        distribution: str, of devices and machines, as for
            `training.distribution.distribution_strategy`, or `None`.
    """

    train: tuple[str, ...]
    output: str
    task: str = "masked_lm"
    validation: tuple[str, ...] = ()
    validation_share: float = 0.05
    validation_rows: int | None = 64
    text_field: str = "text"
    test: tuple[str, ...] | None = None
    preset: str | None = None
    configuration: str | None = None
    alphabet: str | None = None
    gaps: tuple[int, ...] | None = None
    tokenizer: str | None = None
    num_layers: int | None = None
    num_heads: int | None = None
    hidden_dim: int | None = None
    intermediate_dim: int | None = None
    max_sequence_length: int | None = None
    window_size: int | tuple[int, ...] | None = None
    positions: str = "copy"
    train_only: str = "all"
    updates: int | tuple[int, ...] | None = None
    batch_size: int | tuple[int, ...] | None = None
    rows: int = 1
    peak: float | None = None
    warmup: int | None = None
    power: float = 3.0
    weight_decay: float = 0.01
    clip_norm: float | None = None
    packing: str = "documents"
    document_global: bool = False
    whole_words: bool = False
    mask_selection_rate: float = 0.15
    dropout: float | None = None
    rematerialize: bool = False
    dtype: str | None = None
    validate_every: int = 500
    evaluation_length: int | None = None
    evaluation_stride: int | None = None
    save_minutes: float = 15.0
    keep_states: int = 2
    minutes: float | None = None
    processes: int = 1
    seed: int = 0
    distribution: str | None = None

    def __post_init__(self):
        for name in ("train", "validation", "test"):
            value = getattr(self, name)
            if value is not None:
                value = (value,) if isinstance(value, str) else tuple(value)
            self._set(name, value)
        for name in ("updates", "batch_size", "window_size", "gaps"):
            value = getattr(self, name)
            if isinstance(value, list | tuple):
                one = len(value) == 1 and name != "gaps"
                self._set(name, value[0] if one else tuple(value))
        for name, value in DEFAULTS.get(self.task, {}).items():
            if getattr(self, name) is None:
                self._set(name, value)
        problems = list(self._problems())
        if problems:
            raise ValueError(
                problems[0]
                if len(problems) == 1
                else "\n  ".join(["These settings cannot be:", *problems])
            )

    def _set(self, name, value):
        object.__setattr__(self, name, value)

    def _problems(self):
        if self.task not in DEFAULTS:
            yield (
                f"There is no pretraining {self.task!r}. There are: "
                f"{', '.join(sorted(DEFAULTS))}."
            )
            return
        if not self.train:
            yield "--train needs a file, or a folder of a corpus."
        for task, names in OWN.items():
            default = {x.name: x.default for x in dataclasses.fields(self)}
            given = [n for n in names if getattr(self, n) != default[n]]
            if given and task != self.task:
                yield f"{_flags(given)}: of --task {task}, not {self.task}."
        yield from self._problems_of_the_training()
        for name, known in (
            ("dtype", (None, *PRECISIONS)),
            ("train_only", TRAINED),
        ):
            if getattr(self, name) not in known:
                said = ", ".join(str(x) for x in known if x)
                yield (
                    f"--{name.replace('_', '-')} is one of {said}. "
                    f"Received: {getattr(self, name)!r}."
                )
        most = 0.5 if self.test == () else 1
        if not self.validation and not 0 < self.validation_share < most:
            yield (
                "--validation-share must leave text to measure with and most "
                f"of it to train on. Received: {self.validation_share}."
            )
        if self.task == "masked_lm":
            yield from self._problems_of_the_model()
        else:
            yield from self._problems_of_the_sizes()

    def _problems_of_the_training(self):
        updates, batches = _as_tuple(self.updates), _as_tuple(self.batch_size)
        if self.task == "masked_lm" and len(updates) + len(batches) > 2:
            yield (
                "--updates and --batch-size of several phases are of --task "
                "char_lm. Name one of each."
            )
        if len(updates) > 0 and len(batches) > len(updates):
            yield (
                "--batch-size names more phases than --updates does. "
                f"Received: {len(batches)} and {len(updates)}."
            )
        if self.rows < 1 or any(size % self.rows for size in batches):
            yield (
                "--rows must divide --batch-size, whose rows go through the "
                f"model so many at a time. Received: rows={self.rows}, "
                f"batch_size={self.batch_size}."
            )
        for count in updates:
            warmup = self.warmup
            if warmup is not None and not 0 <= warmup < count:
                yield (
                    "--warmup must leave updates in which the rate is not "
                    f"rising. Received: warmup={warmup}, updates={count}."
                )

    def _problems_of_the_sizes(self):
        given = [name for name in SIZES if getattr(self, name) is not None]
        starts = [
            *(x for x in ("preset", "configuration") if getattr(self, x)),
            *given[:1],
        ]
        if len(starts) > 1:
            yield (
                "The model is that of --preset, one of the paper's sizes "
                "(--configuration), or a new one (--num-layers, --num-heads, "
                f"--hidden-dim). Received: {_flags(starts)}."
            )
        missing = [name for name in SIZES[:3] if getattr(self, name) is None]
        if given and missing:
            yield f"A new model's sizes need {_flags(missing)} too."
        if self.preset is not None:
            new = [x for x in ("alphabet", "gaps") if getattr(self, x)]
            if new:
                yield f"{_flags(new)}: of a new model, not of --preset."

    def _problems_of_the_model(self):
        new = {name: getattr(self, name) for name in ("tokenizer", *SIZES)}
        given = [name for name, value in new.items() if value is not None]
        needed = [
            name
            for name in ("tokenizer", *SIZES[:3])
            if getattr(self, name) is None
        ]
        if self.preset is not None and given:
            yield (
                "--preset says what model it is; for a new one leave it out. "
                f"Received both: --preset and {_flags(given)}."
            )
        elif self.preset is None and needed:
            yield (
                "A model to start from: --preset, a RoBERTa or Longformer. A "
                "new one needs --tokenizer and its sizes; not given: "
                f"{_flags(needed)}."
            )
        elif self.preset is None and self.train_only == "positions":
            yield (
                "--train-only positions leaves all other weights of --preset "
                "as they are, and a new model's are random numbers."
            )

    @property
    def accumulation_steps(self) -> int:
        """How many times rows go through the model for one update."""
        return self.batch_size // self.rows

    @property
    def warmup_updates(self) -> int:
        """Updates in which the rate rises."""
        if self.warmup is not None:
            return self.warmup
        return min(500, self.updates // 10)

    def fingerprint(self) -> dict:
        """What must be the same for a training to go on where it stopped."""
        free = {
            *("output", "minutes", "save_minutes", "keep_states", "processes"),
            "distribution",  # The same weights, up to rounding.
        }
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
            if name not in free
        }


def _as_tuple(value):
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _flags(names):
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)
