"""A stored GPU kernel alone, as an HLO module."""

import re

from keras_longformer.native.gpu import ir

_HLO = {
    "bool": "pred",
    "int32": "s32",
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
}

_QUOTED = re.compile(rb'[^ -~]|["\\]')


def kernel_hlo(variant: ir.Variant, read: tuple[str, ...] = (), **sizes) -> str:
    """Returns a module that calls one kernel on its parameters.

    Args:
        variant: what `ir.find` returns.
        read: the scalars that it reads at run time, from one operand more.
        **sizes: the kernel's scalars, as `ir.Variant.backend_config` takes
            them; more than it has does no harm.
    """
    scalars = {name: sizes[name] for name in variant.scalars}
    config = variant.backend_config(
        {name: size for name, size in scalars.items() if name not in read},
        read,
    )
    shapes = {"splits": variant.splits, **sizes}

    def type_(buffer):
        axes = [shapes[letter] for letter in buffer.shape]
        return _type(buffer.dtype, axes)

    operands = [type_(buffer) for buffer in variant.operands]
    if read:
        operands.append(_type("int32", [len(read)]))
    results = ", ".join(type_(buffer) for buffer in variant.results)
    parameters = [
        f"  p{number} = {operand} parameter({number})"
        for number, operand in enumerate(operands)
    ]
    names = ", ".join(f"p{number}" for number in range(len(operands)))
    attributes = ", ".join(
        f"{name} = {_quoted(value)}"
        if isinstance(value, str)
        else f"{name} = {value} : i32"
        for name, value in config.items()
    )
    return "\n".join(
        [
            "HloModule kernel\n",
            "ENTRY main {",
            *parameters,
            f"  ROOT call = ({results}) custom-call({names}), "
            'custom_call_target="__gpu$xla.gpu.triton", '
            f"operand_layout_constraints={{{', '.join(operands)}}}, "
            "api_version=API_VERSION_TYPED_FFI, "
            f"backend_config={{{attributes}}}",
            "}",
            "",
        ]
    )


def _type(dtype, axes):
    layout = ",".join(str(axis) for axis in reversed(range(len(axes))))
    return f"{_HLO[dtype]}[{','.join(map(str, axes))}]{{{layout}}}"


def _quoted(text):
    """A text as a string of MLIR's."""
    escaped = _QUOTED.sub(
        lambda byte: b"\\%02X" % byte[0][0], text.encode()
    ).decode()
    return f'"{escaped}"'
