"""All pairs above a threshold: FaceClique beside faiss, on the same invented faces, in one run on one machine.

usage: peers.py FACECLIQUE PYTHON-WITH-FAISS FILE.npz

FaceClique: `cluster --search exact`, from the file to the clusters, so its time has the linkage and the summary in it,
not only the pairs. faiss: IndexFlatIP, add and range_search of every row, which gives each pair twice and clusters
nothing. Both with as many threads as there are cores, in processes of their own, alternating; the fastest is shown.
"""

import os
import pathlib
import platform
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lfw import ROOT, processor  # noqa: E402

RUNS = 3
COSINE = 0.35

PEER = """
import resource, sys, time
import faiss, numpy
x = numpy.load(sys.argv[1])["embeddings"]
begun = time.perf_counter()
index = faiss.IndexFlatIP(x.shape[1])
index.add(x)
found = 0
for at in range(0, len(x), 4096):  # in batches, so that the pairs fit
    limits, _, _ = index.range_search(x[at:at + 4096], float(sys.argv[2]))
    found += int(limits[-1])
took = time.perf_counter() - begun
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, (found - len(x)) // 2)
"""

WATCHED = """
import resource, subprocess, sys
output = subprocess.run(sys.argv[1:], check=True, capture_output=True, text=True).stdout
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
print(output)
"""


def run_faceclique(program, path):
    """Seconds, peak memory and pairs."""
    threshold = str(50 * (1 + COSINE))
    command = [program, "cluster", path, "--threshold", threshold, "--output-threshold", threshold, "--search", "exact"]
    output = subprocess.run([sys.executable, "-c", WATCHED, *command], check=True, capture_output=True, text=True).stdout
    took = re.search(r"method +exact in ([\d.]+) s", output).group(1)
    matches = re.search(r"matches +(\d+) listed", output).group(1)
    return float(took), int(output.split()[0]), int(matches) // 2


def run_faiss(python, path):
    """Seconds, peak memory and pairs."""
    output = subprocess.run([python, "-c", PEER, path, str(COSINE)], check=True, capture_output=True, text=True).stdout
    took, peak, pairs = output.split()
    return float(took), int(peak), int(pairs)


def main():
    program, python, path = sys.argv[1:]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout
    print(f"machine   {processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    print(f"commit    {commit.strip()}")
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(run_faceclique(program, path))
        theirs.append(run_faiss(python, path))
    (our_time, _, our_pairs), (their_time, _, their_pairs) = min(ours), min(theirs)
    our_peak, their_peak = max(run[1] for run in ours), max(run[1] for run in theirs)
    print(f"{'':22}{'FaceClique':>12}{'faiss':>12}{'ratio':>10}")
    print(f"{'all pairs':22}{our_time:10.2f} s{their_time:10.2f} s{their_time / our_time:9.1f}x")
    print(f"{'peak memory':22}{our_peak / 2**20:8.0f} MiB{their_peak / 2**20:8.0f} MiB{their_peak / our_peak:9.1f}x")
    print(f"{'pairs':22}{our_pairs:12,}{their_pairs:12,}")


if __name__ == "__main__":
    main()
