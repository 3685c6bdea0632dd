"""Writes what a run measured, as a page and a picture."""

import contextlib
import dataclasses
import datetime
import math
import os
import platform
import resource
import time
from importlib import metadata

import small_models
from small_models import BLUE
from small_models import GREY
from small_models import RED

PACKAGES = ("keras_longformer", "tensorflow", "keras", "keras-hub", "numpy")


@dataclasses.dataclass
class Row:
    """One line of the table of masked language models.

    Attributes:
        name: str, which model.
        length: int, tokens of its rows.
        bits_per_token, bits_per_character: float.
    """

    name: str
    length: int
    bits_per_token: float
    bits_per_character: float


@dataclasses.dataclass
class Results:
    """What a run measured; steps fill it in.

    Attributes:
        rows: of the masked language models: short, random, sinusoidal,
            copied and updated, in this order.
        accuracies: dict of classifier's name to its part of right answers:
            long, truncated and majority, in this order.
        facts: dict of what else the report says, to numbers or words.
        seconds: dict of step to the time it took.
        answers: list of (text's beginning, right class, answer, probability).
        version: str, the SavedModel's folder.
        commands: str, the shell commands that serve it.
        num_steps: int, all that will be done.
    """

    rows: list[Row] = dataclasses.field(default_factory=list)
    accuracies: dict[str, float] = dataclasses.field(default_factory=dict)
    facts: dict[str, str | int | float] = dataclasses.field(
        default_factory=dict
    )
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    answers: list[tuple[str, str, str, float]] = dataclasses.field(
        default_factory=list
    )
    version: str = ""
    commands: str = ""
    num_steps: int = 5

    @contextlib.contextmanager
    def step(self, title: str):
        """Prints what is being done, and notes how long it took."""
        number = len(self.seconds) + 1
        print(f"\n[{number}/{self.num_steps}] {title}", flush=True)
        begin = time.perf_counter()
        yield
        self.seconds[title] = time.perf_counter() - begin
        print(f"      {self.seconds[title]:.0f} s", flush=True)


def expectations(results: Results) -> list[tuple[bool, str]]:
    """Says of each thing that the paper lets expect whether it came true."""
    short, random, _, copied, updated = (
        row.bits_per_token for row in results.rows
    )
    long, truncated, majority = results.accuracies.values()
    gap = (copied - short) / (random - short) if random > short else 1.0
    return [
        (
            copied < random and gap < 0.25,
            f"Copied positions ({copied:.3f} bits a token) lose at most a "
            f"quarter of what random ones ({random:.3f}) lose against the "
            f"original ({short:.3f}).",
        ),
        (
            updated < copied,
            f"Updates at the long length improve on copying ({updated:.3f} "
            f"after, {copied:.3f} before).",
        ),
        (
            long > truncated and long > majority,
            f"Reading all ({long:.1%}) beats reading the beginning "
            f"({truncated:.1%}) and the commonest class ({majority:.1%}).",
        ),
    ]


def masked_lm_table(results: Results) -> str:
    """Returns the table of masked language models in Markdown."""
    lines = [
        "| model | tokens it reads | bits / token | bits / character |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {row.name} | {row.length:,} | {row.bits_per_token:.3f} "
        f"| {row.bits_per_character:.3f} |"
        for row in results.rows
    ]
    return "\n".join(lines)


def classifier_table(results: Results) -> str:
    """Returns the table of classifiers in Markdown."""
    lines = ["| classifier | accuracy |", "|---|---:|"]
    lines += [
        f"| {name} | {value:.1%} |"
        for name, value in results.accuracies.items()
    ]
    return "\n".join(lines)


def peak_memory_gib() -> float:
    """Returns the most memory that this process has had at once, in GiB."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage / 2**20  # Linux counts KiB.


def page(results: Results, settings) -> str:
    """Returns the report in Markdown."""
    when = datetime.datetime.now().isoformat(" ", "minutes")
    checks = [
        f"- {'yes' if true else '**NO**'}: {claim}"
        for true, claim in expectations(results)
    ]
    chosen = [
        f"| {name} | {value} |"
        for name, value in dataclasses.asdict(settings).items()
    ]
    parts = [
        "# A RoBERTa made long: what this run measured",
        f"{when}, from {results.facts['checkpoint']}. Every number here is of "
        "this run.",
        "![Bits a token and accuracy](report.png)",
        "## What was to be expected, and whether it came true",
        "\n".join(checks),
        "## Masked language modelling",
        masked_lm_table(results),
        _about_masked_lm(results.facts, settings),
        "## Classifying long documents",
        classifier_table(results),
        _about_classifiers(results, settings),
        "## Served",
        *_served(results),
        "## Time and memory",
        *_time_and_memory(results),
        "## Settings",
        "\n".join(["| | |", "|---|---|", *chosen]),
    ]
    return "\n\n".join(parts) + "\n"


def _about_masked_lm(facts, settings):
    return (
        f"The mean cross-entropy of {facts['masked']:,} masked tokens, 15 % of "
        f"{facts['tokens']:,} tokens from the {facts['files']} test files, "
        "which no training here has read. All rows of the table predict the "
        "same tokens of the same text under the same masks; the short model "
        f"reads each long row in {settings.length_factor} parts. Bits a token "
        "are what the paper's Table 5 calls BPC (the loss divided by ln 2). "
        "Bits a character are these divided by the "
        f"{facts['characters_per_token']:.3f} characters that a token of this "
        "text has on average. In the long models a token sees the "
        f"{settings.window_size:,} around it. The last row is the copied one "
        f"after {facts['long_updates']:,} updates, each of "
        f"{settings.long_batch_size} rows: what it gains, more text and "
        "more length have given it together."
    )


def _about_classifiers(results, settings):
    facts = results.facts
    classes = ", ".join(f"`{name}`" for name in settings.classes)
    share = next(iter(results.accuracies.values()))
    error = math.sqrt(share * (1 - share) / facts["test_documents"])
    return (
        f"{facts['test_documents']:,} test documents, as many of each class: "
        f"{classes}. A document is put together from real text: it opens with "
        "lines of the library's top-level modules, drawn alike for all "
        "classes; a passage from one of those packages follows; then come "
        "modules again. The class is the passage's package. The passage begins "
        f"at token {facts['first_evidence']:,} at the earliest, behind the "
        f"{settings.short_length:,} tokens that the truncated model reads, "
        "which can therefore only guess. Training and test documents share no "
        "file. Both models start from the updated masked LM and read each of "
        "their training documents once, "
        f"{settings.classifier_batch_size} an update: the long one in "
        f"{facts['classifier_updates']:,} updates, the truncated one in "
        f"{facts['truncated_updates']:,}. The long one's accuracy has a "
        f"standard error of {error:.1%} for the number of documents alone."
    )


def _served(results):
    answers = [
        f"| `{text}` | {label} | {answer} | {probability:.0%} |"
        for text, label, answer, probability in results.answers
    ]
    return [
        f"`{results.version}` was loaded by a process that cannot import "
        "keras_longformer, keras_hub, tensorflow_text or tokenizers. It "
        "answered raw text. After loading, outputs differ from the Keras "
        f"model's by at most {results.facts['largest_difference']:.1e}.",
        "\n".join(
            [
                "| a test document's first line | class | answer "
                "| probability |",
                "|---|---|---|---:|",
                *answers,
            ]
        ),
        f"```bash\n{results.commands}\n```",
    ]


def _time_and_memory(results):
    seconds = {
        **results.seconds,
        "together": sum(results.seconds.values()),
    }
    rows = [f"| {step} | {took:.0f} |" for step, took in seconds.items()]
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return [
        "\n".join(["| step | seconds |", "|---|---:|", *rows]),
        f"{os.cpu_count()} CPUs ({platform.machine()}, load "
        f"{results.facts['load']:.1f} at the end), at most "
        f"{peak_memory_gib():.1f} GiB of memory. Attention by "
        f"{results.facts['attention']}. Python "
        f"{platform.python_version()}, {versions}.",
    ]


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # Run from a checkout.
        return "(not installed)"


def draw(results: Results, settings, path: str) -> None:
    """Draws both tables as bars, into a PNG."""
    figure = small_models.new_figure(figsize=(12, 4))
    left, right = figure.subplots(1, 2, width_ratios=(5, 4))
    rows = results.rows
    colors = [GREY, RED, RED, BLUE, BLUE]
    values = [row.bits_per_token for row in rows]
    _bars(left, [row.name for row in rows], values, colors, "{:.2f}")
    left.axvline(values[0], color=GREY, linewidth=1, linestyle=":", zorder=0)
    left.set_xlabel("bits a masked token (the paper's BPC); lower is better")
    left.set_title(
        f"Masked LM, {settings.short_length:,} tokens made "
        f"{settings.long_length:,}",
        loc="left",
    )
    names = list(results.accuracies)
    shares = [100 * share for share in results.accuracies.values()]
    _bars(right, names, shares, [BLUE, RED, GREY], "{:.0f} %")
    right.set_xlim(0, 112)
    right.set_xticks(range(0, 101, 25))
    right.set_xlabel("right answers in %; higher is better")
    right.set_title("Evidence only behind the old length", loc="left")
    small_models.save_figure(figure, path)


def _bars(axes, names, values, colors, form):
    bars = axes.barh(names, values, color=colors, height=0.62)
    axes.bar_label(bars, [form.format(value) for value in values], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def write(results: Results, settings, folder: str) -> None:
    """Writes `report.md` and `report.png`, each whole or not at all."""
    draw(results, settings, os.path.join(folder, "report.png"))
    path = os.path.join(folder, "report.md")
    small_models.write(path, page(results, settings))
