"""The public interface, as a type checker sees it."""

import subprocess
import sys

from tests.paths import ROOT


def test_types_of_the_public_interface(tmp_path):
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not checked.returncode, checked.stdout + checked.stderr
