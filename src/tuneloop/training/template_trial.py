"""Render the chat template on standard input; the exit code says what came of it. A process of its own, see
`chat_templates`."""

from __future__ import annotations

import resource
import sys
from typing import Any, NoReturn

CPU_SECONDS = 2
MEMORY_BYTES = 512 * 1024**2
MAX_CHARACTERS = 1_000_000
"""A template writes some hundred around a short conversation."""
BROKEN, TOO_LONG = 1, 3
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
CONVERSATIONS: tuple[tuple[str, ...], ...] = (
    ("user",), ("user", "assistant"), ("system", "user"), ("system", "user", "assistant", "user"),
)  # fmt: skip


def main() -> int:
    from jinja2 import TemplateSyntaxError

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        template = _environment().from_string(sys.stdin.buffer.read().decode())
    except (TemplateSyntaxError, RecursionError, MemoryError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return BROKEN
    return max(_rendered(template, roles, is_prompt=flag) for roles in CONVERSATIONS for flag in (True, False))


def _rendered(template: Any, roles: tuple[str, ...], *, is_prompt: bool) -> int:
    messages = [{"role": role, "content": f"Turn {number}."} for number, role in enumerate(roles)]
    characters = 0
    try:
        for text in template.generate(
            messages=messages, add_generation_prompt=is_prompt, tools=None, documents=None, **SPECIAL_TOKENS
        ):  # fmt: skip
            characters += len(text)
            if characters > MAX_CHARACTERS:
                return TOO_LONG
    except MemoryError:
        return TOO_LONG
    except Exception:  # noqa: BLE001, S110 (the edge of this process: a template may refuse a conversation as it likes)
        pass
    return 0


def _environment() -> Any:
    """As transformers renders: sandboxed, with `break`, `continue` and `generation`."""
    from jinja2 import ext, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(ext.Extension):
        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> nodes.Node | list[nodes.Node]:
            next(parser.stream)
            body: list[nodes.Node] = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return body

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, ext.loopcontrols]
    )
    environment.globals |= {"raise_exception": _raise, "strftime_now": lambda text: text}
    return environment


def _raise(message: str) -> NoReturn:
    raise ValueError(message)


if __name__ == "__main__":
    sys.exit(main())
