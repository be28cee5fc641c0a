"""The one loop that owns the device: it runs every job's recipe and lets rows of different jobs share forwards.

Knows recipes and networks. `client` is the door (`EngineClient`, `EngineJob`, events; no torch), `thread` an engine behind it
in a thread of this process. `scheduler` decides who runs next, `executor` runs it, `residency` holds the checkpoints.
"""
