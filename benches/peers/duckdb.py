# The same checks as one query and one more for the groups: the way that is fastest for DuckDB.
import sys

import duckdb

name = sys.argv[1]
row = duckdb.execute(f'''
  select count(*),
    count(*) * 5 - count(date) - count(carrier) - count(mean) - count(lower) - count(upper),
    count(*) filter (mean < 0 or mean > 5000 or lower < 0 or upper < 0 or upper > 6000),
    DATE '2026-11-20' - max(date)
  from '{name}' ''').fetchone()
groups = duckdb.execute(f'''
  select carrier, count(*) from '{name}'
  where date >= DATE '2026-11-20' - 30 and date <= DATE '2026-11-20' group by carrier''').fetchall()
print(*row, sum(1 for group in groups if group[0]))
