"""Options that many commands have."""

from typing import Annotated

import typer

Topology = Annotated[
    str, typer.Option("--topology", "-t", envvar="TOPOLOGY", help="name in compose/, or file; default: the one up")
]
Name = Annotated[
    str, typer.Argument(envvar="TOPOLOGY", help="name in compose/, or file; default: the one up", show_default=False)
]
Project = Annotated[str, typer.Option("--project", "-p", envvar="PROJECT", help="default: macula-NAME")]
EngineName = Annotated[
    str, typer.Option("--engine", envvar="LAB_ENGINE", help="docker or netns; default: docker if there is one")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, progress on stderr")]
