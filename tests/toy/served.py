"""The tone of a text, as a server says it."""

from keras_longformer.serving.answer import Answer


class ToneAnswer(Answer):
    """`urgency` and `politeness` float32 `(b,)`."""

    def compute(self, token_ids, padding_mask):
        return {"tone": self.outputs(token_ids, padding_mask)}

    def finish(self, outputs):
        tone = outputs["tone"]
        return {"urgency": tone[:, 0], "politeness": tone[:, 1]}

    def predicted(self, texts, over_long):
        return self.finish({"tone": self.predict(texts, over_long)})
