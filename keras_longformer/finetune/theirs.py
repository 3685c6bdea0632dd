"""Computes a Hugging Face checkpoint as transformers' PyTorch model does.

Command:
    python -P theirs.py FOLDER_OR_NAME INPUTS.npz OUTPUTS.npz HEAD

Run by its path, in a process that has none of this project's modules and no
TensorFlow: Triton, which transformers imports, ends a process that imported
TensorFlow before. `finetune/original.py` does.

`INPUTS.npz` holds, for each `i`, `token_ids/i` and `padding_mask/i`, `(b, n)`,
and `columns/i`, `(p,)`. `OUTPUTS.npz` then holds `hidden_states/i`,
`(b, n, m)`; of a Longformer `global_token/i`, the same with the first token
global; and, where `HEAD` is `masked_lm` and not `none`, `logits/i`,
`(b, p, v)`, at those columns.
"""

import sys

import numpy as np


def open_model(preset: str, head: str):
    """Returns transformers' model, in float32."""
    import transformers

    auto = {
        "masked_lm": transformers.AutoModelForMaskedLM,
        "none": transformers.AutoModel,
    }[head]
    return auto.from_pretrained(
        preset, attn_implementation="eager", torch_dtype="float32"
    ).eval()


def compute(model, inputs: dict, head: str) -> dict[str, np.ndarray]:
    """Returns what `OUTPUTS.npz` holds."""
    import torch

    seen = {}
    encoder = model.base_model
    encoder.register_forward_hook(
        lambda module, given, output: seen.update(states=output[0])
    )
    if head == "masked_lm":
        # A long row's logits are large: of the columns asked for alone.
        model.get_output_embeddings().register_forward_pre_hook(
            lambda module, given: (given[0][:, seen["columns"]],)
        )
    outputs = {}
    count = sum(name.startswith("token_ids/") for name in inputs)
    for i in range(count):
        given = {
            "input_ids": torch.tensor(inputs[f"token_ids/{i}"]).long(),
            "attention_mask": torch.tensor(inputs[f"padding_mask/{i}"]).long(),
        }
        seen["columns"] = torch.tensor(inputs[f"columns/{i}"]).long()
        with torch.no_grad():
            output = model(**given)
            outputs[f"hidden_states/{i}"] = seen["states"].numpy()
            if head == "masked_lm":
                outputs[f"logits/{i}"] = output.logits.numpy()
            if model.config.model_type == "longformer":
                is_global = torch.zeros_like(given["input_ids"])
                is_global[:, 0] = 1
                encoder(**given, global_attention_mask=is_global)
                outputs[f"global_token/{i}"] = seen["states"].numpy()
    return outputs


def main(preset: str, inputs: str, outputs: str, head: str) -> None:
    with np.load(inputs) as file:
        given = dict(file)
    np.savez(outputs, **compute(open_model(preset, head), given, head))


if __name__ == "__main__":
    main(*sys.argv[1:])
