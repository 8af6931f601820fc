"""A quarter of a million faces, and then a million: the whole job through the server, as a client sees it.

usage: million.py FACECLIQUE [--sizes 250000,1000000] [--dimension 512] [--kill] [--no-record]
       million.py FACECLIQUE --hard [--sizes 100000] [--budget 2147483648] [--limit 600]

For each size: a file of invented faces (made below target/bench and kept there), a server with a fresh data directory,
ImportFaceDatabase by path, FaceClustering at cosine 0.35 (confidence 67.50, exact, the 5 best matches of each image),
QueueInfo until it is Finished, and the whole result as a stream. Every step is timed by the client, the stages of the
job by what its progress says, several times a second. Memory is the peak of the server in each step; the disk that of
the data directory. With two sizes the growth exponent is printed: 2 is that of the number of pairs.

--kill   the job runs once more and the server is killed (SIGKILL) when 80 % of the pairs are compared; a new server on
         the same data must finish the job by itself, with the same bytes between <clusters> and </clusters>.
--hard   instead: sets of faces that make very many pairs, by `faceclique cluster` within a budget of memory (--budget,
         bytes): half copies and half nearly so; a fifth of all images of one identity; every face like every other.
"""

import contextlib
import hashlib
import math
import pathlib
import re
import shutil
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from report import FOLDER, Watched, arguments, faces, memory, numbers, pairs, print_head, record, row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from main_job import Server, token  # noqa: E402

CONFIDENCE = "67.5"
JOB = {"clusterthreshold": CONFIDENCE, "outputthreshold": CONFIDENCE, "maxresults": 5, "search": "exact"}
KILL_AT = 80  # percent of the stage `compare`
SHOW_EVERY = 10  # seconds
HELD = 1 << 16  # bytes of a result that are looked at again, more than stand behind </clusters>


def disk(folder):
    """Bytes on the disk that a folder takes, as du counts."""
    total = 0
    for path in pathlib.Path(folder).rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            total += path.stat().st_blocks * 512
    return total


def forget_peak(process):
    """Lets the system count the peak memory anew; where it cannot, the peak is that since the start."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def text(answer, element):
    """The text of the first element of this name; none if there is none."""
    found = re.search(f"<{element}>(.*?)</{element}>", answer, re.DOTALL)
    return found and found.group(1)


class Stages:
    """What the progress of a job has said so far: when each of its stages began."""

    def __init__(self):
        self.begun = time.perf_counter()
        self.began = {}  # by name, in order
        self.running = (None, 0.0)

    def note(self, answer):
        """Takes an answer of QueueInfo's progress."""
        found = re.findall(r"<stage><name>(.*?)</name><percent>(.*?)</percent></stage>", answer)
        for name, _ in found:
            self.began.setdefault(name, time.perf_counter())
        if found:
            self.running = (found[-1][0], float(found[-1][1]))

    def seconds(self, ended):
        """How long each stage took; the first counts from the request on, so that nothing is left out."""
        names = list(self.began)
        begins = [self.begun, *list(self.began.values())[1:], ended]
        return {name: begins[at + 1] - begins[at] for at, name in enumerate(names)}


def show(answer, stages):
    """One line of how far a job is."""
    name, percent = stages.running
    spent = time.perf_counter() - stages.begun
    left = text(answer, "estimated_time_remaining")
    left = f", about {float(left):.0f} s left" if left else ""
    print(f"          {spent:6.0f} s  {text(answer, 'percent')} %, {name} {percent:.1f} %{left}", flush=True)


def follow(server, queue, job, until=None):
    """Polls the progress of a job to its end, or until `until` says so; its stages and when that was."""
    stages, shown = Stages(), time.perf_counter()
    asked = {"queuename": queue, "queueaction": "progress", "token": job, "allstages": "true"}
    while True:
        answer = server.ask("QueueInfo", **asked)
        now = time.perf_counter()
        stages.note(answer)
        if text(answer, "status") not in ("Queued", "Processing"):
            break
        if until and until(stages):
            return stages, now
        if now - shown >= SHOW_EVERY:
            show(answer, stages)
            shown = now
        time.sleep(min(0.25, 0.01 + (now - stages.begun) / 100))
    if text(answer, "status") != "Finished":
        status = server.ask("QueueInfo", queuename=queue, queueaction="getstatus", token=job, resultmaxclusters=0)
        sys.exit(f"{queue}: {text(status, 'status')}: {text(status, 'error')}")
    return stages, now


class Fetched:
    """A whole result, read as a stream: what is in it and a digest of what stands in <clusters>."""

    TAGS = (b"<cluster>", b"<face>", b"<match>")

    def __init__(self, server, job):
        begun = time.perf_counter()
        asked = {"action": "QueueInfo", "queuename": "FaceClustering", "queueaction": "getstatus", "token": job}
        self.counts, self.size, self.digest = dict.fromkeys(self.TAGS, 0), 0, hashlib.sha256()
        with urllib.request.urlopen(f"http://{server.address}/?{urllib.parse.urlencode(asked)}") as response:
            self._read(response)
        self.seconds = time.perf_counter() - begun
        self.clusters, self.faces, self.matches = self.counts.values()

    def _read(self, response):
        held, is_inside = b"", False
        while part := response.read(1 << 20):
            self.size += len(part)
            held += part
            if not is_inside and b"<clusters>" in held:
                held, is_inside = held.split(b"<clusters>", 1)[1], True
            if is_inside and len(held) > HELD:
                # the end is held back, for the answer goes on behind </clusters>; a tag is never cut in two
                at = held.rindex(b"<", 0, -HELD) if b"<" in held[:-HELD] else 0
                self._take(held[:at])
                held = held[at:]
        if not is_inside or b"</clusters>" not in held:
            sys.exit(f"the result is not whole: {self.size:,} bytes")
        self._take(held[: held.rindex(b"</clusters>")])

    def _take(self, part):
        self.digest.update(part)
        for tag in self.TAGS:
            self.counts[tag] += part.count(tag)


class Run:
    """The figures of one size."""

    def __init__(self, n, dimension):
        self.n, self.dimension = n, dimension
        self.seconds, self.peaks, self.disk, self.notes = {}, {}, {}, {}

    @property
    def job(self):
        """Seconds from the request of the clustering to its end."""
        return self.seconds["job"]

    def print(self):
        """All of them, a line a step."""
        for step, seconds in self.seconds.items():
            per_pair = f"{seconds * 1e9 / pairs(self.n):8.3f} ns a pair" if step in ("job", "  compare") else " " * 19
            peak = f"{self.peaks[step] / 2**20:8,.0f} MiB" if step in self.peaks else " " * 12
            print(f"{step:18}{seconds:10.2f} s{per_pair}{peak}  {self.notes.get(step, '')}".rstrip())
        disk = ", ".join(f"{bytes / 1e9:.2f} GB {when}" for when, bytes in self.disk.items())
        print(f"{'disk':18}{disk}", flush=True)

    def rows(self):
        """The rows of figures."""
        for step, seconds in self.seconds.items():
            peak, note, step = self.peaks.get(step), self.notes.get(step, "").replace(",", ""), step.strip()
            yield row(step, self.n, self.dimension, seconds, peak, note, per_pair=step in ("job", "compare"))


def import_file(server, path, run):
    """Imports the file by its path."""
    begun = time.perf_counter()
    job = token(server.ask("ImportFaceDatabase", database="people", dbpath=path))
    run.seconds["  accept"] = time.perf_counter() - begun
    run.notes["  accept"] = "the file is copied before the token is given"
    stages, ended = follow(server, "ImportFaceDatabase", job)
    took = {f"  {name}": seconds for name, seconds in stages.seconds(ended).items()}
    run.seconds = {"import": ended - begun, **run.seconds, **took}
    run.peaks["import"] = memory(server.process.pid, "VmHWM")


def cluster(server, run):
    """Clusters the database; the token and the whole result."""
    forget_peak(server.process.pid)
    begun = time.perf_counter()
    job = token(server.ask("FaceClustering", database="people", **JOB))
    stages, ended = follow(server, "FaceClustering", job)
    run.seconds["job"] = ended - begun
    run.seconds |= {f"  {name}": seconds for name, seconds in stages.seconds(ended).items()}
    run.peaks["job"] = memory(server.process.pid, "VmHWM")
    forget_peak(server.process.pid)
    result = Fetched(server, job)
    run.seconds["poll"] = result.seconds
    run.peaks["poll"] = memory(server.process.pid, "VmHWM")
    run.notes["job"] = f"{result.clusters:,} clusters"
    run.notes["poll"] = f"{result.faces:,} faces, {result.matches:,} matches, {result.size / 1e6:,.0f} MB of XML"
    return result


def kill_and_finish(server, start, run, result):
    """Kills the server in the middle of the same job; what the next one makes of it."""
    begun = time.perf_counter()
    job = token(server.ask("FaceClustering", database="people", **JOB))

    def is_far(stages):
        return stages.running[0] == "compare" and stages.running[1] >= KILL_AT

    stages, killed = follow(server, "FaceClustering", job, until=is_far)
    if not is_far(stages):
        print("kill      the job was done before it could be killed: take more faces", flush=True)
        return
    server.process.kill()
    server.process.wait()
    print(f"          killed after {killed - begun:.1f} s, at {stages.running[1]:.1f} % of compare", flush=True)
    with start() as server:
        serving = time.perf_counter()
        _, ended = follow(server, "FaceClustering", job)
        same = Fetched(server, job).digest.digest() == result.digest.digest()
        run.peaks["killed: rest"] = memory(server.process.pid, "VmHWM")
    run.seconds["killed: before"] = killed - begun
    run.notes["killed: before"] = f"SIGKILL at {stages.running[1]:.1f} % of compare"
    run.seconds["killed: start"] = serving - killed
    run.notes["killed: start"] = "until the next server answers"
    run.seconds["killed: rest"] = ended - serving
    run.notes["killed: rest"] = "the same bytes" if same else "OTHER BYTES than undisturbed"


def check_room(path):
    """Refuses to begin if the disk is too small: the upload is copied, and the store holds the faces once more."""
    needs = 5 * path.stat().st_size
    free = shutil.disk_usage(path.parent).free
    if free < needs:
        sys.exit(f"the data directory may need {needs / 1e9:.0f} GB, {free / 1e9:.0f} GB are free")


def measure(options, n):
    """The figures of one size."""
    print(f"\nfaces     {n:,} x {options.dimension} invented, {pairs(n):,} pairs, cosine 0.35", flush=True)
    path = faces(n, options.dimension)
    check_room(path)
    run = Run(n, options.dimension)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        data, config = pathlib.Path(folder) / "data", pathlib.Path(folder) / "faceclique.toml"
        keep = str(not options.kill).lower()  # the job that is killed must not find the pairs of the one before
        config.write_text(
            f"[paths]\nallowed_input_directories = ['{FOLDER}']\n[jobs]\nkeep_pairs = {keep}\n", encoding="utf-8"
        )

        def start():
            return Server(options.program, data, config=config)

        with start() as server:
            run.disk["at the start"] = disk(data)
            import_file(server, path, run)
            run.disk["imported"] = disk(data)
            result = cluster(server, run)
            run.disk["clustered"] = disk(data)
            if options.kill:
                kill_and_finish(server, start, run, result)
    run.print()
    return run


def print_growth(runs):
    """How the times grow from each size to the next."""
    for small, large in zip(runs, runs[1:]):
        for step in ("job", "  compare"):
            times = small.seconds.get(step), large.seconds.get(step)
            if all(times):
                exponent = math.log(times[1] / times[0]) / math.log(large.n / small.n)
                print(f"growth    {step.strip()} from {small.n:,} to {large.n:,} faces: n^{exponent:.2f}")


def run_hard(options, n, kind):
    """One hard set, by the command line within the budget; its row of figures."""
    path = faces(n, options.dimension, kind)
    command = [options.program, "cluster", path, "--threshold", CONFIDENCE, "--output-threshold", CONFIDENCE]
    run = Watched([*command, "--max-results", "5", "--search", "exact", "--memory", options.budget], options.limit)
    found = re.search(r"^clusters +(\d+) .*the largest of (\d+)", run.output, re.MULTILINE)
    outcome = f"no result: {run.failure}" if run.failure else "clusters {}, the largest of {}".format(*found.groups())
    kept = "" if run.peak <= options.budget else "OVER the budget; "
    print(f"{kind:20}{run.seconds:9.2f} s{run.peak / 2**20:8,.0f} MiB  {kept}{outcome}", flush=True)
    note = f"budget {options.budget}; {kept}{outcome}".replace(",", "")
    return row(kind, n, options.dimension, run.seconds, run.peak, note, per_pair=not run.failure)


def hard(options):
    """All hard sets at all sizes."""
    for n in options.sizes:
        print(f"\nfaces     {n:,} x {options.dimension} invented, {pairs(n):,} pairs, cosine 0.35")
        budget = f"{options.budget / 2**20:,.0f} MiB"
        print(f"budget    {budget} for pairs and matches; the peak is that of the whole process")
        rows = [run_hard(options, n, kind) for kind in ("copies", f"one-identity {n // 5}", "alike")]
        if not options.no_record:
            record("hard", rows)


def read_arguments():
    parser = arguments(__doc__)
    parser.add_argument("program", help="the release build of faceclique")
    parser.add_argument("--sizes", type=numbers, help="numbers of faces, by commas")
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--kill", action="store_true", help="kill the server in the middle of the job, too")
    parser.add_argument("--hard", action="store_true", help="the sets that make very many pairs, instead")
    parser.add_argument("--budget", type=int, default=2 << 30, help="bytes of memory for a hard set")
    parser.add_argument("--limit", type=float, default=600, help="seconds that a hard set may take")
    options = parser.parse_args()
    options.sizes = options.sizes or ([100_000] if options.hard else [250_000, 1_000_000])
    return options


def main():
    options = read_arguments()
    print_head()
    if options.hard:
        hard(options)
        return
    runs = []
    for n in options.sizes:
        run = measure(options, n)
        runs.append(run)
        if not options.no_record:
            record("million", list(run.rows()))
    print_growth(runs)


if __name__ == "__main__":
    main()
