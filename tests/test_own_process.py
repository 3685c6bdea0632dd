"""What tests/own_process.py and tests/skips.py do to a run of pytest."""

import os
import subprocess
import sys

import pytest

from tests import skips
from tests.own_process import REPORTS


@pytest.mark.own_process
def test_triton_goes_first(tmp_path):
    assert REPORTS in os.environ
    assert tmp_path.is_dir()  # Fixtures are there.
    assert "torch" in sys.modules


def run(folder, text, *options):
    (folder / "conftest.py").write_text(
        'pytest_plugins = ["tests.own_process", "tests.skips"]\n'
    )
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = own_process\n")
    (folder / "test_it.py").write_text(f"import os, pytest\n{text}\n")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", REPORTS))
    }
    root = os.path.dirname(os.path.dirname(__file__))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**environment, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


OTHERS = """
@pytest.mark.own_process
def test_fails():
    assert 1 + 1 == 3

@pytest.mark.own_process
def test_skips():
    pytest.skip("there is a GPU here")

def test_here():
    assert "KERAS_LONGFORMER_TEST_REPORTS" not in os.environ

@pytest.mark.own_process
def test_passes():
    assert "KERAS_LONGFORMER_TEST_REPORTS" in os.environ
"""


@pytest.mark.parametrize("options", [(), ("-n", "1")])
def test_reports_come_back(tmp_path, options):
    status, output = run(tmp_path, OTHERS, *options)
    assert status == 1
    assert "1 failed, 2 passed, 1 skipped" in output
    assert "assert (1 + 1) == 3" in output
    assert "1  there is a GPU here" in output


def test_a_process_that_dies_fails_its_tests(tmp_path):
    text = "@pytest.mark.own_process\ndef test_dies():\n    os._exit(7)"
    status, output = run(tmp_path, text)
    assert status == 1 and "exit status 7" in output


@pytest.mark.parametrize("options", [(), ("-n", "1")])
def test_an_unknown_reason_fails_the_run(tmp_path, options):
    text = "def test_skips():\n    pytest.importorskip('no_such_package')"
    status, output = run(tmp_path, text, *options)
    assert status == 1 and "NOT ALLOWED could not import" in output
    assert run(tmp_path, text, "--allow-skips", *options)[0] == 0


def test_what_is_missing_must_be_missing(monkeypatch, tmp_path):
    reason = "there is no test data at /somewhere"
    monkeypatch.setattr(skips, "SHARED_DATA", tmp_path)
    assert skips.unknown([reason]) == [reason]
    monkeypatch.setattr(skips, "SHARED_DATA", tmp_path / "nothing")
    assert skips.unknown([reason]) == []
