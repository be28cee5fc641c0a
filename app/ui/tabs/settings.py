"""The Settings tab: the options that do something here, with A1111's names behind plain labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from app.schema.options import Option, OptionValue, find_option
from app.ui.parts.fields import limits_of
from app.ui.parts.html import element, static_html


@dataclass(frozen=True)
class Setting:
    """One option as the page shows it."""

    option: str
    label: str
    info: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    """(label, value) of a list of which several may be chosen."""


EXACT_INTEGER = 2**53
"""Above this a browser's numbers are not exact, and such a field is a text."""

SECTIONS: tuple[tuple[str, tuple[Setting, ...]], ...] = (
    (
        "Saving pictures",
        (
            Setting("samples_save", "Save every finished picture", "Otherwise pictures are kept in memory for a while only."),
            Setting("save_incomplete_images", "Save pictures that were interrupted"),
            Setting("save_images_before_highres_fix", "Save the picture that the hires fix begins with, too"),
            Setting("samples_format", "File format"),
            Setting("jpeg_quality", "Quality of JPEG, WebP and AVIF", "1 to 100."),
            Setting("webp_lossless", "WebP without loss"),
            Setting("export_for_4chan", "Save a smaller JPEG beside large pictures", "Where the file or a side is over a limit:"),
            Setting("img_downscale_threshold", "Largest file in MB"),
            Setting("target_side_length", "Longest side in pixels"),
            Setting("save_txt", "Save the settings as a text beside every picture"),
            Setting("save_selected_only", "The Save button keeps one picture", "The chosen one, in log/images; otherwise all of its job."),
            Setting("save_write_log_csv", "The Save button writes a line into log.csv"),
        ),
    ),
    (
        "Names of files and folders",
        (
            Setting("samples_filename_pattern", "Pattern of file names", "For example [seed]-[model_name]-[prompt_words]; empty: [seed]."),
            Setting("save_images_add_number", "Begin file names with a number"),
            Setting("save_images_replace_action", "Without a number, a file of the same name"),
            Setting("save_to_dirs", "Save pictures in folders"),
            Setting("grid_save_to_dirs", "Save grids in folders"),
            Setting("directories_filename_pattern", "Pattern of folder names", "For example [date] or [model_name]/[date]."),
            Setting("directories_max_prompt_words", "Most words of [prompt_words]"),
            Setting("outdir_samples", "Folder of all pictures", "Below outputs, as outputs/mine; empty: the next two."),
            Setting("outdir_txt2img_samples", "Folder of txt2img's pictures"),
            Setting("outdir_img2img_samples", "Folder of img2img's pictures"),
            Setting("outdir_extras_samples", "Folder of enlarged pictures"),
            Setting("use_original_name_batch", "Pictures that are enlarged together keep their names"),
            Setting("outdir_grids", "Folder of all grids", "Empty: the next two."),
            Setting("outdir_txt2img_grids", "Folder of txt2img's grids"),
            Setting("outdir_img2img_grids", "Folder of img2img's grids"),
        ),
    ),
    (
        "Grids",
        (
            Setting("grid_save", "Save a grid of all pictures of a job"),
            Setting("return_grid", "Show the grid among the results"),
            Setting("grid_only_if_multiple", "No grid of a single picture"),
            Setting("grid_format", "File format of grids"),
            Setting("grid_extended_filename", "Seed and prompt in the names of grids"),
            Setting("grid_prevent_empty_spots", "No empty places in a grid"),
            Setting("n_rows", "Rows of a grid", "-1: as square as possible. 0: the batch size."),
            Setting("grid_background_color", "Colour of empty places", "As #rrggbb."),
            Setting("img_max_size_mp", "Largest grid in megapixels"),
            Setting("grid_zip_filename_pattern", "Pattern of names of archives", "Empty: [datetime]_[[model_name]]_[seed]-[seed_last]."),
        ),
    ),
    (
        "Settings in pictures",
        (
            Setting("enable_pnginfo", "Write the settings into the picture", "PNG Info reads them back."),
            Setting("add_model_name_to_info", "Write the checkpoint's name"),
            Setting("add_model_hash_to_info", "Write the checkpoint's hash", "With it the checkpoint is found again under any name."),
            Setting("add_version_to_infotext", "Write the program's version"),
            Setting("darkroom_params_chunk", "Write all settings as JSON into PNG files", "For those that the text has no words for."),
            Setting("darkroom_strip_downloads", "Take the settings out of what the gallery hands out", "The files themselves stay."),
        ),
    ),
    (
        "Live preview",
        (
            Setting("live_previews_enable", "Show a preview while a picture is being made"),
            Setting("show_progress_every_n_steps", "Steps between two previews", "0 and -1: no previews; else as time allows."),
            Setting("live_previews_image_format", "Format of previews"),
        ),
    ),
    (
        "VAE, LoRAs, embeddings, hypernetworks",
        (
            Setting("sd_vae", "SD VAE", "Automatic: the one beside the checkpoint; None: the checkpoint's own; or a file's name."),
            Setting("sd_text_encoder", "Text encoder", "A checkpoint whose text encoders read prompts for the chosen one; empty: its own."),
            Setting("sd_vae_overrides_per_model_preferences", "A VAE chosen by name goes before the one beside the checkpoint"),
            Setting("sd_lora", "LoRA added to every prompt", "A name, or None."),
            Setting("sd_hypernetwork", "Hypernetwork added to every prompt", "A name, or None."),
            Setting("extra_networks_default_multiplier", "Strength of those two"),
            Setting(
                "lora_functional",
                "LoRAs change what comes out of a layer, not its weights",
                "Accepted for A1111's sake; the picture is the same.",
            ),
            Setting("add_vae_name_to_info", "Write the VAE's name into pictures"),
            Setting("add_vae_hash_to_info", "Write the VAE's hash into pictures"),
            Setting("lora_add_hashes_to_infotext", "Write the hashes of LoRAs into pictures"),
            Setting("textual_inversion_add_hashes_to_infotext", "Write the hashes of embeddings into pictures"),
        ),
    ),
    (
        "Prompts",
        (
            Setting("CLIP_stop_at_last_layers", "Clip skip", "Used where neither the page nor a request names one."),
            Setting("emphasis", "How weights such as (word:1.2) act"),
            Setting("comma_padding_backtrack", "Tokens after a comma that move to the next chunk together"),
            Setting("enable_prompt_comments", "Leave out what stands behind # in a prompt"),
            Setting("use_old_scheduling", "Old timelines of [from:to:when]", "As before version 1.6."),
            Setting("use_old_emphasis_implementation", "Old reading of weights"),
        ),
    ),
    (
        "Noise and guidance",
        (
            Setting("randn_source", "Random number source", "NV: the numbers of a CUDA card."),
            Setting("eta_noise_seed_delta", "Eta noise seed delta (ENSD)"),
            Setting("skip_early_cond", "Skip Early CFG", "Share of the first steps without negative prompt."),
            Setting("s_min_uncond", "NGMS", "Below this sigma every second step is without negative prompt."),
            Setting("s_min_uncond_all", "NGMS in every step"),
            Setting("pad_cond_uncond", "Pad prompts of different lengths"),
            Setting("pad_cond_uncond_v0", "Pad prompts the old way"),
            Setting("sd_noise_schedule", "Noise schedule", "Zero Terminal SNR: for models trained to begin with pure noise."),
            Setting("use_downcasted_alpha_bar", "Round noise levels to 16 bits", "As A1111 did before version 1.6."),
        ),
    ),
    (
        "Hires fix, refiner and tiling",
        (
            Setting("hires_fix_refiner_pass", "Pass that the refiner finishes"),
            Setting("refiner_switch_by_sample_steps", "Count the refiner's switch in steps", "And not in the model's timesteps."),
            Setting("hires_fix_use_firstpass_conds", "The first pass's text encoder reads the hires prompts"),
            Setting("use_old_hires_fix_width_height", "Width and height are those of the finished picture", "As before 2023."),
            Setting("tiling", "Seamless pictures where a request does not say", "Their edges fit each other."),
        ),
    ),
    (
        "Token merging",
        (
            Setting("token_merging_ratio", "Token merging ratio", "Faster with less detail; 0: off."),
            Setting("token_merging_ratio_img2img", "Token merging ratio for img2img", "0: the same."),
            Setting("token_merging_ratio_hr", "Token merging ratio for the hires pass", "0: the same."),
        ),
    ),
    (
        "img2img",
        (
            Setting("img2img_background_color", "Colour behind transparent input pictures", "As #rrggbb."),
            Setting("initial_noise_multiplier", "Noise multiplier", "Below 1 softens the picture."),
            Setting("img2img_extra_noise", "Extra noise for img2img and hires fix", "More detail, also where there was none."),
            Setting("img2img_fix_steps", "Do all the steps, whatever the denoising strength"),
            Setting("img2img_color_correction", "Keep the colours of the input picture"),
            Setting("inpainting_mask_weight", "Inpainting conditioning mask strength", "Below 1 inpainting checkpoints see what it hides."),
            Setting("overlay_inpaint", "Lay the original over the result outside the mask"),
            Setting("return_mask", "Show the mask among the results"),
            Setting("return_mask_composite", "Show what was drawn under the mask among the results"),
            Setting("save_mask", "Save the mask beside the picture", "Its name ends in -mask."),
            Setting("save_mask_composite", "Save what was drawn under the mask, alone", "Its name ends in -mask-composite."),
        ),
    ),
    (
        "SDXL",
        (
            Setting("sdxl_crop_top", "Crop top", "Where the picture is told to be cut out of a larger one."),
            Setting("sdxl_crop_left", "Crop left"),
            Setting("sdxl_refiner_low_aesthetic_score", "Refiner's aesthetic score of the negative prompt"),
            Setting("sdxl_refiner_high_aesthetic_score", "Refiner's aesthetic score of the prompt"),
            Setting("sdxl_clip_l_skip", "Clip skip acts on SDXL's first text encoder"),
        ),
    ),
    (
        "Memory",
        (
            Setting("sd_checkpoints_limit", "Most checkpoints in memory", "1: as many as there is room for."),
            Setting("sd_checkpoints_keep_in_cpu", "Only one of them on the card", "The others wait in main memory. Counts from 2 on."),
        ),
    ),
    (
        "Page",
        (
            Setting(
                "quicksettings_list",
                "Quick settings at the top of the page",
                choices=(("Checkpoint", "sd_model_checkpoint"), ("Clip skip", "CLIP_stop_at_last_layers")),
            ),
        ),
    ),
    (
        "Sampling",
        (
            Setting("eta_ancestral", "Eta of ancestral samplers", "Share of fresh noise in a step."),
            Setting("eta_ddim", "Eta of DDIM"),
            Setting("s_churn", "Sigma churn"),
            Setting("s_tmin", "Sigma tmin"),
            Setting("s_tmax", "Sigma tmax", "0: no upper end."),
            Setting("s_noise", "Sigma noise"),
            Setting("sigma_min", "Schedule min sigma", "0: the model's own."),
            Setting("sigma_max", "Schedule max sigma", "0: the model's own."),
            Setting("rho", "Schedule rho", "0: the schedule's own."),
            Setting("always_discard_next_to_last_sigma", "Always discard the next-to-last sigma"),
            Setting("sgm_noise_multiplier", "SGM noise multiplier"),
            Setting("beta_dist_alpha", "Beta schedule alpha"),
            Setting("beta_dist_beta", "Beta schedule beta"),
            Setting("uni_pc_variant", "UniPC variant"),
            Setting("uni_pc_skip_type", "UniPC skip type"),
            Setting("uni_pc_order", "UniPC order"),
            Setting("uni_pc_lower_order_final", "UniPC: lower order at the end"),
            Setting("use_old_karras_scheduler_sigmas", "Old Karras sigmas (0.1 to 10)"),
            Setting("no_dpmpp_sde_batch_determinism", "DPM++ SDE: pictures depend on the batch size"),
        ),
    ),
)


@dataclass(frozen=True)
class SettingsTab:
    """The controls by option name, and the button that applies them."""

    controls: dict[str, Component]
    apply: gr.Button


def build_settings(values: Mapping[str, OptionValue]) -> SettingsTab:
    """Lays out the settings with what they are now."""
    controls: dict[str, Component] = {}
    with gr.Row(elem_classes=["dk-settings-head"]):
        apply = gr.Button("Apply settings", variant="primary", elem_id="settings_submit", scale=0, min_width=200)
        element("dk-settings-search", classes=("dk-settings-search-html",))
    with gr.Column(elem_classes=["dk-cards"]):
        for title, settings in SECTIONS:
            with gr.Column(elem_classes=["dk-card"]):
                static_html(f"<h3>{title}</h3>")
                for setting in settings:
                    controls[setting.option] = _control(setting, find_option(setting.option), values[setting.option])
    return SettingsTab(controls, apply)


def setting_update(control: Component, value: OptionValue) -> Any:
    """Puts an option's value into its control."""
    return gr.update(value=str(value) if isinstance(control, gr.Textbox) else value)


def _control(setting: Setting, option: Option, value: OptionValue) -> Component:
    common: dict[str, Any] = {
        "value": value,
        "label": setting.label,
        "info": setting.info or None,
        "elem_id": f"option_{option.name}",
        "interactive": True,
    }
    match option.default:
        case bool():
            return gr.Checkbox(**common)
        case list():
            return gr.CheckboxGroup(list(setting.choices), **common)
        case int() | float():
            low, high = limits_of(option.field) if option.field else (option.minimum, None)
            if high is not None and high > EXACT_INTEGER:
                return gr.Textbox(max_lines=1, **{**common, "value": str(value)})
            return gr.Number(precision=0 if isinstance(option.default, int) else None, minimum=low, maximum=high, **common)
        case _ if option.choices:
            return gr.Dropdown(list(option.choices), **common)
        case _:
            return gr.Textbox(max_lines=1, **common)
