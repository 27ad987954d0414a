#!/usr/bin/env bash
# Writes docs/options.md, the tables of all options, from the classes that define them.
set -euo pipefail
cd "$(dirname "$0")/.."
"${PYTHON:-.venv/bin/python}" - > docs/options.md <<'EOF'
from talkface.inference.batch.options import BatchOptions
from talkface.inference.request import AnimateOptions, EnrollOptions, ReenactOptions
from talkface.options import markdown_table

print("# Options\n\nEvery option is a flag of the command line and a keyword in Python (with `_` for `-`); those of "
      "`animate`, except `--force`\nand `--device`, are columns of a batch, too. Written by `scripts/options_table.sh`.")
verbs = {"animate": AnimateOptions, "reenact": ReenactOptions, "batch": BatchOptions, "enroll": EnrollOptions}
for verb, group in verbs.items():
    print(f"\n## `talkface {verb}`\n\n{markdown_table(group)}", end="")
EOF
