#!/usr/bin/env bash
# Writes the tables Shuttle, Letter and Satellite of Debian's package r-cran-mlbench as CSV files.
set -euo pipefail
# shellcheck source=examples/download.sh
. "$(dirname "${BASH_SOURCE[0]}")/download.sh"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
directory=$root/data/tables
package=r-cran-mlbench

usage() {
  cat <<END
Usage: examples/get_tables.sh [--dir DIR]

Writes Shuttle.csv, LetterRecognition.csv and Satellite.csv into DIR (default:
data/tables in the repository), from Debian's package $package, which apt-get
downloads if it is not installed (needs no root). Python converts them, not R.
Does nothing if they are there already. Then:

  build/examples/train_flow --data DIR/Shuttle.csv
END
}

while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    --dir)
      [ -n "${2:-}" ] || fail "--dir needs a value; see --help"
      directory=$2
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done

tables="Shuttle LetterRecognition Satellite"
missing=
for table in $tables; do [ -s "$directory/$table.csv" ] || missing=yes; done
if [ -z "$missing" ]; then
  echo "The tables are in $directory."
  exit 0
fi
make_scratch "$directory"
library=
for place in /usr/lib/R/site-library /usr/local/lib/R/site-library; do
  if [ -d "$place/mlbench" ]; then library=$place; fi
done
if [ -z "$library" ]; then
  unpack_package "$package" ||
    fail "Debian's package $package cannot be downloaded: is it in the sources of apt?"
  library=$scratch/usr/lib/R/site-library
fi
for table in $tables; do
  "$root/examples/rda_to_csv.py" "$library/mlbench/data/$table.rda" >"$scratch/$table.csv" ||
    fail "$table cannot be converted"
  mv "$scratch/$table.csv" "$directory/$table.csv"
done
echo "The tables are in $directory."
