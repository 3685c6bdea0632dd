"""The table of checkpoints: family, tokenizer, quirk; opened or refused."""

import dataclasses
from collections.abc import Callable

import torch

from tests.checkpoints import folders
from tests.checkpoints.folders import bert
from tests.checkpoints.folders import byte_pair
from tests.checkpoints.folders import longformer
from tests.checkpoints.folders import roberta
from tests.checkpoints.folders import sentence_piece
from tests.checkpoints.folders import word_piece


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of checkpoint.

    Attributes:
        name: str.
        like: str, a public checkpoint or tool whose folders are so.
        make: function that fills a folder (`pathlib.Path`), and returns
            transformers' model of it, or `None` for what is refused.
        refusal: str or `None`: words of the message that refuses it.
        ties: whether texts may differ from the fast tokenizer's ids where
            the slow one's are ours.
    """

    name: str
    like: str
    make: Callable
    refusal: str | None = None
    ties: bool = False

    def __str__(self):
        return self.name


def saved(folder, model, **options):
    model.save_pretrained(folder, **options)
    return model


# Longformers


def longformer_bpe(folder):
    return saved(folder, longformer(byte_pair(folder)))


def longformer_json_bin(folder):
    model = longformer(byte_pair(folder, json_only=True))
    return saved(folder, model, safe_serialization=False)


def longformer_prefix_space(folder):
    size = byte_pair(folder, options={"add_prefix_space": True})
    return saved(folder, longformer(size))


def longformer_two_types(folder):
    return saved(folder, longformer(byte_pair(folder), type_vocab_size=2))


def longformer_added_tokens(folder):
    import transformers

    size = byte_pair(folder)
    tokenizer = transformers.RobertaTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt")
    )
    tokenizer.add_tokens(["COVID-19", "[ent]", "[/ent]"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<doc-sep>"]})
    tokenizer.save_pretrained(folder)
    return saved(folder, longformer(size + 4))


def longformer_half_shards(folder):
    model = longformer(byte_pair(folder)).half()
    model.save_pretrained(folder, max_shard_size="10KB")
    return model.float()


def longformer_bfloat16(folder):
    model = longformer(byte_pair(folder)).bfloat16()
    model.save_pretrained(folder)
    return model.float()


def longformer_padded_vocabulary(folder):
    size = byte_pair(folder)
    return saved(folder, longformer(-(-size // 64) * 64 + 64))


def longformer_question_answering(folder):
    return saved(
        folder, longformer(byte_pair(folder), "LongformerForQuestionAnswering")
    )


def longformer_chinese(folder):
    size = word_piece(folder)
    model = longformer(size, pad_token_id=0, type_vocab_size=2, sep_token_id=3)
    return saved(folder, model)


def longformer_cased_word_piece(folder):
    size = word_piece(folder, lower=False, json_only=True)
    model = longformer(size, pad_token_id=0, type_vocab_size=2, sep_token_id=3)
    return saved(folder, model)


def longformer_xlm_roberta(folder):
    return saved(folder, longformer(sentence_piece(folder)))


def longformer_camembert(folder):
    size = sentence_piece(folder, cls="CamembertTokenizer")
    return saved(
        folder,
        longformer(size, bos_token_id=5, eos_token_id=6, sep_token_id=6),
    )


def longformer_module_prefix(folder):
    model = saved(folder, longformer(byte_pair(folder)))
    folders.edit_tensors(
        folder,
        lambda tensors: {
            f"module.longformer.{k}": v for k, v in tensors.items()
        },
    )
    return model


# Short encoders


def roberta_bpe(folder):
    return saved(folder, roberta(byte_pair(folder)))


def roberta_classifier(folder):
    labels = ["sport", "news"]
    model = roberta(
        byte_pair(folder),
        "RobertaForSequenceClassification",
        id2label=dict(enumerate(labels)),
        label2id={name: i for i, name in enumerate(labels)},
    )
    return saved(folder, model)


def roberta_untied(folder):
    model = roberta(
        byte_pair(folder), "RobertaForMaskedLM", tie_word_embeddings=False
    )
    return saved(folder, model)


def roberta_other_ids(folder):
    """A RoBERTa of one's own: padding first."""
    names = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]
    size = byte_pair(folder, vocabulary=names)
    return saved(
        folder,
        roberta(size, pad_token_id=0, bos_token_id=1, eos_token_id=2),
    )


def roberta_notebook(folder):
    """What the paper's notebook writes: a Longformer that says `roberta`."""
    model = saved(folder, longformer(byte_pair(folder)))
    folders.edit_json(
        folder,
        "config.json",
        model_type="roberta",
        architectures=["RobertaForMaskedLM"],
    )
    return model


def roberta_sentence_transformers(folder):
    inner = folder / "0_Transformer"
    inner.mkdir()
    model = saved(inner, roberta(byte_pair(inner)))
    (folder / "1_Pooling").mkdir()
    folders.write_json(
        folder / "1_Pooling",
        "config.json",
        {
            "word_embedding_dimension": 24,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
        },
    )
    modules = [
        ("0_Transformer", "sentence_transformers.models.Transformer"),
        ("1_Pooling", "sentence_transformers.models.Pooling"),
    ]
    folders.write_json(
        folder,
        "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": kind}
            for i, (path, kind) in enumerate(modules)
        ],
    )
    return model


def xlm_roberta(folder):
    size = sentence_piece(folder)
    return saved(folder, roberta(size, "XLMRobertaModel"))


def xlm_roberta_json(folder):
    size = sentence_piece(folder, json_only=True)
    return saved(folder, roberta(size, "XLMRobertaModel"))


def camembert(folder):
    size = sentence_piece(folder, cls="CamembertTokenizer")
    ids = {"bos_token_id": 5, "eos_token_id": 6}
    return saved(folder, roberta(size, "CamembertModel", **ids))


def bert_uncased(folder):
    return saved(folder, bert(word_piece(folder)))


def bert_classifier(folder):
    model = bert(
        word_piece(folder, lower=False),
        "BertForSequenceClassification",
        hidden_act="gelu_new",
        id2label={0: "no", 1: "yes"},
        label2id={"no": 0, "yes": 1},
    )
    return saved(folder, model)


def electra(folder):
    size = word_piece(folder)
    model = folders.model(
        "ElectraModel",
        size,
        max_position_embeddings=folders.LENGTH,
        embedding_size=folders.SIZES["hidden_size"],
    )
    return saved(folder, model)


# Refused


def other_model(cls, **config):
    def make(folder):
        size = byte_pair(folder)
        saved(folder, folders.model(cls, size, **config))

    return make


def lfs_pointer(folder):
    longformer_bpe(folder)
    (folder / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22e\n"
        "size 597257159\n"
    )


def adapter(folder):
    longformer_bpe(folder)
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    folders.write_json(
        folder,
        "adapter_config.json",
        {"peft_type": "LORA", "base_model_name_or_path": "roberta-base"},
    )


def integer_weights(folder):
    longformer_bpe(folder)

    def to_integers(tensors):
        return {
            name: (tensor * 127).to(torch.int8)
            if name.endswith("query.weight")
            else tensor
            for name, tensor in tensors.items()
        }

    folders.edit_tensors(folder, to_integers)


def unknown_normalizer(folder):
    longformer_json_bin(folder)
    folders.edit_json(
        folder,
        "tokenizer.json",
        normalizer={
            "type": "Replace",
            "pattern": {"String": "a"},
            "content": "b",
        },
    )


def relative_positions(folder):
    model = bert(word_piece(folder), position_embedding_type="relative_key")
    saved(folder, model)


KINDS = [
    Kind("longformer, BPE", "allenai/longformer-base-4096", longformer_bpe),
    Kind(
        "longformer, tokenizer.json, pytorch_model.bin",
        "older uploads re-saved by AutoTokenizer",
        longformer_json_bin,
    ),
    Kind(
        "longformer, add_prefix_space",
        "token classifiers (NER) fine-tuned with it",
        longformer_prefix_space,
    ),
    Kind(
        "longformer, two token types",
        "converters that keep RobertaConfig's default",
        longformer_two_types,
    ),
    Kind(
        "longformer, added tokens",
        "models resized for entity or document markers",
        longformer_added_tokens,
    ),
    Kind(
        "longformer, float16, sharded",
        "large models saved with max_shard_size",
        longformer_half_shards,
    ),
    Kind(
        "longformer, bfloat16",
        "models trained in bf16",
        longformer_bfloat16,
    ),
    Kind(
        "longformer, padded vocabulary",
        "pad_to_multiple_of=64",
        longformer_padded_vocabulary,
    ),
    Kind(
        "longformer, question answering",
        "allenai/longformer-large-4096-finetuned-triviaqa",
        longformer_question_answering,
    ),
    Kind(
        "longformer, Chinese WordPiece",
        "schen/longformer-chinese-base-4096",
        longformer_chinese,
    ),
    Kind(
        "longformer, cased WordPiece, tokenizer.json",
        "BERTs made long by their own converters",
        longformer_cased_word_piece,
    ),
    Kind(
        "longformer, XLM-R SentencePiece",
        "markussagen/xlm-roberta-longformer-base-4096",
        longformer_xlm_roberta,
        ties=True,
    ),
    Kind(
        "longformer, CamemBERT SentencePiece",
        "French Longformers made from CamemBERT",
        longformer_camembert,
        ties=True,
    ),
    Kind(
        "longformer, module. prefix",
        "dumps of data-parallel training",
        longformer_module_prefix,
    ),
    Kind("roberta, BPE", "roberta-base", roberta_bpe),
    Kind(
        "roberta, classifier",
        "RobertaForSequenceClassification with class names",
        roberta_classifier,
    ),
    Kind(
        "roberta, untied decoder",
        "masked LMs with tie_word_embeddings=False",
        roberta_untied,
    ),
    Kind(
        "roberta, other ids",
        "RoBERTas of one's own vocabulary, padding 0",
        roberta_other_ids,
    ),
    Kind(
        "roberta, the paper's notebook",
        "allenai's convert_model_to_long.ipynb",
        roberta_notebook,
    ),
    Kind(
        "roberta, sentence-transformers",
        "sentence-transformers/all-distilroberta-v1's layout",
        roberta_sentence_transformers,
    ),
    Kind("xlm-roberta", "xlm-roberta-base", xlm_roberta, ties=True),
    Kind(
        "xlm-roberta, tokenizer.json alone",
        "intfloat/multilingual-e5-base's kind, without the .model",
        xlm_roberta_json,
        ties=True,
    ),
    Kind("camembert", "camembert-base", camembert, ties=True),
    Kind("bert, uncased", "bert-base-uncased", bert_uncased),
    Kind(
        "bert, classifier, gelu_new",
        "cased BERT classifiers of TensorFlow origin",
        bert_classifier,
    ),
    Kind("electra", "google/electra-base-discriminator", electra),
    Kind(
        "roberta-prelayernorm",
        "andreasmadsen/efficient_mlm_m0.40",
        other_model("RobertaPreLayerNormModel"),
        refusal="roberta-prelayernorm",
    ),
    Kind(
        "big_bird",
        "google/bigbird-roberta-base",
        other_model("BigBirdModel"),
        refusal="big_bird",
    ),
    Kind(
        "bert, relative positions",
        "BERTs with position_embedding_type=relative_key",
        relative_positions,
        refusal="position_embedding_type",
    ),
    Kind(
        "Git LFS pointer",
        "a clone without git lfs",
        lfs_pointer,
        refusal="Git LFS",
    ),
    Kind("adapter", "a PEFT folder", adapter, refusal="adapter"),
    Kind(
        "integer weights",
        "int8 dumps without scales",
        integer_weights,
        refusal="int8",
    ),
    Kind(
        "tokenizer.json, other normalizer",
        "tokenizers with a normalizer of their own",
        unknown_normalizer,
        refusal="normalizer",
    ),
]
BY_NAME = {kind.name: kind for kind in KINDS}
