"""The texts of a request as a job takes them: styles merged, comments taken out."""

from collections.abc import Iterable

from app.api.services import Services
from app.jobs import OptionsView
from app.prompt import strip_comments


def final_prompts(services: Services, options: OptionsView, prompt: str, negative: str, styles: Iterable[str]) -> tuple[str, str]:
    """(prompt, negative prompt) with the named styles in them and, unless the options keep them, without comments; in A1111's order."""
    prompt, negative = services.styles.apply(prompt, negative, styles)
    if not options.switch("enable_prompt_comments"):
        return prompt, negative
    return strip_comments(prompt), strip_comments(negative)
