# shellcheck shell=bash
# Sourced by the other scripts: makes .venv with this package, or does nothing when it is there.
#   setup use       what animating needs       setup dev       and what the tests need
# Installs from the lists with hashes in requirements/ where they fit (CPython 3.11, Linux, x86_64), else by the ranges in
# pyproject.toml; TALKFACE_UNLOCKED=1 always takes the ranges. Without an NVIDIA GPU the small list with torch's build for
# CPUs is taken, if pip knows where to find that build.
# A stamp holds the hash of what pyproject.toml and the lists say, so a second run takes no time, a changed list installs
# again, and changed settings of linters do not.

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

said() {
  .venv/bin/python - <<'EOF'
import hashlib, json, pathlib, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text(encoding="utf-8"))
parts = [project.get("build-system"), project.get("project"), project.get("tool", {}).get("setuptools")]
lists = [path.read_text(encoding="utf-8") for path in sorted(pathlib.Path("requirements").glob("*.txt"))]
print(hashlib.sha256(json.dumps([*parts, *lists], sort_keys=True).encode()).hexdigest())
EOF
}

# Prints which list fits this machine; nothing where none does.
fitting_list() {
  local purpose=$1 cpu
  [ -z "${TALKFACE_UNLOCKED:-}" ] || return 0
  [ "$(uname -sm)" = "Linux x86_64" ] || return 0
  .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || return 0
  if [ "$purpose" = use ] && [ ! -e /dev/nvidiactl ] && [ -f requirements/use-cpu.txt ]; then
    cpu=$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements/use-cpu.txt)
    if .venv/bin/python -m pip install -qqq --dry-run --no-deps "$cpu" 2>/dev/null; then
      echo requirements/use-cpu.txt
      return 0
    fi
  fi
  [ ! -f "requirements/$purpose.txt" ] || echo "requirements/$purpose.txt"
}

setup() {
  local purpose=$1 stamp=.venv/talkface-installed want python list pip
  if [ ! -x .venv/bin/python ]; then
    python=$(find_python) || return 1
    echo "making .venv with $("$python" --version)" >&2
    "$python" -m venv .venv || {
      echo "error: $python cannot make .venv: on Debian and Ubuntu run apt-get install python3-venv" >&2
      return 1
    }
  fi
  want=$(said) || return 1
  # what was installed for the tests also has what the package alone needs
  if [ -f "$stamp" ] && { [ "$(cat "$stamp")" = "$want $purpose" ] || [ "$(cat "$stamp")" = "$want dev" ]; }; then
    return 0
  fi
  rm -f "$stamp"
  pip=(.venv/bin/python -m pip install -qq --disable-pip-version-check)
  list=$(fitting_list "$purpose")
  if [ -n "$list" ]; then
    echo "installing $list into .venv (several minutes the first time)" >&2
    "${pip[@]}" --require-hashes -r "$list" || return 1
    "${pip[@]}" --no-deps --no-build-isolation -e . || return 1
  else
    echo "installing by the ranges of pyproject.toml into .venv (several minutes the first time)" >&2
    case $purpose in
      dev) "${pip[@]}" -e ".[dev]" || return 1 ;;
      *) "${pip[@]}" -e . || return 1 ;;
    esac
  fi
  echo "$want $purpose" > "$stamp"
}
