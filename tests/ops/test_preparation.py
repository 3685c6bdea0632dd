"""What is settled before a training, and said after it."""

import pytest

from keras_longformer.ops import native
from keras_longformer.ops import native_cpu
from keras_longformer.ops import settle_default
from keras_longformer.ops import taken
from keras_longformer.ops import window_attention
from tests.ops.cases import Case
from tests.ops.pretended import H200
from tests.ops.pretended import gpus as gpus


@pytest.fixture
def decided(monkeypatch):
    """A function that says what `native.choice` decides; and what it was told.

    `leave` is as a process's first decision.
    """
    told = []
    state = {}

    def leave():
        told.append("leave")
        state.setdefault("reason", "it is switched off")

    def reason(wait=False):
        told.append("wait" if wait else "ask")
        return state.get("reason")

    monkeypatch.setattr(native_cpu, "leave", leave)
    monkeypatch.setattr(native_cpu, "reason_against_default", reason)
    return lambda reason: state.update(reason=reason), told


def test_a_new_training_waits(decided, capsys):
    decide, told = decided
    assert settle_default() == "native"
    decide("it is not built")
    assert settle_default() == "chunked"
    assert told == ["wait", "wait"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("before", ["chunked", "native"])
def test_goes_on_as_it_began(decided, before, capsys):
    assert settle_default(before) == before
    assert capsys.readouterr().out == ""


def test_says_where_it_goes_on_otherwise(decided, capsys):
    decide, _ = decided
    decide(None)  # This process takes the kernel already.
    assert settle_default("chunked") == "native"
    said = capsys.readouterr().out
    assert "`chunked`" in said and "as this process has decided" in said
    decide("No C++ compiler found")
    assert settle_default("native") == "chunked"
    said = capsys.readouterr().out
    assert "goes on with `chunked`: No C++ compiler found." in said


def test_nothing_is_built_for_gpus(decided, gpus):
    gpus(H200)
    assert settle_default() == "chunked"
    assert decided[1] == []


def test_asks_only_where_the_kernel_can(decided):
    """To ask may start to build it."""
    _, told = decided
    window_attention(**Case("any", dtype="float16").inputs())
    window_attention(**Case("any").inputs(), implementation="chunked")
    assert told == []


def test_sentence(monkeypatch):
    assert taken.sentence(taken.now()) == "Attention by nothing."
    before = taken.now()
    window_attention(**Case("any").inputs(), implementation="chunked")
    assert taken.sentence(before) == "Attention by `chunked`."
    before = taken.now()
    window_attention(**Case("any").inputs())
    said = taken.sentence(before)
    assert said == "Attention by `chunked` (not `native`: it is switched off)."
    monkeypatch.setattr(native, "preferred", lambda: True)
    monkeypatch.setattr(native, "window_attention", lambda *_, **__: None)
    window_attention(**Case("any").inputs())
    window_attention(**Case("any", dtype="float16").inputs())
    said = taken.sentence(before)
    assert "(not `native`: it computes float32 and bfloat16, not fl" in said
    assert said.endswith("; it is switched off) and `native`.")
