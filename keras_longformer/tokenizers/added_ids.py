"""Which id Hugging Face gives each added token, and with which flags.

A file says an id, but transformers adds the tokens one after another and
counts for itself. Where the two differ no id can be trusted.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

from keras_longformer.tokenizers.hugging_face import SPECIAL_TOKEN_KEYS
from keras_longformer.tokenizers.hugging_face import TokenizerFolder
from keras_longformer.tokenizers.special_tokens import AddedToken


def add_tokens(
    folder: TokenizerFolder,
    vocabulary: Mapping[str, int],
    roles: Mapping[str, str],
    class_flags: Sequence[AddedToken] = (),
) -> tuple[list[AddedToken], list[str]]:
    """Adds a folder's tokens to a vocabulary, as transformers does.

    The files' added tokens come first, by id, then the special tokens in the
    order of `SPECIAL_TOKEN_KEYS`, then the additional ones. One that is in the
    vocabulary keeps its id.

    Args:
        folder: what the files say.
        vocabulary: mapping of token to id, without what is added.
        roles: mapping of `"bos_token"`, ... to the token, the defaults of the
            tokenizer's class included.
        class_flags: tokens with the flags that the class gives them where no
            file does; their ids are ignored.

    Returns:
        The tokens by id, and a sentence for each whose id a file says
        otherwise or that another token has already.
    """
    added, problems = {}, []
    owners = {i: token for token, i in vocabulary.items()}
    size = len(vocabulary)

    def add(token):
        i = vocabulary.get(token.content)
        if token.content in added:
            i = added[token.content].id
        if i is None:
            last = max((t.id for t in added.values()), default=-1)
            i = last + 1 if last >= size or not size else size
            if i in owners:
                problems.append(
                    f"added token {token.content!r} would get id {i}, which is "
                    f"{owners[i]!r}'s: the vocabulary's ids have holes"
                )
        owners.setdefault(i, token.content)
        added[token.content] = dataclasses.replace(token, id=i)
        return i

    for token in folder.added_tokens:
        if token.content and add(token) != token.id:
            problems.append(
                f"added token {token.content!r} has id {token.id}, and Hugging "
                f"Face's tokenizers gives it {added[token.content].id}"
            )
    defaults = {token.content: token for token in class_flags}
    additional = folder.additional_special_tokens
    said = {*folder.special_tokens.values(), *additional}
    special = [roles[key] for key in SPECIAL_TOKEN_KEYS if key in roles]
    for content in dict.fromkeys((*special, *additional)):
        token = folder.flags_of(content) if content in said else None
        token = token or defaults.get(content) or added.get(content)
        token = token or AddedToken(content, -1)
        add(dataclasses.replace(token, special=True))
    return sorted(added.values(), key=lambda token: token.id), problems
