"""Styles found in the texts of a picture and taken out again, so that choosing them gives the texts back."""

from collections.abc import Sequence

Style = tuple[str, str, str]
"""(name, prompt, negative prompt), as a line of styles.csv."""

_PLACE = "{prompt}"


def cut_styles(prompt: str, negative: str, styles: Sequence[Style]) -> tuple[list[str], str, str]:
    """(names in the order in which they were applied, prompt without them, negative prompt without them).

    A style counts as found only if both of its texts stand where applying it would have put them; the last one applied
    is the outermost, so the search goes from the outside in and takes each style at most once.
    """
    left = [style for style in styles if style[1].strip() or style[2].strip()]
    found: list[str] = []
    while True:
        for style in left:
            bare, bare_negative = _without(prompt, style[1]), _without(negative, style[2])
            if bare is not None and bare_negative is not None:
                break
        else:
            return found[::-1], prompt, negative
        prompt, negative = bare, bare_negative
        found.append(style[0])
        left.remove(style)


def _without(text: str, style: str) -> str | None:
    """The text as it was before the style was applied; None if it does not look applied."""
    style, text = style.strip(), text.strip()
    if not style:
        return text
    if _PLACE in style:
        before, _, after = style.partition(_PLACE)
        fits = _PLACE not in after and len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)
        return text[len(before) : len(text) - len(after)] if fits else None
    if text == style:
        return ""
    return text.removesuffix(f", {style}") if text.endswith(f", {style}") else None
