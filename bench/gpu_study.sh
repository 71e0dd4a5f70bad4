#!/usr/bin/env bash
# Speeds of this GPU (bench.gpu), then a small study on it: SFT, CFT and CGD of a 135M model on GSM8K, three seeds each.
#
#   bash bench/gpu_study.sh DATA OUT [PEAK_TFLOPS]     minutes on a GPU; OUT gets speeds, table, card and time of each job
#   GPU_JOBS=6 bash …                                  as many jobs of the study share the GPU (default: 1 at a time)
#   TINY=1 bash bench/gpu_study.sh DATA OUT            two minutes on two CPU cores: only shows that it starts
#
# DATA holds gsm8k/train.jsonl.gz, gsm8k/test.jsonl and svamp/test.jsonl with id, question, answer (and solution). Nothing is
# fetched: `make gpu` (or `make install`) has installed the packages and the model.
set -euo pipefail

data=$(realpath "$1") out=$(realpath -m "$2") peak=${3:-}
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" HF_HUB_OFFLINE=1
mkdir -p "$out"

files=(--configfile bench/gpu_study.yaml)
study=gpu-study sizes=()
if [ -n "${TINY:-}" ]; then
  files+=(config/scale/tiny.yaml)
  study=gpu-study-tiny sizes=(--batch 2 --steps 2 --max-tokens 8)
fi
config=(
  --config
  "datasets={gsm8k-train: {path: $data/gsm8k/train.jsonl.gz}}"
  "benchmarks={gsm8k: {questions: {path: $data/gsm8k/test.jsonl}}, svamp: {questions: {path: $data/svamp/test.jsonl}}}"
)
jobs=${GPU_JOBS:-1}
if [ "$jobs" -gt 1 ]; then  # one training must not take all memory that it finds
  files=(--set-resources train:micro_batch=8 "${files[@]}")
fi
make() { snakemake --cores all --resources gpu="$jobs" "${files[@]}" "${config[@]}" -- "$@"; }

nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv > "$out/card.csv" || echo "no GPU" > "$out/card.csv"
make "results/$study/train_sets/sft-teacher.s1.jsonl" "results/$study/models/smollm2-135m"
python -m bench.gpu --model "results/$study/models/smollm2-135m" --rows "results/$study/train_sets/sft-teacher.s1.jsonl" \
  "${sizes[@]}" ${peak:+--peak-tflops "$peak"} | tee "$out/speeds.jsonl" || echo "not all speeds could be measured"

start=$SECONDS
make gpu_study
echo "study: $((SECONDS - start)) s" | tee "$out/seconds.txt"
cp "results/$study/tables/"gpu_study.{md,json} "results/$study/study.yaml" "$out/"
cp -r "timings/$study" "$out/timings"
cat "$out/gpu_study.md"
