"""Single nodes in containers of their own, for the cases that are about one node's settings and files."""

import json
from typing import Any

from testcontainers.core.container import DockerContainer

from asking import eventually
from macula_lab.images import NODE_IMAGE


class Standalone(DockerContainer):
    """A node that is up for as long as its block; what it wrote is shown when a test fails in it."""

    def __init__(self, command: list[str] | None = None, **environment: str) -> None:
        super().__init__(NODE_IMAGE, env=environment, init=True, cap_drop=["ALL"])
        if command:
            self.with_command(command)

    def __exit__(self, *raised: Any) -> None:
        if raised[0]:
            print(self.log())
        super().__exit__(*raised)

    def log(self) -> str:
        """What it has written so far."""
        stdout, stderr = self.get_logs()
        return (stdout + stderr).decode()

    def exit_code(self) -> int:
        """The exit code of a node that ends by itself."""
        container = self.get_wrapped_container()
        return int(container.wait(timeout=30)["StatusCode"])

    def restart(self) -> None:
        """Stop it gracefully and start it again, with its files and its address."""
        self.get_wrapped_container().restart(timeout=10)

    def run(self, *argv: str) -> str:
        """The output of a command in it that must succeed."""
        code, output = self.exec(list(argv))
        assert code == 0, output.decode()
        return output.decode()

    def status(self, peers: int) -> dict[str, Any]:
        """`macula status`, once the node is ready and connected to that many others."""

        def ask() -> dict[str, Any]:
            code, output = self.exec(["macula", "status", "--json"])
            status: dict[str, Any] = json.loads(output) if code == 0 else {}
            return status if status and status["ready"] and len(status["peers"]) == peers else {}

        return eventually(f"it is ready and has {peers} peers", ask)
