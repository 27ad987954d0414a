#!/usr/bin/env bash
# Kills animate, batch, prepare and train at random moments (kill -9, half of them with all their workers), runs each
# again and prints what was lost, half written, left or different: scripts/kills.sh [--kills 25] [--command train]
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHONPATH=. OMP_NUM_THREADS=1 exec "${PYTHON:-.venv/bin/python}" scripts/kills.py "$@"
