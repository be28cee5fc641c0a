"""Darkroom's own API: jobs with ids, events, pictures, models."""
