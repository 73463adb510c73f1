"""`${VARIABLE}` in a compose file's values, as compose fills it in.

Source: Compose Specification, "Interpolation". `$$` is a dollar sign; a variable that is not set is empty.
"""

import re
from collections.abc import Callable, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")


class InterpolationError(ValueError):
    """A value that compose would refuse."""


def interpolate(text: str, environ: Mapping[str, str], used: Callable[[str], None] = lambda _name: None) -> str:
    """`text` with its variables filled in; `used` gets the name of each variable that was looked at.

    Raises InterpolationError for wrong syntax, and for `${X:?message}` where X is missing.
    """
    done: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        done.append(text[position:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            done.append("$")
            position = dollar + 2
        elif following == "{":
            end = _closing_brace(text, dollar + 2)
            done.append(_expression(text[dollar + 2 : end], environ, used))
            position = end + 1
        elif name := _NAME.match(text, dollar + 1):
            used(name[0])
            done.append(environ.get(name[0], ""))
            position = name.end()
        else:
            raise InterpolationError(f"{text!r} has a $ that begins no variable; write $$ for a dollar sign")
    return "".join([*done, text[position:]])


def _closing_brace(text: str, start: int) -> int:
    """Where the `${` whose content begins at `start` ends; those within it are skipped."""
    depth = 1
    for token in re.finditer(r"\$\{|\}", text[start:]):
        depth += 1 if token[0] == "${" else -1
        if depth == 0:
            return start + token.start()
    raise InterpolationError(f"{text!r} has a ${{ without its }}")


def _expression(content: str, environ: Mapping[str, str], used: Callable[[str], None]) -> str:
    """The value of what stands between `${` and `}`."""
    name = _NAME.match(content)
    if not name:
        raise InterpolationError(f"${{{content}}} names no variable")
    variable, rest = name[0], content[name.end() :]
    used(variable)
    if not rest:
        return environ.get(variable, "")
    operator = _OPERATOR.match(rest)
    if not operator:
        raise InterpolationError(f"${{{content}}} is none of ${{X}}, ${{X:-default}}, ${{X:?message}}, ${{X:+instead}}")
    argument = rest[operator.end() :]
    # The colon makes an empty variable count as a missing one.
    there = bool(environ.get(variable)) if operator[0].startswith(":") else variable in environ
    match operator[0][-1]:
        case "-":
            return environ[variable] if there else interpolate(argument, environ, used)
        case "+":
            return interpolate(argument, environ, used) if there else ""
        case _:
            if not there:
                raise InterpolationError(f"{variable} must be set: {interpolate(argument, environ, used)}".rstrip(": "))
            return environ[variable]
