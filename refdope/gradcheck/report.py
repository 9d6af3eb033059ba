"""What a gradient check found, worst array first: to print, to see in a notebook, to draw."""

from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from refdope.gradcheck.causes import Diagnosis
from refdope.gradcheck.compared import Compared
from refdope.gradcheck.problem import Loss


@dataclass(frozen=True)
class Report:
    """What `gradcheck` found. `print(report)` to read it; a notebook shows it as a table; `figure()` draws it.

    Attributes
    ----------
    arrays : list of Compared
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

    arrays: list[Compared]
    findings: list[Diagnosis] = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    remarks: list[str] = field(default_factory=list)
    cases: dict[Any, "Report"] = field(default_factory=dict)
    value: float = np.nan
    seconds: float = 0.0
    loss: Loss | None = None
    params: Any = None

    @property
    def ok(self) -> bool:
        """Whether all was compared and nothing is wrong, here and in all cases."""
        return not self.findings and all(a.ok for a in self.arrays) and all(c.ok for c in self.cases.values())

    @property
    def worst(self) -> Compared:
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
        return [row.name for row in self.arrays if row.verdict == "WRONG"]

    @property
    def not_compared(self) -> list[str]:
        """The names of the arrays that are right as far as they could be compared, which is not everywhere."""
        return [row.name for row in self.arrays if row.verdict == "NOT COMPARED"]

    @property
    def bad(self) -> str:
        """The names of all arrays that are not ok."""
        return ", ".join(row.name for row in self.arrays if not row.ok)

    @property
    def head(self) -> str:
        """The verdict in one line."""
        count = len(self.arrays)
        told = [(self.wrong, "WRONG"), (self.not_compared, "NOT COMPARED")]
        verdict = " and ".join(f"{len(names)} of {count} arrays {what}" for names, what in told if names)
        if not verdict:
            verdict = (
                f"{count} arrays, all right"
                if self.ok
                else f"{count} arrays right at this point, but WRONG all the same"
            )
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
            f"ok    at {named(label)}" if case.ok else f"WRONG at {named(label)}: {case.bad or case.diagnosis}"
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
                        a.verdict,
                        a.name,
                        str(a.shape),
                        f"{a.error:.1e}",
                        a.how_many + (f", {a.where}" if a.where else "") if not a.ok else "",
                        a.entry if a.looked and not a.ok else "",
                        "; ".join(filter(None, (str(a.diagnosis or ""), a.not_compared if not a.refused else ""))),
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
        said += [
            f"{'ok' if case.ok else '<b>WRONG</b>'} at {escape(named(label))}" for label, case in self.cases.items()
        ]
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
        from refdope.gradcheck.picture import figure

        return figure(self, name)


def named(label: Any) -> str:
    """Return what a case is called: a number is one of steps."""
    return f"T = {label}" if isinstance(label, int) else str(label)
