"""What records hold, by their kind."""

TOKENS = ("input_word_ids", "input_mask", "input_type_ids")
OLD_NAMES = {"input_word_ids": "input_ids", "input_type_ids": "segment_ids"}
PREDICTIONS = ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights")
KINDS = {
    "masked_lm": (*TOKENS, *PREDICTIONS),
    "classification": (*TOKENS, "label_ids"),
    "tagging": (*TOKENS, "label_ids"),
}
# Features that may be there and say nothing of inputs and targets: ids of
# examples, and the target of a head that ours have not.
UNUSED = (
    "example_id",
    "sentence_id",
    "sub_sentence_id",
    "next_sentence_labels",
)
IS_REAL = "is_real_example"  # 0 where an example fills up the last batch.


def check_kind(kind: str) -> None:
    """Raises `ValueError` for a kind of records that is not known."""
    if kind not in KINDS:
        raise ValueError(
            f"`kind` must be one of {tuple(KINDS)}. Received: kind={kind!r}."
        )
