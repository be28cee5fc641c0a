"""What lies on disk: headers, families, facts, hashes and the catalogue of checkpoints and other model files.

Knows the schema; reads files without torch and never runs what is in them.
"""
