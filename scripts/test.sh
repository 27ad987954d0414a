#!/usr/bin/env bash
# The set-up of demo.sh plus every test. Options go to pytest: scripts/test.sh tests/video -x
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

setup dev
# one thread each: the tests are many small things, and threads that wait for each other only slow them
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}
exec .venv/bin/python -m pytest "$@"
