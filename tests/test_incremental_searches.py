"""dask_ml's searches over `partial_fit`, which do not run as they are with current Dask."""

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier

from skdist_gpu import AutoScaleClassifier, autoscale

da = pytest.importorskip("dask.array")
searches = pytest.importorskip("dask_ml.model_selection")
GRID = {"alpha": np.logspace(-5, 0, 10)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("IncrementalSearchCV", {"n_initial_parameters": 3, "max_iter": 3}),
        ("SuccessiveHalvingSearchCV", {"n_initial_parameters": 4, "n_initial_iter": 1}),
        ("InverseDecaySearchCV", {"n_initial_parameters": 3, "max_iter": 3}),
        ("HyperbandSearchCV", {"max_iter": 4}),
    ],
)
def test_a_search_finds_a_model(name, options):
    distributed = pytest.importorskip("distributed")
    generator = np.random.default_rng(0)
    X = generator.normal(size=(1000, 5))
    y = (X[:, 0] > 0).astype(int)
    search = autoscale(getattr(searches, name)(SGDClassifier(random_state=0), GRID, random_state=0, **options))
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0")
    with cluster, distributed.Client(cluster):
        search.fit(da.from_array(X, chunks=(200, -1)), da.from_array(y, chunks=200), classes=[0, 1])
    assert isinstance(search.best_estimator_, AutoScaleClassifier)
    assert set(search.best_params_) == {"alpha"}
    assert search.best_score_ > 0.8
    assert type(search.best_estimator_.estimator_) is SGDClassifier
    assert search.best_estimator_.score(X, y) > 0.8
    assert len(search.history_) >= len(search.cv_results_["params"])
