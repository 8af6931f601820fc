"""FaceClique beside its peers, on the same invented faces, in one run on one machine.

usage: peers.py FACECLIQUE PYTHON-WITH-PEERS [--sizes 10000,50000] [--only NAMES] [--dimension 512] [--limit 600]

Every contender works in a process of its own with as many threads as it takes; they alternate. Those that need less
than half a minute run three times and the fastest counts, the others once. The threshold is cosine 0.35.

The seconds are those from the vectors in memory to the result, whatever that is:
  faceclique        compares every pair; clusters by complete linkage; lists and ranks all matches
  faceclique-hnsw   the same from pairs that a graph (hnsw_rs, built in order, searched until the threshold) proposes
  faiss-flat        every pair (IndexFlatIP.range_search), each of them twice; no clusters
  faiss-hnsw, hnswlib, usearch
                    builds a graph (M 16, ef 100), then the 64 nearest of each face (ef 128); no clusters
  sklearn-dbscan    clusters of all that hangs together (min_samples 1), which chains; no matches
  sklearn-complete, scipy-complete, fastcluster
                    complete linkage of the whole matrix of distances, cut at the threshold; no matches

Memory is the peak of the whole process, its packages included. `pairs` is the share of all pairs at the threshold that
were found. Clusters are compared with FaceClique's as sets. What a package counts may differ from FaceClique in pairs
within a float32's rounding of the threshold. A contender that is expected not to fit into memory is not run; one that
is over the limit of time or takes the machine's last memory is ended.
"""

import csv
import json
import pathlib
import re
import sys
import tempfile

from report import Watched, arguments, available, faces, names, numbers, pairs, print_head, record, row

RUNS = 3
SHORT = 30  # seconds; what takes longer is run once
# A confidence is 50 * (1 + cosine) in hundredths, rounded: 67.50 is reached from cosine 0.3499 on.
CONFIDENCE = "67.5"
COSINE = (float(CONFIDENCE) - 0.005) / 50 - 1

GRAPHS = ["faiss-hnsw", "hnswlib", "usearch"]
# They hold the matrix of distances twice: half of n^2 numbers of 8 bytes, and the copy the linkage works on.
MATRICES = ["sklearn-complete", "scipy-complete", "fastcluster"]
OURS = {"faceclique": "exact", "faceclique-hnsw": "hnsw"}
COMPUTES = {
    "faceclique": "every pair, clusters, matches",
    "faceclique-hnsw": "a graph, clusters, matches",
    "faiss-flat": "every pair",
    **dict.fromkeys(GRAPHS, "a graph, 64 nearest of each"),
    "sklearn-dbscan": "clusters that chain",
    **dict.fromkeys(MATRICES, "complete linkage"),
}
ALL = [*OURS, "faiss-flat", *GRAPHS, "sklearn-dbscan", *MATRICES]


class Result:
    """What came of one contender: its best run, or why there is none."""

    def __init__(self, failure=None, seconds=None, peak=None, n_pairs=None, partition=None, version=""):
        self.failure, self.seconds, self.peak, self.version = failure, seconds, peak, version
        self.n_pairs, self.partition = n_pairs, partition
        self.runs = 1

    def better(self, other):
        """The faster of two runs, with the higher of the peaks."""
        best = min(self, other, key=lambda run: run.seconds)
        best.peak, best.runs = max(self.peak, other.peak), self.runs + other.runs
        return best


def partition_of(owners):
    """Clusters as sets of faces, from pairs of cluster and face."""
    clusters = {}
    for cluster, face in owners:
        clusters.setdefault(cluster, []).append(face)
    return {frozenset(members) for members in clusters.values()}


def run_faceclique(program, search, path, limit, folder):
    """One run of the program: pairs and clusters."""
    out = folder / "faceclique.csv"
    command = [program, "cluster", path, "--threshold", CONFIDENCE, "--output-threshold", CONFIDENCE]
    run = Watched([*command, "--search", search, "--out", out], limit)
    if run.failure:
        return Result(run.failure)
    took = re.search(r"^method .* in ([\d.]+) s", run.output, re.MULTILINE).group(1)
    matches = re.search(r"^matches +(\d+) listed", run.output, re.MULTILINE).group(1)
    with open(out, newline="", encoding="utf-8") as file:
        # the label of an image is its row, from 1
        partition = partition_of((line["cluster"], int(line["imagelabel"]) - 1) for line in csv.DictReader(file))
    return Result(seconds=float(took), peak=run.peak, n_pairs=int(matches) // 2, partition=partition)


def run_peer(python, name, path, limit, folder):
    """One run of a peer: pairs or clusters."""
    script = pathlib.Path(__file__).resolve().parent / "contenders.py"
    out = folder / "clusters.txt"
    out.unlink(missing_ok=True)
    run = Watched([python, script, name, path, COSINE, out], limit)
    if run.failure:
        return Result("not installed" if run.failure.startswith("ModuleNotFoundError") else run.failure)
    answer = json.loads(run.output.splitlines()[-1])
    partition = None
    if out.exists():
        owners = out.read_text().split()
        partition = partition_of((owner, face) for face, owner in enumerate(owners))
    version = answer["version"]
    return Result(None, answer["seconds"], run.peak, answer.get("pairs"), partition, version)


def too_large(name, n):
    """Why a contender is not even begun at this size; none if it is."""
    needs = 8 * n * n
    if name in MATRICES and needs > 0.8 * available():
        return f"not run: would take {needs / 1e9:.0f} of the {available() / 1e9:.0f} GB that are free"
    return None


def run_once(name, options, path, folder):
    """One run of any contender."""
    if name in OURS:
        return run_faceclique(options.program, OURS[name], path, options.limit, folder)
    return run_peer(options.python, name, path, options.limit, folder)


def compete(options, n):
    """The results of all contenders at one size, by name."""
    path = faces(n, options.dimension)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(RUNS):
            for name in options.only:
                before = results.get(name)
                if turn > 0 and (before.failure or before.seconds >= SHORT):
                    continue
                refused = too_large(name, n)
                result = Result(refused) if refused else run_once(name, options, path, pathlib.Path(folder))
                shown = result.failure or f"{result.seconds:.2f} s"
                print(f"          {n:,} faces, run {turn + 1}: {name}: {shown}", file=sys.stderr, flush=True)
                results[name] = result if before is None or result.failure else before.better(result)
    return results


def compared(result, ours):
    """What a contender found, beside what there is."""
    found = []
    if result.n_pairs is not None:
        found.append(f"{100 * result.n_pairs / max(ours.n_pairs, 1):.2f} % of the pairs")
    if result.partition is not None and result is not ours:
        common = len(result.partition & ours.partition)
        agreement = "the same" if result.partition == ours.partition else f"{common:,} the same"
        found.append(f"{len(result.partition):,} clusters, {agreement}")
    elif result.partition is not None:
        found.append(f"{len(result.partition):,} clusters")
    return "; ".join(found)


def ratio(value, ours):
    """How many times as much as ours."""
    return f"{value / ours:.1f}x" if ours else "-"


def print_table(results, n, dimension):
    """All contenders side by side."""
    ours = results["faceclique"]
    found = f", {ours.n_pairs:,} of them at the threshold" if ours.n_pairs is not None else ""
    print(f"\n{n:,} x {dimension}: {pairs(n):,} pairs{found}")
    print(f"{'':18}{'seconds':>9}{'ratio':>8}{'MiB':>8}{'ratio':>8}{'runs':>5}  {'computes':29}  found")
    for name, result in results.items():
        if result.failure:
            print(f"{name:18}{'-':>9}{'-':>8}{'-':>8}{'-':>8}{'':5}  {COMPUTES[name]:29}  {result.failure}")
            continue
        times, memory = ratio(result.seconds, ours.seconds), ratio(result.peak, ours.peak)
        figures = f"{result.seconds:9.2f}{times:>8}{result.peak / 2**20:8.0f}{memory:>8}{result.runs:5}"
        print(f"{name:18}{figures}  {COMPUTES[name]:29}  {compared(result, ours)}", flush=True)


def rows(results, n, dimension):
    """The rows of figures."""
    ours = results["faceclique"]
    for name, result in results.items():
        version = f"version {result.version}; " if result.version else ""
        note = version + (result.failure or compared(result, ours).replace(",", ""))
        sees_all = name not in GRAPHS and name != "faceclique-hnsw"
        yield row(name, n, dimension, result.seconds, result.peak, note, per_pair=sees_all)


def read_arguments():
    parser = arguments(__doc__)
    parser.add_argument("program", help="the release build of faceclique")
    parser.add_argument("python", help="an interpreter with the packages of requirements.txt")
    parser.add_argument("--sizes", type=numbers, default=[10_000, 50_000], help="numbers of faces, by commas")
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--only", type=names, default=ALL, help=f"contenders, by commas, of: {', '.join(ALL)}")
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run may take")
    options = parser.parse_args()
    if unknown := set(options.only) - set(ALL):
        parser.error(f"not a contender: {', '.join(sorted(unknown))}")
    # everything is measured against it
    options.only = ["faceclique", *(name for name in ALL if name in options.only and name != "faceclique")]
    return options


def main():
    options = read_arguments()
    print_head()
    print(f"faces     invented, dimension {options.dimension}, cosine 0.35 (confidence {CONFIDENCE})")
    print(f"runs      alternating; {RUNS} of what takes less than {SHORT} s, the fastest is shown", flush=True)
    for n in options.sizes:
        results = compete(options, n)
        if failure := results["faceclique"].failure:
            raise SystemExit(f"faceclique: {failure}")
        print_table(results, n, options.dimension)
        if not options.no_record:
            record("peers", rows(results, n, options.dimension))


if __name__ == "__main__":
    main()
