"""Writes what the ablation measured, as a page, numbers and a picture."""

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

NAME = "char_lm_ablation"
PACKAGES = ("tensorflow", "keras", "keras-hub", "numpy")
# Bits per character on text8's dev set: Beltagy et al., 2020, Table 4.
PAPER = {
    "increasing": 1.21,
    "fixed": 1.23,
    "decreasing": 1.24,
    "increasing, dilated": 1.20,
}
COLORS = {
    "increasing": BLUE,
    "fixed": GREY,
    "decreasing": RED,
    "increasing, dilated": "#2f855a",
}
# Better, worse.
PAIRS = (
    ("increasing", "fixed"),
    ("fixed", "decreasing"),
    ("increasing", "decreasing"),
    ("increasing, dilated", "increasing"),
)


def bits(done: dict, name: str) -> dict[str, float]:
    """Returns a variant's bits per character, by seed."""
    runs = done["runs"][name].items()
    return {seed: run["bits_per_character"] for seed, run in runs}


def said(values, digits: int = 3) -> str:
    """A mean and the spread of seeds, their standard deviation."""
    values = np.array(values)
    if not len(values):
        return ""
    mean = f"{values.mean():.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {values.std(ddof=1):.{digits}f}"


def differences(done: dict, better: str, worse: str) -> np.ndarray:
    """Returns by how many bits, in each seed that has both."""
    one, other = bits(done, better), bits(done, worse)
    return np.array([other[s] - one[s] for s in one if s in other])


def table(done: dict) -> str:
    """Returns the table in Markdown."""
    rows = []
    for name, layers in done["variants"].items():
        runs = list(done["runs"][name].values())
        windows = " ".join(map(str, layers["window_size"]))
        dilation = [
            d if isinstance(d, int) else d[0] for d in layers["dilation"]
        ]
        against = said(differences(done, name, "fixed"))
        rows.append(
            [
                name,
                windows,
                " ".join(map(str, dilation)),
                f"{runs[0]['receptive_field']:,}" if runs else "",
                said(list(bits(done, name).values())),
                "" if name == "fixed" else against,
                f"{PAPER[name]:.2f}",
            ]
        )
    return small_models.table(
        ["windows", "of each layer", "dilation", "characters seen"]
        + ["bits / character", "better than fixed by", "paper"],
        rows,
    )


def expectations(done: dict) -> list[tuple[bool, str]]:
    """Says of each order in the paper's table whether it came true."""
    found = []
    for better, worse in PAIRS:
        difference = differences(done, better, worse)
        if not len(difference):
            continue
        count = int((difference > 0).sum())
        found.append(
            (
                count == len(difference),
                f"{better}: better than {worse} by {said(difference)} bits, "
                f"in {count} of {len(difference)} seeds (paper: "
                f"{PAPER[better]:.2f} and {PAPER[worse]:.2f}).",
            )
        )
    return found


def page(done: dict) -> str:
    """Returns the report in Markdown."""
    settings, text = done["settings"], done["text"]
    checks = "\n".join(
        f"- {'yes' if true else '**NO**'}: {claim}"
        for true, claim in expectations(done)
    )
    runs = [r for each in done["runs"].values() for r in each.values()]
    versions = ", ".join(f"{x} {metadata.version(x)}" for x in PACKAGES)
    seeds = max(len(each) for each in done["runs"].values())
    return f"""# Windows and dilation of a character model: Table 4 in small

```bash
python scripts/examples/char_lm_ablation.py FILE ...
```

![Bits per character by windows]({NAME}.png)

{table(done)}

Mean and standard deviation of {seeds} seed{"s" if seeds > 1 else ""}, lower is
better; "better than fixed by" is of pairs of one seed, which have the same first
weights and the same batches. The paper's column is of 12 layers, windows of 32
to 512 and 150,000 updates on text8.

## The paper's order, and whether it came true

"Yes" is in every seed.

{checks}

## How it was done

{settings["num_layers"]} layers of width {settings["hidden_dim"]} with {settings["num_heads"]} heads, {runs[0]["weights"]:,} weights; dilation
is on two of the heads. {settings["steps"]:,} updates of {settings["batch_size"]} × {settings["length"]} characters, AdamW, the highest rate
{settings["peak"]}, warm for a tenth and then falling in a line. The text is {text["name"]}:
{text["train_bytes"]:,} bytes to train on, of which the models saw {settings["steps"] * settings["batch_size"] * settings["length"]:,}; the last
5 % are held out, and the first {text["held_out_bytes"]:,} bytes of them measured, each with at
least {settings["length"] // 2} before it.

{len(runs)} trainings took {sum(r["cpu_seconds"] for r in runs) / 60:.0f} CPU-minutes ({platform.machine()}). Python {platform.python_version()},
{versions}.
"""  # noqa: E501


def draw(done: dict, path: str | os.PathLike) -> None:
    """Draws the results, and how trainings went, into a PNG."""
    figure = small_models.new_figure(figsize=(12, 4.2))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    _dots(left, done)
    _curves(right, done)
    figure.suptitle(
        "Character models that differ in their windows alone, of one mean "
        f"({done['variants']['fixed']['window_size'][0]})",
        x=0.01,
        ha="left",
    )
    small_models.save_figure(figure, path)


def _dots(axes, done):
    names = list(done["variants"])
    for i, name in enumerate(names):
        values = np.array(list(bits(done, name).values()))
        if not len(values):
            continue
        mean, color = values.mean(), COLORS[name]
        axes.plot([mean] * 2, [i - 0.3, i + 0.3], color=color)
        axes.plot(values, [i] * len(values), "o", color=color, alpha=0.6)
        axes.text(mean, i - 0.34, f"{mean:.3f}", ha="center", va="bottom")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.8)
    axes.margins(x=0.15)
    axes.set_xlabel("held-out bits per character; a dot is a seed")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _curves(axes, done):
    """Training bits, less those of fixed windows on the same batches."""
    base = done["runs"]["fixed"]
    settings = done["settings"]
    updates = settings["steps"] / settings["parts"]
    axes.axhline(0, color=GREY, linewidth=1)
    shown = 0.0
    for name in done["variants"]:
        seeds = [seed for seed in done["runs"][name] if seed in base]
        if name == "fixed" or not seeds:
            continue
        curve = np.mean(
            [
                np.subtract(
                    done["runs"][name][seed]["training_bits"],
                    base[seed]["training_bits"],
                )
                for seed in seeds
            ],
            axis=0,
        )
        shown = max(shown, np.abs(curve[len(curve) // 4 :]).max())
        at = updates * (0.5 + np.arange(len(curve)))
        axes.plot(at, curve, color=COLORS[name], label=name)
    if shown:
        # In the first quarter they differ by much more.
        axes.set_ylim(-1.3 * shown, 1.3 * shown)
        axes.legend(frameon=False, ncols=3, loc="upper right")
    axes.set_xlabel("updates")
    axes.set_ylabel("bits more than with fixed windows")
    axes.set_title("The same batches in training, mean of seeds", loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def write(done: dict, folder: str) -> None:
    """Writes the `.png`, `.md` and, last, `.json`, each whole or not."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    draw(done, folder / f"{NAME}.png")
    small_models.write(folder / f"{NAME}.md", page(done))
    text = json.dumps(done, indent=1) + "\n"
    small_models.write(folder / f"{NAME}.json", text)
