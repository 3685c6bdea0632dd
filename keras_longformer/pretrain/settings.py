"""What a pretraining is told, with the paper's values as defaults."""

import dataclasses

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "bfloat16")
TRAINED = ("all", "positions")
SIZES = ("num_layers", "num_heads", "hidden_dim", "intermediate_dim")


@dataclasses.dataclass(frozen=True)
class Settings:
    """One pretraining.

    Attributes:
        train: tuple of str, text files, or one folder of a corpus.
        output: str, the folder to write to.
        task: str, what is learned.
        validation: tuple of str, as `train`, to measure with; none for a part
            of the documents of `train`.
        validation_share: float, that part.
        validation_rows: int, the most rows to measure with, or `None` for all.
        text_field: str, of files that have fields.
        preset: str, the model to start from, or `None` for a new one of
            `num_layers`, `num_heads`, `hidden_dim`, `intermediate_dim` (4
            times the width by default) and the `tokenizer` of a folder.
        max_sequence_length, window_size: int, or `None` for the preset's (a
            new model's: 4,096 and 512).
        positions: str, how new positions are made, as for `from_preset`.
        train_only: str, `"all"`, or `"positions"`: the position embeddings,
            with all other weights frozen.
        updates, batch_size, peak, warmup, power, weight_decay, clip_norm: of
            the training. `warmup` is in updates: 500 by default, or a tenth of
            fewer than 5,000; a `clip_norm` of 0 does not clip.
        rows: int, rows that go through the model at once; gradients of
            `batch_size // rows` are accumulated.
        packing, document_global, whole_words, mask_selection_rate: of the
            rows, as for `PretrainingBatches`.
        dropout: float, or `None` for the preset's.
        rematerialize: bool.
        dtype: str, one of `PRECISIONS`, or `None` for the preset's.
        validate_every: int, updates between two measurements.
        save_minutes: float, between two states.
        keep_states: int.
        minutes: float, after which training pauses, or `None`.
        processes: int, that make tokens of texts.
        seed: int.
    """

    train: tuple[str, ...]
    output: str
    task: str = "masked_lm"
    validation: tuple[str, ...] = ()
    validation_share: float = 0.05
    validation_rows: int | None = 64
    text_field: str = "text"
    preset: str | None = None
    tokenizer: str | None = None
    num_layers: int | None = None
    num_heads: int | None = None
    hidden_dim: int | None = None
    intermediate_dim: int | None = None
    max_sequence_length: int | None = None
    window_size: int | None = None
    positions: str = "copy"
    train_only: str = "all"
    updates: int = 65_000
    batch_size: int = 64
    rows: int = 1
    peak: float = 3e-5
    warmup: int | None = None
    power: float = 3.0
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    packing: str = "documents"
    document_global: bool = False
    whole_words: bool = False
    mask_selection_rate: float = 0.15
    dropout: float | None = None
    rematerialize: bool = False
    dtype: str | None = None
    validate_every: int = 500
    save_minutes: float = 15.0
    keep_states: int = 2
    minutes: float | None = None
    processes: int = 1
    seed: int = 0

    def __post_init__(self):
        for name in ("train", "validation"):
            value = getattr(self, name)
            value = (value,) if isinstance(value, str) else tuple(value)
            object.__setattr__(self, name, value)
        problems = list(self._problems())
        if problems:
            raise ValueError(
                problems[0]
                if len(problems) == 1
                else "\n  ".join(["These settings cannot be:", *problems])
            )

    def _problems(self):
        if not self.train:
            yield "--train needs a file, or a folder of a corpus."
        if self.rows < 1 or self.batch_size % self.rows:
            yield (
                "--rows must divide --batch-size, whose rows go through the "
                f"model so many at a time. Received: rows={self.rows}, "
                f"batch_size={self.batch_size}."
            )
        if not 0 <= self.warmup_updates < self.updates:
            yield (
                "--warmup must leave updates in which the rate falls. "
                f"Received: warmup={self.warmup}, updates={self.updates}."
            )
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
        if not self.validation and not 0 < self.validation_share < 1:
            yield (
                "--validation-share must leave documents to measure with and "
                f"to train on. Received: {self.validation_share}."
            )
        yield from self._problems_of_the_model()

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
        free = {"output", "minutes", "save_minutes", "keep_states", "processes"}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
            if name not in free
        }


def _flags(names):
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)
