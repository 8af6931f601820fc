"""The main job as a client does it: import a file of faces, cluster it, poll QueueInfo, print its answer.

usage: main_job.py FACECLIQUE FILE [THRESHOLD]

Starts the server on a free loopback port with a data directory that is thrown away. Standard library only.
"""

import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
import uuid
import xml.dom.minidom


class Server:
    """A running server; leaving the context stops it in order."""

    def __init__(self, program, data, log_level="info", config=None):
        command = [program, "serve", "--data", data, "--listen", "127.0.0.1:0", "--service-listen", "127.0.0.1:0", "--log", log_level]
        command += ["--config", config] if config else []
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"address=(127\.0\.0\.1:\d+)", line)
            if found:
                self.address = found.group(1)
                # read on, or the log would fill the pipe and stop the server
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return
        sys.exit(f"the server did not start: exit code {self.process.wait()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ask(self, action, body=None, content_type=None, **parameters):
        """The answer to an action, as text."""
        query = urllib.parse.urlencode({"action": action, **parameters})
        request = urllib.request.Request(f"http://{self.address}/?{query}", data=body)
        if content_type:
            request.add_header("Content-Type", content_type)
        with urllib.request.urlopen(request) as response:
            answer = response.read().decode()
        if "<response>SUCCESS</response>" not in answer:
            sys.exit(f"{action}: {answer}")
        return answer

    def upload(self, path, **parameters):
        """The token of an import of this file."""
        boundary = uuid.uuid4().hex
        with open(path, "rb") as file:
            content = file.read()
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="dbdata"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        answer = self.ask("ImportFaceDatabase", body, f"multipart/form-data; boundary={boundary}", **parameters)
        return token(answer)

    def finished(self, queue, job):
        """QueueInfo's answer for a job, once it has ended."""
        while True:
            # only the status while it runs: a long result is asked for once, at the end
            status = self.ask("QueueInfo", queuename=queue, queueaction="getstatus", token=job, resultmaxclusters=0)
            if not re.search("<status>(Queued|Processing)</status>", status):
                return self.ask("QueueInfo", queuename=queue, queueaction="getstatus", token=job)
            time.sleep(0.02)


def token(answer):
    """The token in an answer."""
    return re.search("<token>(.*?)</token>", answer).group(1)


def main():
    program, path, *threshold = sys.argv[1:]
    parameters = {"database": "people"}
    with tempfile.TemporaryDirectory() as data, Server(program, data) as server:
        job = server.upload(path, **parameters)
        print(f"ImportFaceDatabase  token {job}")
        server.finished("ImportFaceDatabase", job)
        if threshold:
            parameters["clusterthreshold"] = threshold[0]
        job = token(server.ask("FaceClustering", **parameters))
        print(f"FaceClustering      token {job}")
        answer = server.finished("FaceClustering", job)
    print(xml.dom.minidom.parseString(answer).toprettyxml(indent="  "))


if __name__ == "__main__":
    main()
