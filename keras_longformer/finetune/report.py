"""Writes what a run came to: metrics, predictions, a page and a picture."""

import dataclasses
import datetime
import json
import os
import pathlib

from keras_longformer.finetune.settings import Settings
from keras_longformer.tasks.finetuning import Outcome
from keras_longformer.training import pictures
from keras_longformer.training import writing
from keras_longformer.unfinished import write_text


def write(
    outcome: Outcome,
    measured: str,
    count: int,
    facts: dict,
    settings: Settings,
    metric: str,
    seconds: float,
) -> None:
    """Writes `metrics.json`, `predictions.jsonl`, `report.png`, `report.md`.

    Each appears whole or not at all.

    Args:
        outcome: what was measured.
        measured: str, the file it was measured on.
        count: int, its examples.
        facts: dict, what `Training.run` returned, and as `taken` the
            sentence of `ops.taken`.
        settings: the run's.
        metric: str, the name of the metric that chose the epoch.
        seconds: float, that the run took.
    """
    folder = settings.output
    write_outcome(
        outcome,
        folder,
        title=title(settings.task, measured, count),
        facts={
            "measured_on": measured,
            "examples": count,
            "best_epoch": facts["best_epoch"],
            "paused": facts["paused"],
            "attention": facts["taken"],
            "history": facts["history"],
            "settings": dataclasses.asdict(settings),
        },
    )
    page = _page(outcome, measured, count, facts, settings, metric, seconds)
    write_text(pathlib.Path(folder) / "report.md", page)


def write_outcome(
    outcome: Outcome, folder: str, *, title: str, facts: dict
) -> None:
    """Writes `metrics.json`, `predictions.jsonl` and `report.png`.

    Each appears whole or not at all.

    Args:
        outcome: what was measured.
        folder: str, made if it is not there.
        title: str, above the picture.
        facts: dict for JSON: what there is to say beside the metrics.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures.save(outcome.draw, title, str(folder / "report.png"))
    write_text(
        folder / "predictions.jsonl",
        "".join(
            json.dumps(one, ensure_ascii=False) + "\n"
            for one in outcome.predictions
        ),
    )
    content = {"metrics": outcome.metrics, **facts}
    write_text(folder / "metrics.json", json.dumps(content, indent=1) + "\n")


def title(task: str, measured: str, count: int) -> str:
    """Returns what stands above a picture."""
    name = task.rpartition(":")[2].replace("_", " ")
    return f"{name}: {count:,} examples of {os.path.basename(measured)}"


def _page(outcome, measured, count, facts, settings, metric, seconds):
    when = datetime.datetime.now().isoformat(" ", "minutes")
    chosen = (
        "with the weights when time was over (`--resume` goes on)"
        if facts["paused"]
        else f"with the weights of epoch {facts['best_epoch']}, which had the "
        f"best `{metric}` on the validation examples"
    )
    rows = [f"| {name} | {x:.4g} |" for name, x in outcome.metrics.items()]
    parts = [
        f"# {settings.task.replace('_', ' ').capitalize()}",
        f"{when}. {count:,} examples of `{measured}`, {chosen}.",
        "![What is right and what is wrong](report.png)",
        "\n".join(["| metric | |", "|---|---:|", *rows]),
        "## Training",
        _history(facts["history"], metric),
        f"{facts['step']:,} batches of {settings.rows}, "
        f"{settings.accumulation_steps} an update. This run took "
        f"{seconds:.0f} s. {facts['taken']}",
        "## Settings",
        writing.settings_table(settings),
        writing.environment(),
    ]
    return "\n\n".join(parts) + "\n"


def _history(history, metric):
    if not history:
        return "No epoch was finished."
    rows = [
        f"| {one['epoch']} | {one['loss']:.4g} | {one[metric]:.4g} |"
        for one in history
    ]
    head = [f"| epoch | loss | validation {metric} |", "|---:|---:|---:|"]
    return "\n".join(head + rows)
