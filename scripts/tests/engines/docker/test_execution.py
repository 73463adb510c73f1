import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest
from docker.api import APIClient

from macula_lab.engines.contract import Finished
from macula_lab.engines.docker.execution import lines, run

WRITTEN = [(2, b"some"), (1, b"71\none\ntw"), (2, b"thing"), (1, b"o\nthree")]
"""What a command writes, as frames: on stdout its process id first, as the lab's commands tell it."""


class EngineStub(BaseHTTPRequestHandler):
    """As much of Docker's API as running a command needs; headers and output leave in one packet."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/start"):
            frames = b"".join(struct.pack(">BxxxL", kind, len(data)) + data for kind, data in WRITTEN)
            self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + frames)
            self.close_connection = True
        else:
            self._answer({"Id": "e1"})

    def do_GET(self) -> None:
        self._answer({"Running": False, "ExitCode": 7})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing is logged."""

    def _answer(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[APIClient]:
    path = tmp_path / "engine.sock"
    with ThreadingUnixStreamServer(str(path), EngineStub) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = APIClient(f"unix://{path}", version="1.41")
        yield client
        client.close()
        server.shutdown()
        thread.join()


def test_output_that_comes_with_the_headers_of_the_response_is_not_lost(api: APIClient) -> None:
    assert run(api, "c1", ["true"], 5.0) == Finished(7, "one\ntwo\nthree", "something")


def test_lines_come_whole_and_with_how_the_command_ended(api: APIClient) -> None:
    following = lines(api, "c1", ["true"])

    assert [next(following) for _ in range(3)] == ["one", "two", "three"]
    with pytest.raises(StopIteration) as ended:
        next(following)
    assert ended.value.value == Finished(7, "", "something")
