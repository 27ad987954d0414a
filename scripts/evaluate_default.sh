#!/usr/bin/env bash
# Prints the table of what the default networks must reach, measured on videos of held-out people.
#   scripts/evaluate_default.sh            every test person and portrait, 8 s of each clip: 10 to 15 minutes on 2 cores
#   scripts/evaluate_default.sh --quick    a few of each, 3 minutes
#   scripts/evaluate_default.sh --full     whole clips, portraits at their own size
# Needs the data folder beside the repository (--data DIR if it is elsewhere). Scores: runs/evaluate_default/*.jsonl
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/talkface evaluate default --data ../shared/data "$@"
