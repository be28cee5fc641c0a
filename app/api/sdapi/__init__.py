"""A1111's REST API: its routes, field names, defaults, answers and error bodies over Darkroom's jobs."""
