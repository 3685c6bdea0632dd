"""One owner of a folder at a time."""

import json
import os
import subprocess
import sys

import pytest

from keras_longformer.training import lock as lock_file
from keras_longformer.training.lock import BusyError
from keras_longformer.training.lock import owned


def test_one_owner_at_a_time(tmp_path):
    lock = tmp_path / "new" / "running.json"
    with owned(str(lock)):
        with pytest.raises(BusyError, match=f"by process {os.getpid()} on"):
            with owned(str(lock)):
                pass
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    with owned(str(lock)):
        pass
    assert not lock.exists()


def test_released_when_it_fails(tmp_path):
    with pytest.raises(KeyError), owned(str(tmp_path / "lock")):
        raise KeyError
    assert not (tmp_path / "lock").exists()


def change(lock, **changes):
    lock.write_text(json.dumps({**json.loads(lock.read_text()), **changes}))


@pytest.fixture
def left(tmp_path):
    """The lock of a process of this host that was killed."""
    lock = tmp_path / "lock"
    code = (  # The file alone: the package would bring TensorFlow.
        "import os, runpy\n"
        f"owned = runpy.run_path({lock_file.__file__!r})['owned']\n"
        f"with owned({str(lock)!r}): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    return lock


def test_takes_over_from_the_dead(left, capsys):
    dead = json.loads(left.read_text())["pid"]
    with owned(str(left)):
        assert json.loads(left.read_text())["pid"] == os.getpid()
    assert f"from process {dead}" in capsys.readouterr().err


def test_a_number_may_be_another_process_by_now(left, capsys):
    if json.loads(left.read_text())["began"] is None:
        pytest.skip("this system does not say when a process began")
    change(left, pid=os.getpid())
    with owned(str(left)):
        assert "Taking over" in capsys.readouterr().err


def test_does_not_judge_another_host(left):
    change(left, host="elsewhere")
    with pytest.raises(BusyError, match="on elsewhere.*delete"):
        with owned(str(left)):
            pass
    left.write_text("{")
    with pytest.raises(BusyError, match="no lock that can be read"):
        with owned(str(left)):
            pass
