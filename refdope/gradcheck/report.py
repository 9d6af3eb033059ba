"""What a gradient check found, worst array first: to print, to see in a notebook, to draw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from refdope.checks.causes import Diagnosis, Wrong, place
from refdope.checks.compared import Compared
from refdope.checks.oracles import Loss
from refdope.checks.relations import of_array
from refdope.checks.tree import Array


@dataclass(frozen=True)
class ArrayReport:
    """One array's gradient.

    Attributes
    ----------
    name : str
    ok : bool
    error : float
        max |a - n| / max |n|; along directions, |(a - n)·v| / ‖a‖.
    errors : dict
        The same by oracle, "complex step" and "stencil"; kinks left out.
    index : tuple of int
        Of the worst entry; empty where none was looked at.
    analytic, numeric : float
        That entry's derivative as given, and as it should be.
    bad, looked, size : int
        Entries that are wrong, that were looked at, that there are.
    where : str
        Blocks, rows or columns of the wrong ones.
    diagnosis : Diagnosis or None
    compared : Compared or None
        The arrays themselves.
    """

    name: str
    shape: tuple[int, ...]
    ok: bool
    error: float
    errors: Mapping[str, float] = field(default_factory=dict)
    index: tuple[int, ...] = ()
    analytic: float = np.nan
    numeric: float = np.nan
    bad: int = 0
    looked: int = 0
    where: str = ""
    diagnosis: Diagnosis | None = None
    compared: Compared | None = None
    blocks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many entries there are."""
        return int(np.prod(self.shape))

    @property
    def how_many(self) -> str:
        """How many entries are wrong, of how many that were looked at."""
        if not self.looked:
            return "along directions" if self.errors else "not compared"
        return f"{self.bad} of {self.looked} entries" + (
            f" sampled from {self.size}" if self.looked < self.size else ""
        )

    @property
    def entry(self) -> str:
        """The worst entry, in one line."""
        at = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        block = [name for name, index in self.blocks.items() if self.index and _within(self.shape, index, self.index)]
        inside = f" ({', '.join(block)})" if block else ""
        return f"{self.name}{at}{inside} is {self.analytic:+.6e}, should be {self.numeric:+.6e}"

    def __str__(self) -> str:
        head = f"{'ok   ' if self.ok else 'WRONG'} {self.name:<20} {self.shape!s:<12}"
        if self.ok:
            return f"{head} {'  '.join(f'{oracle} {error:.1e}' for oracle, error in sorted(self.errors.items()))}"
        error = f"error {self.error:.1e}, " if self.looked or self.errors else ""
        lines = [f"{head} {error}{self.how_many}{f', {self.where}' if self.where else ''}"]
        if self.looked:
            lines.append(f"      worst: {self.entry}")
        if self.diagnosis:
            lines.append(f"      {self.diagnosis}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """What `gradcheck` found. `print(report)` to read it; a notebook shows it as a table; `figure()` draws it.

    Attributes
    ----------
    arrays : list of ArrayReport
        Worst first.
    findings : list of Diagnosis
        What concerns the calls and not the numbers: changed inputs, a wrong shape, results that differ.
    diagnosis : Diagnosis or None
        What the error most likely is; None if there is none.
    remarks : list of str
        What limits the verdict: kinks, code that is not analytic, what a test along directions may miss.
    cases : dict
        The reports of the other sizes.
    """

    arrays: list[ArrayReport]
    findings: list[Diagnosis] = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    remarks: list[str] = field(default_factory=list)
    cases: dict[str, "Report"] = field(default_factory=dict)
    value: float = np.nan
    seconds: float = 0.0
    loss: Loss | None = None
    params: Any = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, here and in all cases."""
        return not self.findings and all(a.ok for a in self.arrays) and all(c.ok for c in self.cases.values())

    @property
    def worst(self) -> ArrayReport:
        """The array that is furthest from right.

        Raises
        ------
        ValueError
            If there is none: the loss itself cannot be differentiated.
        """
        if not self.arrays:
            raise ValueError(f"report.worst: no array was compared: {self.diagnosis}")
        return self.arrays[0]

    @property
    def wrong(self) -> list[str]:
        """The names of the arrays that are wrong."""
        return [array.name for array in self.arrays if not array.ok]

    @property
    def head(self) -> str:
        """The verdict in one line."""
        count = len(self.arrays)
        verdict = f"{len(self.wrong)} of {count} arrays WRONG" if self.wrong else f"{count} arrays, all right"
        if not self.wrong and not self.ok:
            verdict = f"{count} arrays right at this point, but WRONG all the same"
        asked = sorted({oracle for array in self.arrays for oracle in array.errors})
        by = " and ".join(asked) or "no oracle asked"
        return f"gradcheck: {verdict}; loss {self.value:.6g}; {by}; {self.seconds:.2g} s"

    def __str__(self) -> str:
        lines = [self.head]
        if self.diagnosis:
            lines += [f"most likely: [{', else '.join(self.diagnosis.causes)}] {self.diagnosis.text}"]
            lines += [f"      seen by: {self.diagnosis.evidence}"] if self.diagnosis.evidence else []
        lines += [f"also: [{found.cause}] {found}" for found in self.findings if found is not self.diagnosis]
        lines += map(str, self.arrays)
        lines += [
            f"ok    at {label}" if case.ok else f"WRONG at {label}: {', '.join(case.wrong) or case.diagnosis}"
            for label, case in self.cases.items()
        ]
        return "\n".join([*lines, *(f"note: {remark}" for remark in self.remarks)])

    def __repr__(self) -> str:
        return f"<{self.head}>"  # the fields hold all parameters

    def _repr_html_(self) -> str:
        """Return the report as a table, for a notebook."""
        rows = [
            "<tr style='background:{}'>{}</tr>".format(
                "transparent" if a.ok else "rgba(213, 94, 0, 0.15)",
                "".join(
                    f"<td style='text-align:left'>{escape(text)}</td>"
                    for text in (
                        "ok" if a.ok else "WRONG",
                        a.name,
                        str(a.shape),
                        f"{a.error:.1e}",
                        a.how_many + (f", {a.where}" if a.where else "") if not a.ok else "",
                        a.entry if a.looked and not a.ok else "",
                        str(a.diagnosis or ""),
                    )
                ),
            )
            for a in self.arrays
        ]
        names = ("", "array", "shape", "error", "wrong", "worst entry", "what it looks like")
        header = "".join(f"<th style='text-align:left'>{name}</th>" for name in names)
        said = [f"<b>{escape(self.head)}</b>"]
        if self.diagnosis:
            said.append(
                f"most likely: <b>{escape(self.diagnosis.text)}</b><br>seen by: {escape(self.diagnosis.evidence)}"
            )
        said += [f"also: {escape(str(found))}" for found in self.findings if found is not self.diagnosis]
        said += [f"{'ok' if case.ok else '<b>WRONG</b>'} at {escape(label)}" for label, case in self.cases.items()]
        notes = [f"note: {escape(remark)}" for remark in self.remarks]
        return (
            f"<p>{'<br>'.join(said)}</p><table><thead><tr>{header}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            f"<p>{'<br>'.join(notes)}</p>"
        )

    def figure(self, name: str | None = None) -> Any:
        """Draw the error over an array as a heat map, and the V-curve of its worst entry.

        Parameters
        ----------
        name : str, optional
            Of the array; the worst one by default.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If there is no such array, or none of its entries were looked at.
        """
        from refdope.checks.picture import figure

        return figure(self, name)


def array_report(name: str, compared: Compared, blocks: Mapping[str, Any], why: Wrong | None) -> ArrayReport:
    """Sum up how an array compares, and what it is that is wrong with it."""
    wrong = compared.wrong
    looked = int(compared.looked.sum())
    index = compared.worst if looked else ()
    return ArrayReport(
        name,
        compared.a.shape,
        why is None,
        compared.error,
        compared.errors,
        index,
        float(compared.a[index]) if looked else np.nan,
        float(compared.n[index]) if looked else np.nan,
        int(wrong.sum()),
        looked,
        place(wrong, compared.looked, blocks) if why else "",
        of_array(why) if why else None,
        compared,
        blocks,
    )


def _within(shape: tuple[int, ...], block: Any, index: tuple[int, ...]) -> bool:
    inside: Array = np.zeros(shape, bool)
    inside[block] = True
    return bool(inside[index])
