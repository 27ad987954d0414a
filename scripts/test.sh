#!/usr/bin/env bash
# The set-up of demo.sh plus every test. Options go to pytest: scripts/test.sh tests/video -x
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

setup "[dev]"
exec .venv/bin/python -m pytest "$@"
