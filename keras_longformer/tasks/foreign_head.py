"""What a checkpoint of others says of a task's head."""

from keras_longformer.weights.names import entries

# What transformers' classes with a classifier are called after "For".
CLASSIFIERS = (
    "SequenceClassification",
    "TokenClassification",
    "MultipleChoice",
)


def drop_other_head(cls, foreign):
    """Drops what another kind of head has under the names of this one's.

    In BERT's files the classifiers of texts, of tokens and of choices are
    all `classifier`: the architecture says which it is.
    """
    wanted = _kind_of_head(cls.hugging_face_class or "")
    got = _kind_of_head(foreign.architecture)
    if None in (wanted, got) or wanted == got:
        return
    shared = foreign.family.shared_heads
    for ours, theirs, kind in foreign.family.head_modules(cls.head_modules):
        if theirs in shared:
            for entry in entries([(ours, theirs, kind)]):
                foreign.arrays.pop(entry.ours, None)


def read_activations(cls, foreign, kwargs):
    """Takes from the preset what its head's dense layers end in."""
    rows = {ours: row for ours, *row in cls.head_activations}
    for ours, said in foreign.head_activations.items():
        if ours not in rows or f"{ours}/kernel" not in foreign.arrays:
            continue
        keyword, default = rows[ours]
        if keyword is not None:
            kwargs.setdefault(keyword, said)
        elif said != default:
            raise ValueError(
                f"'{foreign.source}' has a head whose {ours} ends in "
                f"{said}, and that of {cls.__name__} ends in {default}. "
                "Open its encoder, by `LongformerBackbone.from_preset`, "
                "and give it a new head."
            )


def _kind_of_head(architecture):
    """What an architecture's classifier is of, if it says one."""
    kind = architecture.partition("For")[2]
    return kind if kind in CLASSIFIERS else None
