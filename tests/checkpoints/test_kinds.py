"""Every kind of checkpoint opens with its tokenizer, and answers the same.

In a process of its own: see tests/own_process.py.
"""

import pytest

from tests.checkpoints.kinds import KINDS
from tests.checkpoints.opened import compare_ids
from tests.checkpoints.opened import compare_states
from tests.checkpoints.opened import strings

pytestmark = pytest.mark.own_process

OPENED = [kind for kind in KINDS if kind.refusal is None]
REFUSED = [kind for kind in KINDS if kind.refusal is not None]


@pytest.mark.parametrize("kind", OPENED, ids=str)
def test_opens(kind, tmp_path):
    model = kind.make(tmp_path)
    different, of = compare_ids(kind, tmp_path, strings(200))
    assert of == 200
    assert different == 0
    assert compare_states(tmp_path, model) <= 2e-5


@pytest.mark.parametrize("kind", REFUSED, ids=str)
def test_is_refused(kind, tmp_path):
    import keras_longformer as klf

    kind.make(tmp_path)
    with pytest.raises(ValueError, match=kind.refusal):
        klf.LongformerTextClassifier.from_preset(tmp_path, num_classes=2)
