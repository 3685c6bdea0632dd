"""Makes the golden files of classes of words and of choices.

    python tests/golden/make_heads.py [FOLDER]

Needs what `make_golden.py` needs, whose sizes and cases these share. Writes,
beside itself unless a folder is given,

    longformer-token_classifier/   config.json, model.safetensors
    longformer-multiple_choice/
    token_classifier.npz           inputs and PyTorch's logits
    multiple_choice.npz            `second` and `none`: by their global tokens
"""

import sys
from pathlib import Path

import make_golden as golden
import numpy as np
import transformers


def make_token_classifier(root):
    """No token is global, as Hugging Face has it by default."""
    names = {0: "O", 1: "B-PER", 2: "I-PER"}
    config = golden.LONGFORMER | {"num_labels": 3, "id2label": names}
    model = transformers.LongformerForTokenClassification(
        transformers.LongformerConfig(**config)
    )
    golden.randomize(model, 4).save_pretrained(
        root / "longformer-token_classifier"
    )
    kept = {"versions": golden.versions()}
    for name, (ids, real, _) in golden.longformer_cases():
        if real is None:
            continue
        case = ids, real, None
        kept[f"{name}/token_ids"], kept[f"{name}/padding_mask"], _ = case
        kept[f"{name}/logits"] = np.asarray(golden.call(model, case).logits)
    return kept


def choice_cases():
    """Choices of rows `<s> context </s></s> choice </s>`, `(b, c, n)`."""
    rng = np.random.default_rng(5)
    for name, sizes in {
        "one": [[(9, 3), (9, 5)]],
        "padded": [[(30, 4), (30, 1), (30, 7)], [(2, 2), (2, 3), (2, 0)]],
    }.items():
        longest = max(sum(pair) for row in sizes for pair in row) + 4
        ids = np.ones((len(sizes), len(sizes[0]), longest), np.int32)
        for text, pairs in zip(ids, sizes, strict=True):
            for row, (first, second) in zip(text, pairs, strict=True):
                tokens = golden.token_ids(rng, (first + second,))
                row[: first + 3] = [0, *tokens[:first], 2, 2]
                row[first + 3 : first + second + 3] = tokens[first:]
                row[first + second + 3] = 2
        yield name, (ids, ids != 1, None)


def make_multiple_choice(root):
    """The global tokens are those that PyTorch's model chooses, what stands
    behind the first segment, and none, as TensorFlow's has it."""
    config = transformers.LongformerConfig(**golden.LONGFORMER)
    model = golden.randomize(
        transformers.LongformerForMultipleChoice(config), 5
    )
    model.save_pretrained(root / "longformer-multiple_choice")
    kept = {"versions": golden.versions()}
    for name, case in choice_cases():
        kept[f"{name}/token_ids"], kept[f"{name}/padding_mask"], _ = case
        kept[f"{name}/second"] = np.asarray(golden.call(model, case).logits)
        nothing = case[0], case[1], np.zeros(case[0].shape, bool)
        kept[f"{name}/none"] = np.asarray(golden.call(model, nothing).logits)
    return kept


def main(root):
    root.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        root / "token_classifier.npz", **make_token_classifier(root)
    )
    np.savez_compressed(
        root / "multiple_choice.npz", **make_multiple_choice(root)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
