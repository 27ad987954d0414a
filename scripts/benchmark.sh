#!/usr/bin/env bash
# Prints how fast this machine animates a 512x512 photo: every stage, the whole process, peak memory.
#   scripts/benchmark.sh            10 s, 30 s and 10 min of speech: about 10 minutes on 2 cores
#   scripts/benchmark.sh --quick    without the 10 min
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/talkface benchmark animate "$@"
