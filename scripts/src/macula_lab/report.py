"""Progress for people: a spinner with the newest line on a terminal, plain lines elsewhere, both on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Reporter:
    """Says what is being done and how long it took. Results go to stdout and are not its business."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(escape(text))

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """A step that takes time; gives a function for lines of detail, of which a terminal shows the newest."""
        start = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(escape(title)) as status:
                width = max(20, self.console.width - len(title) - 8)

                def detail(line: str) -> None:
                    status.update(f"{escape(title)} [dim]{escape(line.strip()[:width])}[/dim]")

                yield detail
        else:
            self.console.print(f"{escape(title)} ...")
            yield lambda _line: None
        self.console.print(f"[green]ok[/green] {escape(title)} ({time.monotonic() - start:.1f} s)")
