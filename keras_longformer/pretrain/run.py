"""All steps of a pretraining, one after the other."""

import contextlib
import functools
import json
import os
import sys

import keras

from keras_longformer.ops import settle_default
from keras_longformer.ops import taken
from keras_longformer.pretrain import report
from keras_longformer.pretrain.char_lm import CharLM
from keras_longformer.pretrain.masked_lm import MaskedLM
from keras_longformer.pretrain.measure import Measured
from keras_longformer.pretrain.settings import Settings
from keras_longformer.pretrain.training import NotFiniteError
from keras_longformer.pretrain.training import Place
from keras_longformer.pretrain.training import Training
from keras_longformer.training.distribution import distribution_strategy
from keras_longformer.training.distribution import is_chief
from keras_longformer.training.distribution import is_multi_worker
from keras_longformer.training.distribution import wait_for_all
from keras_longformer.training.distribution import worker_errors
from keras_longformer.training.lock import owned
from keras_longformer.training.phases import carry
from keras_longformer.training.resume import TrainingStates
from keras_longformer.training.stopping import StopRequest
from keras_longformer.unfinished import whole_folder

LOCK = "running.json"
OBJECTIVES = {"masked_lm": MaskedLM, "char_lm": CharLM}


def run(settings: Settings) -> Measured:
    """Reads, trains, measures and writes; or goes on where it stopped.

    Called again with the same settings, also after the process was killed, it
    goes on from the last state in the output folder, and comes to the weights
    that it would have come to: on a CPU, to the bit.

    Args:
        settings: the run's.

    Returns:
        What was measured at the end, on held-out text.

    Raises:
        ValueError, OSError: text, preset or folder cannot be used, the folder
            has a training with other settings, a disk is full, or the loss is
            not a number any more. The states that were saved are kept.
        WorkerLostError: another machine does not answer any more.
        SystemExit: a scheduler asked to stop (SIGTERM). A state and the report
            are written; on several machines it is as if killed.
        ImportError: a package that is needed is missing.
    """
    objective = OBJECTIVES[settings.task](settings)
    strategy = distribution_strategy(settings.distribution)
    if settings.rows % strategy.num_replicas_in_sync:
        raise ValueError(
            f"--rows go through {strategy.num_replicas_in_sync} devices "
            f"together, which share them evenly. Received: {settings.rows}."
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(worker_errors(strategy))
        if is_chief(strategy):
            lock = os.path.join(settings.output, LOCK)
            stack.enter_context(owned(lock))
        stop = StopRequest()
        if not is_multi_worker(strategy):
            stack.enter_context(stop)
        measured = _train(objective, settings, strategy, stop)
        wait_for_all(strategy)
        if stop.received:
            raise SystemExit(stop.STATUS)
        return measured


def _train(objective, settings, strategy, stop):
    states = TrainingStates(
        os.path.join(settings.output, "state"), keep=settings.keep_states
    )
    fingerprint = settings.fingerprint()
    check_same(states, fingerprint, settings.output)
    facts = states.read_facts()
    attention = settle_default((facts or {}).get("attention"))
    taken_before = taken.now()
    keras.utils.set_random_seed(settings.seed)
    with strategy.scope():
        opened = objective.open()
    phases = objective.phases()
    updates = sum(phase.updates for phase in phases)
    first, model, before = 0 if facts is None else facts["phase"], None, Place()
    for number, phase in enumerate(phases):
        if number < first:
            before = before.after(phase)
            continue
        with strategy.scope():
            last, model = model, objective.in_phase(opened, phase)
        data = _after_the_chief(
            strategy, functools.partial(objective.data, model, phase, number)
        )
        # As it is read again.
        fingerprint = json.loads(
            json.dumps({**fingerprint, "text": data.digest})
        )
        check_same(states, fingerprint, settings.output)
        training = Training(
            objective, phase, model, data, states, before, updates, stop
        )
        with strategy.scope():
            training.compile()
        if last is not None:
            carry(last, model, before.updates)
        elif facts is not None:
            facts = states.restore(model)
            print(
                f"Going on after update {facts['updates']:,} of {updates:,}.",
                flush=True,
            )
        else:
            facts = {"history": [], "seconds": 0.0, "step": 0, "updates": 0}
        facts |= {"fingerprint": fingerprint, "attention": attention}
        try:
            facts = training.run(facts)
        except NotFiniteError as error:
            if is_chief(strategy):
                _save_last(objective, settings, model, states, error)
            raise
        if facts["paused"]:
            break
        before = before.after(phase)
    measured = data.measure() if facts["paused"] else _last(facts)
    tested = None if facts["paused"] else objective.tested(model)
    if not is_chief(strategy):
        return measured
    facts["taken"] = taken.sentence(taken_before)
    report.write(objective, model, facts, settings, measured, tested)
    _save(objective, model, settings)
    return measured


def _after_the_chief(strategy, read):
    """What the chief writes first, such as a corpus, others then read."""
    if is_chief(strategy):
        data = read()
        wait_for_all(strategy)
        return data
    wait_for_all(strategy)
    return read()


def check_same(states: TrainingStates, now: dict, output: str) -> None:
    """Raises where a folder's training was begun with other settings.

    Args:
        states: of the folder.
        now: dict of settings; of those that are not in it nothing is said.
        output: str, the folder.

    Raises:
        ValueError: all settings that are not the same.
    """
    facts = states.read_facts()
    if facts is None:
        return
    before = facts["fingerprint"]
    changed = [
        f"  {name}: it was {before.get(name)!r}, now it is {value!r}"
        for name, value in now.items()
        if before.get(name) != value
    ]
    if changed:
        raise ValueError(
            f"The training in '{output}' was begun with other settings or "
            "text:\n" + "\n".join(changed) + "\nGo on with those of before, "
            "or name another --output."
        )


def _last(facts):
    last = facts["history"][-1]
    return Measured(*(last[name] for name in Measured._fields))


def _save_last(objective, settings, model, states, error):
    """Writes the model of the last good state, to go on from."""
    try:
        if states.restore(model) is None:
            return
        _save(objective, model, settings)
    except (OSError, ValueError) as problem:
        print(f"{problem}", file=sys.stderr)
        return
    folder = os.path.join(settings.output, "model")
    error.args = (f"{error} Its model is in '{folder}', for --preset.",)


def _save(objective, model, settings):
    """Writes the model as a preset."""
    folder = os.path.join(settings.output, "model")
    with whole_folder(folder, others="dropped") as new:
        objective.finished(model).save_to_preset(new)
