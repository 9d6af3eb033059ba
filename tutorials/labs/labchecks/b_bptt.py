"""Checks of lab B: backpropagation through time."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from labchecks.compare import LOOK, Array, Student, call, fail, gradients, keyed, passed, several, shaped, values
from labchecks.compare import report as report
from refdope.gradcheck import Report

GATES = "ifgo"


def _sigmoid(z: Array) -> Array:
    return 0.5 * np.tanh(0.5 * z) + 0.5


def _cell(z: Array, c: Array) -> tuple[Array, Array, Array]:
    i, f, g, o = np.split(z, 4, axis=-1)
    i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
    c_next = f * c + i * g
    return o * np.tanh(c_next), c_next, np.concatenate([i, f, g, o], axis=-1)


def _lstm(params: Mapping[str, Array], x: Array) -> tuple[Array, dict[str, Array]]:
    """Run the LSTM that is right; of any dtype, so that a complex step goes through."""
    (T, B, _), H = x.shape, params["Wh"].shape[1]
    dtype = np.result_type(x, *params.values())
    h, c, gates = (np.zeros(shape, dtype) for shape in ((T + 1, B, H), (T + 1, B, H), (T, B, 4 * H)))
    for t in range(T):
        z = x[t] @ params["Wx"].T + h[t] @ params["Wh"].T + params["b"]
        h[t + 1], c[t + 1], gates[t] = _cell(z, c[t])
    return h[1:], {"x": x, "h": h, "c": c, "gates": gates}


def _layer(T: int, seed: int) -> tuple[dict[str, Array], Array, Array]:
    """Return weights, x and dh of a small LSTM: D = 4, H = 3, B = 2."""
    rng, (D, H, B) = np.random.default_rng(seed), (4, 3, 2)
    shapes = {"Wx": (4 * H, D), "Wh": (4 * H, H), "b": (4 * H,)}
    params = {name: 0.7 * rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, rng.standard_normal((T, B, D)), rng.standard_normal((T, B, H))


def cell_forward(student: Student) -> None:
    """Compare gates, c' and h' with the right ones, in the order in which they are made."""
    rng = np.random.default_rng(0)
    z, c = rng.standard_normal((2, 12)), rng.standard_normal((2, 3))
    h_next, c_next, gates = several(student, call(student, z=z, c=c), "h_next", "c_next", "gates")
    right_h, right_c, right_gates = _cell(z, c)
    shaped(student, "gates", gates, right_gates)
    parts = dict(zip(GATES, np.split(z, 4, axis=1)))
    for gate, given, right in zip(GATES, np.split(gates, 4, axis=1), np.split(right_gates, 4, axis=1)):
        made, other = (np.tanh, _sigmoid) if gate == "g" else (_sigmoid, np.tanh)
        like = {
            f"this is gate {e}: the order is i, f, g, o": (np.tanh if e == "g" else _sigmoid)(parts[e]) for e in GATES
        }
        like |= {f"this is made of z_{e} and not of z_{gate}": made(parts[e]) for e in GATES if e != gate}
        like |= {"σ and tanh are exchanged here": other(parts[gate]), "the non-linearity is missing": parts[gate]}
        values(student, f"gate {gate}", given, right, "the order i, f, g, o; σ for i, f, o and tanh for g", like)
    i, f, g, o = np.split(right_gates, 4, axis=1)
    like = {
        "the term f ∘ c is missing": i * g,
        "the term i ∘ g is missing": f * c,
        "i and f are exchanged": i * c + f * g,
        "this is h_next: the order is h_next, c_next, gates": right_h,
    }
    values(student, "c_next", c_next, right_c, "c' = f ∘ c + i ∘ g", like)
    like = {
        "the tanh is missing": o * right_c,
        "this takes the old c": o * np.tanh(c),
        "the gate o is missing": np.tanh(right_c),
        "this is c_next": right_c,
    }
    values(student, "h_next", h_next, right_h, "h' = o ∘ tanh(c')", like)
    passed(student, "gates, c_next and h_next")


CELL = {
    "sign": "the sign of σ' = σ (1 - σ) or tanh' = 1 - tanh²",
    "z": "the lines of dz: what the gate multiplies in the forward pass, times σ' or tanh' of it",
    "c": "dc = (all that c' gets) ∘ f",
    "zero": "all that c' gets: dc_next, here 0, plus dh ∘ o ∘ (1 - tanh² c'); or, of a single block, its line",
    "": "all that c' gets: dc_next, plus dh ∘ o ∘ (1 - tanh² c')",
}


def cell_backward(student: Student, seed: int = 0) -> None:
    """Check dz and dc numerically: first with nothing from the step after, then with something."""
    rng = np.random.default_rng(seed)
    z, c = rng.standard_normal((2, 12)), rng.standard_normal((2, 3))
    dh, later = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    columns = {gate: np.s_[:, 3 * k : 3 * k + 3] for k, gate in enumerate(GATES)}

    def problem(size: int) -> tuple[Any, Any, Any]:
        dc_next = later * size

        def loss(p: Any) -> Any:
            h_next, c_next, _ = _cell(p["z"], p["c"])
            return (dh * h_next).sum() + (dc_next * c_next).sum()

        def grads(p: Any, ask: Student = student) -> Any:
            _, c_next, gates = _cell(p["z"], p["c"])
            return dict(zip("zc", ask(gates, p["c"], c_next, dh, dc_next)))

        _, c_next, gates = _cell(z, c)
        given = call(student, gates=gates, c=c, c_next=c_next, dh=dh, dc_next=dc_next)
        for name, each, right in zip(("dz", "dc"), several(student, given, "dz", "dc"), (z, c)):
            shaped(student, name, each, right)
        return loss, {"z": z, "c": c}, grads

    gradients(student, problem, {"dc_next = 0": 0}, CELL, {"z": columns})
    of_later = "dc_next: it is added to what c' gets from h', before anything else is made of it"
    look = dict.fromkeys((*LOOK, "term", "derivative", "recurrent", ""), of_later) | {"mutated": LOOK["mutated"]}
    gradients(student, problem, {"dc_next = 0": 0, "dc_next ≠ 0": 1}, look, {"z": columns})
    if not seed:  # hidden checks say nothing
        passed(student, "dz and dc, against differences of the loss")


def lstm_forward(student: Student) -> None:
    """Compare all h and the cache at T = 1 and T = 3, step by step."""
    for T in (1, 3):
        params, x, _ = _layer(T, 0)
        h, cache = several(student, call(student, params=params, x=x), "h", "cache")
        right, right_cache = _lstm(params, x)
        kept = cache.get("h") if isinstance(cache, Mapping) else None
        if np.shape(kept) == (T + 1, *right.shape[1:]) and np.allclose(kept, right_cache["h"]):
            if np.shape(h) == right.shape and np.allclose(h, kept[:-1]) and not np.allclose(h, right):
                told = "It returns h[:-1], what goes into every step; should be h[1:], what comes out."
                fail(student, told, look="its `return`: at index 0 is the h before the first step")
            if np.shape(h) == np.shape(kept):
                fail(student, "It returns all of h, the h before the first step, too.", look="its `return`: h[1:]")
        shaped(student, "h", h, right)
        like = {
            "b is left out": _lstm(params | {"b": 0 * params["b"]}, x)[0],
            "Wh h is left out, or h is not carried": _lstm(params | {"Wh": 0 * params["Wh"]}, x)[0],
            "c is not carried from step to step": _forgetful(params, x),
        }
        for t in range(T):
            where = f"what step {t} returns, at T = {T}{'; the steps before it are right' if t else ''}"
            look = "what goes in at step t: x[t], h[t], c[t]" if t else "z = Wx x + Wh h + b, of x[0], h[0] and c[0]"
            # by the index that the student writes: h[0] is what goes into step 0
            here = {what: wrong[t] for what, wrong in like.items()}
            values(student, f"h[{t + 1}]", h[t], right[t], look, here, where)
        keyed(student, cache, right_cache, "cache: ")
        for name, array in right_cache.items():
            look = "what is stored at which index: t goes in, t + 1 comes out"
            values(student, f'cache["{name}"]', cache[name], array, look, where=f"at T = {T}")
    passed(student, "h and the cache, at T = 1 and T = 3")


def _forgetful(params: Mapping[str, Array], x: Array) -> Array:
    """Run an LSTM whose memory is zero before every step."""
    h = [np.zeros((x.shape[1], params["Wh"].shape[1]))]
    for each in x:
        h.append(_cell(each @ params["Wx"].T + h[-1] @ params["Wh"].T + params["b"], np.zeros_like(h[0]))[0])
    return np.array(h[1:])


LSTM = {
    "recurrent": "the loop, from the last step to the first, and the two things that it carries: "
    "dh_next = dz Wh, which is added to dh[t] of the step before, and dc",
    "Wx": "the line of Wx: the sum over the steps of dzᵀ x[t]; += and not =",
    "Wh": 'the line of Wh: dz of step t multiplies the h that went in, cache["h"][t]; += and not =',
    "b": "the line of b: the sum of dz over the rows and over the steps; += and not =",
    "x": "the line of x: dz Wx, at the index t",
    "": "whether cell_backward passes its check; then its arguments: c[t] and c[t + 1], dh[t] plus what is carried",
}


def _of_the_loop(found: Report) -> tuple[str, str] | None:
    """Tell from the gradient of x, to which all that is carried leads, what else than that is wrong."""
    one, many = ({array.name: array for array in case.arrays} for case in found.cases.values())
    cause = found.diagnosis.cause if found.diagnosis else ""
    if cause not in ("recurrent", "term", "derivative", "zero", "factor") or not many["x"].looked:
        return None
    dx = many["x"].a
    if dx.any() and not dx[0].any():
        return "", "is step 0 reached? From the last step to the first: T - 1, …, 1, 0"
    if many["x"].ok and all(array.ok for array in one.values()):
        sums = ", ".join(found.wrong)
        return (
            f"sums over the steps are wrong, in {sums}; what flows back is right, as x shows",
            f"the sums over the steps, in {sums}: += and not =, and what dz of a step is multiplied by",
        )
    return None


def lstm_backward(student: Student, seed: int = 0) -> None:
    """Check all gradients numerically at T = 3 and, where they are wrong there, at T = 1."""
    rows = {gate: np.s_[3 * k : 3 * k + 3] for k, gate in enumerate(GATES)}

    def problem(T: int) -> tuple[Any, Any, Any]:
        params, x, dh = _layer(T, seed)

        def loss(p: Any) -> Any:
            return (dh * _lstm(p, p["x"])[0]).sum()

        def grads(p: Any) -> Any:
            return student({name: p[name] for name in params}, _lstm(p, p["x"])[1], dh)

        given = call(student, params=params, cache=_lstm(params, x)[1], dh=dh)
        keyed(student, given, params | {"x": x})
        return loss, params | {"x": x}, grads

    gradients(student, problem, {"T = 1": 1, "T = 3": 3}, LSTM, dict.fromkeys(("Wx", "Wh", "b"), rows), _of_the_loop)
    if not seed:  # hidden checks say nothing
        passed(student, "x, Wx, Wh and b, at T = 1 and T = 3, against differences of the loss")


def clip(student: Student) -> None:
    """Try gradients above the limit, below it, and of length zero."""
    rng = np.random.default_rng(0)
    grads = {"W": rng.standard_normal((4, 3)), "b": 0.1 * rng.standard_normal(4)}
    length = np.sqrt(sum(np.sum(g**2) for g in grads.values()))
    for what, limit in (("above", length / 3), ("below", 2 * length)):
        given = keyed(student, call(student, grads=grads, limit=limit), grads)
        for name, g in grads.items():
            factor, own = min(1, limit / length), np.linalg.norm(g)
            like = {
                "scaled up: gradients below the limit stay as they are": g * limit / length,
                "every array was scaled by its own length, which changes the direction": g * min(1, limit / own),
                "every entry was clipped on its own, which changes the direction": np.clip(g, -limit, limit),
            }
            look = "one length of all arrays together, and one factor: min(1, limit / length)"
            where = f"with gradients whose length is {what} the limit"
            values(student, f'grads["{name}"]', given[name], factor * g, look, like, where)
    mine = {name: g.copy() for name, g in grads.items()}
    for name, g in student(mine, 2 * length).items():
        if np.shares_memory(g, mine[name]):
            told = f'grads["{name}"] is the array that was handed in, should be a new one.'
            where = "This is with gradients whose length is below the limit."
            fail(student, told, where, look="what is returned there")
    zero = {name: 0 * g for name, g in grads.items()}
    for name, g in keyed(student, call(student, grads=zero, limit=1.0), zero).items():
        where = "with gradients that are all zero"
        values(student, f'grads["{name}"]', g, zero[name], "a division by a length of zero", where=where)
    passed(student, "above the limit, below it, and zero")
