#!/usr/bin/env bash
# A batch and live sessions side by side for an hour, and the curve of their memory, threads and open files in soak.csv:
# scripts/soak.sh [--minutes 60] [--curve FILE] [--set still=true]. Exit code 1 where something grew, failed or ended.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHONPATH=. OMP_NUM_THREADS=1 exec nice -n 15 "${PYTHON:-.venv/bin/python}" scripts/soak.py "$@"
