"""All numbers of the quickstart, in one place."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes and amounts; tokens unless said otherwise.

    Attributes:
        seed: int, for all that is random.
        vocabulary_size, num_layers, num_heads, hidden_dim: the short model's.
        short_length: what the short model reads.
        length_factor: int, how many times longer the long one is.
        short_updates, short_batch_size, short_peak: training of the short
            model: number, rows, highest learning rate.
        short_selection_rate: part of the tokens masked in it. More than
            RoBERTa's 15 % teaches a small model faster; evaluation has 15 %.
        long_updates, long_batch_size, long_peak: updates at the long length.
        evaluation_rows: rows of the long length that are evaluated.
        classes: packages of the standard library to tell apart.
        train_documents, test_documents: documents, of all classes together.
        classifier_batch_size: documents.
        classifier_peak: highest learning rate.
        rematerialize: bool, less memory for more time.
        seconds_of_training: for each training; as many updates are made as
            fit. `None`: all, whatever they take.
    """

    seed: int = 0
    vocabulary_size: int = 2048
    num_layers: int = 3
    num_heads: int = 4
    hidden_dim: int = 128
    short_length: int = 128
    length_factor: int = 8
    short_updates: int = 2400
    short_batch_size: int = 16
    short_peak: float = 2e-3
    short_selection_rate: float = 0.3
    long_updates: int = 80
    long_batch_size: int = 8
    long_peak: float = 5e-4
    evaluation_rows: int = 48
    classes: tuple[str, ...] = ("asyncio", "email", "multiprocessing", "xml")
    train_documents: int = 1600
    test_documents: int = 240
    classifier_batch_size: int = 16
    classifier_peak: float = 1e-3
    rematerialize: bool = False
    seconds_of_training: float | None = None

    @property
    def long_length(self) -> int:
        """What the long model reads."""
        return self.short_length * self.length_factor

    @property
    def window_size(self) -> int:
        """As the paper has it, a window as wide as the short model's text."""
        return self.short_length + self.short_length % 2


# Under a minute, to see that everything works; its numbers say nothing.
QUICK = Settings(
    vocabulary_size=400,
    num_layers=1,
    num_heads=2,
    hidden_dim=32,
    short_length=32,
    short_updates=20,
    long_updates=3,
    evaluation_rows=4,
    train_documents=32,
    test_documents=16,
)


def for_checkpoint(settings: Settings, short_length: int) -> Settings:
    """Returns the settings for a checkpoint that reads `short_length`.

    One row at a time, rates of the paper's order, and as many updates as fit
    into the time: roberta-base takes many seconds for each on a CPU.
    """
    return dataclasses.replace(
        settings,
        short_length=short_length,
        long_batch_size=1,
        long_peak=3e-5,  # The paper's.
        evaluation_rows=min(settings.evaluation_rows, 4),
        test_documents=min(settings.test_documents, 16),
        classifier_batch_size=1,
        classifier_peak=3e-5,  # The paper's.
        rematerialize=True,
        seconds_of_training=settings.seconds_of_training or 90,
    )
