"""The loss of a model over a whole text, the same everywhere."""

from refdope.arrays import Array
from refdope.data.batches import Batches as Text
from refdope.models.protocol import Batches, Model


def evaluation_batches(tokens: Array) -> Text:
    """Return the batches in which a text is evaluated, the same everywhere."""
    return Text(tokens, 100, max(1, min(16, len(tokens) // 50)))


def evaluate(model: Model, batches: Batches) -> float:
    """Return the mean loss over a text, in nats a token, nothing dropped, the state carried from window to window."""
    state, total, count = None, 0.0, 0
    for k in range(len(batches)):
        inputs, targets = batches[k]
        loss, state, _ = model.forward(inputs, targets, state)
        total += float(loss) * targets.size
        count += targets.size
    return total / count
