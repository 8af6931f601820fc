"""A thousand clients that poll QueueInfo over connections that they keep, while a job runs.

usage: load.py FACECLIQUE [--size 50000] [--connections 1000] [--rounds 2] [--no-record]

The job is a FaceClustering of invented faces at cosine 0.35 with the 5 best matches of each image. It runs alone, with
every client polling once a second, and with every client polling again as soon as it is answered; in turn, as many
times as there are rounds, and the fastest of each counts. The clients run on the same machine, on one thread.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from report import ROOT, arguments, faces, memory, print_head, record, row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from main_job import Server, token  # noqa: E402

JOB = {"database": "people", "clusterthreshold": "67.5", "outputthreshold": "67.5", "maxresults": 5, "search": "exact"}
WAYS = {"alone": None, "polled once a second": 1000, "polled without pause": 0}
LIMIT = 600


def client():
    """The program of the clients."""
    command = [os.environ.get("CARGO", "cargo"), "bench", "--bench", "load", "--no-run", "--message-format=short"]
    messages = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    return ROOT / re.search(r"Executable .*?load\.rs \((.*?)\)", messages).group(1)


def run(server, program, connections, period):
    """One job; its seconds by the server's clock, and what the clients saw."""
    job = token(server.ask("FaceClustering", **JOB))
    begun = time.perf_counter()
    target = f"/action=QueueInfo&queuename=FaceClustering&queueaction=getstatus&resultmaxclusters=0&token={job}"
    if period is None:
        while "<status>Finished" not in server.ask("QueueInfo", queuename="FaceClustering", queueaction="progress", token=job):
            time.sleep(0.02)
        return time.perf_counter() - begun, {}
    command = [program, server.address, target, connections, period, LIMIT]
    line = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    words = line.split()
    seen = dict(zip(words[::2], words[1::2], strict=True))
    if seen["ended"] != "yes":
        sys.exit(f"the job did not end: {line}")
    return float(seen["seconds"]), seen


def main():
    parser = arguments(__doc__)
    parser.add_argument("faceclique", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=50_000)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    print_head()
    file, program = faces(options.size, 512), client()
    best, seen = {}, {}
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        config = pathlib.Path(folder) / "faceclique.toml"
        # every job compares all pairs; otherwise the second one would know those of the first
        config.write_text(
            f'[server]\nmax_connections = {options.connections + 50}\n[jobs]\nkeep_pairs = false\n[paths]\n'
            f'data = "{folder}/data"\nallowed_input_directories = ["{file.parent}"]\n',
            encoding="utf-8",
        )
        with Server(options.faceclique, pathlib.Path(folder) / "data", config=config) as server:
            job = token(server.ask("ImportFaceDatabase", database="people", dbpath=str(file)))
            server.finished("ImportFaceDatabase", job)
            for _ in range(options.rounds):
                for way, period in WAYS.items():
                    seconds, clients = run(server, program, options.connections, period)
                    if seconds < best.get(way, float("inf")):
                        best[way], seen[way] = seconds, clients
            peak = memory(server.process.pid, "VmHWM")
    rows = []
    for way, seconds in best.items():
        clients = seen[way]
        shown = ", ".join(f"{name} {clients[name]}" for name in ("requests", "rate", "p50", "p99", "max", "lost") if clients)
        print(f"{way:22} job {seconds:7.2f} s ({seconds / best['alone']:.2f} of alone)  {shown}")
        rows.append(row(f"job {way} by {options.connections}" if clients else "job alone", options.size, 512, seconds, peak, shown))
    print(f"peak of the server     {peak / 2**20:.0f} MiB (latencies are in ms)")
    if not options.no_record:
        record("load", rows)


if __name__ == "__main__":
    main()
