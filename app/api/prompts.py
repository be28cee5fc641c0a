"""The texts of a request as a job takes them: styles merged, comments taken out."""

from collections.abc import Iterable

from app.api.services import Services
from app.prompt import strip_comments


def final_prompts(services: Services, prompt: str, negative: str, styles: Iterable[str]) -> tuple[str, str]:
    """(prompt, negative prompt) with the named styles in them and without comments, in A1111's order."""
    prompt, negative = services.styles.apply(prompt, negative, styles)
    return strip_comments(prompt), strip_comments(negative)
