#!/usr/bin/env bash
# From clips and photos to the shipped networks: scripts/reproduce_weights.sh DIR [SHARDS]
# DIR holds manifest.csv (columns file, kind, split, identity, tier). About two hours on two idle CPU cores;
# stop it at any moment, the same command resumes it. The speech network's phone pretraining wants flite and espeak-ng on the PATH
# and `pip install -e '.[phones]'`; without them add `phones.steps=0`, which costs some agreement on unseen people.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?folder with manifest.csv}
shards=${2:-runs/shards}

.venv/bin/talkface prepare folder "$data" "$shards" --table "$data/manifest.csv" --config configs/data/face.yaml \
  --where kind=talk,frames-video,frames --where split=train --where tier=A,B
.venv/bin/talkface prepare folder "$data" "$shards-speech" --table "$data/manifest.csv" --config configs/data/face.yaml \
  --where kind=talk,talk-small --where split=train --where tier=A,B
.venv/bin/talkface train configs/audio2landmark/shipped.yaml --set data.shards="$shards-speech"
.venv/bin/talkface train configs/headmotion/base.yaml --set data.shards="$shards"
.venv/bin/talkface train configs/renderer/hybrid.yaml --set data.shards="$shards"
.venv/bin/talkface prepare folder "$data" "$shards-mouth" --table "$data/manifest.csv" --config configs/data/mouth.yaml \
  --where kind=face,frames --where split=train --where tier=A,B
.venv/bin/talkface prepare folder "$data" "$shards-mouth-talk" --table "$data/manifest.csv" \
  --config configs/data/mouth_talk.yaml --where kind=talk,frames-video --where split=train --where tier=A,B
for config in mouth mouth_free; do
  .venv/bin/talkface train configs/renderer/$config.yaml --set data.shards="$shards-mouth" --set data.talk_shards="$shards-mouth-talk"
done
