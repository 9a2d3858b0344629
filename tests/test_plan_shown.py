"""Plans and explanations as people and programs read them."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge

from skdist_gpu import AutoScaleRegressor, autoscale, load, save
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.testing import make_resources


@pytest.fixture(scope="module")
def plan():
    return autoscale(RandomForestClassifier()).plan(shape=(10**6, 50), resources=make_resources(gpus=1))


def test_text_tells_the_chosen_engine_first_then_what_else_runs_then_each_cause_once(plan):
    lines = str(plan).splitlines()
    words = [line.split()[0] for line in lines[2:] if not line.lstrip().startswith("-")]
    assert words[0] == "chosen"
    assert words.index("refused") == len(words) - words.count("refused")
    causes = [line.partition(": ")[2] for line in lines if line.startswith("  refused")]
    assert len(causes) == len(set(causes))
    assert {reason for c in plan.candidates if c.verdict == "refused" for reason in c.reasons} == set(causes)


def test_engines_refused_for_one_cause_share_a_line():
    refused = [Candidate(name, "gpu", "refused", ("needs a GPU",)) for name in ("one", "two")]
    text = str(Plan("Ridge", "data", "machine", tuple(refused)))
    assert text.count("needs a GPU") == 1
    assert "one:gpu, two:gpu: needs a GPU" in text


def test_a_plan_is_written_as_json_and_read_back(plan):
    read = json.loads(json.dumps(plan.to_dict()))
    assert read["chosen"] == plan.chosen.name
    assert [c["backend"] for c in read["candidates"]] == [c.backend for c in plan.candidates]
    assert read["candidates"][0]["reasons"] == list(plan.reasons)


def test_a_notebook_shows_predicted_beside_measured_and_no_text_as_markup():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3))
    explained = AutoScaleRegressor(Ridge()).fit(X, X[:, 0]).explain()
    html = explained._repr_html_()
    assert "predicted" in html
    assert " measured" in html
    assert f"ran on {explained.report.candidate.name}" in html
    assert json.loads(json.dumps(explained.to_dict()))["report"]["seconds"] == explained.report.seconds
    assert "&lt;b&gt;" in Plan("<b>", "data", "machine", ())._repr_html_()


def test_reports_are_saved_without_what_belongs_to_the_process(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3))
    model = AutoScaleRegressor(Ridge()).fit(X, X[:, 0])
    model.predict(X)
    save(model, tmp_path / "model.skops")
    for loaded in (load(tmp_path / "model.skops"), pickle.loads(pickle.dumps(model))):
        assert loaded.report_.seconds == model.report_.seconds
        assert loaded.report_.last_call is None
        np.testing.assert_allclose(loaded.predict(X), model.predict(X))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_a_large_fit_tells_the_memory_that_it_took_beside_what_was_predicted():
    program = """
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from skdist_gpu import autoscale
X = np.random.default_rng(0).normal(size=(70_000, 90))
model = autoscale(LinearDiscriminantAnalysis(), backend="sklearn").fit(X, X[:, 0] > 0)
report = model.report_.to_dict()
print(report["predicted_bytes"] / report["measured_bytes"], X.nbytes < report["measured_bytes"])
assert "predicted memory" in str(model.explain()) and "MB measured" in model.explain()._repr_html_()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ratio, more_than_the_rows = done.stdout.split()
    assert more_than_the_rows == "True"
    assert 0.7 < float(ratio) < 1.4
