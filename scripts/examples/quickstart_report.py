"""Writes what a run of the quickstart measured, as a page and a picture."""

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

PACKAGES = ("tensorflow", "keras", "keras-hub", "numpy")


@dataclasses.dataclass
class Row:
    """One line of the table of masked language models."""

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
        accuracies: by classifier: long, truncated and majority, in this order.
        facts: what else the report says.
        seconds: by step.
        answers: list of (text's beginning, right class, answer, probability).
        version: str, the SavedModel's folder.
        commands: str, the shell commands that serve it.
        num_steps: int, all that will be done.
    """

    rows: list[Row] = dataclasses.field(default_factory=list)
    accuracies: dict[str, float] = dataclasses.field(default_factory=dict)
    facts: dict = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    answers: list[tuple] = dataclasses.field(default_factory=list)
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
    return small_models.table(
        ["model", "tokens it reads", "bits / token", "bits / character"],
        [
            [row.name, f"{row.length:,}", f"{row.bits_per_token:.3f}"]
            + [f"{row.bits_per_character:.3f}"]
            for row in results.rows
        ],
    )


def classifier_table(results: Results) -> str:
    """Returns the table of classifiers in Markdown."""
    shares = results.accuracies.items()
    return small_models.table(
        ["classifier", "accuracy"], [[name, f"{x:.1%}"] for name, x in shares]
    )


def page(results: Results, settings) -> str:
    """Returns the report in Markdown."""
    facts, table = results.facts, small_models.table
    when = datetime.datetime.now().isoformat(" ", "minutes")
    checks = "\n".join(
        f"- {'yes' if true else '**NO**'}: {claim}"
        for true, claim in expectations(results)
    )
    share = next(iter(results.accuracies.values()))
    error = math.sqrt(share * (1 - share) / facts["test_documents"])
    steps = results.seconds | {"together": sum(results.seconds.values())}
    # Linux counts KiB.
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    versions = ", ".join(f"{x} {metadata.version(x)}" for x in PACKAGES)
    return f"""# A RoBERTa made long: what this run measured

{when}, from {facts["checkpoint"]}. Every number here is of this run.

![Bits a token and accuracy](report.png)

## What was to be expected, and whether it came true

{checks}

## Masked language modelling

{masked_lm_table(results)}

The mean cross-entropy of {facts["masked"]:,} masked tokens, 15 % of
{facts["tokens"]:,} tokens from the {facts["files"]} test files, which no
training here has read. All rows predict the same tokens of the same text under
the same masks; the short model reads each long row in {settings.length_factor}
parts. Bits a token are what the paper's Table 5 calls BPC; bits a character are
these divided by the {facts["characters_per_token"]:.3f} characters of a token.
In the long models a token sees the {settings.window_size:,} around it. The last
row is the copied one after {facts["long_updates"]:,} updates, each of
{settings.long_batch_size} rows: more text and more length have given it what it
gains together.

## Classifying long documents

{classifier_table(results)}

{facts["test_documents"]:,} test documents, as many of each class:
{", ".join(f"`{name}`" for name in settings.classes)}. A document opens with lines of
the library's top-level modules; a passage from one of those packages, which is
its class, follows; then come modules again. The passage begins at token
{facts["first_evidence"]:,} at the earliest, after the {settings.short_length:,}
that the truncated model reads, which can therefore only guess. Training and
test documents share no file. Both models start from the updated masked LM and
read each training document once, {settings.classifier_batch_size} an update, the
long one in {facts["classifier_updates"]:,} updates, the truncated one in
{facts["truncated_updates"]:,}. The long one's accuracy has a standard error of
{error:.1%} for the number of documents alone.

## Served

`{results.version}` was loaded by a process that cannot import keras_longformer,
keras_hub, tensorflow_text or tokenizers. It answered raw text. After loading,
outputs differ from the Keras model's by at most
{facts["largest_difference"]:.1e}.

{table(["a test document's first line", "class", "answer", "probability"], [[f"`{line}`", label, said, f"{sure:.0%}"] for line, label, said, sure in results.answers])}

```bash
{results.commands}
```

## Time and memory

{table(["step", "seconds"], [[step, f"{took:.0f}"] for step, took in steps.items()])}

{os.cpu_count()} CPUs ({platform.machine()}, load {facts["load"]:.1f} at the end),
at most {gib:.1f} GiB of memory. {facts["attention"]} Python
{platform.python_version()}, {versions}.

`{settings}`
"""  # noqa: E501


def draw(results: Results, settings, path: str) -> None:
    """Draws both tables as bars, into a PNG."""
    figure = small_models.new_figure(figsize=(12, 4))
    left, right = figure.subplots(1, 2, width_ratios=(5, 4))
    values = [row.bits_per_token for row in results.rows]
    names = [row.name for row in results.rows]
    _bars(left, names, values, [GREY, RED, RED, BLUE, BLUE], "{:.2f}")
    left.axvline(values[0], color=GREY, linewidth=1, linestyle=":", zorder=0)
    left.set_xlabel("bits a masked token (the paper's BPC); lower is better")
    lengths = settings.short_length, settings.long_length
    title = "Masked LM, {:,} tokens made {:,}".format(*lengths)
    left.set_title(title, loc="left")
    shares = [100 * share for share in results.accuracies.values()]
    _bars(right, [*results.accuracies], shares, [BLUE, RED, GREY], "{:.0f} %")
    right.set_xlim(0, 112)
    right.set_xticks(range(0, 101, 25))
    right.set_xlabel("right answers in %; higher is better")
    right.set_title("Evidence only after the old length", loc="left")
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
