"""Single nodes in containers of their own, for the cases that are about one node's settings and files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from docker.models.containers import Container
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from asking import eventually
from macula_lab.composefile.plan import NODE_IMAGE


@dataclass
class Standalone:
    """A node that belongs to no topology."""

    container: Container

    def log(self) -> str:
        """What it has written so far."""
        return self.container.logs().decode()

    def exit_code(self) -> int:
        """The exit code of a node that ends."""

        def state() -> dict[str, Any]:
            self.container.reload()
            return self.container.attrs["State"] if self.container.status == "exited" else {}

        return int(eventually("it has ended", state)["ExitCode"])

    def stop(self) -> None:
        """Stop it gracefully."""
        self.container.stop(timeout=10)

    def restart(self) -> None:
        """Stop it gracefully and start it again, with its files and its address."""
        self.container.restart(timeout=10)

    def run(self, *argv: str) -> str:
        """The output of a command in it, which must succeed."""
        code, output = self._execute(*argv)
        assert code == 0, output
        return output

    def status(self, peers: int) -> dict[str, Any]:
        """`macula status`, once the node is ready and connected to that many others."""

        def ask() -> dict[str, Any]:
            code, output = self._execute("macula", "status", "--json")
            status: dict[str, Any] = json.loads(output) if code == 0 else {}
            return status if status and status["ready"] and len(status["peers"]) == peers else {}

        return eventually(f"it is ready and has {peers} peers", ask)

    def _execute(self, *argv: str) -> tuple[int, str]:
        code, output = cast("tuple[int, bytes]", self.container.exec_run(list(argv)))
        return code, output.decode()


@contextmanager
def standalone(
    environment: Mapping[str, str],
    *,
    command: Sequence[str] = (),
    network: Network | str | None = None,
    alias: str = "",
) -> Iterator[Standalone]:
    """A container of the node's image for as long as the block; what it wrote is shown when a test fails in it.

    `network` is one that was made for the test, in which others find the node by its `alias`, or a topology's, by name.
    """
    made = DockerContainer(NODE_IMAGE, env=dict(environment), init=True, cap_drop=["ALL"])
    if command:
        made.with_command(list(command))
    if isinstance(network, Network):
        made.with_network(network).with_network_aliases(*([alias] if alias else []))
    elif network:
        made.with_kwargs(network=network, init=True, cap_drop=["ALL"])
    with made:
        node = Standalone(made.get_wrapped_container())
        try:
            yield node
        except BaseException:
            print(node.log())
            raise
