#!/usr/bin/env bash
# Makes demo/speech/*.flac, what demo/gallery.csv says: espeak-ng (apt-get install espeak-ng) -> 16 kHz mono FLAC.
# The texts are ours; the voices are synthetic, so nobody's words are borrowed.
set -euo pipefail
cd "$(dirname "$0")/.."

ffmpeg=$(.venv/bin/python -c "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())")
mkdir -p demo/speech

say() {
  local name=$1 voice=$2 text=$3
  espeak-ng -v "$voice" -s 150 -p 45 --stdout "$text" |
    "$ffmpeg" -hide_banner -loglevel error -y -i pipe:0 -ac 1 -ar 16000 -sample_fmt s16 -bitexact "demo/speech/$name.flac"
}

say english en-us+f3 "One photograph, one voice, and nobody in the room."
say french fr-fr+m3 "Bonjour. Une photo suffit, la voix fait le reste."
say german de+f2 "Ein Bild, eine Stimme, und der Mund folgt jedem Wort."
say counting en-gb+m2 "One. Two. Three. Four."
ls -l demo/speech
