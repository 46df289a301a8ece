#!/usr/bin/env bash
# Write the lock files anew from pyproject.toml. The CPU file leaves out what only PyTorch's CUDA build needs.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
compile() {
    "$uv" pip compile pyproject.toml --extra faq --group dev --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-package torch --quiet "${@:2}" --output-file "requirements/$1.lock"
}
compile gpu
cuda=$(grep -oE '^(nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+|triton)(\[[a-z,]+\])?==' requirements/gpu.lock | sed -E 's/(\[.*\])?==//' | sort -u)
# shellcheck disable=SC2046
compile cpu $(printf -- '--no-emit-package %s ' $cuda)
