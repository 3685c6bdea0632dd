"""Masked language modelling: RoBERTa's objective, over long rows."""

import hashlib
import os
import pathlib

import keras

from keras_longformer.models import presets
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.pretrain import held_out
from keras_longformer.pretrain.measure import Measure
from keras_longformer.pretrain.objective import Data
from keras_longformer.pretrain.objective import Objective
from keras_longformer.tasks.masked_lm import LongformerMaskedLM
from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.training.corpus.records import MANIFEST
from keras_longformer.training.corpus.records import Corpus
from keras_longformer.training.distribution import worker_of
from keras_longformer.training.rows.batches import PretrainingBatches
from keras_longformer.training.schedules import WarmupPolynomialDecay

# Whatever the run's seed is, so that runs are measured on the same masks.
MEASURING_SEED = 0


class MaskedLM(Objective):
    """Predicts masked tokens of rows that hold several documents."""

    title = "Masked language modelling"

    def open(self) -> LongformerMaskedLM:
        settings = self.settings
        given = {
            "max_sequence_length": settings.max_sequence_length,
            "window_size": settings.window_size,
            "dropout": settings.dropout,
            "dtype": settings.dtype,
        }
        options = {name: x for name, x in given.items() if x is not None}
        options["packed"] = settings.packing == "documents"
        options["rematerialize"] = settings.rematerialize
        # `<s>` of each document, however many there are in a row.
        options["max_global_tokens"] = None if settings.document_global else 0
        if settings.preset is None:
            model = self._new(options)
        else:
            model = LongformerMaskedLM.from_preset(
                settings.preset, positions=settings.positions, **options
            )
        # It is for texts, and `fit` gets token ids.
        self.preprocessor, model.preprocessor = model.preprocessor, None
        return model

    def data(self, model: LongformerMaskedLM, phase, number=0) -> Data:
        settings = phase
        if self.preprocessor is None:
            raise ValueError(
                f"'{settings.preset}' has no tokenizer. Its folder must have "
                "one beside the model."
            )
        tokenizer = self.preprocessor.tokenizer
        corpus = self._corpus(settings.train, "corpus", tokenizer)
        digest = _digest(corpus)
        if settings.validation:
            train = held_out.whole(corpus)
            other = self._corpus(
                settings.validation, "validation-corpus", tokenizer
            )
            digest += _digest(other)
            validation = held_out.whole(other)
        else:
            train, validation = held_out.hold_out(
                corpus, settings.validation_share, MEASURING_SEED
            )
        worker = worker_of(model.distribute_strategy)
        batches = self._batches(model, train, settings.seed, *worker)
        measured = self._batches(model, validation, MEASURING_SEED)
        count = measured.steps_per_epoch
        if settings.validation_rows is not None:
            count = min(count, -(-settings.validation_rows // settings.rows))
        measure = Measure(model, validation.characters_per_token)
        return Data(
            train=batches,
            measure=lambda: measure(measured.dataset(0), count),
            tokens_per_row=batches.sequence_length,
            digest=digest,
            failure=lambda: train.failure or validation.failure,
        )

    def schedule(self, phase, first_update=0):
        return WarmupPolynomialDecay(
            phase.peak,
            total_steps=phase.updates,
            warmup_steps=phase.warmup_updates,
            power=phase.power,
            accumulation_steps=phase.accumulation_steps,
        )

    def positions(self, model: LongformerMaskedLM) -> list[keras.Variable]:
        embedding = model.backbone.embeddings.position_embedding
        return list(embedding.trainable_weights)

    def finished(self, model: LongformerMaskedLM) -> LongformerMaskedLM:
        model.preprocessor = self.preprocessor
        # Which puts one text into a row.
        return presets.rebuild(model, {"packed": False, "rematerialize": False})

    def said(self, model):
        backbone = model.backbone
        yield (
            f"{model.count_params():,} weights, {backbone.num_layers} layers "
            f"of width {backbone.hidden_dim}, "
            f"{backbone.max_sequence_length:,} tokens, window "
            f"{backbone.window_size}, {model.dtype_policy.name}"
        )
        yield f"{self.settings.batch_size} rows an update"

    def _new(self, options):
        settings = self.settings
        tokenizer = LongformerTokenizer.from_preset(settings.tokenizer)
        ids = {}
        if getattr(tokenizer, "pad_token_id", None) is not None:
            ids["pad_token_id"] = tokenizer.pad_token_id
        backbone = LongformerBackbone(
            vocabulary_size=tokenizer.vocabulary_size(),
            num_layers=settings.num_layers,
            num_heads=settings.num_heads,
            hidden_dim=settings.hidden_dim,
            intermediate_dim=settings.intermediate_dim
            or 4 * settings.hidden_dim,
            pooler=False,
            **ids,
            **options,
        )
        cls = LongformerMaskedLM.preprocessor_cls
        return LongformerMaskedLM(
            backbone,
            preprocessor=cls.for_model(tokenizer, backbone.max_sequence_length),
        )

    def _corpus(self, paths, name, tokenizer):
        """Opens a folder of a corpus, or makes one of text files."""
        if len(paths) == 1 and os.path.isfile(os.path.join(paths[0], MANIFEST)):
            corpus = Corpus.open(paths[0])
            corpus.check_tokenizer(tokenizer)
            return corpus
        from keras_longformer.training.corpus.prepare import prepare_corpus

        return prepare_corpus(
            paths,
            tokenizer,
            os.path.join(self.settings.output, name),
            text_field=self.settings.text_field,
            processes=self.settings.processes,
        )

    def _batches(self, model, corpus, seed, worker=0, workers=1):
        settings = self.settings
        batches = PretrainingBatches(
            corpus,
            self.preprocessor.tokenizer,
            sequence_length=model.backbone.max_sequence_length,
            batch_size=settings.rows,
            seed=seed,
            packing=settings.packing,
            document_global=settings.document_global,
            whole_words=settings.whole_words,
            mask_selection_rate=settings.mask_selection_rate,
            worker=worker,
            workers=workers,
        )
        batches.check_model(model)
        return batches


def _digest(corpus):
    """Follows from a corpus' description, which has its counts and sizes."""
    description = pathlib.Path(corpus.folder, MANIFEST).read_bytes()
    return hashlib.sha256(description).hexdigest()
