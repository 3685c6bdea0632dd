"""Einsums of an ONNX graph as the matrix products that most of them are.

ONNX Runtime's `Einsum` lays out its operands anew at each call, weights too;
its `MatMul` does not. Written as products are

    ...qd, ...kd -> ...qk     scores: with the second one transposed
    ...qk, ...kd -> ...qd     values
    ...m,  mhd   -> ...hd     weights: as the matrix (m, h * d)
    ...hd, hdm   -> ...m      weights: as the matrix (h * d, m)

where `...` are the same axes in all, and weights are constants. Others stay.
"""

import numpy as np


def write_products(graph) -> None:
    """Replaces the einsums of an `onnx.GraphProto`, in place."""
    import onnx

    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        equation = _equation(node)
        made = None
        if equation is not None:
            made = _as_batched(node, *equation)
        if equation is not None and made is None:
            tensor = constants.get(node.input[1])
            if tensor is not None:
                weights = onnx.numpy_helper.to_array(tensor)
                made = _as_weighted(node, weights, *equation)
        if made is None:
            nodes.append(node)
            continue
        new_nodes, arrays = made
        nodes += new_nodes
        graph.initializer.extend(
            onnx.numpy_helper.from_array(x, name) for name, x in arrays.items()
        )
    used = {name for node in nodes for name in node.input}
    used |= {name for node in nodes for name in _inner_inputs(node)}
    used |= {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    for field, items in (("node", nodes), ("initializer", kept)):
        graph.ClearField(field)
        getattr(graph, field).extend(items)


def _equation(node):
    """`("bqd", "bkd", "bqk")` of an einsum of two, else `None`."""
    if node.op_type != "Einsum" or len(node.input) != 2:
        return None
    (attribute,) = node.attribute
    left, _, right = attribute.s.decode().replace(" ", "").partition("->")
    first, _, second = left.partition(",")
    return None if "." in left else (first, second, right)


def _as_batched(node, first, second, result):
    """The nodes of a product of matrices, and no new constants."""
    import onnx

    axes = first[:-2]
    q, d = first[-2:]
    if len(second) < 2 or second[:-2] != axes or result[:-2] != axes:
        return None
    if (result[-2], second[-1]) == (q, d) and result[-1] == second[-2]:
        order = [*range(len(axes)), len(axes) + 1, len(axes)]
        turned = f"{node.output[0]}_transposed"
        turn = onnx.helper.make_node(
            "Transpose", [node.input[1]], [turned], perm=order
        )
        return [turn, _product(node, node.input[0], turned)], {}
    if result[-2:] == q + second[-1] and second[-2] == d:
        return [_product(node, *node.input)], {}
    return None


def _as_weighted(node, weights, first, second, result):
    """The nodes of a product with a matrix of weights, and new constants."""
    import onnx

    shared = [letter for letter in first if letter in second]
    summed = "".join(shared)
    axes, free = first[: -len(summed) or None], second[len(summed) :]
    if not summed or (first, second, result) != (
        axes + summed,
        summed + free,
        axes + free,
    ):
        return None
    name = node.output[0]
    sizes = weights.shape
    matrix = weights.reshape(int(np.prod(sizes[: len(summed)])), -1)
    arrays = {f"{name}_matrix": np.ascontiguousarray(matrix)}
    nodes, given, product = [], node.input[0], name

    def reshape(x, shape, target):
        # 0 leaves an axis as it is.
        shape = np.array([0] * len(axes) + shape, np.int64)
        arrays[f"{target}_shape"] = shape
        return onnx.helper.make_node(
            "Reshape", [x, f"{target}_shape"], [target]
        )

    if len(summed) > 1:
        nodes.append(reshape(given, [matrix.shape[0]], f"{name}_joined"))
        given = f"{name}_joined"
    if len(free) > 1:
        product = f"{name}_product"
    nodes.append(
        onnx.helper.make_node("MatMul", [given, f"{name}_matrix"], [product])
    )
    if len(free) > 1:
        nodes.append(reshape(product, list(sizes[len(summed) :]), name))
    return nodes, arrays


def _product(node, first, second):
    import onnx

    return onnx.helper.make_node(
        "MatMul", [first, second], list(node.output), name=node.name
    )


def _inner_inputs(node):
    """What the graphs inside of a condition take from around it."""
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from inner.input
            yield from _inner_inputs(inner)
        yield from (output.name for output in attribute.g.output)
