"""Built-in metrics of the `evaluate` library by kind; scoring/ has their table, their parts and `RowMetric`."""
