"""One prediction of a model has to be a finite number. Put your own test in its place."""
import json
import math
import os
import sys

with open(os.path.join(sys.argv[1], "model.json")) as file:
    weights = json.load(file)["weights"]
sys.exit(0 if math.isfinite(sum(weights)) else 1)
