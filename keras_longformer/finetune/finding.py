"""Finds tasks by their names."""

import importlib

from keras_longformer.tasks.finetuning import FineTuning
from keras_longformer.tasks.task import LongformerTask


def task_classes() -> dict[str, type[LongformerTask]]:
    """Returns all classes of tasks that were imported, by their names."""
    # All tasks of ours.
    importlib.import_module("keras_longformer.tasks")
    found, waiting = {}, [LongformerTask]
    while waiting:
        for cls in waiting.pop().__subclasses__():
            found.setdefault(cls.__name__, cls)
            waiting.append(cls)
    return found


def fine_tunings() -> dict[str, tuple[type[LongformerTask], type[FineTuning]]]:
    """Returns what can be fine-tuned by name, such as `"multi_label"`: the
    task's class and its `FineTuning`."""
    found = {}
    for cls in task_classes().values():  # A class before its subclasses.
        for name, run in (cls.__dict__.get("finetuning") or {}).items():
            found.setdefault(name, (cls, run))
    return found


def find_fine_tuning(
    name: str,
) -> tuple[type[LongformerTask], type[FineTuning]]:
    """Returns the task's class and the `FineTuning` of a name.

    Args:
        name: str, a name in some task's `finetuning`; or
            `"package.module:ClassName"`, a task of one's own; or, where that
            has several, `"package.module:ClassName:name"`.

    Raises:
        ValueError: there is none of that name.
        ImportError: there is no such module.
    """
    if ":" not in name:
        known = fine_tunings()
        if name not in known:
            raise ValueError(
                f"There is no task {name!r}. There are: "
                f"{', '.join(sorted(known))}; and yours, named as "
                "package.module:ClassName."
            )
        return known[name]
    cls, run = _imported(name)
    known = getattr(cls, "finetuning", None) or {}
    if not run and len(known) == 1:
        return cls, next(iter(known.values()))
    if run not in known:
        module = ":".join(name.split(":")[:2])
        raise ValueError(
            f"'{module}' has no fine-tuning {run!r}. Its attribute "
            f"`finetuning` has: {', '.join(sorted(known)) or 'none'}. Name "
            f"one of them: {module}:NAME."
        )
    return cls, known[run]


def find_task(name: str) -> type[LongformerTask]:
    """Returns the class of a task.

    Args:
        name: str, a class's name, such as `"LongformerEmbedder"`; or a name
            in a task's `finetuning`; or `"package.module:ClassName"`.

    Raises:
        ValueError: there is none of that name.
        ImportError: there is no such module.
    """
    if ":" in name:
        cls, _ = _imported(name)
        if isinstance(cls, type) and issubclass(cls, LongformerTask):
            return cls
        raise ValueError(f"'{name}' is no subclass of LongformerTask.")
    classes = task_classes()
    if name in classes:
        return classes[name]
    for cls in classes.values():
        if name in (getattr(cls, "finetuning", None) or {}):
            return cls
    raise ValueError(
        f"There is no task {name!r}. There are: {', '.join(sorted(classes))}; "
        "and yours, named as package.module:ClassName."
    )


def _imported(name):
    """The attribute `package.module:Attribute`, and what stands after it."""
    module, attribute, *run = name.split(":")
    found = getattr(importlib.import_module(module), attribute, None)
    if found is None:
        raise ValueError(f"The module {module} has no {attribute!r}.")
    return found, ":".join(run)
