#!/usr/bin/env bash
# Measures every figure that this package says of a CPU, one after another.
#
#   bash scripts/benchmarks.sh OUTPUT_FOLDER
#
# Peers run where they are installed: transformers < 5, tf-keras and torch beside
# what the tests need. Takes about an hour on two cores and 8 GiB. Each script
# writes its tables into the folder as soon as it has them, and what it prints
# into a file of its name; `python scripts/benchmarks/NAME.py --help` says what it
# measures. Where a script fails, the others go on, and the end says which.
# With GPUs: scripts/benchmarks/gpu. With a TF Serving: load_test.py.
set -uo pipefail

output=${1:?"Usage: bash scripts/benchmarks.sh OUTPUT_FOLDER"}
scripts="$(dirname "${BASH_SOURCE[0]}")/benchmarks"
python=${PYTHON:-python}
mkdir -p "$output"
"$python" -m keras_longformer.native.build

names=(kernel model mixed_lengths tokenizer serving onnx_runtime long_documents)
failed=()
for number in "${!names[@]}"; do
  name=${names[number]}
  echo "$((number + 1)) of ${#names[@]}, $(date +%H:%M): $name"
  case $name in
    tokenizer | serving | onnx_runtime) arguments=() ;; # They print alone.
    *) arguments=("$output") ;;
  esac
  # PyTorch's and TensorFlow's models in one process were seen to crash.
  [[ $name == model ]] && export USE_TORCH=0 || unset USE_TORCH
  "$python" "$scripts/$name.py" "${arguments[@]}" 2>&1 | tee "$output/$name.log"
  ((PIPESTATUS[0])) && failed+=("$name")
done
echo "Failed: ${failed[*]:-none}. Results: $output"
exit $((${#failed[@]} > 0))
