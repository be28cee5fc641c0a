"""ComfyUI's graphs, read into one form (`graph`, `workflow`) and walked back from the picture (`passes`, `texts`, `models`)."""
