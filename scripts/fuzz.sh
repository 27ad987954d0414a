#!/usr/bin/env bash
# Feed damaged and hostile files to every reader: scripts/fuzz.sh [--count 10000] [--reader NAME] [--no-assertions]
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHONPATH=. OMP_NUM_THREADS=1 exec "${PYTHON:-.venv/bin/python}" tests/fuzz/fuzz_run.py "$@"
