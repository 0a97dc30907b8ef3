"""What holds of a mixture whatever it is fitted to: a short walk through random cases.

``python -m benchmarks.robustness.fuzz`` takes the long one.
"""

import pytest
from _laws import violations
from _scenarios import draw


@pytest.mark.parametrize("number", range(24))
def test_a_mixture_keeps_the_laws_or_is_refused_in_words(number):
    scenario = draw(number)
    _, broken = violations(scenario)
    assert not broken, f"{scenario}\n{broken}"


def test_few_are_refused():
    refused = sum(violations(draw(n), laws=[])[0] is not None for n in range(8))
    assert refused < 4
