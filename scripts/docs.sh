#!/usr/bin/env bash
# Builds the documentation's site into build/site, with warnings as errors.
#
#   bash scripts/docs.sh           # build
#   bash scripts/docs.sh serve     # build, and show it on localhost:8000
#
# `--venv FOLDER` as for test.sh.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
take_venv "$@"; set -- "${arguments[@]+"${arguments[@]}"}"
make_environment docs
cd "$checkout"
exec "$python" -m mkdocs "${1:-build}"
