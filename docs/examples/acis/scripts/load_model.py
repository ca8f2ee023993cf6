"""Loads a model and its metadata, or fails. Put your own loader in its place (xgboost: `load_model`)."""
import json
import os
import sys

folder = sys.argv[1]
with open(os.path.join(folder, "model.json")) as file:
    model = json.load(file)
with open(os.path.join(folder, "metadata.json")) as file:
    metadata = json.load(file)
assert model["weights"], "a model without weights"
print("trained %s, Sharpe ratio %s" % (metadata["training_date"], metadata["performance"]["sharpe_ratio"]))
