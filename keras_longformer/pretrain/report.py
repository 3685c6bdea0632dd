"""Writes what a pretraining came to: figures, a page and a picture."""

import dataclasses
import datetime
import json
import os

from keras_longformer.pretrain.measure import Measured
from keras_longformer.pretrain.settings import Settings
from keras_longformer.training import pictures
from keras_longformer.training import writing

COLUMNS = {
    "update": "{:,}",
    "bits_per_token": "{:.4f}",
    "bits_per_character": "{:.4f}",
    "perplexity": "{:.4g}",
    "train_bits_per_token": "{:.4f}",
}


def write(
    title: str,
    lines: list[str],
    facts: dict,
    settings: Settings,
    measured: Measured,
) -> None:
    """Writes `metrics.json`, `report.png` and `report.md`.

    Each appears whole or not at all.

    Args:
        title: str, what was learned.
        lines: list of str, about the model.
        facts: dict, what `Training.run` returned.
        settings: the run's.
        measured: the last measurement.
    """
    folder, history = settings.output, facts["history"]
    content = {
        "metrics": measured._asdict(),
        "updates": facts["step"] // settings.accumulation_steps,
        "paused": facts["paused"],
        "seconds": facts["seconds"],
        "history": history,
        "settings": dataclasses.asdict(settings),
    }
    writing.write_text(
        os.path.join(folder, "metrics.json"),
        json.dumps(content, indent=1) + "\n",
    )
    pictures.save(
        lambda figure: _draw(figure, history),
        title,
        os.path.join(folder, "report.png"),
    )
    writing.write_text(
        os.path.join(folder, "report.md"),
        _page(title, lines, facts, settings, measured),
    )


def _draw(figure, history):
    """Draws held-out and training bits over updates."""
    axes = figure.add_subplot()
    updates = [one["update"] for one in history]
    for name, label, color in (
        ("train_bits_per_token", "trained on", pictures.GREY),
        ("bits_per_token", "held out", pictures.BLUE),
    ):
        points = [
            (one["update"], one[name])
            for one in history
            if one[name] is not None
        ]
        if points:
            axes.plot(*zip(*points), "o-", color=color, label=label, ms=4)
    best = history[-1]
    axes.annotate(
        f"{best['bits_per_token']:.3f}",
        (best["update"], best["bits_per_token"]),
        textcoords="offset points",
        xytext=(4, 8),
        color=pictures.BLUE,
    )
    axes.set_xlim(0, max(updates[-1] * 1.06, 1))
    axes.set_xlabel("updates")
    axes.set_ylabel("bits per token")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _page(title, lines, facts, settings, measured):
    when = datetime.datetime.now().isoformat(" ", "minutes")
    done = facts["step"] // settings.accumulation_steps
    ended = (
        f"Time was over after update {done:,} of {settings.updates:,}; the "
        "same command goes on."
        if facts["paused"]
        else f"All {done:,} updates are done."
    )
    rows = settings.batch_size
    parts = [
        f"# {title}",
        f"{when}. {ended} Measured on {measured.tokens:,} tokens of held-out "
        "text.",
        "![Bits per token over updates](report.png)",
        _table(facts["history"]),
        "Bits per token is the mean cross-entropy of a predicted token, which "
        "the paper's Table 5 calls BPC; bits per character is that divided by "
        "the characters that a token of the text has.",
        "## Training",
        "\n".join(f"- {line}" for line in lines),
        f"{rows} rows an update, {settings.rows} in memory at once. "
        f"{facts['seconds']:,.0f} s in all.",
        "## Settings",
        writing.settings_table(settings),
        writing.environment(),
    ]
    return "\n\n".join(parts) + "\n"


def _table(history):
    head = [
        "| " + " | ".join(n.replace("_", " ") for n in COLUMNS) + " |",
        "|" + "---:|" * len(COLUMNS),
    ]
    rows = [
        "| "
        + " | ".join(
            "" if one[name] is None else form.format(one[name])
            for name, form in COLUMNS.items()
        )
        + " |"
        for one in history
    ]
    return "\n".join(head + rows)
