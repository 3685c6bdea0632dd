"""What the examples that make a small RoBERTa long have in common."""

import json
import pathlib

import numpy as np
import safetensors.numpy
import small_models

import keras_longformer as klf
from keras_longformer.weights.lengthen import sinusoids


def start_positions(backbone: klf.LongformerBackbone, seed: int) -> None:
    """Lets positions start as sines, in a random basis.

    They are learnt from little text better so, and the computed ones that the
    model is later given are as foreign to it as they are to any RoBERTa.
    """
    width = backbone.hidden_dim
    positions = backbone.embeddings.position_embedding.embeddings
    generator = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(generator.normal(size=(width, width)))
    sines = sinusoids(*positions.shape) @ basis
    size = 0.02 * np.sqrt(small_models.ROBERTA_WIDTH / width)
    positions.assign(sines * size / np.sqrt(np.mean(np.square(sines))))


def save_as_roberta(model: klf.LongformerMaskedLM, folder: str) -> None:
    """Writes a short model as Hugging Face writes a RoBERTa.

    A RoBERTa has no window and no projections for global tokens, so that
    going on from this folder is what going on from any RoBERTa is.
    """
    klf.save_hugging_face(model, folder)
    folder = pathlib.Path(folder)
    arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    arrays = {
        name.replace("longformer.", "roberta.", 1): array
        for name, array in arrays.items()
        if "_global." not in name
    }
    temporary = folder / "model.safetensors.tmp"
    safetensors.numpy.save_file(arrays, temporary, metadata={"format": "pt"})
    temporary.chmod(0o644)  # `save_file` lets only the owner read.
    temporary.replace(folder / "model.safetensors")
    for name, changes in (
        (
            "config.json",
            {"model_type": "roberta", "architectures": ["RobertaForMaskedLM"]},
        ),
        ("tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer"}),
    ):
        content = json.loads((folder / name).read_text()) | changes
        content.pop("attention_window", None)
        small_models.write(folder / name, json.dumps(content, indent=2) + "\n")


def evaluation_blocks(
    texts: list[str],
    tokenizer: klf.LongformerTokenizer,
    *,
    columns: int,
    count: int,
    seed: int,
) -> tuple[np.ndarray, float]:
    """Cuts texts into rows that a short model can read in whole parts.

    Args:
        texts: strings.
        tokenizer: theirs.
        columns: int, tokens of a row, without special ones.
        count: int, the most rows, drawn from all texts.
        seed: int.

    Returns:
        int32 `(rows, columns)`, and the characters that one of their tokens
        has on average.
    """
    rows = []
    for each in texts:
        ids = tokenizer.tokenize(each).numpy()
        whole = len(ids) // columns * columns
        rows.extend(ids[:whole].reshape(-1, columns))
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(rows))[:count]
    blocks = np.stack([rows[i] for i in chosen])
    characters = sum(
        len(each.decode("utf-8", "replace"))
        for each in tokenizer.detokenize(blocks).numpy()
    )
    return blocks, characters / blocks.size
