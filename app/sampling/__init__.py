"""The mathematics of drawing a picture from noise: schedules of sigmas, noise, guidance and the samplers, as generators.

Knows the schema and torch. A sampler yields `Denoise` and is sent the denoised latents; it calls no model, touches no device.
"""
