#!/usr/bin/env bash
# The main job, end to end: a RoBERTa made long, fine-tuned, exported, served.
#
#     bash scripts/quickstart.sh [--venv FOLDER] [arguments of quickstart.py]
#
# makes a virtual environment (.venv in the checkout, or FOLDER) with what is
# needed, if it is not there, and runs quickstart.py in it. It needs Python
# 3.11 and a package index, and may be run again: what is there stays.
# `--help` lists the arguments.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

take_venv "$@"
set -- "${arguments[@]+"${arguments[@]}"}"
make_environment quickstart
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"
exec "$python" "$checkout/scripts/examples/quickstart.py" "$@"
