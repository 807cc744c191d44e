"""Two columns of numbers or words side by side: how many are equal, and under which tolerance.

Here: the one rule of equality, and the record of what was compared. Not here: what is compared (the area
modules) or why a difference may stand (`exceptions.toml`).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT = "exact"
SHOWN = 5
"""Differences that a report prints in full; the rest are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far two numbers may be apart: ``|a - b| <= absolute + relative * |b|``.

    Examples
    --------
    >>> str(Tolerance(relative=1e-9)), str(Tolerance(absolute=5e-4)), str(Tolerance())
    ('1e-09 relative', '0.0005 absolute', 'exact')
    """

    relative: float = 0.0
    absolute: float = 0.0

    def __str__(self) -> str:
        """The rule in words."""
        words = [
            f"{limit:g} {name}"
            for limit, name in ((self.relative, "relative"), (self.absolute, "absolute"))
            if limit
        ]
        return " + ".join(words) or EXACT

    def distance(self, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance in units of the tolerance's first number: at most that number means equal.

        A relative rule with an absolute part measures ``|a - b| / (|b| + absolute / relative)``. Missing
        equals missing; missing against a number is infinitely far.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = np.abs(ours - theirs)
            apart = np.where((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)), 0.0, apart)
            if self.relative:
                scale = np.abs(theirs) + self.absolute / self.relative
                apart = np.where(apart == 0, 0.0, apart / scale)
        return np.where(np.isnan(apart), math.inf, apart)

    @property
    def limit(self) -> float:
        """What `distance` may be at most."""
        return self.relative or self.absolute


@dataclass(frozen=True, slots=True, kw_only=True)
class Excused:
    """Differences that are expected, with their reason; another number of them is a failure.

    Attributes
    ----------
    exception : str
        Id in `exceptions.toml`.
    reason : str
        Why the two differ, and which one is followed.
    expected, found : int
        Differences stated, and differences met.
    """

    exception: str
    reason: str
    expected: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What one check compared.

    Attributes
    ----------
    check : str
        Name of the check, such as `proportions.clopper_pearson_grid`.
    compared, equal : int
        Numbers and words compared, and those that are equal.
    excused : tuple of Excused
        Named exceptions met, each with its reason.
    differences : tuple of str
        What differs without a reason: place, our value, the reference's; the first few in words.
    n_different : int
        How many differ without a reason.
    held_to : tuple of (str, float)
        Each tolerance used, in words, with the largest distance between two numbers held to it; the widest
        first. Empty when everything had to be exact.
    error : str
        Why the check could not be carried through; empty when it was.
    """

    check: str
    compared: int
    equal: int
    excused: tuple[Excused, ...] = ()
    differences: tuple[str, ...] = ()
    n_different: int = 0
    held_to: tuple[tuple[str, float], ...] = ()
    error: str = ""

    @property
    def tolerance(self) -> str:
        """The widest tolerance used."""
        return self.held_to[0][0] if self.held_to else EXACT

    @property
    def largest(self) -> float:
        """Largest distance under the widest tolerance; NaN when everything had to be exact."""
        return self.held_to[0][1] if self.held_to else math.nan

    @property
    def passed(self) -> bool:
        """Something was compared, and nothing differs but what is named, in the number stated."""
        as_stated = all(item.found == item.expected for item in self.excused)
        return not self.error and self.compared > 0 and self.n_different == 0 and as_stated


@dataclass(slots=True)
class Tally:
    """Counts comparisons while a check goes through its reference file.

    Examples
    --------
    >>> tally = Tally("example")
    >>> tally.numbers("mean", [0.1 + 0.2, 2.0], [0.3, 2.5], relative=1e-12)
    >>> found = tally.done()
    >>> found.compared, found.equal, found.differences
    (2, 1, ('mean [1]: 2.0 is not 2.5',))
    """

    check: str
    reasons: dict[str, tuple[str, int]] = field(default_factory=dict)
    compared: int = 0
    equal: int = 0
    different: int = 0
    shown: list[str] = field(default_factory=list)
    excused: dict[str, int] = field(default_factory=dict)
    farthest: dict[Tolerance, float] = field(default_factory=dict)

    def numbers(
        self,
        what: str,
        ours: ArrayLike,
        theirs: ArrayLike,
        *,
        relative: float = 0.0,
        absolute: float = 0.0,
        at: Sequence[object] | None = None,
        excuse: ArrayLike | None = None,
        exception: str = "",
    ) -> None:
        """Compare numbers in the same order; `excuse` marks those that may differ under `exception`."""
        rule = Tolerance(relative=relative, absolute=absolute)
        mine, other = _floats(ours), _floats(theirs)
        if mine.shape != other.shape:
            self._differs(what, f"{mine.size} values", f"{other.size} values")
            return
        apart = rule.distance(mine, other)
        same = apart <= rule.limit
        may_differ = np.zeros(mine.shape, bool) if excuse is None else np.asarray(excuse, bool).reshape(-1)
        if exception:
            self.excused[exception] = self.excused.get(exception, 0) + int((~same & may_differ).sum())
        self.compared += mine.size
        self.equal += int(same.sum())
        self._measure(rule, apart[same | ~may_differ])
        places: Sequence[object] = range(mine.size) if at is None else at
        for place in np.flatnonzero(~same & ~may_differ).tolist():
            self._differs(f"{what} [{places[place]}]", float(mine[place]), float(other[place]), counted=True)

    def words(
        self,
        what: str,
        ours: Iterable[object],
        theirs: Iterable[object],
        *,
        at: Sequence[object] | None = None,
    ) -> None:
        """Compare words or other values that must be the same; missing equals missing and empty."""
        mine, other = [_word(item) for item in ours], [_word(item) for item in theirs]
        if len(mine) != len(other):
            self._differs(what, f"{len(mine)} values", f"{len(other)} values")
            return
        places: Sequence[object] = range(len(mine)) if at is None else at
        self.compared += len(mine)
        for place, (one, two) in enumerate(zip(mine, other, strict=True)):
            if one == two:
                self.equal += 1
            else:
                self._differs(f"{what} [{places[place]}]", one, two, counted=True)

    def claim(self, what: str, holds: object) -> None:
        """Count one claim that is true or false."""
        self.words(what, [bool(holds)], [True])

    def done(self) -> Comparison:
        """The record of everything compared."""
        excused = []
        for name in sorted({*self.reasons, *self.excused}):
            reason, expected = self.reasons.get(name, ("no reason is stated for this exception", 0))
            excused.append(
                Excused(exception=name, reason=reason, expected=expected, found=self.excused.get(name, 0))
            )
        widest_first = sorted(self.farthest, key=lambda rule: -rule.limit)
        return Comparison(
            check=self.check,
            compared=self.compared,
            equal=self.equal,
            excused=tuple(excused),
            differences=tuple(self.shown),
            n_different=self.different,
            held_to=tuple((str(rule), self.farthest[rule]) for rule in widest_first),
        )

    def _measure(self, rule: Tolerance, apart: NDArray[np.float64]) -> None:
        """Keep the largest distance under each tolerance."""
        if rule.limit and apart.size:
            self.farthest[rule] = max(self.farthest.get(rule, 0.0), float(apart.max()))

    def _differs(self, what: str, ours: object, theirs: object, *, counted: bool = False) -> None:
        self.compared += not counted
        self.different += 1
        if len(self.shown) < SHOWN:
            self.shown.append(f"{what}: {ours!r} is not {theirs!r}")


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    """A flat array of floats; None, NA and blanks become NaN."""
    array: NDArray[Any] = np.asarray(values)
    if array.dtype == object:
        flat = [math.nan if _word(item) == "" else float(item) for item in array.reshape(-1)]
        return np.array(flat, dtype=np.float64)
    return array.astype(np.float64).reshape(-1)


def _word(value: object) -> object:
    """The value in the form in which two are compared: missing as "", whole numbers without a point."""
    # NaN, NaT and NA are not equal to themselves, or not decidably so.
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return ""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    if isinstance(value, np.generic):
        return value.item()
    return value
