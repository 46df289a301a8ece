"""What the metric files are made of."""
