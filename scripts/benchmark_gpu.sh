#!/usr/bin/env bash
# The GPU kernels: checked, tuned and measured. One command, on a machine with
# a GPU:
#
#     bash scripts/benchmark_gpu.sh [--output FOLDER] [arguments]
#
# `--help` lists the arguments and says what is needed and written;
# `--dry-run` tries what runs without a GPU. PYTHON names the interpreter, by
# default python3.

set -euo pipefail
scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export PYTHONPATH="$scripts${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" -m benchmark_gpu "$@"
