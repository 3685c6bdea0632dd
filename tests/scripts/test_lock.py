"""The lock: whole, within setup.cfg's ranges, and as pip's report says."""

import configparser
import re

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.paths import ROOT
from tests.scripts import script

build = script.load("build", "lock")
LINES = [
    line
    for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
LOCKED = dict(re.match(r"(\S+)==(\S+)", line).groups() for line in LINES)


def asked():
    """What the package and its tests ask for, as setup.cfg has it."""
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = found["options"]["install_requires"].splitlines()
    lines += found["options.extras_require"]["test"].splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    return [Requirement(line) for line in lines]


def test_each_line_is_one_file():
    for line in LINES:
        assert re.fullmatch(
            r"[a-z0-9-]+==[a-z0-9.]+ --hash=sha256:[0-9a-f]{64}", line
        )
    assert [line.split("==")[0] for line in LINES] == sorted(LOCKED)


@pytest.mark.parametrize("requirement", asked(), ids=str)
def test_within_the_ranges(requirement):
    name = build.normal(requirement.name)
    if name in build.LEFT_OUT:
        assert name not in LOCKED
    else:
        assert requirement.specifier.contains(Version(LOCKED[name]))


def distribution(name, version, *requires, digest="a"):
    return {
        "metadata": {
            "name": name,
            "version": version,
            "requires_dist": list(requires),
        },
        "download_info": {"archive_info": {"hashes": {"sha256": digest}}},
    }


def report(*more):
    return {
        "install": [
            distribution(
                "keras_longformer",
                "0.1.0",
                "Some.Name >=1",
                'torch; extra == "test"',
                'other; extra == "docs"',
            ),
            distribution("some_name", "1.2", "both"),
            distribution("torch", "2.13.0+cpu", "both", "only"),
            distribution("both", "3", digest="b"),
            distribution("only", "4"),
            *more,
        ]
    }


def test_what_only_pytorch_asks_for_is_left_out():
    head, *lines = build.lock(report()).split("here.\n")[-1].splitlines()
    assert [head, *lines] == [
        "both==3 --hash=sha256:b",
        "some-name==1.2 --hash=sha256:a",
    ]
    assert "asks for:\n# only. pip" in build.lock(report())


def test_the_build_of_one_index_is_refused():
    content = report(distribution("here", "1+cpu"))
    content["install"][1]["metadata"]["requires_dist"].append("here")
    with pytest.raises(ValueError, match=r"here 1\+cpu is a build of one"):
        build.lock(content)
