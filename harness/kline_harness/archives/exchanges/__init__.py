"""One file for each exchange or seller of data, with an `EXCHANGE` in it; the registry finds it."""
