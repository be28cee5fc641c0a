"""Writes the file that ships: half precision, with the inference yaml that A1111 reads beside it.

python -m tools.pocket.export --model stage2.safetensors --out models/Stable-diffusion/pocket-emoji-v2.safetensors
"""

import argparse
from pathlib import Path

import torch

from tools.pocket.checkpoint_file import read_parts, write_parts
from tools.pocket.sizes import Sizes


def yaml_of(cfg: Sizes) -> str:
    """The CompVis-style inference config."""

    def numbers(values):
        return "[" + ", ".join(map(str, values)) + "]"

    return f"""model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    num_timesteps_cond: 1
    log_every_t: 200
    timesteps: 1000
    first_stage_key: jpg
    cond_stage_key: txt
    image_size: {cfg.native_size // 8}
    channels: {cfg.z}
    cond_stage_trainable: true
    conditioning_key: crossattn
    monitor: val/loss_simple_ema
    scale_factor: {cfg.scale_factor}
    use_ema: false

    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        image_size: {cfg.native_size // 8}
        in_channels: {cfg.z}
        out_channels: {cfg.z}
        model_channels: {cfg.model_channels}
        attention_resolutions: [4, 2, 1]
        num_res_blocks: {cfg.num_res_blocks}
        channel_mult: {numbers(cfg.channel_mult)}
        num_heads: {cfg.num_heads}
        use_spatial_transformer: true
        transformer_depth: 1
        context_dim: {cfg.text_width}
        use_checkpoint: false
        legacy: false

    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: {cfg.z}
        monitor: val/rec_loss
        ddconfig:
          double_z: true
          z_channels: {cfg.z}
          resolution: {cfg.native_size}
          in_channels: 3
          out_ch: 3
          ch: {cfg.vae_ch}
          ch_mult: {numbers(cfg.vae_mult)}
          num_res_blocks: {cfg.vae_blocks}
          attn_resolutions: []
          dropout: 0.0
        lossconfig:
          target: torch.nn.Identity

    cond_stage_config:
      target: ldm.modules.encoders.modules.FrozenCLIPEmbedder
      params:
        # the text encoder lies in the checkpoint; these are the sizes of its CLIPTextConfig
        text_config:
          vocab_size: {cfg.vocab}
          max_position_embeddings: {cfg.positions}
          hidden_size: {cfg.text_width}
          intermediate_size: {cfg.text_width * 4}
          num_hidden_layers: {cfg.text_layers}
          num_attention_heads: {cfg.text_heads}
          hidden_act: quick_gelu
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="what train_denoiser.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--known", type=Path, help="a file with one label a line: the concepts that the evaluation shows to work")
    args = parser.parse_args()
    parts = read_parts(args.model)
    known = args.known.read_text(encoding="utf-8").split("\n") if args.known else []
    write_parts(args.out, parts, dtype=torch.float16, known=filter(None, known))
    args.out.with_suffix(".yaml").write_text(yaml_of(parts.sizes), encoding="utf-8")
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB; {parts.sizes}")


if __name__ == "__main__":
    main()
