#!/usr/bin/env bash
# Prints how far every network, loss and drawing is from what the originals' own code computed with the same weights: a
# table of every comparison of tests/golden, minutes on one CPU core. docs/parity.md says what each row means.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" -m pytest tests/golden tests/models/test_spade.py -q -p no:cacheprovider --parity-table "$@"
