"""The labs of the course: stubs fail, solutions pass, typical wrong answers are caught and told in the right words."""

import re

import pytest

from .answers import FURTHER
from .conftest import LABS, NAMES, ROOT, marks_of, read, text_of, told_of

# lab, check, a line of the solution, what a student wrote instead, what the check must say
WRONG = [
    ("a", "a-entry-test", "r // m2, c // n2", "r % m2, c % n2", "stops with IndexError"),
    ("a", "a-entry-test", "m2, n2 = B.shape", "(m2, n2), A, B = A.shape, B, A", "B ⊗ A"),
    ("a", "a-entry-test", "    return A[r", "    A[r", "returns nothing (None)"),
    ("a", "a-entry-test", "A[r // m2, c // n2] * B[r % m2, c % n2]", "np.kron(A, B)[r, c]", "or something as large"),
    ("a", "a-forward-test", "A @ X @ B.T", "A @ X @ B", "stops with ValueError"),
    ("a", "a-forward-test", "Y = A @ X @ B.T", "Y = x @ np.kron(A, B).T", "or something as large, is made"),
    ("a", "a-forward-test", "Y = A @ X @ B.T", "Y = (A @ X @ B.T).swapaxes(1, 2)", "read column by column"),
    ("a", "a-forward-test", "return Y.reshape(len(x), -1)", "return Y", "reshape is missing"),
    ("a", "a-forward-test", "A.shape[1], B.shape[1])", "B.shape[1], A.shape[1]).swapaxes(1, 2)", "wrong entries"),
    ("a", "a-dot-test", "rng.standard_normal((3, n)), rng.standard_normal((3, m))",
     "np.ones((3, n)), np.ones((3, m))", "columns reversed"),
    ("a", "a-dot-test", "/ (abs(p) + abs(q))", "", "should be 0.333"),
    ("a", "a-dot-test", "/ (abs(p) + abs(q))", "/ abs(p + q)", "minus the transpose"),
    ("a", "a-dot-test", "np.sum(adjoint(dy) * x)", "np.sum(dy * forward(x))", "not seen"),
    ("a", "a-dot-test", "np.sum(dy * forward(x))", "np.sum(dy @ forward(x).T)", "by its own row only"),
    ("a", "a-dot-test", "= rng.", "= np.random.", "The same rng gives another x"),
    ("a", "a-dot-test", "rng.standard_normal((3, n)), rng.standard_normal((3, m))",
     "rng.random((3, n)), rng.random((3, m))", "it is not normal"),
    ("a", "a-dot-test", ", rng.standard_normal((3, m))", ", 0\n    dy = forward(x)", "should be random on its own"),
    ("a", "a-dot-test", "np.sum(dy * forward(x)), np.sum(adjoint(dy) * x)\n    return abs(p - q) / (abs(p) + abs(q))",
     "(dy * forward(x)).sum(1), (adjoint(dy) * x).sum(1)\n    return np.mean(abs(p - q) / (abs(p) + abs(q)))",
     "the mean over the rows"),
    ("a", "a-adjoint-test", "dX = A.T @ dY @ B", "dX = dy @ np.kron(A, B)", "or something as large, is made"),
    ("a", "a-adjoint-test", "A.T @ dY @ B", "2 * A.T @ dY @ B", "constant factor 2"),
    ("a", "a-adjoint-test", "A.T @ dY @ B", "A @ dY @ B", "stops with ValueError"),
    ("a", "a-adjoint-test", "A.T @ dY @ B", "(A.T @ dY @ B).swapaxes(1, 2)", "in other places"),
    ("a", "a-gradient-a-test", ".sum(0)", "[0]", "right at R = 1, wrong at R = 6"),
    ("a", "a-gradient-a-test", ".sum(0)", ".mean(0)", "constant factor"),
    ("a", "a-gradient-a-test", ".sum(0)", "", "a sum missing"),
    ("a", "a-gradient-a-test", "(dY @ B @ X.swapaxes(1, 2)).sum(0)",
     "np.einsum('ikjl,kl->ij', (dy.T @ x).reshape(*A.shape[:1], *B.shape[:1], *A.shape[1:], *B.shape[1:]), B)",
     "or something as large, is made"),
    ("a", "a-gradient-b-test", "dY.swapaxes(1, 2) @ (A @ X)", "(A @ X).swapaxes(1, 2) @ dY", "transposed"),
    ("a", "a-gradient-b-test", "return (dY", "return -(dY", "the sign is flipped"),
    ("a", "a-gradient-b-test", "    X = x.reshape", "    x *= 2\n    X = x.reshape", "changes its argument x"),
    ("a", "a-cost-test", "min(left, right)", "left", "the dearer"),
    ("a", "a-cost-test", "m1 * n1 + m2 * n2, min", "m1 * n1 * m2 * n2, min", "the numbers of W"),
    ("b", "b-cell-forward-test", "i, f, g, o = np.split", "i, f, o, g = np.split", "made of z_o and not of z_g"),
    ("b", "b-cell-forward-test", "np.tanh(g), sigmoid(o)", "sigmoid(g), sigmoid(o)", "σ and tanh are exchanged"),
    ("b", "b-cell-forward-test", "o * np.tanh(c_next), c_next", "o * c_next, c_next", "tanh is missing"),
    ("b", "b-cell-forward-test", "f * c + i * g", "i * c + f * g", "i and f are exchanged"),
    ("b", "b-cell-forward-test", ", np.concatenate([i, f, g, o], axis=1)", "", "should return h_next, c_next, gates"),
    ("b", "b-cell-forward-test", "[i, f, g, o], axis=1", "[i, f, g, o]", "along the wrong axis"),
    ("b", "b-cell-backward-test", "dc_next + dh * o * (1 - tanh_c**2)", "dc_next",
     "This is with dc_next = 0.\nLook at: all that c' gets"),
    ("b", "b-cell-backward-test", "dc_next = dc_next + dh", "dc_next = dh",
     "right at dc_next = 0, wrong at dc_next ≠ 0"),
    ("b", "b-cell-backward-test", "dc_next = dc_next + dh", "dc_next += dh", "changes its argument dc_next"),
    ("b", "b-cell-backward-test", "(1 - tanh_c**2)", "(1 - c_next**2)", "Look at: all that c' gets"),
    ("b", "b-cell-backward-test", "dc_next * i * (1 - g**2)", "dc_next * i * g * (1 - g)", "in block 'g'"),
    ("b", "b-cell-backward-test", "dc_next * c * f", "dc_next * c_next * f", "in block 'f'"),
    ("b", "b-cell-backward-test", "dh * tanh_c * o * (1 - o)", "-dh * tanh_c * o * (1 - o)", "flipped, in block o"),
    ("b", "b-cell-backward-test", "axis=1), dc_next * f", "axis=1), dc_next", "Wrong are the gradients of c; right: z"),
    ("b", "b-forward-test", 'h[t] @ params["Wh"].T', 'h[0] @ params["Wh"].T', "h is not carried"),
    ("b", "b-forward-test", ' + params["b"]', "", "b is left out"),
    ("b", "b-forward-test", "cell_forward(z, c[t])", "cell_forward(z, c[0])", "c is not carried"),
    ("b", "b-backward-test", "dh[t] + dh_next, dc)", "dh[t], dc)", "right at T = 1 and wrong from T = 3"),
    ("b", "b-backward-test", "dh[t] + dh_next, dc)", "dh[t] + dh_next, 0 * dc)", "right at T = 1 and wrong from T = 3"),
    ("b", "b-forward-test", "h[t + 1], c[t + 1], gates[t] =", "h[t], c[t + 1], gates[t] =", "h[1] is zero"),
    ("b", "b-backward-test", 'grads["Wx"] +=', 'grads["Wx"] =', "sums over the steps are wrong, in Wx; what"),
    ("b", "b-backward-test", 'grads["Wh"] +=', 'grads["Wh"] =', "sums over the steps are wrong, in Wh; what"),
    ("b", "b-backward-test", "+=", "=", "sums over the steps are wrong, in Wx, Wh, b; what"),
    ("b", "b-backward-test", "reversed(range(len(x)))", "range(len(x) - 1, 0, -1)", "is step 0 reached?"),
    ("b", "b-backward-test", "dz.T @ h[t]", "dz.T @ h[t - 1]", "does not depend on this array at T = 1"),
    ("b", "b-backward-test", "dz.T @ h[t]", "dz.T @ h[t + 1]", "Wrong are the gradients of Wh; right"),
    ("b", "b-backward-test", "dz.sum(0)", "dz.mean(0)", "constant factor"),
    ("b", "b-backward-test", 'dz @ params["Wh"]', 'dz @ params["Wh"] * gates[t][:, :3]', "wrong at T = 3"),
    ("b", "b-backward-test", "reversed(range(len(x)))", "range(len(x))", "from the last step to the first"),
    ("b", "b-backward-test", "    return grads", '    return {"x": grads["x"]}', "should return a dict of"),
    ("b", "b-backward-test", 'grads["x"][t] = dz', 'grads["x"][t - 1] = dz', "Wrong are the gradients of x; right"),
    ("b", "b-clip-test", "min(1.0, limit / length)", "limit / length", "scaled up"),
    ("b", "b-clip-test", "{name: factor * g for name, g in grads.items()}",
     "{name: g * min(1.0, limit / np.linalg.norm(g)) for name, g in grads.items()}", "by its own length"),
    ("b", "b-clip-test", "{name: factor * g for name, g in grads.items()}",
     "{name: np.clip(g, -limit, limit) for name, g in grads.items()}", "clipped on its own"),
    ("b", "b-clip-test", "    return {", "    if factor == 1:\n        return grads\n    return {",
     "should be a new one"),
    ("c", "c-forward-test", ".T", ".T * (1 + 1e-8)", "is -4.30174675, should be -4.30174671"),
    ("c", "c-forward-test", "(M * V).T", "V.T", "the mask is left out"),
    ("c", "c-forward-test", "x @ (M * V).T", "(M * V) @ x", "stops with ValueError"),
    ("c", "c-forward-test", "x @ (M * V).T", "x @ np.where(M, 0, V).T", "dropped where M is True"),
    ("c", "c-adjoint-test", "dy @ (M * V)", "dy @ V", "the mask is left out"),
    ("c", "c-adjoint-test", "dy @ (M * V)", "(dy @ (M * V)).T", "It is transposed"),
    ("c", "c-gradient-test", "M * (dy.T @ x)", "dy.T @ x", "entries that the loss does not depend on"),
    ("c", "c-gradient-test", "M * (dy.T @ x)", "M * (dy.T @ x) / len(x)", "constant factor"),
    ("c", "c-gradient-test", "M * (dy.T @ x)", "M * np.outer(dy[0], x[0])", "right at R = 1, wrong at R = 6"),
    ("c", "c-gradient-test", "M * (dy.T @ x)", "M * (x.T @ dy).T * -1", "sign is flipped"),
    ("c", "c-prune-test", "np.abs(V.ravel()[alive])", "V.ravel()[alive]", "with their sign"),
    ("c", "c-prune-test", "np.argsort(-size, kind", "np.argsort(size, kind", "the smallest kept"),
    ("c", "c-prune-test", "np.flatnonzero(M)", "np.arange(M.size)", "is alive again"),
    ("c", "c-prune-test", "np.flatnonzero(M)\n    size = np.abs(V", "np.arange(M.size)\n    size = np.abs((M * V)",
     "if 0, too"),
    ("c", "c-prune-test", "    return mask.reshape(M.shape)",
     "    return M & (np.abs(V) >= (np.sort(np.abs(V[M]))[-keep] if keep else np.inf))", "Look at: ties"),
    ("c", "c-prune-test", 'np.argsort(-size, kind="stable")[:keep]', 'np.argsort(size, kind="stable")[::-1][:keep]',
     "the last ones are kept"),
    ("c", "c-prune-test", 'np.argsort(-size, kind="stable")[:keep]', 'np.argsort(size, kind="stable")[-keep:]',
     "Look at"),
    ("c", "c-prune-test", "    mask[alive", "    V[~M] = 0\n    mask[alive", "changes its argument V"),
    ("c", "c-prune-test", "mask.reshape(M.shape)", "mask.reshape(M.shape).astype(float)", "dtype float64"),
    ("c", "c-kept-test", "min(max((t - start) / (end - start), 0.0), 1.0)", "(t - start) / (end - start)",
     "outside of its ends"),
    ("c", "c-kept-test", "(1 - passed) ** 3", "(1 - passed**3)", "slowly at first"),
    ("c", "c-kept-test", "(1 - passed) ** 3", "(1 - passed)", "linearly"),
    ("c", "c-kept-test", "final + round((size - final) *", "round(size *", "final is left out"),
    ("c", "c-kept-test", "round(", "int(", "rounded down"),
    ("c", "c-kept-test", "final + round((size - final) * (1 - passed) ** 3)",
     "int(size * (1 - (1 - final / size) * (1 - (1 - passed) ** 3)))", "Look at: rounding"),
    ("c", "c-kept-test", "round(", "(", "should be the int"),
    ("c", "c-anneal-test", "V = M * V", "pass", "V is not zero where the last mask is False"),
    ("c", "c-anneal-test", "M = prune(V, M, kept", "M = prune(V, ~M, kept", "Look at"),
    ("c", "c-anneal-test", "t == end or ", "", "entries alive, should be 5"),
    ("c", "c-anneal-test", " and (t - start) % interval == 0", "", "entries alive, should be 80"),
    ("c", "c-anneal-test", "prune(V, M", "prune(V + lr * overlay_gradient(M, x, dy), M", "masks[9] has 2 wrong"),
    ("c", "c-anneal-test", "V = V - lr", "V -= lr", "changes its argument V"),
    ("c", "c-anneal-test", "/ len(x)", "", "dy is not divided by R"),
    ("c", "c-anneal-test", "V = V - lr", "V = V + lr", "losses[1] is"),
    ("c", "c-anneal-test", "0.5 * len(x) * np.sum(dy**2)", "np.sum(dy**2) * len(x)", "½ is left out"),
    ("c", "c-anneal-test", "masks.append(M)", "masks = [M]", "There are 1 masks, should be 30"),
    ("d", "d-masks-test", ">= rate, rng.random((R, m)) >= rate", "< rate, rng.random((R, m)) < rate",
     "b1 is True in 29% of its entries"),
    ("d", "d-masks-test", "    return rng.random((R, m)) >= rate, rng.random((R, m)) >= rate",
     "    b = rng.random((R, m)) >= rate\n    return b, b", "on its own"),
    ("d", "d-masks-test", "return rng.random((R, m))", "return np.ones((R, 1)) * rng.random(m)",
     "the same in every row"),
    ("d", "d-masks-test", "return rng.random((R, m))", "return np.ones(m) * rng.random((R, 1))", "all of a row"),
    ("d", "d-masks-test", "return rng", "rng = np.random.default_rng(0)\n    return rng", "Another generator"),
    ("d", "d-masks-test", "return rng", "rng = np.random.default_rng()\n    return rng", "same seed gives other masks"),
    ("d", "d-masks-test", "rng.random((R, m)) >= rate, ", "(rng.random((R, m)) >= rate) * 1.0, ", "dtype float64"),
    ("d", "d-forward-test", " / (1 - rate)", "", "the division by 1 - rate is missing"),
    ("d", "d-forward-test", "b2 * (x @ S.T)", "b1 * (x @ S.T)", "b1 is used for both"),
    ("d", "d-forward-test", "/ (1 - rate)", "* (1 - rate)", "multiplied by 1 - rate"),
    ("d", "d-forward-test", "b1 * K.forward(x) + b2", "b2 * K.forward(x) + b1", "the masks are exchanged"),
    ("d", "d-forward-test", "(b1 * K.forward(x) + b2 * (x @ S.T)) /", "b1 * K.forward(x) + b2 * (x @ S.T) /",
     "Look at"),
    ("d", "d-backward-test", "b1 * dz / (1 - rate), b2 * dz / (1 - rate)", "b1 * dz, b2 * dz", "not rescaled"),
    ("d", "d-backward-test", "b1 * dz / (1 - rate), b2", "b2 * dz / (1 - rate), b1", "Look at: "),
    ("d", "d-backward-test", "d2.T @ x", "dz.T @ x", "what goes to S"),
    ("d", "d-backward-test", "K.gradient(x, d1)", "K.gradient(x, dz)", "gradients of A, B; right: S, x"),
    ("d", "d-backward-test", "K.adjoint(d1) + d2 @ S", "K.adjoint(dz) + dz @ S", "gradients of x; right: A, B, S"),
    ("d", "d-backward-test", "K.adjoint(d1) + d2 @ S", "K.adjoint(d1)", "dx: the sum of what comes back"),
    ("d", "d-backward-test", "K.gradient(x, d1) |", "", "a dict of S"),
    ("d", "d-backward-test", "    d1, d2 =",
     "    b1, b2 = sample_masks(np.random.default_rng(0), *dz.shape, rate)\n    d1, d2 =", "which masks are used"),
    ("d", "d-mean-test", "total / n", "total", "of the sum by n"),
    ("d", "d-mean-test", "sample_masks(rng, ", "sample_masks(np.random.default_rng(0), ", "anew in every pass"),
    ("d", "d-mean-test", "    return total / n", "    return K.forward(x) + x @ S.T", "drawn at all"),
    ("d", "d-mean-test", "cmr_forward(K, S, x, b1, b2, rate)", "cmr_forward(K, S, x, b1, b2, 0.0)", "0.70 times"),
    ("d", "d-mean-test", "        total = total", "        b2 = b1\n        total = total", "b1 and b2 are the same"),
    ("d", "d-mean-test", "rng, len(x)", "rng, 1", "b1 is the same in every row of x"),
    ("d", "d-loss-test", "    return", "    b2 = b1\n    return", "b1 and b2 are the same"),
    ("d", "d-loss-test", "len(x), len(S)", "1, len(S)", "b1 is the same in every row of x"),
    ("d", "d-loss-test", "default_rng(seed)", "default_rng()", "The same seed gives another loss"),
    ("d", "d-loss-test", "default_rng(seed)", "default_rng(0)", "Two seeds give the same loss"),
    ("d", "d-loss-test", "np.sum(dz *", "np.mean(dz *", "the mean and not the sum"),
    ("d", "d-loss-test", "np.sum(dz * cmr", "np.sum(cmr", "dz is left out"),
    ("d", "d-loss-test", "cmr_forward(K, S, x, b1, b2, rate)", "cmr_forward(K, S, x, b1, b2, 0.0)",
     "mean over 400 seeds"),
    ("d", "d-rate-test", "(1 - min(max", "(min(max", "rises where it should fall"),
    ("d", "d-rate-test", "min(max((step - start) / (end - start), 0.0), 1.0)", "(step - start) / (end - start)",
     "outside of the ramp"),
    ("d", "d-rate-test", "step < end", "step <= end", "one step late"),
    ("d", "d-rate-test", "step < end", "step < start", "ends at `start`"),
    ("a", "a-dot-test", "np.sum(dy * forward(x)), np.sum(adjoint(dy) * x)",
     "np.sum(dy @ forward(x).T), np.sum(adjoint(dy) @ x.T)", "by its own row only"),
    ("a", "a-dot-test", "np.sum(dy * forward(x)), np.sum(adjoint(dy) * x)",
     "np.vdot(dy.sum(0), forward(x).sum(0)), np.vdot(adjoint(dy).sum(0), x.sum(0))", "by its own row only"),
    ("a", "a-dot-test", "abs(p - q) / (abs(p) + abs(q))", "np.isclose(p, q)", "an answer yes or no"),
    ("a", "a-forward-test", "A @ X @ B.T", 'np.einsum("ij,rjl,kl->rik", A, X, B)', "np.einsum of three arrays"),
    ("a", "a-adjoint-test", "A.T @ dY @ B", 'np.einsum("ij,rik,kl->rjl", A, dY, B)', "np.einsum of three arrays"),
    ("a", "a-gradient-a-test", "(dY @ B @ X.swapaxes(1, 2)).sum(0)",
     'np.einsum("rik,kl,rjl->ij", dY, B, X)', "np.einsum of three arrays"),
    ("a", "a-cost-test", "min(left, right)", "2 * min(left, right)", "these are FLOPs"),
    ("b", "b-forward-test", "return h[1:]", "return h[:-1]", "returns h[:-1]"),
    ("b", "b-forward-test", "return h[1:]", "return h", "all of h"),
    ("c", "c-kept-test", "    return final", "    if t > end:\n        return None\n    return final",
     "called with t = "),
    ("d", "d-mean-test", "    for _ in range(n):\n        b1, b2 = sample_masks(rng, len(x), len(S), rate)\n",
     "    b1, b2 = sample_masks(rng, len(x), len(S), rate)\n    for _ in range(n):\n",
     "All passes have the same masks"),
    ("d", "d-mean-test", "        total = total", "        b2 = ~b1\n        total = total", "the opposite of b1"),
    ("d", "d-loss-test", "sample_masks(np.random.default_rng(seed), len(x), len(S), rate)",
     "np.random.seed(seed), 0\n    b1, b2 = (np.random.rand(len(x), len(S)) >= rate for _ in range(2))",
     "global generator"),
    ("d", "d-loss-test", "default_rng(seed)", "default_rng(seed + 1)", "not the masks of sample_masks"),
    ("d", "d-forward-test", "/ (1 - rate)", "/ (1 - rate) ** 2", "divided by 1 - rate twice"),
    ("d", "d-backward-test", "d2.T @ x", "d2.T @ x / (1 - rate)", "twice: the gradients of S"),
    ("d", "d-backward-test", "b1 * dz / (1 - rate), b2 * dz / (1 - rate)",
     "b1 * dz / (1 - rate) ** 2, b2 * dz / (1 - rate) ** 2", "twice: the gradients of A, B, S, x"),
    ("d", "d-masks-test", "    return rng.random((R, m)) >= rate, rng.random((R, m)) >= rate",
     "    b1 = rng.random((R, m)) >= rate\n    return b1, ~b1", "the opposite of b1"),
    ("d", "d-masks-test", "return rng.random((R, m)) >= rate, rng.random((R, m)) >= rate",
     "return tuple(rng.random((R, m)).argsort(1) >= round(rate * m) for _ in range(2))",
     "the same number of entries in every row"),
    ("d", "d-masks-test", "return rng.random((R, m)) >= rate, rng.random((R, m)) >= rate",
     "return tuple(rng.permutation(R * m).reshape(R, m) >= rate * R * m for _ in range(2))", "whatever the seed"),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_passes_every_check_and_draws_its_picture(labs, name, capsys):
    namespace = {"__name__": "__main__"}
    for cell in read("solution", name)["cells"]:
        if cell["cell_type"] == "code":
            exec(compile(text_of(cell), cell["id"], "exec"), namespace)
    assert capsys.readouterr().out.count("ok    ") >= len(labs[1].checks_of(read("source", name)))
    assert namespace["figure"].axes


@pytest.mark.parametrize("name", NAMES)
def test_every_check_of_a_students_notebook_fails_and_says_that_nothing_is_written(labs, name):
    marks = marks_of(labs[1], read("student", name), name)
    assert {got.points for got in marks.values()} == {0}
    assert all("is not written yet" in got.told for got in marks.values())


@pytest.mark.parametrize(("lab", "check", "old", "new", "words"), WRONG)
def test_a_typical_wrong_answer_is_told(labs, lab, check, old, new, words):
    name = next(name for name in NAMES if name.startswith(f"{lab}_"))
    told = answered(labs[1], name, check, old, new)
    assert words in told, told
    assert re.search(r"^Look at: .*[^.?][.?]$", told.splitlines()[-1]), told
    assert len(told.splitlines()) <= 8, told


@pytest.mark.slow
@pytest.mark.parametrize(("lab", "check", "old", "new", "words"), FURTHER)
def test_a_further_wrong_answer_is_told(labs, lab, check, old, new, words):
    name = next(name for name in NAMES if name.startswith(f"{lab}_"))
    told = answered(labs[1], name, check, old, new)
    assert told, "it passes"
    assert re.search(words, told), told


def answered(mark, name, check, old, new):
    """What a check says when a solution has other words in it: the imports, all solutions, that check."""
    cells = [cell for cell in read("solution", name)["cells"] if cell["cell_type"] == "code"]
    kept = [cells[0]] + [c for c in cells if told_of(c).get("solution") or told_of(c).get("grade_id") == check]
    for cell in kept:
        if told_of(cell).get("grade_id") == check.removesuffix("-test"):
            assert text_of(cell).count(old) >= 1, old
            cell["source"] = text_of(cell).replace(old, new)
    return marks_of(mark, {"cells": kept}, name)[check].told


@pytest.mark.parametrize("name", NAMES)
def test_at_least_five_wrong_answers_a_lab_and_one_a_check(name):
    mine = [check for lab, check, *_ in WRONG if name.startswith(f"{lab}_")]
    checks = {told_of(c)["grade_id"] for c in read("source", name)["cells"] if told_of(c).get("locked")}
    assert len(mine) >= 5
    assert set(mine) == checks


def test_the_notebooks_are_those_that_the_sources_make(labs, capsys):
    assert labs[0].main(["--check"]) == 0, capsys.readouterr().out


def test_a_notebook_that_is_out_of_date_is_told(labs, capsys, monkeypatch, tmp_path):
    make = labs[0]
    monkeypatch.setattr(make, "HERE", tmp_path)
    (tmp_path / "source").mkdir()
    source = (LABS / "source" / f"{NAMES[0]}.ipynb").read_text(encoding="utf-8")
    (tmp_path / "source" / "a.ipynb").write_text(source, encoding="utf-8")
    assert make.main([]) == 0
    assert make.main(["--check"]) == 0
    made = tmp_path / "student" / "a.ipynb"
    made.write_text(made.read_text(encoding="utf-8").replace("# YOUR CODE HERE", "# YOURS", 1), encoding="utf-8")
    capsys.readouterr()
    assert make.main(["--check"]) == 1
    assert capsys.readouterr().out == "OLD   student/a.ipynb\nok    solution/a.ipynb\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("### BEGIN SOLUTION\nx = 1", "does not end"),
        ("x = 1\n### END SOLUTION", "no partner"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "no partner"),
    ],
)
def test_markers_that_do_not_match_are_told(labs, text, words):
    with pytest.raises(ValueError, match=words):
        labs[0].without(text, "SOLUTION", [])


def test_a_stub_is_indented_as_its_region_was(labs):
    text = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n    # more"
    assert labs[0].without(text, "SOLUTION", ["raise E"]) == "def f():\n    raise E\n    # more"


@pytest.mark.parametrize("name", NAMES)
def test_the_metadata_is_what_nbgrader_asks_for(name):
    notebook = read("source", name)
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["language"]) == (4, "python")
    told = [(cell, told_of(cell)) for cell in notebook["cells"] if told_of(cell)]
    ids = [each["grade_id"] for _, each in told]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]+", each) for each in ids)
    for cell, each in told:
        kind = "answer" if cell["cell_type"] == "markdown" else "solution" if each["solution"] else "check"
        is_one_of_three = {
            "answer": (True, True, False),
            "solution": (False, True, False),
            "check": (True, False, True),
        }
        assert (each["grade"], each["solution"], each["locked"]) == is_one_of_three[kind], each
        assert (each["schema_version"], each["task"], each["cell_type"]) == (3, False, cell["cell_type"])
        assert ("points" in each) == each["grade"]
        assert ("### BEGIN SOLUTION" in text_of(cell)) == each["solution"]
    assert sum(each.get("points", 0) for _, each in told) == 20


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_solution_is_left_in_a_students_notebook(name):
    student, text = read("student", name), (LABS / "student" / f"{name}.ipynb").read_text(encoding="utf-8")
    assert not re.search("SOLUTION|HIDDEN|Marking", text)
    for cell, source in zip(student["cells"], read("source", name)["cells"], strict=True):
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            assert cell["execution_count"] is None
        if told_of(source).get("solution"):
            region = text_of(source).split("### BEGIN SOLUTION\n")[1].split("### END SOLUTION")[0]
            assert not any(line.strip() in text_of(cell) for line in region.splitlines() if len(line.strip()) > 12)
            assert ("raise NotImplementedError()" if cell["cell_type"] == "code" else "YOUR ANSWER") in text_of(cell)


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    for cell in read("source", name)["cells"]:
        for target in re.findall(r"\]\(([^)#]+)\)", text_of(cell)) if cell["cell_type"] == "markdown" else ():
            assert target.startswith("https://") or (LABS / "source" / target).exists(), target


def test_the_teachers_page_quotes_what_checks_say():
    page = (LABS / "README.md").read_text(encoding="utf-8")
    files = [*(LABS / "labchecks").glob("*.py"), *(ROOT / "refdope" / "gradcheck").rglob("*.py")]
    said = "\n".join([path.read_text(encoding="utf-8") for path in files] + [words for *_, words in WRONG])
    rows = re.findall(r"^\| .* \| (.*) \|$", page, re.MULTILINE)
    quoted = [each for row in rows for each in re.findall('"(.*?)"', row)]
    assert len(quoted) > 25
    assert not [each for each in quoted if each not in said]
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (LABS / target).exists(), target
