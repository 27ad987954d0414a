#!/usr/bin/env bash
# From a fresh machine with Python 3.11 and pip to a speaking portrait; prints where the video is.
# Takes minutes the first time (packages), about twenty seconds after that. Options go to `talkface demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

setup use
mkdir -p out
exec .venv/bin/talkface demo --out out/demo.mp4 "$@"
