"""Runs the benchmark of comparing (`cargo bench --bench pairs`), shows what it prints, and records its figures.

usage: pairs.py [N [DIMENSION [THREADS]]] [--no-record]
"""

import os
import re
import subprocess

from report import ROOT, arguments, record, row


def rows(output, n, dimension):
    """A row for each line that says how long all pairs took; its first word is of the method."""
    method = ""
    for line in output.splitlines():
        method = line.split()[0] if line[:1].strip() else method
        if found := re.search(r"(.*?)([\d.]+) s, [\d.]+ ns a pair", line[10:]):
            what = f"{method} {found.group(1).strip()}".strip()
            yield row(what, n, dimension, float(found.group(2)), per_pair=True)


def main():
    parser = arguments(__doc__)
    parser.add_argument("n", nargs="?", type=int, default=50_000)
    parser.add_argument("dimension", nargs="?", type=int, default=512)
    parser.add_argument("threads", nargs="?", type=int, default=os.cpu_count())
    options = parser.parse_args()
    command = [os.environ.get("CARGO", "cargo"), "bench", "--bench", "pairs", "--"]
    command += [str(number) for number in (options.n, options.dimension, options.threads)]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(output, end="", flush=True)
    if not options.no_record:
        record("pairs", list(rows(output, options.n, options.dimension)))


if __name__ == "__main__":
    main()
