"""Why an engine is refused: a sentence for people, and the cause that it shares with the refusals of others."""

from __future__ import annotations

# causes that refusals share although their sentences differ
LACKS_HARDWARE, LACKS_PACKAGE, ANOTHER_WAS_ASKED_FOR = "hardware", "package", "another"


class Reason(str):
    """A sentence that says why an engine is refused.

    Parameters
    ----------
    text : str
        The sentence.
    cause : str
        What it has in common with those that stand in one line with it; a plain string has nothing in common with any
        other.
    part : str, default=""
        What it adds to that line.

    Examples
    --------
    >>> reason = Reason("needs a GPU; none is seen", LACKS_HARDWARE, part="a GPU")
    >>> reason, reason.cause, reason.part
    ('needs a GPU; none is seen', 'hardware', 'a GPU')
    """

    cause: str
    part: str

    def __new__(cls, text: str, cause: str = "", part: str = "") -> Reason:
        reason = super().__new__(cls, text)
        reason.cause, reason.part = cause, part
        return reason


def cause_of(reason: str) -> str:
    """Return the cause of a refusal; the sentence itself where that says it all.

    Examples
    --------
    >>> cause_of(Reason("needs a GPU", LACKS_HARDWARE)), cause_of("sparse X is not supported")
    ('hardware', 'sparse X is not supported')
    """
    return reason.cause if isinstance(reason, Reason) and reason.cause else reason
