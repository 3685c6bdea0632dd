"""Makes the IR of the GPU kernels from their Triton source.

Command:
    python scripts/build/gpu_kernels.py          # writes it into the package
    python scripts/build/gpu_kernels.py --check  # fails where it is stale

Needs triton (`pip install triton`), no GPU and no TensorFlow; takes a minute
and 1 GB. Run it after every change in keras_longformer/native/gpu. The same
Triton makes the same bytes.
"""

import argparse
import json
import lzma
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # These sources, whatever is installed.


def make(precision):
    """Returns the manifest, and the text of all variants."""
    from keras_longformer.native.gpu import export
    from keras_longformer.native.gpu import ir
    from keras_longformer.native.gpu import tiles

    variants, texts = {}, []
    for kernel in export.KERNELS:
        for head_size in tiles.HEAD_SIZES:
            for padded in (False, True):
                for dtype in export.DTYPES:
                    key = ir.key(kernel, dtype, head_size, padded)
                    tile = tiles.tile(kernel, dtype, head_size, padded)
                    variants[key] = {
                        "own": tile.own,
                        "met": tile.met,
                        "num_warps": tile.warps,
                        "num_stages": tile.stages,
                    }
                    text = export.make(
                        kernel, dtype, head_size, padded, precision
                    )
                    texts.append(f"// {key}\n{text}")
    manifest = {
        "source_sha256": ir.source_hash(),
        "triton": export.triton.__version__,
        "precision": precision,
        "block_g": tiles.BLOCK_G,
        "splits": tiles.SPLITS,
        "head_sizes": list(tiles.HEAD_SIZES),
        "kernels": {name: export.describe(name) for name in export.KERNELS},
        "variants": variants,
    }
    return manifest, "".join(texts)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--folder",
        type=pathlib.Path,
        default=ROOT / "keras_longformer" / "native" / "gpu",
        help="where the two files lie",
    )
    parser.add_argument(
        "--precision",
        choices=["ieee", "tf32"],
        default="ieee",
        help="of products of float32: exact, or on tensor cores, 1e-3 off",
    )
    parser.add_argument(
        "--check", action="store_true", help="compare, and write nothing"
    )
    options = parser.parse_args()
    manifest, text = make(options.precision)
    manifest_path = options.folder / "kernels.json"
    text_path = options.folder / "kernels.ttir.xz"
    if options.check:
        old = json.loads(manifest_path.read_text(encoding="utf-8"))
        old_text = lzma.decompress(text_path.read_bytes()).decode()
        if (old, old_text) != (manifest, text):
            sys.exit(
                "The IR is stale against its sources or made by another "
                f"Triton ({old['triton']}, this is {manifest['triton']}). "
                "Run `python scripts/build/gpu_kernels.py`."
            )
        return
    manifest_path.write_text(
        json.dumps(manifest, indent=1) + "\n", encoding="utf-8"
    )
    text_path.write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{len(manifest['variants'])} variants, {len(text):,} characters")


if __name__ == "__main__":
    main()
