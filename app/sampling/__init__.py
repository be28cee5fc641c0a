"""The mathematics of drawing a picture from noise: schedules of sigmas, noise, guidance and the samplers, as generators.

Knows the schema and torch. A sampler yields `Denoise` and is sent the denoised latents; it calls no model, touches no device.

A pass is put together from `table.NoiseTable` (the model's noise levels), `samplers.SAMPLERS[name]` (a `SamplerSpec`: its sigmas,
first latents, generator and last latents), `options.SamplerOptions`, `noise.PictureNoise` (one generator a picture) and, where it
starts from a picture, an `img2img.Entry`. `guidance.guided` stands between the generator and whoever runs the network.
"""
