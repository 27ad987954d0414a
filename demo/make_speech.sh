#!/usr/bin/env bash
# Makes the demo speech: espeak-ng (apt-get install espeak-ng) -> 16 kHz mono FLAC inside the package.
# demo/speech.flac is a link to it. The text is ours; the voice is synthetic, so nobody's words are borrowed.
set -euo pipefail
cd "$(dirname "$0")/.."

text="Hello. I am only a photograph, but now I can speak. \
My lips follow every word, and when the voice stops, they close."

ffmpeg=$(.venv/bin/python -c "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())")
espeak-ng -v en-us+f3 -s 155 -p 45 --stdout "$text" |
  "$ffmpeg" -hide_banner -loglevel error -y -i pipe:0 -ac 1 -ar 16000 -sample_fmt s16 -bitexact talkface/cli/demo_speech.flac
ls -l talkface/cli/demo_speech.flac
