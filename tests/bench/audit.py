"""Runs the benchmark of the identity audit (`cargo bench --no-default-features --bench audit`), shows what it prints, and records its figures.

usage: audit.py [FIRST-SEED [SEEDS]] [--sizes N,N] [--no-times] [--no-record]

First what is found of planted errors and in the data as they are (`tests/bench/audit.rs` says how it counts), then how
long a clustering takes and how much memory, alone and with its audit, each in a process of its own: Labeled Faces in the
Wild, and invented faces of 128 numbers, every pair compared and with the index. With the index the graph is made twice,
once for the clustering and once for the audit; a server keeps it.
"""

import os
import re
import subprocess

from report import ROOT, Watched, arguments, numbers, print_head, record, row

CARGO = os.environ.get("CARGO", "cargo")
FILES = {"lfw_mobilefacenet_y1.npz": 128, "lfw_reid0095.npz": 256}
FOLDER = ROOT.parent / "shared" / "data"
LIMIT = 3600  # seconds of one clustering
FACES = 13_233


def program():
    """The benchmark itself, so that the memory of a process is its own and not cargo's."""
    command = [CARGO, "bench", "--no-default-features", "--bench", "audit", "--no-run"]
    told = subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.PIPE, text=True).stderr
    return ROOT / re.search(r"Executable .*\((.*)\)", told).group(1)


def found(output):
    """A row for each kind of planted error: its figures are its note."""
    dimension, seeds = None, ""
    for line in output.splitlines():
        if head := re.match(r"(\S+\.npz), (seeds .*)", line):
            dimension, seeds = FILES[head.group(1)], head.group(2)
        elif (kind := re.match(r"(\w+) +\d+ listed", line)) and "recall" in line:
            note = " ".join(line.split()[1:]).replace(",", ";")
            yield row(f"{kind.group(1)}, {seeds}", FACES, dimension, note=note)


def times(bench, sizes):
    """A row for each clustering, and one for the audit where there is one."""
    files = [(FOLDER / name, d) for name, d in FILES.items() if (FOLDER / name).exists()]
    for what, method in [(file, "exact") for file, _ in files] + [(n, m) for n in sizes for m in ("exact", "hnsw")]:
        for kind in ("plain", "audit"):
            run = Watched([bench, "time", what, method, kind], LIMIT)
            if run.failure:
                print(f"{what} {method} {kind}: {run.failure}", flush=True)
                continue
            for n, d, step, seconds, note in re.findall(r"(\d+) (\d+) (.*) ([\d.]+) s, (.*)", run.output):
                name = f"{step}, {'with audit' if kind == 'audit' else 'alone'}"
                print(f"{n:>8} x {d}  {name:32}{float(seconds):9.2f} s {run.peak / 2**20:8.0f} MiB  {note}", flush=True)
                yield row(name, int(n), int(d), float(seconds), run.peak, note)


def main():
    parser = arguments(__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="the first seed and how many (9 and 5)")
    parser.add_argument("--sizes", type=numbers, default=[100_000], help="how many invented faces are timed")
    parser.add_argument("--no-times", action="store_true", help="only what is found")
    options = parser.parse_args()
    print_head()
    bench = program()
    seeds = [str(seed) for seed in options.seeds]
    output = subprocess.run([bench, *seeds], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(output, flush=True)
    rows = list(found(output))
    if not options.no_times:
        rows += times(bench, options.sizes)
    if not options.no_record:
        record("audit", rows)


if __name__ == "__main__":
    main()
