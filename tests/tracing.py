"""Makes graphs in less time: most of what tests do is making graphs.

Nothing that is asserted depends on it. What users get, with all of TensorFlow's
optimizations, is tested in `tests/ops`, `layers`, `models`, `tokenizers`,
`serving`, in processes of their own, and everywhere by `-m slow`.
"""

import gc

import pytest
import tensorflow as tf

# Folders and files in which graphs are run once or twice.
RUN_ONCE = (
    *("tasks/", "finetune/", "cli/", "test_examples.py"),
    "pretrain/test_char_lm.py",
)


@pytest.fixture(scope="session", autouse=True)
def seldom_collected():
    """What stays is not searched for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture(scope="module", autouse=True)
def unoptimized_graphs(request):
    """Graphs run as they are made, where most run once."""
    file = request.node.nodeid.removeprefix("tests/")
    is_slow = "slow" in request.config.getoption("markexpr").split("not ")[0]
    if is_slow or not file.startswith(RUN_ONCE):
        yield
        return
    options = tf.config.optimizer
    options.set_experimental_options({"disable_meta_optimizer": True})
    yield
    options.set_experimental_options({"disable_meta_optimizer": False})
