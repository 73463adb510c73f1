"""The labels by which containers, networks and volumes of a project are found."""

from collections.abc import Mapping

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NETWORK = "com.docker.compose.network"
NUMBER = "com.docker.compose.container-number"
ONE_OFF = "com.docker.compose.oneoff"
FILES = "com.docker.compose.project.config_files"
FOLDER = "com.docker.compose.project.working_dir"
HASH = "com.docker.compose.config-hash"
"""Of the settings from which a container was made; newer ones of compose take containers without it for nobody's."""

HELPER_OF = "macula.lab.helper-of"
"""On the lab's own helpers, instead of compose's labels: compose must not take them for services. The project."""
HELPER = "macula.lab.helper"

LAB = "macula.lab"
"""On images that the lab built."""
MADE_BY = "macula.lab.made-by"
"""On our own base image: the SHA-256 of the script that made it."""


def selected(labels: Mapping[str, str]) -> dict[str, str | list[str] | bool]:
    """The engine's filter for what has all of these labels."""
    return {"label": [f"{name}={value}" for name, value in labels.items()]}
