#!/usr/bin/env bash
# Writes docs/options.md, the tables of all options, from the classes that define them.
set -euo pipefail
cd "$(dirname "$0")/.."
trap 'rm -f docs/options.md.part' EXIT
"${PYTHON:-.venv/bin/python}" - > docs/options.md.part <<'EOF'
from talkface.cli.prepare import PrepareOptions
from talkface.cli.train import TrainOptions
from talkface.inference.batch.options import BatchOptions
from talkface.inference.request import AnimateOptions, EnrollOptions, ReenactOptions
from talkface.options import markdown_table
from talkface.serve.options import ServeOptions

print("# Options\n\nEvery option of these verbs is a flag of the command line; those of `animate`, `reenact` and `batch` are keywords in "
      "Python, too (with `_` for\n`-`), and those of `animate`, except `--force` and `--device`, columns of a batch. "
      "Further flags and arguments: `talkface VERB --help`.\nWritten by `scripts/options_table.sh`.")
verbs = {"animate": AnimateOptions, "reenact": ReenactOptions, "batch": BatchOptions, "enroll": EnrollOptions,
         "prepare": PrepareOptions, "train": TrainOptions, "serve": ServeOptions}
for verb, group in verbs.items():
    print(f"\n## `talkface {verb}`\n\n{markdown_table(group)}", end="")
EOF
mv docs/options.md.part docs/options.md
