"""`--fast`: a telling part of every folder.

One place decides. Left out are the files of `LEFT_OUT`, which build, compile
or train for long; of a parametrized test, all but its first `CASES` cases; and
of those of `WHOLE`, only the variants of `VARIANTS`, which trace graphs.
"""

import re

# Paths of files or folders, each for the reason beside it.
LEFT_OUT = {
    "tests/native/test_gpu_compile.py": "compiles for three GPUs",
    "tests/native/test_gpu_kernels.py": "runs in Triton's interpreter",
    "tests/native/test_sanitizers.py": "compiles the kernel again",
    "tests/scripts": "runs whole programs",
    "tests/serving/test_native_export.py": "exports for itself",
    "tests/serving/test_verify.py": "exports for itself",
    "tests/models/test_transformers.py": "imports PyTorch and transformers",
    "tests/tasks/test_distribute.py": "traces for several devices",
    "tests/training/test_distribution.py": "starts a cluster",
    "tests/test_examples.py": "fits a model for each example",
}
# Tests that run all their cases, since each is quick and tells something.
WHOLE = ("tests/ops/test_window_attention.py::test_matches_reference",)
VARIANTS = re.compile(r"\b(jit|xla|graph|native|True)\b")
CASES = 2


def pytest_addoption(parser):
    parser.addoption(
        "--fast",
        action="store_true",
        help="run a part of the tests only: see tests/fast.py",
    )


def pytest_collection_modifyitems(config, items):
    if not config.getoption("fast"):
        return
    taken, left = [], []
    counts = {}
    for item in items:
        (taken if _is_fast(item, counts) else left).append(item)
    items[:] = taken
    config.hook.pytest_deselected(items=left)


def _is_fast(item, counts):
    if any(item.nodeid.startswith(path) for path in LEFT_OUT):
        return False
    if item.get_closest_marker("own_process"):
        return False
    name, has_cases, case = item.nodeid.partition("[")
    if not has_cases:
        return True
    if name in WHOLE:
        return not VARIANTS.search(case)
    counts[name] = counts.get(name, 0) + 1
    return counts[name] <= CASES
