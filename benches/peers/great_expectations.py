# The same checks as expectations on a data frame.
import sys

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas

name = sys.argv[1]
if name.endswith(".csv"):
    frame = pandas.read_csv(name, parse_dates=["date"])
else:
    frame = pandas.read_parquet(name)
    frame["date"] = pandas.to_datetime(frame["date"])
context = gx.get_context(mode="ephemeral")
asset = context.data_sources.add_pandas("rates").add_dataframe_asset("rates")
batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
suite = gx.ExpectationSuite(name="rates")
suite.add_expectation(gxe.ExpectTableRowCountToBeBetween(min_value=1))
for column in ["date", "carrier", "mean", "lower", "upper"]:
    suite.add_expectation(gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=0.9))
for column, high in [("mean", 5000), ("lower", None), ("upper", 6000)]:
    suite.add_expectation(
        gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0, max_value=high, mostly=0.9)
    )
suite.add_expectation(gxe.ExpectColumnMaxToBeBetween(column="date", min_value=pandas.Timestamp("2026-11-19")))
carriers = ["Athene", "Brighthouse", "Equitable", "Ameriprise", "Jackson", "Lincoln", "Symetra", "Transamerica"]
suite.add_expectation(gxe.ExpectColumnDistinctValuesToContainSet(column="carrier", value_set=carriers))
found = batch.validate(suite)
assert found.success, found
