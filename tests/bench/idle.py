"""A server that has nothing to do: memory, threads, wake-ups; and how soon it answers after a start.

usage: idle.py FACECLIQUE [--faces 100000] [--dimension 128] [--jobs 10000] [--seconds 60] [--rounds 3] [--no-record]

The data are made by the server itself: an import of invented faces, and as many clusterings of a small database as there
shall be finished jobs, in a folder in memory if there is one (where a sync costs nothing), copied to the disk then.
A start is timed from the creation of the process to the first answer on its port, after a stop in order and after
SIGKILL. A wake-up is a context switch of any thread of the process, voluntary or not.
"""

import collections
import concurrent.futures
import http.client
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from report import ROOT, arguments, faces, memory, print_head, record, row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from main_job import Server  # noqa: E402

JOB = "/action=FaceClustering&database=small"
N_CLIENTS = 16


def make(program, folder, config, options):
    """A data directory with these faces and finished jobs."""
    file = faces(options.faces, options.dimension)
    config.write_text(
        f'[jobs]\nmax_queue_size = 100000\nmax_ended_jobs = 100000\n[paths]\nallowed_input_directories = ["{file.parent}"]\n',
        encoding="utf-8",
    )
    with Server(program, folder / "data", config=config) as server:
        job = server.ask("ImportFaceDatabase", database="people", dbpath=str(file))
        server.finished("ImportFaceDatabase", job.partition("<token>")[2].partition("<")[0])
        server.ask("CreateFaceDatabase", database="small")

        def submit(n):
            connection = http.client.HTTPConnection(server.address)
            for _ in range(n):
                connection.request("GET", JOB)
                if b"<token>" not in connection.getresponse().read():
                    sys.exit("a job was refused")

        shares = [options.jobs // N_CLIENTS + (at < options.jobs % N_CLIENTS) for at in range(N_CLIENTS)]
        with concurrent.futures.ThreadPoolExecutor(N_CLIENTS) as pool:
            list(pool.map(submit, shares))
        while f"<completed>{options.jobs}</completed>" not in server.ask("GetStatus"):
            time.sleep(0.5)


def wakes(process):
    """Context switches of each thread so far, by its name and number."""
    counts = {}
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        try:
            lines = (task / "status").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            continue
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        counts[fields["Name"], task.name] = int(fields["voluntary_ctxt_switches"]) + int(fields["nonvoluntary_ctxt_switches"])
    return counts


def start(program, data, config):
    """A started server, its port, and the seconds until its first answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "serve", "--data", data, "--config", config, "--listen", f"127.0.0.1:{port}", "--service-listen", "off", "--log", "warn"]
    begun = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command])
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/action=GetStatus")
            if connection.getresponse().status == 200:
                return process, time.perf_counter() - begun
        except ConnectionRefusedError:
            if process.poll() is not None:
                sys.exit(f"the server did not start: exit code {process.returncode}")
            time.sleep(0.001)
        finally:
            connection.close()


def idle(process, seconds):
    """Memory, threads, and wake-ups a second with those who wake most."""
    time.sleep(10)  # what a start leaves to be done is done
    before, begun = wakes(process.pid), time.perf_counter()
    time.sleep(seconds)
    after, took = wakes(process.pid), time.perf_counter() - begun
    by_name = collections.Counter()
    for thread, n in after.items():
        by_name[thread[0].rstrip("0123456789").rstrip("-")] += n - before.get(thread, 0)
    most = ", ".join(f"{name} {n / took:.2f}" for name, n in by_name.most_common(4) if n)
    return memory(process.pid, "VmRSS"), len(after), sum(by_name.values()) / took, most


def main():
    parser = arguments(__doc__)
    parser.add_argument("faceclique", type=pathlib.Path)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print_head()
    quick = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    rows, what = [], f"{options.faces} faces, {options.jobs} finished jobs"
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        folder = pathlib.Path(folder)
        config, data = folder / "faceclique.toml", folder / "data"
        with tempfile.TemporaryDirectory(dir=quick or folder) as made:
            begun = time.perf_counter()
            make(options.faceclique, pathlib.Path(made), config, options)
            print(f"made      {what} in {time.perf_counter() - begun:.0f} s", flush=True)
            shutil.copytree(pathlib.Path(made) / "data", data)
        os.sync()

        def note(what, seconds, peak, text):
            print(f"{what:32} {seconds:.3f} s  {peak / 2**20:.0f} MiB  {text}", flush=True)
            rows.append(row(what, options.faces, options.dimension, seconds, peak, text))

        for way, end in {"start after a stop in order": "terminate", "start after SIGKILL": "kill"}.items():
            times = []
            for _ in range(options.rounds + 1):
                process, seconds = start(options.faceclique, data, config)
                times.append(seconds)
                peak = memory(process.pid, "VmRSS")
                getattr(process, end)()
                process.wait()
            times = times[1:]  # the first followed the other way
            note(way, statistics.median(times), peak, f"{options.jobs} finished jobs; slowest {max(times):.3f} s")
        for state, where in {"idle": data, "idle, empty": folder / "empty"}.items():
            process, seconds = start(options.faceclique, where, config)
            resident, threads, per_second, most = idle(process, options.seconds)
            process.terminate()
            process.wait()
            note(state, seconds, resident, f"{threads} threads, {per_second:.2f} wake-ups/s ({most})")
    if not options.no_record:
        record("idle", rows)


if __name__ == "__main__":
    main()
