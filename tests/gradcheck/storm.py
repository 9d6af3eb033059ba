"""A storm of small losses at the checker: `python -m tests.gradcheck.storm 2000 [SEED]` prints what it counted.

Each loss is a sum of elementwise functions of entries from 1e-8 to 1e8, with kinks and jumps near and at the point,
regions of NaN beside it, an FFT, ties, empty arrays, float32 and float64, code that is analytic and code that is
not. Its
gradient is known in closed form. It is checked right, and with one entry that is wrong.
"""

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refdope import gradcheck

R = np.random.Generator


@dataclass
class Drawn:
    """One loss: its parameters, its gradient, and where any slope between two is right."""

    loss: Any
    params: dict
    grads: dict
    free: np.ndarray  # entries of "x" at a kink or a tie
    told: str = ""
    notes: list = field(default_factory=list)


def smooth(rng: R, x: np.ndarray):
    """Return functions of z = x / |x₀| of order one, and their derivatives by z; z is ±1 at the point."""
    table = [
        (lambda z: z**2, lambda z: 2 * z),
        (lambda z: z**3 - z / 2, lambda z: 3 * z**2 - 0.5),
        (np.sin, np.cos),
        (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
        (lambda z: 1 / z, lambda z: -1 / z**2),
        (lambda z: np.exp(-(z**2)), lambda z: -2 * z * np.exp(-(z**2))),
        (lambda z: np.log(z**2), lambda z: 2 / z),
        (lambda z: np.sqrt(z**2 + 1), lambda z: z / np.sqrt(z**2 + 1)),
        (lambda z: np.exp(3 * z), lambda z: 3 * np.exp(3 * z)),
        (lambda z: 0 * z, lambda z: 0 * z),
    ]
    return [table[k] for k in rng.integers(len(table), size=x.size)]


def draw(rng: R) -> Drawn:
    """Draw a loss."""
    size = int(rng.integers(1, 7))
    dtype = rng.choice([np.float64, np.float64, np.float32])
    spread = rng.choice([0, 1, 4, 8])
    x = (10.0 ** rng.uniform(-spread, spread, size) * rng.uniform(0.5, 2, size) * rng.choice([-1, 1], size)).astype(
        dtype
    )
    own = np.abs(x.astype(np.float64))
    # terms of the loss are of one size, or follow their entry's: then the large ones drown the small in differences
    c = rng.uniform(0.3, 2, size) * (own if rng.random() < 0.3 else 1.0)
    f = smooth(rng, x)
    cast = rng.choice(["analytic", "real", "half"])
    kinks, free = [], np.zeros(size, bool)
    for k in range(size):
        kind = rng.choice(["none", "none", "near", "here", "edge", "jump"])
        gap = 10.0 ** rng.uniform(-11, -1) * rng.choice([-1, 1])
        side = float(rng.choice([-1, 1]))
        kinks.append((kind, gap, side))
        free[k] = kind == "here"
    fft = rng.random() < 0.2
    target = rng.standard_normal(5)
    w = rng.standard_normal(5)
    z0 = x.astype(np.float64) / own

    def loss(p):
        z = p["x"] / own
        z = np.real(z) if cast == "real" else z
        total = 0.0
        for k in range(size):
            kind, gap, side = kinks[k]
            term = f[k][0](z[k])
            away = side * (z[k] - z0[k] * (1 - gap if kind != "here" else 1.0))
            if kind in ("near", "here"):
                term = term + 1.3 * away * (np.real(away) > 0)
            if kind == "jump":
                term = term + 0.7 * (np.real(away) > 0)
            if kind == "edge" and np.real(side * (z[k] - z0[k])) > abs(gap):
                term = np.nan * term
            total = total + c[k] * term
        if cast == "half":
            total = total + 0.1 * (np.abs(np.real(z)) * z).sum()
        if fft and cast != "real":
            y = np.fft.ifft(np.fft.fft(p["w"]) * np.fft.fft(target))
            total = total + ((y if np.iscomplexobj(p["w"]) else y.real) ** 2).sum()
        else:
            total = total + (np.real(p["w"]) ** 2 if cast == "real" else p["w"] ** 2).sum()
        return total + (p["empty"] ** 2).sum()

    d = np.empty(size)
    for k in range(size):
        kind, gap, side = kinks[k]
        slope = f[k][1](z0[k])
        if kind in ("near", "here"):
            slope += 1.3 * side * (side * z0[k] * gap > 0 if kind == "near" else rng.uniform())
        d[k] = c[k] * slope + (0.2 * np.abs(z0[k]) if cast == "half" else 0.0)
    if fft and cast != "real":
        y = np.fft.ifft(np.fft.fft(w) * np.fft.fft(target)).real
        dw = np.fft.ifft(np.fft.fft(2 * y) * np.conj(np.fft.fft(target))).real
    else:
        dw = 2 * w
    params = {"x": x, "w": w.astype(dtype), "empty": np.zeros((0, 3), dtype)}
    grads = {"x": (d / own).astype(dtype), "w": dw.astype(dtype), "empty": np.zeros((0, 3), dtype)}
    if dtype == np.float32:  # the parameters are rounded, and so is what belongs to them
        w = params["w"].astype(np.float64)
        if fft and cast != "real":
            y = np.fft.ifft(np.fft.fft(w) * np.fft.fft(target)).real
            grads["w"] = np.fft.ifft(np.fft.fft(2 * y) * np.conj(np.fft.fft(target))).real.astype(dtype)
        else:
            grads["w"] = (2 * w).astype(dtype)
    told = f"{np.dtype(dtype)}, {cast}{', FFT' if fft else ''}, {[k[0] for k in kinks]}, x = {x}"
    return Drawn(loss, params, grads, free, told)


def spoiled(rng: R, drawn: Drawn) -> tuple[dict, str, int]:
    """Return the gradients with one entry wrong: lost, of the other sign, off by a factor, or by an amount."""
    wrong = {name: g.copy() for name, g in drawn.grads.items()}
    name = str(rng.choice(["x", "w"]))
    g = wrong[name]
    k = int(rng.integers(g.size))
    by = rng.choice([0.0, -1.0, 2.0, 1 + 10.0 ** rng.uniform(-5, 0)])
    g[k] = g[k] * by if g[k] else 10.0 ** rng.uniform(-6, 3)
    return wrong, name, k


def blow(rng: R, counts: Counter) -> list[str]:
    """Check one loss, right and wrong; count what was said, and return what should not have been."""
    drawn, complaints = draw(rng), []
    report = gradcheck(drawn.loss, drawn.params, drawn.grads)
    counts["right ones"] += 1
    if report.wrong or report.findings:
        counts["right ones called WRONG"] += 1
        complaints.append(f"right one called wrong: {drawn.told}\n{report}")
    elif not report.ok:
        counts["right ones not compared"] += 1
    wrong, name, k = spoiled(rng, drawn)
    if wrong[name][k] == drawn.grads[name][k] or (name == "x" and drawn.free[k]):
        return complaints
    report = gradcheck(drawn.loss, drawn.params, wrong)
    counts["wrong ones"] += 1
    row = next(row for row in report.arrays if row.name == name)
    error = abs(float(wrong[name][k]) - float(drawn.grads[name][k]))
    size = row.scale if row.by_largest else abs(float(drawn.grads[name][k]))
    stated = 2 * (row.tolerance * size + float(np.broadcast_to(row.floor, row.shape)[k]))
    if not report.ok:
        counts["wrong ones found" if report.wrong else "wrong ones not compared"] += 1
    elif error > stated:
        counts["wrong ones called right"] += 1
        complaints.append(
            f"wrong one called right: {name}[{k}] off by {error:.1e}, {stated:.1e} stated: {drawn.told}\n{report}"
        )
    else:
        counts["wrong ones below the stated floor"] += 1
        counts["of these, by more than a hundredth of it"] += error > 0.01 * abs(float(drawn.grads[name][k]))
    return complaints


def storm(count: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Draw many losses."""
    counts: Counter = Counter()
    complaints = [told for k in range(count) for told in blow(np.random.default_rng([seed, k]), counts)]
    return counts, complaints


if __name__ == "__main__":
    counts, complaints = storm(*map(int, sys.argv[1:]))
    print("\n\n".join(complaints[:5]))
    for what, count in counts.items():
        print(f"{count:6d} {what}")
