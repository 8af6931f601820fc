"""Photos to embeddings: FaceClique beside onnxruntime and OpenCV with the same models, in one run on one machine.

usage: photos.py FACECLIQUE PYTHON-WITH-ONNXRUNTIME [--rounds 3] [--packs mobilefacenet-y1] [--no-record]

FaceClique: a server gets the photos by their paths (AddFaceImages) and trains them (BuildAllFaces, numparallel 1 and 2);
timed by the client from the request to the end of the job, so with the store and its disk. `alone` is the same pipeline
without server (`look.rs`). onnxruntime: `onnx_peer.py`, one and two threads with a thread of the runtime each. All take turns;
the median of the rounds is shown. CPU is what the process used, which others on the machine disturb less than the time.

From the start of the process to the first embedding: FaceClique's server until a TrainFace of one photo has ended, the
other until the first photo's embedding is there. Memory: the peak (VmHWM) through all, and of the idle server.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from report import ROOT, Watched, arguments, memory, names, print_head, record, row

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from main_job import Server, token  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
PACKS = {"face-reid-retail-0095": 256, "mobilefacenet-y1": 128}
TICKS = os.sysconf("SC_CLK_TCK")
LIMIT = 600  # seconds of one run


def description(pack):
    return ROOT / "fixtures" / "packs" / pack / "pack.toml"


def cpu(process):
    """Seconds of all processors that a process has used."""
    with open(f"/proc/{process}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Ours:
    """A data directory with a pack, and servers on it."""

    def __init__(self, program, folder, pack):
        self.program, self.data = program, pathlib.Path(folder) / "data"
        self.config = pathlib.Path(folder) / "faceclique.toml"
        self.config.write_text(
            f'[vision]\npack = "{pack}"\n[paths]\nallowed_input_directories = ["{DATA}"]\n', encoding="utf-8"
        )
        command = [program, "models", "add", pack, DATA / "models", "--data", self.data]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)

    def serve(self):
        return Server(str(self.program), str(self.data), config=str(self.config))

    def first(self, photo, nth):
        """Seconds from the start of the server to the end of a job that trains one photo; and its idle memory."""
        begun = time.monotonic()
        with self.serve() as server:
            idle, ready = memory(server.process.pid, "VmRSS"), time.monotonic() - begun
            server.ask("CreateFaceDatabase", database=f"first{nth}")
            answer = server.ask("TrainFace", database=f"first{nth}", identifier="one", imagepath=str(photo))
            ended(server, "TrainFace", token(answer))
            return {"seconds": time.monotonic() - begun, "ready": ready, "idle": idle}

    def build(self, server, photos, n_threads, nth):
        """Seconds to store and to train the photos, and the CPU of the latter."""
        database = f"of{n_threads}x{nth}"
        begun = time.monotonic()
        server.ask("CreateFaceDatabase", database=database)
        for face, paths in photos.items():
            server.ask("NewFace", database=database, identifier=face)
            labels = ",".join(path.stem for path in paths)
            paths = ",".join(str(path) for path in paths)
            server.ask("AddFaceImages", database=database, identifier=face, imagelabels=labels, imagepath=paths)
        stored, used = time.monotonic(), cpu(server.process.pid)
        answer = server.ask("BuildAllFaces", database=database, numparallel=n_threads)
        answer = ended(server, "BuildAllFaces", token(answer))
        return {
            "stored": stored - begun,
            "seconds": time.monotonic() - stored,
            "cpu": cpu(server.process.pid) - used,
            "embeddings": sum(int(n) for n in re.findall("<numtrained>(\\d+)<", answer)),
            "peak": memory(server.process.pid, "VmHWM"),
        }


def ended(server, queue, job):
    """The answer for a job when it has ended, soon after."""
    asked = {"queuename": queue, "queueaction": "getstatus", "token": job}
    while not re.search("<status>(Finished|Error)</status>", answer := server.ask("QueueInfo", **asked)):
        time.sleep(0.005)
    if "<status>Error<" in answer:
        sys.exit(answer)
    return answer


def run(command):
    """What a program printed as JSON, and the moment when it was started."""
    begun = time.monotonic()
    watched = Watched(command, LIMIT)
    if watched.failure:
        sys.exit(f"{command[0]}: {watched.failure}")
    return json.loads(watched.output.splitlines()[-1]) | {"begun": begun}


def alone_program():
    """The program of the pipeline alone."""
    command = [os.environ.get("CARGO", "cargo"), "bench", "--bench", "look", "--no-run", "--message-format=short"]
    messages = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    return ROOT / re.search(r"Executable .*?look\.rs \((.*?)\)", messages).group(1)


def measure(options, alone, pack, photos, folder):
    """The runs of each contender."""
    ours, runs = Ours(options.program, folder, pack), {}
    files = [path for paths in photos.values() for path in paths]
    peer = [options.python, HERE / "onnx_peer.py", description(pack), DATA / "models"]

    def keep(who, run):
        runs.setdefault(who, []).append(run)

    for nth in range(options.rounds):
        keep("faceclique first", ours.first(files[0], nth))
        first = run([*peer, 1, files[0]])
        keep("onnxruntime first", {"seconds": first["first"] - first["begun"], "peak": first["peak"]})
        for n_threads in (1, 2):
            with ours.serve() as server:
                keep(f"faceclique {n_threads}", ours.build(server, photos, n_threads, nth))
            keep(f"onnxruntime {n_threads}", run([*peer, n_threads, *files]))
            keep(f"alone {n_threads}", run([alone, description(pack), DATA / "models", n_threads, *files]))
    return runs


def print_table(pack, runs, n):
    """Each step side by side."""
    print(f"\n{pack:24}{'FaceClique':>12}{'alone':>12}{'onnxruntime':>13}{'ratio':>8}")

    def of(who, figure):
        values = [run[figure] for run in runs[who] if figure in run]
        return statistics.median(values) if values else None

    def line(name, values, show):
        shown = "".join(f"{show(value) if value is not None else '-':>12}" for value in values)
        print(f"{name:24}{shown} {values[0] / values[2]:7.2f}")

    who = ("faceclique", "alone", "onnxruntime")
    for n_threads in (1, 2):
        seconds = [of(f"{name} {n_threads}", "seconds") for name in who]
        line(f"photos/s, {n_threads} thread(s)", [n / value for value in seconds], lambda value: f"{value:.2f}")
        cpus = [of(f"{name} {n_threads}", "cpu") for name in who]
        line("- CPU, ms a photo", [cpu and cpu * 1e3 / n for cpu in cpus], lambda value: f"{value:.1f}")
        peaks = [of(f"{name} {n_threads}", "peak") for name in who]
        line("- peak, MiB", peaks, lambda value: f"{value / 2**20:.0f}")
    firsts = [of("faceclique first", "seconds"), None, of("onnxruntime first", "seconds")]
    line("first embedding, s", firsts, lambda value: f"{value:.3f}")
    first = [of("faceclique first", "ready"), of("faceclique first", "idle"), of("faceclique 1", "stored")]
    print(f"server ready after {first[0]:.3f} s, idle {first[1] / 2**20:.0f} MiB, photos stored in {first[2]:.2f} s")
    for name in ("alone 1", "onnxruntime 1"):
        stages = {stage: statistics.median(run["stages"][stage] for run in runs[name]) for stage in runs[name][0]["stages"]}
        shown = ", ".join(f"{stage} {took * 1e3:.1f}" for stage, took in stages.items())
        print(f"{name:24} ms a photo: {shown}")
    counts = {name: {run["embeddings"] for run in runs[f"{name} 1"]} for name in who}
    print("embeddings", ", ".join(f"{name} {sorted(count)}" for name, count in counts.items()), flush=True)


def rows(pack, runs, n):
    """A row of figures for each contender: the median, and in the note all rounds."""
    for who, those in runs.items():
        peaks = [run["peak"] for run in those if "peak" in run] or [run["idle"] for run in those if "idle" in run]
        note = [f"{figure} {run[figure]:.3f}" for run in those for figure in ("seconds", "cpu") if figure in run]
        stages = those[-1].get("stages", {})
        note += [f"{stage} {took * 1e3:.1f} ms" for stage, took in stages.items()]
        note += [those[0]["version"]] if "version" in those[0] else []
        seconds = statistics.median(run["seconds"] for run in those)
        n_photos = 1 if who.endswith("first") else n
        yield row(f"{pack} {who}", n_photos, PACKS[pack], seconds, max(peaks, default=None), "; ".join(note))


def main():
    parser = arguments(__doc__)
    parser.add_argument("program", type=pathlib.Path, help="the release build of faceclique")
    parser.add_argument("python", help="an interpreter with onnxruntime and OpenCV")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--packs", type=names, default=list(PACKS))
    parser.add_argument("--photos", type=int, default=240, help="how many")
    options = parser.parse_args()
    files = sorted((DATA / "photos").glob("*/*.jpg"))[: options.photos]
    if not files:
        sys.exit("no benchmark: the photos are not there; they are expected in ../shared/data")
    photos = {}
    for file in files:
        photos.setdefault(file.parent.name, []).append(file)
    print_head()
    alone, figures = alone_program(), []
    print(f"photos    {len(files)} of {len(photos)} people; {options.rounds} rounds, the median of each")
    print(f"load      {os.getloadavg()[0]:.1f} processes at the start")
    for pack in options.packs:
        with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
            runs = measure(options, alone, pack, photos, folder)
        print_table(pack, runs, len(files))
        figures += rows(pack, runs, len(files))
    print(f"with      {runs['onnxruntime 1'][0]['version']}; load {os.getloadavg()[0]:.1f} processes at the end")
    if not options.no_record:
        record("photos", figures)


if __name__ == "__main__":
    main()
