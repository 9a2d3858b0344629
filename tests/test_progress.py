"""The bar of a fit: in a terminal, in a notebook, and nowhere else."""

import io
import sys
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


def test_a_notebook_shows_a_bar_of_html_without_widgets(monkeypatch):
    pytest.importorskip("IPython")
    from IPython import display

    shown = []
    handle = SimpleNamespace(update=lambda html: shown.append(html.data))
    monkeypatch.setattr(display, "display", lambda html, display_id: handle)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: SimpleNamespace(kernel=object()))
    AutoScaleRegressor(backend="reductions", progress=True).fit(X, X[:, 0])
    assert "<progress" in shown[-1]
    assert " s" in shown[-1]
    assert "ipywidgets" not in sys.modules
