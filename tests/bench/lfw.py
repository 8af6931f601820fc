"""Time and peak memory of FaceClique and of SciPy on Labeled Faces in the Wild, in one run on one machine.

usage: lfw.py FACECLIQUE PYTHON-WITH-SCIPY [--no-record]

FaceClique: the server imports the file over HTTP, clusters it at confidence 71.5 and answers QueueInfo with every
match; each step is timed by the client, memory is the peak of the process. SciPy: the same vectors, the same partition
(`linkage('complete')` on float64 cosine distances, cut at the threshold), without any matches.
"""

import pathlib
import sys
import tempfile
import time

from report import ROOT, Watched, arguments, memory, print_head, record, row

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from main_job import Server, token  # noqa: E402

FILE = ROOT.parent / "shared" / "data" / "lfw_mobilefacenet_y1.npz"
THRESHOLD = "71.5"
RUNS = 3
LIMIT = 600  # seconds of one run of SciPy

PEER = """
import resource, sys, time
import numpy
from scipy.cluster.hierarchy import fcluster, linkage
sys.path.insert(0, sys.argv[3])
import contenders
begun = time.perf_counter()
x = numpy.load(sys.argv[1])["x"]
loaded = time.perf_counter()
distances = contenders.distances(x)
clusters = fcluster(linkage(distances, "complete"), 2 - (float(sys.argv[2]) - 0.005) / 50, "distance")
ended = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(loaded - begun, ended - loaded, peak, len(set(clusters)))
"""


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
            asked = {"queuename": "FaceClustering", "queueaction": "getstatus", "token": job, "resultmaxclusters": "0"}
            while "<status>Finished</status>" not in (answer := server.ask("QueueInfo", **asked)):
                if "<error>" in answer:
                    sys.exit(answer)
                time.sleep(0.01)

        _, import_time = timed(imported)
        parameters = {"database": "lfw", "clusterthreshold": THRESHOLD, "outputthreshold": THRESHOLD}
        job, _ = timed(lambda: token(server.ask("FaceClustering", **parameters)))
        _, job_time = timed(lambda: ended(job))
        poll = {"queuename": "FaceClustering", "queueaction": "getstatus", "token": job}
        answer, poll_time = timed(lambda: server.ask("QueueInfo", **poll))
        peak = memory(server.process.pid, "VmHWM")
        return import_time, job_time, poll_time, peak, answer.count("<cluster>"), len(answer)


def run_scipy(python):
    """Seconds of loading and linkage, the peak memory, and the number of clusters."""
    run = Watched([python, "-c", PEER, FILE, THRESHOLD, HERE], LIMIT)
    if run.failure:
        sys.exit(f"SciPy: {run.failure}")
    load_time, link_time, peak, clusters = run.output.split()
    return float(load_time), float(link_time), int(peak), int(clusters)


def print_table(ours, theirs):
    """The fastest of each step and the highest peaks, side by side."""
    imported, job, poll = (min(run[step] for run in ours) for step in range(3))
    load, link = (min(run[step] for run in theirs) for step in range(2))
    our_peak, their_peak = max(run[3] for run in ours), max(run[2] for run in theirs)
    print(f"{'':22}{'FaceClique':>12}{'SciPy':>12}{'ratio':>10}")
    print(f"{'import / load':22}{imported:10.2f} s{load:10.2f} s")
    print(f"{'cluster':22}{job:10.2f} s{link:10.2f} s{link / job:9.1f}x")
    print(f"{'poll (whole result)':22}{poll:10.2f} s{'-':>12}    {ours[0][5] / 1e6:.0f} MB of XML")
    print(f"{'peak memory':22}{our_peak / 2**20:8.0f} MiB{their_peak / 2**20:8.0f} MiB{their_peak / our_peak:9.1f}x")
    print(f"{'clusters':22}{ours[0][4]:12,}{theirs[0][3]:12,}")


def rows(who, steps, runs):
    """A row of figures for each step; behind the steps, a run has its peak and its number of clusters."""
    peak = max(run[len(steps)] for run in runs)
    clusters = f"clusters {runs[0][len(steps) + 1]}"
    for at, step in enumerate(steps):
        fastest = min(run[at] for run in runs)
        yield row(f"{who} {step}", 13_233, 128, fastest, peak, clusters, per_pair=step == "cluster")


def main():
    parser = arguments(__doc__)
    parser.add_argument("program", help="the release build of faceclique")
    parser.add_argument("python", help="an interpreter with SciPy")
    options = parser.parse_args()
    if not FILE.exists():
        sys.exit(f"no benchmark: {FILE.name} is not there; it is expected in ../shared/data")
    print_head()
    print(f"faces     13,233 x 128 (LFW), 87,549,528 pairs, clusterthreshold = outputthreshold = {THRESHOLD}")
    print(f"runs      {RUNS} of each, alternating; the fastest is shown", flush=True)
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(run_faceclique(options.program))
        theirs.append(run_scipy(options.python))
    print_table(ours, theirs)
    if ours[0][4] != theirs[0][3]:
        sys.exit("the numbers of clusters differ")
    if not options.no_record:
        our_rows = rows("faceclique", ["import", "cluster", "poll"], ours)
        record("lfw", [*our_rows, *rows("scipy", ["load", "cluster"], theirs)])


if __name__ == "__main__":
    main()
