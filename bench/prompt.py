"""How long the prompt language takes: `python bench/prompt.py`, one JSON line per function and prompt, all repeats in seconds."""

import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.prompt import Tokenizer, chunk_prompt, count_tokens, cut_tags, parse_attention, prompt_schedule, split_and, strip_comments

SIZE = 100_000
STEPS = 20
REPEATS = 3


def filled(unit: str) -> str:
    """`unit` over and over, `SIZE` characters."""
    return (unit * (SIZE // len(unit) + 1))[:SIZE]


def nested(opening: str, core: str, closing: str) -> str:
    """As many levels as fit into `SIZE` characters."""
    levels = (SIZE - len(core)) // len(opening + closing)
    return opening * levels + core + closing * levels


PROMPTS = {
    "usual": "portrait of an old sailor, (oil painting:1.2), [sun|moon], [storm:calm:0.5], stormy sea, masterpiece " * 2,
    "words": filled("red castle, blue river, "),
    "weights": filled("(a:1.1)b"),
    "round deep": nested("(a", "b", ")"),
    "round open": filled("(a"),
    "mixed deep": nested("([a", "b", "])"),
    "square deep": nested("[", "a:b:1", "]"),
    "switch deep": nested("[a:", "b", ":3]"),
    "alternate wide": filled("[a|b]"),
    "alternate deep": nested("[a|", "b", "]"),
    "crossing": filled("([)]"),
    "unfit": filled("[a:b"),
    "colons": filled(": "),
    "spaces": filled(" "),
    "backslashes": filled("\\"),
    "breaks": filled("a BREAK "),
    "ands": filled("a AND "),
    "tags open": filled("<a:"),
    "comments": filled("#\n"),
    "one word": filled("a"),
    "not latin": filled("(я)猫"),
    "digits": filled("[a:1"),
}


def seconds(run: Callable[[], object]) -> list[float]:
    """Every repeat's time: the reader judges the spread."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(round(time.perf_counter() - start, 4))
    return times


def main() -> None:
    print(json.dumps({"python": platform.python_version(), "machine": platform.machine(), "characters": SIZE, "steps": STEPS}))
    print(json.dumps({"function": "Tokenizer", "seconds": seconds(Tokenizer)}))
    tokenizer = Tokenizer()
    functions: dict[str, Callable[[str], object]] = {
        "strip_comments": strip_comments,
        "cut_tags": cut_tags,
        "split_and": split_and,
        "prompt_schedule": lambda text: prompt_schedule(text, STEPS),
        "parse_attention": parse_attention,
        "encode": tokenizer.encode,
        "chunk_prompt": lambda text: chunk_prompt(text, tokenizer),
        "count_tokens": lambda text: count_tokens(text, STEPS, tokenizer),
    }
    for kind, prompt in PROMPTS.items():
        for name, function in functions.items():
            print(json.dumps({"function": name, "prompt": kind, "seconds": seconds(lambda run=function, text=prompt: run(text))}))


if __name__ == "__main__":
    main()
