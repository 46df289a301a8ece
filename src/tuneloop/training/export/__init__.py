"""What leaves the loop: adapter, merged model, GGUF file; each held against what was trained."""
