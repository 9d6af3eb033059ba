"""Which few parts of a model deserve to be free: sparse additive models and grouped quantile regression.

Doping's question, asked of statistics. `prox` has the two norms that zero whole groups, `smooth` the smoothers of one
covariate, `descent` the group lasso; on them stand SpAM (`additive`), its logistic form (`logistic`), its grouped form
(`groups`) and its greedy rival (`greedy`). `quantile` follows the ℓ1,∞ path of quantile regression by events,
`quantile_lp` finds it a second way. `estimators` has them in the shape that scikit-learn knows, `pictures` draws.
"""

from refdope.selection.additive import Path, backfit, cp, gcv, smoother_path, spline_path
from refdope.selection.greedy import Forward, forward
from refdope.selection.groups import group_path
from refdope.selection.logistic import local_scoring, logistic_path
from refdope.selection.prox import group_l2, group_linf, project_l1
from refdope.selection.quantile import QuantilePath, check_loss, joint_path, quantile_path
from refdope.selection.quantile_lp import quantile_at, quantile_path_lp
from refdope.selection.smooth import LocalLinear, Spline

__all__ = [
    "Forward",
    "LocalLinear",
    "Path",
    "QuantilePath",
    "Spline",
    "backfit",
    "check_loss",
    "cp",
    "forward",
    "gcv",
    "group_l2",
    "group_linf",
    "group_path",
    "joint_path",
    "local_scoring",
    "logistic_path",
    "project_l1",
    "quantile_at",
    "quantile_path",
    "quantile_path_lp",
    "smoother_path",
    "spline_path",
]
