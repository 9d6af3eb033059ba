"""A small experiment, for the tests of what lists, orders, conducts and keeps its runs."""

import csv
from concurrent.futures import Executor, Future

TEXT = "the quick brown fox jumps over the lazy dog, again and again.\n" * 120
FILE = """
about = "a small one"
[base]
hidden = 8
factor = 4
steps = 12
unroll = 5
batch = 4
evaluations = 3
probe = 200
[short]
steps = 4
evaluations = 1
[grid]
lr = [0.01, 0.02]
ramp_end = [0.5, 0.8]
[[variant]]
name = "dense"
settings = {structure = "dense", overlay = false}
[[variant]]
name = "doped KP"
seeds = 2
settings = {structure = "kronecker"}
[[variant]]
name = "fixed"
settings = {structure = "none", lr = 0.01, ramp_end = 0.6}
"""


class Here(Executor):
    """Runs what is submitted at once, in this thread."""

    def __init__(self):
        self.ran = []

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        self.ran.append(args[0].name)
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def rows(table):
    with table.open(newline="") as file:
        return list(csv.DictReader(file))
