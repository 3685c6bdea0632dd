"""What a fine-tuning run is told, with the paper's values as defaults."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Settings:
    """One run.

    Attributes:
        task: str, what `finding.find_fine_tuning` takes.
        train, validation, test: str, files; of the last two `None` for none.
        validation_share: float, the part of the training examples that is held
            out where there is no `validation`.
        preset: str, the model to start from.
        output: str, the folder to write to.
        max_sequence_length, window_size: int, or `None` for the preset's.
        epochs, batch_size, peak, warmup, weight_decay: of the training; no
            `epochs` are the task's own, and the warm-up is a part of all
            updates.
        rows: int, examples that go through the model at once; gradients of
            `batch_size // rows` are accumulated.
        patience: int, epochs without a better result after which it ends.
        dropout: float, or `None` for the preset's.
        rematerialize: bool.
        limit: int, examples of each file, or `None` for all.
        minutes: float, after which training pauses, or `None`.
        save_minutes: float, between two saved states within an epoch.
        seed: int.
        export: bool, whether to write a SavedModel.
        options: dict, the options of the task's reader that were given.
    """

    task: str
    train: str
    preset: str
    output: str
    validation: str | None = None
    test: str | None = None
    validation_share: float = 0.1
    max_sequence_length: int | None = None
    window_size: int | None = None
    epochs: int | None = None
    batch_size: int = 32
    rows: int = 1
    peak: float = 3e-5
    warmup: float = 0.1
    weight_decay: float = 0.01
    patience: int = 3
    dropout: float | None = None
    rematerialize: bool = False
    limit: int | None = None
    minutes: float | None = None
    save_minutes: float = 15.0
    seed: int = 0
    export: bool = False
    options: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.rows < 1 or self.batch_size % self.rows:
            raise ValueError(
                "--rows must divide --batch-size, whose examples go through "
                f"the model so many at a time. Received: rows={self.rows}, "
                f"batch_size={self.batch_size}."
            )

    @property
    def accumulation_steps(self) -> int:
        """How many times rows go through the model for one update."""
        return self.batch_size // self.rows

    def fingerprint(self) -> dict:
        """What must be the same for a training to go on where it stopped."""
        free = {"output", "test", "minutes", "save_minutes", "export"}
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name not in free
        }
