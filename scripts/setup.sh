# shellcheck shell=bash
# Sourced by the other scripts: makes .venv with this package, or does nothing when it is there.
#   setup ""       what the package needs       setup "[dev]"   and what its tests need
# A stamp holds the hash of what pyproject.toml says about installing, so a second run takes no time, a changed list
# installs anew, and changed settings of linters do not.

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "error: no Python 3.11 or newer found: install one, or set PYTHON=/path/to/python" >&2
  return 1
}

installing() {
  .venv/bin/python - <<'EOF'
import hashlib, json, pathlib, tomllib
said = tomllib.loads(pathlib.Path("pyproject.toml").read_text(encoding="utf-8"))
parts = [said.get("build-system"), said.get("project"), said.get("tool", {}).get("setuptools")]
print(hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest())
EOF
}

setup() {
  local extras=$1 stamp=.venv/talkface-installed want python
  if [ ! -x .venv/bin/python ]; then
    python=$(find_python) || return 1
    echo "making .venv with $("$python" --version)" >&2
    "$python" -m venv .venv || {
      echo "error: $python cannot make .venv: on Debian and Ubuntu run apt-get install python3-venv" >&2
      return 1
    }
  fi
  want=$(installing) || return 1
  # what was installed with [dev] also has what the package alone needs
  if [ -f "$stamp" ] && { [ "$(cat "$stamp")" = "$want $extras" ] || [ "$(cat "$stamp")" = "$want [dev]" ]; }; then
    return 0
  fi
  echo "installing talkface$extras into .venv (several minutes the first time)" >&2
  rm -f "$stamp"
  .venv/bin/python -m pip install -qq --disable-pip-version-check -e ".$extras" || return 1
  echo "$want $extras" > "$stamp"
}
