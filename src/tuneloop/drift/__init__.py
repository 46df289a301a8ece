"""Production traffic, and whether it still looks like what the model was trained on."""
