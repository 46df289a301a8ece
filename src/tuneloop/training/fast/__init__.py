"""The training step for CPUs: rows dealt out to threads, layers and loss with hand-written backwards."""
