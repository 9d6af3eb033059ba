"""What a model costs: parameters, bytes, multiply-adds, and what that is against the dense model of the same size.

Papers count the parameters of the LSTM matrices alone. A reader also wants to know what indices cost and what is left
of the factor once embedding and softmax are counted; both are told apart here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from refdope.models.protocol import Model


@dataclass(frozen=True)
class Cost:
    """Sizes of a model.

    Attributes
    ----------
    lstm_params : int
        Numbers trained in the LSTM matrices, biases left out.
    lstm_factor : float
        Entries of these matrices over `lstm_params`: the compression factor as papers count it.
    lstm_bytes : int
        Bytes of these matrices as stored, masks or CSR indices included.
    lstm_value_bytes : int
        Bytes of their parameters alone.
    lstm_bytes_factor : float
        Bytes of the dense matrices over `lstm_bytes`.
    params : int
        Numbers trained in the whole model.
    factor : float
        Parameters of the dense model of the same size over `params`.
    macs : int
        Multiply-adds of all matrix products for one token.
    """

    lstm_params: int
    lstm_factor: float
    lstm_bytes: int
    lstm_value_bytes: int
    lstm_bytes_factor: float
    params: int
    factor: float
    macs: int


def cost(model: Model) -> Cost:
    """Return the sizes of a model as it is stored now."""
    matrices = model.matrices.values()
    entries = sum(W.shape[0] * W.shape[1] for W in matrices)
    lstm_params = sum(W.n_params for W in matrices)
    lstm_bytes = sum(W.nbytes for W in matrices)
    rest = model.n_params - lstm_params
    itemsize = max(a.itemsize for a in model.params.values())
    return Cost(
        lstm_params,
        entries / lstm_params,
        lstm_bytes,
        lstm_params * itemsize,
        entries * itemsize / lstm_bytes,
        lstm_params + rest,
        (entries + rest) / (lstm_params + rest),
        model.macs,
    )


def by_matrix(model: Model) -> list[dict[str, Any]]:
    """Return the sizes of every LSTM matrix: its shape, parameters, stored entries, bytes, multiply-adds, factor."""
    return [
        {
            "matrix": name,
            "shape": f"{W.shape[0]} x {W.shape[1]}",
            "parameters": W.n_params,
            "stored": sum(a.size for a in W.params.values()),
            "bytes": W.nbytes,
            "without indices": sum(a.nbytes for a in W.params.values()),
            "MACs": W.macs,
            "factor": f"{W.factor:.2f}",
        }
        for name, W in model.matrices.items()
    ]


def markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """Lay out rows that share their keys as a Markdown table, text to the left and numbers to the right."""
    rows = list(rows)
    names = list(rows[0])
    cells = [names, *([str(row[name]).replace("|", "\\|") for name in names] for row in rows)]
    columns = list(zip(*cells, strict=True))
    left = [k == 0 or not all(map(_number, column[1:])) for k, column in enumerate(columns)]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "| "
        + " | ".join(c.ljust(w) if text else c.rjust(w) for c, w, text in zip(line, widths, left, strict=True))
        + " |"
        for line in cells
    ]
    rule = "|" + "|".join("-" * (w + 1) + ("-" if text else ":") for w, text in zip(widths, left, strict=True)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _number(cell: str) -> bool:
    """Whether a cell is a number, with or without a unit, or says that there is none."""
    return not cell.strip(" -–—") or cell.lstrip("*+-−~≤")[:1].isdigit()
