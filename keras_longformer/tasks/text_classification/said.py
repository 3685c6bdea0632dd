"""What a classifier of texts says, as rows."""

from keras_longformer.tasks.said import rows


def class_rows(outputs, class_names=None):
    """Returns `label` and `probabilities`; `labels` where there are several;
    or `value`. Without names, classes are numbers."""
    if "value" in outputs:
        return rows({"value": outputs["value"]})
    found = []
    for row in rows(outputs):
        probabilities = row["probabilities"]
        names = class_names or [str(i) for i in range(len(probabilities))]
        if "is_label" in row:
            best = sorted(range(len(names)), key=lambda i: -probabilities[i])
            labels = [names[i] for i in best if row["is_label"][i]]
            said = {"labels": labels}
        else:
            said = {"label": row.get("label", names[row["class_index"]])}
        said["probabilities"] = dict(zip(names, probabilities))
        found.append(said)
    return found
