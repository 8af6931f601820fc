"""Clients that submit durable jobs as fast as they are accepted, beside the disk's own rate of syncs.

usage: submit.py FACECLIQUE [--clients 1,16,256] [--seconds 8] [--kills 5] [--no-record]

The jobs are FaceClusterings in a queue that is paused, so that only their acceptance is measured: a token leaves when its
job is synced. Before and after each number of clients the disk is measured alone: 4 KiB are appended and
`fdatasync`ed again and again by one thread, on the same file system, and then the same 4 KiB are replaced, which needs no
new length of the file to be written (the store grows its log in steps). At the end the server is killed with SIGKILL and a
new one is asked whether every job that was acknowledged is there; then that is done again some times in the middle of
submissions, at moments that are drawn.
"""

import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

from report import FOLDER, ROOT, arguments, memory, numbers, print_head, record, row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from main_job import Server  # noqa: E402

TARGET = "/action=FaceClustering&database=people"


def client():
    """The program of the clients."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = FOLDER / "submit"
    source = ROOT / "tests" / "bench" / "submit.rs"
    subprocess.run(["rustc", "--edition", "2024", "-O", "-A", "unknown_lints", source, "-o", program], check=True)
    return program


def syncs(folder, seconds=1.5):
    """How many times a second the disk syncs 4 KiB that are appended, and 4 KiB that replace others."""
    path, rates = pathlib.Path(folder) / "syncs", []
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    for step in (4096, 0):
        n, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            os.pwrite(file, b"x" * 4096, n * step)
            os.fdatasync(file)
            n += 1
        rates.append(n / (time.perf_counter() - begun))
    os.close(file)
    path.unlink()
    return rates


def pending(server):
    """How many jobs of the queue wait."""
    found = re.search(r"<name>FaceClustering</name>.*?<pending>(\d+)</pending>", server.ask("GetStatus"), re.DOTALL)
    return int(found.group(1))


def submitted(program, server, clients, seconds):
    """The clients at work."""
    command = [program, server.address, TARGET, clients, seconds]
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)


def seen(process):
    """What the clients saw, by name."""
    words = process.communicate()[0].split()
    return dict(zip(words[::2], words[1::2], strict=True))


def killed(options, program, data, config, total):
    """Kills servers in the middle of submissions; every job that was acknowledged must be there. `total` there are before."""
    for _ in range(options.kills):
        with Server(options.faceclique, data, config=config) as server:
            clients = submitted(program, server, 64, 3)
            time.sleep(random.uniform(0.5, 2.5))
            server.process.kill()
            n = int(seen(clients)["accepted"])
        with Server(options.faceclique, data, config=config) as server:
            there = pending(server)
        # those in flight at the kill may be there too, unacknowledged
        print(f"killed    {n} acknowledged, there {there - total}", flush=True)
        if there < total + n:
            sys.exit(f"{total + n - there} acknowledged jobs are lost")
        total = there


def main():
    parser = arguments(__doc__)
    parser.add_argument("faceclique", type=pathlib.Path)
    parser.add_argument("--clients", type=numbers, default=[1, 16, 256])
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    print_head()
    program, rows, total = client(), [], 0
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        data, config = pathlib.Path(folder) / "data", pathlib.Path(folder) / "faceclique.toml"
        config.write_text("[jobs]\nmax_queue_size = 1000000\n", encoding="utf-8")
        with Server(options.faceclique, data, log_level="warn,faceclique::cli=info", config=config) as server:
            server.ask("CreateFaceDatabase", database="people")
            server.ask("QueueInfo", queuename="FaceClustering", queueaction="pause")
            for clients in options.clients:
                before = syncs(folder)
                saw = seen(submitted(program, server, clients, options.seconds))
                append, replace = map(statistics.mean, zip(before, syncs(folder), strict=True))
                total += int(saw["accepted"])
                shown = f"{saw['rate']} accepted, p50 {saw['p50']}, p99 {saw['p99']}, max {saw['max']} ms, lost {saw['lost']}, disk alone {append:.0f} appends/s, {replace:.0f} replaced/s"
                print(f"{clients:4} clients  {shown}", flush=True)
                rows.append(
                    row(f"submit {clients} clients", int(saw["accepted"]), 0, float(saw["seconds"]), memory(server.process.pid, "VmHWM"), shown)
                )
            server.process.kill()
        with Server(options.faceclique, data, config=config) as server:
            n = pending(server)
        print(f"acknowledged {total}, there after SIGKILL {n}")
        if n < total:
            sys.exit(f"{total - n} acknowledged jobs are lost")
        killed(options, program, data, config, n)
    if not options.no_record:
        record("submit", rows)


if __name__ == "__main__":
    main()
