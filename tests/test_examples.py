"""Every program of the gallery runs, and ends in a picture."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("plot_*.py"))


def test_there_are_at_least_ten():
    assert len(EXAMPLES) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_draws_a_picture(path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    runpy.run_path(str(path))
    assert any(axes.has_data() for number in pyplot.get_fignums() for axes in pyplot.figure(number).axes)
    pyplot.close("all")
