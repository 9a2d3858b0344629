"""The bar of a fit: in a terminal, in a notebook, and nowhere else."""

import io
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from skdist_gpu import AutoScaleRegressor
from skdist_gpu.progress import Progress

rng = np.random.default_rng(0)
X = rng.standard_normal((2_000, 4))


def test_nothing_is_printed_where_the_output_is_no_terminal(capsys):
    AutoScaleRegressor(backend="reductions", progress=True).fit(X, X[:, 0])
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_stage_and_time_left(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
    with Progress(visible=True) as progress:
        progress.start("pass 1", total=10)
        progress.advance(5)
        progress.note("loss 0.5")
        progress.finish()
    assert "pass 1, loss 0.5" in out.getvalue()
    assert "left" in out.getvalue()


@pytest.fixture
def shown(monkeypatch):
    """What a notebook shows, one picture after another."""
    pytest.importorskip("IPython")
    from IPython import display

    pictures = []
    handle = SimpleNamespace(update=lambda html: pictures.append(html.data))
    monkeypatch.setattr(display, "display", lambda html, display_id: handle)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: SimpleNamespace(kernel=object()))
    return pictures


def test_a_notebook_shows_a_bar_of_html_without_widgets(shown):
    AutoScaleRegressor(backend="reductions", progress=True).fit(X, X[:, 0])
    assert "<progress" in shown[-1]
    assert " s" in shown[-1]
    assert "ipywidgets" not in sys.modules


class Slow(float):
    """A number that takes a while to be added."""

    def __radd__(self, other):
        time.sleep(0.002)
        return other + float(self)


def test_a_notebook_counts_what_several_threads_have_done(shown):
    with Progress(visible=True) as progress, ThreadPoolExecutor(4) as pool:
        progress.start("fit", total=40)
        list(pool.map(progress.advance, [Slow(1)] * 40))
    assert "value=40 max=40" in shown[-1]
