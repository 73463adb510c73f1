"""The one error of the lab: what went wrong, what to do next, and the lines that prove it."""


class LabError(Exception):
    """Something the person at the terminal, or the test that asked, can act on.

    `cause` says what went wrong, `next_step` what to do about it, `evidence` holds the last lines of the
    program or container that failed.
    """

    def __init__(self, cause: str, next_step: str = "", evidence: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step
        self.evidence = evidence

    def __str__(self) -> str:
        parts = [self.cause]
        if self.evidence:
            parts.append("last lines:\n" + self.evidence.rstrip())
        if self.next_step:
            parts.append("next: " + self.next_step)
        return "\n".join(parts)
