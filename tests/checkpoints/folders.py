"""Makes tiny folders as the public checkpoints of many kinds are.

Random models of transformers and tokenizers trained on a few sentences; what
makes a kind is in which files stand, their names, dtypes and options. Nothing
is downloaded. Runs where Triton and PyTorch come before TensorFlow
(tests/own_process.py).
"""

import json
import os
import pathlib
import sysconfig

import tokenizers
import torch
import transformers

SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 37,
}
LENGTH = 64  # tokens
SLOW = "slow"  # where the slow tokenizer is that a folder has not
BPE_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES = [
    "The quick brown fox jumps over the lazy dog, 1234567890 times.",
    "Ünïcödé: ça coûte 12 €, naïve Zoë; ёлка и ещё; Straße ẞ ﬁ ½ ①",
    "中文字符，北京大学。かな カナ 한글 한국어 ไทย हिन्दी العربية עברית",
    "Émile's don't won't I'm they've — “quotes” … (x+y)=z_1 #tag @me",
    "😀 👍🏽 🇩🇪 emoji\u200djoiners and e\u0301 combining a\u0308 marks",
]


def corpus():
    """Returns lines of code and of the sentences above."""
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    lines = []
    for name in ("argparse.py", "typing.py"):
        lines += (library / name).read_text("utf-8").splitlines()
    return lines + SENTENCES * 20


# Tokenizers


def byte_pair(folder, *, json_only=False, options=None, vocabulary=None):
    """Writes RoBERTa's kind of files; returns the number of tokens."""
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(
        corpus(),
        900,
        special_tokens=vocabulary or BPE_SPECIAL,
        show_progress=False,
    )
    trained.save_model(str(folder))
    write_json(
        folder,
        "tokenizer_config.json",
        {"tokenizer_class": "RobertaTokenizer", **(options or {})},
    )
    if json_only:
        fast = transformers.RobertaTokenizerFast(
            str(folder / "vocab.json"),
            str(folder / "merges.txt"),
            **(options or {}),
        )
        fast.save_pretrained(folder)
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink(missing_ok=True)
    return trained.get_vocab_size()


def word_piece(folder, *, json_only=False, lower=True, **options):
    """Writes BERT's kind of files; returns the number of tokens."""
    trained = tokenizers.BertWordPieceTokenizer(lowercase=lower)
    trained.train_from_iterator(
        corpus(),
        900,
        min_frequency=1,
        special_tokens=BERT_SPECIAL,
        show_progress=False,
    )
    trained.save_model(str(folder))
    options = {"do_lower_case": lower, **options}
    write_json(
        folder,
        "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", **options},
    )
    if json_only:
        fast = transformers.BertTokenizerFast(
            str(folder / "vocab.txt"), **options
        )
        fast.save_pretrained(folder)
        (folder / "vocab.txt").unlink()
    return trained.get_vocab_size()


def sentence_piece(folder, *, cls="XLMRobertaTokenizer", json_only=False):
    """Writes XLM-RoBERTa's or CamemBERT's files; returns the number of ids."""
    import sentencepiece

    fairseq = {"CamembertTokenizer": ["<s>NOTUSED", "</s>NOTUSED"]}
    text = folder / "corpus"
    text.write_text("\n".join(corpus()), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "sentencepiece.bpe"),
        vocab_size=900,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    text.unlink()
    (folder / "sentencepiece.bpe.vocab").unlink()
    slow = getattr(transformers, cls)(
        str(folder / "sentencepiece.bpe.model"),
        **(
            {"additional_special_tokens": fairseq[cls]}
            if cls in fairseq
            else {}
        ),
    )
    write_json(folder, "tokenizer_config.json", {"tokenizer_class": cls})
    if json_only:
        fast = getattr(transformers, f"{cls}Fast")(
            str(folder / "sentencepiece.bpe.model")
        )
        fast.save_pretrained(folder)
        (folder / "sentencepiece.bpe.model").unlink()
        slow.save_pretrained(folder / SLOW)
    return len(slow)


# Models


def model(cls, vocab_size, *, seed=0, **config):
    """Returns a random model whose numbers tell mistakes apart."""
    kind = getattr(transformers, cls)
    made = kind(
        kind.config_class(
            vocab_size=vocab_size,
            **{
                **SIZES,
                "attention_probs_dropout_prob": 0.0,
                "hidden_dropout_prob": 0.0,
                **config,
            },
        )
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            is_gain = name.endswith("orm.weight")
            scale = 0.3 if weight.ndim == 2 else 0.1
            weight.copy_(noise * scale + (1.0 if is_gain else 0.0))
    return made.eval()


def longformer(vocab_size, cls="LongformerModel", **config):
    return model(
        cls,
        vocab_size,
        **{
            "attention_window": [8, 16],
            "max_position_embeddings": LENGTH + 2,
            "type_vocab_size": 1,
            "layer_norm_eps": 1e-5,
            "pad_token_id": 1,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "sep_token_id": 2,
            **config,
        },
    )


def roberta(vocab_size, cls="RobertaModel", **config):
    return model(
        cls,
        vocab_size,
        **{
            "max_position_embeddings": LENGTH + 2,
            "type_vocab_size": 1,
            "layer_norm_eps": 1e-5,
            **config,
        },
    )


def bert(vocab_size, cls="BertModel", **config):
    return model(
        cls, vocab_size, **{"max_position_embeddings": LENGTH, **config}
    )


# What is done to a folder


def write_json(folder, name, content):
    (folder / name).write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def edit_json(folder, name, **changes):
    content = json.loads((folder / name).read_text("utf-8"))
    write_json(folder, name, {**content, **changes})


def edit_tensors(folder, edit):
    """Rewrites `model.safetensors` with what `edit` makes of its dict."""
    from safetensors.torch import load_file
    from safetensors.torch import save_file

    path = os.path.join(folder, "model.safetensors")
    tensors = {k: v.contiguous() for k, v in edit(load_file(path)).items()}
    save_file(tensors, path, metadata={"format": "pt"})
