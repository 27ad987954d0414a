#!/usr/bin/env bash
# Which part of the hybrid renderer pays: trains every row of the paper's ablation (Chen et al. 2020) with the same clips
# and steps, and the paper's own whole-frame generator (small), then compares them on held-out people.
# scripts/ablation.sh [SHARDS [SHARDS_TEST]], about a minute on one idle CPU core per row, some more for the last one; stop
# it at any moment, the same command resumes it.
set -euo pipefail
cd "$(dirname "$0")/.."
shards=${1:-runs/shards}
test_shards=${2:-runs/shards_test}

train() { # NAME SETTINGS...
  .venv/bin/talkface train --quiet configs/renderer/ablation/today.yaml --set data.shards="$shards" --set run.out="runs/ablation/$1" "${@:2}"
}

train today
train instead_linear_attention --set model.learned_flow=instead
for embed in mean attention slots; do
  for compose in linear modulated; do
    options=(--set model.embed="$embed" --set model.compose="$compose")
    train "none_${compose}_$embed" "${options[@]}" --set model.no_warp=true
    train "flow_${compose}_$embed" "${options[@]}" --set model.learned_flow=residual
    train "drawn_${compose}_$embed" "${options[@]}" --set model.no_warp=true --set model.drawn_face=true
    train "both_${compose}_$embed" "${options[@]}" --set model.learned_flow=residual --set model.drawn_face=true
  done
done
.venv/bin/talkface train --quiet configs/renderer/spade_small.yaml --set data.shards="$shards" --set run.out=runs/ablation/spade \
  --set run.steps=450
.venv/bin/talkface evaluate renderer runs/ablation/*/best.safetensors --shards "$test_shards" --shots 1,4,8 \
  --against today --out runs/ablation/table
