"""Where PyTorch is not installed there is nothing here to test; `make test-torch` installs it."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
