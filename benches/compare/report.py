"""What was measured, set against its target, and printed."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class AtLeast:
    """A target that is reached from below."""

    limit: float

    def __str__(self):
        return f"at least {self.limit:g}"

    def is_met_by(self, value):
        return value >= self.limit


@dataclass(frozen=True)
class AtMost:
    """A target that is reached from above."""

    limit: float

    def __str__(self):
        return f"at most {self.limit:g}"

    def is_met_by(self, value):
        return value <= self.limit


@dataclass(frozen=True)
class Row:
    what: str
    value: float
    unit: str
    target: AtLeast | AtMost | None
    note: str

    @property
    def is_missed(self):
        return self.target is not None and not self.target.is_met_by(self.value)


class Report:
    """Collects rows as they are measured."""

    def __init__(self):
        self._rows = []

    def add(self, what, value, unit, target=None, note=""):
        """A median or another figure that stands for a measurement, in `unit`."""
        row = Row(what, value, unit, target, note)
        self._rows.append(row)
        self.progress(" | ".join(cell for cell in cells(row) if cell))

    def progress(self, text):
        """Tells whoever waits; the table comes at the end."""
        print(text, file=sys.stderr, flush=True)

    def print_table(self):
        """As Markdown, to be read as it is or put into a document."""
        heads = ("measured", "value", "target", "", "in figures")
        print(f"| {' | '.join(heads)} |")
        print("|---|---:|---|---|---|")
        for row in self._rows:
            print(f"| {' | '.join(cells(row))} |")

    def tell_missed(self):
        """Names the targets that were missed, and returns how many there were."""
        missed = [row for row in self._rows if row.is_missed]
        for row in missed:
            print(f"missed: {row.what}: {shown(row)}, not {row.target}", file=sys.stderr)
        return len(missed)


def cells(row):
    verdict = "" if row.target is None else "missed" if row.is_missed else "met"
    return row.what, shown(row), str(row.target or ""), verdict, row.note


def shown(row):
    digits = f"{row.value:,.0f}" if abs(row.value) >= 100 else f"{row.value:.3g}"
    return f"{digits} {row.unit}".strip()
