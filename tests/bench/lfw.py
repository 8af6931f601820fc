"""Time and peak memory of FaceClique and of SciPy on Labeled Faces in the Wild, in one run on one machine.

usage: lfw.py FACECLIQUE PYTHON-WITH-SCIPY

FaceClique: the server imports the file over HTTP, clusters it at confidence 71.5 and answers QueueInfo with every
match; each step is timed by the client, memory is the peak of the process. SciPy: the same vectors, the same partition
(`linkage('complete')` on float64 cosine distances, cut at the threshold), without any matches.
"""

import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from main_job import Server, token  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = ROOT.parent / "shared" / "data" / "lfw_mobilefacenet_y1.npz"
THRESHOLD = "71.5"
RUNS = 3

PEER = """
import resource, sys, time
import numpy
from scipy.cluster.hierarchy import fcluster, linkage
begun = time.perf_counter()
x = numpy.load(sys.argv[1])["x"].astype(numpy.float64)
loaded = time.perf_counter()
# filled row by row, which needs less memory than pdist's copy
distances = numpy.empty(len(x) * (len(x) - 1) // 2)
at = 0
for row in range(len(x) - 1):
    n = len(x) - 1 - row
    distances[at:at + n] = 1.0 - x[row + 1:] @ x[row]
    at += n
numpy.clip(distances, 0, 2, out=distances)
clusters = fcluster(linkage(distances, "complete"), 2 - (float(sys.argv[2]) - 0.005) / 50, "distance")
ended = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(loaded - begun, ended - loaded, peak, len(set(clusters)))
"""


def peak_bytes(process):
    """The peak memory of a process so far."""
    with open(f"/proc/{process}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def timed(action):
    """What an action gives, and how many seconds it took."""
    begun = time.perf_counter()
    result = action()
    return result, time.perf_counter() - begun


def run_faceclique(program):
    """Seconds of import, job and poll, the peak memory, and the number of clusters."""
    with tempfile.TemporaryDirectory() as data, Server(program, data) as server:

        def imported():
            return server.finished("ImportFaceDatabase", server.upload(FILE, database="lfw"))

        def ended(job):
            status = {"queuename": "FaceClustering", "queueaction": "getstatus", "token": job, "resultmaxclusters": "0"}
            while "<status>Finished</status>" not in (answer := server.ask("QueueInfo", **status)):
                if "<error>" in answer:
                    sys.exit(answer)
                time.sleep(0.01)

        _, import_time = timed(imported)
        parameters = {"database": "lfw", "clusterthreshold": THRESHOLD, "outputthreshold": THRESHOLD}
        job, _ = timed(lambda: token(server.ask("FaceClustering", **parameters)))
        _, job_time = timed(lambda: ended(job))
        poll = {"queuename": "FaceClustering", "queueaction": "getstatus", "token": job}
        answer, poll_time = timed(lambda: server.ask("QueueInfo", **poll))
        return import_time, job_time, poll_time, peak_bytes(server.process.pid), answer.count("<cluster>"), len(answer)


def run_scipy(python):
    """Seconds of loading and linkage, the peak memory, and the number of clusters."""
    output = subprocess.run([python, "-c", PEER, FILE, THRESHOLD], check=True, capture_output=True, text=True).stdout
    load_time, link_time, peak, clusters = output.split()
    return float(load_time), float(link_time), int(peak), int(clusters)


def processor():
    """The name of the processor."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())


def main():
    program, python = sys.argv[1:]
    if not FILE.exists():
        sys.exit(f"no benchmark: {FILE.name} is not there; it is expected in ../shared/data")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout
    print(f"machine   {processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    print(f"commit    {commit.strip()}")
    print(f"faces     13,233 x 128 (LFW), 87,549,528 pairs, clusterthreshold = outputthreshold = {THRESHOLD}")
    print(f"runs      {RUNS} of each, alternating; the fastest is shown")
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(run_faceclique(program))
        theirs.append(run_scipy(python))
    imported, job, poll = (min(run[step] for run in ours) for step in range(3))
    load, link = (min(run[step] for run in theirs) for step in range(2))
    our_peak, their_peak = max(run[3] for run in ours), max(run[2] for run in theirs)
    print(f"{'':22}{'FaceClique':>12}{'SciPy':>12}{'ratio':>10}")
    print(f"{'import / load':22}{imported:10.2f} s{load:10.2f} s")
    print(f"{'cluster':22}{job:10.2f} s{link:10.2f} s{link / job:9.1f}x")
    print(f"{'poll (whole result)':22}{poll:10.2f} s{'-':>12}    {ours[0][5] / 1e6:.0f} MB of XML")
    print(f"{'peak memory':22}{our_peak / 2**20:8.0f} MiB{their_peak / 2**20:8.0f} MiB{their_peak / our_peak:9.1f}x")
    print(f"{'clusters':22}{ours[0][4]:12,}{theirs[0][3]:12,}")
    if ours[0][4] != theirs[0][3]:
        sys.exit("the numbers of clusters differ")


if __name__ == "__main__":
    main()
