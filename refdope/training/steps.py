"""How far an update moves a matrix that is a product of factors, and steps that do not depend on how they are scaled.

A -> cA, B -> B/c leaves W = A ⊗ B as it is, and so the loss, but not the step of gradient descent. To first order

    δW = δA ⊗ B + A ⊗ δB = -lr (‖B‖² P_A + ‖A‖² P_B) dW,    dW = ∂loss/∂W,

with P_A the orthogonal projection onto the matrices X ⊗ B, and P_B that onto the A ⊗ Y. A dense matrix moves by -lr dW.
The rate of W is lr times ‖A‖² and ‖B‖², which is 5 to 33 times lr as factors are drawn for an LSTM of 200 units.

"scaled" takes that out. With r_p = max ‖δW‖ / ‖δp‖ how far a step of a parameter p moves W (`Structure.reach`: ‖B‖ for
A, ‖A‖ for B), the optimiser works on the parameters r_p p, with r_p held fast for one update:

    g_p <- g_p / r_p,    then clipping, and the optimiser's step of size lr on that,    p <- p - step / r_p

    SGD     dA / ‖B‖², dB / ‖A‖²: W moves by -lr (P_A + P_B) dW, so lr means for a product what it means for a dense
            matrix, at most twice as much. Scaled gradient descent: Tong, Ma and Chi, arXiv 2005.08898.
    Adam    its step is lr for an entry of r_p p, whatever the gradient's scale, and so lr / r_p for one of p. This is
            r_p times less than plain Adam; a rate of the factors as high as before is `lr_structure` = r_p.

Every quantity here, the clipped norm too, is the same for cA, B/c: so is W after any number of updates.
"""

from dataclasses import dataclass
from typing import Literal

from refdope.arrays import Params
from refdope.models.protocol import Model

Scaling = Literal["plain", "scaled"]


@dataclass(frozen=True)
class Steps:
    """The steps of the structures' parameters; those of overlays and of all that is no matrix are as they are.

    Parameters
    ----------
    lr_structure : float
        A factor on their rate.
    scaling : {"plain", "scaled"}
        Whether they depend on how a product's factors share its scale.
    """

    lr_structure: float = 1.0
    scaling: Scaling = "plain"

    def prepare(self, model: Model, grads: Params) -> dict[str, float]:
        """Divide the gradients of the structures' parameters by their reach, in place, if steps are scaled.

        Returns
        -------
        dict of float
            The factor on the rate of each of these parameters.
        """
        rates: dict[str, float] = {}
        for matrix, W in model.matrices.items():
            reach = W.reach() if self.scaling == "scaled" else {}
            for name in (f"{matrix}.{p}" for p in W.params if p != "overlay"):
                far = reach.get(name.removeprefix(f"{matrix}."), 1.0)
                rates[name] = self.lr_structure
                if name in grads and far not in (0.0, 1.0):  # where it is 0, p moves nothing, and its gradient is 0 too
                    grads[name] /= far
                    rates[name] /= far
        return rates
