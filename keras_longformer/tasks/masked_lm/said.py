"""The tokens for masks, as rows."""

from keras_longformer.tasks.said import rows


def mask_rows(outputs, class_names=None):
    """Returns, for each `<mask>` of a text, the likeliest `tokens` and their
    `probabilities`, and its position among the text's tokens."""
    found = []
    for row in rows(outputs):
        # Position 0 is that of <s>: there the row is filled up.
        count = sum(position > 0 for position in row["mask_positions"])
        names = ("tokens", "probabilities", "mask_positions")
        found.append({name: row[name][:count] for name in names})
    return found
