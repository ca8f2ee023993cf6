# The same checks as metrics with conditions on a data frame.
import sys

import pandas
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import InRangeValueCount, MaxValue, MissingValueCount, RowCount, UniqueValueCount
from evidently.tests import gt, lt

name = sys.argv[1]
frame = pandas.read_csv(name, parse_dates=["date"]) if name.endswith(".csv") else pandas.read_parquet(name)
frame["day"] = (pandas.to_datetime(frame["date"]) - pandas.Timestamp("1970-01-01")).dt.days
numbers = ["mean", "lower", "upper", "day"]
definition = DataDefinition(numerical_columns=numbers, categorical_columns=["carrier"])
data = Dataset.from_pandas(frame[[*numbers, "carrier"]], data_definition=definition)
metrics = [RowCount(tests=[gt(0)])]
metrics += [MissingValueCount(column=column, tests=[lt(100_000)]) for column in [*numbers, "carrier"]]
for column, high in [("mean", 5000), ("lower", 1e12), ("upper", 6000)]:
    metrics.append(InRangeValueCount(column=column, left=0, right=high, tests=[gt(0)]))
metrics += [MaxValue(column="day", tests=[gt(20_775)]), UniqueValueCount(column="carrier")]
found = Report(metrics).run(data, None)
assert all(test["status"] == "SUCCESS" for test in found.dict()["tests"]), found.dict()["tests"]
