#!/usr/bin/env bash
# Installs the newest releases that pyproject.toml allows, without the lists, and runs the smoke test on them: has
# something that talkface depends on changed under it? Ten minutes, most of it downloads, and 7 GB in runs/bounds.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

exec "$(find_python)" scripts/check_bounds.py newest "$@"
