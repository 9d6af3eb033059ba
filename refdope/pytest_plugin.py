"""A pytest fixture, there wherever refdope is installed.

    def test_backward(gradcheck):
        gradcheck(loss, params, grads)

It takes what `refdope.gradcheck` takes and returns its report; where a gradient is wrong, the test fails with it.
"""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def gradcheck() -> Callable[..., Any]:
    """Check hand-written gradients; fail with a report that says what is wrong. See `refdope.gradcheck`."""

    def check(*args: Any, **options: Any) -> Any:
        """Run `refdope.gradcheck`; return its report if all is right, else fail with it."""
        from refdope import gradcheck  # here, so that tests without it load nothing

        report = gradcheck(*args, **options)
        if not report.ok:
            pytest.fail(str(report), pytrace=False)
        return report

    return check
