"""An engine of another package, as small as it can be: the mean of `y`, found by NumPy."""

import numpy as np

from skdist_gpu.data.convert import validate
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo, Fitted


class Toy(EngineInfo):
    """Everything that the package asks about an engine; what is not said is refused."""

    name = "toy"
    packages = {"cpu": {"numpy": "2"}}  # noqa: RUF012
    reads = {"cpu": ("host",)}  # noqa: RUF012

    def entries(self):
        return [Entry("DummyRegressor", self.name, "cpu", accepts={"strategy": ("mean",)}, tolerance=1e-12)]

    def fit_seconds(self, entry, estimator, info, resources):
        return 1e-8 * (info.n_samples or 0)

    def fit(self, job):
        _, y, _ = validate(job.estimator, job.X, job.y, None, sparse=False, multi_target=False)
        job.progress.start("the mean of y", total=1)
        job.estimator.constant_, job.estimator.n_outputs_ = np.array([[y.mean()]]), 1
        job.progress.finish()
        return Fitted(job.estimator)


INFO = Toy()


class Hungry(Toy):
    """The same, with a copy of all rows for each row of its own: it plans well and runs out of memory."""

    name = "hungry"
    rank = 5

    def entries(self):
        return [Entry("DummyRegressor", self.name, "cpu", memory=0.1)]

    def peak_bytes(self, entry, info, resources):
        return 0

    def fit(self, job):
        np.ones((len(job.X), *job.X.shape)).sum()
        return super().fit(job)
