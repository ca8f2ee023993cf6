# Nothing is traded while the log of trades does not grow.
before=$(wc -c <logs/trading.log) || exit 1
sleep 0.3
[ "$before" = "$(wc -c <logs/trading.log)" ]
