"""Whether a tokenizer and a backbone can be a pair."""


def check_pair(backbone, preprocessor):
    """Raises `ValueError` where tokenizer and backbone cannot be a pair."""
    tokenizer = getattr(preprocessor, "tokenizer", None)
    # While a file is loaded, the vocabulary is still to come.
    if getattr(tokenizer, "vocabulary", None) is None:
        return
    size = tokenizer.vocabulary_size()
    if size > backbone.vocabulary_size:
        beyond = _tokens_beyond(tokenizer, backbone.vocabulary_size)
        raise ValueError(
            f"The preprocessor's tokenizer has {size} tokens and the "
            f"backbone embeddings for {backbone.vocabulary_size}: none for "
            f"{beyond}. They are not of one model, or tokens were added "
            "and the embeddings not resized with them: build the backbone "
            "with `vocabulary_size=tokenizer.vocabulary_size()`."
        )
    counts = backbone.position_rule == "padding_offset"
    if counts and tokenizer.pad_token_id != backbone.pad_token_id:
        raise ValueError(
            "The preprocessor's tokenizer pads with "
            f"{tokenizer.pad_token_id}, and the backbone, which counts "
            f"positions from it, has pad_token_id={backbone.pad_token_id}. "
            "Build it with `pad_token_id=tokenizer.pad_token_id`."
        )


def _tokens_beyond(tokenizer, size: int) -> str:
    """Names the first tokens whose ids are `size` or more."""
    named = []
    for i in range(size, tokenizer.vocabulary_size()):
        try:
            named.append(f"{tokenizer.id_to_token(i)!r} ({i})")
        except ValueError:
            continue  # A hole.
        if len(named) > 3:
            return ", ".join([*named[:3], "..."])
    return ", ".join(named)
