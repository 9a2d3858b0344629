"""The user's own measurements of the machine scale what is predicted."""

import json

import pytest
from click.testing import CliRunner
from sklearn.cluster import KMeans
from sklearn.linear_model import Lasso, LogisticRegression, Ridge

from skdist_gpu.cli import main
from skdist_gpu.data.inspect import described_input
from skdist_gpu.hardware.detect import detect_resources
from skdist_gpu.planning.calibrate import calibration_path, own_calibration
from skdist_gpu.planning.cost import Machine, predict, rate_key, shipped_machines
from skdist_gpu.testing import make_resources

ROWS = described_input((1000, 10), "float64")
MACHINE = Machine(
    "made up",
    "2026-01-01",
    n_cores=4,
    probes={"blas": 1e-11, "memory": 1e-10, "interpreter": 1e-8},
    rates={rate_key("Ridge", "engine:cpu", False): {"calls": 1e-3, "gram": 1e-9, "values": 1e-9}},
)


def _predicted(n_cores):
    return predict(Ridge(), "engine:cpu", ROWS, make_resources(cpus=n_cores), machines=(MACHINE,)).seconds


@pytest.fixture
def own(tmp_path, monkeypatch):
    path = tmp_path / "own.json"
    monkeypatch.setenv("SKDIST_GPU_CALIBRATION", str(path))

    def write(**probes):
        path.write_text(json.dumps({"n_cores": 8, "probes": probes}))

    return write


def test_each_term_is_scaled_by_its_probe(own):
    own(blas=2e-11, memory=5e-10, interpreter=3e-8)
    assert _predicted(8) == pytest.approx(3 * 1e-3 + 2 * 1e-9 * 1e5 + 5 * 4 / 8 * 1e-9 * 1e4)
    # for a machine of another size the number of cores says it
    assert _predicted(2) == pytest.approx(1e-3 + 4 / 2 * (1e-9 * 1e5 + 1e-9 * 1e4))


def test_without_measurements_or_with_unreadable_ones_the_cores_say_it(own, tmp_path):
    expected = 1e-3 + 4 / 8 * (1e-9 * 1e5 + 1e-9 * 1e4)
    assert _predicted(8) == pytest.approx(expected)
    (tmp_path / "own.json").write_text("no JSON")
    assert own_calibration() is None


def test_the_command_measures_and_writes(own):
    done = CliRunner().invoke(main, ["calibrate", "--seconds", "0.05"])
    assert done.exit_code == 0, done.output
    written = own_calibration()
    assert str(calibration_path()) in done.output
    assert written.n_cores == detect_resources().n_cores
    assert {"blas", "memory", "interpreter"} <= set(written.probes)
    assert all(0 < seconds < 1e-4 for seconds in written.probes.values())


def test_the_file_is_in_the_users_configuration(monkeypatch, tmp_path):
    monkeypatch.delenv("SKDIST_GPU_CALIBRATION")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert calibration_path() == tmp_path / "skdist_gpu" / "calibration.json"


def test_machines_that_are_shipped_name_their_probes():
    known = {"blas", "memory", "interpreter", "gpu_blas", "gpu_memory", "launch", "copy"}
    assert all(set(machine.probes) <= known for machine in shipped_machines())
    assert any(machine.probes for machine in shipped_machines())


def test_what_one_thread_does_takes_as_long_on_any_number_of_cores():
    rates = {"calls": 1e-3, "begun_values": 1e-8, "values": 1e-9}
    machine = Machine("made up", "2026-01-01", 4, rates={rate_key("LogisticRegression", "engine:cpu", False): rates})
    rows = described_input((200_000, 10), "float64")
    seconds = {
        n: predict(LogisticRegression(), "engine:cpu", rows, make_resources(cpus=n), machines=(machine,)).seconds
        for n in (2, 4)
    }
    # a sample of a tenth of the rows, and all of them on all cores
    assert seconds[4] == pytest.approx(1e-3 + 1e-8 * 2e5 + 1e-9 * 2e6)
    assert seconds[2] == pytest.approx(1e-3 + 1e-8 * 2e5 + 2 * 1e-9 * 2e6)


def test_what_the_nearest_machine_does_not_know_is_guessed_from_the_next():
    small = Machine("small", "2026-01-01", n_cores=2, rates={rate_key("Lasso", "engine:cpu", False): {"values": 1e-8}})
    predicted = predict(Lasso(), "engine:cpu", ROWS, make_resources(cpus=4), machines=(MACHINE, small))
    assert predicted.guess
    assert predicted.seconds == pytest.approx(2 / 4 * 1e-8 * 1e4)
    assert not predict(Ridge(), "engine:cpu", ROWS, make_resources(cpus=4), machines=(small, MACHINE)).guess


def test_no_rate_that_is_shipped_promises_the_same_for_any_size():
    for machine in shipped_machines():
        assert [key for key, rates in machine.rates.items() if rates.keys() == {"calls"}] == []


@pytest.mark.parametrize("n_cores", [2, 16])
@pytest.mark.parametrize("engine", ["sklearn:cpu", "reductions:cpu", "onedal:cpu"])
def test_more_clusters_take_longer(engine, n_cores):
    """Twenty clusters take longer than two, whose fixed costs count, and 200 at least four times as long."""
    rows, machine = described_input((200_000, 20), "float64"), make_resources(cpus=n_cores)
    two, twenty, many = (predict(KMeans(k), engine, rows, machine).seconds for k in (2, 20, 200))
    assert two < twenty < many / 4
