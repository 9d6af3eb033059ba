"""What stands around a weight matrix: `forward(…) -> output, cache`, `backward(d_output, cache) -> d_input, grads`."""

from refdope.layers.dropout import Dropout
from refdope.layers.embedding import Embedding
from refdope.layers.gru import GRU
from refdope.layers.joint import JointLSTM
from refdope.layers.lstm import LSTM
from refdope.layers.recurrent import Recurrent
from refdope.layers.softmax import Softmax
from refdope.layers.stepper import LSTMStepper

LAYERS: dict[str, type[Recurrent]] = {"lstm": LSTM, "joint": JointLSTM, "gru": GRU}  # one word per recurrent layer

__all__ = ["GRU", "LAYERS", "LSTM", "Dropout", "Embedding", "JointLSTM", "LSTMStepper", "Recurrent", "Softmax"]
