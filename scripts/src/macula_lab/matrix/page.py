"""The matrix as one page that loads nothing from anywhere. No I/O."""

from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader

from macula_lab.matrix.run import Matrix


def render(matrix: Matrix) -> str:
    """The page: the matrix at a glance, and each pair in numbers."""
    environment = Environment(
        loader=PackageLoader("macula_lab.matrix"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    when = datetime.fromtimestamp(matrix.time, UTC).strftime("%Y-%m-%d %H:%M")
    return environment.get_template("matrix.html").render(matrix=matrix, when=when)
