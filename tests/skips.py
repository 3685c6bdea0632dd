"""Counts skipped tests, and fails a run that skips for a reason unknown here.

A test that skips unseen is a test that nobody has. Each reason in `ALLOWED`
says what is missing on the machine, never a package of the extra `test`.
"""

import collections
import pathlib
import platform
import re
import sys

from tests.paths import SHARED_DATA

X86_LINUX = sys.platform == "linux" and platform.machine() == "x86_64"


def _anywhere():
    return True


def _without_data():
    return not SHARED_DATA.is_dir()


def _without(flag):
    """Whether the processor lacks it: else it was left out by mistake."""
    try:
        return f" {flag}" not in pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return True


# Pattern of a reason, whether it may be one here.
ALLOWED = {
    r"there is no test data at": _without_data,
    r"there is no .*xquad\.en\.json$": _anywhere,
    r"there is a GPU here": _anywhere,
    r"there is neither TF_SERVING_BINARY": _anywhere,
    r"there is no openssl": _anywhere,
    # Its protobuf goes with no sentencepiece of now.
    r"there is no apache-beam": _anywhere,
    # 180 MB for one test.
    r"there is no openvino": _anywhere,
    # Its project `longformer` is in no package.
    r"there is no MODEL_GARDEN": _anywhere,
    r"No C\+\+ compiler found": _anywhere,
    r"the compiler has no sanitizers": _anywhere,
    r"this machine has no (avx2|avx512)$": _anywhere,
    r"this machine has no avx512_bf16$": lambda: _without("avx512_bf16"),
    r"this machine has no amx$": lambda: _without("amx_bf16"),
    r"this TensorFlow is made without CUDA": lambda: not X86_LINUX,
    # The records are of one version of each.
    r"no record for TensorFlow": _anywhere,
    # Both are made for this platform only.
    r"[Tt]riton|ptxas": lambda: not X86_LINUX,
}


def pytest_addoption(parser):
    parser.addoption(
        "--allow-skips",
        action="store_true",
        help="do not fail for tests that skip for a reason unknown to "
        "tests/skips.py, such as a package that is not installed",
    )


def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):  # One of xdist's workers.
        return
    if not session.config.getoption("allow_skips"):
        if unknown(reasons(session.config)) and not session.exitstatus:
            session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    counts = reasons(config)
    if not counts:
        return
    bad = unknown(counts)
    terminalreporter.section("skipped tests by reason")
    for reason, count in counts.most_common():
        mark = "NOT ALLOWED " if reason in bad else ""
        terminalreporter.write_line(f"{count:5d}  {mark}{reason}")
    if bad and not config.getoption("allow_skips"):
        terminalreporter.write_line(
            "The run fails for these. Install the extra: pip install -e "
            "'.[test]'; or allow the reason in tests/skips.py; or give "
            "--allow-skips.",
            red=True,
        )


def reasons(config):
    """Returns how many tests were skipped, by reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return collections.Counter(_reason(report) for report in skipped)


def unknown(counts):
    """Returns the reasons that are not allowed on this machine."""
    return [
        reason
        for reason in counts
        if not any(
            re.search(pattern, reason) and may_be()
            for pattern, may_be in ALLOWED.items()
        )
    ]


def _reason(report):
    longrepr = report.longrepr
    text = longrepr[2] if isinstance(longrepr, tuple | list) else str(longrepr)
    return text.removeprefix("Skipped: ").strip()
