"""What stands around a weight matrix: `forward(…) -> output, cache`, `backward(d_output, cache) -> d_input, grads`."""

from refdope.layers.dropout import Dropout
from refdope.layers.embedding import Embedding
from refdope.layers.joint import JointLSTM
from refdope.layers.lstm import LSTM
from refdope.layers.softmax import Softmax
from refdope.layers.stepper import LSTMStepper

__all__ = ["LSTM", "Dropout", "Embedding", "JointLSTM", "LSTMStepper", "Softmax"]
