"""Words with their labels, as rows."""

from keras_longformer.tasks.said import rows


def word_rows(outputs, class_names=None):
    """Returns `words`, their characters' `starts` and `ends`, and `labels`;
    without names, labels are numbers."""
    found = []
    for row in rows(outputs):
        # An empty word is none: there the row is filled up.
        count = sum(word != "" for word in row["words"])
        labels = row["labels"] if "labels" in row else row["class_index"]
        found.append(
            {
                name: values[:count]
                for name, values in {**row, "labels": labels}.items()
                if name in ("words", "starts", "ends", "labels")
            }
        )
    return found
