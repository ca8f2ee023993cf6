# The same checks in Soda's own language, on DuckDB.
import sys

import duckdb
from soda.scan import Scan

name = sys.argv[1]
connection = duckdb.connect()
connection.execute(f"create view rates as select * from '{name}'")
scan = Scan()
scan.disable_telemetry()
scan.add_duckdb_connection(connection)
scan.set_data_source_name("duckdb")
scan.add_sodacl_yaml_str("""
checks for rates:
  - row_count > 0
  - missing_count(date) < 100000
  - missing_count(carrier) < 100000
  - missing_count(mean) < 100000
  - missing_count(lower) < 100000
  - missing_count(upper) < 100000
  - invalid_count(mean) < 100000:
      valid min: 0
      valid max: 5000
  - invalid_count(lower) < 100000:
      valid min: 0
  - invalid_count(upper) < 100000:
      valid min: 0
      valid max: 6000
  - age_days = 1:
      age_days query: select date '2026-11-20' - max(date) from rates
  - groups = 8:
      groups query: select count(distinct carrier) from rates where date >= date '2026-11-20' - 30
""")
assert scan.execute() == 0, scan.get_logs_text()
