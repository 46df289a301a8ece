#!/usr/bin/env bash
# Write the lock files anew from pyproject.toml. The CPU file leaves out what only PyTorch's CUDA build needs.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
embedded=deployments/argilla/embedded
lock() {
    "$uv" pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet "$@"
}
compile() {
    lock pyproject.toml --extra faq --group dev --no-emit-package torch "${@:2}" --output-file "requirements/$1.lock"
}
compile_embedded() {
    lock $embedded/pyproject.toml --extra postgres --override $embedded/overrides.txt --output-file $embedded/requirements.lock "$@"
}
# A lock alone (`requirements/lock.sh embedded --upgrade`), or all of them.
if [ "${1:-}" = embedded ]; then
    compile_embedded "${@:2}"
    exit
fi
compile_embedded
compile gpu
cuda=$(grep -oE '^(nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+|triton)(\[[a-z,]+\])?==' requirements/gpu.lock | sed -E 's/(\[.*\])?==//' | sort -u)
# shellcheck disable=SC2046
compile cpu $(printf -- '--no-emit-package %s ' $cuda)
