#!/usr/bin/env bash
# The set-up of demo.sh plus every test. Options go to pytest: scripts/test.sh tests/video -x
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

setup dev
# one thread each: the tests are many small things, and threads that wait for each other only slow them
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}
# two processes or more share the files of tests; `-n 0` or `-p no:xdist` among the options runs them in one
exec .venv/bin/python -m pytest -n "${TALKFACE_TEST_PROCESSES:-logical}" --dist loadfile "$@"
