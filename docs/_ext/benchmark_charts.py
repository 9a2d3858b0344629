"""Draw the charts of the documentation from ``benchmarks/results`` while it is built.

Every chart is an SVG in ``docs/generated/charts`` beside a piece of text, ``<name>.txt``, with what it shows, the
machine, the date and the script that measures it again. Pages include the text. A chart whose results are not there
is an error, or says that they are not there: no page shows a figure that was not measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt
from sklearn.linear_model import LinearRegression

from skdist_gpu.data.inspect import described_input
from skdist_gpu.planning.cost import rate_key, shipped_machines
from skdist_gpu.planning.forms import TERMS
from skdist_gpu.planning.work import amounts

DOCS = Path(__file__).parents[1]
RESULTS = DOCS.parent / "benchmarks" / "results"
OUT = DOCS / "generated" / "charts"
# read on white and on black
OURS, THEIRS, INK = "#1a9850", "#8da0cb", "#808080"
COLOURS = [OURS, THEIRS, "#fc8d62", "#e78ac3", "#b8860b", "#66c2a5", "#a6761d", "#7570b3", "#d95f02"]

Chart = Callable[[], tuple[str, list[str]]]
CHARTS: dict[str, Chart] = {}


def chart(function: Chart) -> Chart:
    """Register a function that draws on the current figure and returns its text and the names of its results."""
    CHARTS[function.__name__] = function
    return function


def read(name: str) -> list[dict[str, Any]]:
    """Return the rows of a file of results."""
    return load(name)["results"]


def load(name: str) -> dict[str, Any]:
    """Return a file of results."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def short(estimator: str) -> str:
    """Write an estimator on one line of a chart."""
    text = " ".join(estimator.split())
    return text if len(text) <= 44 else text[:42] + " …"


def bars(labels: Iterable[str], values: dict[str, list[float]], unit: str, log: bool = True) -> None:
    """Draw horizontal bars, a group for each label, with each value written at its end."""
    labels = list(labels)
    figure, axes = plt.gcf(), plt.gca()
    height = 0.8 / len(values)
    figure.set_size_inches(7.5, 0.9 + len(labels) * (0.26 + 0.12 * len(values)))
    colours = dict(zip(values, COLOURS if len(values) > 1 else [OURS], strict=False))
    for i, (who, numbers) in enumerate(values.items()):
        places = [place + i * height for place in range(len(labels))]
        axes.barh(places, numbers, height, label=who, color=colours[who])
        for place, number in zip(places, numbers, strict=True):
            if number is not None and number == number:
                axes.annotate(f" {number:.3g}", (number, place), va="center", fontsize=8, color=INK)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(labels))], labels)
    axes.invert_yaxis()
    axes.set_xlabel(f"{unit} (logarithmic)" if log else unit)
    if log:
        axes.set_xscale("log")
    axes.margins(x=0.12, y=0.02)
    if len(values) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1 + 0.6 / figure.get_figheight()), ncols=3, frameon=False)


@chart
def landing() -> tuple[str, list[str]]:
    files = [
        "least_squares_cpu_2cores",
        "penalised_cpu_2cores",
        "few_pass_cpu_2cores",
        "one_pass_cpu_2000000x100_2cores",
    ]
    chosen = ["Ridge", "LinearRegression", "Lasso(alpha=0.1)", "LogisticRegression()", "StandardScaler()", "LassoCV()"]
    found: dict[str, dict[str, Any]] = {}
    for row in (row for name in files for row in read(name)):
        if row["estimator"] in chosen and row.get("shape", [2_000_000, 100]) == [2_000_000, 100]:
            found.setdefault(row["estimator"], row)
    rows = [found[name] for name in chosen if name in found]
    times = {"skdist_gpu": "reductions_seconds", "scikit-learn": "sklearn_seconds"}
    bars(
        [row["estimator"] for row in rows],
        {who: [row[key] for row in rows] for who, key in times.items()},
        "seconds of fit",
    )
    return "2 000 000 × 100 float64 in memory, the same answer, on two cores without a GPU.", files


@chart
def ten_gigabytes() -> tuple[str, list[str]]:
    gpu = load("least_squares_gpu_h100")["results"]
    limit, fits = gpu[0], [row for row in gpu[1:] if row["estimator"] == "LinearRegression()"]
    by_place = {row["from"]: row for row in fits}
    parquet, host = load("out_of_core_gpu_h100")["results"]
    seconds = {
        "read once on the GPU (limit)": 10 / limit["device_GB_per_second"],
        "skdist_gpu, rows on the GPU": by_place["CuPy"]["reductions_seconds"],
        "cuML, rows on the GPU": by_place["CuPy"]["cuml_seconds"],
        "copy once to the GPU (limit)": 10 / host["pinned_copy_GB_per_second"],
        "skdist_gpu, rows in main memory": by_place["NumPy"]["reductions_seconds"],
        "cuML, rows in main memory": by_place["NumPy"]["cuml_seconds"],
        "read Parquet once (limit)": parquet["reading_once_seconds"],
        "skdist_gpu, Parquet to the GPU": parquet["gpu_seconds"],
        "skdist_gpu, Parquet, 16 cores": parquet["cpu_seconds"],
    }
    bars(seconds, {"seconds": list(seconds.values())}, "seconds of fit")
    for bar, who in zip(plt.gca().patches, seconds, strict=True):
        bar.set_color(INK if "limit" in who else OURS if "skdist" in who else THEIRS)
    ours, error = (by_place["CuPy"][name] for name in ("largest_error", "cuml_largest_error"))
    text = (
        "LinearRegression on 10 GB, 25 000 000 × 100 float32. Grey bars are physical limits. The largest error of a "
        f"coefficient is {ours:.1g} here, where sums in float64 are rounded to float32 at the end, and {error:.2g} "
        "with cuML, whose sums are in float32."
    )
    return text, ["least_squares_gpu_h100", "out_of_core_gpu_h100"]


@chart
def against_scikit_learn() -> tuple[str, list[str]]:
    files = [
        "least_squares_cpu_2cores",
        "one_pass_cpu_2000000x100_2cores",
        "penalised_cpu_2cores",
        "few_pass_cpu_2cores",
    ]
    best: dict[str, float] = {}
    for row in (row for name in files for row in read(name)):
        if row.get("sklearn_seconds") and row.get("reductions_seconds"):
            best.setdefault(short(row["estimator"]), row["sklearn_seconds"] / row["reductions_seconds"])
    ordered = dict(sorted(best.items(), key=lambda item: -item[1]))
    bars(ordered, {"times": list(ordered.values())}, "times as fast as scikit-learn")
    plt.axvline(1, color=INK, lw=1)
    text = (
        "Exact sums on two cores against scikit-learn on the same two: how many times as fast a fit is. 1 000 000 × 20 "
        "to 10 000 000 × 20 and 2 000 000 × 100 float64 rows. Below 1, the plan takes scikit-learn itself."
    )
    return text, files


@chart
def against_onedal() -> tuple[str, list[str]]:
    """Draw fit and prediction by scikit-learn, by oneDAL and by what the plan chooses."""
    table = load("onedal_2cores")["table"]
    rows = table if isinstance(table, dict) else dict(table)
    labels, values = [], {"auto": [], "onedal": [], "scikit-learn": []}
    for name, facts in rows.items():
        for method in ("fit", "predict", "kneighbors"):
            seconds = [facts.get(who, {}).get(method) for who in ("auto", "onedal", "sklearn")]
            if all(isinstance(each, float) for each in seconds):
                labels.append(f"{name}, {method}")
                for column, each in zip(values.values(), seconds, strict=True):
                    column.append(each)
    bars(labels, values, "seconds")
    return (
        "What the plan chooses, our engine onedal and scikit-learn on two cores, on 20 000 to 1 000 000 rows.",
        ["onedal_2cores"],
    )


@chart
def against_cuml() -> tuple[str, list[str]]:
    rows = [row for row in read("resident_gpu_h100") if row.get("cuml_seconds") and row.get("reductions_seconds")]
    rows.sort(key=lambda row: row["reductions_seconds"] / row["cuml_seconds"])
    times = {"skdist_gpu": "reductions_seconds", "cuML": "cuml_seconds"}
    bars(
        [short(row["estimator"]) for row in rows],
        {w: [row[k] for row in rows] for w, k in times.items()},
        "seconds of fit",
    )
    return "Our sums and cuML, called directly, on 4 000 000 × 50 rows that the GPU holds.", ["resident_gpu_h100"]


@chart
def against_cuml_accel() -> tuple[str, list[str]]:
    rows = [row for row in read("cuml_rows_overhead_gpu_h100") if row.get("accel_seconds_from_numpy")]
    rows.sort(key=lambda row: row["our_seconds_from_numpy"] / row["accel_seconds_from_numpy"])
    times = {"skdist_gpu": "our_seconds_from_numpy", "cuml.accel": "accel_seconds_from_numpy"}
    bars(
        [short(row["estimator"]) for row in rows],
        {w: [row[k] for row in rows] for w, k in times.items()},
        "seconds of fit",
    )
    return "From NumPy arrays: this package and cuml.accel on one GPU.", ["cuml_rows_overhead_gpu_h100"]


def programs(name: str) -> list[str]:
    """Draw the seconds of fit and prediction of each estimator in an unchanged program, by what it ran under."""
    found: dict[str, dict[str, float]] = {}
    for row in read(name):
        seconds = sum(min(row[what]) for what in ("fits", "predictions")) if "fits" in row else float("nan")
        found.setdefault(row["way"], {})[row["name"]] = seconds
    ways = {way: list(found[way].values()) for way in ("skdist_gpu", *(way for way in found if way != "skdist_gpu"))}
    bars(list(found["skdist_gpu"]), ways, "seconds of fit and prediction")
    return [name]


@chart
def programs_on_a_gpu() -> tuple[str, list[str]]:
    text = "An unchanged program of 25 estimators, 1 000 000 × 50 NumPy rows or a part of them, beside a GPU."
    return text, programs("programs_gpu_h200")


@chart
def programs_on_two_cores() -> tuple[str, list[str]]:
    text = "The same program on two cores. The forest of scikit-learn-intelex is another one: other trees grow."
    return text, programs("programs_2cores")


@chart
def against_dask_ml() -> tuple[str, list[str]]:
    rows = [row for row in read("dask_ml_answers_2cores") if row.get("dask_ml_seconds") and row.get("ours_seconds")]
    times = {"skdist_gpu": "ours_seconds", "dask_ml": "dask_ml_seconds"}
    bars(
        [short(row["estimator"]) for row in rows],
        {w: [row[k] for row in rows] for w, k in times.items()},
        "seconds of fit",
    )
    return "200 000 rows in Dask blocks: our sums over the blocks and dask_ml.", ["dask_ml_answers_2cores"]


@chart
def against_cuml_dask() -> tuple[str, list[str]]:
    rows = read("multi_gpu_h200_x2")
    labels = [f"{row['gpus']} GPU{'s' * (row['gpus'] > 1)}, {row['rows'] // 10**6} M rows" for row in rows]
    times = {"skdist_gpu": "seconds", "cuml.dask": "cuml_dask_seconds"}
    bars(labels, {who: [row[key] for row in rows] for who, key in times.items()}, "seconds of fit")
    worst = max(row["cuml_dask_largest_error"] for row in rows)
    text = (
        "LinearRegression on blocks that workers hold, with the same number of rows for each GPU. The largest error of "
        f"a coefficient is below 1e-9 here and {worst:.2g} with cuml.dask."
    )
    return text, ["multi_gpu_h200_x2"]


@chart
def prices() -> tuple[str, list[str]]:
    """Draw what the price of a plan is made of: each term of the work times its rate."""
    estimator, info = LinearRegression(), described_input((1_000_000, 50), "float64")
    (machine,) = (machine for machine in shipped_machines() if machine.n_cores == 2)
    work = amounts(estimator, info)
    plt.gcf().set_size_inches(7.5, 2.4)
    terms: dict[str, list[float]] = {}
    names = ["reductions:cpu", "sklearn:cpu"]
    for i, name in enumerate(names):
        for term, rate in machine.rates[rate_key("LinearRegression", name, False)].items():
            terms.setdefault(term, [0.0, 0.0])[i] = rate * work.get(term, 0.0)
    left = [0.0, 0.0]
    for term, seconds in terms.items():
        if sum(seconds) > 1e-3:
            plt.barh(names, seconds, left=left, label=f"{term}: {TERMS[term].partition(':')[0]}")
            left = [a + b for a, b in zip(left, seconds, strict=True)]
    plt.gca().invert_yaxis()
    plt.xlabel("predicted seconds")
    plt.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.25))
    text = (
        "The prices of two engines for LinearRegression on 1 000 000 × 50 float64, on two cores: each term is an "
        "amount of work times its rate, from ``skdist_gpu/planning/rates/2cores.json`` "
        f"({machine.date}, ``benchmarks/rates.py``)."
    )
    return text, []


@chart
def against_xgboost() -> tuple[str, list[str]]:
    rows = [*read("xgboost_scale_overhead_2cores")[:1], *read("xgboost_scale_overhead_gpu_h100")]
    labels = ["two cores", "one GPU"]
    times = {"AutoScaleXGBRegressor": "ours_seconds", "XGBRegressor, called directly": "direct_seconds"}
    bars(labels, {who: [row[key] for row in rows] for who, key in times.items()}, "seconds of fit")
    text = "What the wrapper costs: 200 rounds on 1 000 000 × 50, the same model and the same score."
    return text, ["xgboost_scale_overhead_2cores", "xgboost_scale_overhead_gpu_h100"]


@chart
def crossover() -> tuple[str, list[str]]:
    files = ["cuml_rows_crossover_gpu_h100", "cuml_rows_crossover_graphs_gpu_h100"]
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in (row for name in files for row in read(name)):
        lines.setdefault(row["estimator"], []).append((row["rows"], row["ratio"]))
    figure, axes = plt.gcf(), plt.gca()
    figure.set_size_inches(7.5, 4.6)
    for i, (name, points) in enumerate(lines.items()):
        style = "o-" if i < len(COLOURS) else "s--"
        axes.plot(*zip(*sorted(points), strict=True), style, ms=3, lw=1.2, label=name, color=COLOURS[i % len(COLOURS)])
    axes.axhline(1, color=INK, lw=1)
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="times as fast as scikit-learn")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    text = "Where one GPU pays: cuML on an H100 against scikit-learn on 16 cores, which is faster below the line at 1."
    return text, files


@chart
def agreement() -> tuple[str, list[str]]:
    rows = [row for row in read("agreement_cpu_2cores") if row["kind"] == "one pass" and row.get("threads") is not None]
    figure, axes = plt.gcf(), plt.gca()
    figure.set_size_inches(7.5, 0.9 + 0.22 * len(rows))
    places = range(len(rows))
    for who, marker in (("threads", "o"), ("files", "s"), ("dask", "^")):
        found = [(max(abs(row[who]), 1e-17), i) for i, row in enumerate(rows) if row.get(who) is not None]
        axes.plot(*zip(*found, strict=True), marker, ms=4, label=who, alpha=0.8)
    axes.plot([row["asked"] for row in rows], places, "|", color=INK, ms=8, label="asked for")
    axes.set_yticks(places, [short(row["estimator"]) for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="largest relative difference from scikit-learn in float64")
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, 1 + 0.5 / figure.get_figheight()), ncols=4, frameon=False, fontsize=8
    )
    return "How far the answers are from scikit-learn's, by who summed the rows.", ["agreement_cpu_2cores"]


@chart
def overhead() -> tuple[str, list[str]]:
    rows = [row for row in read("overhead_2cores") if row.get("plain_us", 1e9) < 5000]
    labels = [f"{row['estimator']}, {row['what']}" for row in rows]
    values = {"skdist_gpu": "wrapped_us", "scikit-learn": "plain_us"}
    bars(labels, {who: [row[key] for row in rows] for who, key in values.items()}, "microseconds", log=False)
    return "What inspecting and planning cost where scikit-learn itself does the work.", ["overhead_2cores"]


def measured_as(pattern: str) -> list[str]:
    """Return the names of the files of results that a pattern matches."""
    return sorted(path.stem for path in RESULTS.glob(f"{pattern}.json"))


@chart
def regret() -> tuple[str, list[str]]:
    """Draw how much longer a choice takes than the best engine in hindsight, by who chooses."""
    files = measured_as("regret_*")
    if not files:
        return "", []
    found = {name.removeprefix("regret_"): read(name)[0]["policies"] for name in files}
    policies = list(dict.fromkeys(policy for by_policy in found.values() for policy in by_policy))
    values = {
        machine: [by_policy.get(policy, {}).get("geometric mean", float("nan")) for policy in policies]
        for machine, by_policy in found.items()
    }
    bars(policies, values, "times as long as the best engine in hindsight, geometric mean")
    counts = ", ".join(f"{read(name)[0]['workloads']} on {name.removeprefix('regret_')}" for name in files)
    return f"Who chooses the engine, on workloads that no rate was fitted to ({counts}): 1 is always right.", files


@chart
def scaling() -> tuple[str, list[str]]:
    """Draw the efficiency of several GPUs beside one."""
    files = [name for name in measured_as("scaling*") if any("efficiency" in row for row in read(name))]
    if not files:
        return "", []
    values: dict[str, dict[str, float]] = {}
    for row in (row for name in files for row in read(name) if row.get("gpus", 1) > 1 and "efficiency" in row):
        column = values.setdefault(f"{row['way']}, {row['scaling']}, {row['gpus']} GPUs", {})
        column[row["what"]] = row["efficiency"]
    names = list(dict.fromkeys(name for column in values.values() for name in column))
    bars(
        names,
        {who: [column.get(name, float("nan")) for name in names] for who, column in values.items()},
        "efficiency",
        log=False,
    )
    plt.axvline(1, color=INK, lw=1)
    text = (
        "How well several GPUs are used. Weak scaling: each GPU has as many rows, and efficiency is the time of one "
        "over that of all. Strong scaling: all have as many rows together, and it is divided by their number."
    )
    return text, files


def caption(name: str, text: str, files: list[str]) -> str:
    """Return the text under a chart: what it shows, and for each file its machine, date and script."""
    scripts = {path.stem for path in RESULTS.parents[0].glob("*.py")}
    sources = []
    for file in files:
        facts = load(file)
        gpu = next((v.split(",")[0] for k, v in facts.get("GPUs", {}).items() if k.startswith("GPU")), None)
        n_gpus = sum(k.startswith("GPU") for k in facts.get("GPUs", {}))
        # a file written on another machine than the one measured names that one in words
        cores = f"{facts.get('system', {}).get('cores', '?')} cores"
        machine = facts.get("machine") or (f"{n_gpus} × {gpu}, {cores}" if gpu else cores)
        script = max((s for s in scripts if file.startswith((s, s.removesuffix("_rows")))), key=len)
        sources.append(f"``benchmarks/results/{file}.json`` ({machine}, {facts['date']}, ``benchmarks/{script}.py``)")
    measured = f"\n   Measured: {'; '.join(sources)}." if sources else ""
    # the path is relative to the pages, which all lie in the folder of conf.py
    options = f"   :alt: {text.replace('``', '')}\n   :width: 100%\n   :class: dark-light\n"
    return f".. figure:: /generated/charts/{name}.svg\n{options}\n   {text}{measured}\n"


def draw(app: Any = None) -> None:
    """Write every chart and its text."""
    OUT.mkdir(parents=True, exist_ok=True)
    style = {"axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "path", "svg.hashsalt": "charts"}
    style |= {f"{what}.color": INK for what in ("text", "xtick", "ytick")}
    style |= {"axes.edgecolor": INK, "axes.labelcolor": INK, "font.size": 9}
    with matplotlib.rc_context(style):
        for name, function in CHARTS.items():
            plt.figure(figsize=(7.5, 4))
            text, files = function()
            if not text:
                plt.close()
                (OUT / f"{name}.txt").write_text(f"Not measured yet; ``benchmarks/{name}.py`` does.\n")
                continue
            plt.savefig(OUT / f"{name}.svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
            plt.close()
            (OUT / f"{name}.txt").write_text(caption(name, text, files))


def setup(app: Any) -> dict[str, bool]:
    """Draw when Sphinx starts."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    draw()
