"""The pure core: from a decoded image to one CLIP input tensor, nothing else."""
