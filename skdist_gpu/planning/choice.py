"""Choose among the candidates that can run: the cheapest by predicted seconds, with a rule for what is as good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from skdist_gpu.engines.registry import engines
from skdist_gpu.planning.plan import Candidate

# prices that differ by less are as good as equal
TIE = 1.15
# a guess must be so many times faster than what was measured, and another place than the GPU or cluster with the data
GUESS, LEAVE = 2.0, 2.0
# seconds that gathering Dask's blocks counts beside, so that little stays lazy, and seconds for each byte
GATHER, GATHER_BYTE = 0.1, 1e-9
# seconds that rows in main memory must save on a GPU, whose memory a fit takes from others
LEAST_SAVED = 0.001
_DEVICE_OF = {"host": "cpu", "disk": "cpu", "gpu": "gpu", "dask": "dask"}


def choose(
    candidates: list[Candidate],
    location: str,
    goes_first: set[str],
    *,
    n_bytes: int = 0,
    clustered: bool = False,
    asked: str = "auto",
) -> list[Candidate]:
    """Mark the cheapest candidate as chosen, and return all: it, then those that can run by price, then the refused.

    Parameters
    ----------
    candidates : list of Candidate
        As they were judged: ``"possible"``, ``"slower"`` or ``"refused"``.
    location : {"host", "gpu", "dask", "disk"}
        Where the data are.
    goes_first : set of str
        Names of candidates that hand the data to all GPUs where that pays.
    n_bytes : int, default=0
        Bytes of the data, which another place than theirs must gather.
    clustered : bool, default=False
        Whether Dask's blocks are in the workers of a cluster, and not computed in this process anyway.
    asked : str, default="auto"
        The engine that the user asked for.
    """
    runnable = [c for c in candidates if c.verdict == "possible"] or [c for c in candidates if c.verdict == "slower"]
    if not runnable:
        return candidates
    place = _DEVICE_OF[location]

    def price(candidate: Candidate) -> float:
        gathers = place == "dask" and candidate.device != place
        move = GATHER + GATHER_BYTE * n_bytes if gathers else LEAST_SAVED * (place == "cpu" != candidate.device)
        leaves = candidate.device != place and (place == "gpu" or clustered)
        return 0.0 if candidate.name in goes_first else price_of(candidate, place, leaves) + move

    tied = [c for c in runnable if price(c) <= TIE * min(map(price, runnable))]
    # as good as equal: the one that is where the data are, then the one whose answer is the reference
    chosen = min(tied, key=lambda c: (c.device != place, not engines()[c.backend].fits_anything, price(c)))
    others = [beside(c, chosen, price) for c in candidates if c is not chosen and c.verdict != "refused"]
    others.sort(key=lambda c: (c.verdict != "possible", price(c)))
    reasons = (*chosen.reasons, *why_chosen(chosen, runnable, price, asked))
    refused = (c for c in candidates if c.verdict == "refused")
    return [replace(chosen, verdict="chosen", reasons=reasons), *others, *refused]


def why_chosen(
    chosen: Candidate, runnable: list[Candidate], price: Callable[[Candidate], float], asked: str = "auto"
) -> list[str]:
    """Say what speaks for the chosen one among those that can run, beside what it is."""
    if asked != "auto":
        return [f"backend={asked!r} was asked for"]
    if len(runnable) == 1:
        return ["nothing else can run here"]
    cheapest = min(runnable, key=price)
    if not price(chosen) or price(chosen) == float("inf"):
        return []
    if price(cheapest) < price(chosen):
        return [
            f"as fast as {cheapest.name}, within {TIE - 1:.0%}: a tie goes where the data are, then to scikit-learn"
        ]
    return [f"the shortest time predicted, of {len(runnable)} that can run here"]


def price_of(candidate: Candidate, place: str, leaves: bool) -> float:
    """Return the seconds that the choice counts beside those to move the data; infinite for what nobody measured.

    A guess counts twice, unless it is of the engine that fits anything, and so does what `leaves` the GPU, to which the
    results of later calls come back, or the workers of a cluster. They stay where they are if nobody knows how long a
    fit there takes.
    """
    if candidate.seconds is None:
        return 0.0 if candidate.device == place == "dask" else float("inf")
    unsure = candidate.guess and not engines()[candidate.backend].fits_anything
    return candidate.seconds * (GUESS if unsure else 1.0) * (LEAVE if leaves else 1.0)


def beside(candidate: Candidate, chosen: Candidate, price: Callable[[Candidate], float]) -> Candidate:
    """Return a candidate that can run, with its time beside that of the chosen one."""
    if candidate.verdict != "possible" or candidate.seconds is None or not chosen.seconds:
        return candidate
    unsure = ", a guess from the rates of other estimators" if candidate.guess else ""
    ratio = candidate.seconds / chosen.seconds
    verdict = "slower" if price(candidate) > TIE * price(chosen) else "possible"
    moved = ", but the data would have to be moved first" if verdict == "slower" and ratio < 1 and not unsure else ""
    reason = f"{_times(ratio)} × the chosen engine's time{unsure}{moved}"
    return replace(candidate, verdict=verdict, reasons=(reason,))


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"
