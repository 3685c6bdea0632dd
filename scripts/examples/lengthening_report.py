"""Writes what the lengthening measured, as a page, numbers and a picture."""

import dataclasses
import json
import os
import pathlib
import platform
from importlib import metadata

import numpy as np
import small_models
from small_models import BLUE
from small_models import GREY
from small_models import RED

PACKAGES = ("tensorflow", "keras", "keras-hub", "numpy")
# Base, masked-LM BPC: Beltagy et al., 2020, Table 5.
PAPER = {
    "short": 1.846,
    "random": 10.299,
    "copy": 1.957,
    "few": 1.753,  # 2K updates
    "many": 1.705,  # 65K updates
    "only positions": 1.850,
}
# Of what random positions lose, the most that copied ones may.
MOST_LOST = 0.25


@dataclasses.dataclass(frozen=True)
class Results:
    """What was measured.

    Attributes:
        settings: `lengthening.Settings`.
        facts: dict, of the text.
        seeds: list of dicts, what `lengthening_steps.one_seed` returned.
    """

    settings: object
    facts: dict
    seeds: list[dict]

    def bits(self, name: str) -> np.ndarray:
        """Returns a model's bits a token, one for each seed."""
        return np.array([seed["bits"][self.names[name]] for seed in self.seeds])

    @property
    def names(self) -> dict[str, str]:
        """Keys of `bits` by what a row is."""
        few, many = self.settings.long_updates
        return {
            "short": "short",
            "random": "random",
            "sinusoidal": "sinusoidal",
            "copy": "copy",
            "few": f"copy, {few} updates",
            "many": f"copy, {many} updates",
            "in parts": f"copy, {many} updates, in parts",
            "only positions": "copy, only positions",
        }

    @property
    def titles(self) -> dict[str, str]:
        """What a row is called."""
        settings = self.settings
        few, many = settings.long_updates
        return {
            "short": f"RoBERTa, {settings.short_length:,} tokens",
            "random": "random positions",
            "sinusoidal": "sinusoidal positions",
            "copy": "copied positions",
            "few": f"copied, {few:,} updates",
            "many": f"copied, {many:,} updates",
            "in parts": f"the same, reading {settings.short_length:,}",
            "only positions": f"copied, positions trained ({many:,})",
        }


def said(values: np.ndarray, digits: int = 3) -> str:
    """A mean and the spread of seeds, their standard deviation."""
    mean = f"{values.mean():.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {values.std(ddof=1):.{digits}f}"


def table(results: Results) -> str:
    """Returns the table in Markdown."""
    per_token = results.facts["characters_per_token"]
    settings = results.settings
    rows = []
    for name, title in results.titles.items():
        bits = results.bits(name)
        is_short = name in ("short", "in parts")
        length = settings.short_length if is_short else settings.long_length
        paper = PAPER.get(name)
        rows.append(
            [title, f"{length:,}", said(bits), said(bits / per_token)]
            + ["" if paper is None else f"{paper:.3f}"]
        )
    return small_models.table(
        ["model", "tokens read", "bits / token", "bits / character", "paper"],
        rows,
    )


def expectations(results: Results) -> list[tuple[bool, str]]:
    """Says of each thing that the paper lets expect whether it came true."""
    names = results.titles
    short, random, copy = (
        results.bits(name) for name in ("short", "random", "copy")
    )
    lost = (copy - short).mean() / max((random - short).mean(), 1e-9)
    found = [
        (
            bool((random > short).all() and lost < MOST_LOST),
            f"Copied positions lose {lost:.0%} of what random ones lose "
            "against the short model: less than a quarter (paper: 1 %).",
        )
    ]
    for better, worse, paper in (
        ("copy", "random", "1.957 and 10.299"),
        ("copy", "sinusoidal", "not tried"),
        ("few", "copy", "1.753 and 1.957"),
        ("many", "few", "1.705 and 1.753"),
        ("many", "short", "1.705 and 1.846"),
        ("only positions", "copy", "1.850 and 1.957"),
        ("many", "only positions", "1.705 and 1.850"),
        ("many", "in parts", "not tried"),
    ):
        difference = results.bits(worse) - results.bits(better)
        count = int((difference > 0).sum())
        found.append(
            (
                bool((difference > 0).all()),
                f"{names[better]}: better than {names[worse]} by "
                f"{said(difference)} bits, in {count} of {len(difference)} "
                f"seeds (paper: {paper}).",
            )
        )
    return found


def page(results: Results) -> str:
    """Returns the report in Markdown."""
    settings, facts = results.settings, results.facts
    checks = "\n".join(
        f"- {'yes' if true else '**NO**'}: {claim}"
        for true, claim in expectations(results)
    )
    seconds = [seed["seconds"] for seed in results.seeds]
    versions = ", ".join(f"{x} {metadata.version(x)}" for x in PACKAGES)
    text = (
        "the sources of Python's library"
        if facts["text"] == "library"
        else f"`{facts['text']}`, of each file the last tenth held out"
    )
    many = settings.long_updates[-1]
    count = len(results.seeds)
    seeds = f"{count} seed{'s' if count > 1 else ''}"
    shorts = {seed.get("short", i) for i, seed in enumerate(results.seeds)}
    own = (
        "each trains a RoBERTa of its own"
        if len(shorts) == count
        else "all go on from one RoBERTa, and differ in what comes after"
    )
    option = "" if len(shorts) == count else " --one-short-model"
    return f"""# A RoBERTa made {settings.length_factor} times longer: Table 5 in small

```bash
python scripts/examples/lengthening.py{option}
```

![Bits a masked token](table5.png)

{table(results)}

Mean and standard deviation of {seeds}; {own}
({results.seeds[0]["weights"]:,} weights, {settings.num_layers} layers of width
{settings.hidden_dim}). Bits a token are what the paper calls
BPC; its column is base, at 512 and 4,096 tokens after 2,000 and 65,000 updates.

## What the paper lets expect, and whether it came true

"Yes" is in every seed.

{checks}

## How it was done

The text is {text}: {facts["train_tokens"]:,} tokens to train on. The short model
was trained for {settings.short_updates:,} updates of
{settings.short_batch_size} × {settings.short_length:,} tokens, the long ones for so
many as the table says of {settings.long_batch_size} × {settings.long_length:,}, with a
window of {settings.window_size:,}, all by `keras_longformer.pretrain`. Where
only positions are trained, everything else is frozen, for {many:,} updates.

All rows predict the same {facts["masked_tokens"]:,} masked tokens, 15 % of
{facts["measured_tokens"]:,} held-out ones, under the same masks; the short model
reads each long row in {settings.length_factor} parts. "The same, reading
{settings.short_length:,}" is the model after {many:,} updates, given those parts:
what it is better than the short model there is due to more training, and what
it gains by reading whole rows to their length.

Seeds took {", ".join(f"{x / 60:.0f}" for x in seconds)} minutes, on {os.cpu_count()} CPUs
({platform.machine()}) that others used too. Python {platform.python_version()}, {versions}.

`{settings}`
"""  # noqa: E501


def draw(results: Results, path: str) -> None:
    """Draws all rows, and again without those that are far off, into a PNG."""
    figure = small_models.new_figure(figsize=(12, 4.4))
    left, right = figure.subplots(1, 2)
    colors = dict.fromkeys(results.titles, BLUE)
    colors |= {"short": GREY, "random": RED, "sinusoidal": RED}
    colors |= {"in parts": GREY}
    near = [x for x in results.titles if x not in ("random", "sinusoidal")]
    _dots(left, results, list(results.titles), colors)
    _dots(right, results, near, colors)
    left.set_title("All", loc="left")
    right.set_title("Without the two that break it", loc="left")
    lengths = results.settings.short_length, results.settings.long_length
    figure.suptitle(
        "Masked LM, {:,} tokens made {:,}: bits a masked token, lower is "
        "better; a dot is a seed, a bar their mean".format(*lengths),
        x=0.01,
        ha="left",
    )
    small_models.save_figure(figure, path)


def _dots(axes, results, names, colors):
    everything = np.concatenate([results.bits(name) for name in names])
    low, high = everything.min(), everything.max()
    margin = 0.08 * max(high - low, 0.01)
    axes.axvline(
        results.bits("short").mean(), color=GREY, linewidth=1, linestyle=":"
    )
    for i, name in enumerate(names):
        bits = results.bits(name)
        axes.plot([bits.mean()] * 2, [i - 0.3, i + 0.3], color=colors[name])
        axes.plot(bits, [i] * len(bits), "o", color=colors[name], alpha=0.6)
        # Beside the dots, on the side that has room.
        is_right = bits.mean() > (low + high) / 2
        axes.annotate(
            f"{bits.mean():.3f}",
            (bits.min() if is_right else bits.max(), i),
            xytext=(-8 if is_right else 8, 0),
            textcoords="offset points",
            ha="right" if is_right else "left",
            va="center",
        )
    axes.set_yticks(range(len(names)), [results.titles[x] for x in names])
    axes.set_xlim(low - margin, high + margin)
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def write(results: Results, folder: str) -> None:
    """Writes `table5.png`, `.json` and `.md`, each whole or not at all."""
    folder = pathlib.Path(folder)
    draw(results, folder / "table5.png")
    content = {
        "bits_per_token": {
            results.titles[name]: list(results.bits(name))
            for name in results.titles
        },
        "expected": [
            {"true": true, "claim": claim}
            for true, claim in expectations(results)
        ],
        "facts": results.facts,
        "seeds": results.seeds,
        "settings": dataclasses.asdict(results.settings),
    }
    text = json.dumps(content, indent=1) + "\n"
    small_models.write(folder / "table5.json", text)
    small_models.write(folder / "table5.md", page(results))
