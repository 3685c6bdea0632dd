#!/usr/bin/env bash
# All tests, in an environment of their own.
#
#     bash scripts/test.sh [--venv FOLDER] [arguments of pytest]
#
# makes a virtual environment (.venv in the checkout, or FOLDER) with what is
# needed, if it is not there, then checks the style and runs pytest. It needs
# Python 3.11 and a package index, and may be run again: what is there stays.
#
#     bash scripts/test.sh --fast                  a telling part of each folder
#     bash scripts/test.sh tests/ops -k causal     some of the tests
#     LOCKED=1 bash scripts/test.sh                with the files of requirements.lock

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

take_venv "$@"
set -- "${arguments[@]+"${arguments[@]}"}"
make_environment test
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"
cd "$checkout"
"$python" -m ruff check .
"$python" -m ruff format --check .
# All tests: those too that need Apache Beam and skip without it, at the same time.
test_beam() {
    make_beam_environment
    "$beam_python" -m pytest -p no:cacheprovider \
        tests/finetune/test_beam.py tests/training/corpus/test_beam.py
}
if (($# == 0)); then
    beam_log="$(mktemp)"
    test_beam > "$beam_log" 2>&1 &
    beam_tests=$!
    set -- --ignore tests/finetune/test_beam.py \
        --ignore tests/training/corpus/test_beam.py
fi
# In processes side by side: what tests do most is making graphs, in one thread.
# In the order of folders, as files of few tests, which xdist would take last,
# are those that take long.
status=0
"$python" -m pytest -n auto --maxprocesses 4 --dist loadfile \
    --no-loadscope-reorder "$@" || status=$?
if [[ -n "${beam_tests:-}" ]]; then
    wait "$beam_tests" || status=$?
    cat "$beam_log"
    rm -f "$beam_log"
fi
exit "$status"
