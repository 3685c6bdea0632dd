"""Writes what a pretraining came to: figures, a page and a picture."""

import dataclasses
import datetime
import json
import os

import keras

from keras_longformer.pretrain.measure import Measured
from keras_longformer.pretrain.objective import Objective
from keras_longformer.pretrain.settings import Settings
from keras_longformer.training import pictures
from keras_longformer.training import writing
from keras_longformer.unfinished import write_text

COLUMNS = {
    "phase": "{}",
    "update": "{:,}",
    "bits_per_token": "{:.4f}",
    "bits_per_character": "{:.4f}",
    "perplexity": "{:.4g}",
    "train_bits_per_token": "{:.4f}",
}


def write(
    objective: Objective,
    model: keras.Model,
    facts: dict,
    settings: Settings,
    measured: Measured,
    tested: Measured | None = None,
) -> None:
    """Writes `metrics.json`, `report.png` and `report.md`.

    Each appears whole or not at all.

    Args:
        objective, model: what was learned.
        facts: dict, what `Training.run` returned, and as `taken` the
            sentence of `ops.taken`.
        settings: the run's.
        measured: the last measurement.
        tested: what the test gave at the end, or `None`.
    """
    folder, history = settings.output, facts["history"]
    content = {
        "metrics": measured._asdict(),
        "test": tested and tested._asdict(),
        "updates": facts["updates"],
        "paused": facts["paused"],
        "attention": facts["taken"],
        "seconds": facts["seconds"],
        "history": history,
        "settings": dataclasses.asdict(settings),
    }
    write_text(
        os.path.join(folder, "metrics.json"),
        json.dumps(content, indent=1) + "\n",
    )
    pictures.save(
        lambda figure: _draw(figure, history, objective.measured),
        objective.title,
        os.path.join(folder, "report.png"),
    )
    write_text(
        os.path.join(folder, "report.md"),
        _page(objective, model, facts, settings, measured, tested),
    )


def _draw(figure, history, measured):
    """Draws held-out and training bits over updates."""
    axes = figure.add_subplot()
    updates = [one["update"] for one in history]
    for name, label, color in (
        ("train_bits_per_token", "trained on", pictures.GREY),
        (measured, "held out", pictures.BLUE),
    ):
        points = [
            (one["update"], one[name])
            for one in history
            if one[name] is not None
        ]
        if points:
            axes.plot(*zip(*points), "o-", color=color, label=label, ms=4)
    for one, other in zip(history, history[1:]):
        if one["phase"] != other["phase"]:
            axes.axvline(one["update"], color=pictures.GREY, lw=0.8, ls=":")
    last = history[-1]
    axes.annotate(
        f"{last[measured]:.3f}",
        (last["update"], last[measured]),
        textcoords="offset points",
        xytext=(4, 8),
        color=pictures.BLUE,
    )
    axes.set_xlim(0, max(updates[-1] * 1.06, 1))
    axes.set_xlabel("updates")
    axes.set_ylabel(measured.replace("_", " "))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _page(objective, model, facts, settings, measured, tested):
    when = datetime.datetime.now().isoformat(" ", "minutes")
    ended = (
        f"Time was over after update {facts['updates']:,}; the same command "
        "goes on."
        if facts["paused"]
        else f"All {facts['updates']:,} updates are done."
    )
    columns = dict(COLUMNS)
    if objective.measured == "bits_per_token":
        del columns["phase"]
        meaning = (
            "Bits per token is the mean cross-entropy of a predicted token, "
            "which the paper's Table 5 calls BPC; bits per character is that "
            "divided by the characters that a token of the text has."
        )
    else:
        del columns["bits_per_token"]
        meaning = (
            "Bits per character is the mean of -log2 p(character): BPC. A "
            "phase begins with a measurement of its own, with wider windows "
            "and the weights of the phase before."
        )
    test = (
        []
        if tested is None
        else [
            f"**Test: {tested.bits_per_character:.4f} bits per character**, of "
            f"{tested.tokens:,} characters."
        ]
    )
    parts = [
        f"# {objective.title}",
        f"{when}. {ended} Measured on {measured.tokens:,} tokens of held-out "
        "text.",
        *test,
        "![Bits over updates](report.png)",
        _table(facts["history"], columns),
        meaning,
        "## Training",
        "\n".join(f"- {line}" for line in objective.said(model)),
        f"{settings.rows} rows in memory at once. {facts['seconds']:,.0f} s "
        f"in all. {facts['taken']}",
        "## Settings",
        writing.settings_table(settings),
        writing.environment(),
    ]
    return "\n\n".join(parts) + "\n"


def _table(history, columns):
    head = [
        "| " + " | ".join(n.replace("_", " ") for n in columns) + " |",
        "|" + "---:|" * len(columns),
    ]
    rows = [
        "| "
        + " | ".join(
            "" if one[name] is None else form.format(one[name])
            for name, form in columns.items()
        )
        + " |"
        for one in history
    ]
    return "\n".join(head + rows)
