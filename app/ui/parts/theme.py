"""The page's colours, sizes and fonts as a Gradio theme; what a theme cannot say stands in static/css."""

import gradio as gr
from gradio.themes.utils import colors, sizes

SAFELIGHT = colors.Color(
    name="safelight",
    c50="#fff4ef",
    c100="#ffe5d9",
    c200="#ffc9b3",
    c300="#ffa584",
    c400="#fb7d52",
    c500="#ee5a2b",
    c600="#d1441a",
    c700="#ad3614",
    c800="#8a2d14",
    c900="#702713",
    c950="#3d1107",
)
"""The orange-red of a darkroom's safelight, near to the orange that A1111's users press."""

GRAPHITE = colors.Color(
    name="graphite",
    c50="#f7f7f8",
    c100="#eeeff1",
    c200="#dfe0e4",
    c300="#c6c9cf",
    c400="#989ca6",
    c500="#6b707b",
    c600="#4e525c",
    c700="#393c44",
    c800="#24262c",
    c900="#191b20",
    c950="#101115",
)

SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Ubuntu", "Cantarell", "sans-serif")
MONO_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")


def page_theme() -> gr.themes.Base:
    """Dark and light in one; only fonts that the machine has, so the page asks no other server for anything."""
    theme = gr.themes.Base(
        primary_hue=SAFELIGHT,
        secondary_hue=SAFELIGHT,
        neutral_hue=GRAPHITE,
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        font=[gr.themes.Font(name) for name in SYSTEM_FONTS],
        font_mono=[gr.themes.Font(name) for name in MONO_FONTS],
    )
    return theme.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_950",
        border_color_primary="*neutral_200",
        border_color_primary_dark="#2d3037",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_padding="0px",
        block_shadow="none",
        block_shadow_dark="none",
        block_title_text_weight="500",
        block_title_text_size="*text_sm",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="*neutral_300",
        panel_border_width="0px",
        input_background_fill="#ffffff",
        input_background_fill_dark="*neutral_800",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="#34373f",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_500",
        input_shadow="none",
        input_shadow_focus="0 0 0 2px color-mix(in srgb, var(--primary-500) 25%, transparent)",
        input_shadow_focus_dark="0 0 0 2px color-mix(in srgb, var(--primary-500) 35%, transparent)",
        slider_color="*primary_500",
        slider_color_dark="*primary_500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="*neutral_200",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover="*neutral_300",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="#3a3d46",
        button_secondary_text_color="*neutral_800",
        button_secondary_text_color_dark="*neutral_100",
        button_border_width="1px",
        button_large_radius="*radius_md",
        layout_gap="12px",
        form_gap_width="0px",
    )
