"""Tests marked `own_process` run in a process in which TensorFlow is not first.

Triton 3.7.1 imported after TensorFlow ends the process by a segmentation
fault, and the models of transformers import it. Imported before, it works. So
the tests of one file that are so marked run together in one other pytest, in
which tests/conftest.py imports Triton and PyTorch first. Their reports come
back as if they had run here: with their failures, skips and fixtures, under
xdist too.
"""

import json
import os
import subprocess
import sys

import pytest

REPORTS = "KERAS_LONGFORMER_TEST_REPORTS"  # Set in the other process only.

_of_files = pytest.StashKey[dict]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if REPORTS in os.environ or not _is_marked(item):
        return None
    hook, session = item.ihook, item.session
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    of_files = session.stash.setdefault(_of_files, {})
    if item.path not in of_files:
        of_files[item.path] = _run(
            session,
            [x for x in session.items if x.path == item.path and _is_marked(x)],
        )
    reports, output = of_files[item.path]
    of_item = reports.get(item.nodeid, [])
    if not any(report.when == "teardown" for report in of_item):
        of_item = [*of_item, _no_report(item, output)]
    for report in of_item:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    session._setupstate.teardown_exact(nextitem)
    return True


def pytest_runtest_logreport(report):
    """Writes each report of the other process to a line of its own."""
    path = os.environ.get(REPORTS)
    if path is not None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(report._to_json(), default=str) + "\n")


def _is_marked(item):
    return item.get_closest_marker("own_process") is not None


def _run(session, items):
    """Returns the reports by test, and what the process printed last."""
    factory = session.config._tmp_path_factory
    path = factory.mktemp("own_process") / "reports.jsonl"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTEST_")
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-m", ""),
            *("-p", "no:cacheprovider", "--allow-skips"),
            *(item.nodeid for item in items),
        ],
        cwd=session.config.rootpath,
        env={**environment, REPORTS: str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    reports = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            report = pytest.TestReport._from_json(json.loads(line))
            reports.setdefault(report.nodeid, []).append(report)
    output = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return reports, f"exit status {done.returncode}\n{output}"


def _no_report(item, output):
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={},
        outcome="failed",
        longrepr=f"The test's own process ended before the test did: {output}",
        when="call",
    )
