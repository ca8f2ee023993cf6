"""Writes the tables and numbers that the leakage gates and baselines are compared with.

    python3 -m venv venv && venv/bin/pip install numpy scikit-learn
    venv/bin/python tests/gates/linear/generate.py

R² is scikit-learn's (LinearRegression.score, r2_score), percentiles are NumPy's. Shuffles are Fisher-Yates with
SplitMix64, as docs/probes.md says.
"""

import csv
import json
import pathlib

import numpy as np
import sklearn
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

HERE = pathlib.Path(__file__).parent
MASK = (1 << 64) - 1


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def shuffle(self, values):
        values = list(values)
        for place in range(len(values) - 1, 0, -1):
            other = (self.next() * (place + 1)) >> 64
            values[place], values[other] = values[other], values[place]
        return np.array(values)


def write(name, columns):
    with open(HERE / name, "w", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(columns)
        table.writerows(zip(*[[repr(float(value)) for value in values] for values in columns.values()]))


def linear(name, columns, shuffles, seed):
    write(name, columns)
    target = columns["sales"]
    features = np.column_stack([values for key, values in columns.items() if key != "sales"])
    random = SplitMix64(seed)
    shuffled = []
    for _ in range(shuffles):
        other = random.shuffle(target)
        shuffled.append(LinearRegression().fit(features, other).score(features, other))
    return {
        "file": name,
        "shuffles": shuffles,
        "seed": seed,
        "r_squared": LinearRegression().fit(features, target).score(features, target),
        "shuffled": float(np.mean(shuffled)),
    }


def main():
    random = np.random.default_rng(20261120)
    cases = []
    rows = 240
    own, competitor, vix = random.normal(0.02, 0.004, rows), random.normal(0.021, 0.003, rows), random.gamma(9, 2, rows)
    sales = 1000 + 61350 * own - 30420 * competitor - 9.3 * vix + random.normal(0, 350, rows)
    cases.append(linear("weekly.csv", {"sales": sales, "own": own, "competitor": competitor, "vix": vix}, 20, 42))
    collinear = {
        "sales": sales,
        "own": own,
        "twice": 2 * own + 7,
        "constant": np.full(rows, 0.1),
        "competitor": competitor,
        "spread": own - competitor,
    }
    cases.append(linear("collinear.csv", collinear, 5, 7))
    scaled = {"sales": sales * 1e6, "own": own * 1e-2 + 1, "competitor": competitor * 1e3 + 1e4, "vix": vix + 1e3}
    cases.append(linear("scaled.csv", scaled, 5, 2**64 - 1))
    few = {"sales": random.normal(size=12)} | {f"x{at}": random.normal(size=12) for at in range(4)}
    cases.append(linear("few.csv", few, 20, 42))
    noise = {"sales": random.normal(size=60)} | {f"x{at}": random.normal(size=60) for at in range(15)}
    cases.append(linear("noise.csv", noise, 20, 42))
    predictions = []
    for name, error in [("good.csv", 120), ("bad.csv", 2500)]:
        predicted = sales + random.normal(0, error, rows)
        write(name, {"actual": sales, "predicted": predicted})
        predictions.append({"file": name, "r_squared": r2_score(sales, predicted)})
    values = [float(value) for value in random.lognormal(3, 1, 37)]
    percentiles = {f"p{percent}": float(np.percentile(values, percent)) for percent in [0, 1, 25, 50, 95, 99.9, 100]}
    expected = {
        "made_with": {"numpy": np.__version__, "scikit-learn": sklearn.__version__},
        "linear": cases,
        "predictions": predictions,
        "percentiles": {"values": values, "expected": percentiles},
    }
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
