"""Writes `requirements.lock`: one file of each distribution, by its digest.

Command:
    python scripts/build/lock.py [--report FILE] [--output requirements.lock]

Asks pip what it would install for `.[test]` into an empty environment (Linux,
x86-64, Python 3.11: run it there), and writes a line with name, version and
SHA-256 for each distribution. `LOCKED=1 bash scripts/test.sh` installs from it.
Some minutes and a download at most; nothing is installed. `--report` takes
what `pip install --report` has written before.
"""

import argparse
import json
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

from pip._vendor.packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).resolve().parents[2]
OWN = "keras-longformer"
# Indexes hold different files of one version of it.
LEFT_OUT = ("torch",)
HEAD = """\
# What `.[test]` comes to with Python 3.11 on Linux, x86-64: for each
# distribution the one file that is installed, by its digest. Written by
# scripts/build/lock.py, installed by `LOCKED=1 bash scripts/test.sh`.
#
# Not in it are PyTorch, of one version of which indexes hold different files
# (for CPUs, for GPUs), and what nothing but PyTorch asks for:
# {left_out}. pip takes them afterwards, as setup.cfg says.
# seqeval and rouge-score are archives of source: what pip builds them with has
# no digest here.
"""


def normal(name: str) -> str:
    """The one way to write a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def ask_pip(report: pathlib.Path) -> None:
    """Writes what would be installed for the checkout's tests."""
    command = ("install", "--dry-run", "--ignore-installed", "--quiet")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", *command),
            *("--report", str(report), "-e", f"{ROOT}[test]"),
        ],
        check=True,
    )


def reached(found: dict[str, dict], without: tuple[str, ...]) -> set[str]:
    """Names that the package needs, and none of `without` alone.

    Args:
        found: what pip's report says of each distribution, by name.
        without: names beyond which nobody is looked for.
    """
    names, left = set(), [(OWN, "test")]
    done = set(left)
    while left:
        name, extra = left.pop()
        if name in without:
            continue
        names.add(name)
        for line in found[name]["metadata"].get("requires_dist", ()):
            asked = Requirement(line)
            if asked.marker and not asked.marker.evaluate({"extra": extra}):
                continue
            for wanted in ("", *asked.extras):
                pair = (normal(asked.name), wanted)
                if pair not in done:
                    done.add(pair)
                    left.append(pair)
    return names - {OWN}


def lock(report: dict) -> str:
    """Returns the text of the lock of pip's report."""
    found = {normal(x["metadata"]["name"]): x for x in report["install"]}
    names = reached(found, LEFT_OUT)
    left_out = sorted(set(found) - names - {OWN, *LEFT_OUT})
    lines = []
    for name in sorted(names):
        version = found[name]["metadata"]["version"]
        if "+" in version:
            raise ValueError(
                f"{name} {version} is a build of one index alone: add {name} "
                "to `LEFT_OUT`."
            )
        digest = found[name]["download_info"]["archive_info"]["hashes"]
        lines.append(f"{name}=={version} --hash=sha256:{digest['sha256']}\n")
    head = HEAD.format(left_out=", ".join(left_out) or "nothing")
    return head + "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument(
        "--output", type=pathlib.Path, default=ROOT / "requirements.lock"
    )
    options = parser.parse_args()
    here = (sys.version_info[:2], sys.platform, platform.machine())
    if here != ((3, 11), "linux", "x86_64"):
        parser.error(
            "The lock is of Python 3.11 on Linux, x86-64. Received: "
            f"Python {platform.python_version()}, {here[1]}, {here[2]}."
        )
    with tempfile.TemporaryDirectory() as folder:
        report = options.report or pathlib.Path(folder) / "report.json"
        if options.report is None:
            ask_pip(report)
        text = lock(json.loads(report.read_text(encoding="utf-8")))
    options.output.write_text(text, encoding="utf-8")
    print(f"{options.output}: {text.count('--hash=')} distributions.")


if __name__ == "__main__":
    main()
