#!/usr/bin/env bash
# Brings the weekly carbon dioxide at Mauna Loa, 1958 to 2001, from the Python package statsmodels.
set -euo pipefail
# shellcheck source=examples/download.sh
. "$(dirname "${BASH_SOURCE[0]}")/download.sh"

directory=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/data
sum=16695fa2786e53414e5a6b54767a3fdf5de99cfbc68617f69d1362d92776a92f

usage() {
  cat <<END
Usage: examples/get_co2.sh [options]

Puts co2.csv (2,284 weeks, 59 of them without a value, 34 kB; Keeling and Whorf
2004, public domain) into DIR: from the Python package statsmodels if it is
installed, otherwise from its wheel, which pip downloads (12 MB). The contents
are checked. Does nothing if the file is there already. Then:

  build/examples/train_ode --data DIR/co2.csv

  --dir DIR   where to put it (default: data in the repository)
  --help      this text
END
}

while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    --dir)
      [ -n "${2:-}" ] || fail "--dir needs a value; see --help"
      directory=$2
      shift 2 ;;
    *) fail "unknown option '$1'; see --help" ;;
  esac
done

right() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$sum" ]; }
file=$directory/co2.csv
if right "$file"; then exit 0; fi
command -v python3 >/dev/null || fail "python3 is needed to read the package"

make_scratch "$directory"
inside=datasets/co2/co2.csv
if ! python3 - "$inside" >"$scratch/co2.csv" 2>/dev/null <<'END'
import importlib.util, pathlib, sys
folder = pathlib.Path(importlib.util.find_spec("statsmodels").origin).parent
sys.stdout.write((folder / sys.argv[1]).read_text())
END
then
  python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$scratch" statsmodels >&2 ||
    fail "pip cannot download the package statsmodels"
  python3 - "$scratch" "$inside" >"$scratch/co2.csv" <<'END'
import pathlib, sys, zipfile
wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
sys.stdout.write(zipfile.ZipFile(wheel).read("statsmodels/" + sys.argv[2]).decode())
END
fi
right "$scratch/co2.csv" || fail "co2.csv of the package statsmodels has other contents than expected"
mv "$scratch/co2.csv" "$file"
echo "wrote $file"
